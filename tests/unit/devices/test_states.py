"""A parameter has a value, is in error or is stale, and is never taken for another."""

import asyncio
import json
import logging
import math

import pytest
from bluesky.plans import count
from bluesky.utils import FailedStatus

from secop_ophyd.devices import ModuleOptions, NodeOptions
from secop_ophyd.protocol import ConnectionLost, HardwareError, OutOfRange

from .builders import KELVIN, PID, SWITCH, drivable, parameter, readable, report

FAST = 2.0  # s; ophyd-async gives up after 10 s


def structure():
    return report(
        t=readable(
            ramp=parameter(KELVIN, False),
            mode=parameter(SWITCH, False),
            pid=parameter(PID, False),
        ),
        c=drivable(),
    )


@pytest.fixture
async def fake(serve):
    return await serve(structure(), values={"t:value": 4.2, "t:ramp": 1.0})


@pytest.fixture
async def node(fake, connect):
    return await connect(fake)


async def settle(node):
    """Wait until all that was sent before has arrived."""
    await node.client.ping()


async def state(node, connected):
    """Wait until it is connected, or not."""
    changed = asyncio.Event()
    end = node.client.on_state(lambda state: changed.set())
    async with asyncio.timeout(5):
        while node.is_connected != connected:
            changed.clear()
            await changed.wait()
    end()


async def lose(fake, node):
    """Let the connection be lost for a while."""
    fake.stop_listening()
    await fake.drop_connections()
    await state(node, False)


def listeners(node):
    return sum(
        node.client.parameter(p.module, p.name).listeners
        for p in node.client.description.parameters()
    )


# Errors


async def test_an_error_has_the_words_of_the_node(fake, node):
    fake.set_error("t:value", "HardwareError", "sensor is open")
    await settle(node)
    for read in (
        node.t.value.get_value,
        node.t.value.read,
        node.t.read,
        node.read,
    ):
        with pytest.raises(HardwareError, match="t:value.*sensor is open"):
            await read()


async def test_an_error_of_a_staged_signal_is_told_at_once(fake, node):
    fake.set_error("t:value", "HardwareError", "sensor is open")
    await settle(node)
    await node.t.value.stage()
    async with asyncio.timeout(FAST):
        with pytest.raises(HardwareError, match="sensor is open"):
            await node.t.value.get_value()
        fake.set("t:value", 5.0)
        await settle(node)
        assert await node.t.value.get_value() == 5.0
        fake.set_error("t:value", "HardwareError", "open again")
        await settle(node)
        with pytest.raises(HardwareError, match="open again"):
            (await node.t.value.read())["node-t"]["value"]
    await node.t.value.unstage()


async def test_who_listens_gets_the_error_and_never_an_old_value(fake, node, updates):
    readings = updates(node.t.value)
    await readings(1)
    fake.set_error("t:value", "OutOfRange", "too hot", info={"t": 77.0})
    reading = (await readings(2))[-1]["node-t"]
    assert reading["alarm_severity"] == -1
    assert "too hot" in reading["message"]
    assert reading["timestamp"] == 77.0
    with pytest.raises(OutOfRange, match="too hot"):
        reading["value"]
    assert reading.get("value") is None


async def test_an_error_of_a_signal_ends_a_plan_with_these_words(lab):
    fake = lab.serve(structure())
    node = lab.connect(fake)
    lab.call(fake.set_error, "t:value", "HardwareError", "sensor is open")
    with pytest.raises(FailedStatus) as info:
        lab.engine(count([node.t]))
    assert "sensor is open" in str(info.value.__cause__)
    assert lab.named("event") == []


def test_a_run_goes_on_with_nan(lab):
    fake = lab.serve(structure())
    options = NodeOptions(modules={"t": ModuleOptions(errors_as_nan=True)})
    node = lab.connect(fake, options=options)
    lab.call(fake.set_error, "t:value", "HardwareError", "sensor is open")
    lab.engine(count([node], 2))
    assert len(lab.named("event")) == 2
    assert all(math.isnan(e["data"]["node-t"]) for e in lab.named("event"))
    assert "read t:value" in fake.requests


