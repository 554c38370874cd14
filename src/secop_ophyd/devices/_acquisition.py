"""How data is acquired: begun by `go`, and there when the module is not busy any more.

SECoP 2.0 classes.rst "Acquisition base classes", RFC-106.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from secop_ophyd.protocol import (
    NodeError,
    ReadOnly,
    StatusInfo,
    find_command,
    is_failure,
    is_prepared,
    is_preparing,
)

from ._connector import ModuleConnector
from ._module_info import ModuleInfo
from ._movable import STOP_TIMEOUT
from ._status_watch import StatusWatch


class AcquisitionWatch(StatusWatch):
    """Follows the status of a module that acquires data."""

    @property
    def prepared(self) -> bool:
        """Whether it waits for the word to begin, or to go on."""
        return self.code is not None and is_prepared(self.code)

    async def until_ready(self, grace: float) -> None:
        """Wait until it has prepared itself, or was not busy with it for a time."""
        await self._until(lambda: self.was_busy or self.prepared, grace)
        await self.until_not_busy()

    async def until_over(self, held: Callable[[], None] | None) -> None:
        """Wait until it has acquired the data.

        :param held: Called when somebody puts it on hold; None if nobody can.
        :raises SecopError: If its status cannot be known any more.
        """
        await self.until_not_busy()
        while held is not None and self.prepared:
            held()
            await self._until(lambda: not self.prepared)
            await self.until_not_busy()


class Acquirer:
    """Lets a module acquire data.

    :param connector: What connects the module.
    :param name: Returns the name of the device, for messages.
    :param warn: Told what it waits for.
    """

    def __init__(
        self,
        connector: ModuleConnector,
        name: Callable[[], str],
        warn: Callable[[str], None],
    ):
        self._connector = connector
        self._name = name
        self._warn = warn
        # Whether the module may be busy because of us
        self._begun = False

    async def acquire(self, channels: Sequence[ModuleConnector] = ()) -> None:
        """Begin an acquisition and wait until its data is there.

        :param channels: What connects the other modules that have the data.
        :raises RuntimeError: If it is busy because of somebody else, or goes into an
            error.
        :raises SecopError: If the node refuses, or cannot be known any more.
        """
        if self._connector.read_only:
            raise ReadOnly(f"{self._name()} was not triggered: the node is read-only")
        info, grace = self._connector.info, self._connector.options.grace
        with AcquisitionWatch(info, grace) as watch:
            await self._make_ready(watch)
            await self._begin(watch)
            can_be_held = find_command(info.description, "hold") is not None
            await watch.until_over(self._tell_held if can_be_held else None)
            self._begun = False
            self._check(watch)
        # They may have been polled before the end
        modules = (self._connector, *channels)
        await asyncio.gather(*(refresh(module, self._warn) for module in modules))

    async def _make_ready(self, watch: AcquisitionWatch) -> None:
        if self._begun:
            await self.stop()
        elif watch.code is not None and watch.busy and not is_preparing(watch.code):
            # Its data would be from before as well
            raise RuntimeError(
                f"{self._name()} was not triggered: it is {watch} already, because of "
                "somebody else; stop it, or wait"
            )
        # If it cannot be stopped, it has to end
        await watch.until_not_busy()
        info = self._connector.info
        prepare = find_command(info.description, "prepare")
        if prepare is None or watch.prepared:
            return
        watch.was_busy = False
        await info.do(prepare.name)
        await watch.until_ready(self._connector.options.grace)
        self._check(watch)

    async def _begin(self, watch: AcquisitionWatch) -> None:
        info = self._connector.info
        go = find_command(info.description, "go")
        if go is None:
            raise RuntimeError(f"{self._name()} has no command go")
        watch.was_busy = False
        self._begun = True
        try:
            await info.do(go.name)
        except NodeError:
            self._begun = False
            raise
        if not watch.was_busy:
            # By the specification it is busy before it answers; some tell it when
            # they are asked, or late
            await _read_status(info)
            await watch.until_busy(self._connector.options.grace)
        if not watch.was_busy and watch.prepared:
            raise RuntimeError(
                f"{self._name()}: nothing has begun after go: it is {watch}"
            )

    def _tell_held(self) -> None:
        self._warn(f"{self._name()} is on hold: waiting until it goes on")

    def _check(self, watch: AcquisitionWatch) -> None:
        if watch.code is not None and is_failure(watch.code):
            raise RuntimeError(f"{self._name()}: the acquisition failed: it is {watch}")

    async def stop(self) -> None:
        """Stop the module, and wait until it is not busy.

        Nothing is sent if it is known not to be busy, and is not about to be.

        :raises SecopError: If the node refuses, or cannot be known any more.
        :raises TimeoutError: If it is still busy after a while.
        """
        send_stop = self._connector.stop_command
        if send_stop is None:
            return
        info = self._connector.info
        with StatusWatch(info, 0.0) as watch:
            if not (watch.busy or watch.code is None or self._begun):
                return
            await send_stop()
            self._begun = False
            if watch.busy:
                await _read_status(info)
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await watch.until_not_busy()
            except TimeoutError:
                raise TimeoutError(
                    f"{self._name()}: still {watch} {STOP_TIMEOUT:g} s after stop"
                ) from None


async def refresh(connector: ModuleConnector, warn: Callable[[str], None]) -> None:
    """Let a module tell its value, when it is not busy any more.

    :param connector: What connects the module.
    :param warn: Told if it is waited for.
    :raises SecopError: If it has no value.
    """
    info = connector.info
    status = info.description.parameters.get("status")
    if status is not None and isinstance(status.datainfo, StatusInfo):
        with StatusWatch(info, connector.options.grace) as watch:
            if watch.busy:
                await _read_status(info)
                if watch.busy:
                    warn(f"waiting for {info.name}, which is {watch}")
                await watch.until_not_busy()
    await connector.trigger()


async def _read_status(info: ModuleInfo) -> None:
    # An error of it becomes the state of the parameter, like any other update
    with contextlib.suppress(NodeError):
        await info.read("status")
