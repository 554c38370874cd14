"""Connections come, go, break and freeze."""

import asyncio
import gc
import socket

import pytest

from secop_ophyd.testing import FakeNode

from .conftest import structure


async def test_start_twice(node):
    with pytest.raises(RuntimeError, match="running"):
        await node.start()


async def test_a_port_that_is_taken(node):
    other = FakeNode(structure(), port=node.port)
    with pytest.raises(OSError):
        await other.start()
    await other.stop()


async def test_a_port_that_is_given_up_in_a_moment(node):
    """As by a process that is being started, and has a copy of all sockets."""
    await node.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", node.port))
        start = asyncio.ensure_future(node.start())
        done, _ = await asyncio.wait({start}, timeout=0.1)
        assert not done
    await start
    assert node.uri == f"127.0.0.1:{node.port}"


async def test_stop_twice_and_start_again(connect):
    node = FakeNode(structure())
    assert node.port == 0
    await node.stop()
    await node.start()
    port = node.port
    client = await connect(node)
    await node.stop()
    await client.eof()
    await node.stop()
    await node.start()
    assert node.port == port
    assert node.uri == f"127.0.0.1:{port}"
    await (await connect(node)).ask("ping 1")
    await node.stop()


async def test_restart(node, client):
    node.set("cryo:value", 4)
    port = node.port
    await node.restart()
    await client.eof()
    assert (node.port, node.value("cryo:value")) == (port, 4)
    await node.restart(values={"cryo:value": 5})
    assert node.value("cryo:value") == 5


async def test_restart_with_another_description(node, connect):
    changed = structure()
    del changed["modules"]["s"]
    node.set("cryo:value", 4)
    await node.restart(changed, {"cryo:target": 7})
    client = await connect()
    assert '"s":' not in await client.ask("describe")
    values = [node.value(f"cryo:{name}") for name in ("value", "target")]
    assert values == [4, 7]


async def test_restart_of_a_node_that_was_not_started(connect):
    node = FakeNode(structure())
    await node.restart()
    await (await connect(node)).ask("ping 1")
    await node.stop()


def test_another_loop():
    node = FakeNode(structure(), serial=True)

    async def use():
        async with node:
            reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
            writer.write(b"ping 1\nping 2\n")
            await node.wait_for_request("ping 2")
            await reader.readline()
            writer.close()
            await writer.wait_closed()
            node.requests.clear()

    asyncio.run(use())
    asyncio.run(use())
    gc.collect()


async def test_connections_are_counted(node, connect):
    assert node.connections == 0
    first, _ = await connect(), await connect()
    await node.wait_for_connections(2)
    await first.close()
    await node.wait_for_connections(1)


async def test_drop(node, client):
    await client.ask("ping 1")
    node.send_raw(b"half a line")
    await node.drop_connections()
    assert node.connections == 0
    assert await client.reader.read() == b"half a line"


async def test_drop_with_reset(node, client):
    await client.ask("ping 1")
    await node.drop_connections(reset=True)
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_flood(node, client):
    await client.ask("ping 1")
    node.flood(b"x y", 1000)
    assert [await client.line() for _ in range(1000)] == ["x y"] * 1000


async def test_drop_a_client_that_does_not_read(node, client):
    client.writer.transport.pause_reading()
    client.send("ping 1")
    await node.wait_for_request("ping")
    node.send_raw(bytes(2**26))
    await node.drop_connections()
    assert node.connections == 0


async def test_stop_with_a_client_that_does_not_read(connect):
    async with FakeNode(structure()) as node:
        client = await connect(node)
        client.writer.transport.pause_reading()
        client.send("ping 1")
        await node.wait_for_request("ping")
        node.send_raw(bytes(2**26))
    assert node.connections == 0


async def test_a_client_that_goes_before_its_reply(node, client):
    node.delay("ping", 0.02)
    client.send("ping 1")
    await node.wait_for_request("ping")
    await client.close()
    await node.wait_for_connections(0)
    await asyncio.sleep(0.05)


async def test_a_client_that_sends_no_line_end(node, client):
    client.writer.write(b"x" * (64 * 2**20 + 1))
    with pytest.raises((EOFError, ConnectionError)):
        await client.line()
    await node.wait_for_connections(0)


async def test_a_line_of_megabytes(connect):
    report = structure()
    report["_long"] = "x" * 2**23
    async with FakeNode(report) as node:
        client = await connect(node)
        assert len(await client.ask("describe")) > 2**23
        assert (await client.ask("ping " + "1" * 2**20)).startswith("pong 111")


async def test_stop_listening(node, client, connect):
    await client.ask("ping 1")
    node.stop_listening()
    node.stop_listening()
    with pytest.raises(ConnectionError):
        await connect()
    assert (await client.ask("ping 2")).startswith("pong 2 ")
    await node.listen_again()
    await node.listen_again()
    assert (await (await connect()).ask("ping 3")).startswith("pong 3 ")


async def test_pause(node, client, connect):
    client.send("activate cryo")
    await client.until("active")
    node.delay("ping 0", 0.01)
    client.send("ping 0")
    await node.wait_for_request("ping 0")
    node.pause()
    node.set("cryo:value", 1)
    client.send("ping 1")
    other = await connect()
    other.send("ping 2")
    await client.silence()
    await other.silence()
    assert node.requests[-1] == "ping 0"
    node.resume()
    assert await client.line() == 'update cryo:value [1.0,{"t":5.0}]'
    assert (await client.line()).startswith("pong 0 ")
    assert (await client.line()).startswith("pong 1 ")
    assert (await other.line()).startswith("pong 2 ")


async def test_stop_while_paused(connect):
    async with FakeNode(structure()) as node:
        client = await connect(node)
        await client.ask("ping 1")
        node.pause()
        client.send("ping 2")
    async with node:
        assert (await (await connect(node)).ask("ping 3")).startswith("pong 3 ")


async def test_drop_while_paused(node, client):
    await client.ask("ping 1")
    node.pause()
    await node.drop_connections()
    await client.eof()
