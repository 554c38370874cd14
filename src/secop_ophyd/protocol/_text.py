"""What comes from outside, as text that is safe to show."""

from __future__ import annotations

from typing import Any


def shorten(text: str | bytes, limit: int = 80) -> str:
    """Make text of a node fit for a message or a log line.

    Control characters, terminal escapes among them, are shown and not obeyed.

    :param text: Anything that came from outside.
    :param limit: The number of characters that are kept.
    """
    # Cut before decoding: the text may be a line of many megabytes
    head = text[: limit + 1]
    if isinstance(head, bytes):
        head = head.decode(errors="replace")
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in head)
    return f"{shown[:limit]}..." if len(text) > limit else shown


def show(value: Any, limit: int = 80) -> str:
    """Return a value for an error message.

    :param value: Anything that came from outside.
    :param limit: The number of characters that are kept.
    """
    return shorten(safe_repr(value), limit)


def safe_repr(value: Any) -> str:
    """Return the representation of a value, also if Python refuses to make one.

    It does for what is nested too deeply and for integers of thousands of digits.
    """
    try:
        return repr(value)
    except (RecursionError, ValueError):
        return f"<{type(value).__name__}>"
