"""double, scaled and int."""

from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction

import numpy as np
import pytest

from secop_ophyd.protocol import (
    DoubleInfo,
    IntInfo,
    NoValueYet,
    RangeError,
    ScaledInfo,
    WrongType,
    encode,
)


class Number(Enum):
    ONE = 1


class IntNumber(IntEnum):
    TWO = 2


DOUBLE = DoubleInfo(min=0.0, max=10.0, unit="K")
INT = IntInfo(min=-5, max=10, unit="mm")
SCALED = ScaledInfo(scale=0.1, min=0.0, max=250.0, unit="bar")

NO_NUMBERS = [
    None,
    "1",
    "",
    b"1",
    True,
    False,
    np.True_,
    np.array(True),
    [],
    [1],
    (1,),
    {},
    np.array([1.0]),
    np.array([]),
    1j,
    np.complex128(1),
    Fraction(1, 2),
    object(),
    np.str_("1"),
    np.datetime64("2026-01-01"),
    np.array((1.0,), dtype=[("x", "f8")]),
]
NOT_FINITE = [
    float("nan"),
    float("inf"),
    float("-inf"),
    np.nan,
    np.float32("inf"),
    np.array(np.nan),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("1e400"),
]


@pytest.mark.parametrize("info", [DOUBLE, INT, SCALED], ids=lambda i: type(i).__name__)
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_no_numbers(info, value):
    with pytest.raises(WrongType, match="^expected a(n integer| number), got "):
        info.validate(value)


@pytest.mark.parametrize("info", [DOUBLE, INT, SCALED], ids=lambda i: type(i).__name__)
@pytest.mark.parametrize("value", NOT_FINITE)
def test_numbers_that_json_cannot_carry(info, value):
    with pytest.raises(RangeError, match="cannot be transported, only finite numbers"):
        info.validate(value)


@pytest.mark.parametrize(
    ("info", "value", "text"),
    [
        (DOUBLE, -0.001, "-0.001 K is below the minimum 0.0 K"),
        (DOUBLE, 10.5, "10.5 K is above the maximum 10.0 K"),
        (DOUBLE, 11, "11.0 K is above the maximum 10.0 K"),
        (DOUBLE, np.float64(10.5), "10.5 K is above the maximum 10.0 K"),
        (DoubleInfo(max=1), 2, "2.0 is above the maximum 1"),
        (DoubleInfo(min=1), -2, "-2.0 is below the minimum 1"),
        (INT, -6, "-6 mm is below the minimum -5 mm"),
        (INT, 11, "11 mm is above the maximum 10 mm"),
        (INT, np.int8(11), "11 mm is above the maximum 10 mm"),
        (INT, 2**64, "18446744073709551616 mm is above the maximum 10 mm"),
        (SCALED, -0.1, "-0.1 bar is below the minimum 0.0 bar"),
        (SCALED, 250.1, "250.1 bar is above the maximum 250.0 bar"),
    ],
)
def test_out_of_range_tells_limit_and_unit(info, value, text):
    with pytest.raises(RangeError) as caught:
        info.validate(value)
    assert str(caught.value) == text


@pytest.mark.parametrize("info", [DoubleInfo(max=1), IntInfo(max=1)])
def test_a_number_of_thousands_of_digits(info):
    # Python refuses to write them
    with pytest.raises(RangeError, match="<int>"):
        info.validate(10**5000)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (10, 10.0),
        (2.5, 2.5),
        (np.float32(0.5), 0.5),
        (np.float64(2.5), 2.5),
        (np.int16(3), 3.0),
        (np.uint64(3), 3.0),
        (np.array(2.5), 2.5),
        (np.array(3), 3.0),
        (Decimal("2.5"), 2.5),
        (Number.ONE, 1.0),
        (IntNumber.TWO, 2.0),
    ],
)
def test_doubles(value, expected):
    found = DOUBLE.validate(value)
    assert found == expected
    assert type(found) is float
    assert encode(DOUBLE.to_json(found)) == str(expected).encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (-5, -5),
        (10, 10),
        (5.0, 5),
        (np.float64(5.0), 5),
        (np.int8(5), 5),
        (np.uint64(5), 5),
        (np.array(5), 5),
        (Decimal(5), 5),
        (Number.ONE, 1),
        (IntNumber.TWO, 2),
    ],
)
def test_ints(value, expected):
    found = INT.validate(value)
    assert found == expected
    assert type(found) is int
    assert type(INT.to_json(found)) is int


@pytest.mark.parametrize("value", [0.5, -0.1, np.float32(2.5), Decimal("2.5")])
def test_no_ints(value):
    with pytest.raises(WrongType, match="expected an integer, got "):
        INT.validate(value)


@pytest.mark.parametrize("value", [2**53 + 1, 2**63, -(2**64) - 1, 10**300])
def test_ints_of_any_size_stay_exact(value):
    info = IntInfo(min=-(10**300), max=10**300)
    assert info.validate(value) == value
    assert info.validate(Decimal(value)) == value
    assert info.from_json(value) == value
    with pytest.raises(RangeError):
        IntInfo(min=value + 1).validate(value)
    with pytest.raises(RangeError):
        IntInfo(max=value - 1).validate(value)
    assert IntInfo(min=value, max=value).validate(value) == value


