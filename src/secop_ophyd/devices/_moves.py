"""How a module is moved and stopped, and when it has arrived.

SECoP 1.0/1.1 "Correct handling of side-effects", 2.0 readwrite.rst: status codes
tell it, in the order of the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from bluesky.protocols import Reading, Status
from ophyd_async.core import MovableLogic, SignalR, observe_value

from secop_ophyd.client import Reading as SecopReading
from secop_ophyd.protocol import (
    NodeError,
    NumberInfo,
    ReadOnly,
    SecopError,
    StatusGroup,
    describe_status,
    is_busy,
    is_failure,
)

from ._connector import ModuleConnector, ModuleInfo

T = TypeVar("T")

STOP_TIMEOUT = 10.0
"""How long to wait until a module is not busy any more after a stop, in seconds."""


class StatusWatch:
    """Follows the status of a module, in wire order, while it is entered.

    :param module: What the module is in SECoP.
    :param grace: How long the status may be in error before that counts, in seconds.
    """

    def __init__(self, module: ModuleInfo, grace: float):
        self._parameter = module.client.parameter(module.name, "status")
        self._grace = grace
        self._changed = asyncio.Event()
        self._failure: Exception | None = None
        self._end: Callable[[], None] = lambda: None
        self.was_busy = False

    def __enter__(self) -> Self:
        self._end = self._parameter.subscribe(self._updated)
        self.was_busy = self.busy
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _updated(self, reading: SecopReading) -> None:
        self.was_busy |= self.busy
        self._changed.set()

    @property
    def code(self) -> int | None:
        """The code that the node told last, None if there is none."""
        reading = self._parameter.reading
        return None if reading.error is not None else int(reading.value[0])

    @property
    def busy(self) -> bool:
        """Whether the module is busy, as far as it is known."""
        code = self.code
        return code is not None and is_busy(code)

    def __str__(self) -> str:
        reading = self._parameter.reading
        if reading.error is not None:
            return f"unknown ({reading.error})"
        code, text = reading.value
        return f"{describe_status(code)} {text!r}" if text else describe_status(code)

    def fail(self, error: Exception) -> None:
        """Let who waits fail.

        :param error: Why.
        """
        self._failure = error
        self._changed.set()

    async def until_not_busy(self) -> None:
        """Wait until the module is not busy.

        :raises SecopError: If its status cannot be known any more.
        """
        while True:
            if self.code is None and self._failure is None:
                # The node may be in trouble for a moment; a lost connection is not
                error = self._parameter.reading.error
                known = await self._until(lambda: self.code is not None, self._grace)
                if not known and error is not None:
                    raise error.with_traceback(None)
            if not self.busy and self.code is not None:
                break
            await self._until(lambda: not self.busy)
        if self._failure is not None:
            raise self._failure

    async def until_busy(self, timeout: float) -> None:
        """Wait until the module is or was busy, but not longer than a time."""
        await self._until(lambda: self.was_busy, timeout)

    async def _until(
        self, condition: Callable[[], bool], timeout: float | None = None
    ) -> bool:
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    if self._failure is not None:
                        raise self._failure
                    if (error := self._parameter.reading.error) is not None:
                        if not isinstance(error, NodeError):
                            raise error.with_traceback(None)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


class Move:
    """One move of a module, watched from before its target is sent.

    :param logic: What moves the module.
    :param module: What it is in SECoP.
    :param target: Where to.
    """

    def __init__(self, logic: SecopMovableLogic, module: ModuleInfo, target: Any):
        self._logic = logic
        self._module = module
        self._target = target
        self._options = logic.module.options
        self._parameter = module.client.parameter(module.name, "target")
        self._watch = StatusWatch(module, self._options.grace)
        self._accepted: list[Any] = []
        # Whether the module may be on its way, or get there yet
        self.pending = False
        # Set when it is we who change the target again, or stop the module
        self.disowned = False

    async def run(self) -> None:
        """Send the target and wait until the module is there.

        :raises RuntimeError: If the module goes into an error, or somebody else
            changes its target.
        :raises SecopError: If the node refuses, or cannot be known any more.
        """
        end = self._parameter.subscribe(self._target_updated)
        try:
            with self._watch:
                await self._run()
        finally:
            end()

    async def _run(self) -> None:
        client, name = self._module.client, self._module.name
        self.pending = True
        try:
            reading = await client.change(name, "target", self._target)
        except NodeError:
            self.pending = False  # refused, here or there
            raise
        self._accepted.append(reading.value)
        self._target_updated(self._parameter.reading)
        if not self._watch.was_busy and not self._arrived():
            # By the specification it is busy before it answers, but some are late
            await self._watch.until_busy(self._options.grace)
        await self._watch.until_not_busy()
        self.pending = False
        await self._confirm()
        code = self._watch.code
        if code is not None and is_failure(code):
            group = StatusGroup.ERROR if code >= 400 else StatusGroup.DISABLED
            raise self._failed(f"the module is in {group.name}: {self.where()}")

    def _failed(self, why: str) -> RuntimeError:
        return RuntimeError(
            f"{self._logic.name()}: moving to {self._target} failed, {why}"
        )

    def _target_updated(self, reading: SecopReading) -> None:
        if not self._accepted or self.disowned or self._options.tolerate_retarget:
            return
        # Errors of the target mean nothing for the move
        if reading.error is None and not self._is_same(
            reading.value, self._accepted[0]
        ):
            self._watch.fail(
                self._failed(f"somebody else has set the target to {reading.value}")
            )

    async def _confirm(self) -> None:
        """Ask for the target if the value is elsewhere: a stop changes it, too."""
        if self.disowned or self._options.tolerate_retarget or self._arrived():
            return
        try:
            await self._module.client.read(self._module.name, "target")
        except NodeError:
            return  # one that cannot be read
        await self._watch.until_not_busy()

    def _arrived(self) -> bool:
        value = self._module.client.parameter(self._module.name, "value").reading
        return value.error is None and self._is_same(value.value, self._accepted[0])

    def _is_same(self, value: Any, target: Any) -> bool:
        info = self._parameter.description.datainfo
        if isinstance(info, NumberInfo) and isinstance(value, int | float):
            return abs(value - target) <= info.resolution(float(target))
        if isinstance(value, np.ndarray) or isinstance(target, np.ndarray):
            return np.array_equal(value, target)
        return bool(value == target)

    def where(self) -> str:
        """Return where the module is now, for messages."""
        value = self._module.client.parameter(self._module.name, "value").reading
        shown = value.value if value.error is None else f"unknown ({value.error})"
        return f"status {self._watch}, value {shown}"


async def run_until_idle(
    name: str, connector: ModuleConnector, operation: Callable[[], Awaitable[T]]
) -> T:
    """Do something and wait until the module is not busy after it.

    :param name: Name of the device, for messages.
    :param connector: What connects the module.
    :param operation: What to do.
    :return: What the operation returns.
    :raises RuntimeError: If the module goes into an error or is disabled.
    :raises SecopError: If its status cannot be known any more.
    """
    if connector.is_mock:
        return await operation()
    grace = connector.options.grace
    with StatusWatch(connector.info, grace) as watch:
        watch.was_busy = False
        result = await operation()
        if not watch.was_busy:
            await watch.until_busy(grace)
        await _idle(name, watch)
    return result


async def wait_for_idle(name: str, connector: ModuleConnector) -> None:
    """Wait until a module is not busy.

    :param name: Name of the device, for messages.
    :param connector: What connects the module.
    :raises RuntimeError: If it goes into an error or is disabled.
    :raises SecopError: If its status cannot be known any more.
    """
    if connector.is_mock:
        return
    with StatusWatch(connector.info, connector.options.grace) as watch:
        await _idle(name, watch)


async def _idle(name: str, watch: StatusWatch) -> None:
    await watch.until_not_busy()
    if watch.code is not None and is_failure(watch.code):
        raise RuntimeError(f"{name}: not idle but {watch}")


async def positions(value: SignalR[Any], moving: Status) -> AsyncGenerator[Any, None]:
    """Yield the values of a signal while something moves; errors are left out.

    :param value: The signal.
    :param moving: Is done when it has arrived.
    """
    queue: asyncio.Queue[Any] = asyncio.Queue()

    def updated(readings: dict[str, Reading[Any]]) -> None:
        (reading,) = readings.values()
        if "value" in reading:
            queue.put_nowait(reading["value"])

    value.subscribe_reading(updated)
    moving.add_callback(queue.put_nowait)
    try:
        while (item := await queue.get()) is not moving:
            yield item
    finally:
        value.clear_sub(updated)


@dataclass
class SecopMovableLogic(MovableLogic[Any]):
    """Moves a module by its target, and knows by its status when it has arrived.

    :param setpoint: The signal of its target.
    :param readback: The signal of its value.
    :param status: The signal of its status.
    :param name: Returns the name of the device, for messages.
    :param module: What connects the module.
    """

    status: SignalR[Any]
    name: Callable[[], str]
    module: ModuleConnector
    _last: Move | None = None

    async def check_move(self, new_position: Any) -> None:
        datainfo = self.module.target_datainfo
        if datainfo is not None:
            try:
                datainfo.validate(new_position)
            except SecopError as error:
                raise type(error)(f"{self.name()}: {error}") from None

    @property
    def timeout(self) -> float | None:
        """Seconds that a move may take if nobody says something else."""
        return self.module.options.move_timeout

    async def stop(self) -> None:
        """Stop the module, and wait until it is not busy.

        Nothing is sent if it is known not to be busy, and is not about to be.
        """
        send_stop = self.module.stop_command
        if send_stop is None:
            return
        move, self._last = self._last, None
        watch = StatusWatch(self.module.info, 0.0)
        may_move = watch.busy or watch.code is None or (move and move.pending)
        if not may_move:
            return
        if move is not None:
            move.disowned = True
        with watch:
            await send_stop()
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await watch.until_not_busy()
            except TimeoutError:
                raise TimeoutError(
                    f"{self.name()}: still {watch} {STOP_TIMEOUT:g} s after stop"
                ) from None

    async def move(
        self, new_position: Any, timeout: Callable[[], float | None]
    ) -> None:
        if self.module.is_mock:
            await self._move_mock(new_position)
            return
        if self.module.read_only:
            raise ReadOnly(f"{self.name()} was not moved: the node is read-only")
        if self._last is not None:
            self._last.disowned = True
        seconds = timeout()
        self._last = move = Move(self, self.module.info, new_position)
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                await move.run()
        except TimeoutError:
            if seconds is None or not deadline.expired():
                raise
            where = move.where()
            self._last = move
            await self.stop()
            raise TimeoutError(
                f"{self.name()}: not at {new_position} within "
                f"{round(seconds, 2):g} s, but {where}; it was stopped"
            ) from None

    async def _move_mock(self, new_position: Any) -> None:
        await self.setpoint.set(new_position)
        async for status in observe_value(self.status):
            if not is_busy(int(status["f0"])):
                break
