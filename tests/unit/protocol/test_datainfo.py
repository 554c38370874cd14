"""From datainfo to types; what is odd is a problem and costs only itself."""

import pytest

from secop_ophyd.protocol import (
    ArrayInfo,
    BlobInfo,
    BoolInfo,
    DoubleInfo,
    EnumInfo,
    IntInfo,
    MatrixInfo,
    OpaqueInfo,
    ScaledInfo,
    StatusInfo,
    StringInfo,
    StructInfo,
    TupleInfo,
    parse_datainfo,
    parse_status_datainfo,
)

BOOL = {"type": "bool"}


def parse(raw, parser=parse_datainfo):
    problems = []
    return parser(raw, problems.append), problems


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"type": "double"}, DoubleInfo()),
        (
            {
                "type": "double",
                "min": 0,
                "max": 1.5,
                "unit": "K",
                "fmtstr": "%.3f",
                "absolute_resolution": 0.1,
                "relative_resolution": 0,
            },
            DoubleInfo(
                min=0,
                max=1.5,
                unit="K",
                fmtstr="%.3f",
                absolute_resolution=0.1,
                relative_resolution=0,
            ),
        ),
        ({"type": "double", "min": 1, "max": 1}, DoubleInfo(min=1, max=1)),
        ({"type": "double", "min": None, "unit@": 5, "foo": []}, DoubleInfo()),
        (
            {"type": "scaled", "scale": 0.1, "min": 0, "max": 2503, "unit": "V"},
            ScaledInfo(
                scale=0.1,
                min=0.0,
                max=250.3,
                unit="V",
                fmtstr="%.1f",
                absolute_resolution=0.1,
            ),
        ),
        (
            {"type": "scaled", "scale": 0.05, "min": -1, "max": 3},
            ScaledInfo(
                scale=0.05, min=-0.05, max=0.15, fmtstr="%.2f", absolute_resolution=0.05
            ),
        ),
        (
            {"type": "scaled", "scale": 100, "min": 0, "max": 3, "fmtstr": "%.1e"},
            ScaledInfo(
                scale=100, min=0.0, max=300.0, fmtstr="%.1e", absolute_resolution=100
            ),
        ),
        (
            {"type": "scaled", "scale": 0.1, "min": -1.5, "max": 1.5},
            ScaledInfo(
                scale=0.1, min=-0.1, max=0.1, fmtstr="%.1f", absolute_resolution=0.1
            ),
        ),
        ({"type": "int", "min": 0, "max": 5}, IntInfo(min=0, max=5)),
        ({"type": "int", "min": 0.5, "max": 5.5}, IntInfo(min=1, max=5)),
        (
            {"type": "int", "min": -(2**70), "max": 2**70, "unit": "mm"},
            IntInfo(min=-(2**70), max=2**70, unit="mm"),
        ),
        (BOOL, BoolInfo()),
        (
            {"type": "enum", "members": {"a b": 1, "": -1, "class": 0}},
            EnumInfo(members={"a b": 1, "": -1, "class": 0}),
        ),
        ({"type": "string"}, StringInfo()),
        (
            {"type": "string", "minchars": 1, "maxchars": 4.0, "isUTF8": True},
            StringInfo(minchars=1, maxchars=4, is_utf8=True),
        ),
        ({"type": "blob", "maxbytes": 4}, BlobInfo(maxbytes=4)),
        (
            {"type": "array", "members": BOOL, "minlen": 1, "maxlen": 4},
            ArrayInfo(members=BoolInfo(), minlen=1, maxlen=4),
        ),
        (
            {"type": "tuple", "members": [BOOL, {"type": "double"}]},
            TupleInfo(members=(BoolInfo(), DoubleInfo())),
        ),
        (
            {"type": "struct", "members": {"x": BOOL}},
            StructInfo(members={"x": BoolInfo()}),
        ),
        (
            {"type": "struct", "members": {"x": BOOL, "y": BOOL}, "optional": ["y"]},
            StructInfo(
                members={"x": BoolInfo(), "y": BoolInfo()}, optional=frozenset("y")
            ),
        ),
        (
            {"type": "struct", "members": {"x": BOOL, "y": BOOL}, "optional": True},
            StructInfo(
                members={"x": BoolInfo(), "y": BoolInfo()}, optional=frozenset("xy")
            ),
        ),
        (
            {
                "type": "matrix",
                "elementtype": ">u2",
                "names": ["x", "y"],
                "maxlen": [3, 0],
            },
            MatrixInfo(elementtype=">u2", names=("x", "y"), maxlen=(3, 0)),
        ),
    ],
)
def test_good_datainfo(raw, expected):
    info, problems = parse(raw)
    assert problems == []
    assert info == expected
    assert type(info) is type(expected)
    assert info.raw is raw


