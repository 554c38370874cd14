"""Values that are not what the node describes: an error, and never an older value."""

import asyncio
import json
import logging
import random
import re

import numpy as np
import pytest

from secop_ophyd.devices import ModuleOptions, NodeOptions
from secop_ophyd.devices._converters import make_converter
from secop_ophyd.protocol import (
    HardwareError,
    InvalidMessage,
    RequestTimeout,
    parse_datainfo,
)

from .builders import KELVIN, command, module, parameter, readable, report
from .test_states import settle

DOUBLE = {"type": "double"}
SHORT = {"type": "int", "min": 0, "max": 9}
WIDE = {"type": "int", "min": 0, "max": 2**70}
TEXT = {"type": "string"}
SWITCH = {"type": "enum", "members": {"off": 0, "on": 1}}
BLOB = {"type": "blob", "maxbytes": 9}


def array(members, low=0, high=5):
    return {"type": "array", "members": members, "minlen": low, "maxlen": high}


def fixed(members, length):
    return array(members, length, length)


def struct(**members):
    return {"type": "struct", "members": members}


def of(*members):
    return {"type": "tuple", "members": list(members)}


# What is described, what is fine, what is odd, and what is said about it
MISFITS = {
    "wide": (SHORT, 1, 2**70, "64 bits"),
    "wides": (array(SHORT), [1, 2], [2**70], "64 bits"),
    "ragged": (array(fixed(DOUBLE, 2)), [[1.0, 2.0]], [[1.0, 2.0], [3.0]], "regular"),
    "many": (fixed(DOUBLE, 3), [1.0] * 3, [1.0] * 4, r"\[4\], not \[3\]"),
    "few": (fixed(DOUBLE, 3), [1.0] * 3, [1.0], r"\[1\], not \[3\]"),
    "none": (fixed(DOUBLE, 3), [1.0] * 3, [], r"\[0\], not \[3\]"),
    "inner": (array(fixed(DOUBLE, 2)), [[1.0, 2.0]], [[1.0]], r"\[1, 1\]"),
    "texts": (fixed(TEXT, 2), ["a", "b"], ["a"], r"\[1\], not \[2\]"),
    "enums": (fixed(SWITCH, 2), [0, 1], [0], r"\[1\], not \[2\]"),
    "blob": (BLOB | {"minbytes": 9}, "A" * 12, "AAAA", r"\[3\], not \[9\]"),
    "member": (of(SHORT), [1], [2**70], "f0: .*64 bits"),
    "members": (of(array(SHORT)), [[1]], [[2**63]], "f0: .*64 bits"),
    "length": (struct(a=fixed(DOUBLE, 2)), {"a": [1, 2]}, {"a": [1]}, "a: .*shape"),
    "uneven": (
        struct(a=array(fixed(DOUBLE, 2))),
        {"a": [[1, 2]]},
        {"a": [[1, 2], [3]]},
        "a: .*regular",
    ),
    "rows": (fixed(of(DOUBLE), 2), [[1], [2]], [[1]], r"f0: .*\[1\], not \[2\]"),
}


@pytest.mark.parametrize("name", MISFITS)
async def test_a_misfit_is_told_to_everyone(serve, connect, updates, caplog, name):
    info, fine, odd, words = MISFITS[name]
    fake = await serve(report(m=readable(info, other=parameter(info))))
    fake.set_json("m:value", fine)
    node = await connect(fake)
    readings = updates(node.m.value)
    await readings(1)
    await node.m.value.stage()
    fake.set_json("m:value", odd, {"t": 77.0})
    fake.set_json("m:value", odd, {"t": 78.0})
    reading = (await readings(3))[-1]["node-m"]
    assert (reading["timestamp"], reading["alarm_severity"]) == (78.0, -1)
    for cached in (True, False):
        with pytest.raises(InvalidMessage, match=f"m:value: .*{words}"):
            await node.m.value.get_value(cached)
    with pytest.raises(InvalidMessage, match=words):
        reading["value"]
    with pytest.raises(InvalidMessage, match=words):
        await node.m.read()
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len([r for r in warnings if re.search(words, r.message)]) == 1
    fake.set_json("m:value", fine)
    await readings(4)
    await node.m.read()
    fake.set_json("m:other", odd)
    await settle(node)
    configuration = await node.m.read_configuration()
    errors = json.loads(configuration["node-m-config_errors"]["value"])
    assert list(errors) == ["node-m-other"]
    await node.m.value.unstage()


