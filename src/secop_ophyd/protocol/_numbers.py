"""The SECoP data types of numbers: double, scaled and int."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ._datatypes import DataInfo, complaint, plain
from ._errors import RangeError, WrongType
from ._guards import is_number
from ._text import show


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberInfo(DataInfo):
    """What the three numeric types have in common.

    :param min: Lowest value, or None.
    :param max: Highest value, or None.
    :param unit: Unit, empty if there is none.
    :param fmtstr: How to show it, e.g. `%.3f`, or empty for the default.
    :param absolute_resolution: Smallest difference between distinct values.
    :param relative_resolution: The same, relative to the value.
    """

    min: float | None = None
    max: float | None = None
    unit: str = ""
    fmtstr: str = ""
    absolute_resolution: float = 0.0
    relative_resolution: float = 1.2e-7

    def resolution(self, value: float) -> float:
        """Return the smallest difference to another value that means something."""
        if not self.relative_resolution:  # integers may be too large for a float
            return self.absolute_resolution
        return max(self.absolute_resolution, abs(value) * self.relative_resolution)

    @property
    def precision(self) -> int | None:
        """Digits after the decimal point, or None if `fmtstr` does not tell."""
        match = re.fullmatch(r"%\.(\d+)[ef]", self.fmtstr)
        return int(match[1]) if match else None

    def oddity(self, data: Any) -> str:
        low, high = self.min, self.max
        if low is not None and high is not None and low <= data <= high:
            return ""  # as nearly all are
        return self._oddity_of(data)

    def _oddity_of(self, value: float) -> str:
        if value != value or value in (math.inf, -math.inf):
            return f"{value} is no number in JSON"
        return complaint(self._check_limits, value)

    def _check_limits(self, value: float) -> None:
        if self.min is not None and value < self.min:
            raise self._outside(value, "below the minimum", self.min)
        if self.max is not None and value > self.max:
            raise self._outside(value, "above the maximum", self.max)

    def _outside(self, value: float, where: str, limit: float) -> RangeError:
        unit = f" {self.unit}" if self.unit else ""
        return RangeError(f"{show(value)}{unit} is {where} {limit}{unit}")

    def _finite(self, value: Any) -> float:
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise WrongType(f"expected a number, got {show(value)}")
        try:
            number = float(value)
        except (OverflowError, ValueError):  # too large, or a signalling NaN
            number = math.inf
        if not math.isfinite(number):
            raise RangeError(
                f"{show(value)} cannot be transported, only finite numbers"
            )
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleInfo(NumberInfo):
    """A floating point number, as float."""

    def validate(self, value: Any) -> float:
        number = self._finite(value)
        self._check_limits(number)
        return number

    def to_json(self, value: float) -> float:
        return value

    def from_json(self, data: Any) -> float:
        if type(data) is float:  # as nearly all are
            return data
        if not is_number(data):
            raise self._refuse(data, "a number")
        try:
            return float(data)
        except OverflowError:
            raise WrongType(f"{show(data)} is too large for a double") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledInfo(NumberInfo):
    """A number that travels as a multiple of `scale`, as float.

    Limits and values are the physical ones, with the decimals that `scale` has.

    :param scale: What the transported integer is multiplied with.
    """

    scale: float = 1.0

    def validate(self, value: Any) -> float:
        # Within half a step, since the limits are multiples of the scale
        number = self.from_json(self.to_json(self._finite(value)))
        self._check_limits(number)
        return number

    def to_json(self, value: float) -> int:
        return round(Decimal(str(value)) / Decimal(str(self.scale)))

    def from_json(self, data: Any) -> float:
        if not is_number(data) or data != data or data in (math.inf, -math.inf):
            raise self._refuse(data, "an integer")
        return _scale(data, self.scale)

    def oddity(self, data: Any) -> str:
        if data != int(data):
            return f"{data} is no integer, which is multiplied by {self.scale}"
        return self._oddity_of(self.from_json(data))


def _scale(number: float, scale: float) -> float:
    # In decimals: 12 * 0.1 is 1.2 and not 1.2000000000000002
    value = float(Decimal(str(number)) * Decimal(str(scale)))
    if not math.isfinite(value):
        raise WrongType(f"{show(number)} is too large for a scale of {scale}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class IntInfo(NumberInfo):
    """An integer of any size, as int."""

    min: int | None = None
    max: int | None = None
    relative_resolution: float = 0.0

    def validate(self, value: Any) -> int:
        value = plain(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self._finite(value)
            if value != int(value):
                raise WrongType(f"expected an integer, got {show(value)}")
            value = int(value)
        self._check_limits(value)
        return value

    def to_json(self, value: int) -> int:
        return value

    def from_json(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            raise self._refuse(data, "an integer")
        return data
