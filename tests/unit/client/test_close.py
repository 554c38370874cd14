"""Nothing is left behind: no task, no socket, no thread.

That is checked after each test; here are the ways to come to an end.
"""

import asyncio
import gc
import logging
import weakref

import pytest

from secop_ophyd.client import (
    ClientOptions,
    ConnectionState,
    SecopClient,
    acquire_client,
    release_client,
)
from secop_ophyd.protocol import CannotConnect, ConnectionLost, parse_address
from secop_ophyd.testing import FakeNode

from .conftest import structure


async def test_twice(node, client):
    await client.close()
    assert client.state is ConnectionState.CLOSED
    await node.wait_for_connections(0)
    await client.close()
    client.abort()
    await client.close()
    assert client.state is ConnectionState.CLOSED


async def test_twice_at_once(node, client):
    await asyncio.gather(client.close(), client.close())
    await node.wait_for_connections(0)


async def test_never_connected():
    client = SecopClient("localhost:1")
    client.abort()
    await client.close()


async def test_after_a_failure(node):
    node.stop_listening()
    client = SecopClient(node.uri)
    with pytest.raises(CannotConnect):
        await client.connect()
    await client.close()
    await client.close()


async def test_abort(node, client):
    client.abort()
    client.abort()
    await node.wait_for_connections(0)
    assert client.state is ConnectionState.CLOSED
    with pytest.raises(ConnectionLost):
        await client.read("m", "value")


async def test_abort_while_it_reconnects(node, client):
    node.stop_listening()
    await node.drop_connections()
    client.abort()
    assert client.state is ConnectionState.CLOSED
    await node.listen_again()
    await asyncio.sleep(0.05)
    assert node.connections == 0


@pytest.mark.parametrize("stage", ["*IDN?", "describe", "activate"])
@pytest.mark.parametrize("way", ["close", "abort"])
async def test_while_it_connects(node, stage, way):
    node.reply_raw(stage, None)
    client = SecopClient(node.uri)
    attempt = asyncio.create_task(client.connect())
    await node.wait_for_request(stage)
    if way == "close":
        await client.close()
    else:
        client.abort()
    async with asyncio.timeout(1):
        with pytest.raises(CannotConnect, match="the client was closed"):
            await attempt
    assert client.state is ConnectionState.CLOSED
    await node.wait_for_connections(0)


async def test_attempts_in_the_queue_are_not_ended(node):
    node.reply_raw("describe", None)
    client = SecopClient(node.uri)
    first = asyncio.create_task(client.connect())
    second = asyncio.create_task(client.connect())
    await node.wait_for_request("describe")
    node.forget("describe")
    await client.close()
    with pytest.raises(CannotConnect):
        await first
    await second  # it is another attempt, as if it had begun later
    assert client.connected
    await client.close()


async def test_requests_that_wait(node, connect):
    client = await connect(window=1)
    node.reply_raw("read", None)
    reads = [asyncio.create_task(client.read("m", "value")) for _ in range(3)]
    await node.wait_for_request("read")
    await client.close()
    for read in reads:
        with pytest.raises(ConnectionLost, match="disconnected .during 'read m:value'"):
            await read


async def test_node_that_does_not_read(node, client):
    node.pause()
    requests = [
        asyncio.create_task(client.do("cryo", "stop", timeout=30)) for _ in range(1000)
    ]
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await client.close()
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert {type(r) for r in results} == {ConnectionLost}
    node.resume()


async def test_error_in_the_block(node):
    with pytest.raises(KeyError):
        async with SecopClient(node.uri) as client:
            raise KeyError
    assert client.state is ConnectionState.CLOSED
    await node.wait_for_connections(0)


async def test_cancelled_close_closes(node, client):
    task = asyncio.create_task(client.close())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await node.wait_for_connections(0)
    assert client.state is ConnectionState.CLOSED


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_debug_mode_has_nothing_to_say(caplog, recwarn, name):
    caplog.set_level(logging.WARNING)

    async def use():
        asyncio.get_running_loop().slow_callback_duration = 10
        async with FakeNode(structure()) as node:
            async with SecopClient(f"{name}:{node.port}") as client:
                await client.read("m", "value")
                task = asyncio.create_task(client.change("cryo", "ramp", 1))
                await asyncio.sleep(0)
                task.cancel()
                await client.do("cryo", "stop")
            await node.drop_connections()
            with pytest.raises(CannotConnect):
                node.reply_raw("describe", None)
                await client.connect(0.05)
            node.stop_listening()
            with pytest.raises(CannotConnect):
                await client.connect(1)

    asyncio.run(use(), debug=True)
    gc.collect()
    assert [r.getMessage() for r in caplog.records] == []
    assert list(recwarn) == []


# One connection for all devices of a node


async def test_shared_client(node, caplog):
    address, log = parse_address(node.uri), logging.getLogger("test")
    one = acquire_client(address, ClientOptions(), log)
    two = acquire_client(address, ClientOptions(), log)
    assert one is two
    assert caplog.text == ""
    assert acquire_client(address, ClientOptions(window=1), log) is one
    assert "other options" in caplog.text
    assert one.options.window == 64
    await one.connect()
    assert not release_client(one)
    assert not release_client(two)
    assert release_client(one)
    assert not release_client(one)
    await one.close()
    other = acquire_client(address, ClientOptions(), log)
    assert other is not one
    assert release_client(other)


def test_another_event_loop_has_another_client():
    address, log = parse_address("localhost:1"), logging.getLogger("test")

    async def acquire():
        return acquire_client(address, ClientOptions(), log)

    one, two = asyncio.run(acquire()), asyncio.run(acquire())
    assert one is not two


def test_event_loops_are_not_held():
    address, log = parse_address("localhost:1"), logging.getLogger("test")

    async def acquire():
        client = acquire_client(address, ClientOptions(), log)
        client.loop = asyncio.get_running_loop()  # as its tasks and futures have it
        return client, weakref.ref(client.loop)

    async def release(*clients):
        return [release_client(client) for client in clients]

    one, loop = asyncio.run(acquire())
    assert not release_client(one)  # its loop is closed
    assert not release_client(one)
    two, _ = asyncio.run(acquire())
    assert asyncio.run(release(one, two)) == [False, False]
    third, other_loop = asyncio.run(acquire())
    fourth, _ = asyncio.run(acquire())  # drops the third, which nobody released
    assert not release_client(third)
    assert not release_client(fourth)
    del one, two, third, fourth
    gc.collect()
    assert loop() is None
    assert other_loop() is None
