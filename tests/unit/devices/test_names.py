"""Names of devices, and SECoP names that something else has already."""

import json
import logging

import pytest
from ophyd_async.core import Device, SignalR, init_devices
from ophyd_async.core._device import DEVICE_RESERVED_ATTRS

from secop_ophyd import devices
from secop_ophyd.devices import SecopCommandBase, SECoPNodeDevice
from secop_ophyd.protocol import RESERVED_NAMES, RESERVED_PRIVATE_NAMES

from .builders import (
    KELVIN,
    PID,
    command,
    drivable,
    module,
    parameter,
    plain,
    readable,
    report,
    writable,
)


def of_class(name):
    """Return a module that can be triggered."""
    accessibles = readable(go=command(), get_data=command(result=KELVIN))
    return accessibles | {"interface_classes": [name, "Readable"]}


MODULES = report(
    drivable=drivable(),
    writable=writable(),
    readable=readable(),
    communicator=module("Communicator"),
    none=module(),
    old=of_class("Triggerable"),
    both=of_class("Acquisition"),
    channel=of_class("AcquisitionChannel"),
    controller=of_class("AcquisitionController")
    | {"acquisition_channels": {"t": "channel"}},
)
DEVICE_CLASSES = [
    c for c in vars(devices).values() if isinstance(c, type) and issubclass(c, Device)
]


def attributes(found):
    """Return the attributes that a SECoP name could take: no dunders."""
    return {name for name in found if not name.startswith("__")}


# What no SECoP name may take


@pytest.mark.parametrize("cls", DEVICE_CLASSES, ids=lambda c: c.__name__)
def test_reserved_names_are_complete_for_classes(cls):
    if issubclass(cls, SecopCommandBase):
        return  # nothing is put into a command
    missing = attributes(dir(cls)) - RESERVED_NAMES - RESERVED_PRIVATE_NAMES
    assert not missing


async def test_reserved_names_are_complete_for_instances(serve, connect):
    node = await connect(await serve(MODULES))
    await node.read()
    for name in MODULES["modules"]:
        device = getattr(node, name)
        await device.read()
        device.log.debug("made at first use")
        if hasattr(device, "set"):
            await device.set(1.0)
        if hasattr(device, "trigger"):
            await device.trigger()
    for device in (node, *(getattr(node, m) for m in MODULES["modules"])):
        children = dict(device.children())
        own = attributes(set(vars(device)) | set(dir(device))) - children.keys()
        missing = own - RESERVED_NAMES - RESERVED_PRIVATE_NAMES
        assert not missing, device


def test_reserved_names_are_complete_for_the_protocols_of_bluesky():
    assert not DEVICE_RESERVED_ATTRS - RESERVED_NAMES


def test_public_and_private_names_are_told_apart():
    assert not [n for n in RESERVED_NAMES if n.startswith("_")]
    assert all(n.startswith("_") for n in RESERVED_PRIVATE_NAMES)
    assert not RESERVED_NAMES & {"value", "status", "target", "description"}


ODD = [
    *sorted(RESERVED_NAMES),
    "class",
    "import",
    "None",
    "match",
    "_custom",
    "__init__",
    "__class__",
    "_foo",
    "foo",
    "foo_",
    "1st",
    "a.b",
    "_",
    "__",
]


@pytest.mark.parametrize("build", [drivable, readable, module])
async def test_every_name_is_reachable(serve, connect, build):
    number = {"type": "int", "min": 0, "max": 10**6}
    accessibles = {n: parameter(number, False) for n in ODD if n != "stop"}
    structure = report(m=build(**accessibles))
    properties = sorted({f"_{n}" for n in ODD} | RESERVED_PRIVATE_NAMES)
    for i, name in enumerate(properties):
        structure["modules"]["m"][name] = f"property {i}"
    fake = await serve(structure)
    for i, name in enumerate(accessibles):
        fake.set(f"m:{name}", i)
    node = await connect(fake)
    m = node.m
    names = m.secop.names
    for i, name in enumerate(accessibles):
        signal = getattr(m, names.parameters[name])
        assert await signal.get_value() == i, name
        await signal.set(i + 1)
        assert fake.value(f"m:{name}") == i + 1
    for name in properties:
        signal = getattr(m, names.properties[name])
        assert await signal.get_value() == structure["modules"]["m"][name]
    readings = await m.read() | await m.read_configuration()
    found = {json.dumps(plain(r["value"])) for r in readings.values()}
    assert found >= {json.dumps(i + 1) for i in range(len(accessibles))}
    assert found >= {json.dumps(f"property {i}") for i in range(len(properties))}
    # The device works as before
    assert m.name == "node-m"
    assert m.parent is node
    assert dict(m.children())
    await m.stage()
    await m.unstage()
    await node.connect(force_reconnect=True)
    assert await m.read() is not None


