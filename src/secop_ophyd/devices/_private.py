"""Annotations of attributes with a leading underscore, which ophyd-async ignores.

Properties of nodes have one, such as `_interfaces`, and names that begin with a digit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from ophyd_async.core import Device, Signal, StandardReadableFormat

from secop_ophyd.protocol import RESERVED_PRIVATE_NAMES


@dataclass(frozen=True, slots=True)
class PrivateAnnotation:
    """What a class says about an attribute with a leading underscore.

    :param attribute: The attribute.
    :param kind: The class of the child.
    :param datatype: That of a signal, None for others.
    :param format: Where a signal belongs, None if it is not said.
    """

    attribute: str
    kind: type[Any]
    datatype: Any
    format: StandardReadableFormat | None


@cache
def private_annotations(device_type: type[Device]) -> tuple[PrivateAnnotation, ...]:
    """Return the annotations of children that ophyd-async's filler ignores.

    :param device_type: The class of a device.
    :raises TypeError: If a signal has no datatype.
    """
    return tuple(_find(device_type))


def _find(device_type: type[Device]) -> Iterator[PrivateAnnotation]:
    hints = get_type_hints(device_type, include_extras=True)
    for attribute, annotation in hints.items():
        if not attribute.startswith("_") or attribute in RESERVED_PRIVATE_NAMES:
            continue
        extras: list[Any] = []
        if get_origin(annotation) is Annotated:
            annotation, *extras = get_args(annotation)
        kind = get_origin(annotation) or annotation
        if not (isinstance(kind, type) and issubclass(kind, Device)):
            continue
        datatype = None
        if issubclass(kind, Signal):
            if len(get_args(annotation)) != 1:
                place = f"{device_type.__name__}.{attribute}"
                raise TypeError(f"{place}: {kind.__name__} has no datatype")
            (datatype,) = get_args(annotation)
        formats = [x for x in extras if isinstance(x, StandardReadableFormat)]
        yield PrivateAnnotation(
            attribute, kind, datatype, formats[0] if formats else None
        )
