"""`secop-ophyd discover`: the table."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

import pytest

from secop_ophyd.client import Network, discover

from .conftest import Result, Run

EVIL = "\x1b[2Jevil\r\x9b\u202e\n"


class Nodes(asyncio.DatagramProtocol):
    def __init__(self, answers: list[dict[str, Any]]):
        self.answers = answers
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for answer in self.answers:
            self.transport.sendto(
                json.dumps({"SECoP": "node", **answer}).encode(), addr
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(None)


@pytest.fixture
def search(run: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the program where some nodes answer."""

    async def search(*answers: dict[str, Any], timeout: float = 0.1) -> Result:
        transport, nodes = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Nodes(list(answers)), ("127.0.0.1", 0)
        )
        # It would ask the real networks of this computer otherwise
        here = partial(
            discover,
            networks=[Network("127.0.0.1", "127.0.0.1")],
            port=transport.get_extra_info("sockname")[1],
        )
        monkeypatch.setattr("secop_ophyd.cli._discover.find_nodes", here)
        try:
            return await run("discover", "--timeout", timeout)
        finally:
            transport.abort()
            await nodes.closed

    return search


async def test_a_table(search: Any) -> None:
    code, out, err = await search(
        {
            "port": 20000,
            "equipment_id": "mlz_ccr12",
            "firmware": "frappy 0.20",
            "description": "A cryostat\nwith a pulse tube",
        },
        {"port": 3000},
    )
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "ADDRESS          EQUIPMENT ID  FIRMWARE     DESCRIPTION",
        "127.0.0.1:3000",
        "127.0.0.1:20000  mlz_ccr12     frappy 0.20  A cryostat",
    ]


async def test_nobody_is_there(search: Any) -> None:
    result = await search(timeout=0.05)
    assert result == (1, "", "secop-ophyd: no SEC node has answered within 0.05 s\n")


async def test_a_node_does_not_get_the_terminal(search: Any) -> None:
    node = {"equipment_id": EVIL, "firmware": EVIL, "description": EVIL}
    code, out, err = await search({"port": 1, **node}, {"port": 2})
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 3, "no line of its own"
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[2Jevil\\r\\x9b\\u202e\\n" in lines[1]


async def test_there_is_no_network(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    here = partial(discover, networks=[Network("203.0.113.77", "203.0.113.255")])
    monkeypatch.setattr("secop_ophyd.cli._discover.find_nodes", here)
    code, out, err = await run("discover")
    assert (code, out) == (1, "")
    assert err.startswith("secop-ophyd: ")
    assert "assign requested address" in err
    assert err.count("\n") == 1
