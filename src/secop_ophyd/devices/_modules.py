"""The devices of modules, one class for each interface class of SECoP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from bluesky.protocols import Flyable, Pausable, Preparable, Reading, Triggerable
from ophyd_async.core import (
    CALCULATE_TIMEOUT,
    AsyncStatus,
    CalculatableTimeout,
    Callback,
    Device,
    DeviceMock,
    SignalR,
    SignalRW,
    StandardMovable,
    StandardReadable,
    StandardReadableFormat,
    WatchableAsyncStatus,
    WatcherUpdate,
    callback_on_mock_put,
    default_mock_class,
    set_mock_value,
)

from secop_ophyd.protocol import RangeError, WrongType, show

from ._connector import ModuleConnector
from ._flight import Flight
from ._missing import Helpful
from ._module_info import ModuleInfo
from ._movable import SecopMovableLogic, positions
from ._options import StopPolicy
from ._status_watch import run_until_idle, wait_for_idle
from ._stop_policy import leave_at_pause, leave_running
from ._tree import DeviceTree, module_tree

T = TypeVar("T")
DeviceT = TypeVar("DeviceT", bound="SECoPBaseDevice")
StatusDeviceT = TypeVar("StatusDeviceT", bound="StatusDevice")


class ModuleMock(DeviceMock[DeviceT]):
    """Gives the signals of a module values of their types, if these are known."""

    async def connect(self, device: DeviceT) -> None:
        device.connector.set_mock_values()


@default_mock_class(ModuleMock)
class SECoPBaseDevice(StandardReadable, Helpful):
    """A module of any kind; on its own, one without interface class.

    Its parameters and properties are signals, its commands are callable.

    :param name: Name of the device, usually given by the node.
    :param connector: Connects it, made by the node.
    """

    _connector: ModuleConnector
    # How many contribute to its readings; what the node describes is one
    _readables = 0

    def __init__(self, name: str = "", connector: ModuleConnector | None = None):
        super().__init__(name=name, connector=connector or ModuleConnector())

    @property
    def secop(self) -> ModuleInfo:
        """What the module is in SECoP: its description, names and client.

        :raises NotConnectedError: If it is not connected.
        """
        return self._connector.info

    def tree(self) -> DeviceTree:
        """Show the module: its parameters with their values, and its commands.

        What the node told last is shown, and nothing is asked for. The tree shows
        itself in IPython and Jupyter, and elsewhere with `rich.print(module.tree())`,
        or without colours with `print(module.tree())`.
        """
        return module_tree(
            self.name,
            type(self).__name__,
            self._connector.info_or_none,
            self._connector.read_only,
            getattr(self.parent, "problems", ()),
        )

    def __repr__(self) -> str:
        # Not even its connector is there while it is made
        connector: ModuleConnector | None = vars(self).get("_connector")
        info = None if connector is None else connector.info_or_none
        if info is None:
            return f"{type(self).__name__}(name={self.name!r}, connected=False)"
        interface = "".join(info.description.interface_classes[:1])
        return (
            f"{type(self).__name__}(name={self.name!r}, "
            f"uri='secop://{info.client.address}/{info.name}', "
            f"interface_class={show(interface)}, connected={info.client.connected})"
        )

    @property
    def connector(self) -> ModuleConnector:
        """What connects the module, for its node."""
        return self._connector

    def add_readables(
        self,
        devices: Sequence[Device],
        format: StandardReadableFormat = StandardReadableFormat.CHILD,
    ) -> None:
        super().add_readables(devices, format)
        self._readables += len(devices)

    async def read(self) -> dict[str, Reading[Any]]:
        described = self._connector.described
        if described is None or self._readables > 1:
            return await super().read()
        # Without a task, which takes longer than to look at what the node told last
        return await described.read()

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        super().set_name(name, child_name_separator=child_name_separator)
        # The value is what one means by the module
        if isinstance(value := getattr(self, "value", None), SignalR):
            value.set_name(name)  # pyright: ignore[reportUnknownMemberType]


class SECoPCommunicatorDevice(SECoPBaseDevice):
    """A module that talks to hardware with a command `communicate`."""


class StatusMock(ModuleMock[StatusDeviceT]):
    """Lets the module be idle."""

    async def connect(self, device: StatusDeviceT) -> None:
        set_mock_value(device.status, _IDLE)
        await super().connect(device)


_IDLE = np.array((100, ""), [("f0", "<i8"), ("f1", "<U1")])


@default_mock_class(StatusMock)
class StatusDevice(SECoPBaseDevice):
    """A module with a status."""

    status: SignalR[np.ndarray]

    async def wait_for_idle(self) -> None:
        """Wait until the module is not busy.

        :raises RuntimeError: If it goes into an error or is disabled.
        :raises SecopError: If its status cannot be known any more.
        """
        await wait_for_idle(self.name, self._connector)

    async def run_until_idle(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Do something and wait until the module is not busy after it.

        :param operation: What to do, e.g. to execute a command.
        :return: What the operation returns.
        :raises RuntimeError: If the module goes into an error or is disabled.
        :raises SecopError: If its status cannot be known any more.
        """
        return await run_until_idle(self.name, self._connector, operation)