async def test_modules_with_odd_names(serve, connect):
    names = [*RESERVED_NAMES, *ODD, *RESERVED_PRIVATE_NAMES]
    structure = report(**{n: readable() for n in names})
    structure |= {f"_{n}": "p" for n in names}
    fake = await serve(structure)
    for i, name in enumerate(structure["modules"]):
        fake.set(f"{name}:value", float(i))
    node = await connect(fake)
    found = {d.secop.name: d for _, d in node.children() if hasattr(d, "secop")}
    assert found.keys() == set(names)
    for i, name in enumerate(structure["modules"]):
        assert await found[name].value.get_value() == i
    values = [r["value"] for r in (await node.read()).values()]
    assert set(values) >= set(range(len(structure["modules"])))
    texts = [r["value"] for r in (await node.read_configuration()).values()]
    assert texts.count("p") == len({f"_{n}" for n in names})


async def test_what_a_drivable_has_gets_an_underscore(serve, connect):
    m = (await connect(await serve(report(m=drivable())))).m
    assert isinstance(m.stop_, SecopCommandBase)
    assert callable(m.stop)


async def test_properties_make_way(serve, connect):
    structure = report(m=module(ramp=parameter(KELVIN), go=command()))
    structure["modules"]["m"] |= {"ramp": "property", "go": "went", "_ramp": "own"}
    m = (await connect(await serve(structure))).m
    names = m.secop.names
    assert (names.parameters["ramp"], names.commands["go"]) == ("ramp", "go")
    assert await m.ramp.get_value() == 0.0
    assert await getattr(m, names.properties["ramp"]).get_value() == "property"
    assert await getattr(m, names.properties["go"]).get_value() == "went"
    assert await getattr(m, names.properties["_ramp"]).get_value() == "own"


# Names of devices


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"name": ""}, "CRYO-01"),
        ({"name": "mine"}, "mine"),
        ({"name": "cryo", "prefix": "beamline_A_"}, "beamline_A_cryo"),
        ({"name": "", "prefix": "lab1_"}, "lab1_CRYO-01"),
        ({"name": "a.b/c d"}, "a-b-c-d"),
    ],
)
def test_name_of_the_node(lab, options, name):
    fake = lab.serve(report("CRYO-01", t=readable(PID, ramp=parameter(KELVIN))))
    node = lab.connect(fake, **options)
    assert node.name == name
    assert node.t.name == node.t.value.name == f"{name}-t"
    assert node.t.ramp.name == f"{name}-t-ramp"
    keys = lab.run(node.describe())
    assert f"{name}-t-p" in keys
    assert f"{name}-t-status-f0" in keys


async def test_characters_of_the_equipment_id(serve, connect):
    node = await connect(await serve(report("cryo_7.frappy/demo ä")), name="")
    assert node.name == "cryo_7-frappy-demo"


async def test_a_node_without_equipment_id(serve, connect):
    fake = await serve({"modules": {"t": readable()}})
    node = await connect(fake, name="")
    assert node.name == "_" + fake.uri.replace(".", "-").replace(":", "-")
    assert any("equipment_id" in str(p) for p in node.problems)


@pytest.mark.parametrize(("length", "is_long"), [(60, False), (61, True)])
async def test_data_keys_that_tables_refuse(serve, connect, length, is_long):
    text = {"type": "string"}
    name = "t" * (length - len("node-") - len("-status-f0"))
    # That of a configuration may be longer
    module = readable(_a_very_long_one=parameter(text))
    node = await connect(await serve(report(**{name: module})))
    assert max(map(len, await node.describe())) == length
    assert ["60 characters" in str(p) for p in node.problems] == [True] * is_long


def test_no_name_before_it_is_connected():
    assert SECoPNodeDevice("localhost:1").name == ""
    assert SECoPNodeDevice("localhost:1", "p_", "n").name == "p_n"


def test_the_value_of_each_class_is_named_like_its_module(lab):
    structure = MODULES | {}
    structure["modules"] = MODULES["modules"] | {"plain": module(value=parameter(PID))}
    node = lab.connect(lab.serve(structure))
    for name in ("drivable", "writable", "readable", "plain"):
        assert getattr(node, name).value.name == f"node-{name}"
    assert isinstance(node.plain.value, SignalR)
    assert node.hints["fields"][:2] == ["node-drivable", "node-drivable-target"]
    assert "node-plain-p" in node.hints["fields"]


async def test_two_nodes_of_one_name_are_a_warning(serve, connect, caplog):
    one, two = await serve(report()), await serve(report())
    with caplog.at_level(logging.WARNING):
        await connect(one)
        assert "two nodes" not in caplog.text
        await connect(one)
        await connect(two, name="other")
        assert "two nodes" not in caplog.text
        await connect(two)
    (warning,) = [m for m in caplog.messages if "two nodes" in m]
    for word in (one.uri, two.uri, "'node'"):
        assert word in warning


def test_devices_that_are_connected_together(lab):
    one, two = lab.serve(report("one")), lab.serve(report("two"))
    with init_devices():
        first = SECoPNodeDevice(one.uri)
        second = SECoPNodeDevice(two.uri, prefix="p_")
    lab._devices += [first, second]
    assert (first.name, second.name) == ("one", "p_two")
