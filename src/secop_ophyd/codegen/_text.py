"""Texts of a node in Python source: as literals, comments and docstrings only.

A node can say anything. Whatever it says, it stays inside the literal, the comment
or the docstring that it is put into, and it gives no orders to the tools that read
the file.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeGuard

WIDTH = 88
"""The columns of a line, as ruff and black count them."""

MAX_DEPTH = 64
"""How deeply a literal may be nested; Python's own parser gives up at 200."""

_MAX_INDENT = 60

# A comment that starts like this is for a tool: type: ignore, noqa, fmt: off
_ORDER = re.compile(
    r"#\s*(?!Unit: )(?=[\w./-]+\s*:|no(?:qa|sec|semgrep|sonar)\b|pyre-)", re.IGNORECASE
)


def width(text: str) -> int:
    """Return the columns of a text, at least as many as any tool counts."""
    return len(text) if text.isascii() else sum(1 + (c >= "\u1100") for c in text)


def quote(text: str) -> str:
    """Return the literal of a text, like `repr()` but with the quotes of ruff."""
    plain = text.isprintable() and "\\" not in text
    body = text if plain else "".join(map(_escape, text))
    if body.count('"') > body.count("'"):
        return "'" + body.replace("'", "\\'") + "'"
    return '"' + body.replace('"', '\\"') + '"'


def storable(value: Any, depth: int = 0) -> Any:
    """Return a JSON value as far as a literal can have it, with the types it has.

    NaN, which some nodes send, has no literal and becomes infinite; what is nested
    too deeply to be read back becomes None. Neither is data of a description.

    :param value: Anything that `decode` returns.
    :param depth: How deeply it is nested itself.
    """
    if isinstance(value, float) and math.isnan(value):
        return math.inf
    if is_object(value):
        if depth == MAX_DEPTH:
            return None
        return {k: storable(v, depth + 1) for k, v in value.items()}
    if is_list(value):
        return [storable(v, depth + 1) for v in value] if depth < MAX_DEPTH else None
    return value


def literal(value: Any, lead: int = 0, indent: int = 0) -> str:
    """Return the literal of a JSON value, in lines that fit.

    :param value: What `storable` returns.
    :param lead: The columns that are in use where it starts, and where it ends.
    :param indent: The columns before the line that it starts in.
    :raises ValueError: If it is no JSON, or nested too deeply to be read back.
    """
    return _literal(value, lead, indent, 0)


def comment(text: str, room: int = 0) -> list[str]:
    """Return a text as lines of comment.

    :param text: Anything; it becomes one paragraph.
    :param room: The columns of a line, 0 for one line of any length.
    """
    words = " ".join(_clean(text).split())
    lines = wrap(words, room - 4) if room else [words] * bool(words)
    return [_ORDER.sub("# - ", f"# {line}").rstrip() for line in lines]


def docstring(text: str, indent: int) -> list[str]:
    """Return a text as the lines of a docstring, none if it is empty.

    :param text: Anything; its paragraphs are kept, its long lines are wrapped.
    :param indent: The columns before each line.
    """
    margin, room = " " * indent, WIDTH - indent - 3
    text = inspect.cleandoc("\n".join(map(_clean, text.splitlines())))
    if "\n" not in text and width(_docstring_body([text])) > room - 3:
        room -= 3  # two lines: on one, ruff would not mind that it is too long
    lines = [x for line in text.splitlines() for x in _wrap_line(line, room) or [""]]
    body = _docstring_body(lines)
    if not body:
        return []
    ending = "\n" if "\n" in body else ""
    block = f'"""{body}{ending}"""'.replace("\n", f"\n{margin}")
    return [line.rstrip() for line in f"{margin}{block}".split("\n")]


def _docstring_body(lines: list[str]) -> str:
    # No doctest: that would be code of the node which pytest can be told to run
    lines = [re.sub(r"^(\s*)>>>", r"\1> >>", line) for line in lines]
    text = inspect.cleandoc("\n".join(lines))
    # A quote next to the quotes: ruff would put a space between them
    text = re.sub(r'\A"|"\Z', "'", text)
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def wrap(text: str, room: int) -> list[str]:
    """Break a text after spaces where there are some, anywhere otherwise."""
    return [part.strip(" ") for part in _parts(text, room)]