@pytest.mark.parametrize(
    ("scale", "data", "value"),
    [
        (0.1, 12, 1.2),
        (0.1, 3, 0.3),
        (0.1, -7, -0.7),
        (0.1, 1255, 125.5),
        (0.05, 3, 0.15),
        (0.05, 7, 0.35),
        (0.01, 29, 0.29),
        (1e-6, 7, 7e-6),
        (1e-9, 123456789, 0.123456789),
        (0.3, 3, 0.9),
        (1, 5, 5.0),
        (2.5, 3, 7.5),
        (1000, 12, 12000.0),
        (1e300, 3, 3e300),
        (5e-324, 0, 0.0),
        (0.1, 10**15 + 1, 100000000000000.1),
    ],
)
def test_scaled_is_exact_in_decimals(scale, data, value):
    info = ScaledInfo(scale=scale)
    found = info.from_json(data)
    assert repr(found) == repr(value)
    assert info.to_json(found) == data
    assert type(info.to_json(found)) is int
    assert info.validate(value) == value


def test_scaled_by_the_thousand():
    for scale, digits in ((0.1, 1), (0.01, 2), (0.001, 3)):
        info = ScaledInfo(scale=scale)
        for data in range(-1500, 1500):
            value = info.from_json(data)
            assert value == round(data * scale, digits)
            assert info.to_json(info.validate(value)) == data


@pytest.mark.parametrize(
    ("value", "expected", "data"),
    [
        (1.2, 1.2, 12),
        (1.23, 1.2, 12),
        (1.26, 1.3, 13),
        (5, 5.0, 50),
        (250.04, 250.0, 2500),
        (-0.04, 0.0, 0),
        (np.float32(0.1), 0.1, 1),
        (np.array(0.3), 0.3, 3),
        (Decimal("0.7"), 0.7, 7),
    ],
)
def test_scaled_values_are_rounded_to_a_step(value, expected, data):
    found = SCALED.validate(value)
    assert repr(found) in (repr(expected), repr(-expected))
    assert type(found) is float
    assert SCALED.to_json(found) == data


@pytest.mark.parametrize(
    ("scale", "value", "data"),
    [
        # Just below the half in binary, but 0.15 is what the user wrote
        (0.1, 0.15, 2),
        (0.1, 0.35, 4),
        (0.01, 1.115, 112),
        # More steps than a float can count
        (1e-10, 1e300, 10**310),
    ],
)
def test_scaled_values_are_divided_in_decimals(scale, value, data):
    assert ScaledInfo(scale=scale).to_json(value) == data


@pytest.mark.parametrize("data", [2501, -1, 10**6])
def test_values_of_the_node_may_be_out_of_range(data):
    assert SCALED.from_json(data) == pytest.approx(data / 10)
    assert DOUBLE.from_json(data) == data
    assert INT.from_json(data) == data


@pytest.mark.parametrize(
    ("info", "data", "value"),
    [
        (DOUBLE, 3, 3.0),
        (DOUBLE, 3.5, 3.5),
        (DOUBLE, 2**64, 2.0**64),
        (INT, 5.0, 5),
        (INT, -0.0, 0),
        (INT, 1e3, 1000),
        (SCALED, 12.0, 1.2),
        (SCALED, 12.7, 1.27),
    ],
)
def test_from_json(info, data, value):
    found = info.from_json(data)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("info", "expected"),
    [(DOUBLE, "a number"), (INT, "an integer"), (SCALED, "an integer")],
    ids=["double", "int", "scaled"],
)
class TestNotFromJson:
    @pytest.mark.parametrize("data", ["1", "", True, False, [], [1], {}, {"x": 1}])
    def test_wrong_type(self, info, expected, data):
        with pytest.raises(WrongType, match=f"^expected {expected}, got "):
            info.from_json(data)

    def test_null(self, info, expected):
        with pytest.raises(NoValueYet, match="no value for it yet"):
            info.from_json(None)


@pytest.mark.parametrize("data", [0.5, -1.25, 1e-9])
def test_an_int_is_not_cut(data):
    with pytest.raises(WrongType, match="expected an integer"):
        INT.from_json(data)


@pytest.mark.parametrize("data", [10**400, -(10**400)])
def test_too_large_for_a_double(data):
    with pytest.raises(WrongType, match="too large for a double"):
        DOUBLE.from_json(data)
    with pytest.raises(WrongType, match="too large for a scale of 0.1"):
        SCALED.from_json(data)


@pytest.mark.parametrize(
    ("info", "value", "resolution"),
    [
        (DoubleInfo(), 1e7, 1.2),
        (DoubleInfo(), -1e7, 1.2),
        (DoubleInfo(), 0, 0.0),
        (DoubleInfo(absolute_resolution=0.5), 0, 0.5),
        (DoubleInfo(absolute_resolution=0.5), 1e7, 1.2),
        (DoubleInfo(absolute_resolution=0.5, relative_resolution=0.1), 10, 1.0),
        (IntInfo(), 10**400, 0.0),
        (IntInfo(), 5, 0.0),
    ],
)
def test_resolution(info, value, resolution):
    assert info.resolution(value) == pytest.approx(resolution)


@pytest.mark.parametrize(
    ("fmtstr", "precision"),
    [("%.3f", 3), ("%.0f", 0), ("%.12e", 12), ("%.6g", None), ("", None)],
)
def test_precision(fmtstr, precision):
    assert DoubleInfo(fmtstr=fmtstr).precision == precision
