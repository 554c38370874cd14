"""One direction of a connection through the proxy."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import cast

from secop_ophyd.protocol import InvalidMessage, LineBuffer, parse_message

from ._connection import NO_LINGER
from ._faults import Direction, Faults, Passage

_MOST_WAITING = 20_000  # lines; whoever sends more has to wait
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_OVERTAKEN_FOR = 0.05  # s; after that a line goes on, even if none has overtaken it


class End(asyncio.Protocol):
    """The end of a connection, at the client or at the node.

    :param on_data: Is told what is received; an empty one is the last.
    """

    def __init__(self, on_data: Callable[[bytes], None]):
        self.closed = asyncio.Event()
        self.writable = asyncio.Event()
        self._on_data = on_data
        self._transport: asyncio.Transport | None = None
        self._is_wanted = True
        self.is_made = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_made = True
        self.writable.set()
        if not self._is_wanted:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if _QUICKACK is not None and self._transport is not None:
            # Or frappy's server takes 44 ms for an answer, see the client
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        self._on_data(data)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.writable.set()
        self.closed.set()
        self._on_data(b"")

    def write(self, data: bytes) -> None:
        """Send bytes; none once it is closed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def wait(self, is_full: bool) -> None:
        """Receive nothing while whoever gets it has enough."""
        if self._transport is None:
            return
        if is_full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close it after what was sent."""
        self._is_wanted = False
        if self._transport is not None:
            self._transport.close()

    def abort(self, *, reset: bool = False) -> None:
        """Close it at once.

        :param reset: Whether with a TCP reset.
        """
        self._is_wanted = False
        if self._transport is None:
            return
        if reset:
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER
            )
        self._transport.abort()


class Lane:
    """Passes lines on, in order and in time, and does what the faults say.

    :param to: Who they are for.
    :param faults: What happens to them.
    :param going: Is set while anything goes through.
    :param on_line: Is told each line as it has come.
    :param on_full: Is told whether more than enough is waiting.
    :param on_cut: Is told that the connection is to end in the middle of a line.
    """

    def __init__(
        self,
        to: Direction,
        faults: Faults,
        going: asyncio.Event,
        on_line: Callable[[Direction, bytes], None],
        on_full: Callable[[bool], None],
        on_cut: Callable[[], None],
    ):
        self._to: Direction = to
        self._faults = faults
        self._going = going
        self._on_line = on_line
        self._on_full = on_full
        self._on_cut = on_cut
        self._buffer = LineBuffer()
        self._waiting: deque[tuple[float, Passage | None]] = deque()
        self._overtaken: tuple[str, Passage] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._new = asyncio.Event()
        self._is_full = False
        self._loop = asyncio.get_running_loop()

    def feed(self, data: bytes) -> None:
        """Take what was received; an empty one is the end."""
        if not data:
            self._let_go()
            self._put(None)
            return
        try:
            lines = self._buffer.feed(data)
        except InvalidMessage:  # a line without end
            self._on_cut()
            return
        for line in lines:
            self._on_line(self._to, line)
            self._receive(line)
        self._check_full()

    def insert(self, data: bytes) -> None:
        """Pass on what nobody has sent."""
        self._put(Passage(data))

    def _receive(self, line: bytes) -> None:
        passage = self._faults.apply(line, self._to)
        about = parse_message(line).specifier if passage.late or self._overtaken else ""
        if self._overtaken is not None and self._overtaken[0] == about:
            self._let_go()  # what is about one thing stays in order
        if passage.late and self._overtaken is None:
            self._overtaken = about, passage
            self._timer = self._loop.call_later(_OVERTAKEN_FOR, self._let_go)
            return
        for _ in range(passage.copies):
            self._put(passage)
        self._let_go()

    def _let_go(self) -> None:
        """Pass on what was overtaken."""
        if self._timer is not None:
            self._timer.cancel()
        overtaken, self._overtaken, self._timer = self._overtaken, None, None
        if overtaken is not None:
            for _ in range(overtaken[1].copies):
                self._put(overtaken[1])

    def _put(self, passage: Passage | None) -> None:
        due = self._loop.time() + passage.seconds if passage else 0.0
        self._waiting.append((due, passage))
        self._new.set()

    def _check_full(self) -> None:
        is_full = len(self._waiting) > _MOST_WAITING
        if is_full is not self._is_full:
            self._is_full = is_full
            self._on_full(is_full)

    async def run(self, sink: End) -> None:
        """Pass everything on, until the end."""
        while True:
            while not self._waiting:
                self._new.clear()
                await self._new.wait()
            due, _ = self._waiting[0]
            if (seconds := due - self._loop.time()) > 0:
                await asyncio.sleep(seconds)
            await self._going.wait()
            _, passage = self._waiting.popleft()
            if passage is None:
                sink.close()
                return
            await self._send(sink, passage)
            self._check_full()

    async def _send(self, sink: End, passage: Passage) -> None:
        if passage.pieces:
            for start in range(0, len(passage.data), passage.pieces):
                sink.write(passage.data[start : start + passage.pieces])
                await asyncio.sleep(passage.pause)
                await self._going.wait()
        else:
            sink.write(self._batch(passage))
        if passage.cut:
            self._on_cut()
        await sink.writable.wait()

    def _batch(self, passage: Passage) -> bytes:
        """Return a passage with the plain ones that follow, to be sent at once."""
        if passage.cut:
            return passage.data
        batch, now = [passage.data], self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            following = self._waiting[0][1]
            if following is None or following.pieces or following.cut:
                break
            batch.append(following.data)
            self._waiting.popleft()
        return b"".join(batch)

    def end(self) -> None:
        """Forget what waits for its time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
