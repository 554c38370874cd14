"""Long work in pieces, so that others can have their turn in between."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Pieces = Generator[None, None, T]
"""Work that yields after each piece, and returns its result at the end."""


def at_once(pieces: Pieces[T]) -> T:
    """Do all pieces of a work, and return the result.

    :param pieces: The work.
    """
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value
