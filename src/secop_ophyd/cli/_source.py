"""Where the description of a node is from: the node, or a file that has it."""

from __future__ import annotations

import os
from pathlib import Path

from secop_ophyd.client import ClientOptions, SecopClient, load_description
from secop_ophyd.protocol import (
    NodeAddress,
    NodeDescription,
    parse_address,
)


def parse_source(text: str) -> NodeAddress | Path:
    """Tell a file from an address, without a look at which files there are.

    :param text: A path that ends in `.json` or has a slash, or an address.
    :raises ValueError: If it is neither.
    """
    is_path = os.sep in text or "/" in text
    if text.endswith(".json") or (is_path and "://" not in text):
        return Path(text)
    return parse_address(text)


async def get_description(
    source: NodeAddress | Path, timeout: float
) -> NodeDescription:
    """Return the description of a node, with the structure report it was made from.

    :param source: Where the node is, or a file with its structure report.
    :param timeout: Seconds that the node may take.
    :raises SecopError: If the node is not there, is no node, or takes too long.
    :raises OSError: If the file cannot be read.
    :raises ValueError: If it has no structure report.
    """
    if isinstance(source, Path):
        return load_description(source)
    client = SecopClient(source, ClientOptions(reconnect=False))
    try:
        await client.connect(timeout)
        return client.description
    finally:
        await client.close()
