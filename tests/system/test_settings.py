"""Settings of a node saved to YAML and loaded, with the plans of ophyd-async."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from bluesky.run_engine import RunEngine, call_in_bluesky_event_loop
from bluesky.utils import FailedStatus
from ophyd_async.core import Settings, YamlSettingsProvider, init_devices
from ophyd_async.plan_stubs import (
    apply_settings,
    apply_settings_if_different,
    get_current_settings,
    retrieve_settings,
    store_settings,
)

from secop_ophyd import SECoPNodeDevice
from secop_ophyd.demo import start_node
from secop_ophyd.testing import FakeNode

NODES = Path(__file__).parents[1] / "nodes"

DOUBLE = {"type": "double"}
INT = {"type": "int", "min": -(2**63), "max": 2**63 - 1}
TEXT = {"type": "string", "isUTF8": True}
BLOB = {"type": "blob", "maxbytes": 9}
COLOR = {"type": "enum", "members": {"red": 0, "green": 1, "off": 7}}
MATRIX = {"type": "matrix", "elementtype": "<f4", "names": ["x", "y"], "maxlen": [3, 2]}
PAIR = {"type": "tuple", "members": [DOUBLE, COLOR, TEXT]}
STRUCT = {
    "type": "struct",
    "members": {"x": DOUBLE, "color": COLOR, "on": {"type": "bool"}, "note": TEXT},
    "optional": ["note"],
}
NESTED = {
    "type": "struct",
    "members": {
        "at": PAIR,
        "curve": {"type": "array", "members": INT, "maxlen": 4},
        "inner": STRUCT,
        "image": MATRIX,
        "bytes": BLOB,
    },
}


def array(members: Any, maxlen: int = 4, minlen: int = 0) -> Any:
    return {"type": "array", "members": members, "minlen": minlen, "maxlen": maxlen}


# Datainfo, the JSON to be saved, and another one
KINDS: dict[str, tuple[Any, Any, Any]] = {
    "double": (DOUBLE, 0.1 + 0.2, 1e-300),
    "scaled": ({"type": "scaled", "scale": 0.1, "min": -99, "max": 999}, 123, -7),
    "int": (INT, 2**53 + 1, -(2**63)),
    "wide": ({"type": "int", "min": 0, "max": 2**70}, 2**64 + 1, 5),
    "bool": ({"type": "bool"}, True, False),
    "enum": (COLOR, 7, 0),
    "text": (TEXT, "yes: no\n# \u0085 'µΩ' \0 ", ""),
    "blob": (BLOB, "AAH/", ""),
    "matrix": (
        MATRIX,
        {"len": [2, 1], "blob": "zczMPQAAAMA="},
        {"len": [1, 1], "blob": "AAAAAA=="},
    ),
    "doubles": (array(DOUBLE), [0.1, -0.0, 1e300], []),
    "ints": (array(INT), [2**63 - 1, -(2**63)], [0]),
    "wides": (array({"type": "int", "min": 0, "max": 2**70}), [2**64 + 1, 0], []),
    "bools": (array({"type": "bool"}), [True, False], [True]),
    "texts": (array(TEXT), ["", "null", "1", "é\0"], ["x"]),
    "colors": (array(COLOR), [0, 7], []),
    "grid": (array(array(DOUBLE, 2, 2)), [[1.0, 2.0], [3.0, 4.5]], [[0.0, 0.0]]),
    "ragged": (array(array(DOUBLE)), [[1.0], [], [2.0, 3.0]], []),
    "blobs": (array(BLOB), ["AAH/", ""], []),
    "images": (array(MATRIX), [{"len": [2, 1], "blob": "zczMPQAAAMA="}] * 2, []),
    "pair": (PAIR, [0.1, 7, "one"], [0.5, 0, ""]),
    "pairs": (array(PAIR), [[0.1, 7, "one"], [0.2, 0, ""]], []),
    "struct": (
        STRUCT,
        {"x": 0.1, "color": 1, "on": True, "note": "n" * 99},
        {"x": 0.2, "color": 0, "on": False, "note": ""},
    ),
    "structs": (
        array(STRUCT),
        [{"x": 0.1, "color": 1, "on": True, "note": "é"}],
        [],
    ),
    "nested": (
        NESTED,
        {
            "at": [0.1, 7, "one"],
            "curve": [1, 2**53 + 1],
            "inner": {"x": 0.1, "color": 1, "on": True, "note": ""},
            "image": {"len": [2, 1], "blob": "zczMPQAAAMA="},
            "bytes": "AAH/",
        },
        {
            "at": [0.0, 0, ""],
            "curve": [],
            "inner": {"x": 0.0, "color": 0, "on": False, "note": ""},
            "image": {"len": [1, 1], "blob": "AAAAAA=="},
            "bytes": "",
        },
    ),
    "unknown": ({"type": "quaternion"}, {"w": [1, 0.5, None], "on": "yes"}, 0),
}
STRUCTURED = {"pair", "pairs", "struct", "structs", "nested"}


def parameter(datainfo: Any, readonly: bool = False) -> dict[str, Any]:
    return {"description": "p", "datainfo": datainfo, "readonly": readonly}


def make_fake(names: Iterable[str] = KINDS) -> FakeNode:
    """Make a node with parameters of some kinds, and a value and a target."""
    accessibles = {name: parameter(KINDS[name][0]) for name in names}
    accessibles["target"] = parameter(DOUBLE)
    accessibles["value"] = parameter(DOUBLE, readonly=True)
    module = {
        "description": "m",
        "interface_classes": ["Writable"],
        "accessibles": accessibles,
    }
    fake = FakeNode({"equipment_id": "x", "description": "d", "modules": {"m": module}})
    for name in names:
        fake.set_json(f"m:{name}", KINDS[name][1])
    return fake


class Lab:
    """A node, its device, and plans that save and load the settings of it."""

    def __init__(self, engine: RunEngine, fake: FakeNode, device: Any, folder: Path):
        self._engine = engine
        self._provider = YamlSettingsProvider(folder)
        self._folder = folder
        self.fake = fake
        self.device = device

    def run(self, plan: Any) -> Any:
        return self._engine(plan).plan_result

    def save(self, **options: Any) -> str:
        """Save the settings and return the file."""
        self.run(store_settings(self._provider, "saved", self.device, **options))
        return (self._folder / "saved.yaml").read_text()

    def load(self, **options: Any) -> Any:
        return self.run(
            retrieve_settings(self._provider, "saved", self.device, **options)
        )

    def apply(self, settings: Any) -> dict[str, Any]:
        """Apply settings and return the JSON that is sent, by parameter."""
        return self._sent(apply_settings(settings))

    def apply_if_different(self, settings: Any) -> dict[str, Any]:
        """Apply settings that differ and return the JSON that is sent."""
        return self._sent(apply_settings_if_different(settings, apply_settings))

    def _sent(self, plan: Any) -> dict[str, Any]:
        self.fake.requests.clear()
        self.run(plan)
        requests = [line.split(" ", 2) for line in self.fake.requests]
        assert all(what == "change" for what, *_ in requests)
        assert len({where for _, where, _ in requests}) == len(requests)
        return {where: json.loads(data) for _, where, data in requests}

    def change_all(self) -> None:
        """Let the node have other values."""

        async def change() -> None:
            for name in set(KINDS) & set(self.parameters):
                self.fake.set_json(f"m:{name}", KINDS[name][2])
            await self.device.client.ping()  # so the updates are here

        call_in_bluesky_event_loop(change())

    @property
    def parameters(self) -> Iterable[str]:
        return self.fake.description.modules["m"].parameters


@pytest.fixture
def make(RE: RunEngine, tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(fake: FakeNode) -> Lab:
            call_in_bluesky_event_loop(fake.start())
            stack.callback(lambda: call_in_bluesky_event_loop(fake.stop()))
            with init_devices():
                device: Any = SECoPNodeDevice(fake.uri, name="node")
            stack.callback(device.close)
            return Lab(RE, fake, device, tmp_path)

        yield make


def assert_same(sent: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Check that JSON is the same to the last bit."""
    assert sent.keys() == expected.keys()
    for where, data in expected.items():
        found = json.dumps(sent[where], sort_keys=True)
        assert found == json.dumps(data, sort_keys=True), where


