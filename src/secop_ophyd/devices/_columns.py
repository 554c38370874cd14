"""Structured values as plain columns, one for each leaf.

Neither Tiled nor databroker can store a structured value, so a tuple or a struct
stays one value of its signal and becomes several data keys in documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from event_model import DataKey, Dtype, Limits, LimitsRange

from secop_ophyd.codegen import element_text
from secop_ophyd.protocol import (
    ArrayInfo,
    BlobInfo,
    BoolInfo,
    DataInfo,
    EnumInfo,
    IntInfo,
    MatrixInfo,
    NumberInfo,
    StatusInfo,
    StringInfo,
    StructInfo,
    TupleInfo,
    builtin,
    dashed,
)

INT64 = np.iinfo(np.int64)
_CLIPPED = 2**53
TOO_LARGE = "an integer has more than 64 bits"
NOT_REGULAR = "it is no regular array"


@dataclass(frozen=True, slots=True)
class Column:
    """A data key that gets a part of a value.

    :param path: The fields to follow, empty for the value itself.
    :param info: The data type of the part.
    :param lengths: Lengths of the arrays around it; None for a varying one.
    :param as_json: Whether no plain type can hold it, so that it is JSON text.
    """

    path: tuple[str, ...]
    info: DataInfo
    lengths: tuple[int | None, ...] = ()
    as_json: bool = False

    def check(self, value: Any, datakey: DataKey) -> None:
        """Check that the part in the value of the signal is what is described.

        :param value: The value of the signal.
        :param datakey: The description of the part.
        :raises ValueError: If it is not.
        """
        try:
            check_array(_as_array(self._part(value)), datakey)
        except ValueError as error:
            raise ValueError(f"{'.'.join(self.path)}: {error}") from None

    def _part(self, value: Any) -> Any:
        for field in self.path:
            value = value[field]
            if isinstance(value, np.ndarray) and value.shape == ():
                value = value[()]  # what an object field holds has fields itself
        return value

    def take(self, value: Any) -> Any:
        """Take the part from the value of the signal."""
        value = self._part(value)
        if self.as_json:
            return to_json_text(value)
        if isinstance(value, np.ndarray) and (
            value.ndim == 0 or value.dtype.kind == "O"  # texts
        ):
            value = value.tolist()
        return value.item() if isinstance(value, np.generic) else value

    def datakey(self, source: str) -> DataKey:
        """Describe the part.

        :param source: The source of the signal.
        """
        if self.as_json:
            datakey = DataKey(source=source, dtype="string", shape=[])
        else:
            datakey = describe_leaf(self.info, source, self.lengths)
        return datakey | {"secop_datainfo": json.dumps(self.info.raw)}  # type: ignore[return-value]


def column_key(name: str, path: Sequence[str]) -> str:
    """Return the data key of a column.

    :param name: Name of the signal.
    :param path: Where in its value the column is.
    """
    return "-".join((name, *map(dashed, path)))


def to_json_text(value: Any) -> str:
    """Return any value of a signal as JSON text."""
    return json.dumps(value, default=_builtin, ensure_ascii=False)


def _builtin(value: Any) -> Any:
    return list(value) if isinstance(value, bytes) else builtin(value)


def is_plain(info: DataInfo) -> bool:
    """Tell whether a value fits into one data key as it is."""
    match info:
        case IntInfo():
            return fits_int64(info)
        case NumberInfo() | BoolInfo() | EnumInfo() | StringInfo():
            return True
        case BlobInfo():
            return True
        case MatrixInfo():
            # Arrays of varying length become lists in Tiled, with at most 63 bits
            return not info.elementtype.endswith("u8")
        case ArrayInfo():
            return bool(element_text(info.members))
        case _:
            return False


def fits_int64(info: IntInfo) -> bool:
    """Tell whether all allowed values have 64 bits, as far as it is known."""
    low = 0 if info.min is None else info.min
    high = 0 if info.max is None else info.max
    return INT64.min <= low and high <= INT64.max


def is_clipped(value: Any) -> bool:
    """Tell whether Tiled does not keep a number of a configuration as it is.

    It has JSON there, with numbers below 2**53 and nothing that is not finite.

    :param value: A value of a reading.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "iuf":
            return False
        if value.dtype.kind == "f":  # a short one has no limit to compare with
            value = value.astype(np.float64)
        return not bool(np.all((value > -_CLIPPED) & (value < _CLIPPED)))
    if not isinstance(value, int | float):
        return False
    return not -_CLIPPED < value < _CLIPPED


