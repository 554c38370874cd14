"""A node that is not told otherwise does what the specification says."""

import json

import pytest

from secop_ophyd.protocol import parse_description

from .conftest import structure


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("fly me", ("error_fly", "me", "ProtocolError")),
        ("*idn?", ("error_*idn?", "", "ProtocolError")),
        ("read x:value", ("error_read", "x:value", "NoSuchModule")),
        ("read cryo:x", ("error_read", "cryo:x", "NoSuchParameter")),
        ("read cryo:stop", ("error_read", "cryo:stop", "NoSuchParameter")),
        ("read cryo", ("error_read", "cryo", "NoSuchParameter")),
        ("read", ("error_read", "", "NoSuchModule")),
        ("read s:fixed", ("error_read", "s:fixed", "NoSuchParameter")),
        ("change x:target 1", ("error_change", "x:target", "NoSuchModule")),
        ("change cryo:x 1", ("error_change", "cryo:x", "NoSuchParameter")),
        ("change cryo:value 1", ("error_change", "cryo:value", "ReadOnly")),
        ("change s:fixed 1", ("error_change", "s:fixed", "ReadOnly")),
        ("change cryo:target 1e9", ("error_change", "cryo:target", "RangeError")),
        ('change cryo:target "1"', ("error_change", "cryo:target", "WrongType")),
        ("change cryo:target {", ("error_change", "cryo:target", "BadJSON")),
        ("change cryo:target NaN", ("error_change", "cryo:target", "RangeError")),
        ("change cryo:target", ("error_change", "cryo:target", "WrongType")),
        ("change cryo:target null", ("error_change", "cryo:target", "WrongType")),
        ('change s:target "on"', ("error_change", "s:target", "WrongType")),
        ("change s:target 7", ("error_change", "s:target", "RangeError")),
        ("change s:scaled 1.5", ("error_change", "s:scaled", "WrongType")),
        ("change s:scaled 251", ("error_change", "s:scaled", "RangeError")),
        ('change s:text "long"', ("error_change", "s:text", "RangeError")),
        ('change s:pid {"i":1}', ("error_change", "s:pid", "WrongType")),
        ('change s:pid {"p":1,"d":1}', ("error_change", "s:pid", "WrongType")),
        ("do x:stop", ("error_do", "x:stop", "NoSuchModule")),
        ("do cryo:go", ("error_do", "cryo:go", "NoSuchCommand")),
        ("do cryo:value", ("error_do", "cryo:value", "NoSuchCommand")),
        ("do cryo:stop 1", ("error_do", "cryo:stop", "WrongType")),
        ("do s:sum", ("error_do", "s:sum", "WrongType")),
        ("do s:sum [1]", ("error_do", "s:sum", "WrongType")),
        ("do s:sum [1,2,3]", ("error_do", "s:sum", "WrongType")),
        ("check s:text 1", ("error_check", "s:text", "WrongType")),
        ('check s:text "a"', ("error_check", "s:text", "NotCheckable")),
        ("check s:reset", ("error_check", "s:reset", "NotCheckable")),
        ("activate x", ("error_activate", "x", "NoSuchModule")),
        ("activate cryo:value", ("error_activate", "cryo:value", "NoSuchModule")),
        ("deactivate x", ("error_deactivate", "x", "NoSuchModule")),
        ('logging x "off"', ("error_logging", "x", "NoSuchModule")),
        ('logging  "loud"', ("error_logging", "", "RangeError")),
    ],
)
async def test_wrong_requests(client, request_, error):
    assert await client.error(request_) == error
    assert await client.ask("ping 1") == 'pong 1 [null,{"t":5.0}]'


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("*IDN?", "ISSE&SINE2020,SECoP,V2019-09-16,v1.1"),
        ("*IDN?\r", "ISSE&SINE2020,SECoP,V2019-09-16,v1.1"),
        ("ping", 'pong  [null,{"t":5.0}]'),
        ("ping abc", 'pong abc [null,{"t":5.0}]'),
        ("read cryo:value", 'reply cryo:value [0.0,{"t":5.0}]'),
        ("read cryo:status", 'reply cryo:status [[100,""],{"t":5.0}]'),
        ("change s:scaled 15", 'changed s:scaled [15,{"t":5.0}]'),
        ('change s:pid {"p":1}', 'changed s:pid [{"p":1.0,"i":0.0},{"t":5.0}]'),
        ("change s:target 1", 'changed s:target [1,{"t":5.0}]'),
        ("do s:sum [1,2]", 'done s:sum [0.0,{"t":5.0}]'),
        ("do s:reset", 'done s:reset [null,{"t":5.0}]'),
        ("do s:reset null", 'done s:reset [null,{"t":5.0}]'),
        ('check s:pid {"p":2}', 'checked s:pid [{"p":2.0,"i":0.0},{}]'),
        ('logging cryo "debug"', 'logging cryo "debug"'),
        ("logging  false", 'logging  "off"'),
    ],
)
async def test_requests(client, request_, reply):
    assert await client.ask(request_) == reply


