"""Long arrays: the quick ways give what the types themselves give, bit by bit."""

import math
from decimal import Decimal
from enum import Enum, StrEnum

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secop_ophyd.protocol import (
    ArrayInfo,
    BlobInfo,
    BoolInfo,
    DoubleInfo,
    EnumInfo,
    IntInfo,
    NodeError,
    NoValueYet,
    OpaqueInfo,
    RangeError,
    ScaledInfo,
    StringInfo,
    StructInfo,
    TupleInfo,
    WrongType,
)

LONG = 10_000  # more than what is looked at at once
CODES = EnumInfo(members={"off": 0, "on": 1, "auto": -7, "same": 1})


class Word(Enum):
    OFF = "off"


class Text(StrEnum):
    ON = "on"


scales = st.one_of(
    st.builds(lambda n, e: float(f"{n}e{e}"), st.integers(1, 999), st.integers(-12, 6)),
    st.floats(1e-12, 1e12, exclude_min=True),
    st.floats(5e-324, 1.7e308, exclude_min=True),
)
integers = st.one_of(
    st.integers(-1000, 1000),
    st.integers(-(2**63), 2**63),
    st.integers(-(10**40), 10**40),
    st.sampled_from([10**400, 2**53, 2**53 + 1, 10**27]),
)
odd = st.sampled_from(
    [None, "1", "on", "", True, False, [], {}, math.nan, math.inf, Decimal("0.5")]
)
numbers = st.one_of(
    integers, st.floats(), st.integers(-(2**54), 2**54).map(float), st.just(-0.0)
)


def located(place, text):
    return f"[{place}]{'' if str(text).startswith('[') else ': '}{text}"


def each(convert, values):
    """Return the outcome of one value after the other, with types and bits."""
    found = []
    for i, value in enumerate(values):
        try:
            found.append(convert(value))
        except (NodeError, NoValueYet) as error:
            return type(error), located(i, error)
    return found


def at_once(convert, values):
    try:
        return convert(values)
    except (NodeError, NoValueYet) as error:
        return type(error), str(error)


def first_oddity(info, data):
    return next(
        (located(i, text) for i, x in enumerate(data) if (text := info.oddity(x))), ""
    )


def check(info, values):
    """Compare an array with its elements, in all that data types do."""
    array = ArrayInfo(members=info)
    validated = each(info.validate, values)
    assert repr(at_once(array.validate, values)) == repr(validated)
    if isinstance(validated, list):
        sent = each(info.to_json, validated)
        assert repr(array.to_json(validated)) == repr(sent)
        check_incoming(info, sent)
    # JSON has no decimals, and is never decoded to one
    check_incoming(info, [v for v in values if not isinstance(v, Decimal)])


def check_incoming(info, data):
    array = ArrayInfo(members=info)
    taken = each(info.from_json, data)
    assert repr(at_once(array.from_json, data)) == repr(taken)
    if isinstance(taken, list):
        assert array.oddity(data) == first_oddity(info, data)


@given(scales, st.lists(numbers | odd, max_size=20))
def test_scaled(scale, values):
    check(ScaledInfo(scale=scale), values)


@given(scales, st.lists(integers, min_size=1, max_size=20))
def test_scaled_from_integers_of_any_size(scale, data):
    check_incoming(ScaledInfo(scale=scale), data)


@given(scales, st.lists(st.integers(-(2**54), 2**54).map(float) | integers))
@example(1e-300, [1.0, -0.0])
@example(3.0, [2.0**53 - 1, 1])
def test_scaled_from_floats_that_are_integers(scale, data):
    check_incoming(ScaledInfo(scale=scale), data)


@given(scales, st.lists(st.integers(-(2**52), 2**52)), st.sampled_from([0.5, 0.25, 1]))
@example(0.1, [0, 1, 2, 3, -1, -2], 0.5)
def test_scaled_near_ties(scale, steps, part):
    info = ScaledInfo(scale=scale)
    exact = [float((n + Decimal(part)) * Decimal(str(scale))) for n in steps]
    values = [v for v in exact if math.isfinite(v)]
    values += [math.nextafter(v, end) for v in values for end in (math.inf, -math.inf)]
    check(info, [v for v in values if math.isfinite(v)])


@given(st.integers(-50, 0), st.integers(0, 50), st.lists(st.integers(-60, 60)))
def test_limits_of_scaled(low, high, steps):
    info = ScaledInfo(scale=0.1)
    info = ScaledInfo(scale=0.1, min=info.from_json(low), max=info.from_json(high))
    check(info, [info.from_json(n) for n in steps])
    check_incoming(info, steps)
    check_incoming(info, list(map(float, steps)))


@given(st.lists(numbers | odd))
@pytest.mark.parametrize(
    "info",
    [
        DoubleInfo(),
        DoubleInfo(min=-1e3, max=1e300),
        IntInfo(),
        IntInfo(min=-5, max=2**53),
        BoolInfo(),
        CODES,
        StringInfo(),
        OpaqueInfo(),
    ],
)
def test_scalars(info, values):
    check(info, values)


