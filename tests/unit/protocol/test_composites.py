"""array, tuple, status and struct."""

import numpy as np
import pytest

from secop_ophyd.protocol import (
    ArrayInfo,
    BlobInfo,
    BoolInfo,
    DoubleInfo,
    EnumInfo,
    IntInfo,
    MatrixInfo,
    NoValueYet,
    OpaqueInfo,
    RangeError,
    ScaledInfo,
    StatusInfo,
    StringInfo,
    StructInfo,
    TupleInfo,
    WrongType,
)

NUMBER = DoubleInfo(max=10.0, unit="K")
ARRAY = ArrayInfo(members=NUMBER, minlen=1, maxlen=3)
ANY = ArrayInfo(members=NUMBER)
NESTED = ArrayInfo(members=ArrayInfo(members=IntInfo(), maxlen=3), maxlen=3)
TUPLE = TupleInfo(members=(IntInfo(), StringInfo()))
STATUS = StatusInfo(
    members=(EnumInfo(members={"IDLE": 100, "BUSY": 300}), StringInfo())
)
STRUCT = StructInfo(
    members={"x": DoubleInfo(), "y": IntInfo(max=10), "z": BoolInfo()},
    optional=frozenset({"z"}),
)
DEEP = ArrayInfo(members=StructInfo(members={"x": TUPLE, "y": NUMBER}))


@pytest.mark.parametrize("info", [ARRAY, TUPLE, STATUS, STRUCT])
def test_null_is_no_value(info):
    with pytest.raises(NoValueYet):
        info.from_json(None)
    with pytest.raises(WrongType):
        info.validate(None)


class TestPlaces:
    """Who gets an error of a nested value must know which one it is."""

    @pytest.mark.parametrize(
        ("info", "value", "text"),
        [
            (ANY, [1, 2, "x"], "[2]: expected a number, got 'x'"),
            (ANY, [1, 11], "[1]: 11.0 K is above the maximum 10.0 K"),
            (NESTED, [[1], [2, None]], "[1][1]: expected a number, got None"),
            (NESTED, [[1], 2], "[1]: expected a sequence, got 2"),
            (TUPLE, (1, 2), "[1]: expected a string, got 2"),
            (STRUCT, {"x": 1, "y": 11}, "[y]: 11 is above the maximum 10"),
            (
                DEEP,
                [{"x": (1, ""), "y": 1}, {"x": (1, 5), "y": 1}],
                "[1][x][1]: expected a string, got 5",
            ),
            (
                DEEP,
                [{"x": (1, "")}],
                "[0]: members ['y'] are missing in {'x': (1, '')}",
            ),
        ],
    )
    def test_of_values_to_send(self, info, value, text):
        with pytest.raises((WrongType, RangeError)) as caught:
            info.validate(value)
        assert str(caught.value) == text

    @pytest.mark.parametrize(
        ("info", "data", "text"),
        [
            (ANY, [1, 2, "x"], "[2]: expected a number, got 'x'"),
            (ANY, [1, True], "[1]: expected a number, got True"),
            (ANY, [1.0, 2, [3]], "[2]: expected a number, got [3]"),
            (NESTED, [[1], [2, 2.5]], "[1][1]: expected an integer, got 2.5"),
            (TUPLE, [1, 2], "[1]: expected a string, got 2"),
            (STATUS, [100, 5], "[1]: expected a string, got 5"),
            (
                STATUS,
                ["x", ""],
                "[0]: expected the code or the name of an enum member, got 'x'",
            ),
            (
                STRUCT,
                {"x": 1, "y": "", "z": True},
                "[y]: expected an integer, got ''",
            ),
            (DEEP, [{"x": [1, 2], "y": 1}], "[0][x][1]: expected a string, got 2"),
        ],
    )
    def test_of_received_values(self, info, data, text):
        with pytest.raises(WrongType) as caught:
            info.from_json(data)
        assert str(caught.value) == text

    def test_of_a_number_that_is_too_large(self):
        with pytest.raises(WrongType, match=r"^\[1\]: 1000.* is too large for a doubl"):
            ANY.from_json([1, 10**400])

    def test_of_a_missing_value(self):
        with pytest.raises(NoValueYet, match=r"^\[0\]\[x\]\[1\]: the node has no val"):
            DEEP.from_json([{"x": [1, None], "y": 1}])

    def test_of_a_name_with_control_characters(self):
        info = StructInfo(members={"\x1b[31m": IntInfo()})
        with pytest.raises(WrongType) as caught:
            info.validate({"\x1b[31m": "x"})
        assert str(caught.value).isprintable()

    def test_of_a_value_that_looks_like_a_place(self):
        info = ArrayInfo(members=EnumInfo(members={"a": 1}))
        with pytest.raises(WrongType, match=r"^\[1\]: "):
            info.validate([1, [0]])