class SECoPReadableDevice(StatusDevice, Triggerable):
    """A module with a value and a status."""

    value: SignalR[Any]

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Let the node read the value from the hardware."""
        await self._connector.trigger()

    def subscribe_reading(self, function: Callback[dict[str, Reading[Any]]]) -> None:
        """Call a function with all that `read` returns, at each update.

        :param function: The function.
        """
        self._connector.subscribe(self, function)

    subscribe = subscribe_reading

    def clear_sub(self, function: Callback[dict[str, Reading[Any]]]) -> None:
        """End a subscription.

        :param function: What was passed to `subscribe_reading`.
        """
        self._connector.unsubscribe(function)


class SECoPMovableMock(StatusMock["SECoPWritableDevice"]):
    """Lets the module be idle, and the value follow the target at once."""

    async def connect(self, device: SECoPWritableDevice) -> None:
        await super().connect(device)
        taken = device.connector.taken

        def arrive(target: Any) -> Any:
            accepted = taken(device.target, target)
            with contextlib.suppress(WrongType, RangeError):  # it is of another kind
                set_mock_value(device.value, taken(device.value, target))
            return accepted

        callback_on_mock_put(device.target, arrive)


@default_mock_class(SECoPMovableMock)
class SECoPWritableDevice(
    SECoPReadableDevice, StandardMovable[Any], Preparable, Flyable, Pausable
):
    """A module with a target that its value follows.

    `set` waits until it is there, `target.set` only changes the parameter. In a fly
    scan, `kickoff` begins the move and `complete` waits until it is there.
    """

    target: SignalRW[Any]
    # The last one, whose move may not have begun yet
    _set_status: WatchableAsyncStatus[Any] | None = None
    # How it was stopped since the last set: None, or whether that is a success
    _stopped: bool | None = None
    # What is prepared and what was kicked off, now and when it was staged
    _prepared: Flight | None = None
    _flight: Flight | None = None
    _before: tuple[Flight | None, Flight | None] = (None, None)

    @cached_property
    def movable_logic(self) -> SecopMovableLogic:
        return SecopMovableLogic(
            setpoint=self.target,
            readback=self.value,
            status=self.status,
            name=lambda: self.name,
            module=self._connector,
        )

    def set(
        self, new_position: Any, timeout: CalculatableTimeout = CALCULATE_TIMEOUT
    ) -> WatchableAsyncStatus[Any]:
        """Move to a target, and wait until the module is there.

        :param new_position: The target; for an enum, its member or name.
        :param timeout: Seconds for it, None for ever.
        :raises RangeError: If it is outside the limits; nothing is sent then.
        :raises RuntimeError: If the module goes into an error, or is stopped.
        :raises TimeoutError: If it is not there in time; it is stopped then.
        """
        return self._begin(new_position, lambda: None, timeout)

    def _begin(
        self,
        new_position: Any,
        accepted: Callable[[], None],
        timeout: CalculatableTimeout = CALCULATE_TIMEOUT,
    ) -> WatchableAsyncStatus[Any]:
        # Now, so that a stop right after it is not lost
        self._stopped = None
        updates = self._updates(new_position, accepted, timeout)
        self._set_status = WatchableAsyncStatus(updates, self.name)
        return self._set_status

    async def wait_for_idle(self) -> None:
        """Wait until the module is not busy; a `set` under way ends before.

        :raises RuntimeError: If it goes into an error or is disabled.
        :raises SecopError: If its status cannot be known any more.
        """
        # Right after set the target is not sent, so that the module still is idle
        if (setting := self._set_status) is not None and not setting.done:
            if setting.task.get_loop() is asyncio.get_running_loop():
                await asyncio.wait({setting.task})
        await super().wait_for_idle()

    async def _updates(
        self,
        new_position: Any,
        accepted: Callable[[], None],
        timeout: CalculatableTimeout,
    ) -> AsyncIterator[WatcherUpdate[Any]]:
        logic = self.movable_logic
        await logic.check_move(new_position)
        seconds = logic.timeout if timeout == CALCULATE_TIMEOUT else timeout
        unit, precision = await logic.get_units_precision()
        initial: Any = None
        if self._stopped is None:
            move = logic.move(new_position, lambda: seconds, accepted)
            async with AsyncStatus(move) as moving:
                self._move_status = moving
                # Not observe_value, which cannot do with a value in error
                async for current in positions(self.value, moving):
                    initial = current if initial is None else initial
                    yield WatcherUpdate(
                        *_numbers(current, initial, new_position),
                        name=self.name,
                        unit=unit,
                        precision=precision,
                    )
        if self._stopped is not None and not self._stopped:
            raise RuntimeError(f"{self.name} was stopped")

    async def stop(self, success: bool = False) -> None:
        """Stop the module if it is busy, or was just told to move.

        Does nothing when the RunEngine calls it at the end of a plan that went
        well: a ramp in the background goes on. `ModuleOptions.stop` can change that.

        :param success: Whether the move counts as done, as bluesky has it.
        """
        if leave_running(self._connector.options.stop):
            return
        self._stopped = success
        moving = self._move_status
        if moving is not None and not moving.done:
            # First, so that the target is sent before stop or not at all
            moving.task.cancel()
        await self.movable_logic.stop()

    # Flying

    @AsyncStatus.wrap
    async def prepare(self, value: Any) -> None:
        """Remember a target for `kickoff`. Nothing is sent.

        :param value: The target.
        :raises RangeError: If it is outside the limits.
        """
        await self.movable_logic.check_move(value)
        self._prepared = Flight(self.name, value, self._begin)

    @AsyncStatus.wrap
    async def kickoff(self) -> None:
        """Begin to move to the prepared target; done when the node has accepted it.

        bluesky's RunEngine does not know that it moves, so it does not stop it when a
        plan fails. `unstage` does: stage the module, or its node, in the plan.

        :raises RuntimeError: If nothing is prepared.
        :raises NodeError: With the node's own words, if it refuses.
        """
        if self._prepared is None:
            raise RuntimeError(f"{self.name} was not prepared: where is it to go?")
        if self._flight is None or not self._flight.goes_on_as(self._prepared):
            self._flight = self._prepared
        await self._flight.kickoff()

    def complete(self) -> WatchableAsyncStatus[Any]:
        """Wait until the module is where it was kicked off to; fails as `set` does.

        :raises RuntimeError: If it was not kicked off, or was stopped by a pause.
        """
        if self._flight is None:
            raise RuntimeError(f"{self.name} was not kicked off")
        return self._flight.completion

    async def _give_up(self) -> None:
        """Stop what was kicked off and is not over."""
        if self._flight is None or not self._flight.under_way:
            return
        self._flight.interrupted = True
        try:
            await self.stop(success=True)
        except Exception:  # whoever gives up has a reason that is to be seen
            self.log.warning("%s could not be stopped", self.name, exc_info=True)

    async def pause(self) -> None:
        """Stop what was kicked off, when a plan is paused.

        The RunEngine kicks it off again when it goes on. `ModuleOptions.stop` tells
        when not to, by default during a suspension.
        """
        if not leave_at_pause(self._connector.options.stop):
            await self._give_up()

    def resume(self) -> None:
        """Do nothing: the RunEngine kicks it off again."""

    @AsyncStatus.wrap
    async def stage(self) -> None:
        """Prepare for a plan. bluesky does it for the node, with all its modules."""
        self._before = self._prepared, self._flight
        await super().stage()

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        """Stop what was kicked off since then and is not over: the plan has failed."""
        before, self._before = self._before, (None, None)
        never = self._connector.options.stop is StopPolicy.NEVER
        if self._flight is not before[1] and not never:
            await self._give_up()
        self._prepared, self._flight = before
        await super().unstage()

    # Who listens gets all that the module reads, not only the readback
    def subscribe_reading(self, function: Callback[dict[str, Reading[Any]]]) -> None:
        SECoPReadableDevice.subscribe_reading(self, function)

    subscribe = subscribe_reading

    def clear_sub(self, function: Callback[dict[str, Reading[Any]]]) -> None:
        SECoPReadableDevice.clear_sub(self, function)


def _numbers(*values: Any) -> tuple[Any, ...]:
    """Return numbers as they are, and None for each if one is something else.

    bluesky's progress bar fails with anything but numbers.
    """
    if all(isinstance(v, int | float | np.number) for v in values):
        if not any(isinstance(v, bool) for v in values):
            return values
    return (None,) * len(values)


class SECoPMoveableDevice(SECoPWritableDevice):
    """A module that takes its time to reach a target, and can be stopped."""