async def test_errors_as_nan(fake, connect):
    options = NodeOptions(modules={"t": ModuleOptions(errors_as_nan=True)})
    node = await connect(fake, options=options)
    fake.set_error("t:value", "OutOfRange", "too hot")
    await settle(node)
    reading = (await node.t.read())["node-t"]
    assert math.isnan(reading["value"])
    assert "too hot" in reading["message"]
    assert (await node.t.read()).keys() == (await node.t.describe()).keys()
    # What is no float, and no other module
    fake.set_error("c:value", "HardwareError", "c")
    await settle(node)
    with pytest.raises(HardwareError):
        await node.c.read()
    fake.set_error("t:status", "HardwareError", "who knows")
    await settle(node)
    with pytest.raises(HardwareError, match="who knows"):
        await node.t.read()


async def test_a_lost_connection_is_no_nan(fake, connect):
    options = NodeOptions(modules={"t": ModuleOptions(errors_as_nan=True)})
    node = await connect(fake, options=options)
    await lose(fake, node)
    with pytest.raises(ConnectionLost):
        await node.t.read()


async def test_errors_of_configuration_are_recorded(fake, node):
    fake.set_error("t:ramp", "HardwareError", "no ramp")
    fake.set_error("t:pid", "HardwareError", "no pid")
    await settle(node)
    readings = await node.t.read_configuration()
    errors = json.loads(readings["node-t-config_errors"]["value"])
    assert errors.keys() == {"node-t-ramp", "node-t-pid"}
    assert "no ramp" in errors["node-t-ramp"]
    assert not [k for k in readings if k.startswith(("node-t-ramp", "node-t-pid"))]
    assert readings["node-t-mode"]["value"] == "off"
    datakey = (await node.describe_configuration())["node-t-config_errors"]
    assert (datakey["dtype"], datakey["shape"]) == ("string", [])
    fake.set("t:ramp", 2.0)
    fake.set("t:pid", {"p": 1.0, "i": 1.0, "mode": 0, "note": ""})
    await settle(node)
    readings = await node.t.read_configuration()
    assert readings["node-t-config_errors"]["value"] == "{}"
    assert readings["node-t-ramp"]["value"] == 2.0


def test_a_run_goes_on_without_a_configuration(lab):
    fake = lab.serve(structure())
    node = lab.connect(fake)
    lab.call(fake.set_error, "t:ramp", "HardwareError", "no ramp")
    lab.call(fake.set_error, "t:pid", "HardwareError", "no pid")
    lab.engine(count([node]))
    (descriptor,) = lab.named("descriptor")
    data = descriptor["configuration"]["node"]["data"]
    assert "no ramp" in data["node-t-config_errors"]
    assert "node-t-ramp" not in data


# Connection


async def test_a_lost_connection_is_told_at_once_and_forgotten_later(fake, node):
    await lose(fake, node)
    async with asyncio.timeout(FAST):
        with pytest.raises(ConnectionLost):
            await node.t.value.get_value()
        with pytest.raises(ConnectionLost):
            await node.read()
        with pytest.raises(ConnectionLost):
            await node.t.ramp.set(2.0)
        with pytest.raises(ConnectionLost):
            await node.t.trigger()
        errors = (await node.t.read_configuration())["node-t-config_errors"]["value"]
        assert "node-t-ramp" in errors
    assert not node.is_connected
    fake.set("t:value", 5.0)
    await fake.listen_again()
    await state(node, True)
    assert await node.t.value.get_value() == 5.0
    await node.t.ramp.set(2.0)


async def test_who_listens_hears_of_loss_and_return(fake, node, updates):
    readings = updates(node.t.value)
    await fake.drop_connections()
    lost, back = (await readings(3))[1:3]
    with pytest.raises(ConnectionLost):
        lost["node-t"]["value"]
    assert back["node-t"]["value"] == 4.2


