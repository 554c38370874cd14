"""What a node sends against its own description: it is passed on, and told."""

import base64
import math

import pytest
from hypothesis import given

from secop_ophyd.protocol import parse_datainfo, parse_status_datainfo

from .strategies import datainfos, with_values

LIMITED = {"type": "double", "min": 0, "max": 300, "unit": "K"}
SWITCH = {"type": "enum", "members": {"off": 0, "on": 1}}
TEXT = {"type": "string", "minchars": 1, "maxchars": 3}
MATRIX = {"type": "matrix", "elementtype": "<i2", "names": ["x", "y"], "maxlen": [2, 3]}


def array(members, low=0, high=4):
    return {"type": "array", "members": members, "minlen": low, "maxlen": high}


def matrix(*lengths):
    blob = base64.b64encode(bytes(2 * math.prod(lengths))).decode()
    return {"len": list(lengths), "blob": blob}


ODDITIES = [
    (LIMITED, 300.5, "300.5 K is above the maximum 300 K"),
    (LIMITED, -1, "-1 K is below the minimum 0 K"),
    (LIMITED, math.nan, "nan is no number in JSON"),
    ({"type": "double"}, -math.inf, "-inf is no number in JSON"),
    ({"type": "int", "min": 0, "max": 9}, 10**400, "is above the maximum 9"),
    ({"type": "int", "min": 0, "max": 9}, 10.0, "10.0 is above the maximum 9"),
    ({"type": "scaled", "scale": 0.1, "min": 0, "max": 50}, 55, "5.5 is above the max"),
    ({"type": "scaled", "scale": 0.1, "min": 0, "max": 50}, 0.5, "0.5 is no integer"),
    (SWITCH, 7, "the code 7 has no name"),
    (TEXT, "", "0 characters, but at least 1 are needed"),
    (TEXT, "abcd", "4 characters, but at most 3 are allowed"),
    ({"type": "blob", "maxbytes": 2}, "AAAA", "3 bytes, but at most 2 are allowed"),
    ({"type": "blob", "minbytes": 2, "maxbytes": 9}, "AA==", "1 bytes, but at least 2"),
    (array(LIMITED, 2), [1], "1 elements, but from 2 to 4 are allowed"),
    (array(LIMITED), [1] * 5, "5 elements, but from 0 to 4 are allowed"),
    (array(LIMITED), [1, 2, 301, -5], "[2]: 301 K is above the maximum 300 K"),
    (array(LIMITED), [1, math.nan], "[1]: nan is no number in JSON"),
    (array({"type": "double"}), [1, math.inf], "[1]: inf is no number in JSON"),
    (array({"type": "int", "min": 0, "max": 9}), [9, 10**400], "[1]: "),
    (array(SWITCH), [0, 1, 2], "[2]: the code 2 has no name"),
    (array(array(LIMITED)), [[], [1], [2, 999]], "[2][1]: 999 K is above"),
    ({"type": "tuple", "members": [LIMITED, TEXT]}, [1, ""], "[1]: 0 characters"),
    ({"type": "tuple", "members": [LIMITED]}, [1, 2], "2 elements, of which 1 are"),
    ({"type": "struct", "members": {"a": SWITCH}}, {"a": 3}, "[a]: the code 3 has"),
    (
        {"type": "struct", "members": {"a": SWITCH}},
        {"a": 1, "b": 2},
        "unknown members ['b'], which are left out",
    ),
    (MATRIX, matrix(3, 1), "3 elements of x, at most 2 allowed"),
]


@pytest.mark.parametrize(("raw", "data", "said"), ODDITIES)
def test_is_told(raw, data, said):
    info = parse_datainfo(raw, lambda text: None)
    info.from_json(data)
    assert said in info.oddity(data)


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (LIMITED, 300),
        (array({"type": "double"}, high=2), [1.7e308, 1.7e308]),  # their sum is inf
        (array(LIMITED), []),
        (array(LIMITED), [0, 300.0]),
        (SWITCH, "on"),
        ({"type": "blob", "minbytes": 1, "maxbytes": 1}, "AA=="),
        (MATRIX, matrix(2, 3)),
        ({"type": "of the future"}, {"a": None}),
    ],
)
def test_nothing_is_odd(raw, data):
    assert parse_datainfo(raw, lambda text: None).oddity(data) == ""


@pytest.mark.parametrize(
    "data", [[300, "moving"], [300], 300, [300, None], [300, "", 1]]
)
def test_sloppy_status_is_not_odd(data):
    raw = {
        "type": "tuple",
        "members": [{"type": "enum", "members": {"BUSY": 300}}, {"type": "string"}],
    }
    info = parse_status_datainfo(raw, lambda text: None)
    assert info.oddity(data) == ""
    assert info.oddity([301, ""]) == "the code 301 has no name"


@given(with_values(datainfos))
def test_what_is_allowed_is_never_odd(case):
    raw, data = case
    assert parse_datainfo(raw, lambda text: None).oddity(data) == ""
