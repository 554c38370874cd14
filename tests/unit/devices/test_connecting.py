"""Connecting, again and again, and what is left when a device is gone."""

import asyncio
import gc
import logging
import math
import os
import threading

import pytest
from bluesky.plan_stubs import rd
from ophyd_async.core import Device, NotConnectedError, init_devices

from secop_ophyd.client import ConnectionState, _pieces
from secop_ophyd.devices import (
    ModuleOptions,
    NodeOptions,
    SECoPNodeDevice,
    SECoPReadableDevice,
)
from secop_ophyd.testing import FakeNode

from .builders import (
    KELVIN,
    SWITCH,
    command,
    drivable,
    module,
    parameter,
    readable,
    report,
)
from .test_annotations import Node, node_class
from .test_annotations import structure as full_structure
from .test_states import lose, settle, state

SOON = 2.0


def structure():
    return report(t=readable(ramp=parameter(KELVIN, False)), c=drivable())


@pytest.fixture
async def fake(serve):
    return await serve(structure(), values={"t:value": 4.2})


# Before, and without


def test_the_constructor_does_nothing(tmp_path):
    threads = threading.active_count()
    node = SECoPNodeDevice("localhost:1", "p_", "n", "DEBUG", str(tmp_path / "logs"))
    Node("no.such.host:10767")
    assert os.listdir(tmp_path) == []
    assert threading.active_count() == threads
    assert not node.is_connected
    assert node.problems == ()
    node.close()


@pytest.mark.parametrize("uri", ["", "localhost:x", "host:1:2", ":1"])
def test_an_address_that_is_none(uri):
    with pytest.raises(ValueError, match="address|port|host"):
        SECoPNodeDevice(uri)


def test_a_level_that_is_none():
    with pytest.raises(ValueError, match="LOUD"):
        SECoPNodeDevice("localhost:1", loglevel="LOUD")


async def test_before_it_is_connected():
    node = Node("localhost:1")
    with pytest.raises(NotConnectedError, match="localhost:1"):
        _ = node.client
    with pytest.raises(NotConnectedError):
        _ = node.c.secop
    with pytest.raises(NotConnectedError):
        await node.c.value.get_value()
    with pytest.raises(NotConnectedError):
        await node.c.ramp.set(1.0)
    await node.disconnect()


async def test_nobody_is_there(fake):
    await fake.stop()
    node = SECoPNodeDevice(fake.uri)
    with pytest.raises(NotConnectedError, match=fake.uri):
        await node.connect(timeout=1)
    await fake.start()
    await node.connect(timeout=1)
    await node.disconnect()


@pytest.mark.parametrize("silent", ["*IDN?", "describe", "activate"])
async def test_a_node_that_is_not_ready_in_time(fake, silent):
    fake.reply_raw(silent, None)
    node = SECoPNodeDevice(fake.uri)
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(NotConnectedError, match=r"0\.1 s"):
        await node.connect(timeout=0.1)
    assert loop.time() - started < 1.0
    await fake.wait_for_connections(0)
    fake.forget(silent)
    await node.connect(timeout=SOON)
    await node.disconnect()


async def test_something_else_is_there(serve):
    fake = await serve(structure(), identity="SSH-2.0-OpenSSH_9.6")
    node = SECoPNodeDevice(fake.uri)
    with pytest.raises(NotConnectedError, match="SSH"):
        await node.connect(timeout=SOON)
    await fake.wait_for_connections(0)


def test_a_failed_init_devices_leaves_nothing(lab):
    fake = lab.serve(structure())
    lab.call(fake.reply_raw, "activate", None)
    with pytest.raises(NotConnectedError):
        with init_devices(timeout=0.1):
            node = SECoPNodeDevice(fake.uri)
    lab.run(fake.wait_for_connections(0))
    assert not node.is_connected


# Again


@pytest.mark.parametrize("cls", [SECoPNodeDevice, Node])
async def test_connect_again(serve, connect, cls):
    fake = await serve(full_structure(), values={"c:value": 4.2})
    node = await connect(fake, cls)
    before = await node.read()
    client = node.client
    await node.connect()
    assert await node.read() == before
    await node.connect(force_reconnect=True)
    assert (await node.read()).keys() == before.keys()
    assert node.client is client
    await node.disconnect()
    assert not node.is_connected
    with pytest.raises(Exception, match="connect"):
        await node.c.value.get_value()
    fake.set("c:value", 5.0)
    await node.connect()
    assert await node.c.value.get_value() == 5.0
    assert (await node.read()).keys() == before.keys()
    assert fake.requests.count("describe") == 3
    assert fake.connections == 1


