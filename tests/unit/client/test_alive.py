"""A node that is there, or only seems to be."""

from __future__ import annotations

import asyncio

import pytest

from secop_ophyd.client import ClientOptions, ConnectionState
from secop_ophyd.protocol import ConnectionLost, RequestTimeout


async def lost(client) -> None:
    """Wait until the client notices that the node is gone."""
    gone = asyncio.Event()
    end = client.on_state(
        lambda state: state is ConnectionState.RECONNECTING and gone.set()
    )
    async with asyncio.timeout(5):
        await gone.wait()
    end()


async def test_a_frozen_node_is_noticed(node, connect):
    client = await connect(timeout=0.1)
    node.pause()
    await lost(client)
    with pytest.raises(ConnectionLost, match="silent for .* does not even answer a pi"):
        _ = client.parameter("cryo", "value").reading.value
    node.resume()
    await client.connect()
    assert client.parameter("cryo", "value").reading.error is None


async def test_a_quiet_node_is_asked_and_stays(node, connect):
    client = await connect(timeout=0.05)
    for _ in range(3):
        node.requests.clear()
        await node.wait_for_request("ping alive")
    assert client.state is ConnectionState.CONNECTED


async def test_a_node_that_works_on_a_request_is_not_gone(node, connect):
    client = await connect(timeout=0.05)
    node.reply_raw("ping", None)
    node.delay("change cryo:ramp", 0.4)
    await client.change("cryo", "ramp", 5.0, timeout=5)
    assert client.state is ConnectionState.CONNECTED
    await lost(client)  # now it has no excuse


async def test_a_request_that_is_too_late_is_no_excuse(node, connect):
    client = await connect(timeout=0.1)
    node.pause()
    with pytest.raises(RequestTimeout):
        await client.read("cryo", "value")
    await lost(client)


async def test_how_long_it_may_be_silent(node, connect):
    client = await connect(timeout=30, max_silence=0.2)
    started = asyncio.get_running_loop().time()
    node.pause()
    await lost(client)
    assert asyncio.get_running_loop().time() - started < 1
    node.resume()
    await client.connect()


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_silence_that_is_none(seconds):
    with pytest.raises(ValueError, match="max_silence"):
        ClientOptions(max_silence=seconds)
