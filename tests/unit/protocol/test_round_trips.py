"""Whatever the datainfo is: values survive the way to the node and back."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secop_ophyd.protocol import (
    OpaqueInfo,
    ScaledInfo,
    decode,
    default_value,
    encode,
    parse_datainfo,
    random_value,
)

from .strategies import datainfos, with_values


def parse(raw):
    problems = []
    info = parse_datainfo(raw, problems.append)
    assert problems == []
    assert info.raw is raw
    return info


def same(a, b):
    """Equality of nested values with matrices in them."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and a.shape == b.shape
            and a.dtype == b.dtype
            and a.tobytes() == b.tobytes()
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def through_the_wire(info, value):
    return info.from_json(decode(encode(info.to_json(value))))


@given(datainfos, st.integers(0, 2**32))
def test_random_values(raw, seed):
    info = parse(raw)
    value = random_value(info, random.Random(seed))
    found = info.validate(value)
    assert same(found, value)
    assert same(through_the_wire(info, found), found)
    # The seed tells all
    assert same(random_value(info, random.Random(seed)), value)


@given(with_values(datainfos))
def test_transported_values(pair):
    raw, data = pair
    info = parse(raw)
    value = info.from_json(data)
    assert decode(encode(info.to_json(value))) == data
    assert same(info.validate(value), value)
    assert same(through_the_wire(info, value), value)


@given(datainfos)
def test_default_values(raw):
    info = parse(raw)
    value = default_value(info)
    assert same(info.validate(value), value)
    assert same(through_the_wire(info, value), value)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ({"type": "double"}, 0.0),
        ({"type": "double", "min": 5}, 5.0),
        ({"type": "double", "max": -5}, -5.0),
        ({"type": "int", "min": -3, "max": 3}, 0),
        ({"type": "int", "min": 2, "max": 3}, 2),
        ({"type": "scaled", "scale": 0.1, "min": 12, "max": 15}, 1.2),
        ({"type": "bool"}, False),
        ({"type": "enum", "members": {"a": 5, "b": 1}}, 5),
        ({"type": "enum", "members": {"BUSY": 300, "IDLE": 100}}, 100),
        ({"type": "string", "minchars": 2}, "  "),
        ({"type": "blob", "minbytes": 2, "maxbytes": 3}, b"\0\0"),
        (
            {"type": "array", "minlen": 2, "maxlen": 3, "members": {"type": "bool"}},
            [False, False],
        ),
        ({"type": "tuple", "members": [{"type": "bool"}]}, (False,)),
        ({"type": "struct", "members": {"x": {"type": "bool"}}}, {"x": False}),
    ],
)
def test_the_plainest_value(raw, value):
    found = default_value(parse(raw))
    assert found == value
    assert type(found) is type(value)


def test_values_of_an_unknown_type():
    assert default_value(OpaqueInfo()) is None
    encode(random_value(OpaqueInfo(), random.Random(1)))


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "double", "min": 1e305},
        {"type": "double", "max": -1e305},
        {"type": "double", "min": 0.1, "max": 0.1},
        {"type": "double", "min": -1.7e308, "max": 1.7e308},
        {"type": "double", "min": 1, "max": 1.0000000000000002},
        {"type": "int", "min": -(2**70), "max": -(2**69)},
        {"type": "int", "min": 2**70, "max": 2**70},
        {"type": "scaled", "scale": 0.1, "min": 3, "max": 3},
        {"type": "scaled", "scale": 1e-9, "min": 2**40, "max": 2**41},
        {"type": "matrix", "elementtype": "<i1", "names": ["x"], "maxlen": [0]},
        {
            "type": "matrix",
            "elementtype": "<f8",
            "names": list("abcdefgh"),
            "maxlen": [100] * 8,
        },
    ],
)
def test_values_at_the_limits(raw):
    info = parse(raw)
    generator = random.Random(1)
    for _ in range(100):
        value = random_value(info, generator)
        assert same(info.validate(value), value)
    assert same(info.validate(default_value(info)), default_value(info))


def test_random_values_differ():
    info = parse({"type": "array", "maxlen": 9, "members": {"type": "double"}})
    generator = random.Random(1)
    found = [random_value(info, generator) for _ in range(50)]
    assert {len(value) for value in found} == set(range(10))
    assert len({number for value in found for number in value}) > 100


@given(
    st.integers(-(2**40), 2**40),
    st.sampled_from([1e-9, 1e-6, 1e-3, 0.01, 0.05, 0.1, 0.25, 0.3, 1, 2.5, 60, 1e6]),
)
def test_a_scaled_value_has_no_noise(data, scale):
    info = ScaledInfo(scale=scale)
    value = info.from_json(data)
    assert value == pytest.approx(data * scale, rel=1e-14)
    assert info.to_json(value) == data
    # As few digits as a person would write
    assert len(repr(abs(value)).split("e")[0].strip("0.")) <= 15
