"""What is bounded stays so: time, requests on their way, and what others do to it."""

import asyncio
import contextlib
import random
import time

import pytest

from secop_ophyd.client import ClientOptions, ConnectionState, SecopClient
from secop_ophyd.client import _link as link
from secop_ophyd.protocol import RequestTimeout, SecopError
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
    connection = client._link.connection
    return not (
        connection._on_wire
        or connection._unanswered
        or connection._ready
        or connection._held
        or connection._writes
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
        await cancel_after(turns, client.change("cryo", "ramp", 1))
        node.forget("change cryo:ramp")
        # A request that was sent keeps its module, but no other
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
        if not was_over:
            assert client.state is ConnectionState.DISCONNECTED
            await client.connect()
        assert (await client.read("m", "value")).value == 0
        await node.wait_for_connections(1)
        await client.close()
        await node.wait_for_connections(0)
        turns += 1
        assert turns < 500
    assert turns > 5


async def test_close_is_cancelled_at_any_await(node):
    for turns in range(6):
        client = SecopClient(node.uri)
        await client.connect()
        await cancel_after(turns, client.close())
        await node.wait_for_connections(0)
        assert client.state is ConnectionState.CLOSED
        await client.connect()
        await client.close()


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
            requests = [REQUESTS[n](client) for n in REQUESTS if n != "get"] * 1
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


async def test_a_listener_that_blocks_costs_time_only(node, connect):
    """Longer than a node may be silent, or a request may take."""
    client = await connect(timeout=0.1)
    parameter, other = client.parameter("m", "value"), Listener()
    states: list[ConnectionState] = []
    client.on_state(states.append)
    parameter.subscribe(lambda reading: time.sleep(0.35 if reading.value == 1 else 0))
    parameter.subscribe(other)
    reading = asyncio.ensure_future(client.read("cryo", "value"))
    for value in (1, 2, 3):
        node.set("m:value", value)
    await other.wait_for(3)
    assert other.values == [1, 2, 3]
    assert (await reading).value == 0, "the reply had come in time"
    assert (await client.read("m", "value")).value == 3
    assert states == []


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


# Many nodes


async def test_a_hundred_nodes_come_back_at_once(monkeypatch):
    waits: list[float] = []

    def uniform(low: float, high: float) -> float:
        waits.append(random.Random(len(waits)).uniform(low, high))
        return waits[-1]

    class Jitter:
        uniform = staticmethod(uniform)

    monkeypatch.setattr(link, "random", Jitter)
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