class TestArray:
    @pytest.mark.parametrize(
        "value",
        [1, "abc", b"abc", {}, {1: 2}, {1, 2}, iter([1]), object(), np.float64(1)]
        + [np.array(1.0)],
    )
    def test_wrong_type(self, value):
        with pytest.raises(WrongType, match="expected a sequence, got "):
            ARRAY.validate(value)

    @pytest.mark.parametrize(
        ("info", "value", "text"),
        [
            (ARRAY, [], "0 elements, but from 1 to 3 are allowed"),
            (ARRAY, [1] * 4, "4 elements, but from 1 to 3 are allowed"),
            (ARRAY, np.ones(4), "4 elements, but from 1 to 3 are allowed"),
            (
                ArrayInfo(members=NUMBER, minlen=2),
                [1],
                "1 elements, but from 2 to any number are allowed",
            ),
        ],
    )
    def test_length(self, info, value, text):
        with pytest.raises(RangeError) as caught:
            info.validate(value)
        assert str(caught.value) == text

    @pytest.mark.parametrize(
        "value",
        [[1, 2.5], (1, 2.5), np.array([1, 2.5]), np.array([1, 2.5], object)]
        + [np.array([1, 2.5], ">f4"), [np.float32(1), np.array(2.5)]],
    )
    def test_one_value_many_forms(self, value):
        found = ARRAY.validate(value)
        assert found == [1.0, 2.5]
        assert list(map(type, found)) == [float, float]
        assert type(found) is list

    def test_a_range(self):
        assert ArrayInfo(members=IntInfo()).validate(range(3)) == [0, 1, 2]

    @pytest.mark.parametrize("value", [[], (), np.array([])])
    def test_empty(self, value):
        assert ANY.validate(value) == []
        assert ANY.from_json([]) == []

    @pytest.mark.parametrize(
        "value", [[[1, 2], [3]], [], [[]], [[], [1]], ((1, 2), (3,)), [np.array([1])]]
    )
    def test_nested_and_ragged(self, value):
        found = NESTED.validate(value)
        assert found == [list(row) for row in value]
        assert NESTED.from_json(NESTED.to_json(found)) == found

    def test_regular_arrays_of_numpy(self):
        assert NESTED.validate(np.array([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]
        assert NESTED.validate(np.zeros((2, 0), int)) == [[], []]
        with pytest.raises(WrongType, match=r"^\[0\]: expected a sequence"):
            NESTED.validate(np.array([1, 2]))
        with pytest.raises(WrongType, match=r"^\[0\]\[0\]: expected a number"):
            NESTED.validate(np.zeros((2, 2, 2)))

    def test_structured_arrays(self):
        dtype = np.dtype([("x", "f8"), ("y", "i4"), ("z", "?")])
        rows = np.array([(1.5, 2, True), (2.5, 3, False)], dtype)
        expected = [{"x": 1.5, "y": 2, "z": True}, {"x": 2.5, "y": 3, "z": False}]
        assert ArrayInfo(members=STRUCT).validate(rows) == expected
        # The order of the fields is not that of the members
        swapped = rows[["z", "y", "x"]]
        assert ArrayInfo(members=STRUCT).validate(swapped) == expected
        pairs = np.array([(1, "a"), (2, "b")], [("f0", "i4"), ("f1", "U5")])
        assert ArrayInfo(members=TUPLE).validate(pairs) == [(1, "a"), (2, "b")]

    @pytest.mark.parametrize("members", [StringInfo(), EnumInfo(members={"a": 1})])
    def test_strings_and_enums(self, members):
        found = ArrayInfo(members=members).validate(np.array(["a", "a"]))
        assert found in (["a", "a"], [1, 1])

    def test_length_limits_are_not_for_values_of_the_node(self):
        assert ARRAY.from_json([]) == []
        assert ARRAY.from_json([11] * 5) == [11.0] * 5

    @pytest.mark.parametrize("data", [1, "abc", {}, True, {"0": 1}])
    def test_from_json_refuses(self, data):
        with pytest.raises(WrongType, match="expected an array, got "):
            ARRAY.from_json(data)

    @pytest.mark.parametrize(
        ("members", "data", "value"),
        [
            (DoubleInfo(), [1, 2.5], [1.0, 2.5]),
            (DoubleInfo(), [1.5], [1.5]),
            (DoubleInfo(), [1], [1.0]),
            (IntInfo(), [1, 2.0], [1, 2]),
            (IntInfo(), [2**70], [2**70]),
            (ScaledInfo(scale=0.1), [12, 3], [1.2, 0.3]),
            (BoolInfo(), [1, True, 0], [True, True, False]),
            (StringInfo(), ["a", ""], ["a", ""]),
            (EnumInfo(members={"a": 1}), ["a", 1, 7], [1, 1, 7]),
            (BlobInfo(), ["AA=="], [b"\0"]),
            (TUPLE, [[1, "a", "future"]], [(1, "a")]),
            (OpaqueInfo(), [1, None, {}], [1, None, {}]),
        ],
    )
    def test_from_json(self, members, data, value):
        found = ArrayInfo(members=members).from_json(data)
        assert found == value
        assert list(map(type, found)) == list(map(type, value))

    @pytest.mark.parametrize(
        ("members", "data"),
        [
            (IntInfo(), [1, True]),
            (IntInfo(), [True]),
            (DoubleInfo(), [True]),
            (StringInfo(), ["a", 1]),
        ],
    )
    def test_the_way_for_long_arrays_is_not_less_strict(self, members, data):
        with pytest.raises(WrongType):
            ArrayInfo(members=members).from_json(data)


class TestTuple:
    @pytest.mark.parametrize(
        "value", [1, "ab", b"ab", {"x": 1, "y": "a"}, {"f1": 1, "f0": "a"}, {1, 2}]
    )
    def test_wrong_type(self, value):
        with pytest.raises(WrongType, match="expected a tuple, got "):
            TUPLE.validate(value)

    @pytest.mark.parametrize("value", [(), (1,), (1, "a", 2), [1], {}, {"f0": 1}])
    def test_length(self, value):
        with pytest.raises(WrongType, match="expected 2 elements, got "):
            TUPLE.validate(value)

    @pytest.mark.parametrize(
        "value",
        [
            (1, "a"),
            [1, "a"],
            [1.0, np.str_("a")],
            np.array([1, "a"], object),
            {"f0": 1, "f1": "a"},
            np.array((1, "a"), [("f0", "i8"), ("f1", "U3")]),
            np.array([(1, "a")], [("f0", "i8"), ("f1", "U3")])[0],
        ],
    )
    def test_one_value_many_forms(self, value):
        found = TUPLE.validate(value)
        assert found == (1, "a")
        assert list(map(type, found)) == [int, str]
        assert TUPLE.to_json(found) == [1, "a"]

    def test_fields_of_other_names_are_no_tuple(self):
        with pytest.raises(WrongType, match="expected a tuple"):
            TUPLE.validate(np.array((1, "a"), [("x", "i8"), ("y", "U3")]))

    def test_limits_as_numpy(self):
        info = TupleInfo(members=(DoubleInfo(), DoubleInfo()))
        assert info.validate(np.array([1, 2])) == (1.0, 2.0)

    @pytest.mark.parametrize("data", [[], [1], 1, "ab", {}, {"0": 1}])
    def test_from_json_refuses(self, data):
        with pytest.raises(WrongType, match="expected 2 elements, got "):
            TUPLE.from_json(data)

    @pytest.mark.parametrize("data", [[1, "a"], [1, "a", None], [1.0, "a", {}, 5]])
    def test_from_json_ignores_more(self, data):
        assert TUPLE.from_json(data) == (1, "a")


class TestStatus:
    @pytest.mark.parametrize(
        ("data", "value"),
        [
            ([300, "ramping"], (300, "ramping")),
            (["BUSY", "ramping"], (300, "ramping")),
            ([376, "undeclared"], (376, "undeclared")),
            ([300, None], (300, "")),
            ([300], (300, "")),
            (300, (300, "")),
            ("BUSY", (300, "")),
            ([300, "x", {"future": 1}], (300, "x")),
            ([300, None, 5], (300, "")),
        ],
    )
    def test_short_forms(self, data, value):
        assert STATUS.from_json(data) == value

    @pytest.mark.parametrize("data", [[], {}, [[]], [300, 5], "OTHER", [None, 5], 1.5])
    def test_no_status(self, data):
        with pytest.raises((WrongType, NoValueYet)):
            STATUS.from_json(data)

    def test_no_code_is_no_value(self):
        with pytest.raises(NoValueYet):
            STATUS.from_json([None, ""])

    def test_as_a_value_to_send_it_is_a_tuple(self):
        assert STATUS.validate(("IDLE", "x")) == (100, "x")
        with pytest.raises(WrongType):
            STATUS.validate((100,))


class TestStruct:
    @pytest.mark.parametrize("value", [1, "abc", [], [1], (1, 2, 3, 4), {1, 2, 3}])
    def test_wrong_type(self, value):
        with pytest.raises(WrongType, match="expected a dict, got "):
            STRUCT.validate(value)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({"x": 1, "y": 2, "w": 3}, "no members ['w'] in ['x', 'y', 'z']"),
            ({"x": 1, "y": 2, 5: 3}, "no members [5] in ['x', 'y', 'z']"),
            ({"x": 1}, "members ['y'] are missing in {'x': 1}"),
            ({"z": True}, "members ['x', 'y'] are missing in {'z': True}"),
            ({}, "members ['x', 'y'] are missing in {}"),
        ],
    )
    def test_wrong_members(self, value, text):
        with pytest.raises(WrongType) as caught:
            STRUCT.validate(value)
        assert str(caught.value) == text

    def test_optional_members_may_be_left_out(self):
        found = STRUCT.validate({"y": 1, "x": 2})
        assert found == {"x": 2.0, "y": 1}
        assert STRUCT.to_json(found) == {"x": 2.0, "y": 1}

    @pytest.mark.parametrize(
        "value",
        [
            {"x": 1, "y": 2, "z": 1},
            {"z": np.True_, "y": 2.0, "x": np.float32(1)},
            [1, 2, True],
            (1, 2, True),
            np.array((1, 2, 1), [("x", "f4"), ("y", "i2"), ("z", "?")]),
            np.array([(1, 2, 1)], [("x", "f4"), ("y", "i2"), ("z", "?")])[0],
            np.array((True, 1, 2), [("z", "?"), ("x", "f4"), ("y", "i2")]),
        ],
    )
    def test_one_value_many_forms(self, value):
        found = STRUCT.validate(value)
        assert found == {"x": 1.0, "y": 2, "z": True}
        assert list(found) == ["x", "y", "z"]
        assert list(map(type, found.values())) == [float, int, bool]

    def test_nested_structured_numpy(self):
        inner = np.dtype([("f0", "i4"), ("f1", "U3")])
        value = np.array(((5, "a"), 1.5), [("x", inner), ("y", "f8")])
        info = StructInfo(members={"x": TUPLE, "y": NUMBER})
        assert info.validate(value) == {"x": (5, "a"), "y": 1.5}

    @pytest.mark.parametrize("data", [1, "abc", [], [1, 2, True], True])
    def test_from_json_refuses(self, data):
        with pytest.raises(WrongType, match="expected an object, got "):
            STRUCT.from_json(data)

    def test_a_report_must_be_complete(self):
        with pytest.raises(WrongType, match=r"members \['y', 'z'\] are missing"):
            STRUCT.from_json({"x": 1})

    def test_further_members_of_a_report_are_ignored(self):
        data = {"new": 1, "z": False, "y": 2, "x": 1}
        assert STRUCT.from_json(data) == {"x": 1.0, "y": 2, "z": False}

    @pytest.mark.parametrize("name", ["class", "self", "optional", "arg", "", "ä b"])
    def test_members_of_any_name(self, name):
        info = StructInfo(members={name: IntInfo()})
        assert info.validate({name: 1}) == {name: 1}
        assert info.from_json({name: 1}) == {name: 1}


def test_matrices_within_arrays():
    info = ArrayInfo(members=MatrixInfo(elementtype="<u1", names=("x",), maxlen=(3,)))
    first, second = info.validate(np.array([[1, 2], [3, 4]]))
    assert first.tolist() == [1, 2]
    assert info.to_json([first, second])[1] == {"len": [2], "blob": "AwQ="}