@given(st.lists(st.sampled_from([0, 1, -7, 0.0, -0.0, 1.0, True, 5, "on", "of"])))
@pytest.mark.parametrize("info", [CODES, BoolInfo(), IntInfo(min=0)])
def test_what_is_equal_but_not_the_same(info, values):
    check(info, values)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=()), max_size=4)
        | st.sampled_from(["\ud800", "ä", "YQ==", "YWI=", "YQ", np.str_("a")])
    )
)
@pytest.mark.parametrize(
    "info",
    [
        StringInfo(minchars=1, maxchars=3, is_utf8=True),
        StringInfo(),
        BlobInfo(minbytes=1, maxbytes=1),
    ],
)
def test_texts_and_blobs(info, values):
    check(info, values)


@pytest.mark.parametrize(
    "values", [[Word.OFF], [Text.ON, "on"], [Text.ON, Word.OFF], [True, 1], [1, True]]
)
def test_members_of_enum_classes(values):
    check(CODES, values)


SOME = TupleInfo(members=(DoubleInfo(max=5), CODES))
OTHERS = StructInfo(
    members={"a": ScaledInfo(scale=0.1), "b": SOME}, optional=frozenset("a")
)


@given(
    st.lists(
        st.sampled_from(
            [[1.0, "on"], (2, 1), [6, 0], [1, 9], [], [1, 1, 1], [1, None], None, 5]
        )
    )
)
def test_tuples(values):
    check(SOME, values)


@given(
    st.lists(
        st.sampled_from(
            [
                {"a": 5, "b": [1.0, "on"]},
                {"b": [1.0, "on"], "a": 0.1},
                {"b": [1.0, 5], "a": 0.5},
                {"a": 1, "b": [1, 1], "c": 3},
                {"b": [1.0, 1]},
                {"a": 5},
                [0.1, [1, 1]],
                {},
                None,
            ]
        )
    )
)
def test_structs(values):
    check(OTHERS, values)


@pytest.mark.parametrize(
    ("info", "good", "bad", "error"),
    [
        (DoubleInfo(max=5), 1.5, 6, RangeError),
        (DoubleInfo(), 1, True, WrongType),
        (DoubleInfo(), 1.5, math.nan, RangeError),
        (IntInfo(max=2**70), 2**70, 0.5, WrongType),
        (ScaledInfo(scale=0.1, max=5), 0.15, 5.1, RangeError),
        (BoolInfo(), True, 2, WrongType),
        (CODES, "on", "of", RangeError),
        (StringInfo(), "a", "ä", RangeError),
        (SOME, (1, "on"), (1, "of"), RangeError),
    ],
)
@pytest.mark.parametrize("place", [0, LONG - 1, 5000])
def test_one_wrong_element_is_found(info, good, bad, error, place):
    values = [good] * LONG
    values[place] = bad
    with pytest.raises(error) as caught:
        ArrayInfo(members=info).validate(values)
    assert str(caught.value).startswith(f"[{place}]")


@pytest.mark.parametrize("place", [0, LONG - 1, 5000])
def test_one_odd_element_is_found(place):
    info = ArrayInfo(members=DoubleInfo())
    data = [1.5] * LONG
    data[place] = math.nan
    assert info.from_json(data) == data
    assert info.oddity(data) == f"[{place}]: nan is no number in JSON"
    data[place] = "x"
    with pytest.raises(WrongType, match=rf"^\[{place}\]: expected a number"):
        info.from_json(data)


def test_the_others_stay_when_one_needs_the_long_way():
    info = ArrayInfo(members=ScaledInfo(scale=0.1))
    data = list(range(LONG))
    data[7000] = 10**300
    expected = [info.members.from_json(n) for n in data]
    assert info.from_json(data) == expected


def test_the_result_of_validate_is_a_new_list():
    values = [1.0, 2.0]
    assert ArrayInfo(members=DoubleInfo()).validate(values) is not values


ROWS = [
    (SOME, np.array([(1.5, 1), (2.0, -7)], "f8,i8")),
    (SOME, np.array([(1.5, 1), (6.0, 5)], "f4,i4")),
    (SOME, np.array([(1.5, "on")], "f8,U3")),
    (SOME, np.array([(1.5, 1)], [("f1", "f8"), ("f0", "i8")])),
    (SOME, np.array([(1.5, 1)], [("f0", "f8"), ("x", "i8")])),
    (SOME, np.array([(True, 1)], "?,i8")),
    (SOME, np.array([(1.5, 1, 1)], "f8,i8,i8")),
    (OTHERS, np.array([(0.1, (1.0, "on"))], [("a", "f8"), ("b", "O")])),
    (OTHERS, np.array([((1.0, 1), 0.1)], [("b", "f8,i8"), ("a", "f4")])),
    (OTHERS, np.array([([1.0, 1],)], [("b", "f8", (2,))])),
    (OTHERS, np.array([(0.1, 1.0)], "f8,f8")),
    (StructInfo(members={"f0": IntInfo()}), np.array([(1,), (2,)], [("f0", "u1")])),
]


@pytest.mark.parametrize(("info", "rows"), ROWS)
def test_rows_of_structured_arrays(info, rows):
    array = ArrayInfo(members=info)
    validated = each(info.validate, list(rows))
    found = at_once(array.validate, rows)
    if isinstance(validated, list):
        assert repr(found) == repr(validated)
    else:  # the words for a numpy value may be others than for a Python value
        assert found[0] == validated[0]
        assert found[1].split(":")[0] == validated[1].split(":")[0]
