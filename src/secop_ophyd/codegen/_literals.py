"""The literal of descriptions: what it can have, and how it is written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from ._text import WIDTH, is_list, is_object, pieces, quote, width

MAX_DEPTH = 64
"""How deeply a literal may be nested; Python's own parser gives up at 200."""

_MAX_INDENT = 60
_SCALARS = frozenset({str, int, bool, type(None)})


def storable(value: Any, depth: int = 0) -> Any:
    """Return a JSON value as far as a literal can have it, with the types it has.

    NaN, which some nodes send, has no literal and becomes infinite; what is nested
    too deeply to be read back becomes None. Neither is data of a description.

    :param value: Anything that `decode` returns; it is returned itself, if a literal
        can have all of it.
    :param depth: How deeply it is nested itself.
    :raises ValueError: If it is no JSON.
    """
    if _is_storable((value,), depth - 1):
        return value
    if is_object(value) and _has_names(value):
        inner = ((k, storable(v, depth + 1)) for k, v in value.items())
        return dict(inner) if depth < MAX_DEPTH else None
    if is_list(value):
        return [storable(v, depth + 1) for v in value] if depth < MAX_DEPTH else None
    if isinstance(value, float) and value != value:
        return float("inf")
    raise ValueError(f"{value!r} is not JSON")


def _is_storable(values: Iterable[Any], depth: int) -> bool:
    """Tell whether a literal can have all of some values as they are.

    :param values: What is inside of an object or list.
    :param depth: How deeply that is nested.
    """
    if depth == MAX_DEPTH:
        return False
    for value in values:
        kind: type = value.__class__
        if kind in _SCALARS:
            continue
        if kind is dict:
            fits = _has_names(value) and _is_storable(value.values(), depth + 1)
        elif kind is list:
            fits = _is_storable(value, depth + 1)
        else:
            fits = kind is float and value == value
        if not fits:
            return False
    return True


def _has_names(value: dict[Any, Any]) -> bool:
    return {*map(type, value)} <= {str}


def literal(value: Any, lead: int = 0, indent: int = 0) -> str:
    """Return the literal of a JSON value, in lines that fit.

    :param value: What `storable` returns.
    :param lead: The columns that are in use where it starts, and where it ends.
    :param indent: The columns before the line that it starts in.
    """
    return _literal(value, lead, indent, {})


Blocks = dict[tuple[str, int], str]
"""What has been written already, by its text in one line and its indent.

Most of a description is there many times: the data types of modules that are alike.
"""


def _literal(value: Any, lead: int, indent: int, known: Blocks) -> str:
    room = WIDTH - lead
    if isinstance(value, str):
        return _text(value, room, indent)
    if type(value) not in (dict, list):
        return _flat(value)
    if _room(value, room) < 0:
        return _block(value, indent, known)
    flat = _flat(value)
    if width(flat) <= room:
        return flat
    if (flat, indent) not in known:
        known[flat, indent] = _block(value, indent, known)
    return known[flat, indent]


def _room(value: Any, room: int) -> int:
    """Return how many columns are left by an object or list, or more than that.

    Descriptions are nested, and none of the outer levels fits: no need to write it.
    """
    if is_list(value):
        return room - 3 * len(value)
    for key, item in value.items():
        room -= len(key)
        if isinstance(item, str):
            room -= len(item)
        elif type(item) in (dict, list):
            room = _room(item, room)
        if room < 0:
            break
    return room


def _text(text: str, room: int, indent: int) -> str:
    if len(text) <= room and width(quoted := quote(text)) <= room:
        return quoted
    margin = " " * _inner(indent)
    room = WIDTH - len(margin)
    fits = len(text) <= room and width(quote(text)) <= room
    parts = [text] if fits else pieces(text, room - 3)
    return _lines("(", [margin + quote(part) for part in parts], ")", indent)


def _block(value: Any, indent: int, known: Blocks) -> str:
    inner = _inner(indent)
    margin = " " * inner
    if is_list(value):
        items = [_literal(item, inner + 1, inner, known) for item in value]
        return _lines("[", [f"{margin}{item}," for item in items], "]", indent)
    lines: list[str] = []
    for key, item in value.items():
        start, used = _key(key, inner)
        lines.append(f"{margin}{start}{_literal(item, used, inner, known)},")
    return _lines("{", lines, "}", indent)


@lru_cache(1024)
def _key(key: str, indent: int) -> tuple[str, int]:
    """Return the start of a member of an object, and the columns in use after it."""
    start = f"{_text(key, WIDTH - indent - 3, indent)}: "
    return start, indent + 1 + width(start.rpartition("\n")[2])


def _inner(indent: int) -> int:
    return min(indent + 4, _MAX_INDENT)


def _lines(opening: str, lines: list[str], closing: str, indent: int) -> str:
    return "\n".join([opening, *lines, " " * indent + closing])


def _flat(value: Any) -> str:
    """Return the literal of a JSON value in one line."""
    text = repr(value)
    if "inf" not in text and '"' not in text and "\\" not in text:
        return text.replace("'", '"')
    if isinstance(value, str):
        return quote(value)
    if is_object(value):
        items = (f"{quote(k)}: {_flat(v)}" for k, v in value.items())
        return f"{{{', '.join(items)}}}"
    if is_list(value):
        return f"[{', '.join(map(_flat, value))}]"
    return text.replace("inf", "1e999")  # of which Python makes it again
