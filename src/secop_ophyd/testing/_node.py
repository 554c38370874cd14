"""A SEC node that runs in the event loop of a test."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from secop_ophyd.protocol import NodeAddress, parse_message

from ._answers import Answers
from ._connection import Connection
from ._handlers import Script, matches
from ._listen import listen
from ._model import Clock, ParameterState, Source
from ._scripted import ScriptedNode

IDENTITY = "ISSE&SINE2020,SECoP,V2019-09-16,v1.1"
_LAST_WAIT = 0.5  # s, for clients to read what was sent


class FakeNode(ScriptedNode):
    """A SEC node for tests: correct unless told otherwise.

        async with FakeNode(description) as node:
            client = await connect(node.uri)
            node.set("cryo:value", 4.2)

    It runs in the event loop that starts it and is to be used from there. Nothing
    of it is left once it is stopped. What is said of parameters and requests holds
    whether it runs or not.

    :param description: A structure report, a description made from one, or the
        path of a JSON file that has one.
    :param values: Python values by `module:parameter`.
    :param seed: Draws the other values at random; None gives zero, empty, first.
        Status is idle in any case.
    :param serial: Finish a request before looking at the next one of any client.
    :param identity: The reply to `*IDN?`.
    :param clock: Tells the timestamps; one that returns None is a node without.
    :param host: Where to listen.
    :param port: Where to listen, 0 for any free port.
    """

    def __init__(
        self,
        description: Source,
        *,
        values: Mapping[str, Any] | None = None,
        seed: int | None = None,
        serial: bool = False,
        identity: str = IDENTITY,
        clock: Clock = time.time,
        host: str = "127.0.0.1",
        port: int = 0,
    ):
        super().__init__(description, values or {}, seed, clock)
        self.requests: list[str] = []
        """The lines that were received, in order; may be cleared."""
        self._answers = Answers(self._model, self._moves, self._handlers, identity)
        self._script = Script()
        self._serial = serial
        self._turn: contextlib.AbstractAsyncContextManager[Any]
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._running = False
        self._paused = False
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    # Life

    async def start(self) -> None:
        """Start to listen; on the same port as before if it was stopped."""
        if self._running:
            raise RuntimeError("the node is running")
        # What waits belongs to the loop that runs it
        self._turn = asyncio.Lock() if self._serial else contextlib.nullcontext()
        self._changed = asyncio.Event()
        self._paused = False
        self._running = True
        try:
            await self.listen_again()
        except BaseException:
            self._running = False
            raise

    async def stop(self) -> None:
        """Stop to listen, close all connections, end all moves and handlers."""
        self._running = False
        server = self._server
        self.stop_listening()
        connections = list(self._connections)
        for connection in connections:
            connection.abort()
        for connection in connections:
            await connection.closed.wait()
        # Nothing can add to these any more
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._moves.cancel()
        if server is not None:
            await server.wait_closed()

    async def restart(
        self, description: Source | None = None, values: Mapping[str, Any] | None = None
    ) -> None:
        """Stop and start, as a node that was rebooted, or that got an update.

        :param description: What it is from then on, None for what it was.
        :param values: Python values by `module:parameter`; all others keep theirs if
            their datainfo is the same.
        """
        await self.stop()
        if description is not None or values is not None:
            self.set_description(description or self.description, values)
        await self.start()

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

    # Requests. They are named by how they begin, in whole words: `change` is any
    # change, `change m:target` one of that parameter. The last word said counts

    def reply_raw(self, prefix: str, reply: bytes | None) -> None:
        """Answer some requests with bytes, or not at all, and do nothing else.

        :param prefix: How the requests begin, in whole words.
        :param reply: Sent as it is, so with its line end; None for silence.
        """
        self._script.reply(prefix, reply)

    def delay(self, prefix: str, seconds: float) -> None:
        """Let some requests wait before anything is done about them.

        :param prefix: How the requests begin, in whole words.
        :param seconds: How long.
        """
        self._script.delay(prefix, seconds)

    def forget(self, prefix: str) -> None:
        """Undo `reply_raw` and `delay`, for requests that come from now on.

        :param prefix: As it was given there.
        """
        self._script.forget(prefix)

    async def wait_for_request(self, prefix: str, timeout: float = 5.0) -> str:
        """Wait until there is a request, also one of before, and return its line.

        :param prefix: How it begins, in whole words.
        :param timeout: How long to wait, in seconds.
        :raises TimeoutError: If there is none; it tells those that were.
        """

        def found() -> str | None:
            return next((x for x in self.requests if matches(x, prefix)), None)

        await self._wait_for(lambda: found() is not None, f"no {prefix!r}", timeout)
        return found() or ""

    # Connections

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def wait_for_connections(self, count: int, timeout: float = 5.0) -> None:
        """Wait until so many clients are connected.

        :param count: How many.
        :param timeout: How long to wait, in seconds.
        :raises TimeoutError: If it stays different.
        """
        await self._wait_for(
            lambda: len(self._connections) == count, f"not {count} clients", timeout
        )

    def send_line(self, line: bytes) -> None:
        """Send a line to all clients, activated or not.

        :param line: Anything, its end is added.
        """
        self.send_raw(line + b"\n")

    def send_raw(self, data: bytes) -> None:
        """Send bytes to all clients, e.g. a part of a line.

        :param data: Sent as it is.
        """
        for connection in self._connections:
            connection.send(data)

    def flood(self, line: bytes, times: int) -> None:
        """Send a line to all clients many times, as a node that has gone mad.

        :param line: Anything, its end is added.
        :param times: How often.
        """
        self.send_raw((line + b"\n") * times)

    async def drop_connections(self, *, reset: bool = False) -> None:
        """Close all connections, and wait until they are; it still listens.

        :param reset: Close with a TCP reset, as a node that crashes, and not after
            what was sent.
        """
        connections = list(self._connections)
        for connection in connections:
            connection.close(reset=reset)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WAIT):
                for connection in connections:
                    await connection.closed.wait()
        for connection in connections:
            connection.abort()
            await connection.closed.wait()

    def stop_listening(self) -> None:
        """Refuse new clients; those that are connected stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def listen_again(self) -> None:
        """Accept clients again, on the same port."""
        if self._server is not None:
            return
        self._server = await listen(
            lambda: Connection(self._add, self._receive, self._remove),
            self._host,
            self._port,
        )
        self._port = self._server.sockets[0].getsockname()[1]

    def pause(self) -> None:
        """Freeze: accept clients, but read nothing and send nothing."""
        self._paused = True
        for connection in self._connections:
            connection.freeze()

    def resume(self) -> None:
        """Go on where it was frozen."""
        self._paused = False
        for connection in self._connections:
            connection.thaw()

    # What connections tell

    def _add(self, connection: Connection) -> None:
        if not self._running:
            connection.abort()
            return
        self._connections.add(connection)
        if self._paused:
            connection.freeze()
        self._changed.set()

    def _remove(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._changed.set()

    def _receive(self, connection: Connection, line: bytes) -> None:
        text = line.decode(errors="replace").removesuffix("\r")
        self.requests.append(text)
        self._changed.set()
        delay, canned = self._script.delay_of(text), self._script.replies_to(text)
        task = asyncio.get_running_loop().create_task(
            self._serve(connection, line, delay, canned), name=f"FakeNode: {text[:40]}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(
        self,
        connection: Connection,
        line: bytes,
        delay: float,
        replies: list[bytes | None],
    ) -> None:
        async with self._turn:
            if delay:
                await asyncio.sleep(delay)
            if not replies:
                message = parse_message(line)
                replies = [await self._answers.answer(message, connection.active)]
            for reply in filter(None, replies):
                connection.send(reply)

    def _publish(self, state: ParameterState) -> None:
        update = state.message("update", "error_update")
        for connection in self._connections:
            if state.description.module in connection.active:
                connection.send(update)

    async def _wait_for(
        self, condition: Callable[[], bool], problem: str, timeout: float
    ) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            last = ", ".join(map(repr, self.requests[-10:])) or "none"
            raise TimeoutError(
                f"{problem} within {timeout} s; last requests: {last}"
            ) from None
