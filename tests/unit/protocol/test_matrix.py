import base64

import numpy as np
import pytest

from secop_ophyd.protocol import MatrixInfo, NoValueYet, RangeError, WrongType


def matrix(elementtype="<f4", names=("x", "y")):
    return MatrixInfo(elementtype=elementtype, names=names, maxlen=(3, 4)[: len(names)])


EXAMPLE = {"len": [2, 3], "blob": "AACAPwAAAEAAAEBAAACAQAAAoEAAAMBA"}


def test_the_first_dimension_varies_fastest():
    # The example of the specification: x has 2 elements and y has 3
    value = matrix().from_json(EXAMPLE)
    assert value.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert value.shape == (3, 2)
    assert value.dtype == "<f4"
    assert matrix().to_json(value) == EXAMPLE


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3, 4], [5, 6]],
        np.array([[1, 2], [3, 4], [5, 6]]),
        np.array([[1, 3, 5], [2, 4, 6]]).T,
        np.array([[1, 2], [3, 4], [5, 6]], ">f8"),
        np.array([[1, 2], [3, 4], [5, 6]], order="F"),
    ],
)
def test_whatever_the_memory_looks_like(value):
    assert matrix().to_json(matrix().validate(value)) == EXAMPLE
    assert matrix().to_json(np.asarray(value)) == EXAMPLE


@pytest.mark.parametrize(
    ("elementtype", "content"),
    [
        ("<i2", b"\x01\x00\xfe\xff"),
        (">i2", b"\x00\x01\xff\xfe"),
        ("<i8", b"\x01" + b"\x00" * 7 + b"\xfe" + b"\xff" * 7),
        (">f4", b"\x3f\x80\x00\x00\xc0\x00\x00\x00"),
        ("<i1", b"\x01\xfe"),
        (">f2", b"\x3c\x00\xc0\x00"),
    ],
)
def test_endianness(elementtype, content):
    info = matrix(elementtype, ("x",))
    data = {"len": [2], "blob": base64.b64encode(content).decode()}
    assert info.from_json(data).tolist() == [1, -2]
    assert info.to_json(info.validate([1, -2])) == data


@pytest.mark.parametrize(
    "value",
    [
        1,
        "abc",
        None,
        {},
        [1, 2],
        [[[1]]],
        [["a"]],
        [[True]],
        [[None]],
        [[1j]],
        [[1, 2], [3]],
        [[2**70]],
        np.zeros((1, 1), [("x", "f4")]),
        object(),
    ],
)
def test_wrong_type(value):
    with pytest.raises(WrongType, match="expected "):
        matrix().validate(value)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((4, 4), "4 elements of x, at most 3 allowed"),
        ((5, 3), "5 elements of y, at most 4 allowed"),
    ],
)
def test_too_many_elements(shape, text):
    with pytest.raises(RangeError) as caught:
        matrix().validate(np.zeros(shape))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("elementtype", "value"),
    [
        ("<u1", 256),
        ("<u1", -1),
        ("<i1", 128),
        ("<i4", 1.5),
        ("<i4", float("nan")),
        ("<i4", float("inf")),
        ("<u8", -1),
        ("<i8", 2**63),
        ("<i8", 2.0**63),
        ("<u8", 2.0**64),
        ("<f4", 1e300),
        ("<f2", 70000),
        ("<f2", -1e5),
    ],
)
def test_values_that_do_not_fit(elementtype, value):
    with pytest.raises(RangeError, match=f"do not fit into {elementtype}"):
        matrix(elementtype, ("x",)).validate(np.array([value]))


@pytest.mark.parametrize(
    ("elementtype", "value"),
    [
        ("<u1", 255),
        ("<u1", 2.0),
        ("<i1", -128),
        ("<u8", 2**64 - 1),
        ("<i8", -(2**63)),
        ("<f8", 1e300),
        ("<f8", float("inf")),
        ("<f4", float("-inf")),
    ],
)
def test_values_that_fit(elementtype, value):
    found = matrix(elementtype, ("x",)).validate([value])
    assert found[0] == value
    assert found.dtype == elementtype


@pytest.mark.parametrize("others", [[0.1], [np.nan, 0.1], [np.inf, 0.1, np.nan]])
def test_floats_are_rounded(others):
    found = matrix("<f4", ("x",)).validate(others)
    assert np.array_equal(found, np.array(others, "f4"), equal_nan=True)


@pytest.mark.parametrize("lengths", [[0, 0], [0, 3], [2, 0]])
def test_no_elements(lengths):
    value = matrix().from_json({"len": lengths, "blob": ""})
    assert list(value.shape) == lengths[::-1]
    assert matrix().to_json(value) == {"len": lengths, "blob": ""}


def test_values_of_the_node_may_be_larger_than_announced():
    blob = base64.b64encode(bytes(4 * 5 * 5)).decode()
    assert matrix().from_json({"len": [5, 5], "blob": blob}).shape == (5, 5)


def test_received_values_cannot_be_changed_by_accident():
    value = matrix().from_json(EXAMPLE)
    with pytest.raises(ValueError, match="read-only"):
        value[0, 0] = 5


@pytest.mark.parametrize(
    "data",
    [
        1,
        "AAAA",
        [],
        [[1, 2]],
        {},
        {"len": [2, 3]},
        {"blob": EXAMPLE["blob"]},
        EXAMPLE | {"len": 6},
        EXAMPLE | {"len": None},
        EXAMPLE | {"len": [2.0, 3]},
        EXAMPLE | {"len": [True, 6]},
        EXAMPLE | {"len": [-2, -3]},
        EXAMPLE | {"len": ["2", "3"]},
        EXAMPLE | {"len": []},
        EXAMPLE | {"len": [6]},
        EXAMPLE | {"len": [2, 3, 1]},
        EXAMPLE | {"len": [2, 2]},
        EXAMPLE | {"len": [3, 3]},
        EXAMPLE | {"len": [10**30, 10**30]},
        {"len": [0, 10**30], "blob": ""},
        {"len": [2**62, 0], "blob": ""},
        {"len": [1, 1], "blob": "AAAA"},
        EXAMPLE | {"blob": "!!"},
        EXAMPLE | {"blob": [1]},
        EXAMPLE | {"blob": EXAMPLE["blob"][:-4]},
    ],
)
def test_from_json_refuses(data):
    with pytest.raises(WrongType):
        matrix().from_json(data)


@pytest.mark.parametrize("data", [None, EXAMPLE | {"blob": None}])
def test_null_is_no_value(data):
    with pytest.raises(NoValueYet):
        matrix().from_json(data)


def test_further_items_are_ignored():
    data = EXAMPLE | {"compression": None}
    assert matrix().from_json(data).shape == (3, 2)


@pytest.mark.parametrize("value", [[2**63, 1], [2**64 - 1, 2**53 + 1], [2**63, 2.0]])
def test_integers_of_a_list_are_not_rounded(value):
    # numpy makes floats of them
    found = matrix("<u8", ("x",)).validate(value)
    assert found.dtype == "<u8"
    assert found.tolist() == value


@pytest.mark.parametrize("value", [[], [[]], [[], []], np.zeros((2, 0))])
def test_lists_of_nothing_are_no_elements(value):
    # An array without rows does not tell its other lengths as a list
    info = matrix()
    found = info.validate(value)
    assert (found.ndim, found.size) == (2, 0)
    assert info.to_json(found) == {"len": [0, len(value)], "blob": ""}
