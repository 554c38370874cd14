"""From the Python values of the protocol to the values of signals, and what they are.

Both directions meet in the protocol: whatever a user sets is validated there, so
only the values of readings need a conversion.
"""

from __future__ import annotations

import copy
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, get_args, get_origin

import numpy as np
from event_model import DataKey
from ophyd_async.core import Array1D, StrictEnum, SubsetEnum, SupersetEnum

from secop_ophyd.codegen import datatype_text
from secop_ophyd.protocol import (
    ArrayInfo,
    BlobInfo,
    DataInfo,
    DoubleInfo,
    EnumInfo,
    IntInfo,
    ScaledInfo,
    StringInfo,
    StructInfo,
    TupleInfo,
)

from ._columns import (
    INT64,
    NOT_REGULAR,
    TOO_LARGE,
    Column,
    check_array,
    check_shape,
    columns,
    describe_leaf,
    fits_int64,
    is_plain,
)
from ._enums import enum_class
from ._structured import structured_array


class Converter(ABC):
    """Converts the values of one data type.

    :param info: The data type.
    :param datatype: The datatype of the signal, None if any value is possible.
    """

    def __init__(self, info: DataInfo, datatype: Any):
        self.info = info
        self.datatype = datatype

    @abstractmethod
    def value(self, value: Any) -> Any:
        """Return the value that the signal has for a value of the protocol.

        :raises ValueError: If it is not what the data key promises.
        """

    def datakey(self, source: str) -> DataKey:
        """Describe the value of the signal."""
        return describe_leaf(self.info, source)

    @cached_property
    def columns(self) -> list[Column] | None:
        """The columns of the value in documents; None if it is one itself."""
        return None if is_plain(self.info) else columns(self.info)


class PlainConverter(Converter):
    """For numbers, booleans and texts, which are what they are."""

    def value(self, value: Any) -> Any:
        return value


class IntConverter(Converter):
    """For integers, which archives hold in 64 bits if that is enough as described."""

    def __init__(self, info: IntInfo, datatype: Any):
        super().__init__(info, datatype)
        self._is_short = fits_int64(info)

    def value(self, value: int) -> int:
        if self._is_short and not INT64.min <= value <= INT64.max:
            raise ValueError(TOO_LARGE)
        return value


class TextsConverter(Converter):
    """For arrays of texts."""

    def __init__(self, info: DataInfo, datatype: Any):
        super().__init__(info, datatype)
        self._shape = self.datakey("")["shape"]

    def value(self, value: list[str]) -> list[str]:
        check_shape([len(value)], self._shape)
        return value.copy()


class EnumConverter(Converter):
    """For enums: the member of the class, or a text if there is none."""

    info: EnumInfo

    def __init__(self, info: EnumInfo, datatype: Any):
        super().__init__(info, datatype)
        self._enum = info
        make: Any = datatype if issubclass(datatype, Enum) else str
        self._members: dict[int, Any] = {}
        for name, code in info.members.items():
            try:
                self._members.setdefault(code, make(name))
            except ValueError:  # a SubsetEnum does not have all of them
                self._members.setdefault(code, name)

    def value(self, value: int) -> Any:
        return self._member(value)

    def _member(self, code: int) -> Any:
        member = self._members.get(code)
        # A code without a name is data as well
        return self._enum.text_of(code) if member is None else member


class EnumArrayConverter(EnumConverter):
    """For arrays of enums."""

    def __init__(self, info: ArrayInfo, members: EnumInfo, member_type: Any):
        super().__init__(members, member_type)
        self.info = info  # type: ignore[assignment]
        self.datatype = Sequence[member_type]
        self._shape = self.datakey("")["shape"]

    def value(self, value: Any) -> list[Any]:
        check_shape([len(value)], self._shape)
        members = {code: self._member(code) for code in set(value)}
        return [members[code] for code in value]


class BlobConverter(Converter):
    """For blobs: an array of bytes."""

    def __init__(self, info: DataInfo, datatype: Any):
        super().__init__(info, datatype)
        self._shape = self.datakey("")["shape"]

    def value(self, value: bytes) -> np.ndarray[Any, Any]:
        array = np.frombuffer(value, np.uint8)
        check_shape(array.shape, self._shape)
        return array


class ArrayConverter(Converter):
    """For regular arrays of numbers and booleans."""

    def __init__(self, info: DataInfo, datatype: Any):
        super().__init__(info, datatype)
        self._described = self.datakey("")
        self._dtype: Any = self._described.get("dtype_numpy")
        self._has_floats = isinstance(info, ArrayInfo) and isinstance(
            info.members, DoubleInfo | ScaledInfo
        )

    def value(self, value: Any) -> np.ndarray[Any, Any]:
        try:
            array = self._array(value)
        except OverflowError:
            raise ValueError(TOO_LARGE) from None
        except ValueError:
            raise ValueError(NOT_REGULAR) from None
        if not array.size:  # its other dimensions are fixed
            inner = self._described["shape"][array.ndim :]
            array = array.reshape(*array.shape, *(n or 0 for n in inner))
        check_array(array, self._described)
        array.flags.writeable = False  # many get the same one
        return array

    def _array(self, value: Any) -> np.ndarray[Any, Any]:
        if self._has_floats:
            # In less than half of the time, since they are not looked at twice
            return np.frombuffer(struct.pack(f"{len(value)}d", *value))
        return np.array(value, self._dtype)


