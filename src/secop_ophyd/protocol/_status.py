"""Status codes and what they mean.

SECoP 1.0/1.1 "status", 2.0 accessibles.rst "Status codes": the hundreds are the
group, the tens the phase, and codes that are not defined mean their group.
"""

from __future__ import annotations

from enum import IntEnum


class StatusGroup(IntEnum):
    """The hundreds of a status code."""

    DISABLED = 0
    IDLE = 1
    WARN = 2
    BUSY = 3
    ERROR = 4


FINALIZING = 390
"""Busy, but the value is reached: who waits for a move may go on."""


def is_busy(code: int) -> bool:
    """Tell whether a module still is on its way (300..389)."""
    return StatusGroup.BUSY * 100 <= code < FINALIZING


def is_failure(code: int) -> bool:
    """Tell whether a module cannot do its job: disabled (0..99) or error (>= 400)."""
    return code < StatusGroup.IDLE * 100 or code >= StatusGroup.ERROR * 100


def is_preparing(code: int) -> bool:
    """Tell whether a module is busy with what comes before its job (310..349)."""
    return is_busy(code) and 1 <= code % 100 // 10 <= 4


def is_prepared(code: int) -> bool:
    """Tell whether a module waits for the word to begin, or to go on (150, 250)."""
    in_order = code // 100 in (StatusGroup.IDLE, StatusGroup.WARN)
    return in_order and code % 100 // 10 == 5


def describe_status(code: int) -> str:
    """Return a code with the name of its group, e.g. `370 (BUSY)`."""
    try:
        return f"{code} ({StatusGroup(code // 100).name})"
    except ValueError:
        return str(code)
