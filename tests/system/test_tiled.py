"""Every value of every SECoP datatype, from the node to Tiled, to the last bit.

What Tiled does not keep is said in `every_type.is_same`, in `clipped` and in
`test_what_tiled_cannot_keep`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import bluesky.plan_stubs as bps
import event_model
import numpy as np
import pytest
from bluesky.callbacks.json_writer import JSONLinesWriter
from bluesky.plans import count
from bluesky.run_engine import RunEngine
from event_model import DocumentNames, schema_validators
from ophyd_async.core import init_devices

from secop_ophyd import NodeOptions, SECoPNodeDevice, SECoPRecorder
from secop_ophyd.demo import start_node
from secop_ophyd.protocol import (
    MISSING,
    ParameterDescription,
    RangeError,
    random_value,
)
from secop_ophyd.testing import FakeNode

from .archive import Archive, archive, end_threads
from .every_type import (
    DOUBLE,
    GROUPS,
    INT,
    JSONS,
    KINDS,
    MATRIX,
    Json,
    Kind,
    bits,
    document_columns,
    is_allowed,
    is_same,
    node,
    parameter,
    plain,
    property_column,
    readable,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette"),
    # By TiledWriter, when it clips NaN in the configuration
    pytest.mark.filterwarnings("ignore:invalid value encountered in scalar remainder"),
]
NODES = Path(__file__).parents[1] / "nodes"
DESCRIPTIONS = Path(__file__).parents[1] / "data" / "descriptions"
RECORDED = [
    kind
    for kind in KINDS
    if len(kind.values) == 3
    and kind.name.split("_of_")[0] in ("array", "pair", "tuple", "struct", "grid")
][::7]
START = 1e9  # s, of the timestamps that are sent
STEP = 1 / 7


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with archive(tmp_path_factory.mktemp("tiled")) as server:
        yield server


@pytest.fixture
def tiled(server: Archive) -> Iterator[Archive]:
    yield server
    end_threads()


class Laboratory:
    """A node and its device in the event loop of a RunEngine, and all documents."""

    def __init__(self, engine: RunEngine):
        self.engine = engine
        self.documents: list[tuple[str, dict[str, Any]]] = []
        engine.subscribe(self._add)
        self._changed = asyncio.Event()
        self._ends: list[Callable[[], Any]] = []

    def _add(self, name: str, document: dict[str, Any]) -> None:
        self.documents.append((name, document))
        self.engine.loop.call_soon_threadsafe(self._changed.set)

    def run(self, awaitable: Any) -> Any:
        async def wait() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self.engine.loop).result(30)

    def serve(self, structure: Any, **options: Any) -> FakeNode:
        fake = FakeNode(structure, **options)
        self._ends.append(lambda: self.run(fake.stop()))
        self.run(fake.start())
        return fake

    def connect(self, uri: str, **options: Any) -> Any:
        with init_devices():
            device = SECoPNodeDevice(uri, name="n", options=NodeOptions(**options))
        self._ends.append(device.close)
        return device

    def named(self, name: str) -> list[dict[str, Any]]:
        return [document for kind, document in self.documents if kind == name]

    async def events(self, number: int) -> None:
        """Wait for a number of events."""
        async with asyncio.timeout(20):
            while len(self.named("event")) < number:
                self._changed.clear()
                await self._changed.wait()

    @property
    def uid(self) -> str:
        return self.documents[0][1]["uid"]

    def close(self) -> None:
        for end in reversed(self._ends):
            end()


@pytest.fixture
def lab(RE: RunEngine) -> Iterator[Laboratory]:
    lab = Laboratory(RE)
    yield lab
    lab.close()


def send(fake: FakeNode, kinds: list[Kind], index: int) -> None:
    """Let the value of each module be the next one of its kind."""
    for kind in kinds:
        value = kind.values[index % len(kind.values)]
        fake.set_json(f"{kind.name}:value", value, {"t": START + index * STEP})


def expected_columns(kind: Kind, index: int) -> dict[str, Any]:
    value = kind.values[index % len(kind.values)]
    return document_columns(f"n-{kind.name}", kind.datainfo, value)


def check_json(
    lab: Laboratory, folder: Path, has_nan: bool = True
) -> list[dict[str, Any]]:
    """Write all documents to a file, and return the events that are in it.

    :param has_nan: Whether there may be numbers that strict JSON has not.
    """
    writer = JSONLinesWriter(str(folder), "documents.jsonl")
    for name, document in lab.documents:
        schema_validators[DocumentNames[name]].validate(document)
        # JSON has no numpy arrays
        writer(name, event_model.sanitize_doc(document))
    lines = (folder / "documents.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert has_nan or json.dumps(found, allow_nan=False)
    assert [x["name"] for x in found] == [name for name, _ in lab.documents]
    return [x["doc"] for x in found if x["name"] == "event"]


def is_same_in_json(found: Any, expected: Any) -> bool:
    if isinstance(expected, np.ndarray):
        found = np.array(found, expected.dtype).reshape(expected.shape)
    return is_same(found, expected)


def batches(kinds: list[Kind]) -> dict[str, list[Kind]]:
    """Return streams of a size that Tiled is fast with."""
    parts = [kinds[i : i + 16] for i in range(0, len(kinds), 16)]
    return {f"stream{i}": part for i, part in enumerate(parts)}


@pytest.mark.parametrize("group", GROUPS)
def test_values(group: str, lab: Laboratory, tiled: Archive, tmp_path: Path) -> None:
    kinds = GROUPS[group]
    structure = node({kind.name: readable(kind.datainfo) for kind in kinds})
    fake = lab.serve(structure)
    device = lab.connect(fake.uri)
    number = max(len(kind.values) for kind in kinds)
    lab.engine.subscribe(tiled.writer())

    def plan():
        yield from bps.open_run()
        for i in range(number):
            lab.engine.loop.call_soon_threadsafe(send, fake, kinds, i)
            for name, part in batches(kinds).items():
                modules = [getattr(device, kind.name) for kind in part]
                yield from bps.trigger_and_read(modules, name)
        yield from bps.close_run()

    lab.engine(plan())
    written = check_json(lab, tmp_path, has_nan=group == "matrices")
    wrong: list[str] = []
    for name, part in batches(kinds).items():
        (descriptor,) = (d for d in lab.named("descriptor") if d["name"] == name)
        uid = descriptor["uid"]
        events = [e for e in lab.named("event") if e["descriptor"] == uid]
        in_json = [e for e in written if e["descriptor"] == uid]
        stored = tiled.columns(lab.uid, name)
        known = {f"n-{kind.name}-status-{f}" for kind in part for f in ("f0", "f1")}
        for i, kind in ((i, kind) for i in range(number) for kind in part):
            for key, value in expected_columns(kind, i).items():
                known.add(key)
                time = START + i * STEP
                checks = {
                    "event": is_same(events[i]["data"][key], value),
                    "JSON": is_same_in_json(in_json[i]["data"][key], value),
                    "Tiled": is_same(stored[key][i], value, stored=True),
                    "time": events[i]["timestamps"][key] == time,
                    "time in Tiled": stored[f"ts_{key}"][i] == time,
                }
                wrong += [
                    f"{what}: {key}[{i}]" for what, ok in checks.items() if not ok
                ]
        assert descriptor["data_keys"].keys() == known
        times = {f"ts_{key}" for key in known} | {"time"}
        assert stored.keys() == known | times | {"seq_num"}
    assert not wrong


async def test_what_was_read_can_be_set() -> None:
    infos = {kind.name: kind.datainfo for kind in KINDS}
    modules = {
        name: readable(info, target=parameter(info, readonly=False))
        for name, info in infos.items()
    }
    async with FakeNode(node(modules)) as fake:
        device: Any = SECoPNodeDevice(fake.uri, name="n")
        await device.connect()
        for i, kinds in enumerate(rounds(KINDS)):
            send(fake, kinds, i)
            await device.client.ping()  # so all of them are here
            for kind in kinds:
                module = getattr(device, kind.name)
                read = await module.value.get_value()
                if is_allowed(kind.datainfo, kind.values[i]):
                    await module.target.set(read)
                    sent = plain(kind.datainfo, target(fake, kind.name))
                    assert bits(sent) == bits(plain(kind.datainfo, kind.values[i]))
                else:
                    with pytest.raises(RangeError):
                        await module.target.set(read)
        await device.disconnect()


def target(fake: FakeNode, module: str) -> Any:
    """Return the target that a node has, as it was sent."""
    info = fake.description.modules[module].parameters["target"].datainfo
    return json.loads(json.dumps(info.to_json(fake.value(f"{module}:target"))))


def rounds(kinds: list[Kind]) -> list[list[Kind]]:
    """Return the kinds that have a first value, a second one, and so on."""
    number = max(len(kind.values) for kind in kinds)
    return [[kind for kind in kinds if i < len(kind.values)] for i in range(number)]


def monitor(lab: Laboratory, kinds: list[Kind]) -> dict[str, list[dict[str, Any]]]:
    """Monitor modules that have all values of their kinds, and return the data."""
    fake = lab.serve(node({kind.name: readable(kind.datainfo) for kind in kinds}))
    lab.engine.loop.call_soon_threadsafe(send, fake, kinds, 0)
    device = lab.connect(fake.uri)
    events = itertools.accumulate(map(len, rounds(kinds)))

    def plan():
        yield from bps.open_run()
        for kind in kinds:
            yield from bps.monitor(getattr(device, kind.name), name=kind.name)
        for i, (present, number) in enumerate(zip(rounds(kinds), events, strict=True)):
            if i:
                lab.engine.loop.call_soon_threadsafe(send, fake, present, i)
            yield from bps.wait_for([lambda number=number: lab.events(number)])
        yield from bps.close_run()

    lab.engine(plan())
    streams = {doc["uid"]: doc["name"] for doc in lab.named("descriptor")}
    found: dict[str, list[dict[str, Any]]] = {kind.name: [] for kind in kinds}
    for event in lab.named("event"):
        found[streams[event["descriptor"]]].append(event["data"])
    assert {k: len(v) for k, v in found.items()} == {
        kind.name: len(kind.values) for kind in kinds
    }
    return found


def test_monitored_values(lab: Laboratory, tmp_path: Path) -> None:
    found = monitor(lab, KINDS)
    check_json(lab, tmp_path)
    wrong = [
        f"{key}[{i}]"
        for kind in KINDS
        for i, data in enumerate(found[kind.name])
        for key, value in expected_columns(kind, i).items()
        if not is_same(data[key], value)
    ]
    assert not wrong


def test_monitored_values_in_tiled(lab: Laboratory, tiled: Archive) -> None:
    kinds = KINDS[::25]
    lab.engine.subscribe(tiled.writer())
    found = monitor(lab, kinds)
    for kind in kinds:
        stored = tiled.columns(lab.uid, kind.name)
        for i in range(len(found[kind.name])):
            for key, value in expected_columns(kind, i).items():
                assert is_same(stored[key][i], value, stored=True), f"{key}[{i}]"


def test_recorded_values_in_tiled(lab: Laboratory, tiled: Archive) -> None:
    """Event pages of a recorder, which has all these modules in one row."""
    kinds = RECORDED
    fake = lab.serve(node({kind.name: readable(kind.datainfo) for kind in kinds}))
    lab.engine.loop.call_soon_threadsafe(send, fake, kinds, 0)
    device = lab.connect(fake.uri)
    recorder = SECoPRecorder(*(getattr(device, kind.name).value for kind in kinds))
    lab.engine.subscribe(tiled.writer())
    number = max(len(kind.values) for kind in kinds)

    async def tell(index: int) -> None:
        send(fake, kinds, index)
        await device.client.ping()

    def plan():
        yield from bps.open_run()
        yield from bps.declare_stream(recorder, name="fly", collect=True)
        yield from bps.kickoff(recorder, wait=True)
        for i in range(1, number):
            yield from bps.wait_for([lambda i=i: tell(i)])
            if i == number // 2:
                yield from bps.collect(recorder, name="fly")
        yield from bps.complete(recorder, wait=True)
        yield from bps.collect(recorder, name="fly")
        yield from bps.close_run()

    lab.engine(plan())
    assert len(lab.named("event_page")) == 2
    # The first row has the first values, then each update makes one
    last = [i * len(kinds) for i in range(number)]
    stored = tiled.columns(lab.uid, "fly")
    wrong: list[str] = []
    for kind in kinds:
        for i, row in enumerate(last):
            for key, value in expected_columns(kind, i).items():
                assert len(stored[key]) == last[-1] + 1
                if not is_same(stored[key][row], value, stored=True):
                    wrong.append(f"{key}[{i}]")
                if stored[f"ts_{key}"][row] != START + i * STEP:
                    wrong.append(f"ts_{key}[{i}]")
    assert not wrong


ACQUIRED = np.arange(12.0).reshape(3, 4) / 7
ROI = {"x": 1, "y": 2, "size": [3, 4]}
ROI_INFO = {
    "type": "struct",
    "members": {
        "x": {"type": "int", "min": 0, "max": 9},
        "y": {"type": "int", "min": 0, "max": 9},
        "size": {"type": "tuple", "members": 2 * [INT]},
    },
}


def test_acquired_matrix(lab: Laboratory, tiled: Archive) -> None:
    camera = readable(DOUBLE, roi=parameter(ROI_INFO, readonly=False))
    camera["interface_classes"] = ["Acquisition", "Readable"]
    for name, info in {"go": {}, "get_data": {"result": MATRIX}}.items():
        datainfo = {"type": "command", **info}
        camera["accessibles"][name] = {"description": "c", "datainfo": datainfo}
    fake = lab.serve(node({"camera": camera}))
    shots: list[Any] = []

    def go() -> None:
        fake.set("camera:status", (300, "exposing"))
        shots.append(ACQUIRED[: 3 - len(shots)] + len(shots))
        fake.set("camera:value", float(shots[-1].sum()))
        fake.set("camera:status", (100, ""))

    fake.on_command("camera:go", go)
    fake.on_command("camera:get_data", lambda: shots[-1])
    device = lab.connect(fake.uri)
    lab.engine(bps.mv(device.camera.roi, ROI))
    lab.documents.clear()
    lab.engine.subscribe(tiled.writer())
    lab.engine(count([device.camera], 2))
    stored = tiled.columns(lab.uid, "primary")
    assert [m.shape for m in stored["n-camera-get_data"]] == [(3, 4), (2, 4)]
    for found, expected in zip(stored["n-camera-get_data"], shots, strict=True):
        assert bits(found.tolist()) == bits(expected.tolist())
    assert stored["n-camera"] == [shot.sum() for shot in shots]
    configuration = tiled.configuration(lab.uid, "primary", "n-camera")
    found = {k: v for k, v in configuration.items() if "roi" in k}
    expected = document_columns("n-camera-roi", ROI_INFO, ROI)
    assert found == expected
    assert sorted(found.values()) == [1, 2, 3, 4]


def test_acquisition_of_frappy(lab: Laboratory, tiled: Archive) -> None:
    with start_node(NODES / "acquisition_cfg.py") as simulated:
        device = lab.connect(simulated.uri)
        lab.engine(bps.mv(device.clock.goal, 0.1))
        lab.documents.clear()
        lab.engine.subscribe(tiled.writer())
        lab.engine(count([device.camera], 2))
    stored = tiled.columns(lab.uid, "primary")
    for number, image in enumerate(stored["n-image-get_data"], 1):
        np.testing.assert_array_equal(image, number + np.arange(12).reshape(3, 4))
        assert stored["n-image"][number - 1] == image.sum()
    assert len(stored["n-image"]) == 2
    assert min(stored["n-clock"]) >= 0.1
    assert tiled.configuration(lab.uid, "primary", "n-camera")["n-clock-goal"] == 0.1


def clipped(value: Any) -> Any:
    """Return what TiledWriter makes of a value in the configuration.

    It clips all numbers of 2**53 and more, floats as well, and has null for NaN. Other
    floats of numpy than float64 it leaves alone, but infinity is null in JSON.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.itemsize < 8:
            return _in_short(value.tolist())
        return clipped(value.tolist()) if value.dtype.kind == "f" else value.tolist()
    if isinstance(value, list):
        return [clipped(v) for v in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return math.copysign(1.7976e308, value)
    if isinstance(value, int | float) and abs(value) >= 2**53:
        return 2**53 - 1 if value > 0 else 1 - 2**53
    return value


def _in_short(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_short(v) for v in value]
    # The shortest number that is this one in 32 bits
    return float(str(np.float32(value))) if math.isfinite(value) else None


def test_configuration(lab: Laboratory, tiled: Archive, tmp_path: Path) -> None:
    modules = {
        kind.name: readable(
            DOUBLE,
            **{f"v{i}": parameter(kind.datainfo) for i in range(len(kind.values))},
        )
        for kind in KINDS
    }
    fake = lab.serve(node(modules))
    expected: dict[str, Any] = {}
    for kind in KINDS:
        for i, value in enumerate(kind.values):
            lab.engine.loop.call_soon_threadsafe(
                fake.set_json, f"{kind.name}:v{i}", value, {"t": START + i * STEP}
            )
            key = f"n-{kind.name}-v{i}"
            expected |= document_columns(key, kind.datainfo, value)
        expected[f"n-{kind.name}-config_errors"] = "{}"
    device = lab.connect(fake.uri)
    lab.engine.subscribe(tiled.writer())
    lab.engine(count([device]))
    check_json(lab, tmp_path)
    check_configuration(lab, tiled, expected)


def check_configuration(
    lab: Laboratory, tiled: Archive, expected: dict[str, Any]
) -> None:
    """Check the configuration in the descriptor, and in Tiled."""
    (descriptor,) = lab.named("descriptor")
    found = descriptor["configuration"]["n"]["data"]
    assert expected.keys() <= found.keys()
    wrong = [key for key, v in expected.items() if not is_same(found[key], v)]
    stored = tiled.configuration(lab.uid, "primary", "n")
    exact: dict[str, Any] = {}
    for key, text in stored.items():
        if key.endswith("-config_exact"):
            exact |= json.loads(text)
    for key, value in expected.items():
        if isinstance(value, str | Json):
            if not is_same(stored[key], value):
                wrong.append(f"Tiled: {key}")
            continue
        if not is_same(stored[key], clipped(value)):
            wrong.append(f"Tiled: {key}")
        # What is lost there is in the text
        is_lost = bits(clipped(value)) != bits(_plain(value))
        if is_lost and bits(_as(value, exact[key])) != bits(_plain(value)):
            wrong.append(f"Exact: {key}")
    assert not wrong


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _as(value: Any, found: Any) -> Any:
    """Return what was found, in the type that a value has."""
    if isinstance(value, np.ndarray):
        return np.array(found, value.dtype).tolist()
    return found


def test_properties(lab: Laboratory, tiled: Archive, tmp_path: Path) -> None:
    values = [
        *JSONS,
        *([1, 2], [0.5, 1], [2**53 + 1, 0.5], [2**63], [2**63 - 1], [10**400, 0.5]),
        *([True, False], [True, 1], ["a", ""], ["a\0"], [None], [[]], [{}]),
        *(10**400, -(2**53) - 1, 1.5, "\0", [-0.0, 5e-324], [0.1, "a"]),
    ]
    properties = {f"_p{i}": value for i, value in enumerate(values)}
    fake = lab.serve(node({"m": readable(DOUBLE) | properties}, **properties))
    device = lab.connect(fake.uri)
    lab.engine.subscribe(tiled.writer())
    lab.engine(count([device]))
    check_json(lab, tmp_path, has_nan=False)
    expected = {
        f"{name}-{key}": property_column(value)
        for name in ("n", "n-m")
        for key, value in properties.items()
    }
    check_configuration(lab, tiled, expected)


def stored_as_told(lab: Laboratory, tiled: Archive, device: Any) -> None:
    """Check that a run has all that the client of a device knows."""
    lab.engine.subscribe(tiled.writer())
    lab.engine(count([device]))
    (event,) = lab.named("event")
    stored = tiled.columns(lab.uid, "primary")
    configuration: dict[str, Any] = {}
    missing: set[str] = set()
    for info in device.client.description.parameters():
        key = f"n-{info.module}"
        if info.name != "value":
            key = f"{key}-{info.name.lstrip('_')}"
        value = json_of(device, info)
        if value is None:
            missing.add(key)
            continue
        raw = info.datainfo.raw
        if info.name == "status":
            raw = {**raw, "members": [{"type": "int"}, *raw["members"][1:]]}
        for column, expected in document_columns(key, raw, value).items():
            if info.name in ("value", "target", "status"):
                assert is_same(event["data"][column], expected), column
                assert is_same(stored[column][0], expected, stored=True), column
            else:
                configuration[column] = expected
    assert len(configuration) > 10
    check_configuration(lab, tiled, configuration)
    known = tiled.configuration(lab.uid, "primary", "n")
    errors = [json.loads(v) for k, v in known.items() if k.endswith("-config_errors")]
    assert {key for each in errors for key in each} == missing


def json_of(device: Any, info: ParameterDescription) -> Any:
    """Return the value that the client knows as it was sent; None if there is none."""
    if info.constant is not MISSING:
        return info.constant
    reading = device.client.parameter(info.module, info.name).reading
    if reading.error is not None:
        return None
    return json.loads(json.dumps(info.datainfo.to_json(reading.value)))


def taken_by_frappy(info: Any, value: Any, before: Any) -> Any:
    """Return what frappy makes of a change: no array gets longer than it was."""
    match info:
        case {"type": "array", "members": member} if before:
            pairs = zip(value, before, strict=False)
            return [taken_by_frappy(member, v, b) for v, b in pairs]
        case {"type": "tuple", "members": members} if before:
            three = zip(members, value, before, strict=True)
            return [taken_by_frappy(m, v, b) for m, v, b in three]
        case {"type": "struct", "members": members} if before:
            return {
                k: taken_by_frappy(m, value[k], before[k]) for k, m in members.items()
            }
    return value


def test_types_of_frappy(lab: Laboratory, tiled: Archive) -> None:
    with start_node(NODES / "datatypes_cfg.py") as simulated:
        device = lab.connect(simulated.uri)
        random = Random(1)
        written: set[str] = set()
        for info in device.client.description.parameters():
            if info.readonly or info.name == "pollinterval":
                continue
            module = getattr(device, info.module)
            signal = getattr(module, module.secop.names.parameters[info.name])
            value = random_value(info.datainfo, random)
            before = json_of(device, info)
            lab.engine(bps.abs_set(signal, value, wait=True))
            found = json_of(device, info)
            sent = json.loads(json.dumps(info.datainfo.to_json(value)))
            raw = info.datainfo.raw
            expected = taken_by_frappy(raw, sent, before)
            assert bits(plain(raw, found)) == bits(plain(raw, expected)), info.specifier
            written.add(info.specifier)
        assert {"types:_grid", "types:_nested", "frappy_types:_tupleof"} <= written
        assert len(written) > 25
        # Some have an error for a value until they are asked
        lab.engine(bps.trigger(device, wait=True))
        stored_as_told(lab, tiled, device)


def test_replay_of_types_of_frappy(lab: Laboratory, tiled: Archive) -> None:
    fake = lab.serve(DESCRIPTIONS / "test.json", seed=5)
    stored_as_told(lab, tiled, lab.connect(fake.uri))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("m", np.zeros((0, 3)), "different number of dimensions"),
        ("m" * 60, np.zeros((1, 3)), "max bytes is 63"),
    ],
)
def test_what_tiled_cannot_keep(
    lab: Laboratory, tiled: Archive, name: str, value: Any, words: str
) -> None:
    """A run with nothing but empty matrices; a data key above 60 characters."""
    fake = lab.serve(node({name: readable(MATRIX)}), values={f"{name}:value": value})
    device = lab.connect(fake.uri)
    lab.engine.subscribe(tiled.writer())
    with pytest.raises(Exception, match=words):
        lab.engine(count([device]))
    (event,) = lab.named("event")
    assert event["data"][f"n-{name}"].shape == value.shape
