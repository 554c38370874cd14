"""Let the plan decide: small steps where something happens, and wait until stable.

In a clone of the repository, `make demo` prepares `.venv`; then

    .venv/bin/python examples/conditions.py

The detector has a peak at 20 K. An adaptive scan finds it, a scan with logarithmic
steps covers a wide range, and a plan of our own warms up while a condition is true.
"""

from math import log10

from bluesky import RunEngine
from bluesky.callbacks import LiveTable
from bluesky.plan_stubs import checkpoint, mv, rd, trigger_and_read
from bluesky.plans import adaptive_scan, log_scan
from bluesky.preprocessors import run_decorator, stage_decorator
from ophyd_async.core import init_devices

from secop_ophyd import SECoPNodeDevice
from secop_ophyd.demo import start_node
from secop_ophyd.plan_stubs import wait_for_status

RE = RunEngine()


def stable(code, text):
    """Tell whether the cryostat is at its target, by its status."""
    return code < 200 and "at target" in text


def warm_up_while(limit, step):
    """Warm up in steps for as long as the detector has less counts than a limit."""

    @stage_decorator([sample.cryo, sample.detector])
    @run_decorator()
    def plan():
        temperature = yield from rd(sample.cryo.value)
        while (yield from rd(sample.detector.value)) < limit:
            temperature += step
            yield from checkpoint()
            yield from mv(sample.cryo, temperature)
            yield from wait_for_status(sample.cryo, stable, timeout=60)
            yield from trigger_and_read([sample.detector, sample.cryo])
        print(f"There are more than {limit} counts at {temperature:g} K")

    yield from plan()


with start_node() as simulated:
    with init_devices():
        sample = SECoPNodeDevice(simulated.uri, name="sample")
    detectors, table = [sample.detector], [sample.cryo.name, sample.detector.name]
    try:
        RE(mv(sample.cryo.ramp, 60000))  # K/min

        print("Adaptive: steps of 0.2 to 5 K, for 200 counts from point to point")
        plan = adaptive_scan(
            detectors,
            *(sample.detector.name, sample.cryo, 12, 28),
            min_step=0.2,
            max_step=5,
            target_delta=200,
            backstep=True,
        )
        RE(plan, LiveTable(table))

        print("Logarithmic: from 2 K to 200 K")
        RE(log_scan(detectors, sample.cryo, log10(2), log10(200), 5), LiveTable(table))

        print("Warm up until there are 500 counts")
        RE(mv(sample.cryo, 15))
        RE(warm_up_while(500, step=0.5), LiveTable(table))
    finally:
        sample.close()
