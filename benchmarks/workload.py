"""What is measured: workloads, and what a side does of one."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .nodes import Node, Spec
from .sides import OURS, SIDES, Side

Action = Callable[["Run"], Any]
WORKLOADS: dict[str, Workload] = {}
WARM_UP = 0.2
"""For how long to do something before it is measured, in seconds: a processor that has
had nothing to do is slow for a while."""


@dataclass(frozen=True)
class Workload:
    """Something that takes time.

    :param name: What it is called in results.
    :param actions: What each side does: `ours`, `peer`, `soft`, `floor`.
    :param node: The node that it needs.
    :param repeat: How often, at least, in a process of its own each time.
    :param one_core: Whether node and client share a core: no core has to be woken up,
        which takes longer than what is measured.
    :param quick: Whether it belongs to `make bench-quick`.
    """

    name: str
    actions: dict[str, Action]
    node: Spec | None
    repeat: int
    one_core: bool
    quick: bool


def add(
    name: str,
    action: Action,
    *,
    node: Spec | None = None,
    repeat: int = 7,
    one_core: bool = False,
    quick: bool = False,
    peer: bool = True,
    **others: Action,
) -> None:
    """Add a workload.

    :param name: What it is called.
    :param action: What is done with our package and with the peer.
    :param node: The node that it needs.
    :param repeat: How often.
    :param one_core: Whether node and client share a core.
    :param quick: Whether it belongs to `make bench-quick`.
    :param peer: Whether the peer can do it.
    :param others: What the other sides do: `soft`, `floor`.
    """
    actions = {"ours": action, **({"peer": action} if peer else {}), **others}
    WORKLOADS[name] = Workload(name, actions, node, repeat, one_core, quick)


class Run:
    """One side of a workload, in a process of its own.

    :param workload: What is to be done.
    :param side: Who does it.
    :param quick: Whether there is little time, and only the node in Python.
    """

    def __init__(self, workload: Workload, side: str, quick: bool):
        self.workload = workload
        self.quick = quick
        self.side: Side = SIDES.get(side, OURS)
        self.found: dict[str, float] = {}
        self.nodes: list[Node] = []
        self._devices: list[Any] = []
        self._clients: list[Any] = []
        self.begin()

    def begin(self) -> None:
        """Take the threads that there are now for given."""
        self._threads = set(threading.enumerate())

    def scaled(self, count: int, peer: int | None = None) -> int:
        """Return how often to do something, which is less if it has to be quick.

        :param count: How often otherwise.
        :param peer: How often the peer does it, which needs more time for each.
        """
        if self.is_peer and peer is not None:
            return peer
        return max(count // 10, 1) if self.quick else count

    @property
    def is_peer(self) -> bool:
        """Whether this is done with the peer."""
        return self.side is not OURS

    # The node

    def add_node(self) -> Node:
        """Start a node, which ends with the run."""
        assert self.workload.node is not None
        node = Node(self.workload.node, slow=self.quick)
        self.nodes.append(node)
        return node

    @property
    def node(self) -> Node:
        """The node."""
        return self.nodes[0]

    async def connect(self, number: int = 0) -> Any:
        """Return a device that is connected to a node.

        :param number: Which node.
        """
        device = self.side.device(self.nodes[number].uri)
        self._devices.append(device)
        device.set_name(f"lab{number}")  # as `init_devices` does before it connects
        await device.connect(timeout=300)
        return device

    async def connect_client(self) -> Any:
        """Return a client that is connected to the node, without devices."""
        client = await self.side.client(self.node.uri)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        """Disconnect, and count what is left, if that can be done at all."""
        for device in self._devices:
            await self.side.close(device)
        for client in self._clients:
            await self.side.close_client(client)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        self.record("tasks left", len(others))
        self.count_threads()

    def count_threads(self) -> None:
        """Count the threads that were not there at the beginning."""
        new = set(threading.enumerate()) - self._threads
        for thread in new:
            if "_watch_request" in thread.name:  # bluesky's, ends soon after a plan
                thread.join(10)
        new = {thread for thread in new if thread.is_alive()}
        self.record("threads left", len(new))

    def end(self) -> None:
        """Let the nodes die."""
        for node in self.nodes:
            node.kill()

    # Results

    def record(self, metric: str, value: float) -> None:
        """Keep a result.

        :param metric: What it is. Those that end in `rate` are per second, all others
            are the better the smaller they are.
        :param value: In seconds, megabytes, or just a number.
        """
        self.found[metric] = float(value)

    def check(self, is_right: bool, what: object) -> None:
        """Fail if something is not right.

        :param is_right: Whether it is.
        :param what: What it is instead.
        """
        if not is_right:
            raise WrongValueError(f"{self.workload.name}: {what}")

    async def latency(
        self,
        name: str,
        action: Callable[[int], Awaitable[Any]],
        count: int,
        right: Callable[[Any], bool] = lambda result: True,
    ) -> None:
        """Measure an action that is done again and again.

        :param name: Goes in front of the metrics.
        :param action: Gets the number of the time.
        :param count: How often.
        :param right: Whether the result of an action is right.
        """
        gc.collect()
        begin = time.perf_counter()
        while time.perf_counter() - begin < WARM_UP:
            self.check(right(result := await action(0)), result)
        times: list[float] = []
        with Stopwatch() as watch:
            for i in range(count):
                start = time.perf_counter()
                result = await action(i)
                times.append(time.perf_counter() - start)
                self.check(right(result), result)
        self.record(f"{name} p50", percentile(times, 0.5))
        self.record(f"{name} p99", percentile(times, 0.99))
        self.record(f"{name} cpu", watch.cpu / count)

    async def throughput(
        self,
        action: Callable[[int], Awaitable[Any]],
        at_once: int,
        right: Callable[[int, Any], bool],
        seconds: float = 0.8,
    ) -> None:
        """Measure an action that is done many times at once, again and again.

        :param action: Gets a number, up to `at_once`.
        :param at_once: How many times at once.
        :param right: Whether the result of an action is right, given its number.
        :param seconds: How long.
        """
        seconds = seconds / 2 if self.quick else seconds
        numbers = range(at_once)
        await asyncio.gather(*map(action, numbers))
        gc.collect()
        times: list[float] = []
        results: Sequence[Any] = ()
        with Stopwatch() as watch:
            while sum(times) < seconds or len(times) < 3:
                start = time.perf_counter()
                results = await asyncio.gather(*map(action, numbers))
                times.append(time.perf_counter() - start)
        for i, result in enumerate(results):
            self.check(right(i, result), result)
        # The median round, since others use the machine as well
        self.record("rate", at_once / percentile(times, 0.5))
        self.record("cpu", watch.cpu / at_once / len(times))


class WrongValueError(Exception):
    """What has been measured is worth nothing: it was not right."""


class Stopwatch:
    """Measures time and memory of a `with` block."""

    def __enter__(self) -> Stopwatch:
        self._memory = memory()
        self._cpu = time.process_time()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exc: object) -> None:
        self.wall = time.perf_counter() - self._start
        self.cpu = time.process_time() - self._cpu
        self.memory = memory() - self._memory

    def record(self, run: Run, per: int = 1) -> None:
        """Give the results to a run.

        :param run: The run.
        :param per: How many things were done.
        """
        run.record("wall", self.wall / per)
        run.record("cpu", self.cpu / per)

    def record_rate(self, run: Run, count: int, ended: float | None = None) -> None:
        """Give the results to a run as a rate.

        :param run: The run.
        :param count: How many things were done.
        :param ended: When the last one was done, if not at the end of the block.
        """
        wall = self.wall if ended is None else ended - self._start
        run.record("rate", count / wall)
        run.record("cpu", self.cpu / count)
        run.record("growth", self.memory)


class Blocked:
    """Measures for how long the event loop is blocked at most, in a `with` block.

    :param interval: How often to look, in seconds; 0 is at once, which takes a core.
    """

    def __init__(self, interval: float = 0.001):
        self._interval = interval
        self.longest = 0.0

    async def __aenter__(self) -> Blocked:
        self._task = asyncio.create_task(self._watch())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.sleep(2 * self._interval)
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(self._interval)
            late = time.perf_counter() - before - self._interval
            self.longest = max(self.longest, late)


def memory() -> float:
    """Return the memory that the process has in use, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def percentile(values: Sequence[float], fraction: float) -> float:
    """Return a percentile.

    :param values: Values in any order.
    :param fraction: 0.5 is for the median.
    """
    return sorted(values)[min(int(len(values) * fraction), len(values) - 1)]
