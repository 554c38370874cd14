"""A node does what a test tells it."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from secop_ophyd.protocol import (
    MISSING,
    ErrorReport,
    Impossible,
    NoSuchCommand,
    NoSuchModule,
    NoSuchParameter,
    NoValueYet,
    RangeError,
    WrongType,
    make_error,
    parse_description,
)
from secop_ophyd.testing import FakeNode

from .conftest import structure

DESCRIPTIONS = sorted(
    (Path(__file__).parents[2] / "data" / "descriptions").glob("*.json")
)


@pytest.fixture
async def active(client):
    client.send("activate")
    await client.until("active")
    return client


# Mistakes in a test


@pytest.mark.parametrize(
    ("specifier", "value", "error"),
    [
        ("x:value", 1, NoSuchModule),
        ("cryo:x", 1, NoSuchParameter),
        ("s:fixed", 1, NoSuchParameter),
        ("cryo:value", 1e9, RangeError),
        ("cryo:value", "1", WrongType),
    ],
)
def test_values_that_cannot_be(specifier, value, error):
    node = FakeNode(structure())
    with pytest.raises(error):
        node.set(specifier, value)
    with pytest.raises(error):
        FakeNode(structure(), values={specifier: value})


def test_handlers_for_nothing():
    node = FakeNode(structure())
    with pytest.raises(NoSuchParameter):
        node.on_read("cryo:x", lambda: 1)
    with pytest.raises(NoSuchParameter):
        node.on_change("cryo:stop", lambda value: None)
    with pytest.raises(NoSuchCommand):
        node.on_command("cryo:value", lambda: None)
    with pytest.raises(NoSuchParameter):
        node.set_error("cryo:x", "HardwareError")
    with pytest.raises(NoSuchModule):
        node.drive("x")


def test_description_without_structure():
    description = parse_description(structure())
    object.__setattr__(description, "raw", None)
    with pytest.raises(ValueError, match="structure report"):
        FakeNode(description)


async def test_wait_for_a_request_that_does_not_come(node, client):
    await client.ask("ping 1")
    with pytest.raises(TimeoutError, match="no 'describe' within 0.01 s.*'ping 1'"):
        await node.wait_for_request("describe", 0.01)
    with pytest.raises(TimeoutError, match="not 2 clients"):
        await node.wait_for_connections(2, 0.01)


# Descriptions and first values


def test_plain_values():
    node = FakeNode(structure())
    assert node.value("cryo:value") == 0.0
    assert node.value("cryo:status") == (100, "")
    assert node.value("s:blob") == b""
    assert node.description.equipment_id == "fake"


def test_random_values_are_the_same_for_a_seed():
    def values(seed):
        node = FakeNode(structure(), seed=seed, values={"s:text": "abc"})
        return [
            node.value(p)
            for p in ("cryo:value", "cryo:status", "s:pid", "s:blob", "s:text")
        ]

    assert values(1) == values(1) != values(2)
    assert values(1)[1] == (100, "")
    assert values(1)[4] == "abc"


@pytest.mark.parametrize("kind", [str, lambda path: path])
async def test_description_from_a_file(tmp_path, connect, kind):
    path = tmp_path / "node.json"
    path.write_text(json.dumps([structure()]))
    async with FakeNode(kind(path)) as node:
        client = await connect(node)
        reply = await client.ask("describe")
        assert json.loads(reply[13:]) == [structure()]


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda path: path.stem)
async def test_saved_descriptions(connect, path, seed):
    async with FakeNode(path, seed=seed) as node:
        client = await connect(node)
        client.send("activate")
        *updates, _ = await client.until("active")
        parameters = {p.specifier: p for p in node.description.parameters()}
        assert updates
        for update in updates:
            action, specifier, data = update.split(" ", 2)
            assert action == "update"
            value = parameters.pop(specifier).datainfo.from_json(json.loads(data)[0])
            assert np.array_equal(value, node.value(specifier))
        assert all(p.constant is not MISSING for p in parameters.values())


def test_description_parsed():
    node = FakeNode(parse_description(structure()))
    assert set(node.description.modules) == {"cryo", "s"}


async def test_a_description_that_is_changed_later_is_not_that_of_the_node(connect):
    mine = structure()
    async with FakeNode(mine) as node:
        mine["modules"].clear()
        client = await connect(node)
        assert json.loads((await client.ask("describe"))[13:]) == structure()


async def test_set_description(node, client):
    node.set("cryo:value", 7)
    node.set("s:text", "old")
    new = structure()
    del new["modules"]["cryo"]["accessibles"]["stop"]
    new["modules"]["s"]["accessibles"]["text"]["datainfo"] = {"type": "bool"}
    node.set_description(new, {"s:scaled": 1.5})
    assert json.loads((await client.ask("describe"))[13:]) == new
    assert (await client.error("do cryo:stop"))[2] == "NoSuchCommand"
    assert node.value("cryo:value") == 7
    assert node.value("s:text") is False
    assert node.value("s:scaled") == 1.5


async def test_identity(connect):
    async with FakeNode(structure(), identity="ISSE,SECoP,,v2.0") as node:
        assert await (await connect(node)).ask("*IDN?") == "ISSE,SECoP,,v2.0"


# Updates


async def test_set_with_qualifiers(node, active):
    node.set("cryo:value", 3, t=1.5, e=0.1)
    assert await active.line() == 'update cryo:value [3.0,{"t":1.5,"e":0.1}]'
    reply = await active.ask("read cryo:value")
    assert reply == 'reply cryo:value [3.0,{"t":1.5,"e":0.1}]'


async def test_a_read_renews_the_time(connect):
    time = iter([float(n) for n in range(100)])
    async with FakeNode(structure(), clock=lambda: next(time)) as node:
        client = await connect(node)
        first, second = [await client.ask("read cryo:value") for _ in range(2)]
        assert first != second


async def test_a_node_without_clock(connect):
    async with FakeNode(structure(), clock=lambda: None) as node:
        client = await connect(node)
        assert await client.ask("read cryo:value") == "reply cryo:value [0.0,{}]"
        assert await client.ask("ping 1") == "pong 1 [null,{}]"


async def test_set_anything(node, active):
    node.set_json("cryo:value", None, {})
    assert await active.line() == "update cryo:value [null,{}]"
    assert await active.ask("read cryo:value") == "reply cryo:value [null,{}]"
    with pytest.raises(NoValueYet):
        node.value("cryo:value")
    node.set_json("cryo:value", 1e9)
    assert await active.line() == 'update cryo:value [1000000000.0,{"t":5.0}]'
    assert node.value("cryo:value") == 1e9


async def test_set_error(node, active, connect):
    node.set_error("cryo:value", "HardwareError", "broken")
    report = '["HardwareError","broken",{"t":5.0}]'
    assert await active.line() == f"error_update cryo:value {report}"
    assert await active.ask("read cryo:value") == f"error_read cryo:value {report}"
    later = await connect()
    later.send("activate cryo")
    assert await later.line() == f"error_update cryo:value {report}"
    node.set("cryo:value", 1)
    assert await active.line() == 'update cryo:value [1.0,{"t":5.0}]'
    assert await active.ask("read cryo:value") == 'reply cryo:value [1.0,{"t":5.0}]'


async def test_set_error_of_any_class(node, active):
    node.set_error("cryo:value", "Odd:Sub", "x", {"a": [1]})
    assert await active.line() == 'error_update cryo:value ["Odd:Sub","x",{"a":[1]}]'


async def test_send_anything(node, client, connect):
    other = await connect()
    await client.ask("ping 1")
    await other.ask("ping 2")
    node.send_line(b"\xff anything")
    assert await other.reader.readline() == b"\xff anything\n"
    assert await client.reader.readline() == b"\xff anything\n"
    node.send_raw(b"half")
    node.send_raw(b" a line\r\n")
    assert await client.line() == "half a line\r"


# Handlers


@pytest.mark.parametrize(
    ("error", "report"),
    [
        (Impossible("not now"), '["Impossible","not now",{}]'),
        (
            make_error(ErrorReport("Odd", "why", "Sub", {"closest_valid": 1}), "m:p"),
            '["Odd:Sub","why",{"closest_valid":1}]',
        ),
        (ZeroDivisionError("x"), '["InternalError","ZeroDivisionError(\'x\')",{}]'),
    ],
)
async def test_handlers_that_raise(node, active, error, report):
    def handler(*args):
        raise error

    node.on_read("cryo:value", handler)
    node.on_change("cryo:target", handler)
    node.on_command("s:sum", handler)
    assert await active.ask("read cryo:value") == f"error_read cryo:value {report}"
    reply = await active.ask("change cryo:target 1")
    assert reply == f"error_change cryo:target {report}"
    assert await active.ask("do s:sum [1,2]") == f"error_do s:sum {report}"
    assert node.value("cryo:target") == 0.0


async def test_handlers_that_return_nonsense(node, client):
    node.on_read("cryo:value", lambda: "x")
    node.on_command("s:sum", lambda arg: "x")
    assert (await client.error("read cryo:value"))[2] == "WrongType"
    assert (await client.error("do s:sum [1,2]"))[2] == "WrongType"
    node.on_command("s:sum", lambda arg: float("inf"))
    assert (await client.error("do s:sum [1,2]"))[2] == "RangeError"


async def test_on_read(node, active):
    node.on_read("cryo:value", lambda: 3)
    active.send("read cryo:value")
    assert await active.line() == 'update cryo:value [3.0,{"t":5.0}]'
    assert await active.line() == 'reply cryo:value [3.0,{"t":5.0}]'
    node.on_read("cryo:value", None)
    assert await active.ask("read cryo:value") == 'reply cryo:value [3.0,{"t":5.0}]'


async def test_on_change_replaces_the_move(node, active):
    seen = []

    def handler(value):
        seen.append(value)
        node.set("cryo:status", (400, "quench"))

    node.on_change("cryo:target", handler)
    active.send("change cryo:target 4")
    lines = await active.until("changed")
    assert lines == [
        'update cryo:status [[400,"quench"],{"t":5.0}]',
        'update cryo:target [4.0,{"t":5.0}]',
        'changed cryo:target [4.0,{"t":5.0}]',
    ]
    assert seen == [4.0]
    await active.silence(0.1)


async def test_on_change_decides_on_the_value(node, client):
    node.on_change("s:scaled", lambda value: value / 2)
    assert await client.ask("change s:scaled 100") == 'changed s:scaled [50,{"t":5.0}]'


async def test_on_command(node, client):
    called = []
    node.on_command("s:sum", lambda arg: arg[0] + arg[1])
    node.on_command("s:reset", lambda: called.append(1))
    assert await client.ask("do s:sum [1,2]") == 'done s:sum [3.0,{"t":5.0}]'
    assert await client.ask("do s:reset") == 'done s:reset [null,{"t":5.0}]'
    assert called == [1]


async def test_a_handler_that_waits_is_overtaken(node, client):
    go = asyncio.Event()

    async def handler(*args):
        await go.wait()
        return 1

    node.on_read("cryo:value", handler)
    client.send("read cryo:value")
    assert await client.ask("ping 1") == 'pong 1 [null,{"t":5.0}]'
    go.set()
    assert await client.line() == 'reply cryo:value [1.0,{"t":5.0}]'


async def test_serial_lets_all_clients_wait(connect):
    go = asyncio.Event()

    async def handler():
        await go.wait()

    async with FakeNode(structure(), serial=True) as node:
        client, other = await connect(node), await connect(node)
        node.on_command("s:reset", handler)
        client.send("do s:reset")
        await node.wait_for_request("do s:reset")
        other.send("ping 1")
        await other.silence()
        go.set()
        assert (await client.line()).startswith("done s:reset ")
        assert (await other.line()).startswith("pong 1 ")


async def test_handlers_that_wait_end_with_the_node(connect):
    ended = []

    async def handler():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async with FakeNode(structure()) as node:
        client = await connect(node)
        node.on_command("s:reset", handler)
        client.send("do s:reset")
        client.send("ping 1")
        await client.line()
    assert ended == [True]


async def test_a_handler_can_stop_the_node(node, client):
    node.on_command("s:reset", node.stop)
    client.send("do s:reset")
    await client.eof()
    assert node.connections == 0


# Requests


async def test_requests_are_kept(node, client):
    await client.ask("ping 1\r")
    client.send("nonsense of any kind")
    line = await node.wait_for_request("nonsense of")
    assert line == "nonsense of any kind"
    assert node.requests == ["ping 1", "nonsense of any kind"]
    node.requests.clear()
    waiting = asyncio.create_task(node.wait_for_request("ping"))
    await client.ask("ping 2")
    assert await waiting == "ping 2"


async def test_canned_replies_are_for_whole_words(node, client):
    node.reply_raw("change s:text", b"what?\n")
    assert await client.ask('change s:text "a"') == "what?"
    assert node.value("s:text") == ""
    node.reply_raw("change s:te", b"never\n")
    assert await client.ask("change s:text") == "what?"
    node.reply_raw("change", b"last\n")
    assert await client.ask("change s:text") == "last"
    node.forget("change")
    assert await client.ask("change s:text") == "what?"
    node.forget("change s:text")
    assert (await client.ask('change s:text "a"')).startswith("changed s:text ")


async def test_canned_identity(node, client):
    node.reply_raw("*IDN?", b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert await client.ask("*IDN?") == "HTTP/1.1 400 Bad Request\r"


async def test_silence(node, client):
    node.reply_raw("ping", None)
    client.send("ping 1")
    assert (await client.ask("read cryo:value")).startswith("reply ")
    await client.silence()
    node.forget("ping")
    assert (await client.ask("ping 2")).startswith("pong 2 ")


async def test_delay(node, client):
    node.delay('change s:text "a"', 0.05)
    client.send('change s:text "a"')
    assert (await client.ask('change s:text "b"')).startswith("changed ")
    assert node.value("s:text") == "b"
    assert await client.line() == 'changed s:text ["a",{"t":5.0}]'
    node.delay("ping", 60)
    client.send("ping 1")
    await node.wait_for_request("ping")
    node.forget("ping")
    assert (await client.ask("ping 2")).startswith("pong 2 ")
