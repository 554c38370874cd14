"""bool, enum, string, blob and what is not known."""

import base64
from enum import IntEnum, StrEnum

import numpy as np
import pytest

from secop_ophyd.protocol import (
    BlobInfo,
    BoolInfo,
    EnumInfo,
    NoValueYet,
    OpaqueInfo,
    RangeError,
    StringInfo,
    WrongType,
)


class Mode(StrEnum):
    OFF = "off"
    RAMP = "ramp"


class Code(IntEnum):
    RAMP = 2


BOOL = BoolInfo()
ENUM = EnumInfo(members={"off": 0, "ramp": 2, "a b": -7, "6.32mOhm": 300})
STRING = StringInfo(minchars=2, maxchars=4)
UTF8 = StringInfo(maxchars=4, is_utf8=True)
BLOB = BlobInfo(minbytes=1, maxbytes=4)


@pytest.mark.parametrize("info", [BOOL, ENUM, STRING, BLOB])
def test_null_is_no_value(info):
    with pytest.raises(NoValueYet, match="no value for it yet"):
        info.from_json(None)
    with pytest.raises(WrongType):
        info.validate(None)


class TestBool:
    @pytest.mark.parametrize(
        "value", ["true", "", "1", 2, -1, 0.5, [], [True], {}, b"", object(), np.nan]
    )
    def test_refused(self, value):
        with pytest.raises(WrongType, match="expected true or false, got "):
            BOOL.validate(value)

    @pytest.mark.parametrize("data", ["true", "", "1", 2, -1, 0.5, [], [True], {}])
    def test_refused_from_json(self, data):
        with pytest.raises(WrongType, match="expected true or false, got "):
            BOOL.from_json(data)

    @pytest.mark.parametrize(
        "value", [True, 1, 1.0, np.True_, np.int8(1), np.array(True), np.float32(1)]
    )
    def test_true(self, value):
        assert BOOL.validate(value) is True
        assert BOOL.to_json(True) is True

    @pytest.mark.parametrize("value", [False, 0, 0.0, -0.0, np.False_, np.array(0)])
    def test_false(self, value):
        assert BOOL.validate(value) is False
        assert BOOL.to_json(False) is False

    @pytest.mark.parametrize(
        ("data", "value"), [(True, True), (False, False), (1, True), (0, False)]
    )
    def test_from_json(self, data, value):
        assert BOOL.from_json(data) is value


class TestEnum:
    @pytest.mark.parametrize(
        "value", ["", "Ramp", "2", 1, -1, 2.5, np.nan, np.int64(1)]
    )
    def test_undeclared(self, value):
        with pytest.raises(RangeError, match="is none of off "):
            ENUM.validate(value)

    @pytest.mark.parametrize(
        "value",
        [[], [2], {}, b"ramp", object(), np.array([2]), True, False, np.False_],
    )
    def test_wrong_type(self, value):
        with pytest.raises(WrongType, match="expected a code or a name, got "):
            ENUM.validate(value)

    def test_the_choices_are_told(self):
        with pytest.raises(RangeError) as caught:
            ENUM.validate("on")
        assert str(caught.value) == (
            "'on' is none of off (0), ramp (2), a b (-7), 6.32mOhm (300)"
        )

    def test_many_choices_are_not_all_told(self):
        info = EnumInfo(members={f"choice{i}": i for i in range(10000)})
        with pytest.raises(RangeError) as caught:
            info.validate("x")
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize(
        "value",
        [2, 2.0, "ramp", Mode.RAMP, Code.RAMP, np.int64(2), np.str_("ramp")]
        + [np.array(2), np.array("ramp")],
    )
    def test_one_value_many_forms(self, value):
        assert ENUM.validate(value) == 2
        assert type(ENUM.validate(value)) is int
        assert ENUM.to_json(2) == 2

    def test_an_odd_name(self):
        assert ENUM.validate("6.32mOhm") == 300
        assert ENUM.from_json("a b") == -7

    @pytest.mark.parametrize(
        ("data", "code"), [(2, 2), ("ramp", 2), (2.0, 2), (376, 376), (-1, -1)]
    )
    def test_from_json_takes_undeclared_codes(self, data, code):
        assert ENUM.from_json(data) == code
        assert type(ENUM.from_json(data)) is int

    @pytest.mark.parametrize("data", ["Ramp", "", 2.5, [], [2], {}])
    def test_from_json_refuses(self, data):
        with pytest.raises(WrongType, match="code or the name of an enum member"):
            ENUM.from_json(data)

    def test_names(self):
        assert ENUM.name_of(2) == "ramp"
        assert ENUM.name_of(1) is None
        twice = EnumInfo(members={"first": 1, "second": 1})
        assert twice.name_of(1) == "first"
        assert twice.validate("second") == 1


