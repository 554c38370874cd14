"""Several clients, event loops, RunEngines and nodes, and the ways to reach them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.run_engine import DuringTask, RunEngine, call_in_bluesky_event_loop
from ophyd_async.core import init_devices

from secop_ophyd import NodeOptions, SECoPNodeDevice
from secop_ophyd.client import ClientOptions, ConnectionState, SecopClient
from secop_ophyd.demo import SimulatedNode, start_node
from secop_ophyd.protocol import ConnectionLost
from secop_ophyd.testing import ChaosProxy, FakeNode

CRYO = Path(__file__).parents[1] / "data" / "descriptions" / "cryo.json"


@pytest.fixture
def simulated() -> Iterator[SimulatedNode]:
    with start_node() as node:
        yield node


def connect(uri: str, **options: Any) -> Any:
    """Connect a device in the event loop of the RunEngine that was made last."""
    with init_devices():
        device = SECoPNodeDevice(uri, **options)
    return device


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


# Addresses


@pytest.mark.skipif(not has_ipv6(), reason="this computer has no IPv6")
async def test_ipv6() -> None:
    async with FakeNode(CRYO, values={"cryo:value": 4.5}, host="::1") as fake:
        assert fake.uri == f"[::1]:{fake.port}"
        async with SecopClient(fake.uri) as client:
            assert (await client.read("cryo", "value")).value == 4.5
        node: Any = SECoPNodeDevice(fake.uri, name="n")
        await node.connect()
        assert node.uri == f"secop://{fake.uri}"
        assert await node.cryo.value.get_value() == 4.5
        await fake.drop_connections()
        while node.is_connected:
            await asyncio.sleep(0)
        await node.connect()
        assert await node.cryo.value.get_value() == 4.5
        await node.disconnect()


# One node, several clients


async def test_what_one_client_changes_all_are_told(simulated: SimulatedNode) -> None:
    clients = [SecopClient(simulated.uri) for _ in range(5)]
    await asyncio.gather(*(client.connect() for client in clients))
    told: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
    for number, client in enumerate(clients):
        client.parameter("cryo", "ramp").subscribe(
            lambda reading, n=number: told.put_nowait((n, reading.value))
        )
    for ramp, client in enumerate(clients, 1000):
        await client.change("cryo", "ramp", ramp)
        async with asyncio.timeout(5):
            left = {(number, float(ramp)) for number in range(5)}
            while left:
                left.discard(await told.get())
    # One that goes takes none of the others with it
    for number, client in enumerate(clients):
        await client.close()
        for other in clients[number + 1 :]:
            assert (await other.read("cryo", "ramp")).value == 1004


def test_the_same_node_twice_in_one_plan(
    RE: RunEngine, simulated: SimulatedNode
) -> None:
    one, two = connect(simulated.uri, name="one"), connect(simulated.uri, name="two")
    assert one.client is two.client
    events: list[Any] = []

    def plan() -> Any:
        yield from bps.mv(one.cryo, 12)
        yield from bp.count([one.cryo, two.cryo])

    RE(plan(), lambda name, doc: name == "event" and events.append(doc["data"]))
    [data] = events
    assert data["one-cryo"] == data["two-cryo"] == 12
    one.close()
    assert RE(bps.rd(two.cryo.value)).plan_result == 12
    two.close()


# Event loops


def test_two_event_loops_have_a_connection_each(simulated: SimulatedNode) -> None:
    with asyncio.Runner() as one, asyncio.Runner() as two:
        nodes: list[Any] = []
        for runner in (one, two):
            node = SECoPNodeDevice(simulated.uri, name="n")
            runner.run(node.connect())
            nodes.append(node)
        first, second = nodes
        assert first.client is not second.client
        runner_of = {id(first): one, id(second): two}
        for node in nodes:
            value = runner_of[id(node)].run(node.cryo.value.get_value())
            assert value == 10
        one.run(first.disconnect())
        assert two.run(second.cryo.value.get_value()) == 10
        two.run(second.disconnect())


def test_a_device_goes_to_another_event_loop(simulated: SimulatedNode) -> None:
    node: Any = SECoPNodeDevice(simulated.uri, name="n")
    for _ in range(2):
        with asyncio.Runner() as runner:
            runner.run(node.connect())
            assert runner.run(node.cryo.value.get_value()) == 10
            node.close()


def test_two_run_engines_at_once(simulated: SimulatedNode) -> None:
    engines: list[RunEngine] = []
    nodes: list[Any] = []
    for name in ("one", "two"):
        # In threads, where there is no Ctrl-C and no window
        engine = RunEngine(
            {},
            call_returns_result=True,
            context_managers=[],
            during_task=DuringTask(),
        )
        engines.append(engine)
        nodes.append(connect(simulated.uri, name=name))
    assert nodes[0].client is not nodes[1].client

    def use(engine: RunEngine, node: Any, module: str) -> list[float]:
        values: list[float] = []

        def keep(_: str, document: Any) -> None:
            values.append(document["data"][f"{node.name}-{module}"])

        engine.subscribe(keep, "event")
        engine(bp.scan([], getattr(node, module), 11, 13, 3))
        return values

    try:
        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(use, engines, nodes, ["cryo", "motor"]))
        assert found == [[11, 12, 13], [11, 12, 13]]
        nodes[0].close()
        assert engines[1](bps.rd(nodes[1].motor.value)).plan_result == 13
    finally:
        for node in nodes:
            node.close()
        for engine in engines:
            engine.loop.call_soon_threadsafe(engine.loop.stop)
            engine._th.join(5)
            engine.loop.close()


# Several nodes


async def test_two_nodes_with_one_equipment_id(caplog: Any) -> None:
    async with (
        FakeNode(CRYO, values={"cryo:value": 1.0}) as left,
        FakeNode(CRYO, values={"cryo:value": 2.0}) as right,
    ):
        one: Any = SECoPNodeDevice(left.uri, prefix="left_")
        two: Any = SECoPNodeDevice(right.uri, prefix="right_")
        await asyncio.gather(one.connect(), two.connect())
        assert one.name.removeprefix("left_") == two.name.removeprefix("right_")
        readings = {**await one.cryo.read(), **await two.cryo.read()}
        assert readings[one.cryo.name]["value"] == 1
        assert readings[two.cryo.name]["value"] == 2
        assert "two nodes" not in caplog.text
        await left.stop()  # nothing of it is taken from the other
        with pytest.raises(ConnectionLost):
            while True:
                await one.cryo.value.get_value()
                await asyncio.sleep(0)
        assert await two.cryo.value.get_value() == 2
        await asyncio.gather(one.disconnect(), two.disconnect())


# What is there, or only seems to be


async def until_lost(client: SecopClient) -> float:
    """Return how many seconds it takes until a client knows."""
    lost = asyncio.Event()
    end = client.on_state(
        lambda state: state is ConnectionState.RECONNECTING and lost.set()
    )
    started = time.monotonic()
    async with asyncio.timeout(20):
        await lost.wait()
    end()
    return time.monotonic() - started


BUSY = 3.0  # s, by which a computer that has others to serve is late
SILENCE = ClientOptions(timeout=30, max_silence=0.5)


async def test_a_process_that_is_frozen_is_noticed_in_time(
    simulated: SimulatedNode,
) -> None:
    async with SecopClient(simulated.uri, SILENCE) as client:
        simulated.pause()
        assert await until_lost(client) < 0.5 + BUSY
        with pytest.raises(ConnectionLost, match="silent for"):
            _ = client.parameter("cryo", "value").reading.value
        simulated.resume()
        await client.connect()
        assert (await client.get("cryo", "value")).value == 10


async def test_a_half_open_connection_is_noticed_in_time(
    simulated: SimulatedNode,
) -> None:
    """As behind a pulled cable: nothing comes, and no end of the connection either."""
    async with ChaosProxy(simulated.uri) as proxy:
        async with SecopClient(proxy.uri, SILENCE) as client:
            proxy.freeze()
            assert await until_lost(client) < 0.5 + BUSY
            with pytest.raises(ConnectionLost, match="silent for"):
                _ = client.parameter("cryo", "value").reading.value
            proxy.thaw()
            await client.connect()
            assert (await client.get("cryo", "value")).value == 10


# Clocks


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 2.5])
def test_the_clock_of_a_node(RE: RunEngine, ahead: float) -> None:
    fake = FakeNode(CRYO, clock=lambda: time.time() + ahead)
    call_in_bluesky_event_loop(fake.start())
    node = connect(fake.uri, name="n", options=NodeOptions(timeout=5))
    pong = call_in_bluesky_event_loop(node.client.ping())
    assert 0 < pong.round_trip < 5
    # Both ways may take long, but not longer than all of it
    assert pong.clock_offset == pytest.approx(ahead, abs=pong.round_trip / 2 + 0.01)
    node.close()
    call_in_bluesky_event_loop(fake.stop())
