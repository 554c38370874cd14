"""Reads, changes, commands: what is sent, and what becomes of the answer."""

import asyncio
import math

import pytest

from secop_ophyd.client import SecopClient
from secop_ophyd.protocol import (
    BadJSON,
    ConnectionLost,
    HardwareError,
    InternalError,
    InvalidMessage,
    NodeError,
    NoSuchCommand,
    NoSuchModule,
    NoSuchParameter,
    NoValueYet,
    RangeError,
    ReadOnly,
    RequestTimeout,
    WrongType,
)
from secop_ophyd.testing import FakeNode

from .conftest import structure, until


async def test_read(node, client):
    node.set("cryo:value", 4.2, t=123.5, e=0.1)
    node.requests.clear()
    reading = await client.read("cryo", "value")
    assert (reading.value, reading.timestamp, reading.uncertainty) == (4.2, 123.5, 0.1)
    assert node.requests == ["read cryo:value"]
    assert client.parameter("cryo", "value").reading.value == 4.2


async def test_change(node, client):
    node.on_change("cryo:ramp", lambda value: round(value))
    reading = await client.change("cryo", "ramp", 4.6)
    assert reading.value == 5  # what the node made of it
    assert node.requests == ["change cryo:ramp 4.6"]
    assert client.parameter("cryo", "ramp").reading.value == 5


async def test_do(node, client):
    node.on_command("m:sum", sum)
    assert await client.do("m", "sum", (1, 2.5)) == 3.5
    assert await client.do("m", "reset") is None
    assert node.requests == ["do m:sum [1.0,2.5]", "do m:reset"]


@pytest.mark.parametrize("reply", [b"done m:reset\n", b"done m:reset [null]\r\n"])
async def test_done_without_data(node, client, reply):
    node.reply_raw("do m:reset", reply)
    assert await client.do("m", "reset") is None


async def test_done_without_the_result_that_was_described(node, client):
    node.reply_raw("do m:sum", b"done m:sum\n")
    with pytest.raises(NoValueYet, match="m:sum"):
        await client.do("m", "sum", (1, 2))


async def test_ping(node, client):
    pong = await client.ping()
    assert 0 < pong.round_trip < 1
    assert abs(pong.clock_offset) < 1
    node.reply_raw("ping", b"pong 2\n")
    assert (await client.ping()).clock_offset is None
    assert node.requests == ["ping 1", "ping 2"]  # a token is not used again


async def test_logging(node, client, caplog):
    await client.logging("debug")
    await client.logging("off", "cryo")
    assert node.requests == ['logging  "debug"', 'logging cryo "off"']
    node.send_line(b'log cryo:error "too \\u001b[1mhot"')
    node.send_line(b"log cryo:error {")
    node.send_line(b'log cryo:odd "what?"')
    with caplog.at_level("INFO"):
        await client.ping()
    told = {(r.levelname, r.getMessage().split("cryo: ")[-1]) for r in caplog.records}
    assert told == {("ERROR", "too \\x1b[1mhot"), ("INFO", "what?")}


async def test_every_message_is_logged_on_demand(node, client, caplog):
    await client.ping()
    assert caplog.text == ""
    caplog.set_level("DEBUG", "secop_ophyd.client")
    await client.ping()
    assert "> ping 2" in caplog.text
    assert "< pong 2 [null," in caplog.text


# What is refused before it is sent


@pytest.mark.parametrize(
    "request_, error, said",
    [
        (("read", "cyro", "value"), NoSuchModule, "'cyro', did you mean 'cryo'"),
        (("read", "zzzz", "value"), NoSuchModule, "there are cryo, motor, m"),
        (("read", "cryo", "vlaue"), NoSuchParameter, "did you mean 'value'"),
        (("read", "cryo", "stop"), NoSuchParameter, "cryo has no parameter 'stop'"),
        (("change", "cryo", "q", 1), NoSuchParameter, "there are value, status"),
        (("do", "cryo", "stopp"), NoSuchCommand, "did you mean 'stop'"),
        (("do", "cryo", "value"), NoSuchCommand, "has no command 'value'"),
        (("do", "x", "stop"), NoSuchModule, "no module 'x'"),
        (("change", "cryo", "value", 5), ReadOnly, "cryo:value is readonly"),
        (("change", "m", "fixed", 5), ReadOnly, "m:fixed is readonly"),
        (("change", "cryo", "ramp", 1001), RangeError, "cryo:ramp: .*1000"),
        (("change", "cryo", "ramp", math.nan), RangeError, "cryo:ramp: "),
        (("change", "cryo", "ramp", "5"), WrongType, "cryo:ramp: .*'5'"),
        (("change", "cryo", "ramp", None), WrongType, "cryo:ramp: "),
        (("change", "m", "text", "long"), RangeError, "m:text: .*3"),
        (("do", "m", "sum"), WrongType, "m:sum: "),
        (("do", "m", "sum", (1,)), WrongType, "m:sum: "),
        (("do", "m", "sum", (1, "x")), WrongType, "m:sum: "),
        (("do", "m", "reset", 1), WrongType, "m:reset takes no argument, got 1"),
    ],
)
async def test_never_sent(node, client, request_, error, said):
    action, *args = request_
    with pytest.raises(error, match=said) as caught:
        await getattr(client, action)(*args)
    assert str(client.address) in str(caught.value)
    assert caught.value.report is None  # we say so, not the node
    await client.ping()
    assert node.requests == ["ping 1"]


