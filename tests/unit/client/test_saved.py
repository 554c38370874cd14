"""A node whose description was saved, and which is not there yet."""

import asyncio
import json
import logging

import pytest

from secop_ophyd.client import ConnectionState, SecopClient, load_description
from secop_ophyd.protocol import (
    ConnectionLost,
    DescriptionChanged,
    NoSuchModule,
    parse_description,
)
from secop_ophyd.testing import FakeNode

from .conftest import Listener, parameter, structure, until


@pytest.fixture
async def late(no_task_is_left):
    """A node that has an address, but does not listen yet."""
    async with FakeNode(structure()) as node:
        node.stop_listening()
        yield node


@pytest.fixture
async def client(late):
    client = SecopClient(late.uri)
    yield client
    await client.close()


async def test_parameters_are_there_without_value(client):
    client.expect(parse_description(structure()))
    assert client.description.equipment_id == "fake"
    reading = await client.get("m", "value")
    with pytest.raises(ConnectionLost, match="not connected yet"):
        _ = reading.value
    with pytest.raises(ConnectionLost):
        await client.change("cryo", "ramp", 1)
    # What never changes is known
    assert (await client.get("m", "fixed")).value == 2.5


async def test_it_goes_live_by_itself(late, client, caplog):
    client.expect(parse_description(structure()))
    value = client.parameter("m", "value")
    listener = Listener()
    value.subscribe(listener)
    client.keep_trying()
    await until(lambda: "not back: Connection refused" in caplog.text)
    assert client.state is ConnectionState.RECONNECTING
    reading = await client.get("m", "value")
    assert "Connection refused" in str(reading.error)
    late.set("m:value", 7)
    await late.listen_again()
    await listener.wait_for(7)
    await until(lambda: client.connected)
    assert client.parameter("m", "value") is value
    assert "has changed" not in caplog.text


async def test_it_is_another_than_was_saved(late, client):
    saved = structure()
    saved["modules"]["m"]["accessibles"]["value"] = parameter({"type": "string"})
    saved["modules"]["older"] = saved["modules"]["motor"]
    problems = []
    client.on_problem(problems.append)
    client.expect(parse_description(saved))
    value = client.parameter("m", "value")
    text = client.parameter("m", "text")
    client.keep_trying()
    await late.listen_again()
    await until(lambda: client.connected)
    assert isinstance(value.reading.error, DescriptionChanged)
    assert "datainfo.type is 'int', was 'string'" in str(value.reading.error)
    assert text.reading.value == ""
    with pytest.raises(NoSuchModule):
        client.module("older")
    assert sorted(p.module for p in problems) == ["m", "older"]
    assert str(problems[-1]) == "older: the module is gone"


async def test_what_is_expected_does_not_replace_what_is_known(node, connect):
    client = await connect()
    client.expect(parse_description({**structure(), "equipment_id": "other"}))
    assert client.description.equipment_id == "fake"
    assert client.parameter("m", "value").reading.value == 0


async def test_connect_waits_for_what_is_on_its_way(late, client):
    client.keep_trying()
    client.keep_trying()
    connecting = asyncio.create_task(client.connect(5))
    await asyncio.sleep(0)
    await late.listen_again()
    await connecting
    client.keep_trying()
    assert client.state is ConnectionState.CONNECTED
    assert late.connections == 1


async def test_close_ends_the_attempts(client):
    client.keep_trying()
    await client.close()
    assert client.state is ConnectionState.CLOSED


def test_what_can_be_saved(tmp_path):
    file = tmp_path / "node.json"
    file.write_text(json.dumps(structure()))
    expected = parse_description(structure())
    for saved in (expected, structure(), file, str(file)):
        assert load_description(saved) == expected


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_what_is_none(tmp_path, content):
    file = tmp_path / "node.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="node.json has no description of a node: "):
        load_description(file)
    with pytest.raises(FileNotFoundError):
        load_description(tmp_path / "missing.json")


def test_an_unknown_client_has_no_listener(caplog):
    caplog.set_level(logging.DEBUG)
    client = SecopClient("localhost:1")
    end = client.on_problem(print)
    end()
    end()
    client.expect(parse_description(structure()))
    assert client.state is ConnectionState.DISCONNECTED
