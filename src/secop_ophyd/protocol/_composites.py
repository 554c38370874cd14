"""The SECoP data types that are made of others.

SECoP 1.0/1.1 "Data types", 2.0 datainfo.rst.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ._datatypes import DataInfo, complaint
from ._errors import NodeError, NoValueYet, RangeError, WrongType
from ._guards import is_list, is_mapping, is_ndarray, is_object, is_sequence
from ._scalars import BlobInfo
from ._text import shorten, show

ErrorT = TypeVar("ErrorT", bound=Exception)


def at(place: str, error: ErrorT) -> ErrorT:
    """Return an error of a member that tells which member it is.

    :param place: Index or name of the member.
    :param error: Its error.
    """
    separator = "" if str(error).startswith("[") else ": "
    return type(error)(f"[{shorten(place, 63)}]{separator}{error}")


def _each(
    convert: Any, items: Iterable[tuple[str, DataInfo, Any]]
) -> Iterable[tuple[str, Any]]:
    for place, member, value in items:
        try:
            yield place, convert(member, value)
        except (NodeError, NoValueYet) as error:
            raise at(place, error) from None


def _first_oddity(items: Iterable[tuple[str, DataInfo, Any]]) -> str:
    for place, member, data in items:
        if oddity := member.oddity(data):
            return str(at(place, RangeError(oddity)))
    return ""


def _validate(member: DataInfo, value: Any) -> Any:
    return member.validate(value)


def _from_json(member: DataInfo, data: Any) -> Any:
    return member.from_json(data)


def _fields(value: Any) -> Any:
    """Return a structured numpy scalar as dict, anything else as it is."""
    if is_ndarray(value) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.void) and value.dtype.names:
        return {name: value[name] for name in value.dtype.names}
    return value


def is_positional(names: Iterable[Any]) -> bool:
    """Tell whether the fields are those of a tuple: `f0`, `f1` and so on.

    :param names: The names of the fields.
    """
    return all(name == f"f{i}" for i, name in enumerate(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class TupleInfo(DataInfo):
    """A fixed sequence of values of various types, as tuple.

    :param members: The type of each element.
    """

    members: tuple[DataInfo, ...]

    def validate(self, value: Any) -> tuple[Any, ...]:
        value = _fields(value)
        if is_mapping(value):
            value = tuple(value.values()) if is_positional(value) else value
        elif is_ndarray(value):
            value = value.tolist()
        if not is_sequence(value):
            raise WrongType(f"expected a tuple, got {show(value)}")
        if len(value) != len(self.members):
            raise WrongType(f"expected {len(self.members)} elements, got {show(value)}")
        return tuple(v for _, v in _each(_validate, self._located(value)))

    def to_json(self, value: Sequence[Any]) -> list[Any]:
        return [m.to_json(v) for m, v in zip(self.members, value, strict=True)]

    def from_json(self, data: Any) -> tuple[Any, ...]:
        if not is_list(data) or len(data) < len(self.members):
            raise self._refuse(data, f"{len(self.members)} elements")
        # Further elements are for a future version of the protocol
        return tuple(v for _, v in _each(_from_json, self._located(data)))

    def oddity(self, data: Any) -> str:
        if len(data) > len(self.members):
            return f"{len(data)} elements, of which {len(self.members)} are known"
        return _first_oddity(self._located(data))

    def _located(self, value: Iterable[Any]) -> Iterable[tuple[str, DataInfo, Any]]:
        return (
            (str(i), m, v)
            for i, (m, v) in enumerate(zip(self.members, value, strict=False))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusInfo(TupleInfo):
    """The status parameter: code and text, as tuple.

    Nodes send less than they should for it: only the code, or null as text.
    """

    def from_json(self, data: Any) -> tuple[Any, ...]:
        items: list[Any] = data if is_list(data) else [data]
        if not items:
            raise self._refuse(data, "a status code and a text")
        words = items[1] if len(items) > 1 and items[1] is not None else ""
        located = self._located((items[0], words))
        return tuple(v for _, v in _each(_from_json, located))

    def oddity(self, data: Any) -> str:
        return self.members[0].oddity(data[0] if is_list(data) else data)


@dataclass(frozen=True, slots=True, kw_only=True)
class StructInfo(DataInfo):
    """A collection of named values, as dict.

    :param members: The type of each member.
    :param optional: Members that a `change` or `do` may leave out.
    """

    members: Mapping[str, DataInfo]
    optional: frozenset[str] = frozenset()

    def validate(self, value: Any) -> dict[str, Any]:
        value = _fields(value)
        if is_sequence(value) and len(value) == len(self.members):
            # By position, which is how YAML settings give it back
            value = dict(zip(self.members, value, strict=True))
        if not is_mapping(value):
            raise WrongType(f"expected a dict, got {show(value)}")
        if unknown := [k for k in value if k not in self.members]:
            raise WrongType(f"no members {show(unknown)} in {list(self.members)}")
        if missing := [
            k for k in self.members if k not in value and k not in self.optional
        ]:
            raise WrongType(f"members {missing} are missing in {show(value)}")
        return dict(_each(_validate, self._located(value)))

    def to_json(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {k: self.members[k].to_json(v) for k, v in value.items()}

    def from_json(self, data: Any) -> dict[str, Any]:
        if not is_object(data):
            raise self._refuse(data, "an object")
        if missing := [k for k in self.members if k not in data]:
            raise WrongType(f"members {missing} are missing in {show(data)}")
        return dict(_each(_from_json, self._located(data)))

    def oddity(self, data: Any) -> str:
        if unknown := [k for k in data if k not in self.members]:
            return f"unknown members {show(unknown)}, which are left out"
        return _first_oddity(self._located(data))

    def _located(self, value: Mapping[str, Any]) -> Iterable[tuple[str, DataInfo, Any]]:
        return ((k, m, value[k]) for k, m in self.members.items() if k in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixInfo(DataInfo):
    """An n-dimensional array of numbers (SECoP 2.0), as ndarray.

    The first dimension of SECoP varies fastest, so it is the last axis here:
    the shape is `len` reversed.

    :param elementtype: The numpy type of the elements, e.g. `<f4`.
    :param names: The name of each dimension.
    :param maxlen: The largest length of each dimension.
    """

    elementtype: str
    names: tuple[str, ...]
    maxlen: tuple[int, ...]

    def validate(self, value: Any) -> np.ndarray[Any, Any]:
        try:
            array = np.asarray(value)
        except ValueError:
            raise WrongType(f"expected a regular array, got {show(value)}") from None
        if not array.size:  # lists of nothing do not tell all dimensions
            missing = len(self.names) - array.ndim
            array = array.reshape(array.shape + (0,) * missing)
        if array.ndim != len(self.names) or array.dtype.kind not in "iuf":
            raise WrongType(
                f"expected {len(self.names)} dimensions of numbers, "
                f"got shape {array.shape} of {array.dtype}"
            )
        self._check_lengths(array.shape[::-1])
        if array.dtype.kind == "f" and "f" not in self.elementtype:
            # Floats do not have all integers, but numpy takes them for a list of
            # small and large ones, and rounds when it compares
            array = np.array(value, object).reshape(array.shape)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                converted = array.astype(self.elementtype)
        except (OverflowError, ValueError):
            raise self._misfit() from None
        if not np.array_equal(converted, array, equal_nan=array.dtype.kind == "f"):
            # Rounding is what floats do; NaN stays NaN, but nothing becomes infinite
            if converted.dtype.kind != "f" or not np.array_equal(
                np.isfinite(converted), np.isfinite(array)
            ):
                raise self._misfit()
        return converted

    def _check_lengths(self, lengths: Iterable[int]) -> None:
        for name, length, limit in zip(self.names, lengths, self.maxlen, strict=True):
            if length > limit:
                raise RangeError(
                    f"{length} elements of {name}, at most {limit} allowed"
                )

    def oddity(self, data: Any) -> str:
        return complaint(self._check_lengths, data["len"])

    def _misfit(self) -> RangeError:
        return RangeError(f"values do not fit into {self.elementtype}")

    def to_json(self, value: np.ndarray[Any, Any]) -> dict[str, Any]:
        data = np.ascontiguousarray(value, dtype=self.elementtype)
        return {
            "len": list(reversed(value.shape)),
            "blob": base64.b64encode(data.tobytes()).decode("ascii"),
        }

    def from_json(self, data: Any) -> np.ndarray[Any, Any]:
        match data:
            case {"len": [*lengths], "blob": blob} if all(
                type(n) is int and n >= 0 for n in lengths
            ):
                pass
            case _:
                raise self._refuse(data, "a matrix with len and blob")
        content = BlobInfo().from_json(blob)
        dtype = np.dtype(self.elementtype)
        size = math.prod(lengths) * dtype.itemsize
        try:
            if len(lengths) == len(self.names) and len(content) == size:
                return np.frombuffer(content, dtype).reshape(lengths[::-1])
        except (ValueError, OverflowError):
            pass  # of no elements, but with a length that numpy cannot have
        raise WrongType(
            f"{len(content)} bytes are no matrix of len {show(lengths)} "
            f"and {self.elementtype}"
        )
