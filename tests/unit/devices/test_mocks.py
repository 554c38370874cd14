"""Mocks of nodes whose description is known: without any network."""

import json
from pathlib import Path

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import numpy as np
import pytest
from event_model import DocumentNames, schema_validators
from ophyd_async.core import (
    DeviceMock,
    SignalRW,
    callback_on_mock_execute,
    callback_on_mock_put,
    get_mock_execute,
    get_mock_put,
    init_devices,
    set_mock_value,
)

from secop_ophyd.devices import NodeOptions, SECoPNodeDevice
from secop_ophyd.protocol import RangeError, WrongType

from .builders import (
    KELVIN,
    PID,
    SWITCH,
    command,
    drivable,
    parameter,
    readable,
    report,
)
from .conftest import node_class_of

DESCRIPTIONS = sorted((Path(__file__).parents[2] / "data/descriptions").glob("*.json"))


def structure():
    return report(
        c=drivable(
            mode=parameter(SWITCH, False),
            pid=parameter(PID, False),
            ramp=parameter(KELVIN, False),
            heat=command(argument=KELVIN, result={"type": "string"}),
        ),
        p=drivable(PID),
        s=drivable(SWITCH),
        t=readable(),
    )


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a mock has used the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("asyncio.BaseEventLoop.create_connection", refuse)


async def mock(saved, **options):
    options = NodeOptions(description=saved, **options)
    node = SECoPNodeDevice("localhost:1", name="node", options=options)
    await node.connect(mock=True)
    return node


def signals(device):
    """Return all signals below a device."""
    found = []
    for _, child in device.children():
        found += signals(child)
        if hasattr(child, "get_value"):
            found.append(child)
    return found


@pytest.mark.parametrize("has_class", [False, True], ids=["saved", "class"])
@pytest.mark.parametrize("file", DESCRIPTIONS, ids=lambda file: file.stem)
def test_every_recorded_node_can_be_counted(RE, generate, file, has_class):
    node_class, options = SECoPNodeDevice, NodeOptions(description=file)
    if has_class:
        node_class = node_class_of(generate(json.loads(file.read_text())))
        options = NodeOptions()
    with init_devices(mock=True):
        node = node_class("localhost:1", name="node", options=options)
    documents = []

    def keep(name, document):
        schema_validators[DocumentNames[name]].validate(document)
        json.dumps(document, default=lambda a: a.tolist())
        documents.append((name, document))

    RE(bp.count([node]), keep)
    (event,) = [doc for name, doc in documents if name == "event"]
    (descriptor,) = [doc for name, doc in documents if name == "descriptor"]
    assert set(event["data"]) == set(descriptor["data_keys"])
    modules = json.loads(file.read_text())["modules"]
    assert len(node.connector.modules) == len(modules)
    assert any(key.startswith("node-") for key in event["data"])


async def test_what_there_is():
    node = await mock(structure())
    assert await node.connected.get_value() is True
    assert not node.is_connected  # there is no node
    assert await node.c.value.get_value() == 0.0
    assert await node.c.mode.get_value() == "off"
    assert (await node.c.pid.get_value())["mode"] == "off"
    assert await node.c.description.get_value() == "m"
    assert (await node.c.status.get_value())["f0"] == 100
    assert (await node.c.describe())["node-c"]["units"] == "K"
    assert {"node-c", "node-c-status-f0", "node-t"} <= set(await node.read())
    assert "node-p-p" in await node.p.read()
    await node.c.wait_for_idle()


async def test_it_is_named_by_its_description():
    node = SECoPNodeDevice(
        "localhost:1", options=NodeOptions(description=structure()), prefix="x-"
    )
    await node.connect(mock=True)
    assert node.name == f"x-{structure()['equipment_id']}"
    assert node.c.value.name == f"{node.name}-c"


async def test_moves_arrive():
    node = await mock(structure())
    await node.c.set(20.0)
    assert await node.c.locate() == {"setpoint": 20.0, "readback": 20.0}
    await node.s.set("on")
    assert await node.s.value.get_value() == "on"
    assert type(await node.s.value.get_value()) is node.s.value.datatype
    await node.p.set({"p": 1.0, "i": 2.0, "mode": "on", "note": "x"})
    value = await node.p.value.get_value()
    assert (value["p"], value["mode"]) == (1.0, "on")
    get_mock_put(node.c.target).assert_called_once_with(20.0)


async def test_what_the_node_would_refuse():
    node = await mock(structure())
    with pytest.raises(RangeError, match="500"):
        await node.c.set(600.0)
    with pytest.raises(RangeError):
        await node.c.target.set(600.0)
    with pytest.raises(RangeError):
        await node.c.ramp.set(-1.0)
    with pytest.raises((WrongType, RangeError)):
        await node.c.mode.set("neither")
    with pytest.raises(WrongType):
        await node.c.heat.execute("hot")
    assert await node.c.ramp.get_value() == 0.0
    assert await node.c.locate() == {"setpoint": 0.0, "readback": 0.0}


async def test_values_and_commands_of_the_test():
    node = await mock(structure())
    set_mock_value(node.t.value, 7.0)
    assert (await node.t.read())["node-t"]["value"] == 7.0
    status = node.c.heat.execute(5.0)
    await status
    assert status.result() == ""
    get_mock_execute(node.c.heat).assert_called_once_with(5.0)
    callback_on_mock_execute(node.c.heat, lambda arg: f"heated to {arg}")
    status = node.c.heat.execute(6.0)
    await status
    assert status.result() == "heated to 6.0"
    callback_on_mock_put(node.c.ramp, lambda value: value / 2)
    await node.c.ramp.set(4.0)
    assert await node.c.ramp.get_value() == 2.0


async def test_a_mock_of_its_own():
    class Warm(DeviceMock):
        async def connect(self, device):
            set_mock_value(device.value, 300.0)

    node = SECoPNodeDevice(
        "localhost:1", name="node", options=NodeOptions(description=structure())
    )
    await node.connect(mock=True)
    await node.t.connect(mock=Warm("t"))
    assert await node.t.value.get_value() == 300.0


async def test_a_description_that_is_none(tmp_path):
    with pytest.raises(Exception, match="missing.json"):
        await mock(tmp_path / "missing.json")


async def test_everything_can_be_set_to_what_it_is():
    for file in DESCRIPTIONS:
        node = await mock(file)
        for signal in signals(node):
            if isinstance(signal, SignalRW):
                value = await signal.get_value()
                await signal.set(value)
                assert np.array_equal(await signal.get_value(), value), signal.name


def test_a_scan(RE):
    with init_devices(mock=True):
        node = SECoPNodeDevice(
            "localhost:1", name="node", options=NodeOptions(description=structure())
        )
    rows = []
    RE(
        bp.scan([node.t], node.c, 10, 20, 3),
        {"event": lambda _, doc: rows.append(doc["data"]["node-c"])},
    )
    assert rows == [10, 15, 20]
    RE(bps.stop(node.c))
    RE(bps.trigger(node, wait=True))
