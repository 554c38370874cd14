"""Discovery: who is there, and who only says so."""

import asyncio
import contextlib
import ipaddress
import json
import socket

import pytest

from secop_ophyd.client import FoundNode, Network, discover
from secop_ophyd.client._discovery import (
    MAX_NODES,
    MAX_REPLY,
    _Ear,
    own_networks,
    parse_answer,
)
from secop_ophyd.protocol import NodeAddress

HERE = Network("127.0.0.1", "127.0.0.1")
ANSWER = {
    "SECoP": "node",
    "port": 14932,
    "equipment_id": "mlz_ccr12",
    "firmware": "frappy",
    "description": "A cryostat",
}
FOUND = FoundNode(NodeAddress("127.0.0.1", 14932), "mlz_ccr12", "frappy", "A cryostat")


class Responder(asyncio.DatagramProtocol):
    """Answers each question with some packets, from the second one on if deaf."""

    def __init__(self, packets, deaf):
        self.packets = packets
        self.questions = []
        self.asked = asyncio.Event()
        self.closed = asyncio.get_running_loop().create_future()
        self.deaf = deaf

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.questions.append(data)
        self.asked.set()
        if len(self.questions) > self.deaf:
            for packet in self.packets:
                self.transport.sendto(packet, addr)

    def connection_lost(self, exc):
        self.closed.set_result(None)


@contextlib.asynccontextmanager
async def answering(*answers, deaf=0, at="127.0.0.1"):
    """Run what answers to discovery, and yield it and its port."""
    packets = [a if isinstance(a, bytes) else json.dumps(a).encode() for a in answers]
    transport, responder = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Responder(packets, deaf), (at, 0)
    )
    try:
        yield responder, transport.get_extra_info("sockname")[1]
    finally:
        transport.abort()
        await responder.closed


async def test_a_node_is_found_once():
    async with answering(ANSWER, {**ANSWER, "later": "extension"}) as (node, port):
        assert await discover(0.2, networks=[HERE], port=port) == [FOUND]
    assert len(node.questions) == 2, "a packet may get lost"
    assert set(node.questions) == {b'{"SECoP":"discover"}'}


async def test_it_is_a_broadcast():
    # It hears what is sent to everyone on this computer, and nothing else
    async with answering(ANSWER, at="127.255.255.255") as (_, port):
        loopback = [n for n in own_networks() if n.own == "127.0.0.1"]
        assert await discover(0.2, networks=loopback, port=port) == [FOUND]


async def test_the_first_packet_may_be_lost():
    async with answering(ANSWER, deaf=1) as (_, port):
        assert await discover(0.4, networks=[HERE], port=port) == [FOUND]


async def test_several_ports_are_sorted():
    other = {**ANSWER, "port": 2000, "equipment_id": "a"}
    async with answering(ANSWER, other) as (_, port):
        found = await discover(0.1, networks=[HERE, HERE], port=port)
    assert [node.address.port for node in found] == [2000, 14932]


async def test_nobody_is_there():
    async with answering() as (_, port):
        assert await discover(0.1, networks=[HERE], port=port) == []


async def test_no_network():
    assert await discover(10, networks=[]) == []


async def test_a_network_that_is_down_does_not_matter():
    down = Network("203.0.113.77", "203.0.113.255")
    async with answering(ANSWER) as (_, port):
        assert await discover(0.1, networks=[down, HERE], port=port) == [FOUND]
    with pytest.raises(OSError, match="assign requested address"):
        await discover(0.1, networks=[down], port=port)


async def test_a_packet_that_cannot_be_sent(monkeypatch):
    def refuse(self, data, address):
        raise PermissionError("the firewall says no")

    async with answering(ANSWER) as (_, port):
        monkeypatch.setattr(socket.socket, "sendto", refuse, raising=False)
        with pytest.raises(PermissionError, match="the firewall says no"):
            await discover(0.1, networks=[HERE], port=port)


async def test_it_can_be_cancelled():
    async with answering(ANSWER) as (node, port):
        search = asyncio.ensure_future(discover(60, networks=[HERE], port=port))
        async with asyncio.timeout(5):
            await node.asked.wait()
            search.cancel()
            with pytest.raises(asyncio.CancelledError):
                await search


async def test_what_is_no_answer_hides_none():
    bad = [b"", b"\xff", b"[" * 2000, b"null", {"SECoP": "discover"}, b"x" * 60_000]
    async with answering(*bad, ANSWER) as (_, port):
        assert await discover(0.2, networks=[HERE], port=port) == [FOUND]


async def test_a_flood_has_an_end():
    found = {}
    ear = _Ear(found)
    for i in range(MAX_NODES + 10):
        answer = json.dumps({**ANSWER, "port": 1000 + i}).encode()
        ear.datagram_received(answer, ("127.0.0.1", 1))
    assert len(found) == MAX_NODES


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        "node",
        {**ANSWER, "SECoP": "discover"},
        {**ANSWER, "SECoP": ["node"]},
        {k: v for k, v in ANSWER.items() if k != "port"},
        *({**ANSWER, "port": p} for p in (0, -1, 65536, True, 1.5, "1", None, [1])),
        {**ANSWER, "description": "x" * MAX_REPLY},
    ],
)
def test_what_is_no_answer(answer):
    assert parse_answer(json.dumps(answer).encode(), "127.0.0.1") is None


@pytest.mark.parametrize("odd", [None, 1, [], {}, True])
def test_texts_that_are_none_are_empty(odd):
    answer = {**ANSWER, "equipment_id": odd, "firmware": odd, "description": odd}
    node = parse_answer(json.dumps(answer).encode(), "127.0.0.1")
    assert node == FoundNode(FOUND.address, "", "", "")
    del answer["equipment_id"], answer["firmware"], answer["description"]
    assert parse_answer(json.dumps(answer).encode(), "127.0.0.1") == node


def test_the_address_is_that_of_the_sender():
    answer = {**ANSWER, "host": "198.51.100.1", "address": "198.51.100.1"}
    node = parse_answer(json.dumps(answer).encode(), "192.0.2.7")
    assert node is not None
    assert str(node.address) == "192.0.2.7:14932"


def test_the_networks_of_this_computer():
    networks = list(own_networks())
    assert Network("127.0.0.1", "127.255.255.255") in networks
    for own, everyone in networks:
        assert ipaddress.IPv4Address(own) <= ipaddress.IPv4Address(everyone)
