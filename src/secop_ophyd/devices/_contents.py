"""What a device contributes to documents: columns, configuration and hints."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from typing import Any, NamedTuple

from bluesky.protocols import HasHints, HasName, Hints, Reading
from event_model import DataKey
from ophyd_async.core import (
    AsyncConfigurable,
    AsyncReadable,
    NotConnectedError,
    SignalR,
    StandardReadableFormat,
)

from secop_ophyd.protocol import ConnectionLost, RequestTimeout, SecopError

from ._backend import SecopSignalBackend
from ._columns import (
    Column,
    column_key,
    describe_error,
    is_clipped,
    to_json_text,
)
from ._reading import SignalReading

_Format = StandardReadableFormat
HINTED = (_Format.HINTED_SIGNAL, _Format.HINTED_UNCACHED_SIGNAL)
READ = (*HINTED, _Format.UNCACHED_SIGNAL)
CONFIG_ERRORS = "config_errors"
"""Data key for what is left out of a configuration, and why."""
CONFIG_EXACT = "config_exact"
"""Data key for the exact numbers that an archive of JSON does not hold."""


class Unreadable(NamedTuple):
    """Something that has no value.

    :param name: Name of the signal.
    :param reason: Why.
    """

    name: str
    reason: str


@dataclass(slots=True)
class Item:
    """A signal and how it is contributed.

    :param signal: The signal.
    :param backend: Its backend, which knows the columns.
    :param format: Where it belongs.
    :param with_error: Whether its uncertainty is contributed as well.
    :param errors_as_nan: Whether it is NaN while it is in error, if it is a float.
    :param keys: Its data keys, one for each column.
    :param error_key: The data key of its uncertainty, empty if there is none.
    """

    signal: SignalR[Any]
    backend: SecopSignalBackend
    format: StandardReadableFormat
    with_error: bool = False
    errors_as_nan: bool = False
    keys: tuple[str, ...] = ()
    error_key: str = ""

    @property
    def columns(self) -> list[Column] | None:
        """The columns of its value; None if it is one itself."""
        return self.backend.origin.columns

    def spread(self, reading: Reading[Any]) -> dict[str, Reading[Any]]:
        """Return a reading of the signal as readings of its data keys.

        :raises SecopError: If it has no value.
        """
        value, columns = self._value(reading), self.columns
        if columns is None and not self.error_key:  # as nearly all
            return {self.keys[0]: {**reading, "value": value}}
        values = [value] if columns is None else [c.take(value) for c in columns]
        found = dict(zip(self.keys, values, strict=True))
        if self.error_key:
            uncertainty = reading.get("uncertainty")
            found[self.error_key] = math.nan if uncertainty is None else uncertainty
        return {key: {**reading, "value": value} for key, value in found.items()}  # type: ignore[misc]

    def _value(self, reading: Reading[Any]) -> Any:
        try:
            return reading["value"]
        except SecopError as error:
            if not self._becomes_nan(error):
                raise
            return math.nan

    def _becomes_nan(self, error: SecopError) -> bool:
        if not self.errors_as_nan or self.backend.datatype is not float:
            return False
        return not isinstance(error, ConnectionLost)

    @property
    def is_mock(self) -> bool:
        """Whether its values are not those of the node."""
        return self.signal.source.startswith("mock+")

    async def read(self) -> dict[str, Reading[Any]]:
        reading: Any
        try:
            if self.is_mock:
                (reading,) = (await self.signal.read()).values()
            else:
                reading = await self.backend.origin.get()
        except SecopError as error:
            if not self._becomes_nan(error):
                raise
            failed_at = self.backend.origin.failed_at
            reading = SignalReading.without_value(error, failed_at)
        return self.spread(reading)

    async def describe(self) -> dict[str, DataKey]:
        origin = self.backend.origin
        if self.columns is None:
            found = await self.signal.describe()
            if self.is_mock:
                # A mock does not know the limits, and takes a shape for fixed
                known = _chosen(found[self.signal.name])
                found[self.signal.name] = {**origin.datakey(), **known}  # type: ignore[typeddict-item]
        else:
            found = dict(zip(self.keys, origin.column_datakeys(), strict=True))
        if self.error_key:
            found[self.error_key] = describe_error(origin.info, origin.uri)
        return found


class Contents(AsyncReadable, AsyncConfigurable, HasHints):
    """Reads and describes the signals of a device in one pass.

    :param device: The device, or what has its name.
    :param is_module: Whether errors of configuration are collected in a data key.
    """

    def __init__(self, device: HasName, is_module: bool):
        self._device = device
        self._is_module = is_module
        self._items: list[Item] = []
        self._names: list[str] = []

    @classmethod
    def of(cls, device: HasName, items: list[Item]) -> Contents:
        """Return contents that are parts of those of others, with the same data keys.

        :param device: What has the name.
        :param items: The parts.
        """
        contents = cls(device, is_module=False)
        contents._items = items
        contents._names = [item.signal.name for item in items]
        return contents

    @property
    def name(self) -> str:
        return self._device.name

    @property
    def items(self) -> list[Item]:
        """The signals, with the data keys that their present names give them."""
        names = [item.signal.name for item in self._items]
        if names != self._names:
            self._names = names
            _give_keys(self._items)
        return self._items

    @items.setter
    def items(self, items: list[Item]) -> None:
        self._items, self._names = items, []

    @property
    def _read_items(self) -> Sequence[Item]:
        return [item for item in self.items if item.format in READ]

    @property
    def _config_items(self) -> Sequence[Item]:
        return [i for i in self.items if i.format is _Format.CONFIG_SIGNAL]

    async def read(self) -> dict[str, Reading[Any]]:
        readings: dict[str, Reading[Any]] = {}
        for item in self._read_items:
            readings |= await item.read()
        return readings

    async def find_unreadable(self) -> Unreadable | None:
        """Return what a reading would fail of, None if it would not.

        A node that is not there, or does not answer, is none of its errors.
        """
        for item in self._read_items:
            try:
                await item.read()
            except (ConnectionLost, RequestTimeout, NotConnectedError):
                return None
            except Exception as error:  # as odd as it may be, it costs this module only
                return Unreadable(item.signal.name, _reason(error))
        return None

    async def describe(self) -> dict[str, DataKey]:
        datakeys: dict[str, DataKey] = {}
        for item in self._read_items:
            datakeys |= await item.describe()
        return datakeys

    async def read_configuration(self) -> dict[str, Reading[Any]]:
        readings: dict[str, Reading[Any]] = {}
        errors: dict[str, str] = {}
        for item in self._config_items:
            try:
                await item.describe()  # what cannot be described is left out there
                readings |= await item.read()
            except Exception as error:
                # One odd parameter must not cost the run
                errors[item.signal.name] = _reason(error)
        values = {key: reading["value"] for key, reading in readings.items()}
        clipped = {key: value for key, value in values.items() if is_clipped(value)}
        texts = {CONFIG_EXACT: to_json_text(clipped), CONFIG_ERRORS: json.dumps(errors)}
        for name in self._texts:
            reading: Reading[Any] = {"value": texts[name], "timestamp": time.time()}
            readings[f"{self.name}-{name}"] = reading
        return readings

    async def describe_configuration(self) -> dict[str, DataKey]:
        datakeys: dict[str, DataKey] = {}
        for item in self._config_items:
            with contextlib.suppress(Exception):  # `read_configuration` says why
                datakeys |= await item.describe()
        for name in self._texts:
            datakey = DataKey(source="secop-ophyd", dtype="string", shape=[])
            datakeys[f"{self.name}-{name}"] = datakey
        return datakeys

    @property
    def _texts(self) -> tuple[str, ...]:
        """What a configuration has besides the parameters and properties."""
        if not self.items:
            return ()
        return (CONFIG_EXACT, CONFIG_ERRORS) if self._is_module else (CONFIG_EXACT,)

    @property
    def hints(self) -> Hints:
        fields: list[str] = []
        for item in self._read_items:
            if item.format in HINTED and item.signal.name:
                fields.extend(item.keys)
        return {"fields": fields}

    def subscribe(
        self, function: Callable[[dict[str, Reading[Any]]], None], log: logging.Logger
    ) -> Callable[[], None]:
        """Call a function with complete readings at each update of a signal.

        :param function: Gets the same keys as `read` returns.
        :param log: Where updates without value are reported.
        :return: A function that ends it.
        """
        items = self._read_items
        columns = [item.columns for item in items]
        latest: dict[int, dict[str, Reading[Any]]] = {}

        def updated(index: int, reading: SignalReading) -> None:
            latest.pop(index, None)  # it must not be told again if there is none now
            if (now := items[index].columns) is not columns[index]:
                if now != columns[index]:
                    name = items[index].signal.name
                    log.error("%s: no event: it is described differently", name)
                    return
                columns[index] = now
            try:
                latest[index] = items[index].spread(reading)  # type: ignore[arg-type]
            except SecopError as error:
                # An event cannot have a missing value; the log has the reason
                log.debug("%s: no event: %s", items[index].signal.name, error)
                return
            if len(latest) == len(items):
                readings = (latest[i] for i in range(len(items)))
                try:
                    function({k: r for rs in readings for k, r in rs.items()})
                except Exception:  # the other listeners of the signal go on
                    log.exception("%s: a listener failed", self.name)

        ends = [
            item.backend.subscribe(partial(updated, index))
            for index, item in enumerate(items)
        ]

        def unsubscribe() -> None:
            for end in ends:
                end()

        return unsubscribe


def _chosen(datakey: DataKey) -> dict[str, Any]:
    """Return what a test can choose for a mock."""
    names = ("source", "units", "precision")
    return {name: value for name, value in datakey.items() if name in names}


def _give_keys(items: Sequence[Item]) -> None:
    """Give each column a data key of its own.

    A member of a struct may have the name of a parameter, for instance in the value,
    which is named like its module. Then the column gets a number. Tables in Tiled do
    not tell upper from lower case.
    """
    taken = {item.signal.name.lower() for item in items}

    def free(wanted: str) -> str:
        numbered = (f"{wanted}_{number}" for number in count(2))
        key = next(k for k in chain([wanted], numbered) if k.lower() not in taken)
        taken.add(key.lower())
        return key

    for item in items:
        name = item.signal.name
        # A value of one column has the name of the signal itself
        paths = [column.path for column in item.columns or ()] or [()]
        item.keys = tuple(free(column_key(name, p)) if p else name for p in paths)
        item.error_key = free(f"{name}-error") if item.with_error else ""


def _reason(error: Exception) -> str:
    kind = "" if isinstance(error, SecopError) else f"{type(error).__name__}: "
    return f"{kind}{error}"
