"""Enum classes made of a datainfo, for signals that nobody annotated."""

from __future__ import annotations

from enum import Enum
from functools import cache

from ophyd_async.core import StrictEnum

from secop_ophyd.codegen import enum_members
from secop_ophyd.protocol import EnumInfo


class _TextElsewhere(StrictEnum):
    """An enum that is pickled as text, for a process that does not have the class.

    Documents travel, as they do in blueapi or by ZeroMQ.
    """

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[str]]:
        return str, (self.value,)


def enum_class(info: EnumInfo, name: str) -> type[Enum]:
    """Return the class for an enum; equal enums of one name share a class.

    :param info: The data type.
    :param name: Name of the class.
    """
    return _make(tuple(enum_members(info).items()), name)


@cache
def _make(members: tuple[tuple[str, str], ...], name: str) -> type[Enum]:
    return _TextElsewhere(name, dict(members))  # type: ignore[call-overload]
