"""One TCP connection to a SEC node: requests out, replies matched, events on."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from secop_ophyd.protocol import (
    REPLIES,
    ConnectionLost,
    Identity,
    InvalidMessage,
    LineBuffer,
    Message,
    NotASecNode,
    SecopError,
    format_message,
    make_error,
    parse_error_report,
    parse_identity,
    parse_message,
    shorten,
)

from ._deadlines import Deadlines
from ._request import Request, request_key
from ._requests import Requests

# What a request waits for, by the action that comes back, and whether it has failed
_ANSWERS = {
    **{reply: (request, False) for request, reply in REPLIES.items()},
    **{f"error_{request}": (request, True) for request in REPLIES},
}
# Who was given so many bytes at once by the event loop may not have got all there are
LARGE_READ = 2**16
MOST_JOINED = 16
"""So many requests go out together: the node begins with them while others are made."""
_CR = ord("\r")
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class Connection(asyncio.Protocol):
    """A connection that is open, from the first byte to the last.

    :param name: The address of the node, for messages.
    :param log: Where messages and oddities go.
    :param on_message: Called in wire order with all that tells about parameters:
        updates, replies, errors; before the request that it answers is settled.
    :param on_update: Called instead with the specifier and the data of an update,
        which nearly all messages are, and when it came, in UNIX seconds; it tells
        whether it could do with them.
    :param on_lost: Called once at the end, with the connection and the reason.
    :param window: How many requests may be unanswered at once.
    :param max_line: The longest line to accept, in bytes.
    :param patience: Returns how many seconds a reply can be late: after that it
        is taken for lost, and what was like the request is sent again.
    """

    def __init__(
        self,
        name: str,
        log: logging.Logger,
        on_message: Callable[[Message], None],
        on_update: Callable[[bytes, bytes, float], bool],
        on_lost: Callable[[Connection, ConnectionLost], None],
        window: int,
        max_line: int,
        patience: Callable[[], float],
    ):
        self._name = name
        self._log = log
        self._on_message = on_message
        self._on_update = on_update
        self._on_lost = on_lost
        self._buffer = LineBuffer(max_line)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._socket: Any = None
        self._identity: asyncio.Future[Identity] | None = None
        self._foreign_line = ""
        self._reason: ConnectionLost | None = None
        self.closed = self._loop.create_future()
        self.last_received = self._loop.time()
        self._large_read_at = 0.0
        self.requests = Requests(
            name,
            Deadlines(self._loop, lambda: self._large_read_at),
            self._send_line,
            window,
            patience,
            lambda: self.last_received,
        )
        # What goes out together with others at the end of this turn of the event loop,
        # None if the next one goes out at once
        self._joined: list[bytes] | None = None

    @property
    def lost(self) -> ConnectionLost | None:
        """Why the connection has ended, None while it has not."""
        return self._reason

    # What is asked

    def identify(self) -> asyncio.Future[Identity]:
        """Ask who is there; other lines before the answer are skipped."""
        self._identity = self._loop.create_future()
        self._send_line(b"*IDN?\n")
        return self._identity

    def request(
        self,
        action: str,
        specifier: str = "",
        *data: Any,
        timeout: float | None,
        urgent: bool = False,
        patient: bool = False,
    ) -> asyncio.Future[Message]:
        """Make a request; the future gets the message of the reply.

        :param action: What to ask for.
        :param specifier: What it is about.
        :param data: At most one JSON value.
        :param timeout: Seconds until the future fails, None for never.
        :param urgent: Send it at once, whatever else is waiting.
        :param patient: Count the time since anything was received, but fail in any
            case after `MOST_PATIENCE` times the timeout.
        :raises ConnectionLost: If there is no connection (from the future).
        :raises RequestTimeout: If there is no reply in time (from the future).
        :raises NodeError: If the node refuses (from the future).
        """
        line = format_message(action, specifier, *data)
        now = self._loop.time()
        future: asyncio.Future[Message] = self._loop.create_future()
        key = request_key(action, specifier)
        request = Request(action, specifier, key, line, future, patient, timeout, now)
        if self._reason or self._transport is None:
            reason = self._reason or f"{self._name}: not connected"
            request.fail(ConnectionLost(f"{reason} (no '{request}')"))
            return future
        self.requests.add(request, urgent)
        return future

    def _send_line(self, line: bytes) -> None:
        if self._transport is None:
            return
        if self._log.isEnabledFor(logging.DEBUG):
            self._log.debug("%s > %s", self._name, _shown(line))
        if self._joined is None:
            # One request alone does not wait; each call of the system takes its time
            self._transport.write(line)
            self._joined = []
            return
        self._joined.append(line)
        if len(self._joined) == 1:
            self._loop.call_soon(self._send_joined)
        elif len(self._joined) == MOST_JOINED:
            self._send_joined()
            self._joined = []

    def _send_joined(self) -> None:
        lines, self._joined = self._joined, None
        if lines and self._transport is not None:
            self._transport.write(b"".join(lines))

    # What the node sends

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._socket = transport.get_extra_info("socket")
        if self._socket is not None:
            # A node that was switched off ends no connection, and may never be asked
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        if _QUICKACK is not None and self._socket is not None:
            # frappy's server sends an update and a reply in two segments; the
            # second one waits 44 ms for an acknowledgement that Linux delays
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        self.last_received = self._loop.time()
        self._joined = self._joined or None  # what is asked for now does not wait
        if len(data) >= LARGE_READ:
            self._large_read_at = self.last_received
        try:
            lines = self._buffer.feed(data)
        except InvalidMessage as error:
            self.abort(ConnectionLost(f"{self._name}: {error}"))
            return
        arrived = time.time()
        is_logged = self._log.isEnabledFor(logging.DEBUG)
        for line in lines:
            if self._reason:
                return
            if is_logged:
                self._log.debug("%s < %s", self._name, _shown(line))
            if line[:7] == b"update ":  # the shortest way for what comes most often
                parts = line.split(b" ", 2)
                if len(parts) == 3 and line[-1] != _CR:
                    if self._on_update(parts[1], parts[2], arrived):
                        continue
            self._line_received(line)

    def _line_received(self, line: bytes) -> None:
        message = parse_message(line)
        if message.action == "update" or message.action == "error_update":
            self._on_message(message)
        elif self._identity and not self._identity.done():
            self._identity_received(line, self._identity)
        elif message.action in _ANSWERS:
            self._answer_received(message)
        elif message.action == "error":
            self._answer_only_request(message)
        elif message.action == "error_closed":  # 2.0: describe again
            self.abort(ConnectionLost(f"{self._name}: the node ended the session"))
        else:
            self._on_message(message)

    def _identity_received(
        self, line: bytes, waiting: asyncio.Future[Identity]
    ) -> None:
        identity = parse_identity(line)
        if identity:
            waiting.set_result(identity)
        elif not self._foreign_line and line.strip():
            self._foreign_line = shorten(line.strip())
            if line.startswith((b"HTTP/", b"SSH-", b"220 ")):
                self.abort(ConnectionLost(f"{self._name}: not a SEC node"))

    def not_a_sec_node(self) -> NotASecNode:
        """Return the error for who answered something else than who it is."""
        return NotASecNode(
            f"{self._name} is not a SEC node: it answered '{self._foreign_line}'"
        )

    def _answer_received(self, message: Message) -> None:
        action, failed = _ANSWERS[message.action]
        key = request_key(action, message.specifier)
        request = self.requests.oldest(key)
        self._on_message(message)
        if request is not None:
            self._settle(request, message, failed)
        elif failed and not self.requests.was_given_up(key):
            self._answer_only_request(message, action)

    def _answer_only_request(self, message: Message, action: str = "") -> None:
        """Attribute an error to the only request that it can be about."""
        request = self.requests.only()
        if request is not None and action in ("", request.action):
            self._settle(request, message, failed=True)
        else:
            self._log.warning(
                "%s: an error that belongs to no request: %s %s %s",
                self._name,
                shorten(message.action),
                shorten(message.specifier),
                shorten(message.data),
            )

    def _settle(self, request: Request, message: Message, failed: bool) -> None:
        if not failed:
            self.requests.settle(request, message)
            return
        where = f"{self._name} {request}"
        try:
            report = parse_error_report(message.value())
            error: SecopError = make_error(report, where)
        except SecopError as unreadable:
            error = type(unreadable)(f"{where}: {unreadable}")
        self.requests.settle(request, error)

    # The end

    def abort(self, reason: ConnectionLost) -> None:
        """End the connection at once; `closed` tells when the socket is gone.

        :param reason: What all pending and later requests fail with.
        """
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()
        else:
            self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reason = reason = self._reason or ConnectionLost(
            f"{self._name}: the connection was lost: {exc or 'the node closed it'}"
        )
        self._transport = self._socket = None
        self.requests.end(reason)
        if self._identity and not self._identity.done():
            foreign = self.not_a_sec_node() if self._foreign_line else reason
            self._identity.set_exception(foreign)
        if not self.closed.done():
            self.closed.set_result(None)
            self._on_lost(self, reason)


def _shown(line: bytes) -> str:
    """Return a line as it is shown in the log."""
    return shorten(line.rstrip(b"\r\n"), 2000)
