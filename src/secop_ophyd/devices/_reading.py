"""A reading of a signal that has a value, or tells why it has none."""

from __future__ import annotations

from typing import Any, NoReturn, Self

from secop_ophyd.protocol import SecopError

INVALID = -1
"""The severity of a reading without value, as EPICS has it."""


class SignalReading(dict[str, Any]):
    """A reading as bluesky wants it, which fails when its missing value is taken.

    Signals of ophyd-async cache readings and have no way to be told of an error. So
    an error travels as a reading without value, and whoever takes the value gets
    the error, never an old value. Its short text also saves ophyd-async from
    formatting long arrays at each update.

    There is one for each update, so a usual one is made as fast as a dict.
    """

    error: SecopError | None = None
    """Why there is no value."""

    @classmethod
    def without_value(cls, error: SecopError, timestamp: float) -> Self:
        """Make a reading that tells why it has no value.

        :param error: Why.
        :param timestamp: Since when, in UNIX seconds.
        """
        reading = cls(timestamp=timestamp, alarm_severity=INVALID, message=str(error))
        reading.error = error
        return reading

    def __missing__(self, key: str) -> NoReturn:
        if key == "value" and self.error is not None:
            raise self.error.with_traceback(None)
        raise KeyError(key)

    def __str__(self) -> str:
        # What ophyd-async formats at each update, whether it is logged or not
        return "a reading"

    def __repr__(self) -> str:
        return f"<reading of {self.get('timestamp')}>"