def saved_json(names: Iterable[str] = KINDS) -> dict[str, Any]:
    return {f"m:{name}": KINDS[name][1] for name in names}


def test_all_types_are_restored_to_the_last_bit(make: Any) -> None:
    lab = make(make_fake())
    saved = lab.save()
    loaded = lab.load()
    lab.change_all()
    assert lab.save() != saved
    sent = lab.apply(loaded)
    assert_same(sent, saved_json() | {"m:target": 0.0})
    assert lab.save() == saved


def test_the_file_is_readable(make: Any) -> None:
    text = make(make_fake()).save()
    assert {
        "m.double: 0.30000000000000004",
        "m.scaled: 12.3",
        "m.int: 9007199254740993",
        "m.enum: 'off'",
        "m.blob: [0, 1, 255]",
        "m.pair: [0.1, 'off', one]",
        "m.grid: [[1.0, 2.0], [3.0, 4.5]]",
    } <= set(text.splitlines())
    # What is in a tuple or a struct, or a row of them, is a tuple in Python
    tags = {"!!python/tuple", "!!binary"}
    assert {word for word in text.split() if "!!" in word} <= {
        prefix + tag for tag in tags for prefix in ("", "[", "[[")
    }


def test_people_may_edit_the_file(make: Any, tmp_path: Path) -> None:
    lab = make(make_fake())
    (tmp_path / "saved.yaml").write_text(
        "m.double: 5\n"
        "m.enum: green\n"
        "m.struct: {note: hot, x: 2, 'on': false, color: green}\n"
        "m.pair: [1, 'off', one]\n"
        "m.pairs: [[1, red, a], [2, 1, b]]\n"
        "m.text: null\n"  # ignored
    )
    assert_same(
        lab.apply(lab.load()),
        {
            "m:double": 5.0,
            "m:enum": 1,
            "m:struct": {"x": 2.0, "color": 1, "on": False, "note": "hot"},
            "m:pair": [1.0, 7, "one"],
            "m:pairs": [[1.0, 0, "a"], [2.0, 1, "b"]],
        },
    )


