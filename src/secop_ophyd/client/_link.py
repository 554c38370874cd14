"""The life of a connection to a node: made, lost, made again, closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from secop_ophyd.protocol import (
    CannotConnect,
    ConnectionLost,
    Identity,
    Message,
    NodeAddress,
    NodeError,
    SecopError,
)

from ._alive import KeepAlive
from ._connection import Connection
from ._listeners import Listeners
from ._options import ClientOptions, ConnectionState

FIRST_RETRY = 0.01
LAST_RETRY = 0.5
RETRY_GROWTH = 1.5
# A node could have another one at each attempt, which must not flood the log
MOST_CAUSES = 10


class LinkUser(Protocol):
    """Who has a link, and is told what comes over it."""

    @property
    def timeout(self) -> float:
        """How long to wait for a reply, in seconds."""
        ...

    def session_started(self) -> None:
        """There is a new connection, whose description is not known yet."""

    async def description_received(self, reply: Message) -> None:
        """The node has described itself.

        :raises SecopError: If that makes no sense.
        """

    def message_received(self, message: Message) -> None:
        """The node has sent something about a parameter, or of its own accord."""

    def update_received(self, specifier: bytes, data: bytes, arrived: float) -> bool:
        """The node has sent an update.

        :param specifier: Of the parameter.
        :param data: The JSON as it came.
        :param arrived: When, in UNIX seconds.
        :return: Whether that was it; otherwise `message_received` is called.
        """
        ...

    def values_lost(self, reason: ConnectionLost) -> None:
        """No value can be known any more, since the connection is lost."""


class Link:
    """Keeps a node connected, described and activated.

    :param address: Where the node is.
    :param options: How to deal with it.
    :param log: Where messages and oddities go.
    :param user: Is told what comes over the link.
    """

    def __init__(
        self,
        address: NodeAddress,
        options: ClientOptions,
        log: logging.Logger,
        user: LinkUser,
    ):
        self._address = address
        self._options = options
        self._log = log
        self._user = user
        self._state = ConnectionState.DISCONNECTED
        self._listeners = Listeners[ConnectionState](log, str(address))
        self._connection: Connection | None = None
        # What is on its way to a connection
        self._attempt: asyncio.Task[None] | None = None
        # Made when there is an event loop
        self._lock: asyncio.Lock | None = None
        self._stage = ""
        self._causes: set[str] = set()
        self._cause = ""
        self.identity = Identity("", "", "")
        self.activated = False

    @property
    def connection(self) -> Connection | None:
        """The connection, None while there is none."""
        return self._connection

    @property
    def state(self) -> ConnectionState:
        """Where the client stands."""
        return self._state

    @property
    def connected(self) -> bool:
        """Whether requests can be made now."""
        return self._connection is not None and self._connection.lost is None

    @property
    def cause(self) -> str:
        """Why the last attempt to come back has failed, empty if none has."""
        return self._cause

    def on_state(
        self, listener: Callable[[ConnectionState], None]
    ) -> Callable[[], None]:
        """Call a function with each new state of the connection.

        :param listener: The function; it must not block.
        :return: A function that ends it.
        """
        return self._listeners.add(listener)

    def _set_state(self, state: ConnectionState) -> None:
        if state is not self._state:
            self._state = state
            self._listeners.tell(state)

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect, read the description and get the values of all parameters.

        Does nothing if the client is connected. After a failure it can be called
        again; there are no attempts in the background before the first success.

        :param timeout: Seconds for all of it.
        :raises CannotConnect: If the node is not there, or not ready in time.
        :raises NotASecNode: If something else answers.
        """
        self._lock = self._lock or asyncio.Lock()
        try:
            async with asyncio.timeout(timeout), self._lock:
                if self._connection is not None and self._connection.lost:
                    await asyncio.shield(self._connection.closed)
                while attempt := self._attempt:
                    # It is on its way already, and goes on when we give up
                    await asyncio.wait({attempt})
                    if attempt.cancelled():
                        raise self._cannot_connect("the client was closed")
                if not self.connected:
                    await self._connect()
        except CannotConnect:
            raise
        except SecopError as error:
            raise self._cannot_connect(str(error)) from None
        except TimeoutError:
            if not self.connected:  # it may have been done at the same moment
                raise self._cannot_connect(self._why_late(timeout)) from None

    def _why_late(self, timeout: float) -> str:
        if self._state is not ConnectionState.RECONNECTING:
            return f"{self._stage} within {timeout:g} s"
        cause = self._cause or self._stage
        return f"not back within {timeout:g} s" + (f": {cause}" if cause else "")

    def _cannot_connect(self, reason: str) -> CannotConnect:
        reason = reason.removeprefix(f"{self._address}: ")
        return CannotConnect(f"cannot connect to SEC node {self._address}: {reason}")

    async def _connect(self) -> None:
        self._set_state(ConnectionState.CONNECTING)
        # A task, since `close` ends it
        self._attempt = attempt = asyncio.ensure_future(self._open())
        try:
            [result] = await asyncio.gather(attempt, return_exceptions=True)
        finally:
            if self._attempt is attempt:
                self._attempt = None
            if self._state is ConnectionState.CONNECTING:
                self._set_state(ConnectionState.DISCONNECTED)
        if isinstance(result, asyncio.CancelledError):
            raise self._cannot_connect("the client was closed")
        if isinstance(result, BaseException):
            raise result

    async def _open(self) -> None:
        """Make a connection, and all that a new connection needs."""
        loop = asyncio.get_running_loop()
        self._user.session_started()
        try:
            async with self._step("no TCP connection"):
                _, connection = await loop.create_connection(
                    lambda: Connection(
                        str(self._address),
                        self._log,
                        self._user.message_received,
                        self._user.update_received,
                        self._lost,
                        self._options.window,
                        self._options.max_line,
                        lambda: self._user.timeout,
                    ),
                    self._address.host,
                    self._address.port,
                )
        except SecopError:
            raise
        except (OSError, UnicodeError) as error:  # the latter is for host names
            raise self._cannot_connect(_reason(error)) from None
        try:
            await self._start_session(connection)
            if connection.lost:
                raise connection.lost
        except BaseException:
            reason = ConnectionLost(f"{self._address}: connecting has failed")
            connection.abort(reason)
            self._user.values_lost(reason)  # part of the values may have come already
            await connection.closed
            raise
        silence = self._options.max_silence or 2 * self._user.timeout
        KeepAlive(connection, str(self._address), silence / 2)
        self._connection = connection
        self._set_state(ConnectionState.CONNECTED)

    @contextlib.asynccontextmanager
    async def _step(self, lacking: str) -> AsyncGenerator[None, None]:
        """Bound the time of a step, and know what is lacking when time is up."""
        self._stage = lacking
        try:
            async with asyncio.timeout(self._user.timeout):
                yield
        except TimeoutError:
            raise self._cannot_connect(
                f"{lacking} within {self._user.timeout:g} s"
            ) from None

    async def _start_session(self, connection: Connection) -> None:
        async with self._step("no answer to *IDN?"):
            self.identity = await connection.identify()
        self._stage = "no complete description"
        reply = await connection.request(
            "describe", timeout=self._user.timeout, patient=True
        )
        await self._user.description_received(reply)
        self._stage = "not all values after activate"
        try:
            await connection.request(
                "activate", timeout=self._user.timeout, patient=True
            )
        except NodeError as error:
            self.activated = False
            self._log.warning("%s: it sends no updates: %s", self._address, error)
        else:
            self.activated = True

    def keep_trying(self) -> None:
        """Go on in the background until there is a connection, as after a loss.

        Does nothing if there is one, or is on its way already.
        """
        on_its_way = self._attempt is not None and not self._attempt.done()
        if self._connection is None and not on_its_way:
            self._set_state(ConnectionState.RECONNECTING)
            self._attempt = asyncio.ensure_future(self._reconnect())

    async def close(self) -> None:
        """End the connection and all attempts to get it back.

        Nothing is left behind: no task, no socket. The client can be connected
        again.
        """
        connection, attempt = self._connection, self._attempt
        self.abort()
        if attempt is not None:
            await asyncio.wait({attempt})
        if connection is not None:
            await asyncio.shield(connection.closed)

    def abort(self) -> None:
        """End the connection at once, without waiting until the socket is gone."""
        self._set_state(ConnectionState.CLOSED)
        self._forget_causes()
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None
        if self._connection is not None:
            self._connection.abort(ConnectionLost(f"{self._address}: disconnected"))

    def _lost(self, connection: Connection, reason: ConnectionLost) -> None:
        if connection is not self._connection:
            return  # it never was of use
        self._connection = None
        self._user.values_lost(reason)
        if self._state is ConnectionState.CLOSED:
            return
        self._log.warning("%s", reason)
        if self._options.reconnect:
            self.keep_trying()
        else:
            self._set_state(ConnectionState.DISCONNECTED)

    async def _reconnect(self) -> None:
        delay = FIRST_RETRY
        while True:
            self._stage = ""
            # Not all clients at once when a node comes back
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * RETRY_GROWTH, LAST_RETRY)
            try:
                await self._open()
            except Exception as error:
                self._failed_again(error)
            else:
                break
        self._attempt = None
        self._forget_causes()
        self._log.info("%s: connected", self._address)

    def _failed_again(self, error: Exception) -> None:
        """Tell why the node is not back: once, not at each attempt."""
        expected = isinstance(error, SecopError)
        cause = str(error) if expected else f"{type(error).__name__}: {error}"
        for known in (str(self._cannot_connect("")), f"{self._address}: "):
            cause = cause.removeprefix(known)
        self._cause = cause
        if cause in self._causes or len(self._causes) >= MOST_CAUSES:
            self._log.debug("%s: not back yet: %s", self._address, cause)
            return
        self._causes.add(cause)
        trace = None if expected else error
        self._log.warning("%s: not back: %s", self._address, cause, exc_info=trace)

    def _forget_causes(self) -> None:
        self._cause = ""
        self._causes.clear()


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return f"no host name: {error}"
    # asyncio hides the reason of the system behind a text of its own
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
