"""Every SECoP datatype: values as a node sends them, and as documents have them.

What documents have is said here a second time, from the datainfo and the JSON on the
wire, without any code of ours. It is the table of the user documentation:

* numbers, booleans, texts and names of enum members are what they are;
* tuples and structs have one column per leaf, arrays of them an array per leaf;
* arrays are arrays if they always are regular and of numbers or booleans;
* all else is JSON text, even a matrix of unsigned integers with 64 bits.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

INT64 = range(-(2**63), 2**63)
ALL_BYTES = bytes(range(256))
TEXT = "äµ€𝄞 \"quoted\" 'single' back\\slash /\r\n\ttab {}[],:% \u2028 \x7f"


@dataclass(frozen=True)
class Kind:
    """A datatype and values of it.

    :param name: Name for a module.
    :param datainfo: As a node describes it.
    :param values: As a node sends them, decoded from JSON.
    """

    name: str
    datainfo: Any
    values: list[Any]

    def __str__(self) -> str:
        return self.name


def blob(data: bytes) -> str:
    return base64.b64encode(data).decode()


def matrix(array: Any) -> dict[str, Any]:
    return {"len": list(array.shape[::-1]), "blob": blob(array.tobytes())}


def _matrix_info(elementtype: str, *maxlen: int) -> dict[str, Any]:
    names = ["x", "y", "z"][: len(maxlen)]
    return {
        "type": "matrix",
        "elementtype": elementtype,
        "names": names,
        "maxlen": list(maxlen),
    }


def _array(members: Any, minlen: int = 0, maxlen: int = 9) -> dict[str, Any]:
    return {"type": "array", "members": members, "minlen": minlen, "maxlen": maxlen}


def _tuple(*members: Any) -> dict[str, Any]:
    return {"type": "tuple", "members": list(members)}


def _struct(members: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "struct", "members": members, **more}


DOUBLE = {"type": "double"}
SCALED = {"type": "scaled", "scale": 0.1, "min": -(10**18), "max": 10**18}
INT = {"type": "int", "min": -(2**63), "max": 2**63 - 1}
WIDE = {"type": "int", "min": -(2**70), "max": 2**70}
BOOL = {"type": "bool"}
ENUM = {"type": "enum", "members": {"off": 0, "on": 1, "half on!": -7, "ölig": 300}}
STRING = {"type": "string", "isUTF8": True}
BLOB = {"type": "blob", "maxbytes": 1000}
MATRIX = _matrix_info("<f8", 4, 3)
UNKNOWN = {"type": "quaternion", "axes": [1, 2]}

ODD_ENUM = {
    "type": "enum",
    "members": {
        "": 0,
        "name": 1,
        "None": 2,
        "a b": 3,
        "a_b": 4,
        "A_B": 5,
        "1": 6,
        "class": 7,
        "__init__": 8,
        "mro": 9,
        "💥": 10,
        "x" * 200: 11,
        "huge": 2**63 - 1,
    },
}
EXTREMES = [
    *(0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, math.pi, 1e22, 2.0**53, -(2.0**53) - 2),
    *(1e308, -1e308, 1.7976931348623157e308, -1.7976931348623157e308),
    *(2.2250738585072014e-308, 5e-324, -5e-324, 1e-310, 123456789012345.67),
]
BORDERS = [
    *(0, 1, -1, 2**31, -(2**31) - 1, 2**32),
    *(2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**62 + 1),
    *(2**63 - 1, -(2**63), 10**18 + 1),
]
WIDER = [0, 2**63, -(2**63) - 1, 2**64 + 1, 2**70, -(2**70), 10**21 + 1]
TEXTS = ["", "a", "x" * 10_000, TEXT, "\0", "a\0", "\0a\0\0b", " ", "null", "nan"]
BLOBS = [b"", ALL_BYTES, b"\0", b"\0\0", ALL_BYTES[::-1] * 2, b"{}"]
JSONS = [
    None,
    {},
    [],
    "text",
    "",
    True,
    False,
    0,
    -0.0,
    1e308,
    2**80,
    -(2**63),
    [1, "a", None, {"b": [2.5, []]}],
    {"a": {"b": {"c": None}}, "": TEXT},
    [[1], [2, 3]],
]


def _elements(elementtype: str) -> list[Any]:
    dtype = np.dtype(elementtype)
    if dtype.kind == "f":
        info = np.finfo(dtype)
        tiny = info.smallest_subnormal
        return [0.0, -0.0, 1.5, info.max, info.min, tiny, math.inf, math.nan]
    limits = np.iinfo(dtype)
    return [0, 1, limits.max, limits.min, limits.max - 1, 7, 100, limits.max // 3]


def _matrix_kind(elementtype: str, dimensions: int) -> Kind:
    numbers = np.array(_elements(elementtype) * 8, elementtype)
    shapes = {1: [(8,), (1,), (0,), (64,)], 2: [(2, 4), (0, 3), (3, 0), (8, 8)]}
    shapes[3] = [(2, 2, 2), (4, 4, 4), (0, 2, 3), (1, 0, 1)]
    values = [matrix(numbers[: math.prod(s)].reshape(s)) for s in shapes[dimensions]]
    order = "little" if elementtype[0] == "<" else "big"
    info = _matrix_info(elementtype, *[64] * dimensions)
    return Kind(f"matrix_{order}_{elementtype[1:]}_{dimensions}d", info, values)


SCALARS = [
    Kind("double", DOUBLE, EXTREMES),
    Kind("double_of_ints", DOUBLE, [5, 0, -3, 2**53]),
    Kind(
        "double_limited",
        {"type": "double", "min": -1, "max": 1, "unit": "mK/min", "fmtstr": "%.3f"},
        [0.5, 1e300, -7.25],  # outside is data as well
    ),
    Kind("scaled", SCALED, [55, 0, -1, 12, 3, 10**15 + 1, 2**53 + 1, 10**18]),
    Kind("scaled_coarse", {**SCALED, "scale": 1000}, [55, 10**12 + 1, -3]),
    Kind("scaled_fine", {**SCALED, "scale": 1e-7}, [1, -123456789, 2**53 + 1]),
    Kind("scaled_odd", {**SCALED, "scale": 0.3}, [1, 7, 123456789, -55]),
    Kind("int", INT, BORDERS),
    Kind("int_without_limits", {"type": "int"}, BORDERS),
    Kind("int_small", {"type": "int", "min": 0, "max": 9}, [0, 9, 2**60 + 1, -1]),
    Kind("int_wide", WIDE, WIDER + BORDERS),
    Kind("int_unsigned", {**INT, "min": 0, "max": 2**64 - 1}, [0, 2**64 - 1, 2**63]),
    Kind("bool", BOOL, [True, False]),
    Kind("enum", ENUM, [0, 1, -7, 300, 55, -1, 2**53 + 1]),
    Kind("enum_odd", ODD_ENUM, [*ODD_ENUM["members"].values(), 12]),
    Kind("string", STRING, TEXTS),
    Kind(
        "string_ascii", {"type": "string", "maxchars": 5}, ["abc", "", "too long", "ä"]
    ),
    Kind("blob", BLOB, [blob(b) for b in BLOBS]),
    Kind("blob_fixed", {**BLOB, "minbytes": 3, "maxbytes": 3}, [blob(b"a\0\xff")]),
    Kind("unknown", UNKNOWN, JSONS),
    Kind("no_type", {}, JSONS),
]

_ELEMENTS = "i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()
MATRICES = [
    _matrix_kind(order + element, 1 + i % 3)
    for i, (order, element) in enumerate(product("<>", _ELEMENTS))
]
"""Each type in both orders, and in two numbers of dimensions."""

# What is put into containers, with three values each
_LEAVES = {
    "double": (DOUBLE, [-0.0, 1e308, 5e-324]),
    "scaled": (SCALED, [55, -1, 2**53 + 1]),
    "int": (INT, [2**53 + 1, -(2**63), 2**63 - 1]),
    "wide": (WIDE, [2**70, 0, -(2**63) - 1]),
    "bool": (BOOL, [True, False, True]),
    "enum": (ENUM, [1, -7, 55]),
    "string": (STRING, [TEXT, "", "a\0"]),
    "blob": (BLOB, [blob(ALL_BYTES), "", blob(b"\0")]),
    "matrix": (
        MATRIX,
        [
            matrix(np.array([[1.5, -0.0]])),
            matrix(np.zeros((0, 2))),
            matrix(np.array([[5e-324], [1e308]])),
        ],
    ),
    "unknown": (UNKNOWN, [None, {"a": [2**80, TEXT]}, [[]]]),
}


def _contain(container: str, name: str, info: Any, values: list[Any]) -> Kind:
    a, b, c = values
    match container:
        case "array":
            kind = _array(info), [[a, b, c], [], [b]]
        case "pair":
            kind = _array(info, 2, 2), [[a, b], [b, c], [c, a]]
        case "tuple":
            kind = _tuple(info, INT), [[a, 1], [b, -2], [c, 2**53 + 1]]
        case _:
            members = {"Odd näme.": info, "class": STRING}
            kind = (
                _struct(members, optional=["class"]),
                [
                    {"Odd näme.": a, "class": "é"},
                    {"Odd näme.": b, "class": ""},
                    {"Odd näme.": c, "class": TEXT},
                ],
            )
    return Kind(f"{container}_of_{name}", *kind)


_CONTAINERS = ["array", "pair", "tuple", "struct"]

NESTED_ONCE = [
    _contain(container, name, *leaf)
    for container, (name, leaf) in product(_CONTAINERS, _LEAVES.items())
]
NESTED_TWICE = [
    _contain(container, kind.name, kind.datainfo, kind.values)
    for container, kind in product(_CONTAINERS, NESTED_ONCE)
]

_POINT = _struct({"x": DOUBLE, "label": STRING, "on": ENUM})
SPECIAL = [
    Kind("array_long", _array(DOUBLE, 0, 10**5), [[i / 7 for i in range(5000)], []]),
    Kind("array_fixed_long", _array(INT, 40, 40), [[2**53 + i for i in range(40)]]),
    Kind("array_none", _array(DOUBLE, 0, 0), [[]]),
    Kind("texts_none", _array(STRING, 0, 0), [[]]),
    Kind("texts_fixed", _array(STRING, 2, 2), [["", "a\0"], TEXTS[2:4], ["nan", ""]]),
    Kind("texts_like_numbers", _array(STRING, 2, 2), [["001", "2"], ["nan", "1e400"]]),
    Kind("texts_fixed_many", _array(STRING, 20, 20), [TEXTS * 2, ["a"] * 20]),
    Kind("enums_fixed_many", _array(ENUM, 20, 20), [[0, 1, -7, 300, 55] * 4]),
    Kind("bools_fixed_many", _array(BOOL, 20, 20), [[True, False] * 10]),
    Kind(
        "grid",
        _array(_array(DOUBLE, 3, 3), 2, 2),
        [[[1.5, -0.0, 5e-324], [1e308, 0.1, 2.0]], [[0.0] * 3] * 2],
    ),
    Kind(
        "grid_growing",
        _array(_array(DOUBLE, 3, 3), 0, 9),
        [[[0.1, 0.2, 0.3]], [], [[1.0] * 3] * 4],
    ),
    Kind(
        "cube",
        _array(_array(_array(INT, 2, 2), 3, 3), 0, 4),
        [[[[2**53 + 1, 1], [2, 3], [4, 5]]], [], [[[0, 1]] * 3] * 4],
    ),
    Kind(
        "grid_of_texts",
        _array(_array(STRING, 2, 2), 2, 2),
        [[["a", "b\0"], ["", TEXT]], [["", ""], ["", ""]]],
    ),
    Kind(
        "ragged",
        _array(_array(DOUBLE)),
        [[[1.0], [2.0, -0.0], []], [], [[]], [[0.1, 0.2], [0.3, 0.4]]],
    ),
    Kind(
        "rows_of_rows",
        _array(_struct({"name": STRING, "points": _array(_POINT)})),
        [
            [{"name": TEXT, "points": [{"x": -0.0, "label": "a\0", "on": 55}]}],
            [],
            [{"name": "", "points": []}, {"name": "b", "points": []}],
        ],
    ),
    Kind(
        "struct_of_structs",
        _struct({"a": _POINT, "b": _tuple(_POINT, _array(_POINT)), "c": _array(ENUM)}),
        [
            {
                "a": {"x": 0.1, "label": "l", "on": 0},
                "b": [
                    {"x": -0.0, "label": TEXT, "on": 1},
                    [{"x": 5e-324, "label": "", "on": -7}] * 2,
                ],
                "c": [0, 1, 99],
            }
        ],
    ),
    Kind(
        "struct_of_clashes",
        _struct(
            {
                **{"a b": DOUBLE, "a-b": INT, "a.b": STRING, "a/b": BOOL, "a_b": ENUM},
                **{"A--B": INT, "a_B": BOOL, "-": INT, "é": INT},
                **{"time": DOUBLE, "_": INT},
            }
        ),
        [
            {
                **{"a b": 0.5, "a-b": 2, "a.b": "three", "a/b": True, "a_b": 1},
                **{"A--B": 6, "a_B": False, "-": 8, "é": 9},
                **{"time": 1e-310, "_": 11},
            }
        ],
    ),
    Kind(
        "struct_of_odd_enum",
        _struct({"on": ODD_ENUM, "all": _array(ODD_ENUM, 0, 20)}),
        [{"on": 0, "all": list(ODD_ENUM["members"].values())}, {"on": 1, "all": []}],
    ),
    Kind(
        "struct_all_optional",
        _struct({"x": DOUBLE, "y": DOUBLE}, optional=True),
        [{"x": -0.0, "y": 1e-310}],
    ),
    Kind(
        "tuple_longer_than_described", _tuple(DOUBLE, INT), [[1.5, 2], [0.5, 3, "more"]]
    ),
]

KINDS = [*SCALARS, *MATRICES, *NESTED_ONCE, *NESTED_TWICE, *SPECIAL]
"""All of them."""
GROUPS = {
    "scalars": SCALARS,
    "matrices": MATRICES,
    "nested_once": NESTED_ONCE,
    "nested_twice": NESTED_TWICE[::7],  # nothing that Tiled tells from the others
    "special": SPECIAL,
}
"""Those that Tiled is asked to keep."""


STATUS = _tuple({"type": "enum", "members": {"IDLE": 100, "BUSY": 300}}, STRING)


def parameter(datainfo: Any, readonly: bool = True) -> dict[str, Any]:
    return {"description": "p", "datainfo": datainfo, "readonly": readonly}


def readable(datainfo: Any, **parameters: Any) -> dict[str, Any]:
    """Describe a module that has a value of this type."""
    accessibles = {"value": parameter(datainfo), "status": parameter(STATUS)}
    return {
        "description": "m",
        "interface_classes": ["Readable"],
        "accessibles": accessibles | parameters,
    }


def node(modules: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """Describe a node."""
    general = {"equipment_id": "every_type", "description": "A node"}
    return {**general, "modules": modules, **properties}


# What documents have


@dataclass(frozen=True)
class Json:
    """JSON text with a value.

    :param value: What it stands for.
    """

    value: Any


def document_columns(key: str, info: Any, value: Any) -> dict[str, Any]:
    """Say what documents have for a value.

    :param key: Data key of the signal.
    :param info: The datainfo.
    :param value: The value as it was sent.
    :return: By data key: a builtin, a list of texts, a numpy array of the type that
        the values have, or `Json`.
    """
    found: dict[str, Any] = {}
    for path, leaf in _columns(info, value):
        parts = (re.sub(r"[^A-Za-z0-9_]+", "-", p).strip("-") or "_" for p in path)
        column = wanted = "-".join((key, *parts))
        number = 2
        while column.lower() in map(str.lower, found):
            column, number = f"{wanted}_{number}", number + 1
        found[column] = leaf
    return found


def _columns(info: Any, value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if members := _members(info):
        for name, member, part in members(value):
            for path, leaf in _columns(member, part):
                yield (name, *path), leaf
    elif info.get("type") == "array" and _members(info["members"]):
        for path, leaf, cells in _table(info["members"], value):
            if leaf.get("type") in ("array", "blob", "matrix", "string", "enum"):
                yield path, Json([plain(leaf, c) for c in cells])
            else:
                yield path, _leaf(_array(leaf, len(cells), len(cells)), cells)
    else:
        yield (), _leaf(info, value)


def _members(info: Any) -> Any:
    match info:
        case {"type": "tuple", "members": [*members]}:
            return lambda value: [(f"f{i}", m, value[i]) for i, m in enumerate(members)]
        case {"type": "struct", "members": {**members}}:
            return lambda value: [(k, m, value[k]) for k, m in members.items()]
    return None


def _table(info: Any, rows: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if info["type"] == "tuple":
        named = [(f"f{i}", i, m) for i, m in enumerate(info["members"])]
    else:
        named = [(k, k, m) for k, m in info["members"].items()]
    for name, place, member in named:
        cells = [row[place] for row in rows]
        if _members(member):
            for path, leaf, found in _table(member, cells):
                yield (name, *path), leaf, found
        else:
            yield (name,), member, cells


def _is_fixed(info: Any) -> bool:
    return info.get("minlen", 0) == info["maxlen"]


def _leaf(info: Any, value: Any) -> Any:
    shape: list[int] = []
    inner, regular = info, True
    while inner.get("type") == "array":
        regular = regular and (inner is info or _is_fixed(inner))
        shape.append(inner["maxlen"])
        inner = inner["members"]
    kind = inner.get("type")
    is_array = inner is not info
    limits = inner.get("min", 0), inner.get("max", 0)
    if kind == "int" and not all(limit in INT64 for limit in limits):
        return Json(plain(info, value))
    match kind:
        case "string" | "enum" if not is_array:
            return plain(info, value)
        case "double" | "scaled" | "int" | "bool" if is_array and regular:
            dtype = {"int": np.int64, "bool": np.bool_}.get(kind, np.float64)
            array = np.array(plain(info, value), dtype)
            return array if array.size else array.reshape(len(value), *shape[1:])
        case "double" | "scaled" | "int" | "bool" if not is_array:
            return plain(info, value)
        case "blob" if not is_array:
            return np.frombuffer(base64.b64decode(value), np.uint8)
        case "matrix" if not is_array and info["elementtype"][1:] != "u8":
            return _as_ndarray(info, value)
    return Json(plain(info, value))


def _as_ndarray(info: Any, value: Any) -> Any:
    content = np.frombuffer(base64.b64decode(value["blob"]), info["elementtype"])
    return content.reshape(value["len"][::-1])


def plain(info: Any, value: Any) -> Any:
    """Return a value as builtins that mean the same."""
    match info:
        case {"type": "double"}:
            return float(value)
        case {"type": "scaled", "scale": scale}:
            return float(Fraction(value) * Fraction(str(scale)))
        case {"type": "enum", "members": members}:
            names = [name for name, code in members.items() if code == value]
            return names[0] if names else str(value)
        case {"type": "blob"}:
            return list(base64.b64decode(value))
        case {"type": "matrix"}:
            return _as_ndarray(info, value).tolist()
        case {"type": "array", "members": member}:
            return [plain(member, v) for v in value]
        case {"type": "tuple", "members": members}:
            return [plain(m, v) for m, v in zip(members, value, strict=False)]
        case {"type": "struct", "members": members}:
            return {k: plain(m, value[k]) for k, m in members.items()}
    return value


def is_allowed(info: Any, value: Any) -> bool:
    """Tell whether a node has to accept a value; all are data if it sends them."""
    match info:
        case {"type": "array", "members": member}:
            return all(is_allowed(member, v) for v in value)
        case {"type": "tuple", "members": members}:
            return all(is_allowed(m, v) for m, v in zip(members, value, strict=False))
        case {"type": "struct", "members": members}:
            return all(is_allowed(m, value[k]) for k, m in members.items())
        case {"type": "enum", "members": members}:
            return value in members.values()
        case {"type": "string", "maxchars": int() as most}:
            return len(value) <= most and value.isascii()
        case {"type": "double" | "int", "min": low, "max": high}:
            return low <= value <= high
        case _:
            return True


def property_column(value: Any) -> Any:
    """Say what documents have for a property.

    :param value: The value as it was sent.
    """
    if type(value) is int:
        return value if value in INT64 else Json(value)
    if type(value) in (str, bool, float):
        return value
    kinds = {type(v) for v in value} if isinstance(value, list) else {None}
    if kinds <= {str} and not any(v.endswith("\0") for v in value):
        return list(value)
    if kinds == {bool}:
        return np.array(value)
    if kinds == {int} and all(v in INT64 for v in value):
        return np.array(value, np.int64)
    if float in kinds and kinds <= {float, int}:
        if all(abs(v) < 2**53 or isinstance(v, float) for v in value):
            return np.array(value, np.float64)
    return Json(value)


def is_same(found: Any, expected: Any, *, stored: bool = False) -> bool:
    """Tell whether a value of a document is what it has to be, to the last bit.

    :param found: From a document, or from where it was stored.
    :param expected: Made by `document_columns`.
    :param stored: Whether it is from Tiled. It keeps arrays of varying length in
        longer types of the same kind, and no other dimensions of an empty array.
    """
    match expected:
        case Json():
            return isinstance(found, str) and bits(json.loads(found)) == bits(
                expected.value
            )
        case np.ndarray():
            return _is_same_array(np.asarray(found), expected, stored)
        case _:
            return bits(found) == bits(expected)


def _is_same_array(found: Any, expected: Any, stored: bool) -> bool:
    if stored and not expected.size:
        return not found.size
    kind, size = expected.dtype.kind, expected.dtype.itemsize
    if stored and kind in "iu" and found.dtype.kind == "i" and found.itemsize > size:
        expected = expected.astype("i8")
    elif stored and kind == "f" and found.dtype.kind == "f" and found.itemsize > size:
        expected = expected.astype("f8")
    native = expected.dtype.newbyteorder("=")
    return (
        found.shape == expected.shape
        and found.dtype.newbyteorder("=") == native
        and found.astype(native).tobytes() == expected.astype(native).tobytes()
    )


def bits(value: Any) -> Any:
    """Return something that is equal only if the values are, and their types."""
    match value:
        case np.ndarray() | np.generic():
            return bits(value.tolist())
        case float():
            return "float", value.hex()
        case str():
            return "str", str(value)
        case list() | tuple():
            return [bits(v) for v in value]
        case dict():
            if list(value) == [f"f{i}" for i in range(len(value))]:
                return bits(list(value.values()))  # tuples have fields in arrays
            return {k: bits(v) for k, v in value.items()}
        case _:
            return type(value).__name__, value
