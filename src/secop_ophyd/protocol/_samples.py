"""Values made up from a datainfo, for mocks, simulated nodes and tests."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from ._arrays import ArrayInfo
from ._composites import MatrixInfo, StatusInfo, StructInfo, TupleInfo
from ._datatypes import DataInfo
from ._numbers import IntInfo, NumberInfo
from ._scalars import BlobInfo, BoolInfo, EnumInfo, StringInfo
from ._status import StatusGroup


def default_value(info: DataInfo) -> Any:
    """Return the plainest valid value: zero, false, empty, the first member.

    :param info: The data type.
    """
    match info:
        case NumberInfo():
            low = -np.inf if info.min is None else info.min
            high = np.inf if info.max is None else info.max
            value = min(max(0, low), high)
            return int(value) if isinstance(info, IntInfo) else float(value)
        case BoolInfo():
            return False
        case EnumInfo():
            # Idle is what a status should be, else the first one
            codes = list(info.members.values())
            return 100 if 100 in codes else codes[0]
        case StringInfo():
            return " " * info.minchars
        case BlobInfo():
            return bytes(info.minbytes)
        case ArrayInfo():
            return [default_value(info.members) for _ in range(info.minlen)]
        case StatusInfo(members=(EnumInfo(members=codes), StringInfo())):
            # A module should be idle
            idle = [c for c in codes.values() if c // 100 == StatusGroup.IDLE]
            return (min(idle) if idle else next(iter(codes.values()))), ""
        case TupleInfo():
            return tuple(default_value(m) for m in info.members)
        case StructInfo():
            return {k: default_value(m) for k, m in info.members.items()}
        case MatrixInfo():
            return np.zeros(
                [min(n, 1) for n in reversed(info.maxlen)], info.elementtype
            )
        case _:
            return None


def random_value(info: DataInfo, random: Random) -> Any:
    """Return a valid value that tells more about a conversion than a plain one.

    :param info: The data type.
    :param random: Where to draw from, seeded by whoever wants to see it again.
    """
    match info:
        case IntInfo():
            low = -(2**23) if info.min is None else info.min
            high = max(low, 2**23) if info.max is None else info.max
            return random.randint(min(low, high), high)
        case NumberInfo():
            low = -1e6 if info.min is None else info.min
            high = max(low, 1e6) if info.max is None else info.max
            low = min(low, high)
            value = random.uniform(max(low, -1e300), min(high, 1e300))
            # Outside, by rounding or since the limits themselves are that large
            value = float(min(max(value, low), high))
            return info.from_json(info.to_json(value))
        case BoolInfo():
            return random.random() < 0.5
        case EnumInfo():
            return random.choice(list(info.members.values()))
        case StringInfo():
            letters = "abc XYZ 019 {}[]\"'\\/,:%\n" + ("äµ€𝄞" if info.is_utf8 else "")
            return "".join(
                random.choices(letters, k=_size(random, info.minchars, info.maxchars))
            )
        case BlobInfo():
            return random.randbytes(_size(random, info.minbytes, info.maxbytes))
        case ArrayInfo():
            size = _size(random, info.minlen, info.maxlen)
            return [random_value(info.members, random) for _ in range(size)]
        case TupleInfo():
            return tuple(random_value(m, random) for m in info.members)
        case StructInfo():
            return {k: random_value(m, random) for k, m in info.members.items()}
        case MatrixInfo():
            most = 5 if len(info.maxlen) < 4 else 2
            shape = [
                random.randint(min(n, 1), min(n, most)) for n in reversed(info.maxlen)
            ]
            numbers = [random.randint(0, 100) for _ in range(int(np.prod(shape)))]
            return np.array(numbers, info.elementtype).reshape(shape)
        case _:
            return {"anything": random.randint(0, 100)}


def _size(random: Random, low: int, high: int | None) -> int:
    # Long ones teach nothing more
    top = low + 12 if high is None else min(high, low + 12)
    return random.randint(low, max(low, top))
