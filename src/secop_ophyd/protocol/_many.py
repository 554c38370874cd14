"""Many values of one type at once.

A call for each element makes long arrays slow. The functions here do for all of them
what a method of the data type does for one, with the very same result, or tell that
they do not know. Then the method has to do it, which has the words for what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from ._composites import StructInfo, TupleInfo
from ._datatypes import DataInfo
from ._errors import NodeError, NoValueYet
from ._numbers import DoubleInfo, IntInfo, NumberInfo, ScaledInfo
from ._scalars import BlobInfo, BoolInfo, EnumInfo, StringInfo

ConvertAll = Callable[[DataInfo, list[Any]], list[Any] | None]

_EXACT_DECIMALS = 10**28  # up to which products of decimals are not rounded
_EXACT_FLOATS = 2**53  # up to which floats have all integers


def validate_all(info: DataInfo, values: list[Any]) -> list[Any] | None:
    """Validate many values.

    :param info: The type of each.
    :param values: Python or numpy values.
    :return: Their Python form, or None if it is not known.
    """
    kinds = set(map(type, values))
    match info:
        case NumberInfo():
            return _numbers_for(info, values, kinds)
        case BoolInfo():
            return _bools(values, kinds)
        case EnumInfo() if kinds <= {int, float, str} or len(kinds) == 1:
            # Elsewhere true is the same key as 1, but no code
            return _looked_up(info.validate, values)
        case StringInfo() if kinds <= {str} and _are_texts_for(info, values):
            return list(values)
        case TupleInfo() if kinds <= {tuple, list}:
            return _rows(validate_all, info, values)
        case StructInfo() if kinds <= {dict}:
            return _objects(validate_all, info, values)
        case _:
            return None


def to_json_all(info: DataInfo, values: list[Any]) -> list[Any] | None:
    """Return the transported form of many valid values, or None.

    :param info: The type of each.
    :param values: Values in their Python form.
    """
    match info:
        case DoubleInfo() | IntInfo() | BoolInfo() | EnumInfo() | StringInfo():
            return values
        case ScaledInfo() if set(map(type, values)) <= {float}:
            return _steps(info, values)
        case TupleInfo():
            return _rows(to_json_all, info, values, list)
        case StructInfo():
            return _objects(to_json_all, info, values)
        case _:
            return None


def from_json_all(info: DataInfo, items: list[Any]) -> list[Any] | None:
    """Return many values of transported data, or None.

    :param info: The type of each.
    :param items: Decoded JSON.
    """
    if (found := _as_they_are(info, items)) is not None:
        return found
    kinds = set(map(type, items))
    match info:
        case DoubleInfo():
            return _floats(items, kinds)
        case IntInfo():
            return _ints(items, kinds)
        case ScaledInfo():
            return _multiples(info.scale, items, kinds)
        case BoolInfo():
            return _bools(items, kinds)
        case EnumInfo():
            return _looked_up(info.from_json, items)
        case TupleInfo() if kinds <= {list}:
            return _rows(from_json_all, info, items)
        case StructInfo() if kinds <= {dict}:
            return _objects(from_json_all, info, items)
        case _:
            return None


_LISTS: dict[type[DataInfo], Any] = {
    DoubleInfo: list[float],
    IntInfo: list[int],
    EnumInfo: list[int],
    BoolInfo: list[bool],
    StringInfo: list[str],
    BlobInfo: list[bytes],
}
"""What arrays are, as nearly all nodes send them."""


def _as_they_are(info: DataInfo, items: list[Any]) -> list[Any] | None:
    """Return what has to be looked at no further; numbers may become floats."""
    if (kind := _LISTS.get(type(info))) is None:
        return None
    try:  # a quarter of the time that it takes to collect the types of the items
        return msgspec.convert(items, kind)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None


def are_expected(info: DataInfo, items: list[Any]) -> bool:
    """Tell whether nothing is odd in many; False means that it is not known.

    :param info: The type of each.
    :param items: Decoded JSON that `from_json` takes.
    """
    match info:
        case ScaledInfo():
            return _are_steps_for(info, items)
        case NumberInfo():
            return _are_in_limits(info, items)
        case EnumInfo():
            return not any(map(info.oddity, set(items)))
        case StringInfo():
            return _are_short(info, items)
        case TupleInfo() | StructInfo():
            parts = _parts(info, items)
            return parts is not None and all(are_expected(m, part) for m, part in parts)
        case _:
            return type(info).oddity is DataInfo.oddity


# Numbers


def _numbers_for(
    info: NumberInfo, values: list[Any], kinds: set[type]
) -> list[Any] | None:
    numbers: Sequence[float] | None
    if isinstance(info, IntInfo):
        numbers = _ints(values, kinds)
    else:
        numbers = _floats(values, kinds)
        if numbers is not None and isinstance(info, ScaledInfo):
            steps = _steps(info, numbers)
            numbers = None if steps is None else _multiples(info.scale, steps, {int})
    if numbers is None or not _are_in_limits(info, numbers):
        return None
    return list(numbers)


def _floats(items: list[Any], kinds: set[type]) -> list[float] | None:
    if kinds <= {float}:
        return items
    try:
        return list(map(float, items)) if kinds <= {int, float} else None
    except OverflowError:
        return None


def _ints(items: list[Any], kinds: set[type]) -> list[int] | None:
    if kinds <= {int}:
        return items
    try:
        numbers = list(map(int, items)) if kinds <= {int, float} else None
    except (OverflowError, ValueError):  # not finite
        return None
    return numbers if numbers == items else None


def _are_in_limits(info: NumberInfo, numbers: Sequence[float]) -> bool:
    # NaN makes the sum NaN, but is no integer
    if not isinstance(info, IntInfo) and not -math.inf < sum(numbers) < math.inf:
        if not all(map(math.isfinite, numbers)):
            return False
    return (info.min is None or info.min <= min(numbers, default=info.min)) and (
        info.max is None or info.max >= max(numbers, default=info.max)
    )


def _multiples(scale: float, items: list[Any], kinds: set[type]) -> list[float] | None:
    """Return integers times the scale, as the decimals say."""
    if not 0 < scale < math.inf or not kinds <= {int, float}:
        return None
    factor, divisor = _ratio(scale)
    sizes: Iterator[float] = map(abs, items)
    largest = max(sizes, default=0) * factor
    # Python divides integers exactly, and rounds once
    are_exact = kinds <= {int} and largest < _EXACT_DECIMALS
    # With all three exact as floats, their quotient is rounded once; -0.0 stays
    if are_exact or max(largest, divisor) < _EXACT_FLOATS and _are_whole(items):
        return [n * factor / divisor for n in items]
    return None


def _ratio(scale: float) -> tuple[int, int]:
    whole, _, decimals = format(Decimal(str(scale)), "f").partition(".")
    return int(whole + decimals), 10 ** len(decimals)


def _are_whole(numbers: list[Any]) -> bool:
    return all(map(float.is_integer, map(float, numbers)))


def _steps(info: ScaledInfo, values: list[float]) -> list[int] | None:
    """Return how many times the scale each value is, with ties to even."""
    numbers = np.array(values, np.float64)
    if info.scale < 1e-290 or not np.isfinite(numbers).all():
        return None  # subnormal numbers have less digits
    with np.errstate(over="ignore", invalid="ignore"):
        quotients = numbers / info.scale
        nearest = np.rint(quotients)
        # The quotient, the scale and the value are each the nearest float to the
        # decimals: that is less than half of the error allowed for here. Near a tie
        # and beyond 2**49, the decimals have to tell
        margin = np.abs(quotients) * 2.0**-50
        is_known = np.abs(quotients - nearest) <= 0.5 - margin
    steps: list[int] = np.where(is_known, nearest, 0).astype(np.int64).tolist()
    for i in np.flatnonzero(~is_known).tolist():
        steps[i] = info.to_json(values[i])
    return steps


def _are_steps_for(info: ScaledInfo, items: list[Any]) -> bool:
    kinds = set(map(type, items))
    ends = [min(items), max(items)] if items else []
    if not kinds <= {int} and not (
        all(abs(n) < _EXACT_FLOATS for n in ends) and _are_whole(items)
    ):
        return False
    # What is multiplied stays in its order
    return not any(map(info.oddity, ends))


# Others


def _bools(items: list[Any], kinds: set[type]) -> list[bool] | None:
    if kinds <= {bool}:
        return list(items)
    if kinds <= {bool, int, float} and set(items) <= {0, 1}:
        return list(map(bool, items))
    return None


def _looked_up(convert: Callable[[Any], int], items: list[Any]) -> list[int] | None:
    try:
        found = {item: convert(item) for item in set(items)}
    except (NodeError, NoValueYet, TypeError):  # or what has no hash
        return None
    return [found[item] for item in items]


def _are_short(info: StringInfo, items: list[str]) -> bool:
    sizes = set(map(len, items)) or {info.minchars}
    return info.minchars <= min(sizes) and (
        info.maxchars is None or max(sizes) <= info.maxchars
    )


def _are_texts_for(info: StringInfo, values: list[str]) -> bool:
    text = "".join(values)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # surrogates
            return False
    return (info.is_utf8 or text.isascii()) and _are_short(info, values)


# Tuples and structs, member by member


def _parts(
    info: TupleInfo | StructInfo, items: list[Any]
) -> list[tuple[DataInfo, list[Any]]] | None:
    """Return each member with its values, or None if the items differ in members."""
    if isinstance(info, StructInfo):
        members: dict[Any, DataInfo] = dict(info.members)
    elif type(info) is TupleInfo:
        members = dict(enumerate(info.members))
    else:  # a status has rules of its own
        return None
    if set(map(len, items)) != {len(members)}:
        return None
    try:
        return [(m, [item[k] for item in items]) for k, m in members.items()]
    except KeyError:
        return None


def _columns(
    convert: ConvertAll, info: TupleInfo | StructInfo, items: list[Any]
) -> list[list[Any]] | None:
    columns: list[list[Any]] = []
    for member, part in _parts(info, items) or ():
        column = convert(member, part)
        if column is None:
            return None
        columns.append(column)
    return columns or None


def _rows(
    convert: ConvertAll, info: TupleInfo, items: list[Any], kind: type = tuple
) -> list[Any] | None:
    columns = _columns(convert, info, items)
    return None if columns is None else list(map(kind, zip(*columns, strict=True)))


def _objects(
    convert: ConvertAll, info: StructInfo, items: list[Any]
) -> list[dict[str, Any]] | None:
    columns = _columns(convert, info, items)
    if columns is None:
        return None
    rows = zip(*columns, strict=True)
    return [dict(zip(info.members, row, strict=True)) for row in rows]