@pytest.mark.parametrize(
    ("raw", "expected", "problem"),
    [
        (
            {"type": "double", "min": 5, "max": 1},
            DoubleInfo(),
            "min 5 is above max 1; both are ignored",
        ),
        (
            {"type": "double", "min": "0", "max": 1},
            DoubleInfo(max=1),
            "min is not a number: '0'",
        ),
        (
            {"type": "double", "max": True},
            DoubleInfo(),
            "max is not a number: True",
        ),
        (
            {"type": "double", "max": float("inf")},
            DoubleInfo(),
            "max is not a number: inf",
        ),
        (
            {"type": "int", "min": float("nan"), "max": 1},
            IntInfo(max=1),
            "min is not a number: nan",
        ),
        (
            {"type": "double", "max": 10**400},
            DoubleInfo(),
            f"max is too large: 1{'0' * 79}...",
        ),
        ({"type": "double", "unit": None}, DoubleInfo(), "unit is not a string: None"),
        ({"type": "double", "unit": ["K"]}, DoubleInfo(), "unit is not a string: ['K'"),
        ({"type": "double", "fmtstr": 5}, DoubleInfo(), "fmtstr is not like '%.3f': 5"),
        (
            {"type": "double", "fmtstr": "%d"},
            DoubleInfo(),
            "fmtstr is not like '%.3f': '%d'",
        ),
        (
            {"type": "double", "fmtstr": "%.3f K"},
            DoubleInfo(),
            "fmtstr is not like '%.3f': '%.3f K'",
        ),
        (
            {"type": "double", "fmtstr": "%.\u0663f"},
            DoubleInfo(),
            "fmtstr is not like '%.3f': '%.\u0663f'",
        ),
        (
            {"type": "double", "absolute_resolution": -1},
            DoubleInfo(),
            "absolute_resolution is negative: -1",
        ),
        (
            {"type": "double", "relative_resolution": "x"},
            DoubleInfo(),
            "relative_resolution is not a number: 'x'",
        ),
        ({"type": "int", "min": 0}, IntInfo(min=0), "min or max is missing"),
        ({"type": "int"}, IntInfo(), "min or max is missing"),
        (
            {"type": "int", "min": 1.2, "max": 1.8},
            IntInfo(),
            "min 2 is above max 1; both are ignored",
        ),
        (
            {"type": "scaled", "scale": 1},
            ScaledInfo(scale=1, fmtstr="%.0f", absolute_resolution=1),
            "min or max is missing",
        ),
        (
            {"type": "scaled", "scale": 1e300, "min": 0, "max": 10**10},
            ScaledInfo(scale=1e300, fmtstr="%.0f", absolute_resolution=1e300),
            "too large for a scale of 1e+300; min and max are ignored",
        ),
        (
            {"type": "enum", "members": {"a": 1, "b": 1}},
            EnumInfo(members={"a": 1, "b": 1}),
            "enum has two names for one code; the first one is used",
        ),
        (
            {"type": "string", "minchars": 5, "maxchars": 1},
            StringInfo(maxchars=1),
            "minchars 5 is above maxchars 1; minchars is ignored",
        ),
        (
            {"type": "string", "maxchars": -1},
            StringInfo(),
            "maxchars is no length: -1",
        ),
        (
            {"type": "string", "maxchars": 1.5},
            StringInfo(),
            "maxchars is no length: 1.5",
        ),
        ({"type": "blob"}, BlobInfo(), "maxbytes is missing"),
        (
            {"type": "array", "members": BOOL},
            ArrayInfo(members=BoolInfo()),
            "maxlen is missing",
        ),
        (
            {"type": "struct", "members": {"x": BOOL}, "optional": "x"},
            StructInfo(members={"x": BoolInfo()}),
            "optional is not a list: 'x'",
        ),
        (
            {"type": "struct", "members": {"x": BOOL}, "optional": ["y", 5]},
            StructInfo(members={"x": BoolInfo()}),
            "optional names unknown members ['5', 'y']",
        ),
    ],
)
def test_odd_properties_cost_only_themselves(raw, expected, problem):
    info, problems = parse(raw)
    assert info == expected
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "datainfo is not an object: None"),
        ("double", "datainfo is not an object: 'double'"),
        ([], "datainfo is not an object: []"),
        (["double", {}], "datainfo is not an object: ['double', {}]"),
        (5, "datainfo is not an object: 5"),
        ({}, "datatype None is unknown"),
        ({"type": "complex"}, "datatype 'complex' is unknown"),
        ({"type": "Double"}, "datatype 'Double' is unknown"),
        ({"type": ["double"]}, "datatype ['double'] is unknown"),
        ({"type": "command"}, "datatype 'command' is unknown"),
        ({"type": "scaled"}, "scale must be a positive number, not None"),
        ({"type": "scaled", "scale": 0}, "scale must be a positive number, not 0"),
        ({"type": "scaled", "scale": -1}, "scale must be a positive number, not -1"),
        ({"type": "enum"}, "enum has no members"),
        ({"type": "enum", "members": {}}, "enum has no members"),
        ({"type": "enum", "members": ["a"]}, "enum has no members"),
        (
            {"type": "enum", "members": {"a": 1, "b": "2"}},
            "enum has a member that is not an integer",
        ),
        (
            {"type": "enum", "members": {"a": True}},
            "enum has a member that is not an integer",
        ),
        ({"type": "array", "maxlen": 5}, "array has no members"),
        ({"type": "tuple"}, "tuple has no members"),
        ({"type": "tuple", "members": []}, "tuple has no members"),
        ({"type": "tuple", "members": {"a": BOOL}}, "tuple has no members"),
        ({"type": "struct"}, "struct has no members"),
        ({"type": "struct", "members": {}}, "struct has no members"),
        ({"type": "struct", "members": [BOOL]}, "struct has no members"),
        ({"type": "matrix"}, "elementtype None is unknown"),
        ({"type": "matrix", "elementtype": "<f1"}, "elementtype '<f1' is unknown"),
        ({"type": "matrix", "elementtype": "f4"}, "elementtype 'f4' is unknown"),
        ({"type": "matrix", "elementtype": "<O8"}, "elementtype '<O8' is unknown"),
        ({"type": "matrix", "elementtype": ["<f4"]}, "elementtype ['<f4'] is unknown"),
        (
            {
                "type": "matrix",
                "elementtype": "<f4",
                "compression": "zip",
                "names": ["x"],
                "maxlen": [1],
            },
            "compression 'zip' is unknown",
        ),
    ],
)
def test_what_cannot_be_understood_is_json(raw, reason):
    info, problems = parse(raw)
    assert info == OpaqueInfo(reason=reason)
    assert info.raw is raw
    assert problems == [f"{reason}; it is passed on as JSON"]