def test_only_what_differs_is_sent(make: Any) -> None:
    # Arrays of matrices cannot be compared by ophyd-async
    names = KINDS.keys() - {"images"}
    lab = make(make_fake(names))
    lab.save()
    # An array with fields is never equal to a list for ophyd-async
    again = lab.apply_if_different(lab.load())
    assert_same(again, saved_json(STRUCTURED))
    plain = {s: v for s, v in lab.load().items() if f"m:{_name(s)}" not in again}
    loaded = Settings(lab.device, plain)
    assert lab.apply_if_different(loaded) == {}
    lab.change_all()
    assert_same(lab.apply_if_different(loaded), saved_json(names - STRUCTURED))
    assert lab.apply_if_different(loaded) == {}


def _name(signal: Any) -> str:
    return signal.name.removeprefix("node-m-")


def test_nothing_is_sent_if_current_settings_are_compared(make: Any) -> None:
    lab = make(make_fake(KINDS.keys() - {"images"}))
    current = lab.run(get_current_settings(lab.device))
    assert lab.apply_if_different(current) == {}


def test_only_config_leaves_out_tuples_and_structs(make: Any) -> None:
    # Their data keys are those of columns, which are no names of signals
    lab = make(make_fake())
    saved = yaml.full_load(lab.save(only_config=True))
    assert saved.keys() == {f"m.{name}" for name in KINDS.keys() - STRUCTURED}
    lab.change_all()
    sent = lab.apply(lab.load(only_config=True))
    assert_same(sent, saved_json(KINDS.keys() - STRUCTURED))


def test_nothing_is_saved_while_a_parameter_is_in_error(
    make: Any, tmp_path: Path
) -> None:
    fake = make_fake()
    fake.set_error("m:double", "HardwareError", "the cable is off")
    with pytest.raises(Exception, match="the cable is off"):
        make(fake).save()
    assert not list(tmp_path.glob("*.yaml"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("m.scaled: 500", "99.9"),
        ("m.enum: off", "expected a code or a name, got False"),  # for want of quotes
        ("m.pair: [1, 7]", "expected 3 elements"),
        ("m.struct: {x: 1}", "are missing"),
    ],
)
def test_what_cannot_be_is_not_applied(
    make: Any, tmp_path: Path, line: str, words: str
) -> None:
    lab = make(make_fake())
    (tmp_path / "saved.yaml").write_text(line)
    settings = lab.load()
    lab.fake.requests.clear()
    with pytest.raises(FailedStatus) as failure:
        lab.apply(settings)
    assert words in str(failure.value.__cause__)
    assert lab.fake.requests == []


def test_a_node_of_frappy(RE: RunEngine, tmp_path: Path) -> None:
    provider = YamlSettingsProvider(tmp_path)
    with start_node(NODES / "datatypes_cfg.py") as simulated:
        with init_devices():
            device: Any = SECoPNodeDevice(simulated.uri)
        with closing(device):
            types = device.types

            def values() -> dict[str, str]:
                settings = RE(get_current_settings(types)).plan_result
                return {signal.name: repr(value) for signal, value in settings.items()}

            before = values()
            assert len(before) == 24
            RE(store_settings(provider, "types", types))
            RE(apply_settings(Settings(types, others(types))))
            changed = values()
            assert [name for name in before if before[name] == changed[name]] == []
            settings = RE(retrieve_settings(provider, "types", types)).plan_result
            RE(apply_settings(settings))
            assert values() == before
            RE(apply_settings_if_different(settings, apply_settings))
            assert values() == before


def others(types: Any) -> dict[Any, Any]:
    """Return another value for each parameter of the module.

    Not a shorter array: frappy would never make it longer again, unless it is empty.
    """
    return {
        types.double: 2.5,
        types.limited: -0.25,
        types.scaled: -3.4,
        types.integer: -1,
        types.long: -(2**63),
        types.boolean: False,
        types.enum: "red",
        types.string: "",
        types.short: "ab",
        types.blob: b"",
        types.doubles: [],
        types.three: [0, 0, 0],
        types.integers: [],
        types.booleans: [],
        types.strings: [],
        types.enums: [],
        types.grid: [[0, 0, 0]] * 2,
        types.ragged: [],
        types.tuples: [],
        types.structs: [],
        types.pair: (0, 0, ""),
        types.struct: {"x": 0, "color": 0, "on": True, "label": ""},
        types.optional: {"a": 0, "b": 0},
        types.nested: {
            "position": (0, 0),
            "curve": [],
            "inner": {"n": 0, "text": ""},
        },
    }
