"""What is shown: the texts of nodes are not obeyed by the terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from secop_ophyd.protocol import shorten

PROGRAM = "secop-ophyd"


def prepare_output() -> None:
    """Let the output show in some way what its encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show(text: str) -> None:
    """Print lines of text.

    :param text: Anything; characters that are not visible are shown as escapes.
    """
    for line in text.split("\n"):
        print(visible(line))


def show_bytes(data: bytes) -> None:
    """Write to stdout, whatever its encoding is.

    :param data: Text in UTF-8.
    """
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


def complain(text: str) -> None:
    """Print a line on stderr.

    :param text: Anything; it becomes one line.
    """
    print(f"{PROGRAM}: {visible(' '.join(text.split()))}", file=sys.stderr)


def visible(text: str) -> str:
    """Return a text with escapes for all that is not visible, line breaks included."""
    return shorten(text, len(text))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines with columns.

    :param rows: Texts of one line, as many in each row; at least one row.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def discard_output() -> None:
    """Let nothing fail any more because nobody reads what is written."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
