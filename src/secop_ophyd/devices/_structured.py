"""Values of tuples and structs as structured numpy arrays.

The fields get the types that the values at hand need: numpy has no type for texts of
any length, and a text must never be cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from secop_ophyd.protocol import (
    ArrayInfo,
    BlobInfo,
    BoolInfo,
    DataInfo,
    DoubleInfo,
    EnumInfo,
    IntInfo,
    MatrixInfo,
    ScaledInfo,
    StatusInfo,
    StringInfo,
    StructInfo,
    TupleInfo,
)

from ._columns import INT64


def structured_array(info: DataInfo, value: Any) -> np.ndarray[Any, Any]:
    """Return a tuple, a struct or an array of them as structured array.

    :param info: The data type.
    :param value: A value in the Python form of the data type.
    :return: An array of shape `()`, or `(n,)` for an array of n elements. Tuples
        have the fields `f0`, `f1` and so on.
    """
    if isinstance(info, ArrayInfo):
        return _filled(*_field(info.members, value))
    dtype, (row,) = _field(info, [value])
    array = np.empty((), dtype)
    array[()] = row
    return array


def _filled(dtype: Any, rows: Sequence[Any]) -> np.ndarray[Any, Any]:
    array = np.empty(len(rows), dtype)
    for i, row in enumerate(rows):
        array[i] = row
    return array


def _field(info: DataInfo, values: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return a numpy type that holds all the values, and the values for it."""
    match info:
        case StatusInfo():
            codes, texts = ([v[i] for v in values] for i in (0, 1))
            return _fields({"f0": IntInfo(), "f1": StringInfo()}, [codes, texts])
        case TupleInfo():
            members = {f"f{i}": m for i, m in enumerate(info.members)}
            parts = list(zip(*values, strict=True)) or [()] * len(members)
            return _fields(members, parts)
        case StructInfo():
            return _fields(info.members, [[v[k] for v in values] for k in info.members])
        case DoubleInfo() | ScaledInfo():
            return np.float64, list(values)
        case BoolInfo():
            return np.bool_, list(values)
        case IntInfo() if all(INT64.min <= v <= INT64.max for v in values):
            return np.int64, list(values)
        case EnumInfo():
            return _text([info.text_of(v) for v in values])
        case StringInfo():
            return _text(values)
        case BlobInfo():
            rows = [np.frombuffer(v, np.uint8) for v in values]
            return _sub_array(np.uint8, rows, {len(r) for r in rows})
        case MatrixInfo() if len({v.shape for v in values}) == 1:
            return (np.dtype(info.elementtype), values[0].shape), list(values)
        case ArrayInfo():
            lengths = {len(v) for v in values}
            if not values and info.minlen == info.maxlen:
                lengths = {info.minlen}  # an empty array has its other dimensions
            dtype, _ = _field(info.members, [x for v in values for x in v])
            rows = [_field(info.members, v)[1] for v in values]
            return _sub_array(dtype, rows, lengths)
        case _:
            return object, list(values)


def _fields(members: Any, per_member: Sequence[Sequence[Any]]) -> tuple[Any, list[Any]]:
    found = [_field(m, vs) for m, vs in zip(members.values(), per_member, strict=True)]
    dtype = np.dtype([(n, t) for n, (t, _) in zip(members, found, strict=True)])
    return dtype, list(zip(*(values for _, values in found), strict=True))


def _text(values: Sequence[str]) -> tuple[Any, list[Any]]:
    # numpy drops trailing NUL characters
    if any(v.endswith("\0") for v in values):
        return object, list(values)
    longest = max((len(v) for v in values), default=0)
    return f"<U{max(longest, 1)}", list(values)


def _sub_array(dtype: Any, rows: list[Any], lengths: set[int]) -> tuple[Any, list[Any]]:
    dtype = np.dtype(dtype)
    # numpy has no arrays of what has no size
    if len(lengths) == 1 and dtype.kind != "O" and dtype.itemsize:
        if lengths == {0}:  # a list would have no other dimensions
            rows = [np.empty(0, dtype) for _ in rows]
        return (dtype, (lengths.pop(),)), rows
    if dtype.names:  # they keep their fields
        return object, [_filled(dtype, row) for row in rows]
    return object, rows
