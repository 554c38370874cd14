"""Where a SEC node is."""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_PORT = 10767
"""Not part of the specification, but the port that nodes use by habit."""

_PATTERN = re.compile(
    r"(?:(?P<scheme>[a-z0-9+]+)://)?"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%\w+)?)\]|(?P<host>[^\s:/\[\]@?#]+))"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)


class NodeAddress(NamedTuple):
    """Host and port of a SEC node.

    :param host: Host name, IPv4 or IPv6 address (without brackets).
    :param port: TCP port.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(uri: str) -> NodeAddress:
    """Read the address of a node: `host:port`, `[::1]:port`, `tcp://host:port`.

    :param uri: The address; `secop://` is accepted as well, and a missing port
        is taken as 10767.
    :raises ValueError: If it is something else.
    """
    match = _PATTERN.fullmatch(uri.strip())
    expected = "expected 'host:port', e.g. 'localhost:10767'"
    if match is None:
        raise ValueError(f"{uri!r} is no address of a SEC node: {expected}")
    if match["scheme"] not in (None, "tcp", "secop"):
        raise ValueError(f"{uri!r}: scheme {match['scheme']!r} is unknown: {expected}")
    port = int(match["port"] or DEFAULT_PORT)
    if not 0 < port < 65536:
        raise ValueError(f"{uri!r}: {port} is no TCP port: {expected}")
    return NodeAddress(match["ipv6"] or match["host"], port)