async def test_constant_is_not_asked_for(node, client):
    assert (await client.read("m", "fixed")).value == 2.5
    assert (await client.get("m", "fixed")).value == 2.5
    assert node.requests == []


async def test_without_connection():
    client = SecopClient("localhost:1")
    with pytest.raises(NoSuchModule):
        await client.read("m", "value")
    with pytest.raises(ConnectionLost, match="'ping 1' .disconnected."):
        await client.ping()


# What the node refuses


@pytest.mark.parametrize(
    "reply, error, said",
    [
        (b'error_change cryo:ramp ["HardwareError","broken",{}]', HardwareError, None),
        (
            b'error_change cryo:ramp ["RangeError:TooBig","8 is too big",{"x":1},0]',
            RangeError,
            "RangeError:TooBig: 8 is too big",
        ),
        (b'error_change cryo:ramp ["Odd","hm"]', NodeError, "Odd: hm"),
        (b'error_change cryo:ramp ["RangeError"]', RangeError, "RangeError"),
        (b'error_change cryo:ramp ["RangeError",null,null]', RangeError, "RangeError"),
        (b'error_change cryo:ramp ["RangeError",{"a":1}]', RangeError, "{'a': 1}"),
        (b"error_change cryo:ramp {}", InternalError, "InternalError"),
        (b"error_change cryo:ramp []", InternalError, "InternalError"),
        (b"error_change cryo:ramp", InternalError, "InternalError"),
        (b'error_change cryo:ramp "RangeError"', RangeError, "RangeError"),
        (b"error_change cryo:ramp 5", NodeError, "5"),
        (b"error_change cryo:ramp [", BadJSON, "not JSON"),
        (b'error_change  ["RangeError","empty"]', RangeError, "empty"),
        (b'error_change cryo ["RangeError","short"]', RangeError, "short"),
        (b'error_change CRYO:RAMP ["RangeError","wrong"]', RangeError, "wrong"),
        (b'error  ["RangeError","bare"]', RangeError, "bare"),
        (b'error change ["RangeError","legacy"]', RangeError, "legacy"),
        (b'error cryo:ramp ["RangeError","legacy"]', RangeError, "legacy"),
    ],
)
async def test_error_replies(node, client, reply, error, said):
    node.reply_raw("change cryo:ramp", reply + b"\n")
    with pytest.raises(error) as caught:
        await client.change("cryo", "ramp", 8, timeout=5)
    assert str(caught.value).startswith(f"{client.address} change cryo:ramp: ")
    assert (said or "HardwareError: broken") in str(caught.value)
    # A refused change says nothing about the value
    assert client.parameter("cryo", "ramp").reading.value == 0


async def test_report_of_the_node_is_kept(node, client):
    reply = b'error_change cryo:ramp ["RangeError:A","no",{"closest_valid":5,"t":1}]\n'
    node.reply_raw("change cryo:ramp", reply)
    with pytest.raises(RangeError) as caught:
        await client.change("cryo", "ramp", 8)
    report = caught.value.report
    assert (report.error_class, report.subclass, report.text) == (
        "RangeError",
        "A",
        "no",
    )
    assert report.info == {"closest_valid": 5, "t": 1}


async def test_an_error_of_a_read_is_the_state_then(node, client):
    node.set_error("m:value", "HardwareError", "no sensor", info={"t": 77.0})
    with pytest.raises(HardwareError, match="read m:value: HardwareError: no sensor"):
        await client.read("m", "value")
    reading = client.parameter("m", "value").reading
    assert isinstance(reading.error, HardwareError)
    assert reading.timestamp == 77


