"""The types that annotations give to data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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

from ._text import is_list

Path = tuple[str, ...]
"""Where a type is used in a class: attribute, then the keys inside."""

_DATATYPES: dict[type[DataInfo], str] = {
    DoubleInfo: "float",
    ScaledInfo: "float",
    IntInfo: "int",
    BoolInfo: "bool",
    StringInfo: "str",
    BlobInfo: "Array1D[np.uint8]",
    TupleInfo: "ndarray",
    StatusInfo: "ndarray",
    StructInfo: "ndarray",
    MatrixInfo: "ndarray",
}


def datatype_text(info: DataInfo, enum_class: str = "StrictEnum") -> str:
    """Return the datatype of a signal, as source.

    :param info: The data type of a parameter.
    :param enum_class: Name of the class of its enum, if there is one.
    """
    if isinstance(info, EnumInfo):
        return enum_class
    if isinstance(info, ArrayInfo):
        return _array_text(info.members, enum_class)
    return _DATATYPES.get(type(info), "Any")


def _array_text(members: DataInfo, enum_class: str) -> str:
    match members:
        case StringInfo() | EnumInfo():
            return f"Sequence[{datatype_text(members, enum_class)}]"
        case TupleInfo() | StructInfo():
            return "ndarray"
        case ArrayInfo():
            return "ndarray" if element_text(members) else "Any"
        case _:
            element = element_text(members)
            return f"Array1D[{element}]" if element else "Any"


def element_text(info: DataInfo) -> str:
    """Return the numpy type of what is in an array that always is regular.

    Arrays of texts are none: Tiled makes numpy arrays of them, which takes "1" for a
    number, drops trailing NUL characters and cuts what is longer than the texts before.

    :param info: The data type of the members of the array.
    :return: The numpy type, as source; empty if the array is not regular.
    """
    match info:
        case DoubleInfo() | ScaledInfo():
            return "np.float64"
        case IntInfo() if _is_int64(info.min or 0) and _is_int64(info.max or 0):
            return "np.int64"
        case BoolInfo():
            return "np.bool_"
        case ArrayInfo() if info.minlen == info.maxlen:
            return element_text(info.members)
        case _:
            return ""


_MAX_EXACT = 2**53


def _is_int64(value: int) -> bool:
    return -(2**63) <= value < 2**63


def code_text(path: Path, info: EnumInfo) -> str:
    """Return the type of an enum in a result, which is its code."""
    return "int"


def signal_enum(info: DataInfo) -> EnumInfo | None:
    """Return the enum that the datatype of a signal refers to, if there is one."""
    match info:
        case EnumInfo():
            return info
        case ArrayInfo(members=EnumInfo() as members):
            return members
        case _:
            return None


def property_text(value: Any) -> str:
    """Return the datatype of the signal of a property, as source.

    :param value: The value, as decoded from JSON. What is no scalar and no list of
        texts or numbers is a `str` with its JSON, and so is what numpy cannot hold.
    """
    if isinstance(value, bool | int | float | str):
        is_long = isinstance(value, int) and not _is_int64(value)
        return "str" if is_long else type(value).__name__
    if is_list(value) and _is_uniform(value):
        return "ndarray"
    return "str"


def argument_text(
    info: DataInfo | None,
    path: Path,
    enum: Callable[[Path, EnumInfo], str],
    struct: Callable[[Path, StructInfo], str],
) -> str:
    """Return the type of a command's argument or result, as source.

    :param info: The data type, or None if there is none.
    :param path: Where it is used.
    :param enum: Gives the type of an enum.
    :param struct: Gives the type of a struct.
    """

    def inner(member: DataInfo, *key: str) -> str:
        return argument_text(member, (*path, *key), enum, struct)

    match info:
        case None:
            return "None"
        case EnumInfo():
            return enum(path, info)
        case StructInfo():
            return struct(path, info)
        case BlobInfo():
            return "bytes"
        case ArrayInfo():
            return f"list[{inner(info.members)}]"
        case TupleInfo():
            texts = (inner(m, str(i)) for i, m in enumerate(info.members))
            return f"tuple[{', '.join(texts)}]"
        case _:
            return datatype_text(info)


def _is_uniform(values: list[Any]) -> bool:
    kinds: set[type] = {type(v) for v in values}
    if kinds <= {int}:
        return all(map(_is_int64, values))
    if kinds == {int, float}:  # the integers become floats
        return all(abs(v) <= _MAX_EXACT for v in values if isinstance(v, int))
    if kinds == {str}:  # numpy drops null characters at the end
        return not any(v.endswith("\0") for v in values)
    return kinds in ({float}, {bool})
