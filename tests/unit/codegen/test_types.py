import pytest

from secop_ophyd.codegen import datatype_text, property_text
from secop_ophyd.protocol import parse_datainfo, parse_status_datainfo

DOUBLE = {"type": "double"}
ENUM = {"type": "enum", "members": {"a": 1}}
STRING = {"type": "string"}
INT = {"type": "int", "min": 0, "max": 9}


def array(members, minlen=0, maxlen=3):
    return {"type": "array", "members": members, "minlen": minlen, "maxlen": maxlen}


TYPES = [
    (DOUBLE, "float"),
    ({"type": "scaled", "scale": 0.1, "min": 0, "max": 9}, "float"),
    (INT, "int"),
    ({"type": "bool"}, "bool"),
    (STRING, "str"),
    (ENUM, "E"),
    ({"type": "blob", "maxbytes": 3}, "Array1D[np.uint8]"),
    (array(DOUBLE), "Array1D[np.float64]"),
    (array(INT), "Array1D[np.int64]"),
    (array({"type": "int", "min": 0, "max": 2**64}), "Any"),
    (array({"type": "bool"}), "Array1D[np.bool_]"),
    (array(STRING), "Sequence[str]"),
    (array(ENUM), "Sequence[E]"),
    (array(array(DOUBLE, 3, 3)), "ndarray"),
    (array(array(array(INT, 2, 2), 3, 3)), "ndarray"),
    (array(array(DOUBLE)), "Any"),
    (array(array(array(INT), 3, 3)), "Any"),
    (array(array(STRING, 3, 3)), "Any"),
    (array({"type": "blob", "maxbytes": 3}), "Any"),
    ({"type": "tuple", "members": [DOUBLE, STRING]}, "ndarray"),
    ({"type": "tuple", "members": [array(DOUBLE), {"type": "odd"}]}, "ndarray"),
    ({"type": "struct", "members": {"a": DOUBLE}}, "ndarray"),
    (array({"type": "struct", "members": {"a": ENUM}}), "ndarray"),
    (
        {"type": "matrix", "elementtype": "<f4", "names": ["x"], "maxlen": [3]},
        "ndarray",
    ),
    ({"type": "odd"}, "Any"),
    (None, "Any"),
]


@pytest.mark.parametrize("raw, text", TYPES)
def test_datatype_text(raw, text):
    assert datatype_text(parse_datainfo(raw, lambda text: None), "E") == text


def test_status_is_structured():
    raw = {"type": "tuple", "members": [ENUM, STRING]}
    assert datatype_text(parse_status_datainfo(raw, print)) == "ndarray"


@pytest.mark.parametrize("raw, text", TYPES)
def test_the_devices_accept_it(raw, text):
    from collections.abc import Sequence
    from typing import Any

    import numpy as np
    from ophyd_async.core import Array1D, StrictEnum

    from secop_ophyd.devices._converters import make_converter

    class E(StrictEnum):
        A = "a"

    names = {"np": np, "ndarray": np.ndarray, "Array1D": Array1D, "E": E}
    datatype = eval(text, names | {"Any": Any, "Sequence": Sequence})
    make_converter(parse_datainfo(raw, lambda text: None), datatype)


@pytest.mark.parametrize(
    "value, text",
    [
        ("x", "str"),
        (True, "bool"),
        (3, "int"),
        (0.5, "float"),
        ([], "ndarray"),
        (["a", "b"], "ndarray"),
        ([1, 0.5], "ndarray"),
        ([True], "ndarray"),
        ([2**70], "str"),
        (2**63 - 1, "int"),
        (2**63, "str"),
        ([2**60, 0.5], "str"),
        ([2**60, -1], "ndarray"),
        (["a\0"], "str"),
        ([1, "a"], "str"),
        ([1, True], "str"),
        ([[1], [2]], "str"),
        ({"a": 1}, "str"),
        (None, "str"),
    ],
)
def test_property_text(value, text):
    assert property_text(value) == text
