"""Judges what is delivered: each value tells its parameter and when it was made."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from typing import Any

from secop_ophyd.protocol import SecopError, parse_message


class Clock:
    """Tells the time, except for that in which the event loop stood still.

    A computer that is busy with other things must not make the client late.
    """

    PERIOD = 0.05  # s, of its hand
    MOST = 0.2  # s, that it goes on without the event loop

    def __init__(self) -> None:
        self.stood_still = 0.0
        """Seconds, for the longest time."""
        self._lost = 0.0
        self._last = time.monotonic()

    async def run(self) -> None:
        while True:
            self._move()
            await asyncio.sleep(self.PERIOD)

    def _move(self) -> None:
        now = time.monotonic()
        if (passed := now - self._last) > self.MOST:
            self._lost += passed - self.MOST
            self.stood_still = max(self.stood_still, passed)
        self._last = now

    def __call__(self) -> float:
        self._move()
        return self._last - self._lost


class Oracle:
    """Knows what the node has sent, and remembers what was delivered.

    What one listener or one task gets is a stream. In each, a value was sent by the
    node, for this parameter, and not before the one that was delivered before it.
    """

    def __init__(self):
        self.clock = Clock()
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        # When each value was sent, as numbers of lines
        self._sent: defaultdict[str, defaultdict[float, list[int]]]
        self._sent = defaultdict(lambda: defaultdict(list))
        self._lines = 0
        self._last: defaultdict[tuple[str, str], int] = defaultdict(int)

    def tap(self, to: str, line: bytes) -> None:
        """Take a line from the wire, before anything has happened to it."""
        if to != "client" or not line.startswith((b"update ", b"reply ", b"changed ")):
            return
        message = parse_message(line)
        value = message.value()[0]
        self._lines += 1
        if isinstance(value, int | float):
            self._sent[message.specifier][value].append(self._lines)

    def was_sent(self, specifier: str, value: float) -> bool:
        return value in self._sent[specifier]

    def newest(self, stream: str, specifier: str) -> int:
        """Return when the last value of a stream was sent."""
        return self._last[stream, specifier]

    def deliver(self, stream: str, specifier: str, value: Any, since: int = 0) -> None:
        """Judge a value.

        :param since: It must not have been sent before this.
        """
        self.counts["values"] += 1
        if not self.was_sent(specifier, value):
            self.violate(f"{stream}: {specifier}: {value!r} was never sent")
            return
        least = max(self._last[stream, specifier], since)
        sent = [line for line in self._sent[specifier][value] if line >= least]
        if sent:
            self._last[stream, specifier] = sent[0]
        else:
            self.violate(f"{stream}: {specifier}: {value!r} is old")

    def report(self, error: BaseException) -> None:
        """Count an error, which must be one of the library."""
        self.counts[type(error).__name__] += 1
        if not isinstance(error, SecopError) or not str(error):
            self.violate(f"this is none of our errors: {error!r}")

    def violate(self, text: str) -> None:
        self.violations.append(text)
