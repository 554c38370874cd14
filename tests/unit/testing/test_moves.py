"""Modules with a target get there."""

import asyncio
import json

import pytest

from secop_ophyd.testing import FakeNode

from .conftest import parameter, structure


def told(line):
    """Return action, specifier and value of a line."""
    action, specifier, data = line.split(" ", 2)
    return action, specifier, json.loads(data)[0]


@pytest.fixture
async def active(client):
    client.send("activate cryo")
    await client.until("active")
    return client


BUSY = ("update", "cryo:status", [300, "moving"])
IDLE = ("update", "cryo:status", [100, ""])


async def test_move(node, active):
    active.send("change cryo:target 4")
    assert [told(line) for line in await active.until("changed")] == [
        BUSY,
        ("update", "cryo:target", 4.0),
        ("changed", "cryo:target", 4.0),
    ]
    assert node.value("cryo:value") == 0.0
    assert told(await active.line()) == ("update", "cryo:value", 4.0)
    assert told(await active.line()) == IDLE


async def test_a_refused_target_moves_nothing(node, active):
    assert (await active.error("change cryo:target 1e9"))[2] == "RangeError"
    await active.silence(0.1)


async def test_busy_late(node, active):
    node.drive("cryo", busy_late=0.02)
    active.send("change cryo:target 4")
    assert told(await active.line()) == ("update", "cryo:target", 4.0)
    assert told(await active.line()) == ("changed", "cryo:target", 4.0)
    assert told(await active.line()) == BUSY
    assert told(await active.line()) == ("update", "cryo:value", 4.0)
    assert told(await active.line()) == IDLE


async def test_stop(node, active):
    node.drive("cryo", 60)
    active.send("change cryo:target 1000")
    await active.until("changed")
    await asyncio.sleep(0.01)
    active.send("do cryo:stop")
    value, target, status, done = map(told, await active.until("done"))
    assert value[:2] == ("update", "cryo:value")
    assert 0 < value[2] < 1000
    assert target == ("update", "cryo:target", value[2])
    assert status == ("update", "cryo:status", [100, "stopped"])
    assert done == ("done", "cryo:stop", None)
    active.send("do cryo:stop")
    assert told(await active.line()) == ("done", "cryo:stop", None)


async def test_another_target_on_the_way(node, active):
    node.drive("cryo", 60)
    active.send("change cryo:target 1000")
    await active.until("changed")
    node.drive("cryo", 0)
    active.send("change cryo:target 0")
    lines = [told(await active.line()) for _ in range(6)]
    assert lines[0][1] == "cryo:value"
    assert lines[1:] == [
        BUSY,
        ("update", "cryo:target", 0.0),
        ("changed", "cryo:target", 0.0),
        ("update", "cryo:value", 0.0),
        IDLE,
    ]
    await active.silence()


async def test_no_move(node, active):
    node.drive("cryo", None)
    active.send("change cryo:target 4")
    assert [told(line)[0] for line in await active.until("changed")] == [
        "update",
        "changed",
    ]
    await active.silence(0.1)


async def test_moves_of_enums_and_with_other_codes(connect):
    switch = {"type": "enum", "members": {"off": 0, "on": 1}}
    codes = {"type": "enum", "members": {"OK": 100, "RAMPING": 370}}
    report = structure()
    accessibles = report["modules"]["cryo"]["accessibles"]
    accessibles["value"] = parameter(switch)
    accessibles["target"] = parameter(switch, readonly=False)
    accessibles["status"] = parameter(
        {"type": "tuple", "members": [codes, {"type": "string"}]}
    )
    async with FakeNode(report) as node:
        client = await connect(node)
        client.send("activate cryo")
        await client.until("active")
        client.send("change cryo:target 1")
        assert told(await client.line())[2] == [370, "moving"]
        await client.until("changed")
        client.send("do cryo:stop")
        await client.until("done")
        assert node.value("cryo:value") == node.value("cryo:target") == 0


async def test_value_that_cannot_be_the_target(connect):
    report = structure()
    accessibles = report["modules"]["cryo"]["accessibles"]
    accessibles["target"] = parameter({"type": "string"}, readonly=False)
    async with FakeNode(report) as node:
        client = await connect(node)
        for text in "ab":
            reply = await client.ask(f'change cryo:target "{text}"')
            assert told(reply) == ("changed", "cryo:target", text)
        await asyncio.sleep(0.1)
        assert node.value("cryo:status") == (100, "")
        assert node.value("cryo:value") == 0.0


async def test_a_status_without_idle_of_its_own():
    report = structure()
    status = report["modules"]["cryo"]["accessibles"]["status"]
    number = {"type": "int", "min": 0, "max": 499}
    status["datainfo"] = {"type": "tuple", "members": [number, {"type": "string"}]}
    assert FakeNode(report, seed=1).value("cryo:status") == (100, "")
    status["datainfo"]["members"][0] = {"type": "enum", "members": {"OFF": 0}}
    assert FakeNode(report, seed=1).value("cryo:status") == (0, "")


async def test_moves_end_with_the_node(connect):
    async with FakeNode(structure()) as node:
        client = await connect(node)
        await client.ask("change cryo:target 4")
    await asyncio.sleep(0.1)
    assert node.value("cryo:value") == 0.0


async def test_moves_end_with_the_description(node, client):
    await client.ask("change cryo:target 4")
    node.set_description({**structure(), "modules": {}})
    await asyncio.sleep(0.1)
