"""What people type for a value that the node would get in its transported form."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .wire import element, is_object, is_regular, matrix, members, number, parts

SMALL = 2**53


def typed(info: Any, data: Any) -> st.SearchStrategy[Any]:
    """Return the ways to type a value.

    :param info: Its datainfo.
    :param data: Its transported form.
    """
    match info["type"]:
        case "double" | "scaled":
            return st.sampled_from(_floats(number(info, data)))
        case "int":
            return st.sampled_from(_ints(data))
        case "bool":
            same = [data, int(data), np.bool_(data), np.array(data), np.int8(data)]
            return st.sampled_from(same)
        case "enum":
            names = [name for name, code in info["members"].items() if code == data]
            numpy = [np.str_(names[0]), np.array(names[0]), np.int16(data)]
            return st.sampled_from([*names, *numpy, *_ints(data)])
        case "string":
            # numpy drops null characters at the end
            return st.sampled_from(
                [data, np.str_(data)] if data[-1:] != "\0" else [data]
            )
        case "blob":
            return st.sampled_from(_bytes(base64.b64decode(data)))
        case "matrix":
            return st.sampled_from(_matrices(matrix(info, data)))
        case "array":
            return _arrays(info, data)
        case "tuple" | "struct":
            return _objects(info, data)
        case _:
            return st.just(data)


def _floats(value: float) -> list[Any]:
    same = [value, np.float64(value), np.array(value)]
    if value.is_integer() and abs(value) < SMALL and str(value) != "-0.0":
        same += [int(value), np.int64(value)]
    with np.errstate(over="ignore"):
        short = np.float32(value)
    return [*same, short] if float(short) == value else same


def _ints(value: int) -> list[Any]:
    same: list[Any] = [value]
    if abs(value) < SMALL:
        same += [float(value), np.float64(value), np.array(value)]
    if -(2**63) <= value < 2**63:
        same.append(np.int64(value))
    return same


def _bytes(value: bytes) -> list[Any]:
    array = np.frombuffer(value, np.uint8)
    return [value, bytearray(value), memoryview(value), list(value), array]


def _matrices(value: np.ndarray[Any, Any]) -> list[Any]:
    swapped = value.astype(value.dtype.newbyteorder())
    same: list[Any] = [value, np.asfortranarray(value), swapped]
    # NaN has many faces, and lists of nothing no dimensions
    if value.size and np.isfinite(value).all():
        same.append(value.tolist())
    return same


def _arrays(info: Any, data: Any) -> st.SearchStrategy[Any]:
    each = st.tuples(*(typed(info["members"], d) for d in data))
    ways = each | each.map(list)
    if is_regular(info) and element(info)["type"] != "scaled":
        try:
            array = np.array(data)
        except (ValueError, OverflowError):
            return ways
        if array.size and array.dtype.kind in "iufb":
            return ways | st.just(array)
    if data and is_object(info["members"]):
        return ways | st.just(structured(info["members"], data))
    return ways


def _objects(info: Any, data: Any) -> st.SearchStrategy[Any]:
    by_position = st.tuples(*(typed(i, d) for _, i, d in parts(info, data)))
    named = by_position.map(
        lambda values: dict(zip(members(info), values, strict=True))
    )
    rows = structured(info, [data])
    return st.one_of(
        named,
        by_position,
        by_position.map(list),
        st.sampled_from([rows[0], rows.reshape(())]),
    )


def structured(info: Any, rows: Any) -> np.ndarray[Any, Any]:
    """Return a structured array as someone would make it."""
    array = np.empty(len(rows), [(name, object) for name in members(info)])
    for i, row in enumerate(rows):
        array[i] = tuple(_plain(info, data) for _, info, data in parts(info, row))
    return array


def _plain(info: Any, data: Any) -> Any:
    match info["type"]:
        case "double" | "scaled":
            return number(info, data)
        case "blob":
            return base64.b64decode(data)
        case "matrix":
            return matrix(info, data)
        case "array":
            return [_plain(info["members"], d) for d in data]
        case "tuple" | "struct":
            return {f: _plain(i, d) for f, i, d in parts(info, data)}
        case _:
            return data
