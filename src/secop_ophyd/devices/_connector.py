"""Connects the device of a module: fills it with what the node describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bluesky.protocols import Reading
from ophyd_async.core import (
    Device,
    DeviceMock,
    NotConnectedError,
    SignalR,
    SignalRW,
    StandardReadable,
    StandardReadableFormat,
)

from secop_ophyd.protocol import (
    NodeError,
    ParameterDescription,
    Problem,
)

from ._contents import Item
from ._filling import FillingConnector, MustFit
from ._module_info import ModuleInfo
from ._options import ModuleOptions
from ._sources import ParameterSource, Source

_Format = StandardReadableFormat
HINTED_PARAMETERS = frozenset({"value", "target"})


class ModuleConnector(FillingConnector):
    """Connects the device of a module; its node does the work."""

    def __init__(self) -> None:
        super().__init__()
        self._info: ModuleInfo | None = None
        self._has_no_node = True
        self.options = ModuleOptions()
        self.read_only = False
        self._subscriptions: dict[Any, Callable[[], None]] = {}

    @property
    def info(self) -> ModuleInfo:
        """What the module is in SECoP.

        :raises NotConnectedError: If the node did not tell yet.
        """
        if self._info is None:
            raise NotConnectedError("the SEC node is not connected")
        return self._info

    @property
    def info_or_none(self) -> ModuleInfo | None:
        """What the module is in SECoP, if it is known."""
        return self._info

    def fill(
        self,
        device: StandardReadable,
        info: ModuleInfo,
        options: ModuleOptions,
        read_only: bool,
        timestamp: float,
        problems: list[Problem],
    ) -> None:
        """Fill the device with what the node describes.

        :param device: The device of the module.
        :param info: What it is in SECoP.
        :param options: How to deal with it.
        :param read_only: Whether to refuse all changes.
        :param timestamp: When the node described it.
        :param problems: Gets what is odd about it.
        :raises NotConnectedError: If an annotation does not fit.
        """
        self._info = info
        self._has_no_node = False
        self.options = options
        self.read_only = read_only
        self._bound.clear()
        names = info.names
        items: list[Item] = []
        for name, parameter in info.description.parameters.items():
            attribute = names.parameters[name]
            with MustFit(device, attribute, parameter.specifier):
                items.append(
                    self._bind_parameter(device, attribute, parameter, read_only)
                )
        for name in sorted(set(options.error_columns) - {*info.description.parameters}):
            text = "is no parameter, but an error column is wanted for it"
            problems.append(Problem(info.name, name, text))
        for name, command in info.description.commands.items():
            attribute = names.commands[name]
            with MustFit(device, attribute, command.specifier):
                backend = self.bind_command(device, attribute, command)
                backend.bind(info, command, read_only)
        items += self.bind_properties(
            device,
            f"secop://{info.client.address}/{info.name}",
            info.description.properties,
            names.properties,
            timestamp,
            lambda: _properties(info),
            lambda name, text: problems.append(Problem(info.name, name, text)),
        )
        self.check_filled(device, f"module {info.name!r}")
        self.contents(device, is_module=True).items = items

    def empty(self) -> None:
        """Contribute nothing any more: the node does not have the module now."""
        self._info = None
        if self._contents is not None:
            self._contents.items = []

    def _bind_parameter(
        self,
        device: Device,
        attribute: str,
        parameter: ParameterDescription,
        read_only: bool,
    ) -> Item:
        info = self.info
        enum_name = f"{attribute}_Enum"

        def source(datatype: Any) -> Source:
            state = info.parameter(parameter.name)
            return ParameterSource(info.client, state, datatype, enum_name, read_only)

        default = _Format.CONFIG_SIGNAL
        if parameter.name in HINTED_PARAMETERS:
            default = _Format.HINTED_SIGNAL
        elif parameter.name == "status":
            # Part of each reading, but nothing to plot
            default = _Format.UNCACHED_SIGNAL
        kind = SignalR if parameter.readonly else SignalRW
        item = self.bind_signal(device, attribute, kind, source, default)
        item.with_error = parameter.name in self.options.error_columns
        item.errors_as_nan = self.options.errors_as_nan
        return item

    # For the devices

    @property
    def is_mock(self) -> bool:
        """Whether there is no node behind it."""
        return self._has_no_node

    async def connect_mock(self, device: Device, mock: DeviceMock[Any]) -> None:
        self._has_no_node = True
        await super().connect_mock(device, mock)

    @property
    def stop_command(self) -> Callable[[], Any] | None:
        """Sends `stop`; None if the module has none, or is only looked at."""
        if self.read_only or self._info is None:
            return None
        if "stop" not in self._info.description.commands:
            return None
        info = self._info
        return lambda: info.do("stop")

    async def trigger(self) -> None:
        """Let the node read the value from the hardware, if there is one."""
        if self.is_mock or self._info is None:
            return
        if "value" not in self._info.description.parameters:
            return
        try:
            await self._info.read("value")
        except NodeError as error:
            # Only what the node reports becomes the state that is read next
            if error.report is None or not self.options.errors_as_nan:
                raise

    def subscribe(
        self,
        device: Device,
        function: Callable[[dict[str, Reading[Any]]], None],
    ) -> None:
        """Call a function with complete readings."""
        if self._contents is None:
            raise NotConnectedError("the SEC node is not connected")
        if function in self._subscriptions:
            return
        log = device.log
        self._subscriptions[function] = self._contents.subscribe(function, log)  # type: ignore[arg-type]

    def unsubscribe(self, function: Callable[[dict[str, Reading[Any]]], None]) -> None:
        """End a subscription."""
        if end := self._subscriptions.pop(function, None):
            end()


def _properties(info: ModuleInfo) -> Mapping[str, Any]:
    """Return the properties that a module has now."""
    module = info.client.description.modules.get(info.name)
    return {} if module is None else module.properties