@pytest.mark.parametrize(
    ("names", "maxlen"),
    [
        (None, [1]),
        (["x"], None),
        (["x"], 1),
        ([], []),
        (["x", "y"], [1]),
        (["x"], [1, 2]),
        (["x"], ["1"]),
        (["x"], [1.0]),
        (["x"], [True]),
        (["x"], [-1]),
        # More dimensions than numpy can have
        (["x"] * 65, [1] * 65),
    ],
)
def test_dimensions_of_a_matrix(names, maxlen):
    raw = {"type": "matrix", "elementtype": "<f4", "names": names, "maxlen": maxlen}
    info, [problem] = parse(raw)
    assert isinstance(info, OpaqueInfo)
    assert problem.startswith("matrix needs a name and a maxlen for each dimension")


def test_an_odd_member_costs_only_itself():
    odd = {"type": "complex"}
    raw = {
        "type": "struct",
        "members": {
            "x": {"type": "double", "unit": "K"},
            "y": {"type": "tuple", "members": [BOOL, odd]},
            "z": {"type": "array", "maxlen": 2, "members": odd},
        },
    }
    info, problems = parse(raw)
    assert info == StructInfo(
        members={
            "x": DoubleInfo(unit="K"),
            "y": TupleInfo(
                members=(BoolInfo(), OpaqueInfo(reason="datatype 'complex' is unknown"))
            ),
            "z": ArrayInfo(
                members=OpaqueInfo(reason="datatype 'complex' is unknown"), maxlen=2
            ),
        }
    )
    assert problems == [
        "[y]: [1]: datatype 'complex' is unknown; it is passed on as JSON",
        "[z]: members: datatype 'complex' is unknown; it is passed on as JSON",
    ]
    value = {"x": 1, "y": (True, {"any": "thing"}), "z": [None, 5]}
    assert info.validate(value) == value


