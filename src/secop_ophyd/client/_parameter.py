"""The state of one parameter: its last reading, and who wants to hear of new ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from secop_ophyd.protocol import (
    MISSING,
    ConnectionLost,
    DataInfo,
    DataReport,
    DescriptionChanged,
    InvalidMessage,
    NoValueYet,
    ParameterDescription,
    Problem,
    SecopError,
    decode,
    decode_report,
    make_error,
    parse_data_report,
    parse_error_report,
)

# Nothing is wrong, or the client says it once for all parameters
_QUIET = (NoValueYet, ConnectionLost, DescriptionChanged)


class Reading(msgspec.Struct, eq=False):
    """What is known of a parameter: a value, or why there is none.

    :param value: The value in the Python form of its datainfo.
    :param timestamp: The node's time of it in UNIX seconds; the time of its arrival
        if the node tells none.
    :param uncertainty: The node's qualifier `e`, in the unit of the value, or None.
    :param error: Why there is no value: the node's error, or that there is no
        connection.
    :param has_node_time: Whether the timestamp is the node's.
    """

    _value: Any
    timestamp: float
    uncertainty: float | None = None
    error: SecopError | None = None
    has_node_time: bool = False

    @property
    def value(self) -> Any:
        """The value.

        :raises SecopError: If there is none.
        """
        if self.error is not None:
            # Without the traceback of earlier times, which would only grow
            raise self.error.with_traceback(None)
        return self._value

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Reading(error={self.error!r}, timestamp={self.timestamp})"
        return f"Reading({self._value!r}, timestamp={self.timestamp})"


_UNSEEN = Reading(None, 0.0)
"""Stands for a value that nobody has looked at."""
_NO_VALUE = NoValueYet("the node has not told a value yet")
_UNTOLD = Reading(None, 0.0, error=_NO_VALUE)
"""Stands for a parameter without value that nobody has looked at."""

Listener = Callable[[Reading], None]
"""Is called in the event loop, in wire order, with each new reading."""


def read_report(data: bytes, info: DataInfo, arrived: float) -> Reading:
    """Make a reading of the data of an `update`, `reply` or `changed`.

    :param data: The JSON as it came.
    :param info: The type of the value.
    :param arrived: UNIX seconds, for nodes that send no timestamp.
    :raises SecopError: If the data is not JSON, no data report or no such value.
    """
    return make_reading(decode_report(data), info, arrived)


def make_reading(report: DataReport, info: DataInfo, arrived: float) -> Reading:
    """Make a reading of a data report.

    :param report: The data report.
    :param info: The type of the value.
    :param arrived: UNIX seconds, for nodes that send no timestamp.
    :raises SecopError: If there is no such value.
    """
    return Reading(
        info.from_json(report.value),
        arrived if report.timestamp is None else report.timestamp,
        report.uncertainty,
        has_node_time=report.timestamp is not None,
    )


class Parameter:
    """A parameter of a node, as far as the node told about it.

    :param node: Address of the node, for messages.
    :param description: What the node says about it.
    :param log: Where oddities go.
    :param on_listening: Called when the first listener came or the last one went.
    :param on_problem: Called when it goes into an error.
    """

    __slots__ = (
        "description",
        "_node",
        "_log",
        "_on_listening",
        "_on_problem",
        "_reading",
        "_raw",
        "_arrived",
        "_is_decoded",
        "_is_odd",
        "_listeners",
        "__weakref__",
    )

    def __init__(
        self,
        node: str,
        description: ParameterDescription,
        log: logging.Logger,
        on_listening: Callable[[], None] = lambda: None,
        on_problem: Callable[[Problem], None] = lambda _: None,
    ):
        self.description = description
        self._node = node
        self._log = log
        self._on_listening = on_listening
        self._on_problem = on_problem
        self._listeners: dict[object, Listener] = {}
        # The last update, decoded when someone wants to know: most are never looked at
        self._raw: bytes | None = None
        self._arrived = time.time()
        self._is_decoded = True
        # Whether it was said that the node sends what it does not describe
        self._is_odd = False
        self._reading = self._first_reading()

    def _first_reading(self) -> Reading:
        if self.description.constant is not MISSING:
            return Reading(self.description.constant, self._arrived)
        return _UNTOLD

    def _known(self) -> Reading:
        if self._reading is _UNTOLD:
            return Reading(None, self._arrived, error=self._located(_NO_VALUE))
        return self._reading

    def __str__(self) -> str:
        return f"{self._node} {self.description.specifier}"

    @property
    def reading(self) -> Reading:
        """The last that is known of it."""
        if not self._is_decoded and self._raw is not None:
            self._is_decoded = True
            self._change_to(self._decode(self._raw, self._arrived))
        if self._reading is _UNTOLD:
            self._reading = self._known()
        return self._reading

    def peek(self) -> Reading:
        """Return the last that is known of it, from any thread, and change nothing.

        `reading` is for the event loop only: it keeps what it decodes, and would
        put an old value over one that comes meanwhile.
        """
        raw, arrived = self._raw, self._arrived
        if self._is_decoded or raw is None:
            return self._known()
        try:
            return read_report(raw, self.description.datainfo, arrived)
        except Exception as error:
            text = f"cannot be read: {type(error).__name__}: {error}"
            return Reading(None, arrived, error=InvalidMessage(text))

    def reading_of(self, data: bytes) -> Reading | None:
        """Return the last reading if it has come with some data, else None.

        :param data: The JSON as it came.
        """
        return self.reading if self._raw is data else None

    @property
    def listeners(self) -> int:
        """How many listeners there are."""
        return len(self._listeners)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a function with each new reading from now on.

        An exception that it raises is logged, and nothing else happens.

        :param listener: The function; it must not block.
        :return: A function that ends it.
        """
        key = object()
        self._listeners[key] = listener
        if len(self._listeners) == 1:
            self._on_listening()

        def unsubscribe() -> None:
            if self._listeners.pop(key, None) and not self._listeners:
                self._on_listening()

        return unsubscribe

    def answer(self, data: bytes) -> None:
        """Take the data of a `reply` or `changed`, which we asked for.

        Nodes send an update before such an answer, and listeners are not told the
        same reading twice.

        :param data: The JSON as it came.
        """
        if self._listeners and data == self._raw and self.reading.has_node_time:
            self._raw = data
        else:
            self.update(data, time.time())

    def update(self, data: bytes, arrived: float) -> None:
        """Take the data of an `update`.

        :param data: The JSON as it came.
        :param arrived: When, in UNIX seconds.
        """
        self._raw, self._arrived, self._is_decoded = data, arrived, False
        if self._listeners:
            self._notify(self.reading)

    def update_error(self, data: bytes) -> None:
        """Take the data of an `error_update` or `error_read`."""
        timestamp = None
        try:
            report = parse_error_report(decode(data))
            timestamp = parse_data_report([None, report.info]).timestamp
            error: SecopError = make_error(report, str(self))
        except SecopError as unreadable:
            error = self._located(unreadable)
        self.invalidate(error, timestamp)

    def invalidate(self, error: SecopError, timestamp: float | None = None) -> None:
        """Put it into a state without value.

        :param error: What everyone gets who wants to have a value.
        :param timestamp: Since when, in UNIX seconds.
        """
        if self.description.constant is not MISSING:
            if not isinstance(error, DescriptionChanged):
                return
        if self._is_decoded and isinstance(error, ConnectionLost):
            if isinstance(self._reading.error, ConnectionLost):
                return  # everyone was told, and each attempt to reconnect says it
        if not self._is_decoded:
            self._reading = _UNSEEN
        self._raw, self._is_decoded = None, True
        now = time.time() if timestamp is None else timestamp
        self._change_to(Reading(None, now, error=error))
        if self._listeners:
            self._notify(self._reading)

    def begin_anew(self, description: ParameterDescription) -> None:
        """Forget what became of it: the node describes it again as it did before.

        :param description: What the node says about it.
        """
        self.description = description
        self._raw, self._arrived, self._is_decoded = None, time.time(), True
        self._reading = self._first_reading()
        if self._listeners and self._reading.error is None:
            self._notify(self._reading)

    def _decode(self, data: bytes, arrived: float) -> Reading:
        try:
            report = decode_report(data)
            reading = make_reading(report, self.description.datainfo, arrived)
            self._warn_if_odd(report.value)
            return reading
        except SecopError as error:
            return Reading(None, arrived, error=self._located(error))
        except Exception as error:
            # Whatever a node found to send, it must not cost more than a parameter
            self._log.exception("%s: cannot be read", self)
            text = f"cannot be read: {type(error).__name__}: {error}"
            return Reading(None, arrived, error=self._located(InvalidMessage(text)))

    def _warn_if_odd(self, data: Any) -> None:
        if self._is_odd or not (oddity := self.description.datainfo.oddity(data)):
            return
        self._is_odd = True  # a value at its limit must not flood the log
        self._log.warning("%s: is not as the node describes it: %s", self, oddity)

    def _located(self, error: SecopError) -> SecopError:
        return type(error)(f"{self}: {error}")

    def _change_to(self, reading: Reading) -> None:
        before, self._reading = self._reading, reading
        # One line for each transition, a broken sensor must not flood the log
        if reading.error is None:
            if before.error is not None and not isinstance(before.error, _QUIET):
                self._log.info("%s: has a value again", self)
        elif type(reading.error) is not type(before.error):
            if not isinstance(reading.error, _QUIET):
                self._log.warning("%s", reading.error)
                text = str(reading.error).removeprefix(f"{self}: ")
                where = self.description.module, self.description.name
                self._on_problem(Problem(*where, text))

    def _notify(self, reading: Reading) -> None:
        for key, listener in list(self._listeners.items()):
            if key not in self._listeners:  # another one has unsubscribed it
                continue
            try:
                listener(reading)
            except Exception:
                self._log.exception("%s: a listener failed", self)
