"""Descriptions that were saved, for times without the node."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secop_ophyd.protocol import NodeDescription, SecopError, parse_description

SavedDescription = NodeDescription | Mapping[str, Any] | str | os.PathLike[str]
"""A description, the structure report it is made from, or a JSON file with that."""


def load_description(saved: SavedDescription) -> NodeDescription:
    """Return a saved description.

    :param saved: The description, its structure report, or the path of a file with
        the report, as `secop-ophyd describe --json` writes it.
    :raises OSError: If the file cannot be read.
    :raises ValueError: If it has no structure report.
    """
    if isinstance(saved, NodeDescription):
        return saved
    name = "the saved description" if isinstance(saved, Mapping) else str(saved)
    try:
        if isinstance(saved, Mapping):
            return parse_description(dict(saved))
        return parse_description(json.loads(Path(saved).read_bytes()))
    except (ValueError, RecursionError, SecopError) as error:
        raise ValueError(f"{name} has no description of a node: {error}") from None
