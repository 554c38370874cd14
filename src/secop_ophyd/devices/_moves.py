"""How a module is moved, and when it has arrived.

SECoP 1.0/1.1 "Correct handling of side-effects", 2.0 readwrite.rst: status codes
tell it, in the order of the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from bluesky.protocols import Reading, Status
from ophyd_async.core import MovableLogic, SignalR

from secop_ophyd.protocol import (
    NumberInfo,
    SecopError,
    StatusGroup,
    describe_status,
    is_busy,
    is_failure,
)

from ._connector import ModuleConnector

STOP_TIMEOUT = 10.0
"""How long to wait until a module is not busy any more after a stop, in seconds."""


class StatusWatch:
    """Follows the status of a module from now on.

    :param status: The status signal of the module.
    """

    def __init__(self, status: SignalR[Any]):
        self._status = status
        self._changed = asyncio.Event()
        self.code: int | None = None
        self.text = ""
        self.error: Exception | None = None
        self.was_busy = False

    def __enter__(self) -> StatusWatch:
        self._status.subscribe_reading(self._updated)
        return self

    def __exit__(self, *exc: object) -> None:
        self._status.clear_sub(self._updated)

    def _updated(self, readings: dict[str, Reading[Any]]) -> None:
        (reading,) = readings.values()
        try:
            status = reading["value"]
        except SecopError as error:
            self.error = error
        else:
            self.code, self.text = int(status["f0"]), str(status["f1"])
            self.was_busy |= is_busy(self.code)
        self._changed.set()

    @property
    def busy(self) -> bool:
        """Whether the module is busy, as far as it is known."""
        return self.code is not None and is_busy(self.code)

    def fail(self, error: Exception) -> None:
        """Let who waits fail.

        :param error: Why.
        """
        self.error = error
        self._changed.set()

    def forget(self) -> None:
        """Start anew: what was before does not count."""
        self.was_busy = self.busy

    def __str__(self) -> str:
        code = "no status" if self.code is None else describe_status(self.code)
        return f"{code} {self.text!r}" if self.text else code

    async def until_not_busy(self) -> None:
        """Wait until the module is not busy.

        :raises SecopError: If the status cannot be known any more.
        """
        while self.error is None and self.busy:
            self._changed.clear()
            await self._changed.wait()
        if self.error is not None:
            raise self.error.with_traceback(None)

    async def until_busy(self, timeout: float) -> None:
        """Wait until the module is or was busy, but not longer than a time."""
        try:
            async with asyncio.timeout(timeout):
                while self.error is None and not self.was_busy:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass


async def wait_for_idle(name: str, status: SignalR[Any]) -> None:
    """Wait until a module is not busy.

    :param name: Name of the device, for messages.
    :param status: Its status signal.
    :raises RuntimeError: If it goes into an error or is disabled.
    :raises SecopError: If its status cannot be known any more.
    """
    with StatusWatch(status) as watch:
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
    _stopping: bool = False
    # What the last move watches
    _last: StatusWatch | None = None

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

    async def stop(self, moved: bool = False) -> None:
        """Stop the module if it is busy, and wait until it is not.

        :param moved: Whether it was just told to move, so that it may get busy.
        """
        with StatusWatch(self.status) as watch:
            send_stop = self.module.stop_command
            if send_stop is None or not (watch.busy or moved):
                return
            self._stopping = True
            try:
                await send_stop()
                async with asyncio.timeout(STOP_TIMEOUT):
                    await watch.until_not_busy()
            except TimeoutError:
                raise TimeoutError(
                    f"{self.name()}: still {watch} {STOP_TIMEOUT:g} s after stop"
                ) from None
            finally:
                self._stopping = False

    async def move(
        self, new_position: Any, timeout: Callable[[], float | None]
    ) -> None:
        seconds = timeout()
        with StatusWatch(self.status) as watch:
            deadline = asyncio.timeout(seconds)
            try:
                async with deadline:
                    await self._move(new_position, watch)
            except TimeoutError:
                if seconds is None or not deadline.expired():
                    raise
                where = await self._where(watch)
                await self.stop(moved=True)
                raise TimeoutError(
                    f"{self.name()}: not at {new_position} within "
                    f"{round(seconds, 2):g} s, but {where}; it was stopped"
                ) from None

    async def _move(self, new_position: Any, watch: StatusWatch) -> None:
        watch.forget()
        self._last = watch
        await self.setpoint.set(new_position, timeout=None)
        if not watch.was_busy and not await self._is_at(new_position):
            # By the specification it is busy before it answers, but some are late
            await watch.until_busy(self.module.options.grace)
        with self._fail_on_retarget(new_position, watch):
            await watch.until_not_busy()
        if watch.code is not None and is_failure(watch.code):
            group = StatusGroup.ERROR if watch.code >= 400 else StatusGroup.DISABLED
            raise RuntimeError(
                f"{self.name()}: moving to {new_position} failed, the module is in "
                f"{group.name}: {await self._where(watch)}"
            )

    @contextmanager
    def _fail_on_retarget(
        self, new_position: Any, watch: StatusWatch
    ) -> Generator[None, None, None]:
        """Notice when the target changes after the node has accepted ours."""
        accepted: list[Any] = []

        def updated(readings: dict[str, Reading[Any]]) -> None:
            (reading,) = readings.values()
            try:
                target = reading["value"]
            except SecopError:
                return  # the status tells what it means for the move
            if not accepted:  # at once, and perhaps rounded by the node
                accepted.append(target)
            elif self._stopping or self._last is not watch:
                pass  # we have done it ourselves
            elif not self._is_same(target, accepted[0]):
                watch.fail(
                    RuntimeError(
                        f"{self.name()}: moving to {new_position} failed, somebody "
                        f"else has set the target to {target}"
                    )
                )

        if self.module.options.tolerate_retarget:
            yield
            return
        self.setpoint.subscribe_reading(updated)
        try:
            yield
        finally:
            self.setpoint.clear_sub(updated)

    async def _is_at(self, target: Any) -> bool:
        try:
            value = await self.readback.get_value()
        except SecopError:  # the status tells all the same when it is done
            return False
        return self._is_same(value, target)

    def _is_same(self, value: Any, target: Any) -> bool:
        datainfo = self.module.target_datainfo
        if isinstance(datainfo, NumberInfo) and isinstance(value, int | float):
            return abs(value - target) <= datainfo.resolution(float(target))
        if isinstance(value, np.ndarray) or isinstance(target, np.ndarray):
            return np.array_equal(value, target)
        return bool(value == target)

    async def _where(self, watch: StatusWatch) -> str:
        try:
            value = await self.readback.get_value()
        except SecopError as error:
            value = f"unknown ({error})"
        return f"status {watch}, value {value}"
