"""Plans under the RunEngine, and moves."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Generator
from functools import cached_property, partial
from typing import Any

from ..nodes import Modules
from ..workload import Run, Stopwatch, add, percentile

Plan = Callable[[Any, int], Generator[Any, Any, Any]]


def count_node(node: Any, points: int) -> Generator[Any, Any, Any]:
    """Read a node with all its modules."""
    import bluesky.plans as bp

    yield from bp.count([node], points)


def read_node(node: Any, points: int) -> Generator[Any, Any, Any]:
    """Read a node with all its modules, and trigger nothing.

    The peer has nothing to trigger in a node: it tells what it was told last.
    """
    import bluesky.plan_stubs as bps
    import bluesky.plans as bp

    def shot(devices: Any) -> Generator[Any, Any, Any]:
        yield from bps.checkpoint()
        yield from bps.create()
        for device in devices:
            yield from bps.read(device)
        yield from bps.save()

    yield from bp.count([node], points, per_shot=shot)


def count_module(node: Any, points: int) -> Generator[Any, Any, Any]:
    """Read a module."""
    import bluesky.plans as bp

    yield from bp.count([node.m0], points)


def count_modules(node: Any, points: int) -> Generator[Any, Any, Any]:
    """Read 100 modules, each by itself."""
    import bluesky.plans as bp

    yield from bp.count([getattr(node, f"m{i}") for i in range(100)], points)


def scan(node: Any, points: int) -> Generator[Any, Any, Any]:
    """Move a module that is there at once, and read another one."""
    import bluesky.plans as bp

    yield from bp.scan([node.m1], node.m0, 0, points - 1, points)


def move(node: Any, points: int) -> Generator[Any, Any, Any]:
    """Move a module that is there at once."""
    import bluesky.plan_stubs as bps

    for i in range(points):
        yield from bps.mv(node.m0, float(i))


def run_plan(run: Run, plan: Plan, points: int, peer: int, soft: bool = False) -> None:
    """Run a plan, and measure how long the points take."""
    from bluesky import RunEngine
    from ophyd_async.core import init_devices

    engine: Any = RunEngine({})
    run.begin()
    with init_devices():
        if soft:
            assert isinstance(run.workload.node, Modules)
            node = soft_node(run.workload.node.modules)
        else:
            node = run.side.device(run.node.uri)
    events: list[tuple[float, dict[str, Any]]] = []

    def event(name: str, document: dict[str, Any]) -> None:
        if name == "event":
            events.append((time.perf_counter(), document["data"]))

    engine.subscribe(event)
    count = run.scaled(points, peer)
    engine(plan(node, 5))
    events.clear()
    gc.collect()
    with Stopwatch() as watch:
        engine(plan(node, count))
    run.record("wall", watch.wall / count)
    run.record("cpu", watch.cpu / count)
    if events:
        run.check(len(events) == count, len(events))
        times = [time for time, _ in events]
        steps = [b - a for a, b in zip(times, times[1:], strict=False)]
        run.record("point p50", percentile(steps, 0.5))
        run.record("last by first", last_by_first(steps))
        run.record("fixed", watch.wall - sum(steps))
        if plan is scan and not soft:
            found = [data[node.m0.name] for _, data in events]
            run.check(found == [float(i) for i in range(count)], found)
    elif not soft:
        reading = asyncio.run_coroutine_threadsafe(node.m0.read(), engine.loop).result()
        run.check(reading[node.m0.name]["value"] == count - 1, reading)
    if not soft and not run.is_peer:
        node.close()
        run.count_threads()


def last_by_first(times: list[float]) -> float:
    """Return how much longer the last ones take than the first ones.

    The quick ones of each tenth count: what is slow meanwhile is the computer, and by
    a factor of three, while what grows from time to time is slower each time.

    :param times: All times, in their order.
    """
    tenth = max(len(times) // 10, 1)
    return percentile(times[-tenth:], 0.1) / percentile(times[:tenth], 0.1)


def soft_node(modules: int) -> Any:
    """Return a device of soft signals with modules that are there at once."""
    from ophyd_async.core import (
        AsyncStatus,
        Device,
        MovableLogic,
        StandardMovable,
        StandardReadable,
        StandardReadableFormat,
        soft_signal_rw,
    )

    class Logic(MovableLogic[float]):
        async def move(self, new_position: float, timeout: Any) -> None:
            await self.setpoint.set(new_position)

    class Module(StandardReadable, StandardMovable[float]):
        def __init__(self) -> None:
            self.value = soft_signal_rw(float, 0.5)
            self.target = soft_signal_rw(float, 0.5)
            self.add_readables(
                [self.value, self.target], StandardReadableFormat.HINTED_SIGNAL
            )
            super().__init__()

        def set_name(self, name: str, **options: Any) -> None:
            Device.set_name(self, name, **options)

        @cached_property
        def movable_logic(self) -> Logic:
            return Logic(setpoint=self.target, readback=self.value)

        @AsyncStatus.wrap
        async def trigger(self) -> None:
            pass

    class Node(StandardReadable):
        def __init__(self) -> None:
            children = [Module() for _ in range(modules)]
            for i, child in enumerate(children):
                setattr(self, f"m{i}", child)
            self.add_readables(children, StandardReadableFormat.CHILD)
            super().__init__(name="soft")

    return Node()


async def move_again_and_again(run: Run, moves: int, peer: int, drive: int) -> None:
    """A module moves, and tells that it is idle: how long until the move is over?"""
    device = await run.connect()
    module = device.m0
    run.node.ask(f"_drive {drive}")
    times: list[float] = []
    lags: list[float] = []
    count = run.scaled(moves, peer)
    warm = count // 10
    objects = 0
    for i in range(count):
        if i == warm:  # what is made once is there
            gc.collect()
            objects = len(gc.get_objects())
        start = time.perf_counter()
        await module.set(i + 1.0)
        end = time.time()
        times.append(time.perf_counter() - start)
        reading = (await module.status.read())[module.status.name]
        lags.append(end - reading["timestamp"])
    run.check(await module.value.get_value() == count, "value")
    run.record("move p50", percentile(times, 0.5))
    run.record("idle to done p50", percentile(lags, 0.5))
    run.record("idle to done p99", percentile(lags, 0.99))
    run.record("last by first", last_by_first(times))
    gc.collect()
    run.record("objects per move", (len(gc.get_objects()) - objects) / (count - warm))
    if not run.is_peer:
        left = device.client.parameter("m0", "status").listeners
        left += device.client.parameter("m0", "value").listeners
        run.record("callbacks left", left)
    await run.close()


def add_plan(name: str, plan: Plan, modules: int, points: int, peer: int) -> None:
    """Add a workload that runs a plan."""
    action = partial(run_plan, plan=plan, points=points, peer=peer)
    node = Modules(modules, 4)
    soft = partial(action, soft=True)
    add(name, action, node=node, quick=name == "scan_100", soft=soft)


# What a run costs by itself counts for each point, so all sides have as many points,
# but for the scans and moves of the peer, which take longer each time
add_plan("count_node_2", count_node, 2, 200, 200)
add_plan("count_node_100", count_node, 100, 100, 100)
add_plan("read_node_100", read_node, 100, 100, 100)
add_plan("count_module", count_module, 2, 200, 200)
add_plan("count_100_modules", count_modules, 100, 20, 20)
add_plan("scan_100", scan, 2, 100, 30)
add_plan("scan_1000", scan, 2, 1000, 60)
add_plan("mv", move, 2, 500, 50)
add(
    "move_instant",
    partial(move_again_and_again, moves=1000, peer=50, drive=0),
    node=Modules(3),
    quick=True,
)
add(
    "move_20ms",
    partial(move_again_and_again, moves=50, peer=50, drive=20_000),
    node=Modules(3),
)
