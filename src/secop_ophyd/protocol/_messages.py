"""Messages and framing: bytes in, messages out, and back.

SECoP 1.0 "Message structure", 2.0 messages.rst: a message is one line of
`action [SP specifier [SP data]]`, ended by LF, with an optional CR before it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from ._errors import InvalidMessage, ProtocolError
from ._json import decode, encode
from ._text import show

MAX_LINE = 64 * 1024 * 1024
"""How long a line may be by default: a description or an image is one line."""


class Message(NamedTuple):
    """One line of the protocol, its data not decoded yet.

    :param action: What it is, e.g. `update` or `error_read`.
    :param specifier: What it is about: `module`, `module:accessible` or empty.
    :param data: The JSON as it came, empty if there is none.
    """

    action: str
    specifier: str = ""
    data: bytes = b""

    def value(self) -> Any:
        """Decode the data.

        :raises BadJSON: If it is not JSON.
        """
        return decode(self.data)


def parse_message(line: bytes) -> Message:
    """Split a line at its first two single spaces.

    :param line: A line without its end; a CR that is left there is removed.
    """
    if line[-1:] == b"\r":
        line = line[:-1]
    action, specifier, data, *_ = [*line.split(b" ", 2), b"", b""]
    return Message(
        action.decode("utf-8", "replace"), specifier.decode("utf-8", "replace"), data
    )


def _token(text: str) -> bytes:
    # A blank or a line break would make another message of it
    if not re.fullmatch(r"[!-~]*", text):
        raise ProtocolError(f"{show(text)} cannot be part of a message")
    return text.encode("ascii")


@lru_cache(1024)
def _head(*tokens: str) -> bytes:
    return b" ".join(map(_token, tokens))


def format_message(action: str, specifier: str = "", *data: Any) -> bytes:
    """Make the line of a message, LF included.

    :param action: What to ask for.
    :param specifier: What it is about.
    :param data: At most one JSON value; without any, the data is left out.
    :raises BadJSON: If JSON cannot carry the value.
    :raises ProtocolError: If a message cannot carry the specifier.
    """
    head = _head(action, specifier) if specifier or data else _head(action)
    return b" ".join((head, *map(encode, data))) + b"\n"


_SMALL = 4096
"""Parts of a line below this many bytes are no objects of their own for long."""


class LineBuffer:
    """Cuts a stream of bytes into lines, in linear time and bounded memory.

    :param max_line: The longest line to accept, in bytes.
    """

    def __init__(self, max_line: int = MAX_LINE):
        self._max_line = max_line
        # What there is of the line that is not complete yet
        self._parts: list[bytes] = []
        self._size = 0

    def __len__(self) -> int:
        """Return the size of the line that is not complete yet."""
        return self._size

    def feed(self, data: bytes) -> list[bytes]:
        """Add received bytes and return the lines that are complete now.

        :param data: What was received.
        :raises InvalidMessage: If a line grows over the limit.
        """
        # To split looks at each byte by itself, which takes longer than to find one
        *lines, rest = data.split(b"\n") if b"\n" in data else (data,)
        if self._size + len(data) > self._max_line:
            self._check_sizes(*map(len, (*lines, rest)))
        if lines and self._parts:
            # Long lines are copied here, and nowhere else
            lines[0] = b"".join((*self._parts, lines[0]))
            self._clear()
        if rest:
            self._keep(rest)
        return lines

    def _check_sizes(self, first: int, *others: int) -> None:
        if max(self._size + first, *others, 0) > self._max_line:
            self._clear()
            raise InvalidMessage(f"a line is longer than {self._max_line} bytes")

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._parts and len(self._parts[-1]) < _SMALL:
            self._parts[-1] += part
        else:
            self._parts.append(part)

    def _clear(self) -> None:
        self._parts.clear()
        self._size = 0


REPLIES = {
    "describe": "describing",
    "activate": "active",
    "deactivate": "inactive",
    "read": "reply",
    "change": "changed",
    "do": "done",
    "check": "checked",
    "ping": "pong",
    "logging": "logging",
}
"""The action of the reply to each request."""


class Identity(NamedTuple):
    """The reply to `*IDN?`.

    :param manufacturer: The first field, `ISSE` or `ISSE&SINE2020`.
    :param draft_date: The third field, possibly empty.
    :param version: The fourth field, e.g. `v1.0`, possibly empty.
    """

    manufacturer: str
    draft_date: str
    version: str


def parse_identity(line: bytes) -> Identity | None:
    """Read an identification reply in its 1.x and 2.0 forms.

    :param line: Any line that a node sends.
    :return: None if the line is something else.
    """
    fields = line.rstrip(b"\r").decode(errors="replace").split(",")
    if len(fields) < 2 or "ISSE" not in fields[0] or fields[1] != "SECoP":
        return None
    if " " in fields[0]:  # a log line or an update that quotes one
        return None
    date, version, *_ = [*fields[2:], "", ""]
    return Identity(fields[0], date, version)
