"""What can happen to a line on its way, and to which lines it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal, TypeAlias

from ._handlers import matches

Direction: TypeAlias = Literal["client", "node"]
"""Who a line is for."""

_HEAD = 200  # bytes of a line that tell what it is about


@dataclass(slots=True)
class LineFault:
    """Something that happens to lines.

    :param kind: What, e.g. `delay`.
    :param to: Who the lines are for.
    :param prefix: How they begin, in whole words; empty for all.
    :param share: Which part of them, drawn at random.
    :param times: How often at most, None for always.
    :param seconds: How long it takes.
    :param size: In pieces of how many bytes.
    """

    kind: str
    to: Direction
    prefix: str = ""
    share: float = 1.0
    times: int | None = None
    seconds: float = 0.0
    size: int = 0


@dataclass(slots=True)
class Passage:
    """What becomes of one line.

    :param data: Its bytes, its end included.
    :param seconds: How long it is delayed.
    :param copies: How often it is sent.
    :param late: Whether lines about something else overtake it.
    :param pieces: How many bytes are sent at once, 0 for all.
    :param pause: Seconds between them.
    :param cut: Whether the connection ends in the middle of it.
    """

    data: bytes
    seconds: float = 0.0
    copies: int = 1
    late: bool = False
    pieces: int = 0
    pause: float = 0.0
    cut: bool = False


@dataclass(slots=True)
class Faults:
    """The faults of a proxy.

    :param random: Draws the lines that are hit, and where.
    :param counts: How often each kind has happened.
    """

    random: Random
    counts: Counter[str] = field(default_factory=Counter[str])
    lines: list[LineFault] = field(default_factory=list[LineFault])

    def apply(self, line: bytes, to: Direction) -> Passage:
        """Return what becomes of a line.

        :param line: The line, without its end.
        :param to: Who it is for.
        """
        passage = Passage(line + b"\n")
        for fault in self._hits(line, to) if self.lines else ():
            self.counts[fault.kind] += 1
            match fault.kind:
                case "delay":
                    passage.seconds += fault.seconds
                case "duplicate":
                    passage.copies += 1
                case "reorder":
                    passage.late = True
                case "truncate":
                    passage.data = truncated(line, self.random) + b"\n"
                case "corrupt":
                    passage.data = corrupted(line, self.random) + b"\n"
                case "drip":
                    passage.pieces, passage.pause = fault.size, fault.seconds
                case _:
                    passage.cut = True
                    end = self.random.randrange(1, len(line) + 1) if line else 0
                    passage.data = line[:end]
        return passage

    def _hits(self, line: bytes, to: Direction) -> Iterator[LineFault]:
        head = line[:_HEAD].decode(errors="replace")
        for fault in list(self.lines):
            if fault.to != to or (fault.prefix and not matches(head, fault.prefix)):
                continue
            if fault.share < 1 and self.random.random() >= fault.share:
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.lines.remove(fault)
            yield fault


def _data_at(line: bytes) -> int:
    """Return where the data of a message begins, its length if it has none."""
    space = line.find(b" ", line.find(b" ") + 1) if b" " in line else -1
    return len(line) if space < 0 else space + 1


def truncated(line: bytes, random: Random) -> bytes:
    """Return the first part of a line, which is no valid message.

    :param line: The line, without its end.
    :param random: Draws where.
    """
    start = _data_at(line)
    if line[start : start + 1] in (b"[", b"{", b'"'):
        return line[: random.randrange(start + 1, max(start + 2, len(line)))]
    if start < len(line):
        return line[:start]  # the first digits of a number are a number
    action = line.partition(b" ")[0]
    return action[: random.randrange(len(action))] if action else line


def corrupted(line: bytes, random: Random) -> bytes:
    """Return a line with a byte that JSON does not have, so that it is no message.

    :param line: The line, without its end.
    :param random: Draws where.
    """
    if not line:
        return line
    start = _data_at(line)
    place = random.randrange(start, len(line)) if start < len(line) else 0
    return line[:place] + b"\0" + line[place + 1 :]
