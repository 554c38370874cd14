"""Which SEC nodes there are: UDP discovery (2.0 discovery.rst, RFC-105)."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from secop_ophyd.protocol import NodeAddress, SecopError, decode, encode

DISCOVERY_PORT = 10767
MAX_REPLY = 2048  # bytes; the specification advises against more than 508
MAX_NODES = 1000
_QUESTION = encode({"SECoP": "discover"})
_ROUNDS = 2  # a packet may get lost, and nobody would know


@dataclass(frozen=True, slots=True, order=True)
class FoundNode:
    """A node that has answered. The texts are as it sent them: show them with care.

    :param address: Where it takes connections.
    :param equipment_id: The worldwide unique name of the node.
    :param firmware: What runs in it.
    :param description: The text for people, which the node may have cut.
    """

    address: NodeAddress
    equipment_id: str
    firmware: str
    description: str


class Network(NamedTuple):
    """A network in which there may be nodes.

    :param own: The IPv4 address of this computer in it.
    :param everyone: The address that reaches all of it: that for broadcasts, or the
        address of a single computer.
    """

    own: str
    everyone: str


async def discover(
    timeout: float = 1.0,
    *,
    networks: Iterable[Network] | None = None,
    port: int = DISCOVERY_PORT,
) -> list[FoundNode]:
    """Ask all nodes within reach where they are.

    A node with several addresses or ports is found at each of them. Nodes behind a
    router are not found, nor those older than SECoP 2.0.

    :param timeout: Seconds to wait for answers.
    :param networks: Where to ask, None for all IPv4 networks of this computer.
    :param port: The UDP port that nodes listen on.
    :return: The nodes, sorted by address.
    :raises OSError: If it can be asked in none of the networks.
    """
    chosen = own_networks() if networks is None else networks
    found: dict[NodeAddress, FoundNode] = {}
    results = await asyncio.gather(
        *(_ask(network, port, timeout, found) for network in chosen),
        return_exceptions=True,
    )
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        # A network that is down does not matter as long as another one is not
        useless = len(errors) == len(results) and not found
        if useless or not isinstance(error, OSError):
            raise error
    return sorted(found.values())


def own_networks() -> Iterator[Network]:
    """Iterate over the IPv4 networks of this computer, that of itself among them."""
    import psutil  # here, since it takes 20 ms that nothing else needs

    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and one.netmask:
                interface = ipaddress.IPv4Interface(f"{one.address}/{one.netmask}")
                yield Network(one.address, str(interface.network.broadcast_address))


async def _ask(
    network: Network, port: int, timeout: float, found: dict[NodeAddress, FoundNode]
) -> None:
    # Bound to this network: a broadcast would leave by the default one only
    transport, ear = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Ear(found), (network.own, 0), allow_broadcast=True
    )
    try:
        for _ in range(_ROUNDS):
            transport.sendto(_QUESTION, (network.everyone, port))
            await asyncio.sleep(timeout / _ROUNDS)
    finally:
        transport.abort()
        await asyncio.shield(ear.closed)
    if ear.error is not None:
        raise ear.error


class _Ear(asyncio.DatagramProtocol):
    """Listens to the answers."""

    def __init__(self, found: dict[NodeAddress, FoundNode]):
        self.closed = asyncio.get_running_loop().create_future()
        self.error: Exception | None = None
        self._found = found

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        node = parse_answer(data, addr[0])
        if node is not None and len(self._found) < MAX_NODES:
            self._found.setdefault(node.address, node)

    def error_received(self, exc: Exception) -> None:
        self.error = exc

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


def parse_answer(data: bytes, host: str) -> FoundNode | None:
    """Return the node that a packet tells about, None if it is no such packet.

    :param data: What was received.
    :param host: Who sent it: the packet itself tells the port only.
    """
    if len(data) > MAX_REPLY:
        return None
    try:
        answer = decode(data)
    except SecopError:
        return None
    match answer:
        case {"SECoP": "node", "port": port} if type(port) is int and 0 < port < 65536:
            texts = (
                text if isinstance(text := answer.get(key), str) else ""
                for key in ("equipment_id", "firmware", "description")
            )
            return FoundNode(NodeAddress(host, port), *texts)
        case _:
            return None
