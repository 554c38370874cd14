import pytest

from secop_ophyd.protocol import DataReport, InvalidMessage, parse_data_report


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


def test_a_timestamp_is_a_float():
    report = parse_data_report([5, {"t": 12, "e": 1}])
    assert type(report.timestamp) is float
    assert type(report.uncertainty) is float
    assert type(report.value) is int


@pytest.mark.parametrize("data", [[], [1, 2], [1, "x"], [1, []], [1, [{}]], [1, True]])
def test_no_data_report(data):
    with pytest.raises(InvalidMessage, match="not a data report"):
        parse_data_report(data)