class StructuredConverter(Converter):
    """For tuples, structs and arrays of them: structured arrays."""

    def __init__(self, info: DataInfo, datatype: Any):
        super().__init__(info, datatype)
        self._promises = [(c, c.datakey("")) for c in columns(info) if not c.as_json]

    def value(self, value: Any) -> np.ndarray[Any, Any]:
        array = structured_array(self.info, value)
        for column, datakey in self._promises:
            column.check(array, datakey)
        array.flags.writeable = False  # many get the same one
        return array

    def datakey(self, source: str) -> DataKey:
        shape: list[int | None] = [None] if isinstance(self.info, ArrayInfo) else []
        return DataKey(source=source, dtype="array", shape=shape)


class ObjectConverter(Converter):
    """For what has no better form: the Python value, as JSON text in documents."""

    def value(self, value: Any) -> Any:
        return _own(self.info, value)

    def datakey(self, source: str) -> DataKey:
        return DataKey(source=source, dtype="string", shape=[])


def _own(info: DataInfo, value: Any) -> Any:
    """Return a copy of a value, with names in place of the codes of enums."""
    match info:
        case EnumInfo():
            return info.text_of(value)
        case TupleInfo():
            return tuple(map(_own, info.members, value))
        case StructInfo():
            return {k: _own(m, value[k]) for k, m in info.members.items()}
        case ArrayInfo(
            members=EnumInfo() | ArrayInfo() | TupleInfo() | StructInfo() as member
        ):
            return [_own(member, v) for v in value]
        case _:
            return copy.deepcopy(value)


_DATATYPES: dict[str, Any] = {
    "float": float,
    "int": int,
    "bool": bool,
    "str": str,
    "Array1D[np.uint8]": Array1D[np.uint8],
    "Array1D[np.float64]": Array1D[np.float64],
    "Array1D[np.int64]": Array1D[np.int64],
    "Array1D[np.bool_]": Array1D[np.bool_],
    "Sequence[str]": Sequence[str],
    "ndarray": np.ndarray,
    "Any": None,
}
"""What annotations in class files stand for, which thus are what devices have."""


def make_converter(info: DataInfo, datatype: Any = None, name: str = "") -> Converter:
    """Make the converter of a data type.

    :param info: The data type.
    :param datatype: What the signal is annotated with; None or Any if it is not.
    :param name: Name of an enum class, if one is needed.
    :raises TypeError: If the annotation does not fit.
    """
    if datatype is None or datatype is Any:
        return _converter_of(_Itself(info), name)
    match info:
        case EnumInfo():
            return EnumConverter(info, _enum_type(info, datatype, name))
        case ArrayInfo(members=EnumInfo() as members):
            annotated = get_args(datatype)[0] if get_args(datatype) else datatype
            member_type = _enum_type(members, annotated, name)
            return EnumArrayConverter(info, members, member_type)
        case _:
            converter = _make(info, _DATATYPES[datatype_text(info)])
    if datatype == converter.datatype or _is_array_of(datatype, converter.datatype):
        converter.datatype = datatype
        return converter
    raise TypeError(
        f"annotated as {_type_name(datatype)}, "
        f"but the node has {_type_name(converter.datatype)}"
    )


class _Itself:
    """Stands for a data type in a cache: not every one has a hash."""

    def __init__(self, info: DataInfo):
        self.info = info

    def __hash__(self) -> int:
        return id(self.info)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.info is other.info


@lru_cache(1024)  # a description has each data type once, however many parameters
def _converter_of(itself: _Itself, enum_name: str) -> Converter:
    match itself.info:
        case EnumInfo() as info:
            return EnumConverter(info, enum_class(info, enum_name or "Enum"))
        case ArrayInfo(members=EnumInfo() as members) as info:
            enum = enum_class(members, enum_name or "Enum")
            return EnumArrayConverter(info, members, enum)
        case info:
            return _make(info, _DATATYPES[datatype_text(info)])


def _make(info: DataInfo, datatype: Any) -> Converter:
    match info:
        case _ if datatype is None:
            return ObjectConverter(info, None)
        case IntInfo():
            return IntConverter(info, datatype)
        case TupleInfo() | StructInfo() | ArrayInfo(members=TupleInfo() | StructInfo()):
            return StructuredConverter(info, datatype)
        case BlobInfo():
            return BlobConverter(info, datatype)
        case ArrayInfo(members=StringInfo()):
            return TextsConverter(info, datatype)
        case ArrayInfo():
            return ArrayConverter(info, datatype)
        case _:
            return PlainConverter(info, datatype)


def _is_array_of(annotated: Any, found: Any) -> bool:
    """Tell whether an annotation `ndarray` stands for what there is."""
    return annotated is np.ndarray and (
        found is np.ndarray or get_origin(found) is np.ndarray
    )


def _enum_type(info: EnumInfo, annotated: Any, name: str) -> type:
    if annotated is np.ndarray:
        return enum_class(info, name or "Enum")
    if annotated is str:
        return str
    names = set(info.members)
    if isinstance(annotated, type) and issubclass(annotated, Enum):
        known = {str(member.value) for member in annotated}
        if issubclass(annotated, SubsetEnum):
            missing = known - names
        elif issubclass(annotated, SupersetEnum | StrictEnum):
            # The node refuses a member that it does not have any more
            missing = names - known
        else:
            raise TypeError(f"{annotated.__name__} is no Strict-, Sub- or SupersetEnum")
        if not missing:
            return annotated
        raise TypeError(
            f"{annotated.__name__} has {sorted(known)}, "
            f"but the node has {sorted(names)}"
        )
    raise TypeError(
        f"annotated as {_type_name(annotated)}, but the node has an enum of "
        f"{sorted(names)}"
    )


def _type_name(datatype: Any) -> str:
    if datatype is None:
        return "JSON of any kind"
    return getattr(datatype, "__name__", None) or str(datatype)