# Odd, but as described
FINE = [
    (array(fixed(DOUBLE, 3)), []),
    (array(fixed(fixed(DOUBLE, 2), 3)), []),
    (array(fixed(fixed(DOUBLE, 3), 0)), [[], []]),
    (array(fixed(fixed(DOUBLE, 0), 0)), [[]]),
    (of(array(fixed(fixed(DOUBLE, 3), 0))), [[[], []]]),
    (of(array(fixed(fixed(DOUBLE, 0), 2))), [[[[], []]]]),
    (of(array(fixed(DOUBLE, 3))), [[]]),
    (of(array(fixed(SWITCH, 3))), [[]]),
    (of(array(array(SHORT))), [[[], []]]),
    (of(array(array(WIDE))), [[[], [2**70]]]),
    (of(array(struct(b=BLOB))), [[{"b": ""}, {"b": ""}]]),
    (of(array(struct(b=BLOB, w=WIDE))), [[{"b": "AAAA", "w": 2**70}] * 2]),
    (of(array(of(WIDE))), [[]]),
    (struct(a=BLOB, b=array(BLOB)), {"a": "", "b": ["", ""]}),
    (array(struct(b=BLOB)), [{"b": ""}, {"b": "AAAA"}]),
    (array(struct(b=BLOB)), []),
    (array(of(array(of(BLOB)))), [[[[""]]], [[[""], ["AAAA"]]]]),
    (fixed(of(WIDE), 2), [[2**70], [1]]),
    (WIDE, 2**70),
    (of(WIDE), [2**70]),
    ({"type": "int"}, 5),
    (struct(**{"": DOUBLE, "b": DOUBLE}), {"": 1, "b": 2}),
    (of(struct(**{"": DOUBLE, "f0": DOUBLE})), [{"": 1, "f0": 2}]),
]


def check(datakey, value):
    """Check that a value is what its data key says."""
    if datakey["dtype"] == "array":
        found = np.asarray(value)
        shape = datakey["shape"]
        assert len(shape) == found.ndim
        assert all(n in (None, m) for n, m in zip(shape, found.shape, strict=True))
        dtype = datakey.get("dtype_numpy")
        assert found.dtype.kind != "O" or not found.size
        assert not found.size or not dtype or np.dtype(dtype).kind == found.dtype.kind
    else:
        kinds = {"string": str, "number": float, "integer": int, "boolean": bool}
        assert isinstance(value, kinds[datakey["dtype"]])
        if datakey.get("dtype_numpy") == "<i8":
            assert -(2**63) <= value < 2**63


@pytest.mark.parametrize(("info", "value"), FINE, ids=str)
async def test_data_keys_and_values_agree(serve, connect, info, value):
    fake = await serve(report(m=readable(KELVIN, p=parameter(info, False))))
    fake.set_json("m:p", value)
    node = await connect(fake)
    readings = await node.m.read_configuration()
    datakeys = await node.m.describe_configuration()
    assert readings["node-m-config_errors"]["value"] == "{}"
    assert readings.keys() == datakeys.keys()
    keys = [k for k in readings if k.startswith("node-m-p")]
    assert keys
    for key in keys:
        check(datakeys[key], readings[key]["value"])
    await node.m.p.set(await node.m.p.get_value())
    assert fake.value("m:p") == parse_datainfo(info, lambda text: None).from_json(value)


def random_info(rng, depth=0):
    kinds = [DOUBLE, SHORT, WIDE, {"type": "bool"}, SWITCH, TEXT, BLOB]
    nested = depth < 3 and rng.random() < 0.6
    match rng.choice(["array", "tuple", "struct"]) if nested else "":
        case "array":
            low = rng.choice([0, 0, 2])
            high = low if low and rng.random() < 0.6 else low + 2
            return array(random_info(rng, depth + 1), low, high)
        case "tuple":
            return of(*(random_info(rng, depth + 1) for _ in range(rng.randint(1, 3))))
        case "struct":
            names = rng.sample(["p", "f0", "x y"], rng.randint(1, 3))
            return struct(**{n: random_info(rng, depth + 1) for n in names})
        case _:
            return rng.choice(kinds)


def random_data(rng, info, odd):
    def member(info):
        return random_data(rng, info, odd)

    match info["type"]:
        case "double":
            return rng.random()
        case "int":
            return rng.choice([0, 5, 2**70] if odd else [0, min(info["max"], 2**70)])
        case "bool":
            return rng.random() < 0.5
        case "enum":
            return rng.choice([0, 1])
        case "string":
            return rng.choice(["", "abc", "a\0"])
        case "blob":
            return rng.choice(["", "AAAA"])
        case "array":
            low, high = (0, 4) if odd else (info["minlen"], info["maxlen"])
            return [member(info["members"]) for _ in range(rng.randint(low, high))]
        case "tuple":
            return [member(m) for m in info["members"]]
        case _:
            return {k: member(m) for k, m in info["members"].items()}


