"""The description that a generated class was made from, and what it is good for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ophyd_async.core import Device, NotConnectedError

from secop_ophyd.codegen import CONSTANT, MADE_FROM, misfits, stored
from secop_ophyd.protocol import (
    NodeDescription,
    Problem,
    SecopError,
    changes,
    parse_description,
)

ADVICE = "Generate the class anew."
_SHOWN = 30


def made_from(device_type: type[Device]) -> NodeDescription | None:
    """Return the description that the class of a node was made from.

    :param device_type: The class; a generated one, or one derived from it.
    :return: None if it was not generated, or its file has changed since.
    """
    for owner in device_type.__mro__:
        if (key := vars(owner).get(MADE_FROM)) is not None:
            module = sys.modules.get(owner.__module__)
            reports: Any = getattr(module, CONSTANT, None)
            try:
                return parse_description(reports[key])
            except (KeyError, TypeError, SecopError):
                return None
    return None


def check_made_from(
    device_type: type[Device], node: NodeDescription, place: str
) -> tuple[Problem, ...]:
    """Return what has changed since the class of a node was made.

    :param device_type: The class.
    :param node: What the node says now.
    :param place: Where the node is, for the message.
    :raises NotConnectedError: If the class is wrong about the node.
    """
    if (old := made_from(device_type)) is None:
        return ()
    if wrong := misfits(old, node):
        raise NotConnectedError(
            f"{device_type.__name__} does not fit the SEC node at {place} any more: "
            f"{in_one_line(wrong)}. {ADVICE}"
        )
    return changes(old, stored(node))


def in_one_line(found: Sequence[Problem]) -> str:
    """Return what has changed, or as much of it as anybody reads.

    :param found: All of it.
    """
    texts = [str(change) for change in found[:_SHOWN]]
    if len(found) > _SHOWN:
        texts.append(f"and {len(found) - _SHOWN} more")
    return "; ".join(texts)
