"""A move in the steps of a fly scan: prepared, kicked off, and completed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ophyd_async.core import WatchableAsyncStatus

Begin = Callable[[Any, Callable[[], None]], WatchableAsyncStatus[Any]]
"""Begins to move to a target, and calls a function when the node has accepted it."""


class Flight:
    """A move that somebody else begins than who waits for its end.

    :param name: Name of the device, for messages.
    :param target: Where to.
    :param begin: Begins to move.
    """

    def __init__(self, name: str, target: Any, begin: Begin):
        self._name = name
        self._target = target
        self._begin = begin
        self._moving: WatchableAsyncStatus[Any] | None = None
        self._accepted = asyncio.Event()
        # Whether a pause has stopped it, so it has not arrived although it is done
        self.interrupted = False

    @property
    def under_way(self) -> bool:
        """Whether it has begun and is not over."""
        return self._moving is not None and not self._moving.done

    def goes_on_as(self, other: Flight) -> bool:
        """Tell whether another one would do again what this one is about to do.

        The RunEngine repeats what it did when it goes on after a suspension, during
        which the module may have gone on.
        """
        # What is repeated has the very same target
        return self.under_way and self._target is other._target

    async def kickoff(self) -> None:
        """Begin if it is not under way, and wait until the node accepts the target.

        :raises Exception: What the move fails with.
        """
        if self._moving is None or self._moving.done:
            self.interrupted = False
            self._accepted = accepted = asyncio.Event()
            self._moving = self._begin(self._target, accepted.set)
            self._moving.add_callback(lambda _: accepted.set())
        moving = self._moving
        await self._accepted.wait()
        if moving.done and (error := moving.exception()) is not None:
            raise error

    @property
    def completion(self) -> WatchableAsyncStatus[Any]:
        """The status of the move.

        :raises RuntimeError: If it has not begun, or was stopped by a pause.
        """
        if self._moving is None:
            raise RuntimeError(f"{self._name} was not kicked off")
        if self.interrupted:
            raise RuntimeError(
                f"{self._name} was stopped by a pause, and not kicked off again"
            )
        return self._moving
