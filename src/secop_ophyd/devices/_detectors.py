"""The devices of modules that acquire data, which takes a while and is triggered.

SECoP 2.0 classes.rst "Acquisition base classes". An acquisition is begun by triggering
the module that controls it, and by nothing else: not by its channels, nor by the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any

from bluesky.protocols import HasHints, Hints, Pausable, Reading, Stoppable, Triggerable
from event_model import DataKey
from ophyd_async.core import (
    AsyncConfigurable,
    AsyncReadable,
    AsyncStageable,
    AsyncStatus,
    Callback,
    merge_gathered_dicts,
)

from secop_ophyd.protocol import acquisition_channels

from ._acquisition import Acquirer
from ._commands import SecopCommandBase
from ._connector import ModuleConnector
from ._full_data import FullData
from ._modules import SECoPBaseDevice, SECoPReadableDevice, StatusDevice


class Triggered:
    """A trigger of a device, which can be ended before it is done.

    :param acquire: Acquires the data.
    :param name: Name of the device, for messages.
    """

    def __init__(self, acquire: Callable[[], Coroutine[Any, Any, None]], name: str):
        self._acquire = acquire
        self._name = name
        self._work: asyncio.Task[None] | None = None
        # How it was ended: None, or whether that is a success
        self._ended: bool | None = None
        self.status = AsyncStatus(self._run(), name)

    async def _run(self) -> None:
        if self._ended is None:
            self._work = asyncio.ensure_future(self._acquire())
            try:
                await self._work
            except asyncio.CancelledError:
                if self._ended is None:  # somebody has cancelled the status
                    raise
        if self._ended is False:
            raise RuntimeError(f"{self._name} was stopped")

    def end(self, success: bool) -> None:
        """End it, if it is not done.

        :param success: Whether it is done then, or has failed.
        """
        if not self.status.done:
            self._ended = success
            if self._work is not None:
                self._work.cancel()


class AcquiringDevice(StatusDevice, Triggerable, Stoppable, Pausable):
    """A module that acquires data when it is triggered."""

    _triggered: Triggered | None = None
    # What was under way when it was staged, so is none of those who staged it
    _before: Triggered | None = None

    @cached_property
    def _acquirer(self) -> Acquirer:
        def warn(text: str) -> None:
            self.log.warning("%s", text)

        return Acquirer(self._connector, lambda: self.name, warn)

    def trigger(self) -> AsyncStatus[None]:
        """Acquire data, and wait until it is there.

        While it does so for another trigger, both are one acquisition, unless it was
        staged in between: what had begun before is stopped then.

        :raises RuntimeError: If it is busy because of somebody else, goes into an
            error or is stopped.
        :raises NodeError: With the node's own words, if it refuses.
        """
        current = self._under_way
        if current is None or current is self._before:
            if current is not None:
                current.end(success=False)
            current = self._triggered = Triggered(self._acquire, self.name)
        return current.status

    @property
    def _under_way(self) -> Triggered | None:
        current = self._triggered
        return None if current is None or current.status.done else current

    async def _acquire(self) -> None:
        if not self._connector.is_mock:
            channels = [channel.connector for channel in self._channel_devices]
            await self._acquirer.acquire(channels)
            return
        go = dict(self.children()).get("go")
        if isinstance(go, SecopCommandBase):
            await go.execute()

    @property
    def _channel_devices(self) -> list[SECoPBaseDevice]:
        """The other modules that have the data."""
        return []

    async def stop(self, success: bool = False) -> None:
        """Stop the module if it is busy.

        :param success: Whether a trigger that waits for it is done, or has failed.
        """
        if self._triggered is not None:
            self._triggered.end(success)
        await self._acquirer.stop()

    async def _give_up(self) -> None:
        """Stop what was triggered here, and nothing that somebody else has begun."""
        if self._under_way is None:
            return
        try:
            await self.stop(success=True)
        except Exception:  # whoever gives up has a reason that is to be seen
            self.log.warning("%s could not be stopped", self.name, exc_info=True)

    async def pause(self) -> None:
        """Stop what was triggered, when a plan is paused or suspended.

        The RunEngine triggers it again when it goes on. It would be the data of the
        pause otherwise.
        """
        await self._give_up()

    def resume(self) -> None:
        """Do nothing: the RunEngine triggers again."""

    @AsyncStatus.wrap
    async def stage(self) -> None:
        """Prepare for a plan. bluesky does it for the node, with all its modules."""
        self._before = self._under_way
        await super().stage()

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        """Stop what was triggered since then and is not over: the plan has failed."""
        before, self._before = self._before, None
        if self._under_way is not before:
            await self._give_up()
        await super().unstage()


class SECoPTriggerableDevice(AcquiringDevice, SECoPReadableDevice):
    """A module that measures its value when it is triggered.

    Nodes from before SECoP 2.0 have it, as interface class `Triggerable` or
    `Measurable`.
    """


class SECoPAcquisitionChannelDevice(SECoPReadableDevice):
    """One quantity of an acquisition, with the `goal` that ends it, if there is one.

    Triggered on its own, it tells the result of the last acquisition. What its
    command `get_data` returns, if it has one, is part of each reading.
    """

    def __init__(self, name: str = "", connector: ModuleConnector | None = None):
        super().__init__(name, connector)
        self._full_data = FullData(self, self._connector)
        self.add_readables([self._full_data])  # type: ignore[list-item]

    def subscribe_reading(self, function: Callback[dict[str, Reading[Any]]]) -> None:
        """Call a function with all that `read` returns, at each update.

        :param function: The function.
        :raises TypeError: If it has `get_data`, which the node does not tell by itself.
        """
        if self._full_data.command is not None:
            raise TypeError(
                f"{self.name} cannot be monitored, since the node does not tell what "
                "get_data returns: monitor its value"
            )
        super().subscribe_reading(function)

    subscribe = subscribe_reading


class SECoPAcquisitionDevice(SECoPTriggerableDevice, SECoPAcquisitionChannelDevice):
    """A module that acquires one quantity: controller and channel in one."""


class SECoPAcquisitionControllerDevice(AcquiringDevice):
    """A module that acquires the quantities of other modules, its channels.

    They are part of its readings and of its configuration, under their own names. In
    those of the node they are once only, as modules.
    """

    @property
    def _channel_devices(self) -> list[SECoPBaseDevice]:
        info = self._connector.info_or_none
        if info is None or self.parent is None:
            return []
        names = acquisition_channels(info.client.description, info.description)
        modules = {
            child.secop.name: child
            for _, child in self.parent.children()
            if isinstance(child, SECoPBaseDevice) and child.connector.info_or_none
        }
        return [modules[name] for name in names if name in modules]

    async def read(self) -> dict[str, Reading[Any]]:
        channels = (channel.read() for channel in self._channel_devices)
        return await merge_gathered_dicts([super().read(), *channels])

    async def describe(self) -> dict[str, DataKey]:
        channels = (channel.describe() for channel in self._channel_devices)
        return await merge_gathered_dicts([super().describe(), *channels])

    async def read_configuration(self) -> dict[str, Reading[Any]]:
        channels = (c.read_configuration() for c in self._channel_devices)
        return await merge_gathered_dicts([super().read_configuration(), *channels])

    async def describe_configuration(self) -> dict[str, DataKey]:
        channels = (c.describe_configuration() for c in self._channel_devices)
        return await merge_gathered_dicts([super().describe_configuration(), *channels])

    @property
    def hints(self) -> Hints:
        devices = [super(), *self._channel_devices]
        return {"fields": [f for d in devices for f in d.hints.get("fields", [])]}


class OwnReadings(AsyncReadable, AsyncConfigurable, AsyncStageable, HasHints):
    """What a module contributes to its node: no channels, which are modules as well.

    :param device: The module.
    """

    def __init__(self, device: AcquiringDevice):
        self._device = device

    @property
    def name(self) -> str:
        return self._device.name

    async def read(self) -> dict[str, Reading[Any]]:
        return await SECoPBaseDevice.read(self._device)

    async def describe(self) -> dict[str, DataKey]:
        return await SECoPBaseDevice.describe(self._device)

    async def read_configuration(self) -> dict[str, Reading[Any]]:
        return await SECoPBaseDevice.read_configuration(self._device)

    async def describe_configuration(self) -> dict[str, DataKey]:
        return await SECoPBaseDevice.describe_configuration(self._device)

    def stage(self) -> AsyncStatus[None]:
        return self._device.stage()

    def unstage(self) -> AsyncStatus[None]:
        return self._device.unstage()

    @property
    def hints(self) -> Hints:
        return SECoPBaseDevice.hints.__get__(self._device)
