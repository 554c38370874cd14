"""A client of one SEC node."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import math
import time
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

from secop_ophyd.protocol import (
    MISSING,
    BadJSON,
    CommandDescription,
    ConnectionLost,
    Identity,
    InvalidMessage,
    Message,
    ModuleDescription,
    NodeAddress,
    NodeDescription,
    NoSuchCommand,
    NoSuchModule,
    NoSuchParameter,
    NoValueYet,
    Problem,
    ReadOnly,
    SecopError,
    WrongType,
    parse_address,
    parse_data_report,
    shorten,
)

from ._link import Link
from ._listeners import Listeners
from ._options import ClientOptions, ConnectionState
from ._parameter import Parameter, Reading, read_report
from ._parameters import Parameters
from ._poller import Poller


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
        self._problems = Listeners[Problem](self.log, str(self.address))
        self._parameters = Parameters(
            self.address,
            self.log,
            self.options,
            lambda: self._poller.check(),
            self._problems.tell,
        )
        self._link = Link(self.address, self.options, self.log, self._parameters)
        self._poller = Poller(self._parameters, lambda: self.has_to_ask, self._ask)
        self._link.on_state(lambda _: self._poller.check())
        self._pings = 0

    def __repr__(self) -> str:
        return f"SecopClient({str(self.address)!r}, {self.state.value})"

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except asyncio.CancelledError:
            await self.close()  # it may be connected already, and nobody will do it
            raise
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
    def description(self) -> NodeDescription:
        """What the node says about itself, empty before it did."""
        return self._parameters.description

    @property
    def state(self) -> ConnectionState:
        """Where the client stands."""
        return self._link.state

    @property
    def connected(self) -> bool:
        """Whether requests can be made now."""
        return self._link.connected

    @property
    def identity(self) -> Identity:
        """What the node answered to `*IDN?`."""
        return self._link.identity

    @property
    def activated(self) -> bool:
        """Whether the node sends updates; one that does not has to be asked."""
        return self._link.activated

    @property
    def has_to_ask(self) -> bool:
        """Whether it asks for what has listeners, as the node sends no updates."""
        return self.state is ConnectionState.CONNECTED and not self.activated

    @property
    def timeout(self) -> float:
        """How long to wait for a reply, in seconds."""
        return self._parameters.timeout

    def on_state(
        self, listener: Callable[[ConnectionState], None]
    ) -> Callable[[], None]:
        """Call a function with each new state of the connection.

        :param listener: The function; it must not block.
        :return: A function that ends it.
        """
        return self._link.on_state(listener)

    def on_problem(self, listener: Callable[[Problem], None]) -> Callable[[], None]:
        """Call a function with each problem when it arises.

        These are: a parameter goes into an error, or the node describes something
        differently after it was away. That the connection is lost is a state.

        :param listener: The function; it must not block.
        :return: A function that ends it.
        """
        return self._problems.add(listener)

    def expect(self, description: NodeDescription) -> None:
        """Take a saved description until the node describes itself.

        Its parameters are there then, and in the state of a lost connection.

        :param description: What the node is expected to say.
        """
        self._parameters.expect(description)

    def keep_trying(self) -> None:
        """Connect in the background, however long it takes until the node is there.

        As after a loss of connection; `connect` waits for it.
        """
        self._link.keep_trying()

    async def connect(self, timeout: float = 10.0) -> None:
        """Connect, read the description and get the values of all parameters.

        Does nothing if the client is connected. After a failure it can be called
        again; there are no attempts in the background before the first success.

        :param timeout: Seconds for all of it.
        :raises CannotConnect: If the node is not there, or not ready in time.
        :raises NotASecNode: If something else answers.
        """
        await self._link.connect(timeout)

    async def close(self) -> None:
        """End the connection and all attempts to get it back.

        Nothing is left behind: no task, no socket. The client can be connected
        again.
        """
        await self._link.close()

    def abort(self) -> None:
        """End the connection at once, without waiting until the socket is gone."""
        self._link.abort()

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
        connection = self._link.connection
        if connection is None:
            cause = f": {self._link.cause}" if self._link.cause else ""
            raise ConnectionLost(
                f"{self.address}: no connection for '{action} {specifier}' "
                f"({self.state.value}{cause})"
            )
        seconds = self.timeout if timeout is None else timeout
        return connection.request(
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
        return await self._ask(self.parameter(module, parameter), timeout)

    async def _ask(self, target: Parameter, timeout: float | None = None) -> Reading:
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
        if self.connected and (_is_unknown(known.error) or not self.activated):
            return await self.read(module, parameter)
        if self._link.cause and isinstance(known.error, ConnectionLost):
            error = ConnectionLost(f"{known.error}; not back: {self._link.cause}")
            return Reading(None, known.timestamp, error=error)
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
        if (reading := target.reading_of(reply.data)) is not None:
            if reading.error is not None:
                raise reading.error.with_traceback(None)
            return reading
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
        reading = await self.result(module, command, argument, timeout=timeout)
        return None if reading is None else reading.value

    async def result(
        self,
        module: str,
        command: str,
        argument: Any = None,
        *,
        timeout: float | None = None,
    ) -> Reading | None:
        """Execute a command and return its result with the time of it.

        :param module: Name of the module.
        :param command: Name of the command.
        :param argument: A value of the type of its argument; None if it has none.
        :param timeout: Seconds to wait, None for the default of the node.
        :return: A reading with its result; None if it has none.
        :raises SecopError: As `do`.
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
            return read_report(reply.data, description.result, time.time())

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


def _is_unknown(error: SecopError | None) -> bool:
    """Tell whether the node may well have a value."""
    if isinstance(error, BadJSON | InvalidMessage):
        # What it has told could not be read, and it may not tell it again
        return error.report is None
    return isinstance(error, NoValueYet | ConnectionLost)


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
