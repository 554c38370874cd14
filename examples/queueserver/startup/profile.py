"""Start-up profile of the RE Manager of bluesky-queueserver: SEC nodes and plans.

In a clone of the repository, `make ecosystem` prepares `.venv-ecosystem`; then, with a
Redis server, and a node at the address that is written in `beamline.yml`, for instance
that of `examples/simulated_node.py`,

    .venv-ecosystem/bin/start-re-manager --startup-dir examples/queueserver/startup

docs/how-to/queueserver.md has the rest.
"""

import os
from pathlib import Path

from bluesky import RunEngine
from bluesky.plan_stubs import mv  # noqa: F401  what can be queued
from bluesky.plans import count, scan  # noqa: F401
from ophyd_async.plan_stubs import ensure_connected  # noqa: F401

from secop_ophyd import load_nodes

RE = RunEngine()

if "TILED_URI" in os.environ:  # and TILED_API_KEY
    from bluesky_tiled_plugins import TiledWriter
    from tiled.client import from_uri

    RE.subscribe(TiledWriter(from_uri(os.environ["TILED_URI"])))

# Devices are what has a name here: `sample`, and with it `sample.cryo`
globals().update(load_nodes(Path(__file__).with_name("beamline.yml")))