@pytest.mark.parametrize("request_", ["", "help"])
async def test_help(client, request_):
    client.send(request_)
    *lines, last = await client.until("helping")
    assert last == "helping"
    assert all(line.startswith("_ ") for line in lines)


@pytest.mark.parametrize("specifier", ["", " .", " cryo", " anything"])
async def test_describe(client, specifier):
    reply = await client.ask(f"describe{specifier}")
    assert reply.startswith("describing . {")
    assert json.loads(reply[13:]) == structure()


async def test_activate_all(client):
    client.send("activate")
    *updates, active = await client.until("active")
    assert active == "active"
    parameters = [
        p for p in parse_description(structure()).parameters() if p.name != "fixed"
    ]
    assert [u.split(" ")[:2] for u in updates] == [
        ["update", p.specifier] for p in parameters
    ]


async def test_activate_one_module(node, client):
    client.send("activate cryo")
    *updates, active = await client.until("active")
    assert active == "active cryo"
    assert len(updates) == 3
    node.set("s:text", "a")
    node.set("cryo:value", 1)
    assert await client.line() == 'update cryo:value [1.0,{"t":5.0}]'
    assert await client.ask("deactivate cryo") == "inactive cryo"
    node.set("cryo:value", 2)
    await client.silence()


@pytest.mark.parametrize("request_", ["deactivate", "*IDN?"])
async def test_no_updates_any_more(node, client, request_):
    client.send("activate")
    await client.until("active")
    await client.ask(request_)
    node.set("cryo:value", 1)
    await client.silence()


async def test_updates_come_before_the_reply_and_to_all(client, connect):
    other, asleep = await connect(), await connect()
    for c in (client, other):
        c.send("activate")
        await c.until("active")
    client.send('change s:text "a"')
    assert await client.line() == 'update s:text ["a",{"t":5.0}]'
    assert await client.line() == 'changed s:text ["a",{"t":5.0}]'
    assert await other.line() == 'update s:text ["a",{"t":5.0}]'
    assert await asleep.ask("ping 1") == 'pong 1 [null,{"t":5.0}]'


async def test_a_writable_takes_its_target_as_value(node, client):
    client.send("activate s")
    await client.until("active")
    client.send("change s:target 1")
    lines = await client.until("changed")
    assert [line.split(" ")[1] for line in lines] == ["s:value", "s:target", "s:target"]
    assert node.value("s:value") == node.value("s:target") == 1


async def test_partial_struct_keeps_the_rest(node, client):
    node.set("s:pid", {"p": 1, "i": 2})
    await client.ask('change s:pid {"p":3}')
    assert node.value("s:pid") == {"p": 3.0, "i": 2.0}
    await client.ask('change s:pid {"p":4,"i":5}')
    assert node.value("s:pid") == {"p": 4.0, "i": 5.0}


async def test_requests_in_one_packet_are_answered_in_order(client):
    client.writer.write(b"ping 1\nping 2\nread cryo:value\nping 3\n")
    lines = [(await client.line()).split(" ")[1] for _ in range(4)]
    assert lines == ["1", "2", "cryo:value", "3"]


async def test_request_in_pieces(client):
    client.writer.write(b"pi")
    await client.silence(0.01)
    client.writer.write(b"ng 1\n")
    assert await client.line() == 'pong 1 [null,{"t":5.0}]'


async def test_bytes_that_are_no_text(client):
    client.writer.write(b"\xff\xfe\x00\n")
    assert (await client.line()).startswith("error_")
    client.writer.write(b'change s:text "\xff"\n')
    assert (await client.line()).startswith("error_change s:text ")
