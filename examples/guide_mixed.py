"""Use SECoP with a motor of classic ophyd and a Tango device: the guide's example.

In a clone of the repository, `make ecosystem` prepares `.venv-ecosystem`; then

    .venv-ecosystem/bin/python examples/guide_mixed.py

The user guide of SECoP-Ophyd has a snippet for mixed devices. Written like this it
works; docs/how-to/mixed-plans.md says what is different, and why. The motor records,
the Tango device and the SEC node run on this machine, see `servers.py`.
"""

from typing import Annotated as A

from bluesky import RunEngine
from bluesky.callbacks import LiveTable
from bluesky.plan_stubs import mv
from bluesky.plans import scan
from ophyd import EpicsMotor
from ophyd_async.core import SignalR, SignalRW, StandardReadable, init_devices
from ophyd_async.core import StandardReadableFormat as Format
from ophyd_async.tango.core import TangoDevice, TangoPolling
from servers import start_motor_records, start_tango

from secop_ophyd.demo import start_node
from secop_ophyd.SECoPDevices import SECoPNodeDevice

EVERY = TangoPolling(0.1, 0.1, 0.1)  # for a server that sends no events


class TangoDetector(TangoDevice, StandardReadable):
    """Says what is read: a TangoDevice by itself is nothing that bluesky can read."""

    value: A[SignalR[int], EVERY, Format.HINTED_UNCACHED_SIGNAL]
    elapsed: A[SignalRW[float], EVERY]


RE = RunEngine()

with start_motor_records() as prefix, start_tango() as trl, start_node() as simulated:
    # Devices of ophyd-async are connected at the end of the block
    with init_devices():
        secop_temp = SECoPNodeDevice(simulated.uri)
        tango_detector = TangoDetector(trl.format("channel-1"))
    # One of classic ophyd connects by itself, in threads, and must be named by hand
    epics_motor = EpicsMotor(f"{prefix}mtr1", name="motor")
    epics_motor.wait_for_connection(timeout=10)
    try:
        RE(mv(epics_motor.velocity, 10, tango_detector.elapsed, 1))
        RE(
            scan([tango_detector, secop_temp.cryo], epics_motor, 0, 5, 6),
            LiveTable(["motor", tango_detector.value.name, secop_temp.cryo.name]),
        )
        # What is moved is a module of the node. `.target` would not wait until there
        RE(mv(secop_temp.cryo, 30))
    finally:
        secop_temp.close()
        epics_motor.destroy()
