"""What is bounded stays so: time, requests on their way, and what others do to it."""

import array
import asyncio
import contextlib
import fcntl
import gc
import random
import socket
import termios
import threading
import time
import weakref
from collections.abc import Generator
from types import SimpleNamespace

import pytest

from secop_ophyd.client import ClientOptions, ConnectionState, SecopClient
from secop_ophyd.client import _link as link
from secop_ophyd.protocol import DescriptionChanged, IsBusy, RequestTimeout, SecopError
from secop_ophyd.testing import ChaosProxy, FakeNode

from .conftest import Listener, structure, until

REQUESTS = {
    "read": lambda client: client.read("m", "value"),
    "change": lambda client: client.change("cryo", "ramp", 5),
    "do": lambda client: client.do("m", "sum", (1, 2)),
    "stop": lambda client: client.do("cryo", "stop"),
    "ping": lambda client: client.ping(),
    "get": lambda client: client.get("m", "value"),
}


# Cancellation


async def cancel_after(turns, coroutine) -> bool:
    """Cancel something after some turns of the event loop; tell if it was over."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(turns):
        await asyncio.sleep(0)
    was_over = task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return was_over


def nothing_waits(client) -> bool:
    requests = client._link.connection.requests
    return not (
        requests._on_wire
        or requests._unanswered
        or requests._ready
        or requests._held
        or requests._writes
    )


@pytest.mark.parametrize("window", [1, 64])
@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_is_cancelled_at_any_await(node, connect, name, window):
    client = await connect(window=window)
    was_over, turns = False, 0
    while not was_over:
        was_over = await cancel_after(turns, REQUESTS[name](client))
        # What comes next gets its own answers, and in time
        for value in range(turns, turns + 2):
            node.set("m:value", value)
            assert (await client.read("m", "value")).value == value
            assert (await client.change("cryo", "ramp", value)).value == value
            assert await client.do("m", "sum", (value, 1)) == 0
        await until(lambda: nothing_waits(client))
        turns += 1
        assert turns < 200
    assert turns > (1 if name != "get" else 0)


@pytest.mark.parametrize("kind", ["error", "silence"])
async def test_cancelled_at_any_await_with_a_node_that_fails(node, connect, kind):
    reply = b'error_change cryo:ramp ["IsBusy","later",{}]\n'
    client = await connect(window=1)
    for turns in range(12):
        node.reply_raw("change cryo:ramp", reply if kind == "error" else None)
        change = client.change("cryo", "ramp", 1, timeout=0.05)
        with contextlib.suppress(IsBusy):  # it was faster
            await cancel_after(turns, change)
        node.forget("change cryo:ramp")
        # One that was sent keeps its module, and its place until its deadline
        assert (await client.change("motor", "ramp", turns)).value == turns
        if kind == "silence":
            node.send_line(reply.strip())
        await client.ping()
        await until(lambda: nothing_waits(client))


async def test_connect_is_cancelled_at_any_await(node):
    was_over, turns = False, 0
    while not was_over:
        client = SecopClient(node.uri)
        was_over = await cancel_after(turns, client.connect())
        # It may just have been done
        assert client.connected == (client.state is ConnectionState.CONNECTED)
        assert client.connected or client.state is ConnectionState.DISCONNECTED
        await client.connect()
        assert (await client.read("m", "value")).value == 0
        await node.wait_for_connections(1)
        await client.close()
        await node.wait_for_connections(0)
        turns += 1
        assert turns < 500
    assert turns > 5


async def test_nothing_is_left_of_a_context_that_is_cancelled_on_its_way(node):
    was_over, turns = False, 0
    entered = asyncio.Event()

    async def use(client):
        async with client:
            entered.set()

    while not entered.is_set():
        client = SecopClient(node.uri)
        was_over = await cancel_after(turns, use(client))
        assert client.state in (ConnectionState.DISCONNECTED, ConnectionState.CLOSED)
        await node.wait_for_connections(0)
        turns += 1
    assert not was_over
    assert turns > 5


@pytest.mark.parametrize("is_there", [True, False])
async def test_close_is_cancelled_at_any_await(node, is_there):
    was_over, turns = False, 1  # without any, it would not even begin
    while not was_over:
        client = SecopClient(node.uri)
        await client.connect()
        if not is_there:  # it is on its way back
            node.reply_raw("describe", None)
            await node.drop_connections()
            node.requests.clear()
            await node.wait_for_request("describe")
            node.forget("describe")
        was_over = await cancel_after(turns, client.close())
        assert client.state is ConnectionState.CLOSED
        await node.wait_for_connections(0)
        await client.connect()
        assert (await client.read("m", "value")).value == 0
        await client.close()
        turns += 1
        assert turns < 50
    assert turns > 2


# Deadlines


@pytest.mark.parametrize("fault", ["silence", "freeze"])
@pytest.mark.parametrize("window", [1, 3])
async def test_no_request_outlives_its_deadline(node, fault, window):
    timeout, many = 0.2, 10
    async with ChaosProxy(node.uri) as proxy:
        options = ClientOptions(timeout=timeout, window=window)
        async with SecopClient(proxy.uri, options) as client:
            if fault == "freeze":
                proxy.freeze()
            for action in ("read", "change", "do", "ping"):
                node.reply_raw(action, None)
            started = time.monotonic()
            requests = [REQUESTS[n](client) for n in REQUESTS if n != "get"]
            requests += [client.read("m", "value") for _ in range(many)]
            requests += [client.change("motor", "ramp", 1) for _ in range(many)]
            outcomes = await asyncio.gather(*requests, return_exceptions=True)
            # The computer may be busy, but they do not wait for one another
            assert time.monotonic() - started < timeout * 4
    assert all(isinstance(outcome, SecopError) for outcome in outcomes)
    assert any(isinstance(outcome, RequestTimeout) for outcome in outcomes)


@pytest.mark.parametrize("window", [1, 2, 64])
async def test_no_more_requests_than_the_window_are_on_their_way(node, connect, window):
    client = await connect(window=window)
    most = on_way = 0

    async def answer():
        nonlocal most, on_way
        on_way += 1
        most = max(most, on_way)
        await asyncio.sleep(0)
        on_way -= 1
        return 1

    for specifier in ("m:value", "cryo:ramp", "motor:ramp", "cryo:value"):
        node.on_read(specifier, answer)
    names = [("m", "value"), ("cryo", "ramp"), ("motor", "ramp"), ("cryo", "value")]
    await asyncio.gather(*(client.read(*names[n % 4]) for n in range(200)))
    assert 1 <= most <= window


# Listeners


@contextlib.contextmanager
def in_a_thread(node: FakeNode) -> Generator[None, None, None]:
    """Run a node that goes on while the event loop of the test is blocked."""
    started, end = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with node:
            started.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        started.wait(5)
        yield
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(5)
        loop.close()


MUCH = b"_note x 1\n" * 30_000  # more than the event loop reads at once


def unread(client: SecopClient) -> int:
    """Return how many bytes the system has received."""
    number = array.array("i", [0])
    sock = client._link.connection._socket
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, number)
    return number[0]


@pytest.mark.parametrize("before", [b"", MUCH], ids=["alone", "after much else"])
async def test_a_listener_that_blocks_makes_no_node_late(before):
    """It blocks for longer than a node may be silent, or a request may take."""
    node, other = FakeNode(structure()), Listener()
    told: list[float] = []
    states: list[ConnectionState] = []
    reply = before + b"reply cryo:value [5,{}]\n"

    def block(reading):
        told.append(reading.value)
        if reading.value == 1:
            until = time.monotonic() + 5
            while unread(client) < len(reply) and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.6)

    options = ClientOptions(timeout=0.5, max_silence=0.5)
    with in_a_thread(node):
        async with SecopClient(node.uri, options) as client:
            sock = client._link.connection._socket
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**19)
            end = client.on_state(states.append)
            stop = client.parameter("m", "value").subscribe(block)
            client.parameter("m", "value").subscribe(other)
            node.reply_raw("read m:value", b"reply m:value [1,{}]\n")
            node.reply_raw("read cryo:value", reply)
            node.delay("read cryo:value", 0.05)  # so that both are not read at once
            one = asyncio.ensure_future(client.read("m", "value"))
            two = asyncio.ensure_future(client.read("cryo", "value"))
            assert (await one).value == 1
            assert (await two).value == 5, "it had come in time"
            node.reply_raw("read m:value", b"reply m:value [2,{}]\n")
            assert (await client.read("m", "value")).value == 2
            assert other.values == [1, 2]
            end()
            stop()
    assert told == [1, 2]
    assert states == []


async def test_a_node_that_tells_much_does_not_keep_a_request_alive(node, connect):
    client = await connect(timeout=0.1)
    node.reply_raw("read", None)
    parameter, updates = client.parameter("m", "value"), Listener()
    parameter.subscribe(updates)
    request = asyncio.ensure_future(client.read("cryo", "value"))
    started = time.monotonic()
    while not request.done():
        node.set("m:value", len(updates.readings) % 1000)
        await asyncio.sleep(0)
        assert time.monotonic() - started < 3
    with pytest.raises(RequestTimeout):
        await request
    assert len(updates.readings) > 10


async def test_a_listener_that_raises_at_each_reading_stops_nothing(
    node, client, caplog
):
    parameter, other = client.parameter("m", "value"), Listener()

    def fail(_):
        raise RuntimeError("a listener that is broken")

    ends = [parameter.subscribe(fail), client.on_state(fail)]
    parameter.subscribe(other)
    for value in range(1, 20):
        node.set("m:value", value)
    await other.wait_for(19)
    await node.drop_connections()
    await until(lambda: client.state is not ConnectionState.CONNECTED)
    async with asyncio.timeout(5):
        while not client.connected:
            await asyncio.sleep(0.01)
    node.set("m:value", 77)
    await other.wait_for(77)
    for end in ends:
        end()
    assert "a listener that is broken" in caplog.text


# Descriptions


async def test_a_node_that_is_another_one_each_time_fills_no_memory(node, connect):
    client, heard = await connect(), Listener()
    client.parameter("m", "value").subscribe(heard)  # the parameter is not kept
    all_there_are = len(list(client.description.parameters()))
    parameters = weakref.WeakSet(client._parameters)
    for number in range(30):
        await node.restart(structure() | {"equipment_id": f"number {number}"})
        async with asyncio.timeout(5):
            while client.description.equipment_id != f"number {number}":
                await asyncio.sleep(0.001)
        parameters.update(client._parameters)
    gc.collect()
    assert len(parameters) == all_there_are + 1
    assert heard.values[-1] is DescriptionChanged
    node.set("m:value", 77)
    await node.restart(structure())
    await heard.wait_for(77)


# Many nodes


async def test_a_hundred_nodes_come_back_at_once(monkeypatch):
    waits: list[float] = []

    def uniform(low: float, high: float) -> float:
        waits.append(random.Random(len(waits)).uniform(low, high))
        return waits[-1]

    monkeypatch.setattr(link, "random", SimpleNamespace(uniform=uniform))
    async with contextlib.AsyncExitStack() as stack:
        nodes = [FakeNode(structure()) for _ in range(100)]
        for node in nodes:
            await stack.enter_async_context(node)
        clients = [SecopClient(node.uri) for node in nodes]
        for client in clients:
            stack.push_async_callback(client.close)
        await asyncio.gather(*(client.connect() for client in clients))
        for node in nodes:
            node.requests.clear()
            node.stop_listening()
        await asyncio.gather(*(n.drop_connections(reset=True) for n in nodes))
        await until(lambda: not any(client.connected for client in clients))
        await until(lambda: len(waits) >= 100)
        for node in nodes:
            await node.listen_again()
        async with asyncio.timeout(20):
            while not all(client.connected for client in clients):
                await asyncio.sleep(0.01)
        readings = await asyncio.gather(*(c.read("m", "value") for c in clients))
        assert [reading.value for reading in readings] == [0] * 100
        assert [node.requests.count("*IDN?") for node in nodes] == [1] * 100
    assert len(set(waits)) == len(waits), "each at a time of its own"
