"""Measures how fast the package is: `make bench`, or `make bench-quick`.

    python -m benchmarks                 all workloads, and the table of targets
    python -m benchmarks read connect    those whose names begin like this
    python -m benchmarks --list          what there is
    python -m benchmarks --report        the tables of what was measured before
    python -m benchmarks --docs          puts them into docs/explanations/performance.md
    python -m benchmarks --quick         in a minute, without the peer

Each workload is done by our package, by the one on PyPI (`peer`), by soft signals of
ophyd-async (`soft`) and by what cannot be beaten (`floor`), as far as they can do it:
one after the other, several times, each time in a process of its own. What counts is
the median, and the ratio. A value that is not right fails.
"""

from __future__ import annotations

import argparse
import sys
import time

from . import workloads
from .driver import BUILD, PEER, ROOT, load, medians_of, results_path, run_all
from .nodes import FAST_NODE
from .report import machine, plot, put_into, result_table, target_table
from .targets import QUICK, TARGETS, left_over
from .workload import WORKLOADS

QUICK_REPEAT = 3
PAGE = ROOT / "docs" / "explanations" / "performance.md"
PLOT = ROOT / "docs" / "images" / "performance.png"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("names", nargs="*", help="how the names of workloads begin")
    made.add_argument("--list", action="store_true", help="only list the workloads")
    made.add_argument("--report", action="store_true", help="measure nothing")
    made.add_argument("--docs", action="store_true", help="and show it in the docs")
    made.add_argument("--quick", action="store_true", help="take a minute")
    made.add_argument("--repeat", type=int, default=7, help="how often at most")
    return made


def main() -> int:
    """Measure, and tell about it; 1 if something is wrong."""
    args = parser().parse_args()
    args.report = args.report or args.docs
    workloads.load()
    chosen = [w for w in WORKLOADS.values() if w.quick or not args.quick]
    if args.names:
        chosen = [w for w in chosen if w.name.startswith(tuple(args.names))]
    if args.list:
        print("\n".join(w.name for w in chosen))
        return 0
    if not args.quick and not args.report:
        for needed in FAST_NODE, PEER:
            if not needed.exists():
                sys.exit(f"there is no {needed}: `make bench` makes it")
    (BUILD / "bench").mkdir(parents=True, exist_ok=True)
    if args.quick and not args.report:
        results_path(quick=True).unlink(missing_ok=True)
    failures = 0
    repeat = QUICK_REPEAT if args.quick else args.repeat
    for told in run_all([] if args.report else chosen, args.quick, repeat):
        # That the peer hangs now and then is no failure of ours
        failures += told.count(" failed: ") - told.count("  peer failed: ")
        print(told, flush=True)
    medians = medians_of(load(args.quick))
    targets = QUICK + left_over(medians) if args.quick else TARGETS
    table = list(target_table(targets, medians))
    path = results_path(args.quick)
    when = path.stat().st_mtime if path.exists() else time.time()
    measured_with = machine(when, medians)
    print("", measured_with, "", *table, sep="\n")
    missed = sum("**missed**" in line for line in table)
    if not args.quick:
        lines = ["# Results", "", measured_with, "", *table, "", *result_table(medians)]
        (BUILD / "bench" / "results.md").write_text("\n".join(lines) + "\n")
        plot(medians, BUILD / "bench" / "results.png")
        if args.docs:
            put_into(PAGE, [measured_with, "", *table])
            PLOT.parent.mkdir(exist_ok=True)
            plot(medians, PLOT)
        print(f"\nAll results are in {BUILD / 'bench'}: results.md, .json and .png")
        return int(failures > 0)
    print(f"\n{missed} of {len(targets)} are missed, {failures} have failed")
    return int(failures + missed > 0)


if __name__ == "__main__":
    sys.exit(main())
