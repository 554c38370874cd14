"""What a value of unknown origin is, in a form that type checkers follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Tell whether a decoded value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether a decoded value is a JSON array."""
    return isinstance(value, list)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Tell whether a decoded value is a JSON number, which a bool is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_mapping(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Tell whether a Python value has keys."""
    return isinstance(value, Mapping)


def is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    """Tell whether a Python value has elements, which a text has not."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def is_ndarray(value: Any) -> TypeGuard[np.ndarray[Any, Any]]:
    """Tell whether a Python value is a numpy array, of any type and shape."""
    return isinstance(value, np.ndarray)
