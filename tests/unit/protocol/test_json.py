import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secop_ophyd.protocol import BadJSON, decode, encode, shorten

from .strategies import jsons


def nested(depth, innermost="1"):
    return ("[" * depth + innermost + "]" * depth).encode("latin-1")


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, 2**63, 2**64 + 1, -(10**300) - 1])
def test_integers_stay_exact(number):
    assert encode(number) == str(number).encode()
    assert decode(str(number).encode()) == number
    assert decode(f'[{number},"ä"]'.encode()) == [number, "ä"]
    assert type(decode(str(number).encode())) is int


@pytest.mark.parametrize("number", [0.1, 1e-320, 1.7976931348623157e308, -0.0, 1e22])
def test_floats_stay_exact(number):
    assert repr(decode(encode(number))) == repr(number)


@pytest.mark.parametrize(
    "data",
    [
        b"nan",
        b"[-NaN]",
        b"inf",
        b"1e400",
        b"[-1e400]",
        b'{"a":1e999}',
        b"[NaN,1e400]",
        b'["\\ud800",1e400]',
        b"[1,{}",
        b"{'a':1}",
        b"[1,]",
        b"nul",
        b"1 2",
        b"+1",
        b"01",
        b"\xef\xbb\xbf1",
        b'"a\tb"',
        b"\xff",
        b"\x00",
        b"1" * 5000,
    ],
)
def test_what_is_not_json(data):
    with pytest.raises(BadJSON):
        decode(data)


def test_the_error_shows_what_came():
    with pytest.raises(BadJSON, match=r"not JSON: .*\[nan, 5\]"):
        decode(b"[nan, 5]")
    with pytest.raises(BadJSON, match=r"1e400 is too large.*\[1e400, 5\]"):
        decode(b"[1e400, 5]")
    with pytest.raises(BadJSON) as caught:
        decode(b"[" + b"x" * 10000)
    assert len(str(caught.value)) < 250


def test_what_python_sends_for_numbers_that_are_none():
    nan, high, low, text = decode(b'[NaN, Infinity, -Infinity, "NaN"]')
    assert math.isnan(nan)
    assert (high, low, text) == (math.inf, -math.inf, "NaN")


@given(
    st.sampled_from(["", "-"]),
    st.sampled_from(["1", "9", "17", "0"]),
    st.sampled_from([0, 1, 150, 198, 199, 200, 205, 210, 308, 309, 400]),
    st.sampled_from(["", ".5", "." + "0" * 250 + "1"]),
    st.sampled_from(["", "e5", "E99", "e+99", "E+308", "e309", "e-400", "e0000"]),
)
def test_numbers_that_no_double_can_hold(sign, first, zeros, decimals, exponent):
    # NaN makes it the slow way
    number = f"{sign}{first}{'0' * zeros if first != '0' else ''}{decimals}{exponent}"
    data = f"[NaN,{number}]".encode()
    value = float(number)
    if math.isfinite(value) or not (decimals or exponent):  # or it is an integer
        found = decode(data)[1]
        assert found == (value if decimals or exponent else int(number))
        assert repr(decode(data, exact=False)[1]) == repr(found)
    else:
        with pytest.raises(BadJSON, match="too large"):
            decode(data)
        assert decode(data, exact=False)[1] == value


@pytest.mark.parametrize("text", ["\\ud800", "\\uDFFF", "\\UD800", "a\\udc00b"])
def test_surrogates_next_to_what_is_no_json(text):
    if "U" in text:
        with pytest.raises(BadJSON):
            decode(f'[NaN,{{"{text}":"{text}"}}]'.encode())
    else:
        _, found = decode(f'[NaN,{{"{text}":"{text}"}}]'.encode())
        for word in next(iter(found.items())):
            assert word.isascii()
            assert "?" in word


@pytest.mark.parametrize("data", [b"", b" ", b" \t ", b"null", b" null "])
def test_nothing_is_null(data):
    assert decode(data) is None


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\ud800"', "?"),
        (b'"a\\udfffb"', "a?b"),
        (b'{"\\ud800":["\\ud800"]}', {"?": ["?"]}),
        (b'"\xff"', "\ufffd"),
        (b'{"k\xff":[1,"\xc3"]}', {"k\ufffd": [1, "\ufffd"]}),
        (b'"\\u0000"', "\0"),
    ],
)
def test_bad_characters_do_not_cost_the_message(data, value):
    assert decode(data) == value
    assert encode(value).isascii()


