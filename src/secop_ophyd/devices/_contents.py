"""What a device contributes to documents: columns, configuration and hints."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bluesky.protocols import HasHints, Hints, Reading
from event_model import DataKey
from ophyd_async.core import (
    AsyncConfigurable,
    AsyncReadable,
    Device,
    SignalR,
    StandardReadableFormat,
)

from secop_ophyd.protocol import ConnectionLost, SecopError

from ._backend import SecopSignalBackend
from ._columns import Column
from ._reading import INVALID

_Format = StandardReadableFormat
HINTED = (_Format.HINTED_SIGNAL, _Format.HINTED_UNCACHED_SIGNAL)
READ = (*HINTED, _Format.UNCACHED_SIGNAL)
CONFIG_ERRORS = "config_errors"


@dataclass(slots=True)
class Item:
    """A signal and how it is contributed.

    :param signal: The signal.
    :param backend: Its backend, which knows the columns.
    :param format: Where it belongs.
    :param keys: Its data keys, one for each column.
    """

    signal: SignalR[Any]
    backend: SecopSignalBackend
    format: StandardReadableFormat
    keys: tuple[str, ...] = ()

    @property
    def columns(self) -> list[Column] | None:
        """The columns of its value; None if it is one itself."""
        return self.backend.origin.columns

    def spread(self, reading: Reading[Any]) -> dict[str, Reading[Any]]:
        """Return a reading of the signal as readings of its data keys.

        :raises SecopError: If it has no value.
        """
        value, columns = reading["value"], self.columns
        if columns is None:
            return {self.signal.name: {**reading}}
        named = zip(self.keys, columns, strict=True)
        return {key: {**reading, "value": c.take(value)} for key, c in named}  # type: ignore[misc]

    async def read(self) -> dict[str, Reading[Any]]:
        (reading,) = (await self.signal.read()).values()
        return self.spread(reading)

    async def describe(self) -> dict[str, DataKey]:
        if self.columns is None:
            return await self.signal.describe()
        named = zip(self.keys, self.columns, strict=True)
        return {key: c.datakey(self.signal.source) for key, c in named}


class Contents(AsyncReadable, AsyncConfigurable, HasHints):
    """Reads and describes the signals of a device in one pass.

    :param device: The device.
    :param is_module: Whether errors of configuration are collected in a data key.
    :param errors_as_nan: Whether floats in error read as NaN.
    """

    def __init__(self, device: Device, is_module: bool, errors_as_nan: bool = False):
        self._device = device
        self._is_module = is_module
        self.errors_as_nan = errors_as_nan
        self._items: list[Item] = []
        self._names: list[str] = []

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
            try:
                readings |= await item.read()
            except SecopError as error:
                if not self._becomes_nan(item, error):
                    raise
                readings[item.signal.name] = _nan(error, item.backend.origin.failed_at)
        return readings

    def _becomes_nan(self, item: Item, error: SecopError) -> bool:
        return (
            self.errors_as_nan
            and item.backend.datatype is float
            and not isinstance(error, ConnectionLost)
        )

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
        if self._is_module and self.items:
            readings[self._errors_key] = {
                "value": json.dumps(errors),
                "timestamp": time.time(),
            }
        return readings

    async def describe_configuration(self) -> dict[str, DataKey]:
        datakeys: dict[str, DataKey] = {}
        for item in self._config_items:
            with contextlib.suppress(Exception):  # `read_configuration` says why
                datakeys |= await item.describe()
        if self._is_module and self.items:
            datakeys[self._errors_key] = {
                "source": "secop-ophyd",
                "dtype": "string",
                "shape": [],
            }
        return datakeys

    @property
    def _errors_key(self) -> str:
        return f"{self.name}-{CONFIG_ERRORS}"

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
        latest: dict[str, dict[str, Reading[Any]]] = {}
        items = {item.signal.name: item for item in self._read_items}

        def updated(readings: dict[str, Reading[Any]]) -> None:
            ((name, reading),) = readings.items()
            try:
                latest[name] = items[name].spread(reading)
            except SecopError as error:
                # An event cannot have a missing value; the log has the reason
                log.debug("%s: no event: %s", name, error)
                latest.pop(name, None)
                return
            if len(latest) == len(items):
                try:
                    function({k: r for rs in latest.values() for k, r in rs.items()})
                except Exception:  # the other listeners of the signal go on
                    log.exception("%s: a listener failed", self.name)

        for item in items.values():
            item.signal.subscribe_reading(updated)

        def unsubscribe() -> None:
            for item in items.values():
                item.signal.clear_sub(updated)

        return unsubscribe


def _give_keys(items: Sequence[Item]) -> None:
    """Give each column a data key of its own.

    A member of a struct may have the name of a parameter, for instance in the value,
    which is named like its module. Then the column gets a number.
    """
    taken = {item.signal.name for item in items}
    for item in items:
        if item.columns is None:
            item.keys = (item.signal.name,)
            continue
        keys: list[str] = []
        for column in item.columns:
            key = wanted = column.key(item.signal.name)
            number = 2
            # A value of one column may have the name of the signal itself
            while key in keys or (key in taken and column.path):
                key = f"{wanted}_{number}"
                number += 1
            keys.append(key)
        taken.update(keys)
        item.keys = tuple(keys)


def _reason(error: Exception) -> str:
    kind = "" if isinstance(error, SecopError) else f"{type(error).__name__}: "
    return f"{kind}{error}"


def _nan(error: SecopError, timestamp: float) -> Reading[Any]:
    return {
        "value": math.nan,
        "timestamp": timestamp,
        "alarm_severity": INVALID,
        "message": str(error),
    }
