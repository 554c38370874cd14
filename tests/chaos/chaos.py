"""Lets everything go wrong that can: `python tests/chaos/chaos.py --help`.

A schedule is drawn from its seed: what goes wrong between a client and a node, and
when. Meanwhile a plan, or a crowd of requests, uses the node. Each value tells its
parameter and when it was made, so it is known what may be delivered. The seeds of
schedules that fail are printed; `--seed` runs one of them again.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import logging
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from by_client import User
from by_plan import Engine, PlanUser
from nodes import Fake, Frappy, free_port, reserve_ports
from oracle import Oracle
from schedule import draw, suffer

from secop_ophyd.testing import ChaosProxy

AT_ONCE = 10  # schedules of clients in one process
LONGEST = 90.0  # s, of a schedule; more is a hang
FRAPPY_SHARE = 0.04
PLAN_SHARE = 0.15


@dataclass
class Outcome:
    """What came out of schedules."""

    schedules: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    back: list[float] = field(default_factory=list)
    stood_still: float = 0.0
    failures: list[tuple[int, str]] = field(default_factory=list)

    def __iadd__(self, other: Outcome) -> Outcome:
        self.schedules += other.schedules
        self.faults += other.faults
        self.counts += other.counts
        self.back += other.back
        self.stood_still = max(self.stood_still, other.stood_still)
        self.failures += other.failures
        return self


def kind_of(seed: int) -> tuple[str, str]:
    """Return which node a schedule is for, and who uses it."""
    random = Random(f"kind {seed}")
    node = "frappy" if random.random() < FRAPPY_SHARE else "fake"
    return node, "plan" if random.random() < PLAN_SHARE else "client"


def describe(seed: int) -> list[Any]:
    node, _ = kind_of(seed)
    return draw(seed, restarts=0.3 if node == "frappy" else 1.0)


class Schedule:
    """A schedule that runs.

    :param seed: What it is drawn from.
    """

    def __init__(self, seed: int):
        node, user = kind_of(seed)
        self.seed = seed
        self.node: Any = Frappy() if node == "frappy" else Fake()
        self.oracle = Oracle()
        self.steps = describe(seed)
        self.outcome = Outcome()
        self.outcome.schedules[f"{self.node.kind}, {user}"] += 1
        # A reply that comes twice is taken for that to the next request like it
        self.is_exact = all(step.kind != "duplicate" for step in self.steps)
        self.proxy: Any = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: self.oracle.violate(f"loop: {context}")
        )
        await self.node.start()
        self.proxy = ChaosProxy(
            self.node.uri, seed=self.seed, port=free_port(), on_line=self.oracle.tap
        )
        await self.proxy.start()

    async def stop(self) -> None:
        if self.proxy is not None:
            await self.proxy.stop()
        await self.node.stop()

    async def suffer(self) -> None:
        self.outcome.faults += await suffer(self.steps, self.proxy, self.node)

    def end(self) -> Outcome:
        """Return what came out of it."""
        outcome, oracle = self.outcome, self.oracle
        if self.proxy is not None:
            outcome.faults += self.proxy.counts
        outcome.counts += oracle.counts
        outcome.stood_still = oracle.clock.stood_still
        if oracle.violations:
            outcome.failures.append((self.seed, "\n  ".join(oracle.violations[:6])))
        return outcome


async def by_client(seed: int) -> Outcome:
    """Run a schedule while tasks use the client."""
    schedule = Schedule(seed)
    oracle, user = schedule.oracle, None
    try:
        async with asyncio.timeout(LONGEST):
            await schedule.start()
            proxy = schedule.proxy
            user = User(proxy.uri, schedule.node, oracle, Random(seed))
            user.is_exact = schedule.is_exact
            await user.connect()
            user.listen()
            tasks = [*user.tasks(), asyncio.ensure_future(oracle.clock.run())]
            try:
                await schedule.suffer()
                schedule.outcome.back.append(await user.recover(proxy.cut))
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled() and (error := task.exception()):
                    oracle.violate(f"a task failed: {error!r}")
            await user.client.close()
    except TimeoutError:
        oracle.violate(f"hangs after {LONGEST} s")
    except Exception:
        oracle.violate(traceback.format_exc())
    finally:
        if user is not None:
            await user.client.close()
        await schedule.stop()
    return schedule.end()


def by_plan(seed: int, engine: Engine, logs: str) -> Outcome:
    """Run a schedule while a plan uses the devices."""
    schedule = Schedule(seed)
    timer = threading.Timer(LONGEST, _hangs, [seed])
    timer.start()
    user: PlanUser | None = None
    try:
        engine.do(schedule.start)
        uri = schedule.proxy.uri
        user = PlanUser(engine, uri, logs, schedule.oracle, Random(seed))
        user.is_exact = schedule.is_exact
        user.use(schedule.suffer)
        schedule.outcome.back.append(user.back)
    except Exception:
        schedule.oracle.violate(traceback.format_exc())
    finally:
        if user is not None:
            user.node.close()
        engine.do(schedule.stop)
        timer.cancel()
        timer.join()
    return schedule.end()


def _hangs(seed: int) -> None:
    print(f"--seed {seed} hangs after {LONGEST} s", file=sys.stderr, flush=True)
    faulthandler.dump_traceback()
    os._exit(1)  # there is no way to end a plan that hangs


async def clients(seeds: list[int]) -> Outcome:
    """Run the schedules of clients, several at once."""
    outcome, free, frappy = Outcome(), asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    async def run(seed: int) -> None:
        nonlocal outcome
        if kind_of(seed)[0] == "frappy":
            async with frappy:
                outcome += await by_client(seed)
        else:
            async with free:
                outcome += await by_client(seed)

    await asyncio.gather(*map(run, seeds))
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        outcome.failures.append((seeds[0], f"tasks left by one of {seeds}: {left}"))
    return outcome


def work(seeds: list[int]) -> Outcome:
    """Run schedules in this process."""
    if not logging.getLogger().handlers:
        logging.getLogger().addHandler(logging.NullHandler())
    reserve_ports()
    before = len(os.listdir("/proc/self/fd"))
    outcome = asyncio.run(clients([s for s in seeds if kind_of(s)[1] == "client"]))
    if plans := [s for s in seeds if kind_of(s)[1] == "plan"]:
        engine = Engine()
        with tempfile.TemporaryDirectory() as logs:
            for seed in plans:
                outcome += by_plan(seed, engine, logs)
        engine.close()
    gc.collect()
    if (after := len(os.listdir("/proc/self/fd"))) > before:
        outcome.failures.append((seeds[0], f"{after - before} files left by {seeds}"))
    return outcome


def show(outcome: Outcome, seconds: float) -> None:
    counts, back = outcome.counts, sorted(outcome.back)
    print(f"\n{sum(outcome.schedules.values())} schedules in {seconds:.0f} s")
    for kind, number in sorted(outcome.schedules.items()):
        print(f"  {number:7} {kind}")
    print(f"{sum(outcome.faults.values())} faults")
    for kind, number in sorted(outcome.faults.items()):
        print(f"  {number:7} {kind}")
    print(f"{counts['losses']} connections lost, {counts['losses reported']} reported")
    print(
        f"{counts['requests']} requests, {counts['requests that failed']} failed; "
        f"{counts['values']} values delivered"
    )
    known = ("losses", "losses reported", "requests", "requests that failed", "values")
    for kind, number in sorted(counts.items()):
        if kind not in known:
            print(f"  {number:7} {kind}")
    if back:
        p99 = back[min(len(back) - 1, len(back) * 99 // 100)]
        print(
            f"all works again after {statistics.median(back):.3f} s (median), "
            f"{p99:.3f} s (99 %), {back[-1]:.3f} s (longest)"
        )
    if outcome.stood_still:
        print(f"the event loop stood still for {outcome.stood_still:.1f} s at most")
    print(f"{len(outcome.failures)} schedules failed")
    for seed, text in outcome.failures:
        print(f"  --seed {seed}\n  {text}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, help="run this schedule only")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--schedules", type=int, default=3000, help="how many")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="at most")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    started = time.monotonic()
    if args.seed is not None:
        for step in describe(args.seed):
            print(step)
        form = "%(asctime)s %(message)s"
        logging.basicConfig(level=logging.DEBUG, format=form)
        outcome = work([args.seed])
    else:
        outcome = run_all(args, started)
    show(outcome, time.monotonic() - started)
    return 1 if outcome.failures else 0


def run_all(args: argparse.Namespace, started: float) -> Outcome:
    """Run many schedules in several processes."""
    outcome, size = Outcome(), 48
    last = args.first + args.schedules
    seeds = list(range(args.first, last))
    parts = [seeds[at : at + size] for at in range(0, len(seeds), size)]
    with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        for part in pool.imap_unordered(work, parts):
            outcome += part
            done, seconds = sum(outcome.schedules.values()), time.monotonic() - started
            failed = len(outcome.failures)
            if sys.stderr.isatty():
                text = f"\r{done} schedules in {seconds:.0f} s, {failed} failed "
                print(text, end="", file=sys.stderr, flush=True)
            if seconds > args.seconds:
                pool.terminate()
                break
    return outcome


if __name__ == "__main__":
    sys.exit(main())