def columns(info: DataInfo) -> list[Column]:
    """Return the columns for a value of any type.

    :param info: The data type.
    """
    return list(_columns(info, (), ()))


def _columns(
    info: DataInfo, path: tuple[str, ...], lengths: tuple[int | None, ...]
) -> Iterator[Column]:
    match info:
        case StatusInfo():
            code, text = info.members
            # The code, not its name: the groups of codes are what is defined
            yield Column((*path, "f0"), IntInfo(raw=code.raw), lengths)
            yield Column((*path, "f1"), text, lengths)
        case TupleInfo():
            for i, member in enumerate(info.members):
                yield from _columns(member, (*path, f"f{i}"), lengths)
        case StructInfo():
            for name, member in info.members.items():
                yield from _columns(member, (*path, name), lengths)
        case ArrayInfo(members=TupleInfo() | StructInfo()) if not lengths:
            yield from _columns(info.members, path, (_length(info),))
        case _:
            # Arrays in an array of structs may differ in length from row to row
            inner = isinstance(info, ArrayInfo | BlobInfo | MatrixInfo)
            texts = isinstance(info, StringInfo | EnumInfo)
            as_json = bool(lengths) and (inner or texts)
            yield Column(path, info, lengths, as_json or not is_plain(info))


def _length(info: ArrayInfo) -> int | None:
    # Archives cannot have a length of zero
    return (info.minlen or None) if info.minlen == info.maxlen else None


def check_shape(found: Sequence[int], described: Sequence[int | None]) -> None:
    """Check that a value has the lengths that its data key promises.

    :raises ValueError: If it does not.
    """
    if len(found) != len(described) or any(
        length not in (None, n) for n, length in zip(found, described, strict=True)
    ):
        raise ValueError(f"it has the shape {list(found)}, not {list(described)}")


def _as_array(value: Any) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(NOT_REGULAR) from None


def check_array(array: np.ndarray[Any, Any], datakey: DataKey) -> None:
    """Check that an array has the shape and the type that its data key promises.

    :raises ValueError: If it does not.
    """
    check_shape(array.shape, datakey["shape"])
    dtype: Any = datakey.get("dtype_numpy")
    if dtype and array.size and array.dtype.kind != np.dtype(dtype).kind:
        raise ValueError(TOO_LARGE)  # all other numbers have their type


def describe_leaf(
    info: DataInfo, source: str, lengths: tuple[int | None, ...] = ()
) -> DataKey:
    """Describe a value that fits into one data key.

    :param info: The data type.
    :param source: Where it is from.
    :param lengths: Lengths of the arrays around it.
    """
    shape = list(lengths)
    while isinstance(info, ArrayInfo):
        shape.append(_length(info))
        info = info.members
    dtype: Dtype
    dtype_numpy: str | None = None
    match info:
        case IntInfo():
            dtype, dtype_numpy = "integer", "<i8" if fits_int64(info) else None
        case NumberInfo():
            dtype, dtype_numpy = "number", "<f8"
        case BoolInfo():
            dtype, dtype_numpy = "boolean", "|b1"
        case BlobInfo():
            dtype, dtype_numpy = "array", "|u1"
            shape.append(info.minbytes if info.minbytes == info.maxbytes else None)
        case MatrixInfo():
            dtype, dtype_numpy = "array", np.dtype(info.elementtype).str
            shape.extend([None] * len(info.names))
        case _:
            # No numpy type, it would cut texts
            dtype = "string"
    datakey = DataKey(source=source, dtype="array" if shape else dtype, shape=shape)
    if dtype_numpy is not None:
        datakey["dtype_numpy"] = dtype_numpy
    if isinstance(info, NumberInfo):
        _describe_number(info, datakey)
    if isinstance(info, EnumInfo):
        datakey["choices"] = list(info.members)
    return datakey


def describe_error(info: DataInfo, source: str) -> DataKey:
    """Describe the uncertainty of a value, which is one number in the same unit.

    :param info: The data type of the value.
    :param source: Where it is from.
    """
    while isinstance(info, ArrayInfo):
        info = info.members
    datakey = DataKey(source=source, dtype="number", dtype_numpy="<f8", shape=[])
    if isinstance(info, NumberInfo) and info.unit:
        datakey["units"] = info.unit
    return datakey


def _describe_number(info: NumberInfo, datakey: DataKey) -> None:
    if info.unit:
        datakey["units"] = info.unit
    if info.precision is not None:
        datakey["precision"] = info.precision
    if info.min is not None or info.max is not None:
        limits = LimitsRange(low=info.min, high=info.max)
        datakey["limits"] = Limits(control=limits)
