"""The SECoP data types that have no members.

SECoP 1.0/1.1 "Data types", 2.0 datainfo.rst. Each type is a frozen description
that converts in both directions: `validate` is strict, for values on their way
to the node; `from_json` is lenient, since a value outside its declared range is
data (1.1, note on trusted ranges), and only refuses what has no meaning.
"""

from __future__ import annotations

import base64
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import numpy as np

from ._errors import NoValueYet, RangeError, WrongType
from ._guards import is_list, is_mapping, is_ndarray, is_number, is_sequence
from ._json import builtin
from ._text import shorten, show


@dataclass(frozen=True, slots=True, kw_only=True)
class DataInfo(ABC):
    """What a value may be and how it is transported.

    :param raw: The datainfo as the node sent it.
    """

    raw: Any = field(default=None, compare=False, repr=False)

    @abstractmethod
    def validate(self, value: Any) -> Any:
        """Check a value that is to be sent and return it in its Python form.

        :param value: A Python or numpy value.
        :raises WrongType: If it has another type.
        :raises RangeError: If it lies outside the limits.
        """

    @abstractmethod
    def to_json(self, value: Any) -> Any:
        """Return the transported form of a valid value."""

    @abstractmethod
    def from_json(self, data: Any) -> Any:
        """Return the Python value of transported data.

        :param data: Decoded JSON; null stands for a value that is not there.
        :raises WrongType: If the data has no meaning for this type.
        :raises NoValueYet: If it is null.
        """

    def oddity(self, data: Any) -> str:
        """Tell what transported data has that the description does not allow.

        Such data is passed on, so somebody has to be told.

        :param data: Decoded JSON that `from_json` takes.
        :return: What is odd, empty if nothing is.
        """
        return ""

    def _refuse(self, data: Any, expected: str) -> WrongType | NoValueYet:
        if data is None:
            return NoValueYet("the node has no value for it yet (null)")
        return WrongType(f"expected {expected}, got {show(data)}")


def complaint(check: Callable[..., None], *args: Any) -> str:
    """Return what a check complains about, empty if it does not.

    :param check: Raises RangeError.
    :param args: Its arguments.
    """
    try:
        check(*args)
    except RangeError as error:
        return str(error)
    return ""


