"""Arrays, which may be long.

SECoP 1.0/1.1 "Data types", 2.0 datainfo.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._composites import StructInfo, TupleInfo, at, is_positional
from ._datatypes import DataInfo, complaint
from ._errors import NodeError, NoValueYet, RangeError, WrongType
from ._guards import is_list, is_ndarray, is_sequence
from ._many import ConvertAll, are_expected, from_json_all, to_json_all, validate_all
from ._text import show

_CHUNK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayInfo(DataInfo):
    """A sequence of values of one type, as list.

    :param members: The type of the elements.
    :param minlen: Smallest number of elements.
    :param maxlen: Largest number of elements, or None.
    """

    members: DataInfo
    minlen: int = 0
    maxlen: int | None = None

    def validate(self, value: Any) -> list[Any]:
        if is_ndarray(value) and value.ndim > 0:
            value = _rows(value, self.members) if value.dtype.names else value.tolist()
        if not is_sequence(value):
            raise WrongType(f"expected a sequence, got {show(value)}")
        self._check_length(len(value))
        return self._convert(validate_all, self.members.validate, list(value))

    def _check_length(self, length: int) -> None:
        if length < self.minlen or (self.maxlen is not None and length > self.maxlen):
            high = "any number" if self.maxlen is None else self.maxlen
            raise RangeError(
                f"{length} elements, but from {self.minlen} to {high} are allowed"
            )

    def to_json(self, value: Sequence[Any]) -> list[Any]:
        return self._convert(to_json_all, self.members.to_json, list(value))

    def from_json(self, data: Any) -> list[Any]:
        if not is_list(data):
            raise self._refuse(data, "an array")
        return self._convert(from_json_all, self.members.from_json, data)

    def _convert(
        self, convert_all: ConvertAll, convert: Callable[[Any], Any], items: list[Any]
    ) -> list[Any]:
        if (converted := convert_all(self.members, items)) is not None:
            return converted
        found: list[Any] = []
        for start, chunk in _chunks(items):
            part = convert_all(self.members, chunk)
            found += _each(convert, chunk, start) if part is None else part
        return found

    def oddity(self, data: Any) -> str:
        if wrong := complaint(self._check_length, len(data)):
            return wrong
        if are_expected(self.members, data):
            return ""
        for start, chunk in _chunks(data):
            if not are_expected(self.members, chunk):
                for i, item in enumerate(chunk, start):
                    if oddity := self.members.oddity(item):
                        return str(at(str(i), RangeError(oddity)))
        return ""


def _rows(array: np.ndarray[Any, Any], member: DataInfo) -> list[Any]:
    """Return the rows of a structured array, in a form that knows their names."""
    names = list(array.dtype.names or ())
    fields = [array.dtype[name] for name in names]
    if array.ndim == 1 and not any(field.names or field.shape for field in fields):
        rows = zip(*(array[name].tolist() for name in names), strict=True)
        if isinstance(member, StructInfo):
            return [dict(zip(names, row, strict=True)) for row in rows]
        if isinstance(member, TupleInfo) and is_positional(names):
            return list(rows)
    return list(array)


def _chunks(items: list[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Cut what is long, since one value costs only its chunk the quick way."""
    for start in range(0, len(items), _CHUNK):
        yield start, items[start : start + _CHUNK]


def _each(convert: Callable[[Any], Any], items: list[Any], start: int) -> list[Any]:
    converted: list[Any] = []
    try:
        for item in items:
            converted.append(convert(item))
    except (NodeError, NoValueYet) as error:
        raise at(str(start + len(converted)), error) from None
    return converted
