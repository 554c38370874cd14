"""`secop-ophyd describe`: what a node is."""

from __future__ import annotations

import argparse
import json
import tempfile

from secop_ophyd.devices import SECoPNodeDevice
from secop_ophyd.protocol import NodeAddress, NodeDescription

from ._output import show, show_bytes
from ._source import get_description


async def describe(args: argparse.Namespace) -> int:
    """Show a node as a tree, or write its structure report.

    :param args: `address`, `timeout` and `json`.
    :return: The exit code.
    """
    if args.json:
        show_bytes(saved(await get_description(args.address, args.timeout)))
    else:
        show(await _tree(args.address, args.timeout))
    return 0


def saved(description: NodeDescription) -> bytes:
    """Return the structure report as the node has sent it, but easy to read.

    It is what `generate` and the fake node take as a file.

    :param description: A description that was made from a report.
    :raises ValueError: If it is nested too deeply to be written.
    """
    try:
        text = json.dumps(description.raw, indent=2, ensure_ascii=False)
    except RecursionError:
        raise ValueError("the description is nested too deeply") from None
    safe = "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)
    return f"{safe}\n".encode()


def _escape(c: str) -> str:
    # JSON demands it for some of the control characters only
    return json.dumps(c)[1:-1]


async def _tree(address: NodeAddress, timeout: float) -> str:
    # The devices write a log, which nobody has asked for here
    with tempfile.TemporaryDirectory() as logdir:
        node = SECoPNodeDevice(str(address), logdir=logdir)
        try:
            await node.connect(timeout=timeout)
            return str(node.tree())
        finally:
            await node.disconnect()
