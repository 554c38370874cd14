"""Tuples and structs as numpy arrays: one choice of types for all rows."""

import json

import numpy as np
import pytest
from hypothesis import given

from secop_ophyd.devices._columns import to_json_text
from secop_ophyd.devices._structured import structured_array
from secop_ophyd.protocol import parse_datainfo

from ..protocol.strategies import bools, strings, structs, trees, with_values

DOUBLE = {"type": "double"}


def array(**members):
    return array_of({"type": "struct", "members": members})


def array_of(members, maxlen=5):
    return {"type": "array", "maxlen": maxlen, "members": members}


NESTED = array(a=array(b=array(x=DOUBLE)))
TWICE = array(a=array_of(array_of({"type": "struct", "members": {"x": DOUBLE}})))


def converted(datainfo, data):
    info = parse_datainfo(datainfo, pytest.fail)
    return structured_array(info, info.from_json(data))


def as_data(value):
    return json.loads(to_json_text(value))


def with_names(info, data):
    """Return transported data with names for the elements of tuples."""
    match info:
        case {"type": "struct", "members": members}:
            return {k: with_names(m, data[k]) for k, m in members.items()}
        case {"type": "tuple", "members": members}:
            parts = zip(members, data, strict=True)
            return {f"f{i}": with_names(m, x) for i, (m, x) in enumerate(parts)}
        case {"type": "array", "members": member}:
            return [with_names(member, x) for x in data]
        case _:
            return data


def row(*lengths):
    return {"a": [{"b": [{"x": 1.0}] * n} for n in lengths]}


@pytest.mark.parametrize(
    "rows", [[(1,), (1,)], [(1,), (2,)], [(1, 1), (2,)], [(0,), (1,)], [(), (3, 0)]]
)
def test_names_do_not_depend_on_lengths(rows):
    data = [row(*lengths) for lengths in rows]
    assert as_data(converted(NESTED, data)) == data


@pytest.mark.parametrize("sizes", [[(1,), (1, 1)], [(1, 1), (1, 2)], [(), (2,)], [()]])
def test_names_in_arrays_of_arrays(sizes):
    data = [{"a": [[{"x": 1.0}] * n for n in lengths]} for lengths in sizes]
    assert as_data(converted(TWICE, data)) == data


def test_arrays_of_nothing():
    info = array(a=array_of(array(b=array_of(DOUBLE))))
    for part in ([], [[]], [[], []], [[{"b": []}], [{"b": []}]], [[{"b": []}], []]):
        data = [{"a": part}, {"a": part}]
        assert as_data(converted(info, data)) == data


def test_no_rows_have_the_dimensions_that_are_fixed():
    fixed = array_of(DOUBLE, 2) | {"minlen": 2}
    texts = array_of({"type": "string"}, 2) | {"minlen": 2}
    blobs = array_of({"type": "blob", "maxbytes": 5}, 2) | {"minlen": 2}
    found = converted(array(a=fixed, t=texts, b=blobs, d=array_of(fixed)), [])
    assert found.shape == (0,)
    assert found["a"].shape == (0, 2)


def test_all_rows_have_the_type_that_one_of_them_needs():
    info = array(a={"type": "int", "min": 0, "max": 2**70}, t={"type": "string"})
    data = [{"a": 1, "t": "a"}, {"a": 2**70, "t": "b\0"}]
    found = converted(info, data)
    assert (found.dtype["a"], found.dtype["t"]) == (object, object)
    assert as_data(found) == data


def test_regular_arrays_are_arrays():
    info = array(a=array_of(array_of(DOUBLE)))
    found = converted(info, [{"a": [[1, 2, 3], [4, 5, 6]]}] * 4)
    assert found.dtype == np.dtype([("a", "f8", (2, 3))])
    assert found["a"][3].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_depth_costs_no_more_than_its_size():
    info, data = DOUBLE, 1.0
    for _ in range(15):
        info, data = array_of(info), [data]
    found = converted({"type": "struct", "members": {"a": info}}, {"a": data})
    assert found["a"].shape == (1,) * 15


rows = structs(trees(bools | strings), optional=False).map(array_of)


@given(with_values(rows))
def test_names_of_anything(info_and_data):
    info, data = info_and_data
    assert as_data(converted(info, data)) == with_names(info, data)
