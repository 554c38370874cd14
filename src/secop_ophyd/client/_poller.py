"""Asks a node that sends no updates for what someone wants to hear of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from secop_ophyd.protocol import ConnectionLost, SecopError

from ._parameter import Parameter

INTERVAL = 0.3
AT_ONCE = 8
"""How many may be unanswered: a slow one must not hold up all, but nodes are small."""


class Poller:
    """Reads the parameters that have listeners, again and again.

    :param parameters: All there are.
    :param is_needed: Tells whether the node has to be asked at present.
    :param read: Asks the node; the answer changes the parameter.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        is_needed: Callable[[], bool],
        read: Callable[[Parameter], Awaitable[object]],
    ):
        self._parameters = parameters
        self._is_needed = is_needed
        self._read = read
        self._task: asyncio.Task[None] | None = None
        self._asked: dict[Parameter, asyncio.Task[None]] = {}

    def check(self) -> None:
        """Begin or end, as what matters may have changed."""
        running = self._task is not None and not self._task.done()
        needed = self._is_needed() and any(p.listeners for p in self._parameters)
        if needed and not running:
            self._task = asyncio.ensure_future(self._run())
        elif self._task is not None and running and not needed:
            if not self._task.get_loop().is_closed():
                for task in (self._task, *self._asked.values()):
                    task.cancel()
            self._task = None
            self._asked.clear()

    async def _run(self) -> None:
        free = asyncio.Semaphore(AT_ONCE)
        while True:
            for parameter in list(self._parameters):
                asked = self._asked.get(parameter)
                if parameter.listeners and (asked is None or asked.done()):
                    task = asyncio.ensure_future(self._ask_in_turn(parameter, free))
                    self._asked[parameter] = task
            await asyncio.sleep(INTERVAL)

    async def _ask_in_turn(self, parameter: Parameter, free: asyncio.Semaphore) -> None:
        async with free:
            await self._ask(parameter)

    async def _ask(self, parameter: Parameter) -> None:
        before = parameter.reading
        try:
            await self._read(parameter)
        except ConnectionLost:
            pass  # which all parameters are told
        except SecopError as error:
            if parameter.reading is before:  # e.g. no answer in time
                parameter.invalidate(error)
