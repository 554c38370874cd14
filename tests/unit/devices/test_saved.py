"""Devices of a node that is not there, but whose description was saved."""

import asyncio
import json

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import FailedStatus
from ophyd_async.core import NotConnectedError, init_devices, observe_value

from secop_ophyd.devices import NodeOptions, SECoPMoveableDevice, SECoPNodeDevice
from secop_ophyd.protocol import ConnectionLost, DescriptionChanged
from secop_ophyd.testing import FakeNode

from .builders import KELVIN, SWITCH, command, drivable, parameter, readable, report


def structure(**more):
    return report(c=drivable(), t=readable(ramp=parameter(KELVIN, False)), **more)


@pytest.fixture
async def late():
    """A node that has an address, but does not listen yet."""
    async with FakeNode(structure(), values={"c:value": 4.2}) as fake:
        fake.stop_listening()
        yield fake


async def until_connected(node, expected=True):
    """Wait until it is connected, or is not, as its signal tells."""
    async with asyncio.timeout(5):
        async for connected in observe_value(node.connected):
            if connected is expected:
                break


@pytest.fixture
async def connect_late(late):
    """Connect a device of it, with the description that was saved."""
    devices = []

    async def connect(saved):
        node = SECoPNodeDevice(
            late.uri, name="node", options=NodeOptions(description=saved)
        )
        devices.append(node)
        await node.connect(timeout=1)
        return node

    yield connect
    for node in devices:
        await node.disconnect()


async def test_the_tree_is_there_and_goes_live(late, connect_late, caplog):
    node = await connect_late(structure())
    assert isinstance(node.c, SECoPMoveableDevice)
    assert not node.is_connected
    assert not await node.connected.get_value()
    assert "made from the saved description" in caplog.text
    for read in (node.c.read(), node.c.value.get_value(), node.read()):
        with pytest.raises(ConnectionLost, match="not connected yet"):
            await read
    with pytest.raises(ConnectionLost):
        await node.t.ramp.set(1.0)
    assert (await node.c.describe())["node-c"]["units"] == "K"
    assert "value = unknown, not connected" in str(node.tree())
    value = node.c.value
    await late.listen_again()
    await until_connected(node)
    assert node.is_connected
    assert node.c.value is value
    assert await value.get_value() == 4.2
    assert (await node.read())["node-c"]["value"] == 4.2
    assert node.problems == ()


async def test_from_a_file(late, connect_late, tmp_path):
    file = tmp_path / "node.json"
    file.write_text(json.dumps(structure()))
    node = await connect_late(file)
    await late.listen_again()
    await until_connected(node)
    assert await node.c.value.get_value() == 4.2


async def test_a_file_that_is_none(connect_late, tmp_path):
    with pytest.raises(NotConnectedError, match=r"is not there, and has no saved des"):
        await connect_late(tmp_path / "missing.json")


async def test_a_node_that_is_there_needs_none(serve, tmp_path):
    fake = await serve(structure(), values={"c:value": 4.2})
    options = NodeOptions(description=tmp_path / "missing.json")
    node = SECoPNodeDevice(fake.uri, name="node", options=options)
    await node.connect()
    assert await node.c.value.get_value() == 4.2
    await node.disconnect()


async def test_it_has_changed_meanwhile(late, connect_late):
    saved = structure(older=readable())
    saved["modules"]["c"]["accessibles"]["value"] = parameter(SWITCH)
    node = await connect_late(saved)
    told = []
    node.on_problem(told.append)
    await late.listen_again()
    await until_connected(node)
    texts = [str(problem) for problem in node.problems]
    assert texts == [str(problem) for problem in told]
    assert len(texts) == 2
    assert texts[0].startswith("c:value: datainfo.")
    assert "datainfo.type is 'double', was 'enum'" in texts[0]
    assert texts[1] == "older: the module is gone"
    with pytest.raises(DescriptionChanged, match="force_reconnect=True"):
        await node.c.value.get_value()
    assert await node.c.target.get_value() == 0.0
    for _ in range(2):
        await node.connect(force_reconnect=True)
        assert await node.c.value.get_value() == 4.2
        assert node.problems == ()
        assert set(await node.read()) >= {"node-c", "node-t"}
        assert not any(key.startswith("node-older") for key in await node.read())


async def test_down_connected_down_and_up_again(late, connect_late):
    node = await connect_late(structure())
    await late.listen_again()
    await until_connected(node)
    late.stop_listening()
    await late.drop_connections()
    await until_connected(node, False)
    with pytest.raises(ConnectionLost):
        await node.c.value.get_value()
    # What the node said itself counts, not what was saved
    await node.connect(timeout=0.2, force_reconnect=True)
    assert not node.is_connected
    await late.listen_again()
    await until_connected(node)
    assert await node.c.value.get_value() == 4.2


