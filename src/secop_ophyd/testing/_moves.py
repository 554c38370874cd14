"""How modules with a target behave: they get there, and can be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from secop_ophyd.protocol import (
    EnumInfo,
    InterfaceClass,
    IntInfo,
    NumberInfo,
    SecopError,
    StatusInfo,
    interface_class,
    is_busy,
)

from ._model import Model

DURATION = 0.05
"""How long a move of a Drivable takes by default, in seconds."""


@dataclass(frozen=True, slots=True)
class Drive:
    """How a module moves.

    :param duration: How long a move takes, in seconds; None: the target is all
        that changes.
    :param busy_late: How long after the reply it tells to be busy, in seconds.
    """

    duration: float | None
    busy_late: float = 0.0


@dataclass(slots=True)
class _Move:
    start: Any
    target: Any
    began: float
    duration: float
    timers: list[asyncio.TimerHandle] = field(default_factory=list[asyncio.TimerHandle])

    def cancel(self) -> None:
        for timer in self.timers:
            timer.cancel()

    def position(self, now: float) -> float | None:
        if not (
            isinstance(self.start, int | float) and isinstance(self.target, int | float)
        ):
            return None
        part = min(1.0, (now - self.began) / self.duration) if self.duration else 1.0
        return self.start + part * (self.target - self.start)


class Moves:
    """The moves of all modules, made of timers and nothing else.

    :param model: Is told what becomes of value, status and target.
    """

    def __init__(self, model: Model):
        self._model = model
        self._drives: dict[str, Drive] = {}
        self._moves: dict[str, _Move] = {}

    def drive(self, module: str, drive: Drive) -> None:
        """Set how a module moves; a move that is under way ends where it is."""
        for name in ("value", "status", "target"):
            self._model.parameter(f"{module}:{name}")
        self._drives[module] = drive
        self._interrupt(module)

    def cancel(self) -> None:
        """Forget all moves that are under way."""
        for move in self._moves.values():
            move.cancel()
        self._moves.clear()

    def begin(self, module: str, target: Any) -> None:
        """Do what a change of the target asks for, before it is answered."""
        drive = self._drive_of(module)
        if drive is None:
            # No Drivable: there at once, if value can be what target is
            if interface_class(self._model.module(module)) is InterfaceClass.WRITABLE:
                self._set_value(module, target)
            return
        if drive.duration is None:
            return
        self._interrupt(module)
        loop = asyncio.get_running_loop()
        move = _Move(self._value(module), target, loop.time(), drive.duration)
        self._moves[module] = move
        if drive.busy_late:
            move.timers.append(loop.call_later(drive.busy_late, self._busy, module))
        else:
            self._busy(module)
        move.timers.append(
            loop.call_later(drive.busy_late + drive.duration, self._arrive, module)
        )

    def stop(self, module: str) -> None:
        """Do what the command `stop` asks for, before it is answered."""
        if self._interrupt(module):
            # The target is near the present value then (1.0, "stop")
            self._try(lambda: self._model.set(f"{module}:target", self._value(module)))
            self._set_status(module, 100, "stopped")

    def _drive_of(self, module: str) -> Drive | None:
        if module in self._drives:
            return self._drives[module]
        found = interface_class(self._model.module(module))
        return Drive(DURATION) if found is InterfaceClass.DRIVABLE else None

    def _busy(self, module: str) -> None:
        self._set_status(module, 300, "moving")

    def _arrive(self, module: str) -> None:
        self._set_value(module, self._moves.pop(module).target)
        self._set_status(module, 100, "")

    def _interrupt(self, module: str) -> bool:
        """End a move where it is, and tell whether there was one."""
        move = self._moves.pop(module, None)
        if move is None:
            return False
        move.cancel()
        value = move.position(asyncio.get_running_loop().time())
        info = self._model.parameter(f"{module}:value").description.datainfo
        if isinstance(info, NumberInfo) and value is not None:
            value = round(value) if isinstance(info, IntInfo) else value
            self._set_value(module, value)
        return True

    def _value(self, module: str) -> Any:
        state = self._model.parameter(f"{module}:value")
        return self._try(lambda: state.description.datainfo.from_json(state.value))

    def _set_value(self, module: str, value: Any) -> None:
        self._try(lambda: self._model.set(f"{module}:value", value))

    def _set_status(self, module: str, code: int, text: str) -> None:
        info = self._model.parameter(f"{module}:status").description.datainfo
        codes: Mapping[str, int] = {}
        if isinstance(info, StatusInfo) and isinstance(info.members[0], EnumInfo):
            codes = info.members[0].members
        if code not in codes.values() and is_busy(code):
            code = next(filter(is_busy, codes.values()), code)
        self._model.set_json(
            f"{module}:status", [code, text], self._model.time(), pinned=False
        )

    @staticmethod
    def _try(action: Callable[[], Any]) -> Any:
        # value and target need not have one datainfo, nor the value be valid
        try:
            return action()
        except SecopError:
            return None