# Listeners


async def test_no_listener_is_left(fake, node):
    def listener(reading):
        pass

    assert listeners(node) == 0
    for device in (node.t.value, node.t.pid, node.t, node.c):
        device.subscribe_reading(listener)
        assert listeners(node) > 0
        device.clear_sub(listener)
        assert listeners(node) == 0
    for device in (node, node.t, node.t.value):
        await device.stage()
        await device.unstage()
        assert listeners(node) == 0
    for i in range(50):
        await node.c.set(i % 2)
    assert listeners(node) == 0
    fake.drive("c", None)
    fake.set_error("c:value", "HardwareError", "open")
    fake.set_json("c:status", [400, "broken"])
    await settle(node)
    with pytest.raises(RuntimeError, match="broken"):
        await node.c.set(1)
    assert listeners(node) == 0


async def test_a_listener_of_a_module_can_be_ended_twice(node):
    node.t.clear_sub(print)


async def test_a_module_is_told_whole_and_once(fake, node, updates, caplog):
    readings = updates(node.t)
    first = (await readings(1))[0]
    assert first.keys() == (await node.t.describe()).keys()
    fake.set("t:value", 6.0)
    assert (await readings(2))[-1]["node-t"]["value"] == 6.0
    fake.set_error("t:value", "HardwareError", "open")
    fake.set_json("t:status", [400, "broken"])
    fake.set("t:value", 7.0)
    last = (await readings(3))[-1]
    assert (last["node-t"]["value"], last["node-t-status-f0"]["value"]) == (7.0, 400)
    assert len(await readings(3)) == 3
    # One for the transition, none for what the listeners made of it
    warnings = {id(r) for r in caplog.records if r.levelno >= logging.WARNING}
    assert len(warnings) == 1


# Trigger


async def test_trigger_reads_the_value(fake, node):
    fake.on_read("t:value", lambda: 9.0)
    await node.t.trigger()
    assert await node.t.value.get_value() == 9.0
    assert "read t:value" in fake.requests


async def test_trigger_of_the_node_reads_all_values(fake, node):
    await node.trigger()
    reads = [r for r in fake.requests if r.startswith("read")]
    assert sorted(reads) == ["read c:value", "read t:value"]


async def test_trigger_of_the_node_can_be_switched_off(fake, connect):
    node = await connect(fake, options=NodeOptions(trigger=False))
    await node.trigger()
    assert not [r for r in fake.requests if r.startswith("read")]


async def test_trigger_fails_with_the_words_of_the_node(fake, node):
    fake.set_error("t:value", "HardwareError", "open")
    with pytest.raises(HardwareError, match="open"):
        await node.trigger()


async def test_a_value_that_was_never_told_is_asked_for(fake, serve, connect):
    shy = await serve(structure(), values={"t:value": 4.2})
    shy.reply_raw("activate", b"active\n")
    node = await connect(shy)
    assert await node.t.value.get_value() == 4.2
    assert "read t:value" in shy.requests


async def test_a_node_without_updates_is_asked_each_time(serve, connect):
    quiet = await serve(structure(), values={"t:value": 4.2})
    quiet.reply_raw("activate", b'error_activate  ["NotImplemented", "no", {}]\n')
    node = await connect(quiet)
    for value in (1.0, 2.0):
        quiet.set("t:value", value)
        assert await node.t.value.get_value() == value


async def test_read_only(fake, connect):
    node = await connect(fake, options=NodeOptions(read_only=True))
    for change in (
        node.t.ramp.set(1.0),
        node.c.set(1.0),
        node.c.stop_.trigger(),
        node.c.stop_.execute(),
    ):
        with pytest.raises(Exception, match="the node is read-only"):
            await change
    assert not [r for r in fake.requests if r.startswith(("change", "do"))]
