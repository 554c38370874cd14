"""Load all nodes of a beamline from one file; one of them is down.

In a clone of the repository, `make demo` prepares `.venv`; then

    .venv/bin/python examples/beamline.py

`beamline.yml` beside this file declares the nodes. The simulated one takes the port
that is written there, which must be free; with nodes of your own, leave `start_node`
out.
"""

from pathlib import Path

from bluesky import RunEngine
from bluesky.callbacks import LiveTable
from bluesky.plans import scan

from secop_ophyd import load_nodes
from secop_ophyd.demo import start_node

RE = RunEngine()  # before load_nodes, which connects in the loop of the RunEngine

with (
    start_node(port=10767),
    load_nodes(Path(__file__).with_name("beamline.yml")) as nodes,
):
    print("Without:", *nodes.errors)  # a warning has told why
    sample = nodes.sample
    RE(
        scan([sample.detector], sample.cryo, 15, 25, 11),
        LiveTable([sample.cryo.name, sample.detector.name]),
    )
