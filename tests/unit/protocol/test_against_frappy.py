"""frappy's data types, made by others, as judge of ours.

Left out is what frappy cannot do: it has no matrix, enum and struct members must
not be named like its own attributes (`name`, `self`, `optional`), a string must not
have a null character.
"""

import pytest
from frappy.datatypes import get_datatype
from frappy.errors import RangeError as FrappyRangeError
from frappy.errors import WrongTypeError as FrappyWrongType
from hypothesis import given
from hypothesis import strategies as st

from secop_ophyd.protocol import (
    DoubleInfo,
    RangeError,
    ScaledInfo,
    WrongType,
    parse_datainfo,
)

from .strategies import (
    blobs,
    bools,
    doubles,
    enums,
    ints,
    scaleds,
    strings,
    trees,
    with_values,
)

keys = st.from_regex(r"m_[a-z0-9]{1,5}", fullmatch=True)
frappy_strings = strings.filter(lambda raw: "maxchars" in raw or "minchars" not in raw)
frappy_leaves = st.one_of(
    doubles(), scaleds(), ints(), bools, enums(keys=keys), frappy_strings, blobs
)
frappy_datainfos = trees(frappy_leaves, keys=keys)
characters = st.characters(min_codepoint=1, max_codepoint=127)


def parse(raw):
    problems = []
    info = parse_datainfo(raw, problems.append)
    assert problems == []
    return info


def from_frappy(info, value):
    """A value of frappy in our form: arrays are tuples there, enums are objects."""
    match info.raw["type"]:
        case "array":
            return [from_frappy(info.members, v) for v in value]
        case "tuple":
            return tuple(map(from_frappy, info.members, value))
        case "struct":
            return {k: from_frappy(m, value[k]) for k, m in info.members.items()}
        case "enum":
            return int(value)
        case "scaled":
            # frappy multiplies in binary: 1.2000000000000002
            return info.from_json(round(value / info.scale))
        case _:
            return value


@given(with_values(frappy_datainfos, characters))
def test_received_values_are_the_same(pair):
    raw, data = pair
    info, judge = parse(raw), get_datatype(raw)
    value = judge.import_value(data)
    assert info.from_json(data) == from_frappy(info, value)
    if isinstance(info, ScaledInfo):
        assert info.from_json(data) == pytest.approx(value, rel=1e-12)


@given(with_values(frappy_datainfos, characters))
def test_sent_values_are_the_same(pair):
    raw, data = pair
    info, judge = parse(raw), get_datatype(raw)
    value = info.validate(info.from_json(data))
    sent = judge.export_value(judge.validate(judge.import_value(data)))
    assert info.to_json(value) == sent
    # and a node of frappy takes ours
    assert judge.export_value(judge.import_value(info.to_json(value))) == sent


numbers = st.one_of(
    st.integers(-40, 40), st.floats(-40, 40), st.sampled_from([1e300, -1e300])
)


@given(doubles(), numbers)
def test_limits_of_doubles(raw, number):
    info, judge = parse(raw), get_datatype(raw)
    outcome = accepted(info.validate, number)
    theirs = accepted(judge.validate, number)
    # frappy forgives what lies outside by less than the resolution
    near = any(
        limit is not None and abs(limit - number) <= 1e-6 * max(1, abs(number))
        for limit in (info.min, info.max)
    )
    assert near or outcome == theirs


@given(ints(-20, 20), numbers)
def test_limits_of_ints(raw, number):
    info, judge = parse(raw), get_datatype(raw)
    if isinstance(number, float) and not number.is_integer():
        # frappy forgives what is an integer within its precision
        with pytest.raises((WrongType, RangeError)):
            info.validate(number)
    else:
        assert accepted(info.validate, number) == accepted(judge.validate, number)


@given(with_values(strings, st.characters(min_codepoint=1)), frappy_strings)
def test_limits_of_strings(pair, raw):
    _, text = pair
    info, judge = parse(raw), get_datatype(raw)
    if any("\ud800" <= c <= "\udfff" for c in text):
        with pytest.raises(RangeError):
            info.validate(text)
    else:
        assert accepted(info.validate, text) == accepted(judge.validate, text)


@given(blobs, st.binary(max_size=24))
def test_limits_of_blobs(raw, content):
    info, judge = parse(raw), get_datatype(raw)
    assert accepted(info.validate, content) == accepted(judge.validate, content)


def accepted(validate, value):
    try:
        validate(value)
    except (RangeError, WrongType, FrappyRangeError, FrappyWrongType):
        return False
    return True


def test_the_judge_judges():
    raw = {"type": "double", "max": 5}
    assert not accepted(get_datatype(raw).validate, 6)
    assert not accepted(DoubleInfo(max=5).validate, 6)
    assert accepted(get_datatype(raw).validate, 4)
