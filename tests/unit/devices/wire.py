"""What the node sent, against what a device has: made without our converters.

The forms are those of the documentation: numbers, texts and enum members as they are,
arrays of numbers as arrays, tuples and structs with named fields, one column for each
of their leaves in documents, JSON text for what an archive cannot hold.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np

NUMBERS = ("double", "scaled", "int", "bool")
DTYPES = {"double": "<f8", "scaled": "<f8", "int": "<i8", "bool": "|b1"}


def is_object(info: Any) -> bool:
    return info["type"] in ("tuple", "struct")


def members(info: Any) -> Mapping[str, Any]:
    """Return the members of a tuple or a struct by the name of their field."""
    if info["type"] == "tuple":
        return {f"f{i}": member for i, member in enumerate(info["members"])}
    return info["members"]


def parts(info: Any, data: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield field, datainfo and data of each member of a tuple or a struct."""
    values = data if info["type"] == "tuple" else [data[k] for k in info["members"]]
    yield from zip(members(info), members(info).values(), values, strict=True)


def is_short(info: Any) -> bool:
    return -(2**63) <= info["min"] and info["max"] < 2**63


def is_regular(info: Any) -> bool:
    """Tell whether it is an array of numbers with fixed inner lengths."""
    member = info["members"]
    if member["type"] == "array":
        return member.get("minlen", 0) == member["maxlen"] and is_regular(member)
    return member["type"] in NUMBERS and (member["type"] != "int" or is_short(member))


def element(info: Any) -> Any:
    while info["type"] == "array":
        info = info["members"]
    return info


def number(info: Any, data: Any) -> Any:
    """Return what a number is in Python."""
    if info["type"] == "scaled":
        return float(Decimal(data) * Decimal(repr(info["scale"])))
    return data


def matrix(info: Any, data: Any) -> np.ndarray[Any, Any]:
    content = base64.b64decode(data["blob"])
    return np.frombuffer(content, info["elementtype"]).reshape(data["len"][::-1])


def same_json(a: Any, b: Any) -> bool:
    """Tell whether both are the same JSON, to the last bit, in any order."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def holds(found: Any, info: Any, data: Any) -> bool:
    """Tell whether a part of a value, in any container, is exactly what was sent."""
    if isinstance(found, np.ndarray) and found.ndim == 0:
        found = found[()]
    match info["type"]:
        case "double" | "scaled" | "int" | "bool":
            if isinstance(found, np.generic):
                found = found.item()
            return same_json(found, number(info, data))
        case "string":
            return isinstance(found, str) and found == data
        case "enum":
            names = [name for name, code in info["members"].items() if code == data]
            found = found.value if isinstance(found, Enum) else found
            if not names:  # a text that tells the code and is no other name
                is_name = str(data) in info["members"]
                names = [f"code {data}" if is_name else str(data)]
            return found in names or same_json(found, data)
        case "blob":
            return bytes(found) == base64.b64decode(data)
        case "matrix":
            return holds_matrix(found, matrix(info, data))
        case "array":
            return len(found) == len(data) and all(
                holds(f, info["members"], d) for f, d in zip(found, data, strict=True)
            )
        case "tuple" | "struct":
            if isinstance(found, list | tuple) and info["type"] == "tuple":
                found = dict(zip(members(info), found, strict=True))
            names = list(found) if isinstance(found, dict) else found.dtype.names
            return list(names) == list(members(info)) and all(
                holds(found[field], *part) for field, *part in parts(info, data)
            )
        case _:
            return same_json(found, data)


def holds_matrix(found: Any, sent: np.ndarray[Any, Any]) -> bool:
    if isinstance(found, np.ndarray):
        return (
            found.shape == sent.shape
            and found.dtype == sent.dtype
            and found.tobytes() == sent.tobytes()
        )
    # As JSON, where one NaN is like another
    found, is_float = np.array(found, sent.dtype), sent.dtype.kind == "f"
    return found.size == sent.size and bool(
        np.array_equal(found.reshape(sent.shape), sent, equal_nan=is_float)
    )


def as_listed(info: Any, data: Any) -> Any:
    """Return data without what matrices lose in lists: kinds of NaN, empty rows."""
    match info["type"]:
        case "matrix":
            array = matrix(info, data).copy()
            if array.dtype.kind == "f":
                array[np.isnan(array)] = np.nan
            return array.tobytes().hex(), data["len"] if array.size else len(
                data["len"]
            )
        case "array":
            return [as_listed(info["members"], row) for row in data]
        case "tuple" | "struct":
            return {f: as_listed(i, d) for f, i, d in parts(info, data)}
        case _:
            return data


def has_form(found: Any, info: Any) -> bool:
    """Tell whether a value of a signal has the form that is documented for its type."""
    is_array = isinstance(found, np.ndarray)
    kind = info["type"]
    member = info["members"] if kind == "array" else info
    match kind:
        case "double" | "scaled":
            return type(found) is float
        case "int" | "bool" | "string":
            return type(found) is {"int": int, "bool": bool, "string": str}[kind]
        case "enum":
            return isinstance(found, str)
        case "blob":
            return is_array and found.ndim == 1 and found.dtype == np.uint8
        case "matrix":
            return is_array and found.dtype == info["elementtype"]
        case "tuple" | "struct":
            return is_array and found.shape == () and found.dtype.names is not None
        case "array" if is_object(member):
            return is_array and found.ndim == 1 and found.dtype.names is not None
        case "array" if is_regular(info):
            return is_array and found.dtype == DTYPES[element(info)["type"]]
        case "array":
            return type(found) is list
        case _:
            return not is_array


def leaves(info: Any, data: Any, rows: bool = False) -> Iterator[tuple[Any, bool, Any]]:
    """Yield datainfo, whether it is a list of rows, and data of each column."""
    if is_object(info):
        for i, (field, member) in enumerate(members(info).items()):
            at = i if info["type"] == "tuple" else field
            part = [row[at] for row in data] if rows else data[at]
            yield from leaves(member, part, rows)
    elif info["type"] == "array" and is_object(info["members"]) and not rows:
        yield from leaves(info["members"], data, True)
    else:
        yield info, rows, data


def column_holds(value: Any, datakey: Any, leaf: tuple[Any, bool, Any]) -> bool:
    """Tell whether the value of a column is exactly what was sent."""
    info, rows, data = leaf
    if rows:  # like an array of them
        info = {"type": "array", "members": info}
    is_text = element(info)["type"] in ("string", "enum")
    if datakey["dtype"] == "string" and (info["type"] == "array" or not is_text):
        value = json.loads(value)
    return holds(value, info, data)


def is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, np.generic)


def matches(value: Any, datakey: Any) -> bool:
    """Tell whether a value of an event is what its data key promises."""
    if datakey["dtype"] != "array":
        kinds = {"number": float, "integer": int, "boolean": bool, "string": str}
        kind = kinds[datakey["dtype"]]
        if isinstance(value, np.generic) or (type(value) is bool and kind is not bool):
            return False
        return isinstance(value, kind) and datakey["shape"] == []
    if "dtype_numpy" not in datakey:
        is_right = all(map(is_text, np.array(value, object).tolist()))
    else:
        is_right = value.dtype == np.dtype(datakey["dtype_numpy"])
    shape = np.shape(value)
    return (
        is_right
        and len(shape) == len(datakey["shape"])
        and all(d in (None, n) for n, d in zip(shape, datakey["shape"], strict=True))
    )
