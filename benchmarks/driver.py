"""Runs workloads: each side in turn, each time in a process of its own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from .nodes import BUILD, HERE, prepare
from .targets import Medians
from .workload import Workload

ROOT = HERE.parent
PEER = BUILD / "bench-peer" / "bin" / "python"
TIMEOUT = 180.0
Results = dict[str, dict[str, dict[str, list[float]]]]
"""By workload, side and metric, one value for each time."""


class SideError(Exception):
    """A side could not do a workload, or did it wrong."""


def run_all(workloads: Iterable[Workload], quick: bool, most: int) -> Iterator[str]:
    """Run workloads, and tell after each what has gone wrong, if anything.

    :param workloads: The workloads.
    :param quick: Whether there is little time, and no peer.
    :param most: How often at most.
    """
    for workload in workloads:
        if workload.node is not None:
            prepare(workload.node)
        sides = [s for s in workload.actions if s != "peer" or not quick]
        results: dict[str, dict[str, list[float]]] = {side: {} for side in sides}
        failed: dict[str, str] = {}
        for _ in range(min(workload.repeat, most)):
            for side in sides:
                if side in failed:
                    continue
                try:
                    found = run_one(workload.name, side, quick)
                except SideError as error:
                    failed[side] = str(error)
                    continue
                for metric, value in found.items():
                    results[side].setdefault(metric, []).append(value)
        save(workload.name, results, quick)
        lines = [f"  {side} failed: {why}" for side, why in failed.items()]
        yield "\n".join([f"{workload.name}: {summary(results)}", *lines])


def run_one(workload: str, side: str, quick: bool) -> dict[str, float]:
    """Run one side of a workload once, and return what it has found.

    :param workload: Its name.
    :param side: Who does it.
    :param quick: Whether there is little time.
    :raises SideError: If it fails, is wrong, or takes too long.
    """
    python = str(PEER) if side == "peer" else sys.executable
    command = [python, "-m", "benchmarks.child", workload, side]
    environment = dict(os.environ)
    environment["BENCH_PYTHON"] = sys.executable
    environment["BENCH_PYTHONPATH"] = environment.get("PYTHONPATH", "")
    if side == "peer":
        environment.pop("PYTHONPATH", None)  # both are called secop_ophyd
    try:
        done = subprocess.run(
            command + ["quick"] * quick,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise SideError(f"not done within {TIMEOUT:g} s") from None
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    errors = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    raise SideError(errors[-1])


def summary(results: dict[str, dict[str, list[float]]]) -> str:
    """Return the first metric of each side in a few words.

    :param results: The results of a workload.
    """
    firsts = {side: next(iter(x.items())) for side, x in results.items() if x}
    return ", ".join(
        f"{side} {metric} {statistics.median(values):.3g}"
        for side, (metric, values) in firsts.items()
    )


# Results are kept, so that a part can be measured again


def results_path(quick: bool) -> Path:
    """Return the file of the results.

    :param quick: Whether they are those that were had in little time.
    """
    return BUILD / "bench" / ("quick.json" if quick else "results.json")


def load(quick: bool) -> Results:
    """Return the results that there are.

    :param quick: Whether those that were had in little time.
    """
    path = results_path(quick)
    return json.loads(path.read_text()) if path.exists() else {}


def save(
    workload: str, results: dict[str, dict[str, list[float]]], quick: bool
) -> None:
    """Put the results of a workload to the others.

    :param workload: Its name.
    :param results: What was measured.
    :param quick: Whether it was in little time.
    """
    known = load(quick)
    known[workload] = results
    results_path(quick).write_text(json.dumps(known, indent=1))


def medians_of(results: Results) -> Medians:
    """Return the median of each metric.

    :param results: What was measured.
    """
    return {
        workload: {
            side: {m: statistics.median(values) for m, values in found.items()}
            for side, found in sides.items()
        }
        for workload, sides in results.items()
    }
