"""Data reports: a value with its qualifiers.

SECoP 1.0 "Data report", 2.0 reports.rst: `[value, {"t": time, "e": error}]`.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from ._errors import InvalidMessage
from ._guards import is_list, is_number, is_object
from ._json import decode
from ._text import show


class DataReport(msgspec.Struct, frozen=True):
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


class _Qualifiers(msgspec.Struct):
    t: float | None = None
    e: float | None = None


class _Regular(msgspec.Struct, array_like=True):
    """A data report as nearly all nodes send them."""

    value: Any
    qualifiers: _Qualifiers | None = None


_decode_regular = msgspec.json.Decoder(_Regular).decode


def decode_report(data: bytes) -> DataReport:
    """Decode the data of an `update`, `reply`, `changed` or `done`.

    :param data: The JSON as it came.
    :raises BadJSON: If it is not JSON.
    :raises InvalidMessage: If it is no data report.
    """
    try:
        report = _decode_regular(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return parse_data_report(decode(data))  # tolerant, or has the better message
    if report.qualifiers is None:
        return DataReport(report.value)
    return DataReport(report.value, report.qualifiers.t, report.qualifiers.e)
