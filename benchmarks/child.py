"""Does one side of a workload: `python -m benchmarks.child WORKLOAD SIDE [quick]`."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import resource
import sys
import traceback
import warnings

from . import workloads
from .workload import WORKLOADS, Run


def main() -> None:
    """Print the result as JSON."""
    name, side, *more = sys.argv[1:]
    warnings.simplefilter("ignore")  # of the peer
    workloads.load()
    workload = WORKLOADS[name]
    if workload.one_core:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    run = Run(workload, side, "quick" in more)
    code = 0
    try:
        if workload.node is not None:
            run.add_node()
        action = workload.actions[side]
        if inspect.iscoroutinefunction(inspect.unwrap(action)):
            asyncio.run(action(run))
        else:
            action(run)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in KiB
        run.record("peak memory", peak * 1024 / 1e6)
        run.record("load", os.getloadavg()[0])
        print("RESULT", json.dumps(run.found), flush=True)
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        run.end()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the peer leaves threads


main()
