"""One move of a module: how it begins, and when and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from secop_ophyd.client import Reading
from secop_ophyd.protocol import (
    BoolInfo,
    EnumInfo,
    NodeError,
    NumberInfo,
    SecopError,
    StatusGroup,
    is_failure,
)

from ._module_info import ModuleInfo
from ._options import ModuleOptions
from ._status_watch import StatusWatch

ErrorT = TypeVar("ErrorT", bound=Exception)

ODD = 0.1
"""With more of the way left than this it is worth waiting for a new target."""

FAR = 0.5
"""With more of the way left than this, a move that is done is worth a warning."""


EXPLAIN = 0.1
"""How long a module may take to be in error after it has changed its target, in s."""


class _RetargetError(Exception):
    """Somebody else has changed the target."""


class Move:
    """One move of a module, watched from before its target is sent.

    :param name: Name of the device, for messages.
    :param module: What the module is in SECoP.
    :param options: How to deal with it.
    :param target: Where to.
    :param accepted: Called when the node has accepted the target.
    """

    def __init__(
        self,
        name: str,
        module: ModuleInfo,
        options: ModuleOptions,
        target: Any,
        accepted: Callable[[], None],
    ):
        self._tell_accepted = accepted
        self._name = name
        self._module = module
        self._options = options
        self._target = target
        self._parameter = module.parameter("target")
        self._value = module.parameter("value")
        self._watch = StatusWatch(module, options.grace)
        self._accepted: list[Any] = []
        self._before = self._parameter.reading
        self._start = self._value.reading
        self._last: Any = None
        # Whether the module may be on its way, or get there yet
        self.pending = False
        # Set when it is we who change the target again or stop the module, and when it
        # does not matter any more who did
        self.disowned = False

    async def run(self) -> None:
        """Send the target and wait until the module is there.

        :raises RuntimeError: If the module goes into an error, or somebody else
            changes its target.
        :raises SecopError: If the node refuses, or cannot be known any more.
        """
        self._value_updated(self._start)
        ends = (
            self._parameter.subscribe(self._target_updated),
            self._value.subscribe(self._value_updated),
        )
        try:
            with self._watch:
                try:
                    await self._run()
                except _RetargetError as error:
                    await self._explain(error)
        except SecopError as error:
            failed = self._failed(type(error), str(error))
            failed.report = error.report
            raise failed from None
        finally:
            for end in ends:
                end()

    async def _run(self) -> None:
        await self._begin()
        if not self._watch.was_busy and not self._arrived():
            # By the specification it is busy before it answers, but some are late
            await self._watch.until_busy(self._options.grace)
        await self._watch.until_not_busy()
        self.pending = False
        if not self.disowned and not self._options.tolerate_retarget:
            await self._confirm()
        self._check_status()

    def _check_status(self) -> None:
        code = self._watch.code
        if code is not None and is_failure(code):
            group = StatusGroup.ERROR if code >= 400 else StatusGroup.DISABLED
            raise self._failed(RuntimeError, f"the module is in {group.name}")

    async def _explain(self, retargeted: _RetargetError) -> None:
        """Fail with what has changed the target: also a module that fails may do it."""
        self.pending = False
        self.disowned = True
        self._watch.forgive()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXPLAIN):
                await self._watch.until_not_busy()
        self._check_status()
        raise self._failed(RuntimeError, str(retargeted))

    async def _begin(self) -> None:
        self.pending = True
        try:
            reading = await self._module.change("target", self._target)
            self._accepted.append(reading.value)
            self._target_updated(self._parameter.reading)
            if self._has("go"):
                # Then a change of the target only prepares the move (1.0, "go")
                self._watch.check()
                self._watch.was_busy = self._watch.busy
                await self._module.do("go")
        except NodeError:
            self.pending = False  # refused, here or there
            raise
        self._tell_accepted()
        await self._watch.refresh()

    def _has(self, command: str) -> bool:
        found = self._module.description.commands.get(command)
        return found is not None and found.argument is None

    def _failed(self, kind: type[ErrorT], why: str) -> ErrorT:
        return kind(
            f"{self._name}: moving to {self._target} failed, {why}: {self.where()}"
        )

    def _value_updated(self, reading: Reading) -> None:
        if reading.error is None:
            self._last = reading.value

    def _target_updated(self, reading: Reading) -> None:
        if not self._accepted or self.disowned or self._options.tolerate_retarget:
            return
        # Errors of the target mean nothing for the move
        if reading.error is None and not self._is_same(
            reading.value, self._accepted[0]
        ):
            why = f"somebody else has set the target to {reading.value}"
            self._watch.fail(_RetargetError(why))

    async def _confirm(self) -> None:
        """Look for a stop by somebody else, if the value is not at the target.

        A stop changes the target as well, but some nodes do not tell so before
        they are asked, and some are idle before they change it. If it stays as it
        is, the module may have good reasons, like a wide tolerance: that is no
        failure, but a warning if the move did not bring it nearer.
        """
        if self._arrived():
            return
        await self._read("target")
        if not self._module.client.activated:
            await self._read("value")
        await self._watch.until_not_busy()
        if self._watch.was_busy and self._left() > ODD:
            self._watch.was_busy = self._watch.busy
            await self._watch.until_busy(self._options.grace)
            await self._watch.until_not_busy()
        elif not self._watch.was_busy and not self._has("stop"):
            return  # a Writable, whose value may follow as it likes
        if self.disowned:
            return
        if self._left() > FAR and not is_failure(self._watch.code or 0):
            self._module.client.log.warning(
                "%s: done, but less than half of the way to %s: %s; "
                "did somebody stop it?",
                self._name,
                self._target,
                self.where(),
            )

    async def _read(self, name: str) -> None:
        with contextlib.suppress(NodeError):  # one that cannot be read
            await self._module.read(name)

    def _arrived(self) -> bool:
        value = self._value.reading
        return value.error is None and self._is_same(value.value, self._accepted[0])

    def _left(self) -> float:
        """Tell how much of the way is left, as far as that can be told.

        :return: 0 if the module is there, or nobody knows; 1 if it has not moved.
        """
        info, target = self._parameter.description.datainfo, self._accepted[0]
        if self._arrived() or self._value.reading.error is not None:
            return 0.0
        if isinstance(info, EnumInfo | BoolInfo):
            return 1.0 if info == self._value.description.datainfo else 0.0
        if not isinstance(info, NumberInfo) or self._start.error is not None:
            return 0.0
        if self._before.error is None and self._is_same(self._before.value, target):
            return 0.0  # it was sent there before: what is left is its tolerance
        value, start = self._value.reading.value, self._start.value
        if not (isinstance(value, int | float) and isinstance(start, int | float)):
            return 0.0
        way = abs(start - target)
        return abs(value - target) / way if way else 1.0

    def _is_same(self, value: Any, target: Any) -> bool:
        info = self._parameter.description.datainfo
        if isinstance(info, NumberInfo) and isinstance(value, int | float):
            return abs(value - target) <= info.resolution(float(target))
        if isinstance(value, np.ndarray) or isinstance(target, np.ndarray):
            return np.array_equal(value, target)
        return bool(value == target)

    def where(self) -> str:
        """Return where the module is, or was when that was known, for messages."""
        error = self._value.reading.error
        value = f"unknown ({error})" if isinstance(error, NodeError) else self._last
        lost = error is not None and not isinstance(error, NodeError)
        return f"{'last seen with ' if lost else ''}status {self._watch}, value {value}"
