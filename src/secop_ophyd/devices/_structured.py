"""Values of tuples and structs as structured numpy arrays.

The fields get the types that the values at hand need: numpy has no type for texts of
any length, and a text must never be cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
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
        return _array(info.members, value)
    return _array(info, [value]).reshape(())


def _array(info: DataInfo, values: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return many values of one type as array; its first axis are the values."""
    match info:
        case StatusInfo():
            codes, texts = ([v[i] for v in values] for i in (0, 1))
            return _fields({"f0": (IntInfo(), codes), "f1": (StringInfo(), texts)})
        case TupleInfo():
            return _fields(
                {
                    f"f{i}": (m, [v[i] for v in values])
                    for i, m in enumerate(info.members)
                }
            )
        case StructInfo():
            return _fields(
                {k: (m, [v[k] for v in values]) for k, m in info.members.items()}
            )
        case DoubleInfo() | ScaledInfo():
            return np.array(values, np.float64)
        case BoolInfo():
            return np.array(values, np.bool_)
        case IntInfo() if all(INT64.min <= v <= INT64.max for v in values):
            return np.array(values, np.int64)
        case EnumInfo():
            return _texts([info.text_of(v) for v in values])
        case StringInfo():
            return _texts(values)
        case BlobInfo() if len(set(map(len, values))) == 1:
            content = np.frombuffer(b"".join(values), np.uint8)
            return content.reshape(len(values), -1)
        case BlobInfo():
            return _objects([np.frombuffer(v, np.uint8) for v in values])
        case MatrixInfo() if len({v.shape for v in values}) == 1:
            return np.array(values, info.elementtype)
        case ArrayInfo():
            return _arrays(info, values)
        case _:
            return _objects(values)


def _objects(values: Sequence[Any]) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), object)
    for i, value in enumerate(values):  # numpy would look into lists
        array[i] = value
    return array


def _fields(
    members: Mapping[str, tuple[DataInfo, Sequence[Any]]],
) -> np.ndarray[Any, Any]:
    columns = {name: _array(info, values) for name, (info, values) in members.items()}
    dtype = [(name, c.dtype, c.shape[1:]) for name, c in columns.items()]
    array = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        array[name] = column
    return array


def _texts(values: Sequence[str]) -> np.ndarray[Any, Any]:
    # numpy drops trailing NUL characters
    if any(v.endswith("\0") for v in values):
        return _objects(values)
    longest = max((len(v) for v in values), default=0)
    return np.array(values, f"<U{max(longest, 1)}")


def _arrays(info: ArrayInfo, values: Sequence[Any]) -> np.ndarray[Any, Any]:
    # One choice for all of them: the form of one must not depend on its own values
    elements = _array(info.members, [x for v in values for x in v])
    lengths = list(map(len, values))
    different = set(lengths)
    if not values and info.minlen == info.maxlen:
        different = {info.minlen}  # an empty array has its other dimensions
    if len(different) == 1 and elements.dtype.kind != "O":
        return elements.reshape(len(values), *different, *elements.shape[1:])
    ends = accumulate(lengths, initial=0)
    rows = [elements[start:end] for start, end in pairwise(ends)]
    # Structs stay arrays, they know their names
    return _objects(rows if elements.dtype.names else [row.tolist() for row in rows])
