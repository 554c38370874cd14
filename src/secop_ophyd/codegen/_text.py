"""Texts of a node in Python source: as literals, comments and docstrings only.

A node can say anything. Whatever it says, it stays inside the literal, the comment
or the docstring that it is put into, and it gives no orders to the tools that read
the file.
"""

from __future__ import annotations

import inspect
import re
from functools import lru_cache
from typing import Any, TypeGuard

WIDTH = 88
"""The columns of a line, as ruff and black count them."""

# A comment that starts like this is for a tool: type: ignore, noqa, fmt: off
_ORDER = re.compile(
    r"#\s*(?!Unit: )(?=[\w./-]+\s*:|no(?:qa|sec|semgrep|sonar)\b|pyre-)", re.IGNORECASE
)

# What has one column for each character, also as a literal
_PLAIN = re.compile(r"[ !#-&(-\[\]-~]*")


def width(text: str) -> int:
    """Return the columns of a text, at least as many as any tool counts."""
    return len(text) if text.isascii() else sum(1 + (c >= "\u1100") for c in text)


def quote(text: str) -> str:
    """Return the literal of a text, like `repr()` but with the quotes of ruff."""
    plain = text.isprintable() and "\\" not in text
    body = text if plain else "".join(map(_escape, text))
    if '"' not in body:
        return f'"{body}"'
    if body.count('"') > body.count("'"):
        return "'" + body.replace("'", "\\'") + "'"
    return '"' + body.replace('"', '\\"') + '"'


def commented(code: list[str], text: str, indent: int) -> list[str]:
    """Return code with a comment: behind it where that fits, else above it.

    :param code: Its lines.
    :param text: What the comment says: anything; it becomes one paragraph.
    :param indent: The columns before each line.
    """
    words = " ".join(_clean(text).split())
    if not words:
        return code
    if len(code) == 1 and len(code[0]) + len(words) < WIDTH:
        behind = f"{code[0]}  {_comment(words)}"
        if width(behind) <= WIDTH:
            return [behind]
    margin = " " * indent
    return [margin + _comment(x) for x in wrap(words, WIDTH - indent - 4)] + code


def _comment(line: str) -> str:
    return _ORDER.sub("# - ", f"# {line}").rstrip()


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
    return [part.strip(" ") for part in pieces(text, room)]


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
    """Tell whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether a JSON value is an array."""
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


def pieces(text: str, room: int) -> list[str]:
    """Break a text like `wrap`, and keep all of it."""
    found: list[str] = []
    is_plain = _PLAIN.fullmatch(text) is not None
    start = 0
    while start < len(text):
        end = start + (room if is_plain else _fitting(text, start, room))
        end = max(end, start + 1)
        if end < len(text):
            end = text.rfind(" ", start, end) + 1 or end
        found.append(text[start:end])
        start = end
    return found


def _fitting(text: str, start: int, room: int) -> int:
    """Return how many characters from a place on fit."""
    end = start
    while end < len(text) and (room := room - _cost(text[end])) >= 0:
        end += 1
    return end - start


@lru_cache(maxsize=1024)
def _cost(c: str) -> int:
    """Return the columns that a character may need, escaped if need be."""
    return 2 if c in "\"'" else width(_escape(c))
