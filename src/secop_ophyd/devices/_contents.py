"""What a device contributes to documents: columns, configuration and hints."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Item:
    """A signal and how it is contributed.

    :param signal: The signal.
    :param backend: Its backend, which knows the columns.
    :param format: Where it belongs.
    """

    signal: SignalR[Any]
    backend: SecopSignalBackend
    format: StandardReadableFormat

    @property
    def _columns(self) -> list[Column] | None:
        return self.backend.origin.columns

    def spread(self, reading: Reading[Any]) -> dict[str, Reading[Any]]:
        """Return a reading of the signal as readings of its data keys.

        :raises SecopError: If it has no value.
        """
        name, value = self.signal.name, reading["value"]
        columns = self._columns
        if columns is None:
            return {name: {**reading}}
        return {c.key(name): {**reading, "value": c.take(value)} for c in columns}  # type: ignore[misc]

    async def read(self) -> dict[str, Reading[Any]]:
        (reading,) = (await self.signal.read()).values()
        return self.spread(reading)

    async def describe(self) -> dict[str, DataKey]:
        columns = self._columns
        if columns is None:
            return await self.signal.describe()
        return {c.key(self.signal.name): c.datakey(self.signal.source) for c in columns}


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
        self.items: list[Item] = []

    @property
    def name(self) -> str:
        return self._device.name

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
                readings[item.signal.name] = _nan(error)
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
                readings |= await item.read()
            except SecopError as error:
                # One odd parameter must not cost the run
                errors[item.signal.name] = str(error)
        if self._is_module:
            readings[self._errors_key] = {
                "value": json.dumps(errors),
                "timestamp": time.time(),
            }
        return readings

    async def describe_configuration(self) -> dict[str, DataKey]:
        datakeys: dict[str, DataKey] = {}
        for item in self._config_items:
            datakeys |= await item.describe()
        if self._is_module:
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
                columns = item.backend.origin.columns
                keys = (c.key(item.signal.name) for c in columns or [])
                fields.extend(keys if columns is not None else [item.signal.name])
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
                function({k: r for rs in latest.values() for k, r in rs.items()})

        for item in items.values():
            item.signal.subscribe_reading(updated)

        def unsubscribe() -> None:
            for item in items.values():
                item.signal.clear_sub(updated)

        return unsubscribe


def _nan(error: SecopError) -> Reading[Any]:
    return {
        "value": math.nan,
        "timestamp": time.time(),
        "alarm_severity": INVALID,
        "message": str(error),
    }
