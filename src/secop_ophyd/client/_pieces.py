"""Long work of which nobody else in the event loop takes notice."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from secop_ophyd.protocol import Pieces

T = TypeVar("T")
LONGEST_BLOCK = 0.005
"""For how long to work before others have the event loop, in seconds."""


async def in_pieces(pieces: Pieces[T]) -> T:
    """Do a work, and let others have the event loop in between.

    :param pieces: The work.
    :return: Its result.
    """
    since = time.perf_counter()
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value
        if time.perf_counter() - since > LONGEST_BLOCK:
            await asyncio.sleep(0)
            since = time.perf_counter()