@pytest.mark.parametrize("odd", [False, True])
def test_data_keys_and_values_agree_whatever_the_type(odd):
    rng = random.Random(7)
    for _ in range(3000):
        raw = random_info(rng)
        info = parse_datainfo(raw, lambda text: None)
        converter = make_converter(info, None, "E")
        data = random_data(rng, raw, odd)
        try:
            value = converter.value(info.from_json(data))
        except ValueError:
            assert odd, (raw, data)
            continue
        if (columns := converter.columns) is None:
            check(converter.datakey(""), value)
        for column in columns or ():
            check(column.datakey(""), column.take(value))


async def test_one_odd_item_costs_only_itself(serve, connect, monkeypatch):
    fake = await serve(report(m=module(a=parameter(KELVIN), b=parameter(KELVIN))))
    node = await connect(fake)

    def fail(*args):
        raise KeyError("odd")

    monkeypatch.setattr(node.m.a._connector.backend.origin, "datakey", fail)
    readings = await node.m.read_configuration()
    errors = json.loads(readings["node-m-config_errors"]["value"])
    assert errors == {"node-m-a": "KeyError: 'odd'"}
    assert readings["node-m-b"]["value"] == 0.0
    assert readings.keys() == (await node.m.describe_configuration()).keys()


# Errors as NaN

AS_NAN = NodeOptions(timeout=0.1, modules={"m": ModuleOptions(errors_as_nan=True)})


async def test_nan_has_the_time_of_the_error(serve, connect):
    fake = await serve(report(m=readable()))
    node = await connect(fake, options=AS_NAN)
    fake.set_error("m:value", "HardwareError", "x", {"t": 1234.0})
    await settle(node)
    assert (await node.m.read())["node-m"]["timestamp"] == 1234.0


async def test_nan_if_the_node_has_to_be_asked(serve, connect):
    fake = await serve(report(m=readable()))
    fake.reply_raw("activate", b'error_activate  ["NotImplemented","no",{}]\n')
    fake.set_error("m:value", "HardwareError", "x", {"t": 1234.0})
    node = await connect(fake, options=AS_NAN)
    for found in await node.m.read(), await node.read():
        assert np.isnan(found["node-m"]["value"])
        assert found["node-m"]["timestamp"] == 1234.0
    assert "read m:value" in fake.requests


async def test_only_what_the_node_reports_becomes_nan(serve, connect):
    fake = await serve(report(m=readable()))
    node = await connect(fake, options=AS_NAN)
    fake.set_error("m:value", "HardwareError", "x")
    await node.m.trigger()
    assert np.isnan((await node.m.read())["node-m"]["value"])
    strict = await connect(fake, name="strict")
    with pytest.raises(HardwareError):
        await strict.m.trigger()
    fake.set("m:value", 5.0)
    fake.reply_raw("read m:value", None)
    with pytest.raises(RequestTimeout):  # or 5.0 would be taken for fresh
        await node.m.trigger()


# Listeners


async def test_the_same_listener_twice_is_one(serve, connect):
    fake = await serve(report(m=readable()))
    node = await connect(fake)
    found = []
    node.m.subscribe_reading(found.append)
    node.m.subscribe_reading(found.append)
    listeners = node.client.parameter("m", "value").listeners
    assert (len(found), listeners) == (1, 1)
    node.m.clear_sub(found.append)
    assert node.client.parameter("m", "value").listeners == 0


async def test_a_listener_that_fails_costs_only_itself(serve, connect, caplog):
    fake = await serve(report(m=readable()))
    node = await connect(fake)
    found = []

    def fail(reading):
        raise KeyError("mine")

    node.m.subscribe_reading(fail)
    node.m.value.subscribe_reading(found.append)
    before = len([r for r in caplog.records if "a listener failed" in r.getMessage()])
    fake.set("m:value", 5.0)
    await settle(node)
    await asyncio.sleep(0)
    assert found[-1]["node-m"]["value"] == 5.0
    after = [r for r in caplog.records if "a listener failed" in r.getMessage()]
    assert len(after) == before + 1
    node.m.clear_sub(fail)
    node.m.value.clear_sub(found.append)


# At a glance


async def test_a_tree_of_an_odd_command(serve, connect):
    commands = {"go": command(argument="double", result=[1]), "do": command(result=5)}
    node = await connect(await serve(report(m=module(**commands))))
    text = str(node.tree())
    assert "go(JSON) -> JSON" in text