@pytest.mark.parametrize("cls", [SECoPNodeDevice, Node])
@pytest.mark.parametrize("steps", [0, 1, 5, 20])
async def test_connect_after_one_that_was_cancelled(serve, cls, steps):
    fake = await serve(full_structure())
    node = cls(fake.uri, name="node")
    fake.delay("describe", 0.01)
    task = asyncio.ensure_future(node.connect())
    for _ in range(steps):
        await asyncio.sleep(0)
    if steps == 20:
        await fake.wait_for_request("describe")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await fake.wait_for_connections(0)
    await node.connect()
    assert await node.c.value.get_value() == 0.0
    await node.disconnect()


async def test_two_at_once(fake, connect):
    node = SECoPNodeDevice(fake.uri)
    await asyncio.gather(node.connect(), node.connect())
    assert fake.connections == 1
    assert await node.t.value.get_value() == 4.2
    await node.disconnect()
    await fake.wait_for_connections(0)


async def test_a_subscription_survives_a_forced_reconnect(fake, connect, updates):
    node = await connect(fake)
    readings = updates(node.t.value)
    module_readings = updates(node.t)
    await readings(1)
    await node.connect(force_reconnect=True)
    fake.set("t:value", 6.0)
    await settle(node)
    assert (await readings(2))[-1]["node-t"]["value"] == 6.0
    assert (await module_readings(2))[-1]["node-t"]["value"] == 6.0


async def test_a_connect_while_the_node_is_away(fake, connect):
    node = await connect(fake)
    await lose(fake, node)
    with pytest.raises(NotConnectedError):
        await node.connect(timeout=0.1)
    await fake.listen_again()
    await node.connect(timeout=SOON)
    assert await node.t.value.get_value() == 4.2


# Another description


async def test_a_parameter_that_has_changed(fake, connect):
    node = await connect(fake)
    other = structure()
    accessibles = other["modules"]["t"]["accessibles"]
    accessibles["ramp"]["datainfo"] = SWITCH
    accessibles["more"] = parameter(KELVIN)
    fake.set_description(other)
    await fake.drop_connections()
    await state(node, False)
    await state(node, True)
    with pytest.raises(Exception, match="t:ramp.*force_reconnect"):
        await node.t.ramp.get_value()
    with pytest.raises(Exception, match="t:ramp.*force_reconnect"):
        await node.t.ramp.set(1)
    assert await node.t.value.get_value() == 4.2
    await node.connect(force_reconnect=True)
    assert await node.t.ramp.get_value() == "off"
    assert await node.t.more.get_value() == 0.0
    assert "node-t-more" in await node.describe_configuration()


async def test_a_module_that_is_gone(fake, connect):
    node = await connect(fake)
    other = structure()
    del other["modules"]["c"]
    del other["modules"]["t"]["accessibles"]["ramp"]
    other["modules"]["new"] = readable()
    fake.set_description(other)
    await node.connect(force_reconnect=True)
    keys = (await node.read()).keys() | (await node.read_configuration()).keys()
    assert "node-new" in keys
    assert "node-t" in keys
    assert "node-t-ramp" not in keys
    assert not [k for k in keys if k == "node-c" or k.startswith("node-c-")]
    await node.trigger()
    with pytest.raises(Exception, match="c:value.*gone"):
        await node.c.value.get_value()
    fake.set_description(structure())
    await node.connect(force_reconnect=True)
    assert "node-c" in await node.read()
    assert await node.t.ramp.get_value() == 0.0


async def test_what_can_be_changed_now(fake, connect):
    node = await connect(fake)
    before = node.t.ramp
    other = structure()
    accessibles = other["modules"]["t"]["accessibles"]
    accessibles["ramp"]["readonly"] = True
    fake.set_description(other)
    await node.connect(force_reconnect=True)
    assert not hasattr(node.t.ramp, "set")
    accessibles["ramp"] = command(result=KELVIN)
    fake.set_description(other)
    await node.connect(force_reconnect=True)
    assert await node.t.ramp.execute() == 0.0
    fake.set_description(structure())
    await node.connect(force_reconnect=True)
    await node.t.ramp.set(1.0)
    assert "node-t-ramp" in await node.read_configuration()
    assert node.t.ramp is not before


async def test_a_module_that_became_another(fake, connect):
    node = await connect(fake)
    other = structure()
    other["modules"]["t"] = drivable()
    other["modules"]["c"] = module(x=parameter(KELVIN))
    fake.set_description(other)
    await node.connect(force_reconnect=True)
    await node.t.set(5.0)
    assert fake.value("t:value") == 5.0
    assert await node.c.x.get_value() == 0.0
    await node.read()


