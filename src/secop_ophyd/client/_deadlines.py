"""Until when requests have to be answered, with one timer for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ._request import Request

_SLACK = 0.001
"""What is due within this many seconds is late together."""
MOST_READS = 16
"""More than a socket holds by default: asyncio reads up to 256 KiB at once."""


class Deadlines:
    """Tells of each request that is not settled in time.

    Hardly any is late, so a timer of the event loop for each would be made in vain, and
    takes longer than the rest of a request.

    What has been received by then is read first: whoever blocks the event loop must
    not make a node late that was not.

    :param loop: The event loop.
    :param large_read_at: Tells when so much was read at once that there may be more,
        in its time. Any read would be too often: in an event loop that is busy,
        something comes in each turn.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, large_read_at: Callable[[], float]
    ):
        self._loop = loop
        self._large_read_at = large_read_at
        self._timer: asyncio.TimerHandle | None = None
        self._due: dict[Request, tuple[float, Callable[[Request], None]]] = {}

    def set(
        self, request: Request, seconds: float, late: Callable[[Request], None]
    ) -> None:
        """Call a function when time is up, instead of one that was set before.

        :param request: What it is about.
        :param seconds: From now on.
        :param late: Gets the request.
        """
        when = self._loop.time() + seconds
        self._due[request] = when, late
        if self._timer is None or when < self._timer.when():
            self._start(when)

    def drop(self, request: Request) -> None:
        """Forget a request, which may have no deadline."""
        self._due.pop(request, None)

    def end(self) -> None:
        """Forget all."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._look)

    def _look(self, reads: int = 0, since: float = 0.0) -> None:
        if self._large_read_at() >= since and reads < MOST_READS:
            now = self._loop.time()
            self._timer = self._loop.call_later(0, self._look, reads + 1, now)
            return
        self._timer = None
        now = self._loop.time() + _SLACK
        late = [(due, request) for request, due in self._due.items() if due[0] <= now]
        for due, request in sorted(late, key=lambda item: item[0][0]):
            if self._due.get(request) is due:  # one that was late has not changed it
                del self._due[request]
                due[1](request)
        if self._due:
            self._start(min(when for when, _ in self._due.values()))
