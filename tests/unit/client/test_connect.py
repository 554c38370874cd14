"""What can be at an address, and what it takes to connect to it."""

import asyncio
import http.server
import json
import socket
import threading
import time

import pytest

from secop_ophyd.client import ClientOptions, ConnectionState, SecopClient
from secop_ophyd.protocol import (
    CannotConnect,
    Identity,
    NodeAddress,
    NotASecNode,
    NoValueYet,
)
from secop_ophyd.testing import ChaosProxy, FakeNode

from .conftest import IDENTITY, Listener, serving, structure

DESCRIBING = b"describing . " + json.dumps(structure()).encode() + b"\n"


async def failure(uri, within=5.0, **options) -> CannotConnect:
    """Return the error of an attempt to connect."""
    client = SecopClient(uri, ClientOptions(**options))
    with pytest.raises(CannotConnect) as caught:
        await client.connect(within)
    assert str(client.address) in str(caught.value)
    assert client.state is ConnectionState.DISCONNECTED
    assert not client.connected
    return caught.value


def answering(*replies: bytes):
    """Let a server answer one request after the other, then keep silent."""

    async def talk(reader, writer):
        for reply in replies:
            await reader.readline()
            writer.write(reply)
        await reader.read()

    return serving(talk)


# Nothing that is of use


async def test_port_closed():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        error = await failure(f"127.0.0.1:{port}")
    assert str(error) == (
        f"cannot connect to SEC node 127.0.0.1:{port}: Connection refused"
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "a..b"])
async def test_unknown_host(host):
    error = await failure(NodeAddress(host, 10767))
    assert str(error).startswith(f"cannot connect to SEC node {host}:10767: ")
    assert "within" not in str(error)


@pytest.mark.parametrize("uri", ["", "host:port", "a b:1", "ftp://a:1", "a:0", "a:1:2"])
def test_wrong_uri(uri):
    with pytest.raises(ValueError, match="host:port|TCP port"):
        SecopClient(uri)


async def test_silent_server():
    async with answering() as uri:
        started = time.monotonic()
        error = await failure(uri, 0.5)
        assert 0.45 < time.monotonic() - started < 0.9
    assert "no answer to *IDN? within 0.5 s" in str(error)


async def test_silent_after_identity():
    async with answering(IDENTITY) as uri:
        error = await failure(uri, 0.1)
    assert "no complete description within 0.1 s" in str(error)


async def test_silent_after_description():
    async with answering(IDENTITY, DESCRIBING) as uri:
        error = await failure(uri, 0.1)
    assert "not all values after activate within 0.1 s" in str(error)


@pytest.mark.parametrize(
    "replies, said",
    [
        ((), "no answer to *IDN? within 0.05 s"),
        ((IDENTITY,), "no answer to 'describe' within 0.05 s"),
        ((IDENTITY, DESCRIBING), "no answer to 'activate' within 0.05 s"),
    ],
)
async def test_each_step_has_the_time_out_of_a_request(replies, said):
    async with answering(*replies) as uri:
        assert said in str(await failure(uri, timeout=0.05))


async def test_no_tcp_connection_in_time():
    # A server that does not accept, with a queue that is full
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        queue = [socket.socket() for _ in range(3)]
        try:
            for waiting in queue:
                waiting.setblocking(False)
                waiting.connect_ex(address)
            error = await failure(f"127.0.0.1:{address[1]}", 0.1)
        finally:
            for waiting in queue:
                waiting.close()
    assert "no TCP connection within 0.1 s" in str(error)