def bracketed(lead: str, text: str, indent: int, tail: str = "") -> list[str]:
    """Return nested brackets, e.g. of a type, in lines that fit, as ruff does it.

    :param lead: What comes before it.
    :param text: What may be broken: names, commas and square brackets.
    :param indent: The columns before the first line.
    :param tail: What comes after it.
    """
    line = " " * indent + lead + text + tail
    if width(line) <= WIDTH or not text.endswith("]"):
        return [line]
    head, items = _split(text)
    joined = " " * (indent + 4) + ", ".join(items)
    if width(joined) <= WIDTH:
        inner = [joined]
    else:
        # A comma after a single one would make a tuple of it
        comma = "," if len(items) > 1 else ""
        inner = [x for item in items for x in bracketed("", item, indent + 4, comma)]
    return [f"{' ' * indent}{lead}{head}[", *inner, f"{' ' * indent}]{tail}"]


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether a value is a JSON object."""
    if not isinstance(value, dict):
        return False
    keys: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    return all(isinstance(k, str) for k in keys)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether a value is a JSON array."""
    return isinstance(value, list)


def _split(text: str) -> tuple[str, list[str]]:
    head, _, body = text[:-1].partition("[")
    items, depth = [""], 0
    for c in body:
        depth += (c == "[") - (c == "]")
        if c == "," and not depth:
            items.append("")
        else:
            items[-1] += c
    return head, [item.strip() for item in items]


def _escape(c: str) -> str:
    printable = c.isprintable() and c != "\\"
    return c if printable else c.encode("unicode_escape").decode("ascii")


def _clean(text: str) -> str:
    """Replace what is no visible character: spaces by a space, others shown."""
    if text.isprintable():
        return text
    text = text.expandtabs(8)
    return "".join(
        " " if c.isspace() else c if c.isprintable() else _escape(c) for c in text
    )


def _wrap_line(line: str, room: int) -> list[str]:
    start = line[: min(len(line) - len(line.lstrip()), 20)]
    return [start + part for part in wrap(line.strip(), room - len(start)) if part]


def _parts(text: str, room: int) -> Iterator[str]:
    start = 0
    while start < len(text):
        end, used = start, 0
        while end < len(text) and (used := used + _cost(text[end])) <= room:
            end += 1
        end = max(end, start + 1)
        if end < len(text):
            end = max(text.rfind(" ", start, end) + 1, 0) or end
        yield text[start:end]
        start = end


@lru_cache(maxsize=1024)
def _cost(c: str) -> int:
    """Return the columns that a character may need, escaped if need be."""
    return 2 if c in "\"'" else width(_escape(c))


def _literal(value: Any, lead: int, indent: int, depth: int) -> str:
    if depth > MAX_DEPTH or not _is_long(value, WIDTH - lead):
        flat = _flat(value, depth)
        if lead + width(flat) <= WIDTH:
            return flat
    inner = min(indent + 4, _MAX_INDENT)
    margin = " " * inner
    if isinstance(value, str):
        fits = len(value) <= WIDTH and inner + width(quote(value)) <= WIDTH
        texts = [value] if fits else _parts(value, WIDTH - inner - 3)
        parts = [margin + quote(text) for text in texts]
        return _block("(", parts, ")", indent)
    if is_object(value):
        items: list[str] = []
        for key, item in value.items():
            start = f"{_literal(key, inner + 3, inner, depth)}: "
            used = inner + 1 + width(start.rpartition("\n")[2])
            items.append(f"{margin}{start}{_literal(item, used, inner, depth + 1)},")
        return _block("{", items, "}", indent)
    if is_list(value):
        items = [_literal(item, inner + 1, inner, depth + 1) for item in value]
        return _block("[", [f"{margin}{item}," for item in items], "]", indent)
    return _flat(value, depth)


def _is_long(value: Any, room: int) -> bool:
    """Tell for sure that a literal does not fit, without making it.

    Descriptions are nested, and none of the outer levels fits.
    """
    if isinstance(value, str):
        return len(value) > room
    if is_object(value):
        for key, item in value.items():
            room -= len(key) + (len(item) if isinstance(item, str) else 0)
            if room < 0:
                return True
    return False


def _flat(value: Any, depth: int) -> str:
    """Return the literal of a JSON value in one line."""
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} times")
    if isinstance(value, str):
        return quote(value)
    if is_object(value):
        pairs = value.items()
        return _join("{", (f"{quote(k)}: {_flat(v, depth + 1)}" for k, v in pairs), "}")
    if is_list(value):
        return _join("[", (_flat(v, depth + 1) for v in value), "]")
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float) and value == value:
        return repr(value).replace("inf", "1e999")  # of which Python makes it again
    raise ValueError(f"{value!r} is not JSON")


def _join(opening: str, items: Iterable[str], closing: str) -> str:
    return opening + ", ".join(items) + closing


def _block(opening: str, lines: list[str], closing: str, indent: int) -> str:
    return "\n".join([opening, *lines, " " * indent + closing])