async def test_a_class_that_does_not_fit_any_more(serve, connect):
    fake = await serve(full_structure())
    node = await connect(fake, Node)
    other = full_structure()
    del other["modules"]["c"]["accessibles"]["mode"]
    fake.set_description(other)
    with pytest.raises(NotConnectedError, match="Cryo.*mode"):
        await node.connect(force_reconnect=True)
    assert not node.is_connected
    await fake.wait_for_connections(0)
    fake.set_description(full_structure())
    await node.connect()
    assert await node.c.mode.get_value() == "off"


# Shared


async def test_two_devices_share_one_connection(fake, connect):
    one, two = await connect(fake), await connect(fake, name="two")
    assert fake.connections == 1
    assert fake.requests.count("describe") == 1
    assert one.client is two.client
    fake.set("t:value", 6.0)
    await settle(one)
    assert await one.t.value.get_value() == await two.t.value.get_value() == 6.0
    await one.disconnect()
    assert two.is_connected
    assert await two.t.value.get_value() == 6.0
    await two.disconnect()
    await fake.wait_for_connections(0)
    await two.disconnect()  # twice does no harm


async def test_other_options_of_the_second_device_are_told(fake, connect, caplog):
    await connect(fake)
    with caplog.at_level(logging.WARNING):
        await connect(fake, name="two", options=NodeOptions(window=1))
    assert "other options" in caplog.text


async def test_a_class_that_does_not_fit_does_no_harm_to_others(fake, connect):
    good = await connect(fake)
    with pytest.raises(NotConnectedError):
        await connect(fake, node_class(gone=SECoPReadableDevice))
    assert good.is_connected
    assert await good.t.value.get_value() == 4.2


# close


def test_close_from_synchronous_code(lab):
    fake = lab.serve(structure())
    node = lab.connect(fake)
    node.close()
    lab.run(fake.wait_for_connections(0))
    assert not node.is_connected
    node.close()
    with init_devices():
        again = SECoPNodeDevice(fake.uri)
    assert lab.engine(rd(again.t.value)).plan_result == 0.0
    again.close()
    lab.run(fake.wait_for_connections(0))


async def test_close_from_the_loop_itself(fake, connect):
    node = await connect(fake)
    client = node.client
    node.close()
    assert not node.is_connected
    assert client.state is ConnectionState.CLOSED
    await fake.wait_for_connections(0)
    await node.connect()
    assert await node.t.value.get_value() == 4.2


async def test_close_while_it_reconnects(fake, connect):
    node = await connect(fake)
    await lose(fake, node)
    node.close()
    await asyncio.sleep(0)
    assert not node.is_connected


async def test_close_from_the_loop_while_others_use_it(fake, connect):
    one, two = await connect(fake), await connect(fake, name="two")
    one.close()
    assert await two.t.value.get_value() == 4.2


