"""What happens when something goes wrong, or goes on for long."""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial
from typing import Any

from ..nodes import Modules
from ..workload import Run, add, memory, percentile


async def reconnect(run: Run, down: float, times: int) -> None:
    """The node is gone for a while: how long until it is as before?"""
    client = await run.connect_client()
    updates: list[float] = []
    run.side.listen(client, ("m0", "value"), lambda value, time: updates.append(value))
    found: list[float] = []
    for _ in range(times):
        await asyncio.sleep(0.2)
        run.node.kill()
        await asyncio.sleep(down)
        updates.clear()
        run.node.start()
        start = time.perf_counter()
        async with asyncio.timeout(30):
            await _is_back(run, client, updates)
        found.append(time.perf_counter() - start)
    run.record("back", percentile(found, 0.5))
    run.record("back at the latest", max(found))
    await run.close()


async def _is_back(run: Run, client: Any, updates: list[float]) -> None:
    while not updates:
        await asyncio.sleep(0.001)
    reading = await _answers(run, client)
    run.check(reading == updates[-1] == 0.5, (reading, updates))


async def _answers(run: Run, client: Any) -> Any:
    ask, value = run.side.read(client), run.side.value
    while True:
        try:
            return value(await ask("m0", "value"))
        except Exception:
            await asyncio.sleep(0.001)


async def starvation(run: Run) -> None:
    """Eight modules do not answer: how long does a value take that is known?"""
    device = await run.connect()
    other = device.m9.value
    run.node.ask("_delay 1000000")
    slow = [getattr(device, f"m{i}").trigger() for i in range(8)]
    await asyncio.sleep(0.05)
    start = time.perf_counter()
    value = await other.get_value()
    run.record("wall", time.perf_counter() - start)
    run.check(value == 9.5, value)
    for status in slow:
        await status


async def soak(run: Run) -> None:
    """Stages, moves and losses of connection by the thousand: nothing grows."""
    device = await run.connect()
    module = device.m0

    async def stages(count: int) -> None:
        for _ in range(count):
            await device.stage()
            await module.stage()
            await module.unstage()
            await device.unstage()

    async def moves(count: int) -> None:
        for i in range(count):
            await module.set(float(i))

    async def losses(count: int) -> None:
        for _ in range(count):
            run.node.kill()
            run.node.start()
            async with asyncio.timeout(10):
                await _answers(run, device.client)

    grown = 0.0
    for name, action, count in (
        ("stage", stages, 5000),
        ("move", moves, 5000),
        ("loss", losses, 50),
    ):
        tenth = run.scaled(count) // 10
        await action(tenth)
        gc.collect()
        before, times = memory(), list[float]()
        for _ in range(10):
            start = time.perf_counter()
            await action(tenth)
            times.append(time.perf_counter() - start)
        gc.collect()
        grown += memory() - before
        run.record(f"{name} last by first", min(times[-3:]) / min(times[:3]))
    run.record("growth", grown)
    client = device.client
    parameters = client.description.parameters()
    listeners = (client.parameter(p.module, p.name).listeners for p in parameters)
    run.record("callbacks left", sum(listeners))
    await run.close()


SMALL = Modules(3)
add("reconnect_50ms", partial(reconnect, down=0.05, times=5), node=SMALL, repeat=2)
add("reconnect_12s", partial(reconnect, down=12.0, times=1), node=SMALL, repeat=2)
add(
    "reconnect_1000x20",
    partial(reconnect, down=0.05, times=3),
    node=Modules(1000),
    repeat=2,
)
add("starvation", starvation, node=Modules(10), repeat=3)
add("soak", soak, node=SMALL, repeat=1, peer=False, quick=True)
