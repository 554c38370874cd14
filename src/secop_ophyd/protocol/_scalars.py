"""The SECoP data types without members that are no numbers."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from ._datatypes import DataInfo, complaint, plain
from ._errors import RangeError, WrongType
from ._guards import is_list, is_mapping, is_ndarray, is_sequence
from ._json import builtin
from ._text import shorten, show


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
