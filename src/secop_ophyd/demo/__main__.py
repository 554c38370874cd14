"""Scan a simulated cryostat: `python -m secop_ophyd.demo`.

With `ipython -i -m secop_ophyd.demo`, the RunEngine `RE`, the node `sample` and the
simulated node `simulated` are at hand afterwards.
"""

from __future__ import annotations

import argparse
import atexit
import builtins
from pathlib import Path

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import matplotlib.pyplot as plt
import rich
from bluesky.callbacks.best_effort import BestEffortCallback
from bluesky.run_engine import (
    RunEngine,
    autoawait_in_bluesky_event_loop,
)
from bluesky.utils import ProgressBarManager
from ophyd_async.core import init_devices

from secop_ophyd import SECoPNodeDevice
from secop_ophyd.demo import start_node

parser = argparse.ArgumentParser(
    prog="python -m secop_ophyd.demo",
    description="Start a simulated SEC node, show what it is, and scan its cryostat.",
)
parser.add_argument("--points", type=int, default=11, help="of the scan (11)")
parser.add_argument(
    "--plot", type=Path, default=Path("demo.png"), help="file of the plot (demo.png)"
)
args = parser.parse_args()

RE = RunEngine(call_returns_result=True)
RE.waiting_hook = ProgressBarManager()
RE.subscribe(BestEffortCallback())
if hasattr(builtins, "__IPYTHON__"):
    autoawait_in_bluesky_event_loop()

simulated = start_node()
atexit.register(simulated.stop)

with init_devices():
    sample = SECoPNodeDevice(simulated.uri, name="sample")
atexit.register(sample.close)

print(f"A simulated SEC node runs at {simulated.uri}. This is what is in it:\n")
rich.print(sample.tree())

print("\nScan the temperature, and read a detector at each point:\n")
RE(bp.scan([sample.detector], sample.cryo, 15, 25, args.points))
plt.gcf().savefig(args.plot)
print(f"\nThe plot is in {args.plot.resolve()}")

print("\nAsk the motor of the sample stick what it is:\n")
info = RE(sample.motor.get_info()).plan_result
print(info)

print("\nLet the cryostat go back:\n")
RE(bps.mv(sample.cryo, 15))
