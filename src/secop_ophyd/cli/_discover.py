"""`secop-ophyd discover`: which nodes there are."""

from __future__ import annotations

import argparse

from secop_ophyd.client import discover as find_nodes

from ._output import complain, show, table, visible

HEADER = ("ADDRESS", "EQUIPMENT ID", "FIRMWARE", "DESCRIPTION")


async def discover(args: argparse.Namespace) -> int:
    """Show a table of the nodes that answer.

    :param args: `timeout`.
    :return: The exit code, 1 if there are none.
    """
    nodes = await find_nodes(args.timeout)
    if not nodes:
        complain(f"no SEC node has answered within {args.timeout:g} s")
        return 1
    rows = [
        (
            str(node.address),
            visible(node.equipment_id),
            visible(node.firmware),
            visible(node.description.partition("\n")[0]),
        )
        for node in nodes
    ]
    show(table([HEADER, *rows]))
    return 0
