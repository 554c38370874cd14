"""A proxy between clients and a node that does to connections what happens to them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from types import TracebackType
from typing import Self

from secop_ophyd.protocol import NodeAddress

from ._faults import Direction, Faults, LineFault
from ._listen import listen
from ._pair import Closing, Pair


class ChaosProxy:
    """Stands between clients and a node, and lets go wrong what can go wrong.

        async with ChaosProxy(node.uri, seed=1) as proxy:
            client = SecopClient(proxy.uri)
            await client.connect()
            proxy.delay(0.1, "update")
            await proxy.cut()

    What happens to lines holds for those that come from then on, on all connections,
    until `heal`. Such lines are named by how they begin, in whole words: `update` is
    any update, `update m:value` one of that parameter, and nothing means all lines.
    All that is said of one line happens to it, and lines about one thing stay in
    order. It runs in the event loop that starts it and is to be used from there.

    :param target: Address of the node; may be changed for new connections.
    :param seed: Draws what is drawn at random.
    :param host: Where to listen.
    :param port: Where to listen, 0 for any free port.
    :param on_line: Is told who each line is for, and the line without its end, as it
        has come, before anything happens to it.
    """

    def __init__(
        self,
        target: str,
        *,
        seed: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        on_line: Callable[[Direction, bytes], None] = lambda to, line: None,
    ):
        self.target = target
        self._faults = Faults(Random(seed))
        self._host = host
        self._port = port
        self._on_line = on_line
        self._server: asyncio.Server | None = None
        self._closes_at_once = False
        self._going = asyncio.Event()
        self._pairs: set[Pair] = set()

    # Life

    async def start(self) -> None:
        """Start to listen; on the same port as before if it was stopped."""
        self._going = asyncio.Event()
        self._going.set()
        self._closes_at_once = False
        await self._listen()

    async def stop(self) -> None:
        """Stop to listen, and end all connections; nothing of it is left."""
        self._stop_listening()
        pairs = list(self._pairs)
        for pair in pairs:
            pair.abort()
        for pair in pairs:
            await pair.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The TCP port, 0 if it never was started."""
        return self._port

    @property
    def uri(self) -> str:
        """Where it is, as `host:port`."""
        return str(NodeAddress(self._host, self._port))

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._pairs)

    @property
    def counts(self) -> Counter[str]:
        """How often each kind of fault has happened."""
        return self._faults.counts

    # Faults of connections

    async def cut(self, *, reset: bool = False) -> None:
        """End all connections at once, what is on its way included.

        :param reset: End them with a TCP reset, as firewalls do.
        """
        pairs = list(self._pairs)
        self.counts["cut"] += len(pairs)
        for pair in pairs:
            pair.abort(reset=reset)
        for pair in pairs:
            await pair.wait_closed()

    def freeze(self) -> None:
        """Let nothing through, nor the end of a connection, but accept clients."""
        self.counts["freeze"] += 1
        self._going.clear()

    def thaw(self) -> None:
        """Let through what was held, and all that follows."""
        self._going.set()

    def refuse(self) -> None:
        """Refuse new clients; those that are connected stay."""
        self.counts["refuse"] += 1
        self._stop_listening()

    def accept_and_close(self) -> None:
        """Accept new clients and close their connections at once."""
        self._closes_at_once = True

    async def accept(self) -> None:
        """Accept new clients again."""
        self._closes_at_once = False
        await self._listen()

    async def heal(self) -> None:
        """Undo all faults, those of lines included."""
        self._faults.lines.clear()
        self.thaw()
        await self.accept()

    # Faults of lines

    def delay(
        self,
        seconds: float,
        prefix: str = "",
        *,
        to: Direction = "client",
        share: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let lines, and those behind them, come later.

        :param seconds: By how much.
        :param prefix: How the lines begin.
        :param to: Who they are for.
        :param share: Which part of them, drawn at random.
        :param times: How often at most, None for always.
        """
        self._add("delay", prefix, to, share, times, seconds=seconds)

    def drip(
        self,
        size: int,
        seconds: float,
        prefix: str = "",
        *,
        to: Direction = "client",
        share: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let lines come in small pieces, as from a slow serial line.

        :param size: Bytes of a piece.
        :param seconds: The time between them.
        :param prefix: How the lines begin.
        :param to: Who they are for.
        :param share: Which part of them, drawn at random.
        :param times: How often at most, None for always.
        """
        self._add("drip", prefix, to, share, times, seconds=seconds, size=size)

    def reorder(
        self,
        prefix: str = "",
        *,
        to: Direction = "client",
        share: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let lines be overtaken by the next one that is about something else.

        :param prefix: How the lines begin.
        :param to: Who they are for.
        :param share: Which part of them, drawn at random.
        :param times: How often at most, None for always.
        """
        self._add("reorder", prefix, to, share, times)

    def duplicate(
        self,
        prefix: str = "",
        *,
        to: Direction = "client",
        share: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let lines come twice.

        :param prefix: How the lines begin.
        :param to: Who they are for.
        :param share: Which part of them, drawn at random.
        :param times: How often at most, None for always.
        """
        self._add("duplicate", prefix, to, share, times)

    def truncate(
        self,
        prefix: str = "",
        *,
        to: Direction = "client",
        share: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let lines lack their last part, so that they are no valid messages.

        What they are about is left, if they have data.

        :param prefix: How the lines begin.
        :param to: Who they are for.
        :param share: Which part of them, drawn at random.
        :param times: How often at most, None for always.
        """
        self._add("truncate", prefix, to, share, times)

    def corrupt(
        self,
        prefix: str = "",
        *,
        to: Direction = "client",
        share: float = 1.0,
        times: int | None = None,
    ) -> None:
        """Let a byte of lines be wrong, so that they are no valid messages.

        What they are about is left, if they have data.

        :param prefix: How the lines begin.
        :param to: Who they are for.
        :param share: Which part of them, drawn at random.
        :param times: How often at most, None for always.
        """
        self._add("corrupt", prefix, to, share, times)

    def cut_in(
        self,
        prefix: str = "",
        *,
        to: Direction = "client",
        share: float = 1.0,
        times: int | None = 1,
    ) -> None:
        """End the connection in the middle of a line.

        :param prefix: How the line begins.
        :param to: Who it is for.
        :param share: Which part of such lines, drawn at random.
        :param times: How often at most, None for always.
        """
        self._add("cut in a line", prefix, to, share, times)

    def flood(self, line: bytes, times: int, *, to: Direction = "client") -> None:
        """Send a line many times over all connections, though nobody has sent it.

        :param line: Anything, its end is added.
        :param times: How often.
        :param to: Who gets it.
        """
        self.counts["flood"] += 1
        for pair in self._pairs:
            pair.lanes[to].insert((line + b"\n") * times)

    def _add(
        self,
        kind: str,
        prefix: str,
        to: Direction,
        share: float,
        times: int | None,
        seconds: float = 0.0,
        size: int = 0,
    ) -> None:
        fault = LineFault(kind, to, prefix, share, times, seconds, size)
        self._faults.lines.append(fault)

    # Connections

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await listen(self._accept, self._host, self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self) -> asyncio.Protocol:
        if self._closes_at_once:
            self.counts["accept and close"] += 1
            return Closing()
        pair = Pair(self._faults, self._going, self._on_line, self._pairs.discard)
        self._pairs.add(pair)
        pair.start(self.target)
        return pair.client
