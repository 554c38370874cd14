"""Notices when a node is silent for too long: frozen, or behind a pulled cable.

SECoP 1.0 "ping", issue 004: who does not answer a ping in time is not there.
"""

from __future__ import annotations

import asyncio

from secop_ophyd.protocol import ConnectionLost, Message

from ._connection import Connection


class KeepAlive:
    """Ends a connection whose node falls silent.

    When nothing has come for some time, the node is asked with a ping. If nothing
    comes in the same time again, it is gone; but one that works on a request that is
    still in time may be slow with all others.

    :param connection: The connection, with a session.
    :param name: The address of the node, for messages.
    :param interval: The time in seconds.
    """

    def __init__(self, connection: Connection, name: str, interval: float):
        self._connection = connection
        self._name = name
        self._interval = interval
        self._asked_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(interval, self._check)
        connection.closed.add_done_callback(lambda _: self._timer.cancel())

    def _check(self) -> None:
        now, last = self._loop.time(), self._connection.last_received
        if self._asked_at is not None and last > self._asked_at:
            self._asked_at = None
        delay = last + self._interval - now
        if delay <= 0:
            delay = self._interval
            if self._asked_at is None:
                self._asked_at = now
                ping = self._connection.request("ping", "alive", timeout=self._interval)
                ping.add_done_callback(_ignore)
            elif not self._connection.requests.wait_for_more_than("ping"):
                self._connection.abort(
                    ConnectionLost(
                        f"{self._name}: the node is silent for {now - last:.3g} s, "
                        "it does not even answer a ping"
                    )
                )
                return
        self._timer = self._loop.call_later(delay, self._check)


def _ignore(future: asyncio.Future[Message]) -> None:
    """Take the outcome of a request that only is to be answered."""
    if not future.cancelled():
        future.exception()
