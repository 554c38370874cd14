"""Damages bytes in the ways in which bytes get damaged, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

TOKENS = [
    *(b"NaN", b"-Infinity", b"1e999", b"-1e400", b"1e-999", b"-0", b"0.0", b"1" * 400),
    *(b"null", b"true", b"[]", b"{}", b'""', b"[[[[[[", b"]]", b'{"":', b"}}", b'"'),
    *(b"\\ud800", b"\\u0000", b"\\", b"\x00", b"\xff", b"\xc3\x28", b"\x1b[2J", b"\r"),
    *(b"\n", b" ", b"  ", b":", b",", b"9223372036854775808", b"18446744073709551616"),
    *(b'"type":', b'"members":', b'"len":[', b'"blob":"', b'"double"', b'"matrix"'),
    *(
        b'"min":',
        b'"max":',
        b'"maxlen":',
        b'"scale":',
        b'"elementtype":"<f8"',
        b"describing",
    ),
    *(b"error_update", b"update", b"reply", b"active", b"ISSE,SECoP", b"error_closed"),
]


def _place(data: bytearray, random: Random, most: int) -> slice:
    start = random.randrange(len(data) + 1)
    return slice(start, start + random.randrange(1, most + 1))


def _flip(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    place = random.randrange(len(data))
    data[place] ^= 1 << random.randrange(8)


def _cut(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    del data[_place(data, random, 30)]


def _repeat(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    place = _place(data, random, 50)
    data[place] = data[place] * random.randint(2, 5)


def _insert(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    place = _place(data, random, 8)
    data[place if random.random() < 0.5 else slice(place.start, place.start)] = (
        random.choice(TOKENS)
    )


def _digits(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    places = [at for at, byte in enumerate(data) if chr(byte).isdigit()]
    if places:
        data[random.choice(places)] = ord(random.choice("0123456789-.eE"))


def _splice(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    other = random.choice(others)
    start = random.randrange(len(other))
    data[_place(data, random, 50)] = other[start : start + random.randrange(1, 100)]


def _end(data: bytearray, others: Sequence[bytes], random: Random) -> None:
    del data[random.randrange(len(data)) :]


_WAYS: list[Callable[[bytearray, Sequence[bytes], Random], None]] = [
    *(_flip, _cut, _repeat, _insert, _insert, _digits, _splice, _end),
]


def mutate(inputs: Sequence[bytes], random: Random) -> bytes:
    """Return one of the inputs, damaged in one to eight places.

    :param inputs: What is good.
    :param random: Draws which, where and how.
    """
    data = bytearray(random.choice(inputs))
    for _ in range(random.randint(1, 8)):
        if data:
            random.choice(_WAYS)(data, inputs, random)
    return bytes(data)


def in_pieces(data: bytes, random: Random) -> list[bytes]:
    """Return the data as a connection may deliver it."""
    pieces: list[bytes] = []
    while data:
        size = random.choice([1, 10, 100, 10_000, 100_000])
        pieces.append(data[:size])
        data = data[size:]
    return pieces
