"""One client that is connected."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from secop_ophyd.protocol import InvalidMessage, LineBuffer

NO_LINGER = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """Turns bytes into requests, and can be frozen.

    :param on_made: Is told that it is open.
    :param on_line: Is told each request.
    :param on_lost: Is told that it is closed.
    """

    def __init__(
        self,
        on_made: Callable[[Connection], None],
        on_line: Callable[[Connection, bytes], None],
        on_lost: Callable[[Connection], None],
    ):
        self.active: set[str] = set()
        """The modules whose updates the client gets."""
        self.closed = asyncio.Event()
        self._on_made = on_made
        self._on_line = on_line
        self._on_lost = on_lost
        self._buffer = LineBuffer()
        self._frozen = False
        self._held: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        try:
            lines = self._buffer.feed(data)
        except InvalidMessage:
            self.close()
            return
        for line in lines:
            self._on_line(self, line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.closed.set()
        self._on_lost(self)

    def send(self, data: bytes) -> None:
        """Send bytes, or keep them while frozen; none once it is closed."""
        if self._frozen:
            self._held.append(data)
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def freeze(self) -> None:
        """Read and send nothing from now on."""
        self._frozen = True
        if self._transport is not None:
            self._transport.pause_reading()

    def thaw(self) -> None:
        """Send what was kept, and go on reading."""
        self._frozen = False
        held, self._held = self._held, []
        for data in held:
            self.send(data)
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self, *, reset: bool = False) -> None:
        """Close it after what was sent, or with a TCP reset."""
        if self._transport is None:
            return
        if reset:
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER
            )
            self.abort()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close it at once, even if the client does not read what was sent."""
        if self._transport is not None:
            self._transport.abort()
