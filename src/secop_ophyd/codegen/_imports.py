"""What a class file imports: exactly what it uses."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from ._text import WIDTH

ALIASES = {"A": "_A_type"}
"""What is imported under a second name, for classes that have such an attribute.

Annotated is no type, so that `_A_type = A` is none for mypy.
"""

_SOURCES = {
    "collections.abc": ("Sequence",),
    "typing": (
        "Annotated as A",
        f"Annotated as {ALIASES['A']}",
        "Any",
        "NotRequired",
        "TypedDict",
    ),
    "numpy": ("ndarray",),
    "ophyd_async.core": (
        "Array1D",
        "SignalR",
        "SignalRW",
        "StandardReadableFormat as Format",
        "StrictEnum",
        "SupersetEnum",
    ),
    "secop_ophyd.SECoPDevices": (
        "ParameterType as ParamT",
        "PropertyType as PropT",
        "SECoPAcquisitionChannelDevice",
        "SECoPAcquisitionControllerDevice",
        "SECoPAcquisitionDevice",
        "SecopAction",
        "SECoPBaseDevice",
        "SecopCommand",
        "SECoPCommunicatorDevice",
        "SECoPMoveableDevice",
        "SECoPNodeDevice",
        "SecopQuery",
        "SECoPReadableDevice",
        "SECoPTriggerableDevice",
        "SECoPWritableDevice",
    ),
}
_STANDARD_LIBRARY = ("collections.abc", "typing")


def _bound(item: str) -> str:
    return item.rpartition(" as ")[2]


IMPORTED_NAMES = {_bound(x) for items in _SOURCES.values() for x in items} | {"np"}
"""The names that no class in a file can have."""


@lru_cache(1024)  # most annotations are the same in many classes
def names_in(annotation: str) -> frozenset[str]:
    """Return the names that an annotation refers to.

    :param annotation: Its source, without any text in quotes.
    """
    return frozenset(re.findall(r"(?<![\w.])[^\W\d]\w*", annotation))


def import_lines(used: Collection[str]) -> list[list[str]]:
    """Return the imports of a file, in groups and in the order of isort.

    :param used: The names that the file refers to.
    """
    standard: list[str] = []
    others = ["import numpy as np"] if "np" in used else []
    for module, items in _SOURCES.items():
        group = standard if module in _STANDARD_LIBRARY else others
        group += _from(module, [item for item in items if _bound(item) in used])
    return [group for group in (standard, others) if group]


def _from(module: str, items: list[str]) -> list[str]:
    """Import names from a module; those with another name on lines of their own."""
    plain = [item for item in items if " as " not in item]
    statements = [[item] for item in items if " as " in item]
    statements += [plain] if plain else []
    lines: list[str] = []
    for names in sorted(statements, key=lambda n: n[0].partition(" as ")[0].casefold()):
        line = f"from {module} import {', '.join(names)}"
        if len(line) <= WIDTH:
            lines.append(line)
        else:
            lines += [f"from {module} import (", *(f"    {n}," for n in names), ")"]
    return lines
