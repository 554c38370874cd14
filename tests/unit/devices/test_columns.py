"""What documents have besides the values: uncertainties, exact numbers, limits."""

import json
import math

import numpy as np
import pytest

from secop_ophyd.devices import ModuleOptions, NodeOptions

from .builders import (
    KELVIN,
    SWITCH,
    drivable,
    module,
    parameter,
    plain,
    readable,
    report,
)

BIG = 2**53 + 1
INT64 = {"type": "int", "min": -(2**63), "max": 2**63 - 1}
SHORT = {"type": "int", "min": 0, "max": 9}
PAIR = {"type": "struct", "members": {"a": KELVIN, "n": INT64}}


def with_errors(*names, **more):
    modules = {"m": ModuleOptions(error_columns=names, **more)}
    return NodeOptions(modules=modules)


# Uncertainties


async def test_uncertainty_is_a_column(serve, connect):
    fake = await serve(report(m=readable(p=parameter(KELVIN), q=parameter(KELVIN))))
    fake.set("m:value", 5.0, t=7.0, e=0.25)
    fake.set("m:p", 1.0, e=0.5)
    node = await connect(fake, options=with_errors("value", "p"))
    reading = (await node.m.read())["node-m-error"]
    assert (reading["value"], reading["timestamp"]) == (0.25, 7.0)
    datakey = (await node.m.describe())["node-m-error"]
    assert datakey == {
        "source": f"secop://{fake.uri}/m/value",
        "dtype": "number",
        "dtype_numpy": "<f8",
        "shape": [],
        "units": "K",
    }
    assert (await node.m.read_configuration())["node-m-p-error"]["value"] == 0.5
    assert "node-m-p-error" in await node.m.describe_configuration()
    assert "node-m-q-error" not in await node.m.describe_configuration()
    assert node.m.hints == {"fields": ["node-m"]}


async def test_uncertainty_follows_each_update(serve, connect, updates):
    fake = await serve(report(m=readable()))
    node = await connect(fake, options=with_errors("value"))
    wait = updates(node.m)
    await wait(1)
    await node.m.stage()
    fake.set("m:value", 5.0, t=7.0, e=0.25)
    fake.set("m:value", 6.0, t=8.0)
    fake.set_json("m:value", 7.0, {"t": 9.0, "e": "much"})
    readings = await wait(4)
    found = [(r["node-m"]["value"], r["node-m-error"]["value"]) for r in readings]
    assert found[1] == (5.0, 0.25)
    assert [value for value, _ in found[2:]] == [6.0, 7.0]
    assert all(math.isnan(error) for _, error in found[2:])  # the node tells none
    await node.m.unstage()


async def test_value_in_error_has_no_uncertainty(serve, connect):
    fake = await serve(report(m=readable()))
    fake.set_error("m:value", "HardwareError", "burnt")
    node = await connect(fake, options=with_errors("value", errors_as_nan=True))
    reading = await node.m.read()
    assert reading.keys() == (await node.m.describe()).keys()
    assert math.isnan(reading["node-m-error"]["value"])


async def test_structured_value_has_one_uncertainty(serve, connect):
    fake = await serve(report(m=readable(PAIR)))
    fake.set("m:value", {"a": 1.0, "n": 2}, e=0.5)
    node = await connect(fake, options=with_errors("value"))
    reading = await node.m.read()
    assert {k: r["value"] for k, r in reading.items() if "status" not in k} == {
        "node-m-a": 1.0,
        "node-m-n": 2,
        "node-m-error": 0.5,
    }
    assert "units" not in (await node.m.describe())["node-m-error"]


async def test_uncertainty_gives_way_to_a_parameter(serve, connect):
    fake = await serve(report(m=readable(error=parameter(SHORT))))
    fake.set("m:value", 5.0, e=0.5)
    fake.set("m:error", 3)
    node = await connect(fake, options=with_errors("value"))
    assert (await node.m.read())["node-m-error_2"]["value"] == 0.5
    assert (await node.m.read_configuration())["node-m-error"]["value"] == 3


async def test_uncertainty_of_nothing_is_a_problem(serve, connect):
    fake = await serve(report(m=readable()))
    node = await connect(fake, options=with_errors("valeu"))
    (problem,) = node.problems
    assert "m:valeu" in str(problem)


def test_uncertainties_are_several():
    with pytest.raises(TypeError, match=r"\['value'\]"):
        ModuleOptions(error_columns="value")


# Numbers that Tiled's configuration does not hold


def exact(configuration, name="node-m"):
    return json.loads(configuration[f"{name}-config_exact"]["value"])


FLOATS = {"type": "array", "members": {"type": "double"}, "maxlen": 3}
INTS = {"type": "array", "members": INT64, "maxlen": 3}


