"""Use SECoP, EPICS and Tango in the same plans.

In a clone of the repository, `make ecosystem` prepares `.venv-ecosystem`; then

    .venv-ecosystem/bin/python examples/mixed_plan.py

A real EPICS IOC, real Tango device servers without a database and a simulated SEC node
run on this machine, see `servers.py`. At a beamline, leave them out and write the names
of your own devices.
"""

from bluesky import RunEngine
from bluesky.callbacks import LiveTable
from bluesky.plan_stubs import mv
from bluesky.plans import scan
from bluesky.preprocessors import monitor_during_decorator, run_decorator
from ophyd_async.core import init_devices
from ophyd_async.epics import demo as epics
from ophyd_async.tango import demo as tango
from servers import start_epics, start_tango

from secop_ophyd import SECoPNodeDevice, SECoPRecorder
from secop_ophyd.demo import start_node
from secop_ophyd.plan_stubs import ramp_and_record

RE = RunEngine()


def run():
    """Run the plans with all devices."""
    # Make all of them as fast as the cryostat: 10 mm/s
    RE(mv(stage.x.velocity, 10, robot.x.velocity, 10, counter.acquire_time, 0.1))

    # Move all three at once, and wait until the last one is there
    RE(mv(stage.x, 2, robot.x, 3, sample.cryo, 20))

    # Scan the motor of EPICS and read SECoP and Tango. Meanwhile, each value that the
    # SEC node tells is recorded in a stream of its own
    @monitor_during_decorator([sample.cryo.value, sample.detector.value])
    def scan_all():
        yield from scan(
            [sample.cryo, sample.detector, robot, counter], stage.x, 2, 4, 5
        )

    RE(scan_all(), LiveTable([stage.x.name, robot.x.name, sample.cryo.name]))

    # The other way round: SECoP is scanned, EPICS and Tango are read
    RE(
        scan([stage, counter], sample.cryo, 20, 22, 3),
        LiveTable([sample.cryo.name, stage.x.name]),
    )

    # A fly scan: the cryostat goes down a ramp, and each of its updates is a row
    recorder = SECoPRecorder(sample.cryo, sample.detector.value, name="recorder")

    @run_decorator(md={"plan_name": "fly"})
    def fly():
        yield from ramp_and_record(sample.cryo, 18, recorder, flush_period=0.2)

    RE(fly())


with start_epics() as prefix, start_tango() as trl, start_node() as simulated:
    with init_devices():
        stage = epics.DemoStage(f"{prefix}STAGE:")
        robot = tango.DemoStage(trl.format("motor-x"), trl.format("motor-y"))
        counter = tango.DemoPointDetector(
            trl.format("detector"), [trl.format(f"channel-{i}") for i in (1, 2, 3)]
        )
        sample = SECoPNodeDevice(simulated.uri, name="sample")
    try:
        run()
    finally:
        sample.close()
