"""Suspend a scan while the cryostat is too warm, and go on when it is cold again.

In a clone of the repository, `make demo` prepares `.venv`; then

    .venv/bin/python examples/suspender.py

The sample stick is scanned. Meanwhile, somebody warms up the cryostat. The scan is
suspended, waits until it is cold, and measures the interrupted point again. A sensor
that fails, or a lost connection, suspends as well.
"""

import asyncio
from threading import Timer

from bluesky import RunEngine
from bluesky.callbacks import LiveTable
from bluesky.plan_stubs import mv
from bluesky.plans import scan
from ophyd_async.core import init_devices

from secop_ophyd import SecopClient, SECoPNodeDevice
from secop_ophyd.demo import start_node
from secop_ophyd.suspenders import SuspendWhen

RE = RunEngine()


def somebody_sets(temperature):
    """Change the target with a client of its own, as somebody else would do."""

    async def change():
        async with SecopClient(simulated.uri) as client:
            await client.change("cryo", "target", temperature)

    asyncio.run(change())


with start_node() as simulated:
    with init_devices():
        sample = SECoPNodeDevice(simulated.uri, name="sample")
    try:
        RE(mv(sample.cryo, 10, sample.motor, 0, sample.motor.speed, 20))  # mm/s

        temperature = sample.cryo.value
        warm = SuspendWhen(temperature, lambda t: t > 20, resume=lambda t: t < 15)
        RE.install_suspender(warm)

        visits = [Timer(0.5, somebody_sets, [30]), Timer(3, somebody_sets, [10])]
        for visit in visits:
            visit.start()
        RE(
            scan([sample.cryo], sample.motor, 0, 60, 4),
            LiveTable([sample.motor.name, sample.cryo.name]),
        )
        for visit in visits:
            visit.join()
        RE.remove_suspender(warm)
    finally:
        sample.close()
