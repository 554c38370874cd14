"""What all SECoP data types have in common.

SECoP 1.0/1.1 "Data types", 2.0 datainfo.rst. Each type is a frozen description
that converts in both directions: `validate` is strict, for values on their way
to the node; `from_json` is lenient, since a value outside its declared range is
data (1.1, note on trusted ranges), and only refuses what has no meaning.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from ._errors import NoValueYet, RangeError, WrongType
from ._guards import is_ndarray
from ._text import show


@dataclass(frozen=True, slots=True, kw_only=True)
class DataInfo(ABC):
    """What a value may be and how it is transported.

    :param raw: The datainfo as the node sent it.
    """

    raw: Any = field(default=None, compare=False, repr=False)

    @abstractmethod
    def validate(self, value: Any) -> Any:
        """Check a value that is to be sent and return it in its Python form.

        :param value: A Python or numpy value.
        :raises WrongType: If it has another type.
        :raises RangeError: If it lies outside the limits.
        """

    @abstractmethod
    def to_json(self, value: Any) -> Any:
        """Return the transported form of a valid value."""

    @abstractmethod
    def from_json(self, data: Any) -> Any:
        """Return the Python value of transported data.

        :param data: Decoded JSON; null stands for a value that is not there.
        :raises WrongType: If the data has no meaning for this type.
        :raises NoValueYet: If it is null.
        """

    def oddity(self, data: Any) -> str:
        """Tell what transported data has that the description does not allow.

        Such data is passed on, so somebody has to be told.

        :param data: Decoded JSON that `from_json` takes.
        :return: What is odd, empty if nothing is.
        """
        return ""

    def _refuse(self, data: Any, expected: str) -> WrongType | NoValueYet:
        if data is None:
            return NoValueYet("the node has no value for it yet (null)")
        return WrongType(f"expected {expected}, got {show(data)}")


def complaint(check: Callable[..., None], *args: Any) -> str:
    """Return what a check complains about, empty if it does not.

    :param check: Raises RangeError.
    :param args: Its arguments.
    """
    try:
        check(*args)
    except RangeError as error:
        return str(error)
    return ""


def plain(value: Any) -> Any:
    """Return a scalar as a builtin: numpy scalars and enum members lose their class."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.generic):
        return value.item()  # pyright: ignore[reportUnknownVariableType]
    if is_ndarray(value) and value.ndim == 0:
        return value.item()
    return value
