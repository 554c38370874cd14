"""Signals: what they give, what they take, and what they say about themselves."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from ophyd_async.core import Array1D, StrictEnum

from secop_ophyd.protocol import RangeError, ReadOnly, WrongType

from .builders import (
    KELVIN,
    PID,
    SWITCH,
    drivable,
    parameter,
    plain,
    report,
    with_parameters,
)

POINT = {"type": "tuple", "members": [{"type": "double"}, SWITCH]}
NUMBERS = {"type": "array", "members": {"type": "double"}, "maxlen": 4}
GRID = {
    "type": "array",
    "minlen": 2,
    "maxlen": 2,
    "members": {**NUMBERS, "minlen": 3, "maxlen": 3},
}
MATRIX = {
    "type": "matrix",
    "elementtype": "<f4",
    "names": ["x", "y"],
    "maxlen": [3, 2],
}
TEXTS = {"type": "array", "members": {"type": "string"}, "maxlen": 3}
SWITCHES = {"type": "array", "members": SWITCH, "minlen": 2, "maxlen": 2}
TABLE = {"type": "array", "members": PID, "maxlen": 3}
RAGGED = {"type": "array", "members": NUMBERS, "maxlen": 3}
WIDE = {"type": "int", "min": 0, "max": 2**64}

# datainfo, datatype of the signal, a value as Python has it, and as it is read
KINDS = {
    "double": (KELVIN, float, 4.25, 4.25),
    "scaled": (
        {"type": "scaled", "scale": 0.1, "min": 0, "max": 250},
        float,
        12.3,
        12.3,
    ),
    "int": ({"type": "int", "min": -5, "max": 5}, int, 3, 3),
    "wide": (WIDE, int, 2**64, 2**64),
    "bool": ({"type": "bool"}, bool, True, True),
    "enum": (SWITCH, StrictEnum, 1, "on"),
    "string": ({"type": "string"}, str, "x" * 300, "x" * 300),
    "blob": ({"type": "blob", "maxbytes": 9}, Array1D[np.uint8], b"\0\xff", [0, 255]),
    "numbers": (NUMBERS, Array1D[np.float64], [1.5, 2.5], [1.5, 2.5]),
    "grid": (GRID, np.ndarray, [[1.0] * 3, [2.0] * 3], [[1.0] * 3, [2.0] * 3]),
    "matrix": (
        MATRIX,
        np.ndarray,
        np.array([[1, 2, 3]], "<f4"),
        [[1.0, 2.0, 3.0]],
    ),
    "texts": (TEXTS, Sequence[str], ["a", ""], ["a", ""]),
    "switches": (SWITCHES, Sequence, [1, 0], ["on", "off"]),
    "point": (POINT, np.ndarray, (1.5, 1), [1.5, "on"]),
    "pid": (
        PID,
        np.ndarray,
        {"p": 1.0, "i": 2.0, "mode": 0, "note": "n"},
        [1.0, 2.0, "off", "n"],
    ),
    "table": (
        TABLE,
        np.ndarray,
        [{"p": 1.0, "i": 2.0, "mode": 0, "note": "n" * 99}],
        [[1.0, 2.0, "off", "n" * 99]],
    ),
    "ragged": (RAGGED, None, [[1.0], [2.0, 3.0]], [[1.0], [2.0, 3.0]]),
    "unknown": ({"type": "quaternion"}, None, {"w": [1]}, {"w": [1]}),
}
INFOS = {name: kind[0] for name, kind in KINDS.items()}
VALUES = {f"m:{name}": kind[2] for name, kind in KINDS.items()}


def seen(value):
    """Return a value of a signal in a form that can be compared."""
    if isinstance(value, np.ndarray) and value.dtype.names:
        value = value.tolist()
    if isinstance(value, np.void):
        value = value.item()
    if isinstance(value, dict):
        return value
    value = plain(value)
    return [seen(v) for v in value] if isinstance(value, list) else value


@pytest.fixture
async def fake(serve):
    return await serve(with_parameters(**INFOS), values=VALUES)


@pytest.fixture
async def module(fake, connect):
    return (await connect(fake)).m


# What must not happen


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("double", 501, RangeError, "500"),
        ("double", "warm", WrongType, "warm"),
        ("double", None, WrongType, "m:"),
        ("double", float("nan"), RangeError, "m:"),
        ("int", 6, RangeError, "5"),
        ("int", 1.5, WrongType, "1.5"),
        ("bool", "yes", WrongType, "yes"),
        ("enum", "broken", RangeError, "on"),
        ("enum", 7, RangeError, "7"),
        ("string", 5, WrongType, "5"),
        ("blob", b"0123456789", RangeError, "9"),
        ("numbers", [1.0] * 5, RangeError, "4"),
        ("numbers", 1.0, WrongType, "m:"),
        ("point", (1.0,), WrongType, "2"),
        ("point", (1.0, "broken"), RangeError, "broken"),
        ("pid", {"p": 1.0}, WrongType, "mode"),
        ("pid", {"p": 1.0, "mode": 0, "note": "", "q": 1}, WrongType, "q"),
        ("matrix", [1.0, 2.0], WrongType, "2 dimensions"),
    ],
)
async def test_what_cannot_be_is_not_sent(fake, module, name, value, error, words):
    with pytest.raises(error, match=words) as info:
        await getattr(module, name).set(value)
    assert f"m:{name}" in str(info.value)
    assert not [r for r in fake.requests if r.startswith("change")]


async def test_nothing_is_changed_that_is_readonly(serve, connect):
    fake = await serve(report(m={"accessibles": {"p": parameter(KELVIN)}}))
    signal = (await connect(fake)).m.p
    assert not hasattr(signal, "set")
    with pytest.raises(ReadOnly, match="m:p"):
        await signal._connector.backend.put(1.0)
    assert not [r for r in fake.requests if r.startswith("change")]


async def test_the_words_of_the_node_when_it_refuses(fake, module):
    fake.reply_raw(
        "change m:double",
        b'error_change m:double ["Impossible", "the valve is shut", {}]\n',
    )
    with pytest.raises(Exception, match="Impossible: the valve is shut"):
        await module.double.set(1.0)
    assert await module.double.get_value() == 4.25


# What they give


@pytest.mark.parametrize("name", KINDS)
async def test_value(module, name):
    signal, (_, datatype, _, value) = getattr(module, name), KINDS[name]
    found = await signal.get_value()
    assert seen(found) == value
    reading = (await signal.read())[f"node-m-{name}"]
    assert seen(reading["value"]) == value
    assert reading["alarm_severity"] == 0
    assert seen((await signal.locate())["setpoint"]) == value
    assert seen((await signal.locate())["readback"]) == value
    if isinstance(datatype, type) and issubclass(datatype, StrictEnum | Sequence):
        assert signal.datatype is not None
    else:
        assert signal.datatype == datatype
    if datatype in (float, int, bool, str):
        assert type(found) is datatype


async def test_an_enum_is_a_member_of_a_class(module):
    on = await module.enum.get_value()
    assert isinstance(on, StrictEnum)
    assert type(on).__members__.keys() == {"OFF", "ON"}
    assert type(on) is module.enum.datatype
    assert await module.switches.get_value() == ["on", "off"]


async def test_a_code_without_name_is_data(fake, module):
    fake.set_json("m:enum", 5)
    fake.set_json("m:point", [1.0, 5])
    await module.int.set(0)  # so the updates are here
    assert await module.enum.get_value() == "5"
    assert (await module.point.get_value())["f1"] == "5"


async def test_a_code_without_name_is_no_other_name(serve, connect):
    info = {"type": "enum", "members": {"": 0, "1": 7, "2": 8}}
    infos = {
        "enum": info,
        "enums": {"type": "array", "members": info, "maxlen": 3},
        "pair": {"type": "tuple", "members": [info, info]},
    }
    fake = await serve(with_parameters(**infos))
    module = (await connect(fake)).m
    for name, data, value in (
        ("enum", 1, "code 1"),
        ("enum", 0, ""),
        ("enums", [1, 7, 3], ["code 1", "1", "3"]),
        ("pair", [2, 0], ["code 2", ""]),
    ):
        fake.set_json(f"m:{name}", data)
        await module.secop.client.ping()
        found = await getattr(module, name).get_value()
        assert seen(found) == value
    fake.requests.clear()
    for name in ("enums", "pair"):
        with pytest.raises(RangeError, match="'code .' is none of"):
            signal = getattr(module, name)
            await signal.set(await signal.get_value())
    assert fake.requests == []


async def test_names_of_members_deep_inside(serve, connect):
    rows = {"type": "array", "members": SWITCHES, "maxlen": 3}
    pair = {"type": "tuple", "members": [SWITCH, SWITCHES]}
    inner = {"type": "struct", "members": {"a": pair, "b": {"type": "bool"}}}
    deep = {"type": "array", "members": {"type": "array", "members": inner}}
    fake = await serve(with_parameters(rows=rows, deep=deep))
    fake.set_json("m:rows", [[0, 1], [7, 0]])
    fake.set_json("m:deep", [[{"a": [1, [0, 1]], "b": True}], []])
    module = (await connect(fake)).m
    assert await module.rows.get_value() == [["off", "on"], ["7", "off"]]
    assert await module.deep.get_value() == [
        [{"a": ("on", ["off", "on"]), "b": True}],
        [],
    ]
    configuration = await module.read_configuration()
    assert configuration["node-m-rows"]["value"] == '[["off", "on"], ["7", "off"]]'
    await module.rows.set([["on", 0], [1, "off"]])
    assert fake.value("m:rows") == [[1, 0], [1, 0]]


async def test_values_that_no_one_allowed_are_data(fake, module):
    fake.set_json("m:double", 1e6)
    fake.set_json("m:numbers", [1.0] * 10)
    await module.int.set(0)
    assert await module.double.get_value() == 1e6
    assert len(await module.numbers.get_value()) == 10


@pytest.mark.parametrize("name", KINDS)
async def test_subscribe(fake, module, name, updates):
    signal, (_, _, value, read) = getattr(module, name), KINDS[name]
    seen_values = updates(signal)
    fake.set(f"m:{name}", value)
    for reading in await seen_values(2):
        assert seen(reading[signal.name]["value"]) == read


async def test_the_time_of_the_node(fake, module, updates):
    readings = updates(module.double)
    fake.set("m:double", 5.0, t=1234.5)
    assert (await readings(2))[-1]["node-m-double"]["timestamp"] == 1234.5
    (reading,) = (await module.double.read()).values()
    assert reading["timestamp"] == 1234.5


# What they take


@pytest.mark.parametrize("name", KINDS)
async def test_what_is_read_can_be_set(fake, module, name):
    signal, (_, _, value, _) = getattr(module, name), KINDS[name]
    found = await signal.get_value()
    fake.requests.clear()
    await signal.set(found)
    assert len(fake.requests) == 1
    assert seen(fake.value(f"m:{name}")) == seen(value)


@pytest.mark.parametrize(
    ("name", "value", "becomes"),
    [
        ("double", np.float32(2.5), 2.5),
        ("double", 2, 2.0),
        ("double", np.array(2.5), 2.5),
        ("scaled", 1.26, 1.3),
        ("int", np.int8(2), 2),
        ("bool", np.True_, True),
        ("enum", "off", 0),
        ("enum", 0, 0),
        ("enum", np.int64(0), 0),
        ("string", np.str_("y"), "y"),
        ("blob", np.array([1, 2], np.uint8), b"\1\2"),
        ("numbers", np.array([1, 2]), [1.0, 2.0]),
        ("numbers", (3.0,), [3.0]),
        ("grid", np.ones((2, 3)), [[1.0] * 3] * 2),
        ("texts", ("b", "c"), ["b", "c"]),
        ("switches", ["off", "on"], [0, 1]),
        ("point", [2.0, "off"], (2.0, 0)),
        ("point", {"f0": 2.0, "f1": 0}, (2.0, 0)),
        ("pid", (5.0, 6.0, "on", "t"), {"p": 5.0, "i": 6.0, "mode": 1, "note": "t"}),
        (
            "pid",  # what is optional keeps its value
            {"p": 5.0, "mode": "on", "note": "t"},
            {"p": 5.0, "i": 2.0, "mode": 1, "note": "t"},
        ),
        ("table", [], []),
    ],
)
async def test_set(fake, module, name, value, becomes):
    await getattr(module, name).set(value)
    assert fake.value(f"m:{name}") == becomes


async def test_an_enum_takes_its_members(fake, module):
    off = module.enum.datatype.OFF
    await module.enum.set(off)
    await module.point.set((1.0, off))
    await module.switches.set([off, off])
    assert (fake.value("m:enum"), fake.value("m:switches")) == (0, [0, 0])
    assert fake.value("m:point") == (1.0, 0)


async def test_a_matrix_in_a_struct_is_a_field_with_its_shape(serve, connect):
    info = {"type": "struct", "members": {"image": MATRIX, "n": WIDE}}
    image = np.array([[1, 2, 3], [4, 5, 6]], "<f4")
    infos = {"one": info, "rows": {"type": "array", "members": info, "maxlen": 2}}
    value = {"image": image, "n": 1}
    fake = await serve(
        with_parameters(**infos),
        values={"m:one": value, "m:rows": [value, value | {"image": image[:1, :0]}]},
    )
    module = (await connect(fake)).m
    one, rows = await module.one.get_value(), await module.rows.get_value()
    assert one["image"].dtype == "<f4"
    assert one["image"].tolist() == image.tolist()
    assert np.array_equal(one, await module.one.get_value())
    assert [row["image"].shape for row in rows] == [(2, 3), (1, 0)]
    fake.set("m:rows", [value, value])
    await module.one.set(one)
    rows = await module.rows.get_value()
    assert (rows["image"].shape, rows["image"].dtype) == ((2, 2, 3), "<f4")


async def test_set_is_done_when_the_value_is_there(fake, module):
    await module.double.set(9.0)
    assert await module.double.get_value() == 9.0


# What they say about themselves

SOURCE = "secop://{}/m/{}"


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "more"),
    [
        (
            "double",
            "number",
            [],
            {
                "units": "K",
                "precision": 3,
                "limits": {"control": {"low": 0, "high": 500}},
                "dtype_numpy": "<f8",
            },
        ),
        (
            "scaled",
            "number",
            [],
            {
                "precision": 1,
                "limits": {"control": {"low": 0.0, "high": 25.0}},
                "dtype_numpy": "<f8",
            },
        ),
        (
            "int",
            "integer",
            [],
            {"limits": {"control": {"low": -5, "high": 5}}, "dtype_numpy": "<i8"},
        ),
        ("wide", "integer", [], {"limits": {"control": {"low": 0, "high": 2**64}}}),
        ("bool", "boolean", [], {"dtype_numpy": "|b1"}),
        ("enum", "string", [], {"choices": ["off", "on"]}),
        ("string", "string", [], {}),
        ("blob", "array", [None], {"dtype_numpy": "|u1"}),
        ("numbers", "array", [None], {"dtype_numpy": "<f8"}),
        ("grid", "array", [2, 3], {"dtype_numpy": "<f8"}),
        ("matrix", "array", [None, None], {"dtype_numpy": "<f4"}),
        ("switches", "array", [2], {"choices": ["off", "on"]}),
    ],
)
async def test_describe(fake, module, name, dtype, shape, more):
    (datakey,) = (await getattr(module, name).describe()).values()
    assert json.loads(datakey.pop("secop_datainfo")) == INFOS[name]
    source = f"secop://{fake.uri}/m/{name}"
    assert datakey == {"source": source, "dtype": dtype, "shape": shape, **more}


async def test_columns(fake, module):
    datakeys = await module.describe_configuration()
    source = f"secop://{fake.uri}/m/pid"
    assert [k for k in datakeys if "-pid" in k] == [
        f"node-m-pid-{k}" for k in ("p", "i", "mode", "note")
    ]
    mode = datakeys["node-m-pid-mode"]
    assert (mode["source"], mode["choices"]) == (source, ["off", "on"])
    assert datakeys["node-m-table-p"]["shape"] == [None]
    assert datakeys["node-m-table-p"]["dtype_numpy"] == "<f8"
    for text in ("table-note", "ragged", "unknown", "texts"):
        assert datakeys[f"node-m-{text}"]["dtype"] == "string"
        assert datakeys[f"node-m-{text}"]["shape"] == []
    values = {k: r["value"] for k, r in (await module.read_configuration()).items()}
    assert values["node-m-pid-mode"] == "off"
    assert json.loads(values["node-m-table-note"]) == ["n" * 99]
    assert json.loads(values["node-m-unknown"]) == {"w": [1]}


async def test_columns_of_members_with_the_same_name_in_a_key(serve, connect):
    members = {name: {"type": "int", "min": 0, "max": 9} for name in ("a b", "a.b")}
    nested = {"type": "struct", "members": {"b": members["a b"]}}
    info = {"type": "struct", "members": {**members, "a": nested}}
    value = {"a b": 1, "a.b": 2, "a": {"b": 3}}
    fake = await serve(with_parameters(p=info), values={"m:p": value})
    readings = await (await connect(fake)).m.read_configuration()
    found = [r["value"] for k, r in readings.items() if k.startswith("node-m-p")]
    assert sorted(found) == [1, 2, 3]


async def test_a_column_is_not_lost_to_a_parameter(serve, connect):
    number = {"type": "double"}
    value = {"type": "struct", "members": {"target": number, "ramp": number}}
    extra = {"ramp": parameter(number), "config_errors": parameter(number)}
    fake = await serve(
        report(m=drivable(value, **extra)),
        values={
            "m:value": {"target": 1.0, "ramp": 2.0},
            "m:target": {"target": 3.0, "ramp": 4.0},
            "m:ramp": 5.0,
            "m:config_errors": 6.0,
        },
    )
    module = (await connect(fake)).m
    readings = await module.read()
    configuration = await module.read_configuration()
    assert not readings.keys() & configuration.keys()
    values = [r["value"] for r in (readings | configuration).values()]
    numbers = {v for v in values if isinstance(v, float)}
    assert numbers == {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}
    assert configuration["node-m-ramp"]["value"] == 5.0
    assert list(await module.describe()) == list(readings)
    assert set(module.hints["fields"]) < readings.keys()