class Elsewhere:
    """A fake node in a thread, for tests that have loops of their own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.fake = FakeNode(structure(), values={"t:value": 4.2})
        self.run(self.fake.start())

    def run(self, coro):
        return asyncio.run_coroutine_threadsafe(coro, self.loop).result(5)

    def end(self):
        self.run(self.fake.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def elsewhere():
    elsewhere = Elsewhere()
    yield elsewhere
    elsewhere.end()


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_close_when_the_loop_does_not_run(elsewhere, loop):
    node = SECoPNodeDevice(elsewhere.fake.uri)
    loop.run_until_complete(node.connect())
    node.close()
    elsewhere.run(elsewhere.fake.wait_for_connections(0))


def test_close_after_the_loop_is_closed(elsewhere, tmp_path):
    node = SECoPNodeDevice(elsewhere.fake.uri, logdir=str(tmp_path))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(node.connect())
    client = node.client
    loop.run_until_complete(client.close())
    loop.close()
    node.close()
    assert not node.is_connected


def test_another_loop_gets_its_own_connection(elsewhere, loop):
    async def value():
        await node.connect()
        return await node.t.value.get_value()

    node = SECoPNodeDevice(elsewhere.fake.uri, name="node")
    assert loop.run_until_complete(value()) == 4.2
    other = asyncio.new_event_loop()
    assert other.run_until_complete(value()) == 4.2
    elsewhere.run(elsewhere.fake.wait_for_connections(1))
    other.run_until_complete(node.disconnect())
    other.close()
    elsewhere.run(elsewhere.fake.wait_for_connections(0))


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (NodeOptions, "window", 0),
        (NodeOptions, "max_line", 0),
        (NodeOptions, "timeout", 0),
        (NodeOptions, "timeout", math.nan),
        (ModuleOptions, "move_timeout", -1),
        (ModuleOptions, "grace", -0.5),
        (ModuleOptions, "grace", math.nan),
    ],
)
def test_options_out_of_range(kind, field, value):
    with pytest.raises(ValueError, match=f"^{field} must be"):
        kind(**{field: value})


async def test_a_line_that_is_too_long(fake):
    node = SECoPNodeDevice(fake.uri, options=NodeOptions(max_line=200))
    with pytest.raises(NotConnectedError, match="a line is longer than 200 bytes"):
        await node.connect(timeout=0.5)


async def test_options_of_a_module_that_is_not_there(serve, connect):
    fake = await serve(report(cryo=readable()))
    options = NodeOptions(modules={"cyro": ModuleOptions(grace=2)})
    device = await connect(fake, options=options)
    (problem,) = device.problems
    assert str(problem) == "cyro: is no module, but there are options"


# Large nodes, and what a subclass adds


async def test_modules_are_not_named_again_for_each_one_that_is_added(
    serve, monkeypatch
):
    fake = await serve(report(**{f"m{i}": readable() for i in range(30)}))
    named = []
    set_name = SECoPReadableDevice.set_name

    def count(self, name, **options):
        named.append(name)
        set_name(self, name, **options)

    monkeypatch.setattr(SECoPReadableDevice, "set_name", count)
    node = SECoPNodeDevice(fake.uri, name="lab")
    await node.connect()
    assert node.m29.value.name == "lab-m29"
    assert node.m29.status.name == "lab-m29-status"
    assert named.count("lab-m0") == 1
    await node.disconnect()


async def test_others_have_their_turn_while_devices_are_made(serve, monkeypatch):
    fake = await serve(report(**{f"m{i}": readable() for i in range(5)}))
    monkeypatch.setattr(_pieces, "LONGEST_BLOCK", -1.0)
    turns = 0

    async def count():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            if any(name.startswith("m") for name, _ in node.children()):
                turns += "m4" not in dict(node.children())

    node = SECoPNodeDevice(fake.uri)
    counting = asyncio.ensure_future(count())
    await node.connect()
    counting.cancel()
    assert turns >= 3
    await node.disconnect()


async def test_another_description_while_devices_are_made(serve, monkeypatch):
    fake = await serve(report(**{f"m{i}": readable() for i in range(5)}))
    other = report(m0=readable())

    class Asyncio:
        ensure_future, wait = asyncio.ensure_future, asyncio.wait

        @staticmethod
        async def sleep(_):
            if not node.is_connected or changed.is_set():
                return  # its description is being read
            changed.set()
            before = node.client.description
            await fake.restart(other)
            while node.client.description is before:
                await asyncio.sleep(0.01)

    node = SECoPNodeDevice(fake.uri)
    changed = asyncio.Event()
    with monkeypatch.context() as patch:
        patch.setattr(_pieces, "LONGEST_BLOCK", -1.0)
        patch.setattr(_pieces, "asyncio", Asyncio)
        with pytest.raises(NotConnectedError, match="while its devices were made"):
            await node.connect()
    await node.connect()
    assert {name for name, _ in node.children() if name[0] == "m"} >= {"m0"}
    assert await node.m0.value.get_value() == 0
    await node.disconnect()


async def test_another_separator_of_names(fake):
    node = SECoPNodeDevice(fake.uri, name="lab")
    node.set_name("lab", child_name_separator="_")
    await node.connect()
    names = node.t.name, node.t.value.name, node.t.ramp.name, node.connected.name
    assert names == ("lab_t", "lab_t", "lab_t_ramp", "lab_connected")
    node.set_name("lab", child_name_separator="-")
    assert node.t.ramp.name == "lab-t-ramp"
    await node.disconnect()


async def test_a_name_outlives_a_node_that_does_not_fit(fake):
    class Wrong(SECoPNodeDevice):
        missing: SECoPReadableDevice

    node = Wrong(fake.uri, name="lab")
    with pytest.raises(NotConnectedError, match="missing"):
        await node.connect()
    assert node.name == "lab"
    assert node.missing.name == "lab-missing"
    assert node.t.name == "lab-t"
    assert node.t.ramp.name == "lab-t-ramp"


class Added(Device):
    """A child that is not the node's."""

    connects = 0

    async def connect(self, mock=False, timeout=1.0, force_reconnect=False):
        self.connects += 1


async def test_what_a_subclass_adds_is_connected(fake):
    class Extended(SECoPNodeDevice):
        def __init__(self, uri):
            super().__init__(uri)
            self.added = Added()

    node = Extended(fake.uri)
    await node.connect()
    assert node.added.connects == 1
    await node.disconnect()
    await node.connect(force_reconnect=True)
    assert node.added.connects == 2
    await node.disconnect()


async def test_garbage_is_collected_as_before(fake):
    node = SECoPNodeDevice(fake.uri)
    await node.connect()
    assert gc.isenabled()
    await node.disconnect()
    gc.disable()
    try:
        await node.connect(force_reconnect=True)
        assert not gc.isenabled()
    finally:
        gc.enable()
        await node.disconnect()
