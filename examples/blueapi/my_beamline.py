"""Devices and plans for blueapi: SEC nodes that a file declares, and what to run.

In a clone of the repository, `make blueapi` prepares `.venv-blueapi`; then, with a node
at the address that is written in `beamline.yml`, for instance that of
`examples/simulated_node.py`,

    cd examples/blueapi
    PYTHONPATH=. ../../.venv-blueapi/bin/blueapi -c blueapi.yml serve

docs/how-to/blueapi.md has the rest.
"""

from pathlib import Path
from types import SimpleNamespace

import bluesky.plan_stubs as bps
import bluesky.plans as bp
from bluesky.protocols import Movable, Readable
from bluesky.utils import MsgGenerator

from secop_ophyd import load_nodes


class Beamline:
    """Tells blueapi which devices there are; all that it needs is this method."""

    def build_and_connect(self, *, mock=False, timeout=None, fixtures=None):
        """Load the nodes; those that are down are errors, and the others work."""
        file = Path(__file__).with_name("beamline.yml")
        nodes = load_nodes(file, mock=mock, timeout=timeout or 10)
        return SimpleNamespace(
            devices={k: node for k, node in nodes.items() if k not in nodes.errors},
            build_errors={},
            connection_errors=dict(nodes.errors),
        )


beamline = Beamline()


def count(detectors: list[Readable], num: int = 1) -> MsgGenerator:
    """Read devices a number of times."""
    yield from bp.count(detectors, num)


def scan(
    detectors: list[Readable], motor: Movable, start: float, stop: float, num: int
) -> MsgGenerator:
    """Scan something that can be moved, and read devices at each point."""
    yield from bp.scan(detectors, motor, start, stop, num)


def move(motor: Movable, target: float) -> MsgGenerator:
    """Move something, and wait until it is there."""
    yield from bps.mv(motor, target)


__all__ = ["count", "scan", "move"]