def plain(value: Any) -> Any:
    """Return a scalar as a builtin: numpy scalars and enum members lose their class."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.generic):
        return value.item()  # pyright: ignore[reportUnknownVariableType]
    if is_ndarray(value) and value.ndim == 0:
        return value.item()
    return value


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


@dataclass(frozen=True, slots=True, kw_only=True)
class BoolInfo(DataInfo):
    """True or false, as bool; 0 and 1 are accepted."""

    def validate(self, value: Any) -> bool:
        value = plain(value)
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
        raise WrongType(f"expected true or false, got {show(value)}")

    def to_json(self, value: bool) -> bool:
        return value

    def from_json(self, data: Any) -> bool:
        if isinstance(data, bool | int | float) and data in (0, 1):
            return bool(data)
        raise self._refuse(data, "true or false")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumInfo(DataInfo):
    """One of some named integers, as its integer.

    A code without a name is data on its way in, and refused on its way out.

    :param members: The code of each name.
    """

    members: Mapping[str, int]
    _names: dict[int, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names: dict[int, str] = {}
        for name, code in self.members.items():
            names.setdefault(code, name)
        object.__setattr__(self, "_names", names)

    def name_of(self, code: int) -> str | None:
        """Return the name of a code, or None if it has none."""
        return self._names.get(code)

    def text_of(self, code: int) -> str:
        """Return the name of a code, or the code as a text that is no other name."""
        name = self.name_of(code)
        if name is not None:
            return name
        # Positions may be named by numbers that are not their codes
        text = str(code)
        while text in self.members:
            text = f"code {text}"
        return text

    def validate(self, value: Any) -> int:
        value = plain(value)
        # YAML reads the names on, off, yes and no as true and false
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise WrongType(f"expected a code or a name, got {show(value)}")
        if isinstance(value, str) and value in self.members:
            return self.members[value]
        if not isinstance(value, str) and value in self._names:
            return int(value)
        choices = ", ".join(f"{n} ({c})" for n, c in self.members.items())
        raise RangeError(f"{show(value)} is none of {shorten(choices, 300)}")

    def to_json(self, value: int) -> int:
        return value

    def from_json(self, data: Any) -> int:
        if isinstance(data, str) and data in self.members:
            return self.members[data]
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if not isinstance(data, int):
            raise self._refuse(data, "the code or the name of an enum member")
        return int(data)

    def oddity(self, data: Any) -> str:
        code = self.from_json(data)
        return "" if self.name_of(code) else f"the code {code} has no name"


def _check_size(what: str, size: int, low: int, high: int | None) -> None:
    if size < low:
        raise RangeError(f"{size} {what}, but at least {low} are needed")
    if high is not None and size > high:
        raise RangeError(f"{size} {what}, but at most {high} are allowed")


@dataclass(frozen=True, slots=True, kw_only=True)
class StringInfo(DataInfo):
    """A text, as str.

    :param minchars: Smallest number of code points.
    :param maxchars: Largest number of code points, or None.
    :param is_utf8: Whether it may have more than ASCII.
    """

    minchars: int = 0
    maxchars: int | None = None
    is_utf8: bool = False

    def validate(self, value: Any) -> str:
        value = plain(value)
        if not isinstance(value, str):
            raise WrongType(f"expected a string, got {show(value)}")
        _check_size("characters", len(value), self.minchars, self.maxchars)
        if value.isascii():
            return value
        if not self.is_utf8:
            raise RangeError(f"{show(value)} has characters outside ASCII")
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise RangeError(f"{show(value)} has surrogates, which are no characters")
        return value

    def to_json(self, value: str) -> str:
        return value

    def from_json(self, data: Any) -> str:
        if not isinstance(data, str):
            raise self._refuse(data, "a string")
        return data

    def oddity(self, data: Any) -> str:
        return complaint(
            _check_size, "characters", len(data), self.minchars, self.maxchars
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo(DataInfo):
    """Bytes, transported in base64 (RFC 4648), as bytes.

    :param minbytes: Smallest number of bytes.
    :param maxbytes: Largest number of bytes, or None.
    """

    minbytes: int = 0
    maxbytes: int | None = None

    def validate(self, value: Any) -> bytes:
        if is_ndarray(value) and value.dtype == np.uint8:
            value = value.tobytes()
        elif isinstance(value, bytearray | memoryview) or is_list(value):
            try:  # numbers are what YAML settings give back
                value = bytes(value)  # pyright: ignore[reportUnknownArgumentType]
            except (TypeError, ValueError):
                pass
        if not isinstance(value, bytes):
            raise WrongType(f"expected bytes, got {show(value)}")
        _check_size("bytes", len(value), self.minbytes, self.maxbytes)
        return value

    def to_json(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")

    def from_json(self, data: Any) -> bytes:
        if not isinstance(data, str):
            raise self._refuse(data, "a string in base64")
        try:  # five times as fast as the module base64, and as strict
            return msgspec.convert(data, bytes)
        except (msgspec.ValidationError, UnicodeEncodeError):
            raise WrongType(f"not base64: {show(data)}") from None

    def oddity(self, data: Any) -> str:
        size = len(data) // 4 * 3 - data.count("=", -2)
        return complaint(_check_size, "bytes", size, self.minbytes, self.maxbytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpaqueInfo(DataInfo):
    """A type that is unknown or badly described: JSON, as it comes and goes.

    :param reason: What is wrong with the datainfo.
    """

    reason: str = ""

    def validate(self, value: Any) -> Any:
        value = plain(value)
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if is_ndarray(value) or isinstance(value, np.void):
            value = builtin(value)
        if is_sequence(value):
            return [self.validate(v) for v in value]
        if is_mapping(value) and all(isinstance(k, str) for k in value):
            return {k: self.validate(v) for k, v in value.items()}
        raise WrongType(f"JSON cannot carry {show(value)}")

    def to_json(self, value: Any) -> Any:
        return value

    def from_json(self, data: Any) -> Any:
        return data