@pytest.mark.parametrize("depth", [1, 15, 16, 17, 100, 5000])
def test_deep_nesting(depth):
    raw = BOOL
    for _ in range(depth):
        raw = {"type": "array", "maxlen": 1, "members": raw}
    info, problems = parse(raw)
    levels = 0
    while isinstance(info, ArrayInfo):
        info, levels = info.members, levels + 1
    if depth <= 16:
        assert (info, levels, problems) == (BoolInfo(), depth, [])
    else:
        assert isinstance(info, OpaqueInfo)
        assert levels == 17
        assert len(problems) == 1
        assert "nested more than 16 times" in problems[0]


def test_a_long_text_of_a_node_is_shortened():
    _, [problem] = parse({"type": "\x1b" * 100_000})
    assert len(problem) < 200
    assert problem.isprintable()


ENUM = {"type": "enum", "members": {"IDLE": 100}}
STRING = {"type": "string"}
CODES = EnumInfo(members={"IDLE": 100})


@pytest.mark.parametrize(
    ("raw", "expected", "problem"),
    [
        (
            {"type": "tuple", "members": [ENUM, STRING]},
            StatusInfo(members=(CODES, StringInfo())),
            None,
        ),
        (
            {"type": "tuple", "members": [{"type": "int", "min": 0, "max": 9}, STRING]},
            StatusInfo(members=(IntInfo(min=0, max=9), StringInfo())),
            None,
        ),
        (ENUM, StatusInfo(members=(CODES, StringInfo())), "status has no text"),
        (
            {"type": "tuple", "members": [STRING, ENUM]},
            TupleInfo(members=(StringInfo(), CODES)),
            "status is not a tuple of an enum and a string",
        ),
        (
            STRING,
            StringInfo(),
            "status is not a tuple of an enum and a string",
        ),
    ],
)
def test_status(raw, expected, problem):
    info, problems = parse(raw, parse_status_datainfo)
    assert info == expected
    assert type(info) is type(expected)
    assert info.raw is raw
    assert problems == ([problem] if problem else [])


def test_status_of_an_unknown_type():
    info, problems = parse({"type": "x"}, parse_status_datainfo)
    assert isinstance(info, OpaqueInfo)
    assert problems == [
        "datatype 'x' is unknown; it is passed on as JSON",
        "status is not a tuple of an enum and a string",
    ]
