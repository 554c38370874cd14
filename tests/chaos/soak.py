"""Listens to a node for long, and watches memory, tasks and files of the client.

The node is a process of its own. It tells 10 000 values each second and drops the
connection 50 times. `python tests/chaos/soak.py --help` has more.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from soak_node import PARAMETERS

from secop_ophyd.client import ConnectionState, Reading, SecopClient
from secop_ophyd.protocol import ConnectionLost

NODE = Path(__file__).with_name("soak_node.py")
SETTLED = 0.2  # of the time; after that, memory must not grow
MOST_SLOPE = 1.0  # MB per minute
LEAST_GROWTH = 1.0  # MB, that are no noise
LEAST_RATE = 0.5  # of what was asked for: the computer may have others to serve


@dataclass
class Soak:
    """What was seen."""

    values: int = 0
    losses: int = 0
    losses_told: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)

    def hear(self, name: str, reading: Reading) -> None:
        if reading.error is not None:
            if not isinstance(reading.error, ConnectionLost):
                self.wrong.append(f"{name}: {reading.error!r}")
            self.losses_told += name == "p0"
            return
        self.values += 1
        value = reading.value
        if value and value % PARAMETERS != int(name[1:]):
            self.wrong.append(f"{name}: {value} is of another parameter")
        # After activate, the node tells its zeros first
        if value and value <= self.last.get(name, 0):
            self.wrong.append(f"{name}: {value} after {self.last[name]}")
        self.last[name] = value

    def slope(self) -> tuple[float, float]:
        """Return by how much memory grows: MB per minute, and MB in all."""
        first = self.memory[-1][0] * SETTLED
        points = [point for point in self.memory if point[0] >= first]
        mean_t = sum(t for t, _ in points) / len(points)
        mean_m = sum(m for _, m in points) / len(points)
        above = sum((t - mean_t) * (m - mean_m) for t, m in points)
        slope = above / sum((t - mean_t) ** 2 for t, _ in points)
        return slope * 60, slope * (points[-1][0] - points[0][0])


def counts() -> tuple[int, int]:
    """Return how many tasks and how many open files there are."""
    gc.collect()
    return len(asyncio.all_tasks()), psutil.Process().num_fds()


async def listen(port: int, seconds: float) -> tuple[Soak, list[tuple[int, int]]]:
    """Listen for some time, and return what was seen, and what there was of tasks."""
    soak, process = Soak(), psutil.Process()
    log = logging.Logger("soak", logging.CRITICAL)
    async with SecopClient(f"127.0.0.1:{port}", log=log) as client:
        client.on_state(lambda state: _count(soak, state))
        ends = [
            client.parameter("m", name).subscribe(
                lambda r, name=name: soak.hear(name, r)
            )
            for name in (f"p{index}" for index in range(PARAMETERS))
        ]
        before = counts()
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            soak.memory.append((passed, process.memory_info().rss / 1e6))
            await asyncio.sleep(0.5)
        async with asyncio.timeout(10):
            while not client.connected:
                await asyncio.sleep(0.01)
        after = counts()
        for end in ends:  # the end of the client is no loss
            end()
    return soak, [before, after, counts()]


def _count(soak: Soak, state: ConnectionState) -> None:
    soak.losses += state is ConnectionState.RECONNECTING


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=float, default=10_000, help="values per second")
    parser.add_argument("--reconnects", type=int, default=50)
    args = parser.parse_args()
    every = args.seconds / (args.reconnects + 0.5)
    command = [sys.executable, NODE, "--rate", str(args.rate), "--drop", str(every)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as node:
        assert node.stdout is not None
        port = int(node.stdout.readline())
        soak, [before, after, closed] = asyncio.run(listen(port, args.seconds))
        node.communicate()
    (slope, growth), rate = soak.slope(), soak.values / args.seconds
    print(f"{args.seconds:g} s, {soak.values} values, {rate:.0f} per second")
    print(f"{soak.losses} connections lost, {soak.losses_told} reported")
    print(
        f"memory: {soak.memory[0][1]:.1f} MB, {soak.memory[-1][1]:.1f} MB in the end; "
        f"{slope:+.3f} MB per minute after {SETTLED:.0%} of the time"
    )
    print(
        f"tasks: {before[0]}, {after[0]} in the end, {closed[0]} when closed; "
        f"files: {before[1]}, {after[1]}, {closed[1]}"
    )
    problems = [
        *soak.wrong[:5],
        *(["memory grows"] if slope > MOST_SLOPE and growth > LEAST_GROWTH else []),
        *(["tasks or files are left"] if before != after else []),
        *(["it was too slow"] if rate < LEAST_RATE * args.rate else []),
        *(["too few reconnects"] if soak.losses < args.reconnects - 1 else []),
        *(["a loss was not told"] if soak.losses_told < soak.losses else []),
    ]
    print(*(f"FAILED: {problem}" for problem in problems), sep="\n", end="")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