async def test_http_server():
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            error = await failure(f"127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()
    assert isinstance(error, NotASecNode)
    assert "HTML" in str(error)


@pytest.mark.parametrize(
    "banner", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", b"220 smtp\r\n"]
)
async def test_banner_of_another_service(banner):
    async with answering(banner) as uri:
        error = await failure(uri)  # although it stays open
    assert isinstance(error, NotASecNode)
    assert f"it answered '{banner.decode().strip()}'" in str(error)


async def test_terminal_escapes_of_others_are_not_passed_on():
    async with answering(b"HTTP/\x1b[2J\n") as uri:
        assert "\x1b" not in str(await failure(uri))


async def test_server_that_closes_at_once():
    async def talk(reader, writer):
        pass

    async with serving(talk) as uri:
        error = await failure(uri)
    assert not isinstance(error, NotASecNode)  # it may have too many clients
    assert "the connection was lost" in str(error)


async def test_closed_during_the_description():
    async def talk(reader, writer):
        await reader.readline()
        writer.write(IDENTITY + DESCRIBING[:-10])
        await reader.readline()

    async with serving(talk) as uri:
        error = await failure(uri)
    assert "the node closed it (during 'describe')" in str(error)
    assert str(error).count(uri) == 1


@pytest.mark.parametrize(
    "described, said",
    [
        (b"describing . {1", "the description: not JSON"),
        (b"describing . [1, 2]", "no JSON object"),
        (b"describing", "no JSON object"),
        (b'error_describe . ["InternalError","not now"]', "InternalError: not now"),
        (b'error  ["ProtocolError","what?"]', "ProtocolError: what?"),
    ],
)
async def test_no_description(described, said):
    async with answering(IDENTITY, described + b"\n") as uri:
        assert said in str(await failure(uri))


@pytest.mark.parametrize("end", [b"\n", b""])
async def test_line_over_the_limit(end):
    async with answering(IDENTITY, b"describing . " + b" " * 1000 + end) as uri:
        assert "longer than 500 bytes" in str(await failure(uri, max_line=500))


async def test_limit_is_in_the_options_and_large(connect):
    assert ClientOptions().max_line > 10_000_000
    report = structure()
    report["_large"] = "x" * 3_000_000
    async with FakeNode(report) as node:
        client = await connect(node)
        assert len(client.description.properties["_large"]) == 3_000_000
        await client.close()


# What is odd but of use


@pytest.mark.parametrize(
    "line, identity",
    [
        (b"ISSE&SINE2020,SECoP,V2019-09-16,v1.0\r\n", ("V2019-09-16", "v1.0")),
        (
            b"SINE2020&ISSE,SECoP,V2018-11-07,v1.0\\beta\n",
            ("V2018-11-07", "v1.0\\beta"),
        ),
        (b"ISSE,SECoP,,v2.0\n", ("", "v2.0")),
        (b"ISSE,SECoP,2026-03-10,v2.0\n", ("2026-03-10", "v2.0")),
    ],
)
async def test_identities(line, identity):
    async with answering(line, DESCRIBING, b"active\n") as uri:
        async with SecopClient(uri) as client:
            assert client.identity == Identity(line.split(b",")[0].decode(), *identity)


async def test_other_lines_before_the_identity():
    lines = (
        b"\n"
        b"welcome, this is ISSE,SECoP\n"
        b"update cryo:value [1,{}]\n"
        b'error_update x:y ["InternalError",""]\n'
        b"active\n"
        b"reply m:value [1,{}]\n"
        b"\xff\xfe\n"
    )
    async with answering(lines + IDENTITY, DESCRIBING, b"active\n") as uri:
        async with SecopClient(uri) as client:
            assert client.identity.version == "v2.0"


@pytest.mark.parametrize("specifier", [b".", b"", b"foo", b"a:b"])
async def test_describing_with_any_specifier(specifier):
    line = DESCRIBING.replace(b" . ", b" " + specifier + b" ", 1)
    async with answering(IDENTITY, line, b"active\n") as uri:
        async with SecopClient(uri) as client:
            assert list(client.description.modules) == ["cryo", "motor", "m"]


async def test_describing_in_a_list():
    line = b"describing . [" + json.dumps(structure()).encode() + b"]\r\n"
    async with answering(IDENTITY, line, b"active\n") as uri:
        async with SecopClient(uri) as client:
            assert client.description.equipment_id == "fake"


async def test_no_modules():
    async with answering(IDENTITY, b"describing . {}\n", b"active\n") as uri:
        async with SecopClient(uri) as client:
            assert client.description.modules == {}
            assert client.description.problems


async def test_activate_that_lasts_longer_than_a_request_may():
    async def talk(reader, writer):
        await reader.readline()
        writer.write(IDENTITY)
        await reader.readline()
        writer.write(DESCRIBING)
        await reader.readline()
        for value in range(6):
            await asyncio.sleep(0.1)
            writer.write(b"update m:value [%d,{}]\n" % value)
        writer.write(b"active\n")
        await reader.read()

    async with serving(talk) as uri:
        started = time.monotonic()
        async with SecopClient(uri, ClientOptions(timeout=0.3)) as client:
            assert time.monotonic() - started > 0.5
            assert client.parameter("m", "value").reading.value == 5


async def test_activate_that_is_never_answered(node):
    """The node tells one thing all the time, which is no answer."""

    async def push():
        while True:
            node.set("m:value", node.value("m:value") + 1)
            await asyncio.sleep(0.005)

    async with ChaosProxy(node.uri) as proxy:
        proxy.truncate("active", times=None)
        task = asyncio.ensure_future(push())
        try:
            error = await failure(proxy.uri, timeout=0.1)
        finally:
            task.cancel()
    assert "no answer to 'activate' within 1 s" in str(error)


async def test_description_that_comes_slowly():
    async def talk(reader, writer):
        await reader.readline()
        writer.write(IDENTITY)
        await reader.readline()
        for start in range(0, len(DESCRIBING), len(DESCRIBING) // 4):
            await asyncio.sleep(0.1)
            writer.write(DESCRIBING[start : start + len(DESCRIBING) // 4])
        await reader.readline()
        writer.write(b"active\n")
        await reader.read()

    async with serving(talk) as uri:
        async with SecopClient(uri, ClientOptions(timeout=0.3)) as client:
            assert client.activated


async def test_time_to_connect_counts_in_total():
    async def talk(reader, writer):
        await reader.readline()
        writer.write(IDENTITY)
        await reader.readline()
        writer.write(DESCRIBING)
        while True:
            await asyncio.sleep(0.02)
            writer.write(b"update m:value [1,{}]\n")

    async with serving(talk) as uri:
        error = await failure(uri, 0.2)
    assert "not all values after activate within 0.2 s" in str(error)


async def test_node_that_refuses_activate(node, caplog):
    node.reply_raw("activate", b'error_activate  ["NotImplemented","no pushing",{}]\n')
    node.set("m:value", 3)
    async with SecopClient(node.uri) as client:
        assert not client.activated
        assert "no pushing" in caplog.text
        with pytest.raises(NoValueYet):
            _ = client.parameter("m", "value").reading.value
        assert (await client.get("m", "value")).value == 3
        node.set("m:value", 4)
        assert (await client.get("m", "value")).value == 4
    assert node.requests.count("read m:value") == 2


async def test_what_was_told_is_not_asked_for(node, client):
    node.set("m:value", 3)
    listener = Listener()
    client.parameter("m", "value").subscribe(listener)
    node.set("m:value", 4)
    await listener.wait_for(4)
    assert (await client.get("m", "value")).value == 4
    assert node.requests == []


# When and how often


async def test_several_attempts_at_once_make_one_connection(node):
    client = SecopClient(node.uri)
    await asyncio.gather(*(client.connect() for _ in range(5)))
    assert node.connections == 1
    assert [r.split()[0] for r in node.requests] == ["*IDN?", "describe", "activate"]
    await client.connect()
    assert len(node.requests) == 3
    await client.close()


async def test_who_waits_for_another_attempt_learns_what_is_lacking():
    async with answering(IDENTITY) as uri:
        client = SecopClient(uri)
        first = asyncio.create_task(client.connect(0.4))
        await asyncio.sleep(0.1)
        with pytest.raises(CannotConnect, match="no complete description within 0.1 s"):
            await client.connect(0.1)
        with pytest.raises(CannotConnect, match="no complete description within 0.4 s"):
            await first


async def test_one_attempt_fails_and_the_next_goes_on(node):
    node.delay("describe", 0.2)
    client = SecopClient(node.uri)
    impatient = asyncio.create_task(client.connect(0.1))
    patient = asyncio.create_task(client.connect(5))
    with pytest.raises(CannotConnect):
        await impatient
    await patient
    assert client.connected
    await node.wait_for_connections(1)
    await client.close()


@pytest.mark.parametrize("stage", ["*IDN?", "describe", "activate"])
async def test_cancelled_at_any_stage(node, stage):
    node.reply_raw(stage, None)
    client = SecopClient(node.uri)
    task = asyncio.create_task(client.connect())
    await node.wait_for_request(stage)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.state is ConnectionState.DISCONNECTED
    await node.wait_for_connections(0)
    node.forget(stage)
    await client.connect()
    assert (await client.read("m", "value")).value == 0
    await client.close()


async def test_again_after_a_failure(node):
    node.stop_listening()
    client = SecopClient(node.uri)
    with pytest.raises(CannotConnect, match="refused"):
        await client.connect()
    await node.listen_again()
    await client.connect()
    assert client.connected
    await client.close()


async def test_no_attempts_in_the_background_before_the_first_success(node):
    node.reply_raw("activate", None)
    client = SecopClient(node.uri)
    with pytest.raises(CannotConnect):
        await client.connect(0.05)
    node.forget("activate")
    await asyncio.sleep(0.1)
    assert node.requests.count("*IDN?") == 1
    assert node.connections == 0


async def test_again_after_close(node, client):
    await client.close()
    assert client.state is ConnectionState.CLOSED
    node.set("m:value", 7)
    await client.connect()
    assert client.parameter("m", "value").reading.value == 7
    assert client.state is ConnectionState.CONNECTED


async def test_again_right_after_abort(node, client):
    client.abort()
    assert not client.connected
    node.set("m:value", 7)
    await client.connect()
    assert client.connected
    assert (await client.read("m", "value")).value == 7
    await node.wait_for_connections(1)


async def test_two_clients(node, connect):
    one, two = await connect(), await connect()
    assert node.connections == 2
    listener = Listener()
    two.parameter("cryo", "ramp").subscribe(listener)
    await one.change("cryo", "ramp", 5)
    await listener.wait_for(5)
    await one.close()
    await two.change("cryo", "ramp", 6)
    await listener.wait_for(6)


async def test_states_are_told(node):
    client = SecopClient(node.uri)
    states: list[ConnectionState] = []

    def broken(state):
        raise RuntimeError

    client.on_state(broken)
    unsubscribe = client.on_state(states.append)
    await client.connect()
    await client.close()
    unsubscribe()
    await client.connect()
    await client.close()
    assert states == [
        ConnectionState.CONNECTING,
        ConnectionState.CONNECTED,
        ConnectionState.CLOSED,
    ]


@pytest.mark.parametrize("window", [0, -1])
def test_window_without_room(window):
    with pytest.raises(ValueError, match="window"):
        ClientOptions(window=window)


async def test_dead_peers_are_noticed_by_the_system(client):
    sock = client._link.connection._socket
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