@pytest.mark.parametrize("depth", [200, 450, 600, 900, 960, 980, 5000, 200_000])
@pytest.mark.parametrize("innermost", ["1", '"\\ud800"', '"\xff"', "1e400"])
def test_deep_nesting_is_an_answer_or_an_error(depth, innermost):
    try:
        value = decode(nested(depth, innermost))
    except BadJSON:
        return
    assert innermost != "1e400"
    for _ in range(depth):
        [value] = value
    assert value in (1, "?", "\ufffd")


def test_deep_nesting_is_possible():
    assert decode(nested(150)) == json.loads(nested(150))


def test_too_deep_nesting_is_an_error():
    with pytest.raises(BadJSON, match="nested too deeply"):
        decode(nested(200_000))
    value = []
    for _ in range(200_000):
        value = [value]
    with pytest.raises(BadJSON):
        encode(value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        [1, {"a": [float("-inf")]}],
        [None, float("nan")],
        [10**5000],
        object(),
        [object()],
        {(1, 2): 3},
    ],
)
def test_what_json_cannot_carry(value):
    with pytest.raises(BadJSON, match="JSON cannot carry"):
        encode(value)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (np.float64(0.5), b"0.5"),
        (np.bool_(True), b"true"),
        (np.array(3), b"3"),
        ({"a": np.arange(3)}, b'{"a":[0,1,2]}'),
        ([np.zeros((1, 2))], b"[[[0.0,0.0]]]"),
        (np.array((1, "x"), [("a", int), ("b", "U1")]), b'{"a":1,"b":"x"}'),
        (np.array([(1,), (2,)], [("a", int)]), b'[{"a":1},{"a":2}]'),
        ([None, np.int64(2**62)], b"[null,%d]" % 2**62),
        (np.array([10**30]), b"[%d]" % 10**30),
        (np.array(["\u00e9"]), b'["\\u00e9"]'),
    ],
)
def test_numpy_is_sent_as_what_it_holds(value, data):
    assert encode(value) == data


@pytest.mark.parametrize("value", [np.nan, np.array([1, np.inf]), [np.float64("nan")]])
def test_numpy_is_no_way_round(value):
    with pytest.raises(BadJSON, match="JSON cannot carry"):
        encode(value)


def test_a_cycle_is_an_error():
    value = []
    value.append(value)
    with pytest.raises(BadJSON):
        encode(value)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, b"null"),
        (True, b"true"),
        ([1, 2.5, "x"], b'[1,2.5,"x"]'),
        ((1, "null"), b'[1,"null"]'),
        ({"a": None}, b'{"a":null}'),
        ("µ\u2028\n", b'"\\u00b5\\u2028\\n"'),
        ("\U0001f600", b'"\\ud83d\\ude00"'),
        ([2**70, "ä"], b'[1180591620717411303424,"\\u00e4"]'),
    ],
)
def test_encoding_is_compact_ascii(value, data):
    assert encode(value) == data


@given(jsons)
def test_whatever_is_encoded_is_decoded(value):
    data = encode(value)
    assert data.isascii()
    assert b"\n" not in data and b"\r" not in data
    assert decode(data) == value
    assert json.loads(data) == value


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "abc..."),
        ("", 3, ""),
        ("µ", 3, "µ"),
        ("a\nb", 10, "a\\nb"),
        ("\x1b[31mred", 20, "\\x1b[31mred"),
        ("\u202eabc", 20, "\\u202eabc"),
        (b"\xff\x00", 20, "\ufffd\\x00"),
        (b"abcd", 3, "abc..."),
    ],
)
def test_shorten(text, limit, shown):
    assert shorten(text, limit) == shown


def test_shorten_is_quick_for_a_long_line():
    assert shorten(b"\x1b" * 50_000_000, 8) == "\\x1b\\x1b..."
