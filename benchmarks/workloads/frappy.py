"""A real server: frappy's, with hardware that answers at once."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from ..nodes import Frappy
from ..workload import Run, add, percentile

FRAPPY = Frappy()


async def read(run: Run, at_once: int) -> None:
    """The client reads values, which are others each time."""
    client = await run.connect_client()
    ask, value = run.side.read(client), run.side.value

    def right(i: int, result: Any) -> bool:
        return value(result) % 1 == 0.5

    if at_once == 1:
        count = 300 if not run.is_peer else 50
        await run.latency(
            "latency", lambda i: ask("m0", "value"), count, partial(right, 0)
        )
    else:
        await run.throughput(lambda i: ask(f"m{i % 50}", "value"), at_once, right)
    await run.close()


async def move(run: Run, moves: int) -> None:
    """A module of the server is there after 20 ms."""
    device = await run.connect()
    module = device.mover
    times: list[float] = []
    for i in range(moves):
        start = time.perf_counter()
        await module.set(i + 1.0)
        times.append(time.perf_counter() - start)
        await asyncio.sleep(0.05)
    run.check(await module.value.get_value() == moves, "value")
    run.record("move p50", percentile(times, 0.5))
    await run.close()


for at_once in 1, 10, 100:
    add(f"frappy_read_{at_once}", partial(read, at_once=at_once), node=FRAPPY, repeat=3)
add("frappy_move", partial(move, moves=20), node=FRAPPY, repeat=3)