@pytest.mark.parametrize(
    ("datainfo", "value", "is_exact"),
    [
        (INT64, BIG, False),
        (INT64, -BIG, False),
        (INT64, 2**53, False),
        (INT64, 2**53 - 1, True),
        (SHORT, BIG, False),  # more than it describes
        ({"type": "double"}, 1e17, False),
        ({"type": "double"}, -0.5, True),
        (INTS, [1, -(2**63)], False),
        (INTS, [], True),
        (INTS, [1, 2], True),
        (FLOATS, [1.0, 1e300], False),
        (SWITCH, 0, True),
    ],
)
async def test_number_is_exact_somewhere(serve, connect, datainfo, value, is_exact):
    fake = await serve(report(m=readable(datainfo, p=parameter(datainfo))))
    fake.set_json("m:p", value)
    fake.set_json("m:value", value)
    node = await connect(fake)
    readings = await node.m.read_configuration()
    datakeys = await node.m.describe_configuration()
    assert readings.keys() == datakeys.keys()
    assert datakeys["node-m-config_exact"]["dtype"] == "string"
    assert exact(readings) == ({} if is_exact else {"node-m-p": value})
    if not is_exact:
        assert plain(readings["node-m-p"]["value"]) == value
    # The columns of events are exact
    assert "node-m-config_exact" not in await node.m.read()


@pytest.mark.parametrize("sent", ["NaN", "Infinity", "-Infinity"])
async def test_what_is_no_number_is_exact_somewhere(serve, connect, sent):
    fake = await serve(report(m=module(p=parameter({"type": "double"}))))
    node = await connect(fake)
    fake.send_line(f"update m:p [{sent},{{}}]".encode())
    await node.m.secop.client.ping()
    readings = await node.m.read_configuration()
    assert readings["node-m-config_exact"]["value"] == f'{{"node-m-p": {sent}}}'


async def test_member_is_exact_somewhere(serve, connect):
    fake = await serve(report(m=module(s=parameter(PAIR))))
    fake.set("m:s", {"a": 0.5, "n": BIG})
    node = await connect(fake)
    assert exact(await node.m.read_configuration()) == {"node-m-s-n": BIG}


async def test_properties_are_exact_somewhere(serve, connect):
    properties = {"_id": BIG, "_few": 3, "_ids": [1, BIG], "_wide": 2**70}
    fake = await serve(report(m=readable() | properties) | properties)
    node = await connect(fake)
    for device in (node, node.m):
        readings = await device.read_configuration()
        assert readings.keys() == (await device.describe_configuration()).keys()
        name = device.name
        assert exact(readings, name) == {f"{name}-_id": BIG, f"{name}-_ids": [1, BIG]}
        assert readings[f"{name}-_wide"]["value"] == str(2**70)


# Limits


async def test_limits_tell_what_can_be_set(serve, connect):
    pair = {"type": "tuple", "members": [KELVIN, SHORT]}
    fake = await serve(
        report(m=drivable(KELVIN, r=parameter(pair), w=parameter(pair, False)))
    )
    node = await connect(fake)
    found = await node.m.describe() | await node.m.describe_configuration()
    limits = {key: datakey.get("limits") for key, datakey in found.items()}
    kelvin, short = {"low": 0, "high": 500}, {"low": 0, "high": 9}
    assert limits["node-m"] == {"display": kelvin}
    assert limits["node-m-target"] == {"control": kelvin}
    assert limits["node-m-r-f0"] == {"display": kelvin}
    assert limits["node-m-r-f1"] == {"display": short}
    assert limits["node-m-w-f0"] == {"control": kelvin}
    assert limits["node-m-w-f1"] == {"control": short}
    assert found["node-m-r-f0"]["units"] == "K"
    assert found["node-m-r-f0"]["precision"] == 3
    assert json.loads(found["node-m-r-f0"]["secop_datainfo"]) == KELVIN


# Many get the same value


@pytest.mark.parametrize(
    "datainfo",
    [
        {"type": "array", "members": KELVIN, "maxlen": 3},
        {"type": "array", "members": PAIR, "maxlen": 3},
        PAIR,
        {"type": "blob", "maxbytes": 9},
        {"type": "matrix", "elementtype": "<i2", "names": ["x"], "maxlen": [3]},
    ],
    ids=["array", "structs", "struct", "blob", "matrix"],
)
async def test_value_cannot_be_changed_for_others(serve, connect, datainfo):
    node = await connect(await serve(report(m=readable(datainfo))))
    value = await node.m.value.get_value()
    assert isinstance(value, np.ndarray)
    with pytest.raises(ValueError, match="read-only"):
        value[...] = np.zeros_like(value)


# Enums in what has no better form


async def test_enums_are_names_everywhere(serve, connect):
    ragged = {
        "type": "array",
        "members": {"type": "array", "members": SWITCH, "maxlen": 3},
        "maxlen": 3,
    }
    fake = await serve(report(m=readable(KELVIN, p=parameter(ragged, False))))
    fake.set_json("m:p", [[0, 1], [], [7]])
    node = await connect(fake)
    value = await node.m.p.get_value()
    assert value == [["off", "on"], [], ["7"]]
    text = (await node.m.read_configuration())["node-m-p"]["value"]
    assert json.loads(text) == value
    await node.m.p.set([["on", 0], []])
    assert fake.value("m:p") == [[1, 0], []]
