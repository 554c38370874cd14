"""From the datainfo of a description to a typed data type.

Nothing here raises: what is missing or wrong gets its default and a problem, and
a type that is unknown or makes no sense becomes opaque JSON. One odd accessible
never costs the node.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import Any

from ._arrays import ArrayInfo
from ._composites import MatrixInfo, StatusInfo, StructInfo, TupleInfo
from ._datatypes import DataInfo
from ._errors import WrongType
from ._guards import is_list, is_number, is_object
from ._numbers import DoubleInfo, IntInfo, ScaledInfo
from ._scalars import BlobInfo, BoolInfo, EnumInfo, OpaqueInfo, StringInfo
from ._text import shorten, show

Report = Callable[[str], None]
"""Is told each problem, as text."""

MAX_DEPTH = 16
"""How deeply types may be nested before they are taken as JSON."""


class _UnusableError(Exception):
    """The datainfo cannot be understood."""


def parse_datainfo(raw: Any, report: Report) -> DataInfo:
    """Read a datainfo.

    :param raw: The decoded JSON of the property `datainfo`.
    :param report: Called with the text of each problem.
    :return: The data type, an `OpaqueInfo` if there is no better one.
    """
    return _parse(raw, report, 0)


def parse_status_datainfo(raw: Any, report: Report) -> DataInfo:
    """Read the datainfo of a status parameter, tuple(enum, string) by definition.

    :param raw: The decoded JSON of the property `datainfo`.
    :param report: Called with the text of each problem.
    """
    match parse_datainfo(raw, report):
        case TupleInfo(
            members=(EnumInfo() | IntInfo() as code, StringInfo() as text, *more)
        ):
            if more:
                report("status has more than code and text, which are left out")
            return StatusInfo(members=(code, text), raw=raw)
        case EnumInfo() | IntInfo() as code:
            report("status has no text")
            return StatusInfo(members=(code, StringInfo()), raw=raw)
        case other:
            report("status is not a tuple of an enum and a string")
            return other


def _parse(raw: Any, report: Report, depth: int) -> DataInfo:
    try:
        if depth > MAX_DEPTH:
            raise _UnusableError(f"nested more than {MAX_DEPTH} times")
        if not is_object(raw):
            raise _UnusableError(f"datainfo is not an object: {show(raw)}")
        kind: Any = raw.get("type")
        parser = _PARSERS.get(kind) if isinstance(kind, str) else None
        if parser is None:
            raise _UnusableError(f"datatype {show(kind)} is unknown")
        return parser(_Properties(raw, report, depth))
    except _UnusableError as error:
        report(f"{error}; it is passed on as JSON")
        return OpaqueInfo(raw=raw, reason=str(error))


class _Properties:
    """The properties of one datainfo, with defaults for what is missing or odd."""

    def __init__(self, raw: dict[str, Any], report: Report, depth: int):
        self.raw = raw
        self.report = report
        self._depth = depth

    def number(self, name: str, default: float | None = None) -> float | None:
        value = self.raw.get(name)
        if value is None:
            return default
        if not is_number(value) or value != value or value in (math.inf, -math.inf):
            self.report(f"{name} is not a number: {show(value)}")
            return default
        return value

    def real(self, name: str) -> float | None:
        value = self.number(name)
        if value is not None and abs(value) > sys.float_info.max:  # an integer
            self.report(f"{name} is too large: {show(value)}")
            return None
        return value

    def positive(self, name: str, default: float) -> float:
        value = self.real(name)
        if value is None:
            return default
        if value < 0:
            self.report(f"{name} is negative: {value}")
            return default
        return value

    def limits(self) -> tuple[float | None, float | None]:
        return self._ordered(self.real("min"), self.real("max"))

    def integer_limits(self) -> tuple[int | None, int | None]:
        low, high = self.number("min"), self.number("max")
        if self.raw.get("min") is None or self.raw.get("max") is None:
            self.report("min or max is missing")
        return self._ordered(
            None if low is None else math.ceil(low),
            None if high is None else math.floor(high),
        )

    def _ordered(self, low: Any, high: Any) -> tuple[Any, Any]:
        if low is not None and high is not None and low > high:
            self.report(f"min {low} is above max {high}; both are ignored")
            return None, None
        return low, high

    def size(self, name: str, *, mandatory: bool = False) -> int | None:
        value = self.number(name)
        if value is None or value < 0 or value != int(value):
            if value is not None:
                self.report(f"{name} is no length: {value}")
            elif mandatory:
                self.report(f"{name} is missing")
            return None
        return int(value)

    def sizes(self, low: str, high: str, mandatory: bool) -> tuple[int, int | None]:
        minimum, maximum = self.size(low) or 0, self.size(high, mandatory=mandatory)
        if maximum is not None and minimum > maximum:
            self.report(f"{low} {minimum} is above {high} {maximum}; {low} is ignored")
            minimum = 0
        return minimum, maximum

    def unit(self) -> str:
        value = self.raw.get("unit", "")
        if not isinstance(value, str):
            self.report(f"unit is not a string: {show(value)}")
            return ""
        return value

    def fmtstr(self) -> str:
        value = self.raw.get("fmtstr", "")
        if value == "":
            return ""
        if not isinstance(value, str) or not re.fullmatch(r"%\.[0-9]{1,2}[efg]", value):
            self.report(f"fmtstr is not like '%.3f': {show(value)}")
            return ""
        return value

    def child(self, raw: Any, place: str) -> DataInfo:
        def report(text: str) -> None:
            self.report(f"{place}: {text}")

        return _parse(raw, report, self._depth + 1)


def _double(p: _Properties) -> DataInfo:
    low, high = p.limits()
    return DoubleInfo(
        raw=p.raw,
        min=low,
        max=high,
        unit=p.unit(),
        fmtstr=p.fmtstr(),
        absolute_resolution=p.positive("absolute_resolution", 0.0),
        relative_resolution=p.positive("relative_resolution", 1.2e-7),
    )


def _scaled(p: _Properties) -> DataInfo:
    scale = p.real("scale")
    if scale is None or scale <= 0:
        raise _UnusableError(f"scale must be a positive number, not {scale}")
    info = ScaledInfo(raw=p.raw, scale=scale)
    low, high = p.integer_limits()
    try:
        low = None if low is None else info.from_json(low)
        high = None if high is None else info.from_json(high)
    except WrongType as error:
        p.report(f"{error}; min and max are ignored")
        low = high = None
    digits = max(0, -math.floor(math.log10(scale)))
    return ScaledInfo(
        raw=p.raw,
        scale=scale,
        min=low,
        max=high,
        unit=p.unit(),
        fmtstr=p.fmtstr() or f"%.{digits}f",
        absolute_resolution=p.positive("absolute_resolution", scale),
        relative_resolution=p.positive("relative_resolution", 1.2e-7),
    )


def _int(p: _Properties) -> DataInfo:
    low, high = p.integer_limits()
    return IntInfo(raw=p.raw, min=low, max=high, unit=p.unit())


def _bool(p: _Properties) -> DataInfo:
    return BoolInfo(raw=p.raw)


def _enum(p: _Properties) -> DataInfo:
    members = p.raw.get("members")
    if not is_object(members) or not members:
        raise _UnusableError("enum has no members")
    usable: dict[str, int] = {
        name: code
        for name, code in members.items()
        if isinstance(code, int) and not isinstance(code, bool)
    }
    if len(usable) < len(members):
        raise _UnusableError("enum has a member that is not an integer")
    if len(set(usable.values())) < len(usable):
        p.report("enum has two names for one code; the first one is used")
    return EnumInfo(raw=p.raw, members=usable)


def _string(p: _Properties) -> DataInfo:
    low, high = p.sizes("minchars", "maxchars", mandatory=False)
    return StringInfo(
        raw=p.raw, minchars=low, maxchars=high, is_utf8=p.raw.get("isUTF8") is True
    )


def _blob(p: _Properties) -> DataInfo:
    low, high = p.sizes("minbytes", "maxbytes", mandatory=True)
    return BlobInfo(raw=p.raw, minbytes=low, maxbytes=high)


def _array(p: _Properties) -> DataInfo:
    if "members" not in p.raw:
        raise _UnusableError("array has no members")
    low, high = p.sizes("minlen", "maxlen", mandatory=True)
    members = p.child(p.raw["members"], "members")
    return ArrayInfo(raw=p.raw, members=members, minlen=low, maxlen=high)


def _tuple(p: _Properties) -> DataInfo:
    members = p.raw.get("members")
    if not is_list(members) or not members:
        raise _UnusableError("tuple has no members")
    infos = tuple(p.child(m, f"[{i}]") for i, m in enumerate(members))
    return TupleInfo(raw=p.raw, members=infos)


def _struct(p: _Properties) -> DataInfo:
    members = p.raw.get("members")
    if not is_object(members) or not members:
        raise _UnusableError("struct has no members")
    if "" in members:
        raise _UnusableError("struct has a member without a name")
    infos = {str(k): p.child(m, f"[{shorten(k, 63)}]") for k, m in members.items()}
    optional = p.raw.get("optional", [])
    if optional is True:  # SECoP issue 069: all of them
        optional = list(infos)
    if not is_list(optional):
        p.report(f"optional is not a list: {show(optional)}")
        optional = []
    names = frozenset(str(x) for x in optional)
    if unknown := sorted(names - set(infos)):
        p.report(f"optional names unknown members {show(unknown)}")
    return StructInfo(raw=p.raw, members=infos, optional=names & set(infos))


def _matrix(p: _Properties) -> DataInfo:
    element, names, maxlen = (p.raw.get(k) for k in ("elementtype", "names", "maxlen"))
    if not isinstance(element, str) or not re.fullmatch(
        r"[<>](?:[iu][1248]|f[248])", element
    ):
        raise _UnusableError(f"elementtype {show(element)} is unknown")
    if p.raw.get("compression"):
        raise _UnusableError(f"compression {show(p.raw['compression'])} is unknown")
    match names, maxlen:
        case [*n], [*m] if 0 < len(n) == len(m) <= MAX_DEPTH and all(
            type(x) is int and x >= 0 for x in m
        ):
            return MatrixInfo(
                raw=p.raw,
                elementtype=element,
                names=tuple(map(str, n)),
                maxlen=tuple(m),
            )
        case _:
            raise _UnusableError("matrix needs a name and a maxlen for each dimension")


_PARSERS: dict[str, Callable[[_Properties], DataInfo]] = {
    "double": _double,
    "scaled": _scaled,
    "int": _int,
    "bool": _bool,
    "enum": _enum,
    "string": _string,
    "blob": _blob,
    "array": _array,
    "tuple": _tuple,
    "struct": _struct,
    "matrix": _matrix,
}
