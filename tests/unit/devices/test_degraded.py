"""Nodes that are odd: what can be used of them can be used, and the rest is told."""

import json
import logging

import pytest
from bluesky.plans import count

from secop_ophyd.devices import (
    SECoPBaseDevice,
    SECoPCommunicatorDevice,
    SECoPMoveableDevice,
    SECoPReadableDevice,
    SECoPWritableDevice,
)

from .builders import KELVIN, STATUS, command, drivable, module, parameter, report


def without(name, *classes):
    structure = drivable() | {"interface_classes": list(classes)}
    del structure["accessibles"][name]
    return structure


def of_classes(*classes):
    return drivable() | {"interface_classes": list(classes)}


def readonly_target():
    structure = drivable()
    structure["accessibles"]["target"]["readonly"] = True
    return structure


def plain_status():
    structure = drivable()
    structure["accessibles"]["status"]["datainfo"] = {"type": "string"}
    return structure


@pytest.mark.parametrize(
    ("structure", "kind", "problem"),
    [
        (without("status", "Drivable"), SECoPBaseDevice, "status is missing"),
        (without("target", "Drivable"), SECoPReadableDevice, "target is missing"),
        (without("value", "Drivable"), SECoPBaseDevice, "value is missing"),
        (without("status", "Readable"), SECoPBaseDevice, "status is missing"),
        (readonly_target(), SECoPReadableDevice, "target is readonly"),
        (plain_status(), SECoPBaseDevice, "status is not"),
        (of_classes(), SECoPBaseDevice, ""),
        (of_classes("Vendor"), SECoPBaseDevice, ""),
        (of_classes(5, None), SECoPBaseDevice, "interface_classes"),
        (of_classes("Vendor", "Drivable"), SECoPMoveableDevice, ""),
        (of_classes("Readable", "Drivable"), SECoPMoveableDevice, ""),
        (of_classes("drivable"), SECoPMoveableDevice, ""),
        (of_classes("READABLE"), SECoPReadableDevice, ""),
        (of_classes("Writable"), SECoPWritableDevice, ""),
        (of_classes("Readable"), SECoPReadableDevice, ""),
        (module("Communicator", communicate=command()), SECoPCommunicatorDevice, ""),
        ({"accessibles": {}}, SECoPBaseDevice, "interface_classes is missing"),
        ({}, SECoPBaseDevice, "accessibles is missing"),
    ],
)
async def test_what_a_module_is(serve, connect, structure, kind, problem):
    node = await connect(await serve(report(m=structure)))
    assert type(node.m) is kind
    about = [str(p) for p in node.problems]
    assert any(problem in text for text in about) if problem else not about
    await node.read()
    await node.read_configuration()
    await node.trigger()
    if "value" in structure.get("accessibles", {}):
        assert await node.m.value.get_value() == 0.0
        assert node.m.value.name == "node-m"


ODD = {
    "unknown": ({"type": "quaternion"}, [1, 2], "quaternion"),
    "none": (None, {"a": None}, "datainfo"),
    "empty": ({}, "x", "unknown"),
    "text": ("double", 1.5, "datainfo"),
    "enum": ({"type": "enum"}, 1, "members"),
    "scale": ({"type": "scaled"}, 5, "scale"),
    "limits": ({"type": "double", "min": 5, "max": "x"}, 1.5, "max"),
    "deep": (
        {"type": "struct", "members": {"a": {"type": "quaternion"}}},
        {"a": [1]},
        "quaternion",
    ),
    "twice": ({"type": "enum", "members": {"a": 1, "b": 1}}, 1, "two names"),
}


@pytest.fixture
async def fake(serve):
    parameters = {n: parameter(info, False) for n, (info, _, _) in ODD.items()}
    structure = report(m=module(fine=parameter(KELVIN), **parameters))
    fake = await serve(structure)
    for name, (_, value, _) in ODD.items():
        fake.set_json(f"m:{name}", value)
    return fake


async def test_odd_data_types(fake, connect):
    node = await connect(fake)
    about = {p.accessible: str(p) for p in node.problems}
    for name, (_, _, problem) in ODD.items():
        assert problem in about[name], name
    assert "fine" not in about
    readings = await node.m.read_configuration()
    assert readings["node-m-config_errors"]["value"] == "{}"
    for name in ("unknown", "none", "empty", "text", "enum", "scale"):
        datakey = (await node.m.describe_configuration())[f"node-m-{name}"]
        assert datakey["dtype"] == "string"
        value = ODD[name][1]
        assert await getattr(node.m, name).get_value() == value
        assert json.loads(readings[f"node-m-{name}"]["value"]) == value
    assert readings["node-m-limits"]["value"] == 1.5
    assert json.loads(readings["node-m-deep-a"]["value"]) == [1]
    assert readings["node-m-twice"]["value"] == "a"
    await node.m.unknown.set([3, 4])
    assert fake.value("m:unknown") == [3, 4]


