import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secop_ophyd.protocol import (
    REPLIES,
    BadJSON,
    InvalidMessage,
    LineBuffer,
    Message,
    ProtocolError,
    format_message,
    parse_message,
)

STREAM = (
    b"ISSE&SINE2020,SECoP,V2019-09-16,v1.0\r\n"
    b"\n"
    b"update t1:value [295.13,{}]\n"
    b"pong  [null,{}]\n"
)
LINES = [
    b"ISSE&SINE2020,SECoP,V2019-09-16,v1.0\r",
    b"",
    b"update t1:value [295.13,{}]",
    b"pong  [null,{}]",
]


def test_a_line_is_cut_wherever_the_stream_is():
    for first in range(len(STREAM) + 1):
        for second in range(first, len(STREAM) + 1):
            buffer = LineBuffer()
            chunks = STREAM[:first], STREAM[first:second], STREAM[second:]
            assert [line for c in chunks for line in buffer.feed(c)] == LINES
            assert len(buffer) == 0


def test_bytes_one_by_one():
    buffer = LineBuffer()
    assert [line for b in STREAM for line in buffer.feed(bytes([b]))] == LINES


def test_an_incomplete_line_is_kept_and_counted():
    buffer = LineBuffer()
    assert buffer.feed(b"active\nupd") == [b"active"]
    assert len(buffer) == 3
    assert buffer.feed(b"ate") == []
    assert len(buffer) == 6
    assert buffer.feed(b" m:p 1\nx") == [b"update m:p 1"]
    assert len(buffer) == 1


def test_a_long_line_takes_linear_time():
    size, step = 32 * 1024 * 1024, 1024
    chunk = b"x" * step
    buffer = LineBuffer()
    start = time.process_time()
    for _ in range(size // step):
        assert not buffer.feed(chunk)
        # Minutes if the line was copied each time
        assert time.process_time() - start < 5
    [line] = buffer.feed(b"\n")
    assert len(line) == size
    assert len(buffer) == 0


def test_bytes_one_by_one_take_little_more_memory_than_they_are():
    size = 200_000
    buffer = LineBuffer()
    tracemalloc.start()
    try:
        for i in range(size):
            buffer.feed(b"%c" % (65 + i % 50))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(buffer) == size
    assert used < 1.2 * size


@pytest.mark.parametrize(
    "chunks",
    [
        [b"x" * 11],
        [b"x" * 6, b"x" * 5],
        [b"x" * 6, b"x" * 5 + b"\n"],
        [b"x" * 11 + b"\n"],
        [b"ok\n" + b"x" * 11 + b"\nok\n"],
        [b"ok\n" + b"x" * 11],
    ],
)
def test_a_line_over_the_limit(chunks):
    buffer = LineBuffer(max_line=10)
    *before, last = chunks
    for chunk in before:
        assert buffer.feed(chunk) == []
    with pytest.raises(InvalidMessage, match="longer than 10 bytes"):
        buffer.feed(last)
    # Nothing of it stays in memory
    assert len(buffer) == 0
    assert buffer.feed(b"active\n") == [b"active"]


def test_the_limit_is_for_a_line_not_for_the_stream():
    buffer = LineBuffer(max_line=10)
    line = b"x" * 10
    assert buffer.feed(b"\n".join([line] * 9)) == [line] * 8
    assert buffer.feed(b"\n") == [line]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", Message("")),
        (b"\r", Message("")),
        (b"active", Message("active")),
        (b"active\r", Message("active")),
        (b"active ", Message("active")),
        (b"activate m", Message("activate", "m")),
        (b"read m:p", Message("read", "m:p")),
        (b"read m:p ", Message("read", "m:p")),
        (b"update m:p [1, {}]", Message("update", "m:p", b"[1, {}]")),
        (b"update m:p [1,{}]\r", Message("update", "m:p", b"[1,{}]")),
        (b"update m:p  [1]", Message("update", "m:p", b" [1]")),
        (b'update m:p ["a  b"]', Message("update", "m:p", b'["a  b"]')),
        (b"pong  [null,{}]", Message("pong", "", b"[null,{}]")),
        (b'logging  "error"', Message("logging", "", b'"error"')),
        (b" x y", Message("", "x", b"y")),
        (b"a\tb c d", Message("a\tb", "c", b"d")),
        (b"x \r", Message("x")),
        (b"x\r\r", Message("x\r")),
        (b"upd\xff m\xfe:p 1", Message("upd\ufffd", "m\ufffd:p", b"1")),
        ("update m:µ 1".encode(), Message("update", "m:µ", b"1")),
        (b'update m:p "\xff"', Message("update", "m:p", b'"\xff"')),
    ],
)
def test_a_line_is_split_at_its_first_two_blanks(line, expected):
    assert parse_message(line) == expected


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"done m:c", None),
        (b"done m:c ", None),
        (b"done m:c   ", None),
        (b"done m:c null", None),
        (b"update m:p  [1 , {} ] ", [1, {}]),
        (b'update m:p "caf\xc3\xa9"', "café"),
        (b'update m:p ["\xff", 1]', ["\ufffd", 1]),
    ],
)
def test_the_value_of_a_message(line, value):
    assert parse_message(line).value() == value


def test_rubbish_as_data_is_an_error_of_its_value_only():
    message = parse_message(b"update m:p [1,{}")
    assert message.specifier == "m:p"
    with pytest.raises(BadJSON):
        message.value()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["*IDN?"], b"*IDN?\n"),
        (["describe"], b"describe\n"),
        (["read", "m:p"], b"read m:p\n"),
        (["do", "m:c"], b"do m:c\n"),
        (["do", "m:c", None], b"do m:c null\n"),
        (["ping", "", 1], b"ping  1\n"),
        (["change", "m:p", [1, {"a": 2.5}]], b'change m:p [1,{"a":2.5}]\n'),
        (["change", "m:p", "a\nb\rcµ"], b'change m:p "a\\nb\\rc\\u00b5"\n'),
    ],
)
def test_a_message_is_one_line_of_ascii(arguments, line):
    assert format_message(*arguments) == line


@pytest.mark.parametrize("name", ["m:p\ndo m:stop", "m:p 5", "m\r:p", "m\u2028:p", "ä"])
def test_a_name_cannot_make_another_message(name):
    with pytest.raises(ProtocolError, match="cannot be part of a message"):
        format_message("read", name)
    with pytest.raises(ProtocolError):
        format_message(name, "m")


def test_what_json_cannot_carry_is_not_sent():
    with pytest.raises(BadJSON):
        format_message("change", "m:p", float("nan"))


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(words, words, st.lists(st.integers() | st.text(st.characters(codec="utf-8"))))
def test_formatting_can_be_undone(action, specifier, value):
    [line] = LineBuffer().feed(format_message(action, specifier, value))
    message = parse_message(line)
    assert (message.action, message.specifier) == (action, specifier)
    assert message.value() == value


@given(st.lists(st.binary(max_size=5).map(lambda b: b.replace(b"\n", b"")), max_size=9))
def test_lines_in_lines_out(lines):
    stream = b"".join(line + b"\n" for line in lines)
    for step in (1, 2, 3, 7, len(stream) + 1):
        buffer = LineBuffer()
        chunks = [stream[i : i + step] for i in range(0, len(stream), step)]
        assert [line for c in chunks for line in buffer.feed(c)] == lines


def test_every_request_has_its_reply():
    assert REPLIES["read"] == "reply"
    assert REPLIES["describe"] == "describing"
    assert len(set(REPLIES.values())) == len(REPLIES)
