"""Follows the status of a module, and tells when it is not busy any more.

SECoP 1.0/1.1 "Correct handling of side-effects", 2.0 readwrite.rst: status codes
tell it, in the order of the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

from secop_ophyd.client import Reading
from secop_ophyd.protocol import (
    NodeError,
    SecopError,
    describe_status,
    is_busy,
    is_failure,
)

from ._connector import ModuleConnector
from ._module_info import ModuleInfo

T = TypeVar("T")


class StatusWatch:
    """Follows the status of a module, in wire order, while it is entered.

    :param module: What the module is in SECoP.
    :param grace: How long the status may be in error before that counts, in seconds.
    """

    def __init__(self, module: ModuleInfo, grace: float):
        self._module = module
        self._parameter = module.parameter("status")
        self._grace = grace
        self._changed = asyncio.Event()
        self._failure: Exception | None = None
        self._last: Any = None
        self._end: Callable[[], None] = lambda: None
        self.was_busy = False

    def __enter__(self) -> Self:
        self._end = self._parameter.subscribe(self._updated)
        self._remember(self._parameter.reading)
        self.was_busy = self.busy
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _updated(self, reading: Reading) -> None:
        self._remember(reading)
        self.was_busy |= self.busy
        self._changed.set()

    def _remember(self, reading: Reading) -> None:
        if reading.error is None:
            self._last = reading.value

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
        error = self._parameter.reading.error
        if isinstance(error, NodeError) or self._last is None:
            return f"unknown ({error})"
        # The last one that was known, if there is no connection
        code, text = self._last
        return f"{describe_status(code)} {text!r}" if text else describe_status(code)

    async def refresh(self) -> bool:
        """Ask for the status if the node does not send updates by itself.

        :return: Whether what is known is of now.
        """
        if self._module.client.activated:
            return True
        try:
            await self._module.read("status")
        except SecopError:
            return False
        return True

    def fail(self, error: Exception) -> None:
        """Let who waits fail; the first reason counts.

        :param error: Why.
        """
        self._failure = self._failure or error
        self._changed.set()

    def forgive(self) -> None:
        """Forget what it was told to fail with."""
        self._failure = None

    def check(self) -> None:
        """Raise what it was told to fail with."""
        if self._failure is not None:
            raise self._failure

    async def until_not_busy(self) -> None:
        """Wait until the module is not busy.

        :raises SecopError: If its status cannot be known any more.
        """
        while self.code is None or self.busy:
            self.check()
            if self.code is None:
                # The node may be in trouble for a moment; a lost connection is not
                error = self._parameter.reading.error
                known = await self._until(lambda: self.code is not None, self._grace)
                if not known and error is not None:
                    raise error.with_traceback(None)
            await self._until(lambda: not self.busy)
        self.check()

    async def until_busy(self, timeout: float) -> None:
        """Wait until the module is or was busy, but not longer than a time."""
        await self._until(lambda: self.was_busy, timeout)

    async def _until(
        self, condition: Callable[[], bool], timeout: float | None = None
    ) -> bool:
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    self.check()
                    if (error := self._parameter.reading.error) is not None:
                        if not isinstance(error, NodeError):
                            raise error.with_traceback(None)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True


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
        await watch.refresh()
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
        await watch.refresh()
        await _idle(name, watch)


async def _idle(name: str, watch: StatusWatch) -> None:
    await watch.until_not_busy()
    if watch.code is not None and is_failure(watch.code):
        raise RuntimeError(f"{name}: not idle but {watch}")
