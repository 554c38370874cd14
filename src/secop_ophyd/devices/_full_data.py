"""The data of a channel that is too large for updates: what `get_data` returns.

SECoP 2.0 classes.rst "channels that have matrix like values": `value` is a sum or a
mean of it then.
"""

from __future__ import annotations

import time
from typing import Any

from bluesky.protocols import Reading
from event_model import DataKey
from ophyd_async.core import AsyncReadable, Device

from secop_ophyd.protocol import (
    CommandDescription,
    DataInfo,
    InvalidMessage,
    find_command,
    shorten,
)

from ._columns import Column, column_key
from ._connector import ModuleConnector
from ._converters import Converter, make_converter


class FullData(AsyncReadable):
    """Contributes what `get_data` returns to documents, if there is such a command.

    The node does not tell it by itself, so each reading asks for it: it never is the
    data of an acquisition before.

    :param device: The device of the channel.
    :param connector: What connects it.
    """

    def __init__(self, device: Device, connector: ModuleConnector):
        self._device = device
        self._connector = connector
        self._made: tuple[DataInfo, Converter] | None = None

    @property
    def name(self) -> str:
        return self._device.name

    @property
    def command(self) -> CommandDescription | None:
        """The command; None if there is none that returns data just like that."""
        info = self._connector.info_or_none
        if info is None:
            return None
        command = find_command(info.description, "get_data")
        if command is None or command.argument is not None or command.result is None:
            return None
        return command

    async def read(self) -> dict[str, Reading[Any]]:
        command = self.command
        if command is None or command.result is None:
            return {}
        result, timestamp = await self._ask(command)
        try:
            value = self._converter(command.result).value(result)
        except ValueError as odd:
            where = f"{self._connector.info.client.address} {command.specifier}"
            text = f"its result is not as described: {shorten(str(odd), 300)}"
            raise InvalidMessage(f"{where}: {text}") from None
        return {
            key: {"value": column.take(value), "timestamp": timestamp}
            for key, column in self._columns(command.result).items()
        }

    async def _ask(self, command: CommandDescription) -> tuple[Any, float]:
        info = self._connector.info
        if self._connector.is_mock:
            attribute = info.names.commands[command.name]
            status = getattr(self._device, attribute).execute()
            await status
            return status.result(), time.time()
        reading = await info.result(command.name)
        # It is None for a command without result only
        return (
            (None, time.time())
            if reading is None
            else (reading.value, reading.timestamp)
        )

    async def describe(self) -> dict[str, DataKey]:
        command = self.command
        if command is None or command.result is None:
            return {}
        address = self._connector.info.client.address
        source = f"secop://{address}/{command.module}/{command.name}"
        columns = self._columns(command.result)
        return {key: column.datakey(source) for key, column in columns.items()}

    def _converter(self, info: DataInfo) -> Converter:
        if self._made is None or self._made[0] is not info:
            self._made = info, make_converter(info)
        return self._made[1]

    def _columns(self, info: DataInfo) -> dict[str, Column]:
        columns = self._converter(info).columns
        if columns is None:
            columns = [Column((), info)]
        name = f"{self.name}-get_data"
        return {column_key(name, column.path): column for column in columns}
