"""Many stages and many scans: nothing grows, nothing is left."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.run_engine import RunEngine
from ophyd_async.core import init_devices

from secop_ophyd.devices import SECoPNodeDevice
from secop_ophyd.testing import FakeNode

pytestmark = pytest.mark.soak

CRYO = Path(__file__).parents[1] / "data" / "descriptions" / "cryo.json"
CYCLES = 1000
SCANS = 100
SETTLED = 20  # per cent, after which nothing may grow any more
GROWTH = 200_000  # bytes


def run(RE: RunEngine, function: Callable[[], Awaitable[Any]]) -> Any:
    async def wait() -> Any:
        return await function()

    return asyncio.run_coroutine_threadsafe(wait(), RE.loop).result(10)


@pytest.fixture
def fake(RE: RunEngine) -> Iterator[FakeNode]:
    node = FakeNode(CRYO, values={"cryo:value": 10.0})
    node.drive("cryo", 0.001)
    run(RE, node.start)
    yield node
    run(RE, node.stop)


@pytest.fixture
def node(RE: RunEngine, fake: FakeNode) -> Iterator[Any]:
    with init_devices():
        node = SECoPNodeDevice(fake.uri, name="node")
    yield node
    node.close()


def counts(RE: RunEngine, node: Any) -> tuple[int, int]:
    """Return how many listeners and how many tasks there are, when all is quiet."""

    async def tasks() -> int:
        await node.client.ping()
        return len(asyncio.all_tasks())

    client = node.client
    parameters = client.description.parameters()
    listeners = sum(client.parameter(p.module, p.name).listeners for p in parameters)
    return listeners, run(RE, tasks)


def growth(do: Callable[[], object], times: int) -> int:
    """Do something many times, and return by how many bytes the memory grows."""
    settled = 0
    tracemalloc.start()
    try:
        for number in range(1, times + 1):
            do()
            if number == times * SETTLED // 100:
                gc.collect()
                settled = tracemalloc.get_traced_memory()[0]
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - settled
    finally:
        tracemalloc.stop()


def test_many_stages(RE: RunEngine, fake: FakeNode, node: Any) -> None:
    # bluesky keeps the statuses of a plan until the next one, so plans of one size
    each = 20

    def plan() -> Any:
        fake.requests.clear()
        for _ in range(each):
            yield from bps.stage(node)
            yield from bps.unstage(node)

    before = counts(RE, node)
    assert growth(lambda: RE(plan()), CYCLES // each) < GROWTH
    assert counts(RE, node) == before


def test_many_stages_with_a_module_left_out(
    RE: RunEngine, fake: FakeNode, node: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        fake.set_error("cryo:value", "HardwareError", "sensor is open")
        await node.client.ping()

    def count() -> None:
        caplog.clear()  # one warning each time
        fake.requests.clear()
        RE(bp.count([node]))

    run(RE, fail)
    before = counts(RE, node)
    assert growth(count, SCANS // 2) < GROWTH
    assert counts(RE, node) == before


def test_many_scans(RE: RunEngine, fake: FakeNode, node: Any) -> None:
    events: list[Any] = []
    RE.subscribe(lambda name, document: events.append(document["seq_num"]), "event")

    def scan() -> None:
        fake.requests.clear()
        events.clear()
        RE(bp.scan([], node.cryo, 15, 25, 3))
        assert events == [1, 2, 3]

    before = counts(RE, node)
    assert growth(scan, SCANS) < GROWTH
    assert counts(RE, node) == before


def test_many_monitors(RE: RunEngine, fake: FakeNode, node: Any) -> None:
    def plan() -> Any:
        fake.requests.clear()
        yield from bps.open_run()
        yield from bps.monitor(node.cryo, name="module")
        yield from bps.monitor(node.cryo.value, name="signal")
        for temperature in range(10):
            fake.set("cryo:value", temperature)
        yield from bps.wait_for([node.client.ping])
        yield from bps.close_run()  # which ends the monitors

    before = counts(RE, node)
    assert growth(lambda: RE(plan()), SCANS // 2) < GROWTH
    assert counts(RE, node) == before
