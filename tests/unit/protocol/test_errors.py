import pytest

from secop_ophyd.protocol import (
    ERROR_CLASSES,
    ConnectionLost,
    ErrorReport,
    InvalidMessage,
    NodeError,
    NodeTimeout,
    NoValueYet,
    RangeError,
    RequestTimeout,
    SecopError,
    WrongType,
    make_error,
    parse_error_report,
)

PERSISTING = """ProtocolError NoSuchModule NoSuchParameter NoSuchCommand ReadOnly
    WrongType RangeError BadValue BadJSON NotImplemented NotCheckable HardwareError
    CommandFailed""".split()
RETRYABLE = """CommandRunning CommunicationFailed TimeoutError IsBusy IsError Disabled
    Impossible ReadFailed OutOfRange InternalError""".split()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (["RangeError", "too big", {"t": 1}], ("RangeError", "too big", "", {"t": 1})),
        (["RangeError", "too big"], ("RangeError", "too big", "", {})),
        (["RangeError"], ("RangeError", "", "", {})),
        ("RangeError", ("RangeError", "", "", {})),
        (["WrongType:MustBeInt", "x"], ("WrongType", "x", "MustBeInt", {})),
        (["A:B:C", "x"], ("A", "x", "B:C", {})),
        (["RangeError", None, None], ("RangeError", "", "", {})),
        (["RangeError", 5, "no info"], ("RangeError", "5", "", {})),
        (["RangeError", ["a"], []], ("RangeError", "['a']", "", {})),
        (["RangeError", "x", {}, "future"], ("RangeError", "x", "", {})),
        (["Weird", "x"], ("Weird", "x", "", {})),
        ([None, "x"], ("InternalError", "x", "", {})),
        (["", "x"], ("InternalError", "x", "", {})),
        ([5, "x"], ("5", "x", "", {})),
        ([], ("InternalError", "", "", {})),
        ({}, ("InternalError", "", "", {})),
        (None, ("InternalError", "", "", {})),
    ],
)
def test_error_reports(data, expected):
    error_class, text, subclass, info = expected
    assert parse_error_report(data) == ErrorReport(error_class, text, subclass, info)


def test_the_info_is_kept():
    info = {"closest_valid": [0.8, 1.6], "t": 3.5}
    error = make_error(parse_error_report(["BadValue", "outside", info]), "n: m:p")
    assert error.report is not None
    assert error.report.info == info


@pytest.mark.parametrize("name", PERSISTING + RETRYABLE)
def test_each_class_of_the_specification_has_an_exception(name):
    error = make_error(ErrorReport(name, "its words"), "node: change m:p")
    assert type(error) is ERROR_CLASSES[name]
    assert type(error) is not NodeError
    assert error.error_class == name
    assert error.retryable is (name in RETRYABLE)
    assert str(error) == f"node: change m:p: {name}: its words"


def test_no_class_is_forgotten():
    assert sorted(ERROR_CLASSES) == sorted(PERSISTING + RETRYABLE)


def test_an_unknown_class_keeps_its_name():
    report = ErrorReport("Weird", "its words", "Sub")
    error = make_error(report, "m:p")
    assert type(error) is NodeError
    assert error.report is report
    assert str(error) == "m:p: Weird:Sub: its words"


def test_an_error_without_words():
    assert str(make_error(ErrorReport("IsBusy", ""), "m:p")) == "m:p: IsBusy"


def test_errors_of_the_node_differ_from_ours():
    assert not issubclass(RequestTimeout, NodeError)
    assert not issubclass(NodeTimeout, TimeoutError)
    for ours in (RequestTimeout, ConnectionLost, NoValueYet, InvalidMessage):
        assert issubclass(ours, SecopError)
        assert not issubclass(ours, NodeError)
        assert ours("x").report is None


def test_python_knows_the_kinds():
    assert issubclass(RangeError, ValueError)
    assert issubclass(WrongType, TypeError)
    # ophyd-async replaces the text of each TimeoutError
    assert not issubclass(RequestTimeout, TimeoutError)
    assert issubclass(ConnectionLost, ConnectionError)
