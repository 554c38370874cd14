"""Data reports: a value with its qualifiers.

SECoP 1.0 "Data report", 2.0 reports.rst: `[value, {"t": time, "e": error}]`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ._errors import InvalidMessage
from ._guards import is_list, is_number, is_object
from ._text import show


class DataReport(NamedTuple):
    """A data report, its value still as in JSON.

    :param value: The transported value.
    :param timestamp: Qualifier `t`, UNIX seconds, or None if the node has no clock.
    :param uncertainty: Qualifier `e`, in the unit of the value, or None.
    """

    value: Any
    timestamp: float | None = None
    uncertainty: float | None = None


def _number(value: Any) -> float | None:
    if type(value) is not float:  # as nearly all are
        if value is None or not is_number(value):
            return None
        try:
            value = float(value)
        except OverflowError:
            return None
    return value if math.isfinite(value) else None


def parse_data_report(data: Any) -> DataReport:
    """Read a data report; further items and unknown qualifiers are ignored.

    :param data: The decoded JSON of an `update`, `reply`, `changed` or `done`.
    :raises InvalidMessage: If it has another shape.
    """
    if not is_list(data):
        # A few nodes leave out the qualifiers together with the brackets
        return DataReport(data)
    value, qualifiers = data if len(data) == 2 else [*data, None, None][:2]
    if not data or not (qualifiers is None or is_object(qualifiers)):
        raise InvalidMessage(f"not a data report: {show(data)}")
    if not qualifiers:
        return DataReport(value)
    return DataReport(value, _number(qualifiers.get("t")), _number(qualifiers.get("e")))