class TestString:
    @pytest.mark.parametrize("value", [1, 1.5, True, b"abc", [], ["abc"], {}, object()])
    def test_wrong_type(self, value):
        with pytest.raises(WrongType, match="expected a string, got "):
            STRING.validate(value)

    @pytest.mark.parametrize(
        ("info", "value", "text"),
        [
            (STRING, "", "0 characters, but at least 2 are needed"),
            (STRING, "a", "1 characters, but at least 2 are needed"),
            (STRING, "abcde", "5 characters, but at most 4 are allowed"),
            (STRING, "aä", "'aä' has characters outside ASCII"),
            (STRING, "a\x80", "has characters outside ASCII"),
            (UTF8, "äääää", "5 characters, but at most 4 are allowed"),
            (UTF8, "a\ud800", "has surrogates"),
            (UTF8, "\udfff", "has surrogates"),
        ],
    )
    def test_out_of_range(self, info, value, text):
        with pytest.raises(RangeError) as caught:
            info.validate(value)
        assert text in str(caught.value)

    @pytest.mark.parametrize(
        ("info", "value"),
        [(STRING, "ab"), (STRING, "abcd"), (STRING, "\n\0")]
        + [(UTF8, ""), (UTF8, "äµ€\U0001d11e"), (UTF8, "abcd")],
    )
    def test_accepted(self, info, value):
        assert info.validate(value) == value
        assert info.from_json(info.to_json(value)) == value

    @pytest.mark.parametrize("value", [np.str_("off"), np.array("off"), Mode.OFF])
    def test_becomes_a_str(self, value):
        assert STRING.validate(value) == "off"
        assert type(STRING.validate(value)) is str

    def test_a_long_string_is_not_cut(self):
        assert StringInfo().validate("x" * 10**6) == "x" * 10**6

    @pytest.mark.parametrize("data", ["", "toolong!", "äöü€", "\n"])
    def test_from_json_takes_what_comes(self, data):
        assert STRING.from_json(data) == data

    @pytest.mark.parametrize("data", [1, 1.5, True, [], ["ab"], {}])
    def test_from_json_refuses(self, data):
        with pytest.raises(WrongType, match="expected a string, got "):
            STRING.from_json(data)


class TestBlob:
    @pytest.mark.parametrize(
        "value",
        ["", "AA==", 1, [256], [-1], ["a"], [1.5], {}, object(), (1, 2)]
        + [np.array([1, 2]), np.array([1.0])],
    )
    def test_wrong_type(self, value):
        with pytest.raises(WrongType, match="expected bytes, got "):
            BLOB.validate(value)

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (b"", "0 bytes, but at least 1 are needed"),
            (b"12345", "5 bytes, but at most 4 are allowed"),
            ([], "0 bytes, but at least 1 are needed"),
            (np.zeros(5, np.uint8), "5 bytes, but at most 4 are allowed"),
        ],
    )
    def test_out_of_range(self, value, text):
        with pytest.raises(RangeError) as caught:
            BLOB.validate(value)
        assert str(caught.value) == text

    @pytest.mark.parametrize(
        "value",
        [b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff"), [0, 255]]
        + [np.array([0, 255], np.uint8)],
    )
    def test_one_value_many_forms(self, value):
        assert BLOB.validate(value) == b"\x00\xff"
        assert type(BLOB.validate(value)) is bytes

    @pytest.mark.parametrize(
        ("value", "data"),
        [(b"\0", "AA=="), (b"SECoP", "U0VDb1A="), (b"", ""), (b"\xfb\xff", "+/8=")],
    )
    def test_both_ways(self, value, data):
        assert BLOB.to_json(value) == data
        assert BLOB.from_json(data) == value

    def test_a_long_blob_is_one_line(self):
        data = BLOB.to_json(bytes(10000))
        assert "\n" not in data
        assert base64.b64decode(data) == bytes(10000)

    @pytest.mark.parametrize(
        "data",
        ["!!", "A", "AA", "AAA", "AA=", "A===", "AA==\n", "AA==AA==", "-_8=", "ä"]
        + [" AA==", "AA==x", "="],
    )
    def test_not_base64(self, data):
        with pytest.raises(WrongType, match="not base64: "):
            BLOB.from_json(data)

    @pytest.mark.parametrize("data", [1, True, [], [1], {}])
    def test_from_json_refuses(self, data):
        with pytest.raises(WrongType, match="expected a string in base64, got "):
            BLOB.from_json(data)


class TestOpaque:
    @pytest.mark.parametrize("data", [None, 1, "x", [1, {"a": None}], {}, True])
    def test_json_comes_and_goes(self, data):
        info = OpaqueInfo(reason="datatype 'complex' is unknown")
        assert info.from_json(data) == data
        assert info.to_json(info.validate(data)) == data

    def test_numpy_scalars_are_made_plain(self):
        assert type(OpaqueInfo().validate(np.int64(3))) is int
