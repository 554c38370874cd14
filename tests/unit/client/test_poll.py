"""A node that sends no updates is asked for what someone listens to."""

import asyncio

import pytest

from secop_ophyd.client import ConnectionState, SecopClient
from secop_ophyd.client import _poller as module
from secop_ophyd.protocol import ConnectionLost, HardwareError, RequestTimeout

from .conftest import Listener, until


@pytest.fixture
async def client(node, connect, monkeypatch) -> SecopClient:
    """Return the client of a node that sends no updates."""
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    node.reply_raw("activate", b'error_activate  ["NotImplemented","no",{}]\n')
    return await connect(timeout=0.3)


def pollers() -> list[asyncio.Task]:
    return [t for t in asyncio.all_tasks() if t.get_coro().__name__ == "_run"]


async def no_poller() -> None:
    await asyncio.sleep(0)
    assert pollers() == []


async def test_listeners_are_told(node, client):
    one, two = Listener(), Listener()
    ends = [
        client.parameter("m", "value").subscribe(one),
        client.parameter("cryo", "ramp").subscribe(two),
    ]
    for value in (1, 2, 3):
        node.set("m:value", value)
        node.set("cryo:ramp", value * 10)
        await one.wait_for(value)
        await two.wait_for(value * 10)
    assert len(pollers()) == 1
    assert set(node.requests) == {"read m:value", "read cryo:ramp"}
    ends[0]()
    assert len(pollers()) == 1
    ends[1]()
    ends[1]()
    await no_poller()
    node.requests.clear()
    await asyncio.sleep(0.03)
    assert node.requests == []
    client.parameter("m", "value").subscribe(one)
    node.set("m:value", 4)
    await one.wait_for(4)


async def test_listeners_of_before_are_told(node):
    node.reply_raw("activate", b'error_activate  ["NotImplemented","no",{}]\n')
    client = SecopClient(node.uri)
    await client.connect()
    await client.close()
    listener = Listener()
    client.parameter("m", "value").subscribe(listener)
    await client.connect()
    await listener.wait_for(0)
    await client.close()
    await no_poller()


async def test_nobody_listens(node, client):
    await asyncio.sleep(0.03)
    assert node.requests == []
    assert pollers() == []


async def test_node_that_sends_updates_is_not_asked(node, connect):
    client = await connect()
    client.parameter("m", "value").subscribe(Listener())
    assert pollers() == []


async def test_errors_are_the_state(node, client):
    listener, other = Listener(), Listener()
    client.parameter("m", "value").subscribe(listener)
    client.parameter("cryo", "ramp").subscribe(other)
    node.set_error("m:value", "HardwareError", "burnt")
    await listener.wait_for(HardwareError)
    node.set("m:value", 3)
    await listener.wait_for(3)
    node.reply_raw("read m:value", None)
    await listener.wait_for(RequestTimeout)
    node.set("cryo:ramp", 5)
    await other.wait_for(5)
    node.forget("read m:value")
    node.set("m:value", 4)
    await listener.wait_for(4)


async def test_error_that_tells_no_parameter(node, client):
    node.reply_raw("read", b'error_read  ["HardwareError","burnt"]\n')
    listener = Listener()
    client.parameter("m", "value").subscribe(listener)
    await listener.wait_for(HardwareError)


async def test_constant_is_never_asked_for(node, client):
    client.parameter("m", "fixed").subscribe(Listener())
    await asyncio.sleep(0.03)
    assert node.requests == []


async def test_loss_and_return(node, client):
    listener = Listener()
    client.parameter("m", "value").subscribe(listener)
    await listener.wait_for(0)
    node.stop_listening()
    await node.drop_connections()
    await listener.wait_for(ConnectionLost)
    await until(lambda: client.state is ConnectionState.RECONNECTING)
    await no_poller()
    node.set("m:value", 7)
    await node.listen_again()
    await listener.wait_for(7)
    # It sends updates from now on
    node.forget("activate")
    await node.drop_connections()
    await listener.wait_for(ConnectionLost)
    await listener.wait_for(7)
    await until(lambda: client.state is ConnectionState.CONNECTED)
    assert client.activated
    await no_poller()


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("way", ["close", "abort"])
async def test_end(node, client, silent, way):
    if silent:
        node.reply_raw("read", None)
    client.parameter("m", "value").subscribe(Listener())
    await node.wait_for_request("read")
    if way == "close":
        await client.close()
        assert pollers() == []
    else:
        client.abort()
        await no_poller()


async def test_unsubscribe_in_a_callback(node, client):
    seen = []

    def listener(reading):
        seen.append(reading.error)
        unsubscribe()

    node.reply_raw("read", None)
    unsubscribe = client.parameter("m", "value").subscribe(listener)
    await until(lambda: seen != [])
    await no_poller()
    assert isinstance(seen[0], RequestTimeout)
