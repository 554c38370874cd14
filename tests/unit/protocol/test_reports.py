import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secop_ophyd.protocol import (
    BadJSON,
    DataReport,
    InvalidMessage,
    SecopError,
    decode,
    decode_report,
    parse_data_report,
)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([5.0, {"t": 12.5}], DataReport(5.0, 12.5)),
        ([5.0, {"t": 12, "e": 0.1}], DataReport(5.0, 12.0, 0.1)),
        ([5.0, {}], DataReport(5.0)),
        ([5.0, None], DataReport(5.0)),
        ([5.0], DataReport(5.0)),
        (5.0, DataReport(5.0)),
        ("text", DataReport("text")),
        ({"x": 1}, DataReport({"x": 1})),
        (None, DataReport(None)),
        ([None, {}], DataReport(None)),
        ([None, {"t": 1.5}], DataReport(None, 1.5)),
        ([5.0, {"t": 5, "zz": 1}, "extra"], DataReport(5.0, 5.0)),
        ([5.0, {"t": None, "e": None}], DataReport(5.0)),
        ([5.0, {"t": "12"}], DataReport(5.0)),
        ([5.0, {"t": True, "e": [1]}], DataReport(5.0)),
        ([5.0, {"t": 10**400, "e": -(10**400)}], DataReport(5.0)),
        ([5.0, {"t": float("inf"), "e": float("nan")}], DataReport(5.0)),
        ([5.0, {"t": 99999999999}], DataReport(5.0, 99999999999.0)),
        ([5.0, {"t": 0, "e": 0}], DataReport(5.0, 0.0, 0.0)),
        ([[1, 2], {"t": 1}], DataReport([1, 2], 1.0)),
        ([[[100, ""], {}]], DataReport([[100, ""], {}])),
    ],
)
def test_data_reports(data, expected):
    assert parse_data_report(data) == expected
    assert decode_report(json.dumps(data).encode()) == expected


def test_a_timestamp_is_a_float():
    report = parse_data_report([5, {"t": 12, "e": 1}])
    assert type(report.timestamp) is float
    assert type(report.uncertainty) is float
    assert type(report.value) is int


@pytest.mark.parametrize("data", [[], [1, 2], [1, "x"], [1, []], [1, [{}]], [1, True]])
def test_no_data_report(data):
    with pytest.raises(InvalidMessage, match="not a data report"):
        parse_data_report(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
qualifiers = st.dictionaries(st.sampled_from("tex"), values)


def taken(function, data):
    try:
        return repr(function(data))
    except SecopError as error:
        return repr(error)


@given(st.lists(values, max_size=3) | st.tuples(values, qualifiers | values) | values)
@example([2**53 + 1, {"t": 2**64 + 1, "e": -(2**63) - 1}])
def test_both_ways_lead_to_the_same(data):
    text = json.dumps(data).encode()
    one_by_one = taken(lambda text: parse_data_report(decode(text)), text)
    assert taken(decode_report, text) == one_by_one


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", DataReport(None)),
        (b" ", DataReport(None)),
        (b'["\xff", {"t": 1}]', DataReport("\ufffd", 1.0)),
        (b'[1, {"t": 1, "t": 2}]', DataReport(1, 2.0)),
        (b'[1, {"t": 1, "t": "2"}]', DataReport(1)),
    ],
)
def test_odd_data(data, expected):
    assert decode_report(data) == expected


def test_what_json_does_not_have():
    report = decode_report(b'[NaN, {"t": 1}]')
    assert math.isnan(report.value)
    assert report.timestamp == 1.0


@pytest.mark.parametrize(
    "data", [b'[1, {"t": 1e999}]', b'[1, {"t": 1}] x', b"[1, {]", b"[" * 100_000]
)
def test_what_is_not_json(data):
    with pytest.raises(BadJSON):
        decode_report(data)
