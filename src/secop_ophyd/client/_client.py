"""A client of one SEC node."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import math
import os
import random
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, NamedTuple, Self

from secop_ophyd.protocol import (
    MAX_LINE,
    MISSING,
    CannotConnect,
    CommandDescription,
    ConnectionLost,
    DescriptionChanged,
    Identity,
    Message,
    ModuleDescription,
    NodeAddress,
    NodeDescription,
    NodeError,
    NoSuchCommand,
    NoSuchModule,
    NoSuchParameter,
    NoValueYet,
    ParameterDescription,
    ReadOnly,
    SecopError,
    WrongType,
    parse_address,
    parse_data_report,
    parse_description,
    shorten,
)

from ._connection import Connection
from ._parameter import Parameter, Reading, read_report

FIRST_RETRY = 0.01
LAST_RETRY = 0.5
RETRY_GROWTH = 1.5


class ConnectionState(Enum):
    """Where a client stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How to deal with a node.

    :param timeout: Seconds to wait for a reply; None takes the node's own property
        `timeout`, 10 s by default.
    :param window: How many requests may be unanswered at once. Microcontrollers
        and PLCs have small buffers: 1 is for them.
    :param max_line: The longest line to accept, in bytes.
    :param reconnect: Whether to come back by itself after a loss of connection.
    """

    timeout: float | None = None
    window: int = 64
    max_line: int = MAX_LINE
    reconnect: bool = True

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"window must be at least 1, not {self.window}")


class Pong(NamedTuple):
    """The answer to a ping.

    :param round_trip: Seconds from the request to the reply.
    :param clock_offset: Seconds that the node's clock is ahead of ours, within
        half a round trip, or None if the node tells no time.
    """

    round_trip: float
    clock_offset: float | None


class SecopClient:
    """A SEC node, ready to be read, changed and listened to.

    It holds one connection, keeps the state of each parameter up to date with the
    node's updates, and comes back by itself when the connection is lost::

        async with SecopClient("localhost:10767") as client:
            reading = await client.read("tc1", "value")
            print(reading.value, reading.timestamp)

    It belongs to the event loop in which it was connected.

    :param uri: Address of the node, e.g. `host:port` or `[::1]:port`.
    :param options: How to deal with the node.
    :param log: Where messages and oddities go.
    """

    def __init__(
        self,
        uri: str | NodeAddress,
        options: ClientOptions | None = None,
        log: logging.Logger | None = None,
    ):
        self.address = uri if isinstance(uri, NodeAddress) else parse_address(uri)
        self.options = options or ClientOptions()
        self.log = log or logging.getLogger(f"{__package__}.{self.address}")
        self.description = NodeDescription()
        self.identity = Identity("", "", "")
        self._state = ConnectionState.DISCONNECTED
        self._parameters: dict[str, Parameter] = {}
        self._connection: Connection | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        # Made when there is an event loop
        self._lock: asyncio.Lock | None = None
        self._stage = ""
        self._described: bytes = b""
        self._state_listeners: dict[object, Callable[[ConnectionState], None]] = {}
        self._pings = 0
        self.activated = False

    def __repr__(self) -> str:
        return f"SecopClient({str(self.address)!r}, {self._state.value})"

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # Connection

    @property
    def state(self) -> ConnectionState:
        """Where the client stands."""
        return self._state

    @property
    def connected(self) -> bool:
        """Whether requests can be made now."""
        return self._connection is not None

    @property
    def timeout(self) -> float:
        """How long to wait for a reply, in seconds."""
        return self.options.timeout or self.description.timeout

    def on_state(
        self, listener: Callable[[ConnectionState], None]
    ) -> Callable[[], None]:
        """Call a function with each new state of the connection.

        :param listener: The function; it must not block.
        :return: A function that ends it.
        """
        key = object()
        self._state_listeners[key] = listener

        def unsubscribe() -> None:
            self._state_listeners.pop(key, None)

        return unsubscribe

    def _set_state(self, state: ConnectionState) -> None:
        if state is self._state:
            return
        self._state = state
        for listener in list(self._state_listeners.values()):
            try:
                listener(state)
            except Exception:
                self.log.exception("%s: a listener failed", self.address)

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect, read the description and get the values of all parameters.

        Does nothing if the client is connected. After a failure it can be called
        again; there are no attempts in the background before the first success.

        :param timeout: Seconds for all of it.
        :raises CannotConnect: If the node is not there, or not ready in time.
        :raises NotASecNode: If something else answers.
        """
        self._lock = self._lock or asyncio.Lock()
        self._stage = "another attempt has not ended"
        try:
            async with asyncio.timeout(timeout), self._lock:
                if self.connected:
                    return
                if self._reconnecting is not None:
                    # It is on its way already, and goes on when we give up
                    self._stage = "not back"
                    await asyncio.wait({self._reconnecting})
                    if self.connected:
                        return
                    raise self._cannot_connect("the client was closed")
                self._set_state(ConnectionState.CONNECTING)
                try:
                    await self._open()
                except BaseException:
                    self._set_state(ConnectionState.DISCONNECTED)
                    raise
        except CannotConnect:
            raise
        except SecopError as error:
            raise self._cannot_connect(str(error)) from None
        except TimeoutError:
            raise self._cannot_connect(f"{self._stage} within {timeout:g} s") from None

    def _cannot_connect(self, reason: str) -> CannotConnect:
        return CannotConnect(f"cannot connect to SEC node {self.address}: {reason}")

    async def _open(self) -> None:
        """Make a connection, and all that a new connection needs."""
        loop = asyncio.get_running_loop()
        try:
            async with self._step("no TCP connection"):
                _, connection = await loop.create_connection(
                    lambda: Connection(
                        str(self.address),
                        self.log,
                        self._message_received,
                        self._lost,
                        self.options.window,
                        self.options.max_line,
                    ),
                    self.address.host,
                    self.address.port,
                )
        except SecopError:
            raise
        except OSError as error:
            raise self._cannot_connect(_reason(error)) from None
        try:
            await self._start_session(connection)
            if connection.lost:
                raise connection.lost
        except BaseException:
            connection.abort(ConnectionLost(f"{self.address}: given up"))
            await connection.closed
            raise
        self._connection = connection
        self._set_state(ConnectionState.CONNECTED)

    @contextlib.asynccontextmanager
    async def _step(self, lacking: str) -> AsyncGenerator[None, None]:
        """Bound the time of a step, and know what is lacking when time is up."""
        self._stage = lacking
        try:
            async with asyncio.timeout(self.timeout):
                yield
        except TimeoutError:
            raise self._cannot_connect(f"{lacking} within {self.timeout:g} s") from None

    async def _start_session(self, connection: Connection) -> None:
        async with self._step("no answer to *IDN?"):
            self.identity = await connection.identify()
        self._stage = "no complete description"
        reply = await connection.request("describe", timeout=self.timeout, patient=True)
        self._take_description(reply)
        self._stage = "not all values after activate"
        try:
            await connection.request("activate", timeout=self.timeout, patient=True)
        except NodeError as error:
            self.activated = False
            self.log.warning("%s: it sends no updates: %s", self.address, error)
        else:
            self.activated = True

    def _take_description(self, reply: Message) -> None:
        if reply.data == self._described:
            return
        description = parse_description(reply.value())
        self._described = reply.data
        self.description = description
        found = {p.specifier: p for p in description.parameters()}
        changed: list[str] = []
        for specifier, known in list(self._parameters.items()):
            new = found.get(specifier)
            if new is not None and _same_data(new, known.description):
                known.description = found.pop(specifier)
                continue
            changed.append(specifier)
            del self._parameters[specifier]
            what = "is gone" if new is None else "is described differently"
            known.invalidate(
                DescriptionChanged(
                    f"{known}: it {what} since the node was reconnected; "
                    "connect the device again with force_reconnect=True"
                )
            )
        if changed:
            self.log.warning(
                "%s: the description of %s has changed",
                self.address,
                shorten(", ".join(changed), 500),
            )
        for specifier, parameter in found.items():
            self._parameters[specifier] = Parameter(
                str(self.address), parameter, self.log
            )

    async def close(self) -> None:
        """End the connection and all attempts to get it back.

        Nothing is left behind: no task, no socket. The client can be connected
        again.
        """
        connection = self._connection
        task = self._reconnecting
        self.abort()
        if task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if connection is not None:
            await asyncio.shield(connection.closed)

    def abort(self) -> None:
        """End the connection at once, without waiting until the socket is gone."""
        self._set_state(ConnectionState.CLOSED)
        if self._reconnecting is not None:
            self._reconnecting.cancel()
            self._reconnecting = None
        if self._connection is not None:
            self._connection.abort(ConnectionLost(f"{self.address}: disconnected"))

    def _lost(self, connection: Connection, reason: ConnectionLost) -> None:
        if connection is not self._connection:
            return  # it never was of use
        self._connection = None
        now = time.time()
        for parameter in self._parameters.values():
            parameter.invalidate(reason, now)
        if self._state is ConnectionState.CLOSED:
            return
        self.log.warning("%s", reason)
        if self.options.reconnect:
            self._set_state(ConnectionState.RECONNECTING)
            self._reconnecting = asyncio.ensure_future(self._reconnect())
        else:
            self._set_state(ConnectionState.DISCONNECTED)

    async def _reconnect(self) -> None:
        delay = FIRST_RETRY
        while True:
            # Not all clients at once when a node comes back
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * RETRY_GROWTH, LAST_RETRY)
            try:
                await self._open()
            except SecopError as error:
                self.log.debug("%s: not back yet: %s", self.address, error)
            except Exception:
                self.log.exception("%s: could not connect again", self.address)
            else:
                break
        self._reconnecting = None
        self.log.info("%s: connected again", self.address)

    # What the node tells

    def _message_received(self, message: Message) -> None:
        match message.action:
            case "update" | "reply" | "changed":
                if parameter := self._find(message.specifier):
                    parameter.update(message.data)
            case "error_update" | "error_read":
                if parameter := self._find(message.specifier):
                    parameter.update_error(message.data)
            case "log":
                self._log_received(message)
            case _:
                pass  # replies that are nobody's parameter, and custom messages

    def _find(self, specifier: str) -> Parameter | None:
        parameter = self._parameters.get(specifier)
        if parameter is None:
            # Further parts are for a future version of the protocol
            module, _, rest = specifier.partition(":")
            name = rest.partition(":")[0]
            parameter = self._parameters.get(f"{module}:{name}")
            if parameter is None:
                self.log.debug("%s: unknown: %s", self.address, shorten(specifier))
        return parameter

    def _log_received(self, message: Message) -> None:
        module, _, level = message.specifier.partition(":")
        with contextlib.suppress(SecopError):
            number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
            text = shorten(str(message.value()), 2000)
            self.log.log(number, "%s %s: %s", self.address, shorten(module), text)

    # What can be asked

    def module(self, name: str) -> ModuleDescription:
        """Return the description of a module.

        :param name: Its SECoP name.
        :raises NoSuchModule: If there is none.
        """
        modules = self.description.modules
        if name not in modules:
            hint = _did_you_mean(name, modules)
            raise NoSuchModule(f"{self.address} has no module {name!r}{hint}")
        return modules[name]

    def parameter(self, module: str, name: str) -> Parameter:
        """Return a parameter: its last reading, and updates for who subscribes.

        :param module: Name of the module.
        :param name: Name of the parameter.
        :raises NoSuchModule: If there is no such module.
        :raises NoSuchParameter: If the module has no such parameter.
        """
        parameter = self._parameters.get(f"{module}:{name}")
        if parameter is None:
            hint = _did_you_mean(name, self.module(module).parameters)
            raise NoSuchParameter(
                f"{self.address} {module} has no parameter {name!r}{hint}"
            )
        return parameter

    def command(self, module: str, name: str) -> CommandDescription:
        """Return the description of a command.

        :param module: Name of the module.
        :param name: Name of the command.
        :raises NoSuchModule: If there is no such module.
        :raises NoSuchCommand: If the module has no such command.
        """
        commands = self.module(module).commands
        if name not in commands:
            hint = _did_you_mean(name, commands)
            raise NoSuchCommand(
                f"{self.address} {module} has no command {name!r}{hint}"
            )
        return commands[name]

    def _request(
        self,
        action: str,
        specifier: str,
        *data: Any,
        timeout: float | None = None,
        urgent: bool = False,
    ) -> asyncio.Future[Message]:
        if self._connection is None:
            raise ConnectionLost(
                f"{self.address}: no connection for '{action} {specifier}' "
                f"({self._state.value})"
            )
        seconds = self.timeout if timeout is None else timeout
        return self._connection.request(
            action,
            specifier,
            *data,
            timeout=None if seconds == math.inf else seconds,
            urgent=urgent,
        )

    async def read(
        self, module: str, parameter: str, *, timeout: float | None = None
    ) -> Reading:
        """Ask the node for the present value of a parameter.

        :param module: Name of the module.
        :param parameter: Name of the parameter.
        :param timeout: Seconds to wait, None for the default of the node.
        :raises NodeError: With the node's own words, if it has no value.
        :raises RequestTimeout: If it does not answer in time.
        :raises ConnectionLost: If there is no connection.
        """
        target = self.parameter(module, parameter)
        if target.description.constant is not MISSING:
            return target.reading  # cannot be read, says the specification
        reply = await self._request(
            "read", target.description.specifier, timeout=timeout
        )
        return self._answer(target, reply)

    async def get(self, module: str, parameter: str) -> Reading:
        """Return the last reading of a parameter, and ask only if there is none.

        :param module: Name of the module.
        :param parameter: Name of the parameter.
        :raises SecopError: As `read`.
        """
        target = self.parameter(module, parameter)
        known = target.reading
        if self._connection and (
            isinstance(known.error, NoValueYet) or not self.activated
        ):
            return await self.read(module, parameter)
        return known

    async def change(
        self, module: str, parameter: str, value: Any, *, timeout: float | None = None
    ) -> Reading:
        """Change a parameter and wait until the node has done it.

        :param module: Name of the module.
        :param parameter: Name of the parameter.
        :param value: A value of its type; checked before it is sent.
        :param timeout: Seconds to wait, None for the default of the node.
        :return: What the node made of it, e.g. rounded.
        :raises WrongType: If the value has another type.
        :raises RangeError: If it is outside the limits.
        :raises ReadOnly: If the parameter cannot be changed.
        :raises NodeError: With the node's own words, if it refuses.
        :raises RequestTimeout: If it does not answer in time.
        :raises ConnectionLost: If there is no connection.
        """
        target = self.parameter(module, parameter)
        description = target.description
        if description.readonly:
            raise ReadOnly(f"{target} is readonly, it was not changed to {value!r}")
        with _located(target):
            data = description.datainfo.to_json(description.datainfo.validate(value))
        reply = await self._request(
            "change", description.specifier, data, timeout=timeout
        )
        return self._answer(target, reply)

    def _answer(self, target: Parameter, reply: Message) -> Reading:
        with _located(target):
            return read_report(reply.data, target.description.datainfo, time.time())

    async def do(
        self,
        module: str,
        command: str,
        argument: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Execute a command and return its result.

        :param module: Name of the module.
        :param command: Name of the command.
        :param argument: A value of the type of its argument; None if it has none.
        :param timeout: Seconds to wait, None for the default of the node.
        :return: A value of the type of its result; None if it has none.
        :raises WrongType: If the argument has another type.
        :raises RangeError: If it is outside the limits.
        :raises NodeError: With the node's own words, if it refuses.
        :raises RequestTimeout: If it does not answer in time.
        :raises ConnectionLost: If there is no connection.
        """
        description = self.command(module, command)
        where = f"{self.address} {description.specifier}"
        data: tuple[Any, ...] = ()
        if description.argument is not None:
            with _located(where):
                data = (description.argument.validate(argument),)
                data = (description.argument.to_json(data[0]),)
        elif argument is not None:
            raise WrongType(f"{where} takes no argument, got {argument!r}")
        reply = await self._request(
            "do",
            description.specifier,
            *data,
            timeout=timeout,
            # It has to reach the node whatever else it has not answered
            urgent=command == "stop",
        )
        if description.result is None:
            return None
        with _located(where):
            return read_report(reply.data, description.result, time.time()).value

    async def ping(self, *, timeout: float | None = None) -> Pong:
        """Ask the node whether it is alive.

        :param timeout: Seconds to wait, None for the default of the node.
        :raises RequestTimeout: If it does not answer in time.
        :raises ConnectionLost: If there is no connection.
        """
        self._pings += 1
        sent, started = time.time(), time.perf_counter()
        reply = await self._request("ping", str(self._pings), timeout=timeout)
        round_trip = time.perf_counter() - started
        node_time = parse_data_report(reply.value()).timestamp
        offset = None if node_time is None else node_time - (sent + round_trip / 2)
        return Pong(round_trip, offset)

    async def logging(self, level: str, module: str = "") -> None:
        """Ask the node to send its log messages, which go to `log`.

        :param level: `debug`, `info`, `error` or `off`.
        :param module: A module, or empty for all.
        :raises NodeError: If the node has no remote logging.
        """
        await self._request("logging", module, level)


def _same_data(new: ParameterDescription, old: ParameterDescription) -> bool:
    return (new.datainfo, new.readonly) == (old.datainfo, old.readonly) and (
        new.constant is old.constant or new.constant == old.constant
    )


def _reason(error: OSError) -> str:
    # asyncio hides the reason of the system behind a text of its own
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    names = list(known)
    if close := difflib.get_close_matches(name, names, 1):
        return f", did you mean {close[0]!r}?"
    return f"; there are {shorten(', '.join(names), 200) or 'none'}"


@contextlib.contextmanager
def _located(where: object) -> Generator[None, None, None]:
    """Let an error of a value tell where it is from."""
    try:
        yield
    except SecopError as error:
        raise type(error)(f"{where}: {error}") from None