async def test_problems_are_one_warning(fake, connect, caplog):
    with caplog.at_level(logging.WARNING):
        node = await connect(fake)
    texts = {r.getMessage() for r in caplog.records if "odd" in r.getMessage()}
    (text,) = texts
    assert f"and {len(node.problems) - 1} more" in text
    assert str(node.problems[0]) in text


async def test_a_fine_node_has_no_problems(serve, connect, caplog):
    with caplog.at_level(logging.WARNING):
        node = await connect(await serve(report(m=drivable())))
    assert node.problems == ()
    assert not caplog.records


PROPERTIES = {
    "_null": (None, "null"),
    "_object": ({}, "{}"),
    "_nested": ({"a": [1, None]}, '{"a": [1, null]}'),
    "_mixed": ([1, "a"], '[1, "a"]'),
    "_lists": ([[1], [2, 3]], "[[1], [2, 3]]"),
    "_texts": (["a", "bc"], ["a", "bc"]),
    "_numbers": ([1, 2.5], [1.0, 2.5]),
    "_flags": ([True, False], [True, False]),
    "_none": ([], []),
    "_text": ("t", "t"),
    "_int": (2**60, 2**60),
    "_huge": (2**70, str(2**70)),
    "_rounding": ([2**60 + 1, 0.5], f"[{2**60 + 1}, 0.5]"),
    "_end": (["a\0"], '["a\\u0000"]'),
    "_float": (1.5, 1.5),
    "_bool": (True, True),
    "_big": ([2**70], f"[{2**70}]"),
}


def with_properties():
    values = {name: value for name, (value, _) in PROPERTIES.items()}
    return report(m=module() | values) | values


async def test_properties_of_any_kind(serve, connect):
    node = await connect(await serve(with_properties()))
    assert node.problems == ()
    for device in (node, node.m):
        readings = await device.read_configuration()
        datakeys = await device.describe_configuration()
        for name, (_, seen) in PROPERTIES.items():
            value = await getattr(device, name).get_value()
            assert (value.tolist() if hasattr(value, "tolist") else value) == seen
            assert type(value) is type(seen) or isinstance(seen, list)
            key = f"{device.name}-{name}"
            assert readings.keys() >= {key}
            assert datakeys[key]["source"].endswith(f"/{name}")
            assert (
                datakeys[key]["dtype"]
                == {
                    str: "string",
                    bool: "boolean",
                    int: "integer",
                    float: "number",
                    list: "array",
                }[type(seen)]
            )


def test_odd_properties_in_a_run(lab):
    node = lab.connect(lab.serve(with_properties()))
    lab.engine(count([node]))
    (descriptor,) = lab.named("descriptor")
    data = descriptor["configuration"]["node"]["data"]
    assert data["node-m-_null"] == "null"


async def test_a_constant(serve, connect):
    structure = report(
        m=module(
            fixed=parameter(KELVIN, constant=2.5),
            odd=parameter(KELVIN, constant="warm"),
        )
    )
    fake = await serve(structure)
    node = await connect(fake)
    assert await node.m.fixed.get_value() == 2.5
    assert await node.m.odd.get_value() == "warm"
    assert not hasattr(node.m.fixed, "set")
    assert not [r for r in fake.requests if "fixed" in r]


async def test_a_node_without_modules(serve, connect):
    node = await connect(await serve({"equipment_id": "e"}))
    assert list(await node.read()) == []
    assert any("modules" in str(p) for p in node.problems)
    await node.trigger()


async def test_values_that_make_no_sense_cost_one_parameter(serve, connect):
    fake = await serve(report(m=module(a=parameter(KELVIN), b=parameter(STATUS))))
    fake.set_json("m:a", "warm")
    fake.set_json("m:b", [5])
    node = await connect(fake)
    errors = (await node.m.read_configuration())["node-m-config_errors"]["value"]
    assert "warm" in json.loads(errors)["node-m-a"]
    with pytest.raises(TypeError, match="m:a.*warm"):
        await node.m.a.get_value()


async def test_a_null_is_no_value(serve, connect):
    fake = await serve(report(m=module(a=parameter(KELVIN))))
    fake.set_json("m:a", None)
    node = await connect(fake)
    with pytest.raises(Exception, match="m:a.*no value"):
        await node.m.a.get_value()
