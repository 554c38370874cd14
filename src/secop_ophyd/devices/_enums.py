"""Enum classes made of a datainfo, for signals that nobody annotated."""

from __future__ import annotations

from enum import Enum
from functools import cache

from ophyd_async.core import StrictEnum

from secop_ophyd.codegen import enum_members
from secop_ophyd.protocol import EnumInfo


def enum_class(info: EnumInfo, name: str) -> type[Enum]:
    """Return the class for an enum; equal enums of one name share a class.

    :param info: The data type.
    :param name: Name of the class.
    """
    return _make(tuple(enum_members(info).items()), name)


@cache
def _make(members: tuple[tuple[str, str], ...], name: str) -> type[Enum]:
    return StrictEnum(name, dict(members))  # type: ignore[call-overload]