@pytest.mark.parametrize("action", [b"error_read", b"error"])
async def test_error_that_could_be_about_two_requests(node, client, caplog, action):
    node.reply_raw("read", None)
    reads = [
        asyncio.create_task(client.read("cryo", name)) for name in ("value", "target")
    ]
    await node.wait_for_request("read cryo:target")
    node.send_line(action + b'  ["InternalError","which?"]')
    await client.ping()
    assert "belongs to no request" in caplog.text
    assert not any(task.done() for task in reads)
    node.send_line(b"reply cryo:value [1,{}]")
    node.send_line(b"reply cryo:target [2,{}]")
    assert [r.value for r in await asyncio.gather(*reads)] == [1, 2]


async def test_error_of_another_action_is_not_about_the_request(node, client, caplog):
    node.reply_raw("change", None)
    change = asyncio.create_task(client.change("cryo", "ramp", 1))
    await node.wait_for_request("change")
    node.send_line(b'error_read foo:bar ["NoSuchModule","no module foo"]')
    await until(lambda: "belongs to no request" in caplog.text)
    node.send_line(b"changed cryo:ramp [1,{}]")
    assert (await change).value == 1


async def test_late_error_of_a_read_is_not_about_another_one(node, client):
    node.reply_raw("read", None)
    with pytest.raises(RequestTimeout):
        await client.read("cryo", "value", timeout=0.02)
    other = asyncio.create_task(client.read("m", "value"))
    await node.wait_for_request("read m:value")
    node.send_line(b'error_read cryo:value ["HardwareError","late"]')
    node.send_line(b"reply m:value [5,{}]")
    assert (await other).value == 5
    assert isinstance(client.parameter("cryo", "value").reading.error, HardwareError)


# What is no answer


@pytest.mark.parametrize(
    "data, error",
    [
        (b'["text",{}]', WrongType),
        (b"[null,{}]", NoValueYet),
        (b"[]", InvalidMessage),
        (b"", NoValueYet),
        (b"[5,[]]", InvalidMessage),
        (b"[5", BadJSON),
        (b"[1e400,{}]", BadJSON),
    ],
)
@pytest.mark.parametrize("action", ["read", "change"])
async def test_reply_with_no_value_completes_the_request(
    node, client, action, data, error
):
    reply = {"read": b"reply", "change": b"changed"}[action]
    node.reply_raw(action, reply + b" cryo:ramp " + data + b"\n")
    args = [5] if action == "change" else []
    async with asyncio.timeout(2):
        with pytest.raises(error, match="cryo:ramp: "):
            await getattr(client, action)("cryo", "ramp", *args)
    assert client.connected
    node.forget(action)
    assert (await client.change("cryo", "ramp", 6)).value == 6


@pytest.mark.parametrize("data, error", [(b'["x"]', WrongType), (b"[{", BadJSON)])
async def test_result_of_another_type(node, client, data, error):
    node.reply_raw("do", b"done m:sum " + data + b"\n")
    with pytest.raises(error, match="m:sum: "):
        await client.do("m", "sum", (1, 2))


async def test_value_outside_its_limits_is_data(node, client):
    node.set_json("cryo:value", 5000)
    assert (await client.read("cryo", "value")).value == 5000


async def test_default_time_out_is_of_the_node(connect):
    report = structure()
    report["timeout"] = 0.1
    async with FakeNode(report) as node:
        client = await connect(node)
        assert client.timeout == 0.1
        node.reply_raw("read", None)
        with pytest.raises(RequestTimeout, match="'read m:value' within 0.1 s"):
            await client.read("m", "value")
        impatient = await connect(node, timeout=0.05)
        with pytest.raises(RequestTimeout, match="within 0.05 s"):
            await impatient.read("m", "value")


async def test_default_time_out_without_any_word(client):
    assert client.timeout == 10


@pytest.mark.parametrize(
    "request_",
    [("read", "m", "value"), ("change", "cryo", "ramp", 1), ("do", "m", "reset")],
)
async def test_time_out_of_a_call(node, client, request_):
    node.reply_raw(request_[0], None)
    with pytest.raises(RequestTimeout, match="within 0.03 s"):
        await getattr(client, request_[0])(*request_[1:], timeout=0.03)
    assert not isinstance(RequestTimeout(), TimeoutError)


async def test_call_without_time_out(node, connect):
    client = await connect(timeout=0.05)
    node.delay("read", 0.15)
    assert (await client.read("m", "value", timeout=math.inf)).value == 0