async def test_nothing_is_left_of_it(late, connect_late):
    node = await connect_late(structure())
    await node.disconnect()
    await late.listen_again()
    assert not node.is_connected
    assert late.connections == 0


def test_under_the_run_engine(RE, lab):
    fake = lab.serve(structure(), values={"c:value": 4.2})
    lab.call(fake.stop_listening)
    with init_devices():
        options = NodeOptions(description=structure())
        node = SECoPNodeDevice(fake.uri, name="node", options=options)
    lab._devices.append(node)
    with pytest.raises((ConnectionLost, FailedStatus), match="not connected yet"):
        RE(bps.rd(node.c.value))
    lab.run(fake.listen_again())
    lab.run(until_connected(node))
    assert RE(bps.rd(node.c.value)).plan_result == 4.2


# Whether it is connected


async def test_connected_is_a_signal(serve, connect):
    fake = await serve(structure())
    node = await connect(fake)
    assert (await node.connected.read())["node-connected"]["value"] is True
    seen = asyncio.Queue()
    node.connected.subscribe_reading(
        lambda reading: seen.put_nowait(reading["node-connected"]["value"])
    )
    assert await seen.get()
    fake.stop_listening()
    await fake.drop_connections()
    async with asyncio.timeout(5):
        assert not await seen.get()
        await fake.listen_again()
        assert await seen.get()
        await node.disconnect()
        assert not await seen.get()
    assert seen.empty()


def test_connected_can_be_monitored(RE, lab):
    fake = lab.serve(structure())
    node = lab.connect(fake)

    def plan():
        yield from bps.open_run()
        yield from bps.monitor(node.connected, name="state")
        fake.stop_listening()
        yield from bps.wait_for([fake.drop_connections])
        yield from bps.wait_for([lambda: until_connected(node, False)])
        yield from bps.wait_for([fake.listen_again])
        yield from bps.wait_for([lambda: until_connected(node)])
        yield from bps.unmonitor(node.connected)
        yield from bps.close_run()

    RE(plan())
    values = [doc["data"]["node-connected"] for doc in lab.named("event")]
    assert values == [True, False, True]


async def test_a_module_called_connected(serve, connect):
    fake = await serve(report(connected=readable()))
    node = await connect(fake)
    assert await node.connected.get_value() is True
    assert await node.connected_.value.get_value() == 0.0


# Errors


async def test_errors_are_told(serve, connect):
    fake = await serve(structure())
    node = await connect(fake)
    told = []
    end = node.on_problem(told.append)
    fake.set_error("t:value", "HardwareError", "broken")
    await node.client.ping()
    await node.connect(force_reconnect=True)
    fake.set("t:value", 1.0)
    fake.set_error("t:value", "Disabled", "off")
    await node.client.ping()
    end()
    assert [(p.module, p.accessible) for p in told] == [("t", "value")] * len(told)
    assert told[0].text == "HardwareError: broken"
    assert told[-1].text == "Disabled: off"


# What has changed after it was away


async def away(fake, node, description, values=None):
    fake.stop_listening()
    await fake.drop_connections()
    await until_connected(node, False)
    fake.set_description(description, values or {})
    await fake.listen_again()
    await until_connected(node)


async def test_properties_and_commands_that_changed(serve, connect):
    first = structure(m=readable(reset=command()))
    fake = await serve(first)
    node = await connect(fake)
    description, reset = node.t.description, node.m.reset
    second = structure(m=readable(reset=command(argument={"type": "double"})))
    second["modules"]["t"]["description"] = "moved to the other stage"
    await away(fake, node, second)
    with pytest.raises(DescriptionChanged, match="is 'moved to the other stage' now"):
        await description.get_value()
    # A configuration that is not known is none of the last one
    configuration = await node.t.read_configuration()
    assert "node-t-description" not in configuration
    assert "moved" in configuration["node-t-config_errors"]["value"]
    with pytest.raises(DescriptionChanged, match="m:reset"):
        await reset.execute()
    assert not [r for r in fake.requests if r.startswith("do ")]
    await node.connect(force_reconnect=True)
    assert await node.t.description.get_value() == "moved to the other stage"
    await node.m.reset.execute(5.0)


async def test_another_node_at_the_same_address(serve, connect):
    fake = await serve(structure(), values={"t:value": 1.0})
    node = await connect(fake)
    await away(fake, node, {**structure(), "equipment_id": "other"}, {"t:value": 9.0})
    with pytest.raises(DescriptionChanged, match="the node is 'other' now"):
        await node.t.value.get_value()
    with pytest.raises(DescriptionChanged):
        await node.t.ramp.set(1.0)
    with pytest.raises(DescriptionChanged):
        await node.c.set(10.0)
    assert not [r for r in fake.requests if r.startswith("change ")]
    assert "equipment_id: is 'other', was" in str(node.problems[0])
