"""Scan the temperature of a simulated cryostat and read a detector at each point.

In a clone of the repository, `make demo` prepares `.venv`; then

    .venv/bin/python examples/first_scan.py

With your own SEC node, leave `start_node` out and write the node's address, such as
"cryo.example.org:10767", in place of `simulated.uri`.
"""

from bluesky import RunEngine
from bluesky.callbacks import LiveTable
from bluesky.plans import scan
from ophyd_async.core import init_devices

from secop_ophyd.demo import start_node
from secop_ophyd.SECoPDevices import SECoPNodeDevice

RE = RunEngine()  # before init_devices, which connects in the loop of the RunEngine

with start_node() as simulated:
    with init_devices():
        sample = SECoPNodeDevice(simulated.uri, name="sample")
    try:
        RE(
            scan([sample.detector], sample.cryo, 15, 25, 11),
            LiveTable([sample.cryo.name, sample.detector.name]),
        )
    finally:
        sample.close()
