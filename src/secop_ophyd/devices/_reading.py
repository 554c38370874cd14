"""A reading of a signal that has a value, or tells why it has none."""

from __future__ import annotations

from typing import Any, NoReturn

from secop_ophyd.protocol import SecopError

INVALID = -1
"""The severity of a reading without value, as EPICS has it."""


class SignalReading(dict[str, Any]):
    """A reading as bluesky wants it, which fails when its missing value is taken.

    Signals of ophyd-async cache readings and have no way to be told of an error. So
    an error travels as a reading without value, and whoever takes the value gets
    the error, never an old value. Its short text also saves ophyd-async from
    formatting long arrays at each update.

    :param error: Why there is no value; `value` must not be given then.
    :param items: `value`, `timestamp`, `alarm_severity` and so on.
    """

    __slots__ = ("error",)

    def __init__(self, error: SecopError | None = None, **items: Any):
        super().__init__(items)
        self.error = error
        if error is not None:
            self.update(alarm_severity=INVALID, message=str(error))

    def __missing__(self, key: str) -> NoReturn:
        if key == "value" and self.error is not None:
            raise self.error.with_traceback(None)
        raise KeyError(key)

    # What ophyd-async formats at each update, whether it is logged or not
    __str__ = object.__repr__

    def __repr__(self) -> str:
        return f"<reading of {self.get('timestamp')}>"
