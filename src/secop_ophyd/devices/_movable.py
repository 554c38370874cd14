"""How a module is moved and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

from bluesky.protocols import Reading, Status
from ophyd_async.core import MovableLogic, SignalR, observe_value

from secop_ophyd.protocol import ReadOnly, SecopError, is_busy

from ._connector import ModuleConnector
from ._limits import check_target
from ._moves import Move
from ._options import StopPolicy
from ._status_watch import StatusWatch

STOP_TIMEOUT = 10.0
"""How long to wait until a module is not busy any more after a stop, in seconds."""


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
        info = self.module.info_or_none
        if info is None:
            return  # a mock of what is only annotated
        try:
            check_target(info, new_position)
        except SecopError as error:
            raise type(error)(f"{self.name()}: {error}") from None

    @property
    def timeout(self) -> float | None:
        """Seconds that a move may take if nobody says something else."""
        return self.module.options.move_timeout

    async def stop(self) -> None:
        """Stop the module, wait until it is not busy, and log where it is then.

        Nothing is sent if it is known not to be busy, and is not about to be.

        :raises TimeoutError: If it still is busy after `STOP_TIMEOUT`.
        :raises SecopError: If the node refuses, or cannot be known any more.
        """
        if self.module.is_mock or self.module.read_only:
            return
        move, self._last = self._last, None
        info = self.module.info
        with StatusWatch(info, 0.0) as watch:
            idle = await watch.refresh() and watch.code is not None and not watch.busy
            if idle and not (move and move.pending):
                return
            send_stop = self.module.stop_command
            if send_stop is None:
                info.client.log.warning(
                    "%s: goes on, it has no command to stop it", self.name()
                )
                return
            if move is not None:
                move.disowned = True
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await send_stop()
                    await watch.until_not_busy()
            except TimeoutError:
                raise TimeoutError(
                    f"{self.name()}: still {watch} {STOP_TIMEOUT:g} s after stop"
                ) from None
            value = info.parameter("value").reading
            where = value.value if value.error is None else f"unknown ({value.error})"
            info.client.log.info(
                "%s: stopped with status %s, value %s", self.name(), watch, where
            )

    async def move(
        self,
        new_position: Any,
        timeout: Callable[[], float | None],
        accepted: Callable[[], None] = lambda: None,
    ) -> None:
        if self.module.is_mock:
            await self._move_mock(new_position)
            return
        if self.module.read_only:
            raise ReadOnly(f"{self.name()} was not moved: the node is read-only")
        if self._last is not None:
            self._last.disowned = True
        seconds = timeout()
        info, options = self.module.info, self.module.options
        self._last = move = Move(self.name(), info, options, new_position, accepted)
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                await move.run()
        except TimeoutError:
            if seconds is None or not deadline.expired():
                raise
            where = move.where()
            raise TimeoutError(
                f"{self.name()}: not at {new_position} within "
                f"{round(seconds, 2):g} s, but {where}; {await self._give_up(move)}"
            ) from None

    async def _give_up(self, move: Move) -> str:
        """Stop after a time-out, and tell what became of it."""
        if self.module.options.stop is StopPolicy.NEVER:
            return "it was not stopped"
        if self.module.stop_command is None:
            return "it has no command to stop it"
        self._last = move
        try:
            await self.stop()
        except (SecopError, TimeoutError) as error:
            return f"it could not be stopped: {error}"
        return "it was stopped"

    async def _move_mock(self, new_position: Any) -> None:
        await self.setpoint.set(new_position)
        async for status in observe_value(self.status):
            if not is_busy(int(status["f0"])):
                break
