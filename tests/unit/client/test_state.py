"""What is known of a parameter, and who is told."""

import asyncio
import traceback

import pytest

from secop_ophyd.client import Parameter, SecopClient
from secop_ophyd.protocol import (
    BadJSON,
    ConnectionLost,
    HardwareError,
    InternalError,
    InvalidMessage,
    NodeError,
    NoValueYet,
    RangeError,
    SecopError,
    WrongType,
)

from .conftest import Listener, serving, until


@pytest.fixture
def value(client) -> Parameter:
    return client.parameter("m", "value")


async def sent(node, client, *lines: bytes) -> None:
    """Send lines and wait until the client has them."""
    for line in lines:
        node.send_line(line)
    await client.ping()


async def test_values_of_the_start(node):
    node.set("m:value", 5, t=100.0, e=0.5)
    node.set_error("cryo:value", "HardwareError", "burnt", info={"t": 50})
    async with SecopClient(node.uri) as client:
        reading = client.parameter("m", "value").reading
        assert (reading.value, reading.timestamp, reading.uncertainty) == (5, 100, 0.5)
        reading = client.parameter("cryo", "value").reading
        assert reading.timestamp == 50
        with pytest.raises(HardwareError, match="cryo:value: HardwareError: burnt"):
            _ = reading.value
        assert client.parameter("m", "fixed").reading.value == 2.5


async def test_every_update_in_order(node, client, value):
    listener = Listener()
    value.subscribe(listener)
    for number in range(500):
        node.set("m:value", number, t=number + 0.5, e=number / 10)
    await listener.wait_for(499)
    assert listener.values == list(range(500))
    assert [r.timestamp for r in listener.readings] == [n + 0.5 for n in range(500)]
    assert listener.readings[42].uncertainty == 4.2


@pytest.fixture
def decoded(value, monkeypatch) -> list[int]:
    """Return a list that gets all values that are decoded."""
    decoded: list[int] = []
    info = type(value.description.datainfo)
    from_json = info.from_json
    monkeypatch.setattr(
        info, "from_json", lambda self, x: decoded.append(x) or from_json(self, x)
    )
    return decoded


@pytest.mark.parametrize("listening", [False, True])
async def test_the_same_twice_is_decoded_once(node, client, value, decoded, listening):
    """frappy sends an update before each reply, of the same reading."""
    listener = Listener()
    if listening:
        value.subscribe(listener)
    line = b'm:value [5,{"t":12.5}]'
    node.reply_raw("read", b"update " + line + b"\nreply " + line + b"\n")
    reading = await client.read("m", "value")
    assert (reading.value, reading.timestamp) == (5, 12.5)
    assert value.reading.value == 5
    assert decoded.count(5) == 1
    assert listener.values == ([5] if listening else [])


async def test_without_a_time_the_same_is_new(node, client, value):
    listener = Listener()
    value.subscribe(listener)
    node.reply_raw("read", b"update m:value [5]\nreply m:value [5]\n")
    assert (await client.read("m", "value")).value == 5
    assert listener.values == [5, 5]


async def test_what_nobody_looks_at_is_not_decoded(node, client, value, decoded):
    for number in range(10):
        node.set("m:value", number)
    await client.ping()
    assert decoded == []
    assert value.reading is value.reading
    assert value.reading.value == 9
    assert decoded == [9]


@pytest.mark.parametrize(
    "data, timestamp, uncertainty",
    [
        (b'[5,{"t":12.5,"e":0.1}]', 12.5, 0.1),
        (b'[5,{"t":12,"zz":1},"more"]', 12.0, None),
        (b'[5,{"t":99999999999}]', 99999999999.0, None),  # the node's own time
        (b"[5,{}]", None, None),
        (b"[5,null]", None, None),
        (b"[5]", None, None),
        (b"5", None, None),
        (b'[5,{"t":null,"e":null}]', None, None),
        (b'[5,{"t":"now","e":"some"}]', None, None),
        (b'[5,{"t":true}]', None, None),
        (b" [ 5.0 , { } ] \r", None, None),
    ],
)
async def test_qualifiers(node, client, value, data, timestamp, uncertainty):
    before = value.reading.timestamp
    await sent(node, client, b"update m:value " + data)
    reading = value.reading
    assert reading.value == 5
    assert reading.uncertainty == uncertainty
    if timestamp is None:  # that of the arrival
        assert before <= reading.timestamp < before + 10
    else:
        assert reading.timestamp == timestamp


@pytest.mark.parametrize(
    "data, error",
    [
        (b"[null,{}]", NoValueYet),
        (b"", NoValueYet),
        (b'["x",{}]', WrongType),
        (b"[[1],{}]", WrongType),
        (b"[1.5,{}]", WrongType),
        (b"[]", InvalidMessage),
        (b"[1,2]", InvalidMessage),
        (b"[1,{}", BadJSON),
        (b"[NaN,{}]", WrongType),  # it is an integer
        (b"[1e400,{}]", BadJSON),
        (b"[" * 100_000, BadJSON),
        (b"\xff\xfe", BadJSON),
    ],
)
@pytest.mark.parametrize("listening", [False, True])
async def test_update_without_a_value(node, client, value, data, error, listening):
    listener = Listener()
    if listening:
        value.subscribe(listener)
    await sent(node, client, b"update m:value [1,{}]", b"update m:value " + data)
    with pytest.raises(error, match="m:value: "):
        _ = value.reading.value
    assert listener.values == ([1, error] if listening else [])
    assert client.connected
    await sent(node, client, b"update m:value [2,{}]")
    assert value.reading.value == 2


@pytest.mark.parametrize(
    "data, error, said",
    [
        (b'["HardwareError","burnt",{"t":7}]', HardwareError, "HardwareError: burnt"),
        (b'["RangeError:Sub","x"]', RangeError, "RangeError:Sub: x"),
        (b'["Whatever","x"]', NodeError, "Whatever: x"),
        (b'["HardwareError"]', HardwareError, "HardwareError"),
        (b"", InternalError, "InternalError"),
        (b"{}", InternalError, "InternalError"),
        (b"[", BadJSON, "not JSON"),
        (b'["HardwareError","",{"t":"x"}]', HardwareError, "HardwareError"),
        (b'["HardwareError","",{"t":true}]', HardwareError, "HardwareError"),
        (b'["HardwareError","",{"t":1e400}]', SecopError, ""),
        (b'["HardwareError","",{"t":1' + b"0" * 400 + b"}]", HardwareError, ""),
    ],
)
async def test_error_update(node, client, value, data, error, said):
    before = value.reading.timestamp
    listener = Listener()
    value.subscribe(listener)
    await sent(node, client, b"error_update m:value " + data)
    with pytest.raises(error, match="m:value: ") as caught:
        _ = value.reading.value
    assert said in str(caught.value)
    assert len(listener.readings) == 1
    timestamp = value.reading.timestamp
    assert timestamp == 7 if b'"t":7' in data else before <= timestamp < before + 10
    assert client.connected


async def test_error_is_raised_alike_each_time(node, client, value):
    node.set_error("m:value", "HardwareError", "burnt")
    await client.ping()
    reading = value.reading
    texts, depths = set(), set()
    for _ in range(5):
        with pytest.raises(HardwareError) as caught:
            _ = reading.value
        texts.add(str(caught.value))
        depths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert texts == {f"{client.address} m:value: HardwareError: burnt"}
    assert len(depths) == 1
    assert "burnt" in repr(reading)


async def test_a_broken_sensor_is_logged_once(node, client, value, caplog):
    caplog.set_level("INFO")
    value.subscribe(Listener())
    for text in ("burnt", "burnt", "still burnt"):
        node.set_error("m:value", "HardwareError", text)
    node.set("m:value", 1)
    node.set("m:value", 2)
    node.set_json("m:value", None)  # this is none
    await client.ping()
    levels = [r.levelname for r in caplog.records if "m:value" in r.getMessage()]
    assert levels == ["WARNING", "INFO"]


@pytest.mark.parametrize(
    "line",
    [
        b"update x:value [1,{}]",
        b"update m:nothing [1,{}]",
        b"update m [1,{}]",
        b"update",
        b"update m:sum [1,{}]",
        b'error_update x:value ["InternalError"]',
        b"reply x:y [1,{}]",
        b"changed x:y [1,{}]",
        b"_custom m:value [1,{}]",
        b"future m:value [1,{}]",
        b"pong 77 [null,{}]",
        b"active",
        b"inactive m",
        b"describing . {}",
        b'logging m "off"',
        b'_ 1 "Try one of the following:"',
        b"helping",
        b"log",
        b"log m:info",
        b"error_closed_not",
        b"",
        b"   ",
        b"\x00\xff\x1b",
        b"ISSE,SECoP,,v2.0",
    ],
)
async def test_ignored(node, client, value, line):
    listener = Listener()
    value.subscribe(listener)
    await sent(node, client, line, line)
    assert listener.values == []
    assert client.connected
    assert list(client.description.modules) == ["cryo", "motor", "m"]
    await sent(node, client, b"update m:value [3,{}]")
    assert listener.values == [3]


async def test_further_parts_of_a_specifier(node, client, value):
    await sent(node, client, b"update m:value:more [4,{}]")
    assert value.reading.value == 4


async def test_updates_in_pieces(node, client, value):
    listener = Listener()
    value.subscribe(listener)
    for byte in b"update m:value [4,{}]\r\nupdate m:value [5,{}]\n":
        node.send_raw(bytes([byte]))
        await asyncio.sleep(0)
    await listener.wait_for(5)
    assert listener.values == [4, 5]


# Listeners


async def test_a_listener_that_fails_stops_nobody(node, client, value, caplog):
    def broken(reading):
        raise RuntimeError("my own fault")

    listener = Listener()
    value.subscribe(broken)
    value.subscribe(listener)
    node.set("m:value", 1)
    node.set_error("m:value", "HardwareError")
    node.set("m:value", 2)
    assert (await client.read("m", "value")).value == 2
    assert listener.values == [1, HardwareError, 2, 2]
    assert caplog.text.count("m:value: a listener failed") == 4
    assert client.connected


async def test_a_listener_that_takes_the_value_of_an_error(node, client, value, caplog):
    listener = Listener()
    value.subscribe(lambda reading: reading.value)
    value.subscribe(listener)
    node.set_error("m:value", "HardwareError", "burnt")
    await listener.wait_for(HardwareError)
    assert "a listener failed" in caplog.text


async def test_unsubscribe(node, client, value):
    listener = Listener()
    unsubscribe = value.subscribe(listener)
    node.set("m:value", 1)
    await client.ping()
    unsubscribe()
    unsubscribe()
    node.set("m:value", 2)
    await client.ping()
    assert listener.values == [1]
    assert value.listeners == 0
    assert value.reading.value == 2


async def test_one_listener_twice(node, client, value):
    listener = Listener()
    first = value.subscribe(listener)
    value.subscribe(listener)
    assert value.listeners == 2
    first()
    node.set("m:value", 1)
    await client.ping()
    assert listener.values == [1]


async def test_unsubscribe_in_a_callback(node, client, value):
    once, other, last = Listener(), Listener(), Listener()

    def callback(reading):
        once(reading)
        unsubscribe_self()
        unsubscribe_other()

    unsubscribe_self = value.subscribe(callback)
    unsubscribe_other = value.subscribe(other)
    value.subscribe(last)
    for number in (1, 2):
        node.set("m:value", number)
    await last.wait_for(2)
    assert once.values == [1]
    assert other.values == []
    assert last.values == [1, 2]
    assert value.listeners == 1


async def test_subscribe_in_a_callback(node, client, value):
    late = Listener()
    unsubscribe = value.subscribe(lambda r: late.readings or value.subscribe(late))
    node.set("m:value", 1)
    await until(lambda: value.listeners == 2)
    unsubscribe()
    node.set("m:value", 2)
    await late.wait_for(2)
    assert late.values == [2]


async def test_request_from_a_listener(node, client, value):
    tasks: list[asyncio.Task] = []
    value.subscribe(
        lambda r: tasks.append(asyncio.create_task(client.change("cryo", "ramp", 3)))
    )
    node.set("m:value", 1)
    await until(lambda: tasks != [])
    assert (await tasks[0]).value == 3


async def test_abort_in_a_listener(node, client, value):
    listener = Listener()
    value.subscribe(lambda r: client.abort())
    value.subscribe(listener)
    node.send_raw(b"update m:value [1,{}]\nupdate m:value [2,{}]\n")
    await listener.wait_for(ConnectionLost)
    assert listener.values == [1, ConnectionLost]


# The end of the connection


async def test_nothing_old_after_a_loss(node, client):
    node.set("m:value", 5)
    await client.ping()
    node.set("m:value", 6)  # and this is not decoded yet
    listener = Listener()
    client.parameter("cryo", "value").subscribe(listener)
    node.stop_listening()
    await node.drop_connections()
    lost = await listener.wait_for(ConnectionLost)
    for specifier in node.description.parameters():
        if specifier.name == "fixed":  # a constant stays what it is
            continue
        parameter = client.parameter(specifier.module, specifier.name)
        with pytest.raises(ConnectionLost, match="the connection was lost"):
            _ = parameter.reading.value
        assert parameter.reading.timestamp == lost.timestamp
        with pytest.raises(ConnectionLost, match="no connection for 'read"):
            await client.read(specifier.module, specifier.name)
        with pytest.raises(ConnectionLost):
            _ = (await client.get(specifier.module, specifier.name)).value
    assert (await client.get("m", "fixed")).value == 2.5
    await client.close()
    assert listener.values == [ConnectionLost]


async def test_nothing_old_after_close(client):
    parameter = client.parameter("m", "value")
    assert parameter.reading.value == 0
    await client.close()
    with pytest.raises(ConnectionLost, match="disconnected"):
        _ = parameter.reading.value


async def test_nothing_of_an_attempt_that_failed():
    description = (
        b'describing . {"modules":{"m":{"accessibles":{"value":{"datainfo":'
        b'{"type":"int"}}}}}}\n'
    )

    async def talk(reader, writer):
        await reader.readline()
        writer.write(b"ISSE,SECoP,,v2.0\n")
        await reader.readline()
        writer.write(description)
        await reader.readline()
        writer.write(b"update m:value [1,{}]\n")
        await writer.drain()

    async with serving(talk) as uri:
        client = SecopClient(uri)
        with pytest.raises(ConnectionError):
            await client.connect()
    with pytest.raises(ConnectionLost):
        _ = client.parameter("m", "value").reading.value


async def test_an_answer_that_repeats_an_update_is_told_once(node, client):
    told = []
    client.parameter("cryo", "ramp").subscribe(lambda r: told.append(r.value))
    await client.change("cryo", "ramp", 5.0)  # update, then changed
    await client.change("cryo", "ramp", 5.0)  # at another time
    assert told == [5.0, 5.0]


async def test_an_answer_without_time_is_news(node, client):
    parameter = client.parameter("cryo", "ramp")
    told = []
    parameter.subscribe(lambda r: told.append(r.value))
    node.set_json("cryo:ramp", 5.0, {})
    assert (await client.read("cryo", "ramp")).value == 5.0
    assert told == [5.0, 5.0]


@pytest.mark.parametrize("line", [b"update m:value [5,", b"update m:value []"])
async def test_what_could_not_be_read_is_asked_for(node, client, value, line):
    """The node may not tell it again, as it has not changed."""
    node.set("m:value", 5)
    await sent(node, client, line)
    assert isinstance(value.reading.error, SecopError)
    node.requests.clear()
    assert (await client.get("m", "value")).value == 5
    assert (await client.get("m", "value")).value == 5
    assert node.requests == ["read m:value"]


async def test_an_error_of_the_node_is_not_asked_for(node, client, value):
    node.set_error("m:value", "BadJSON", "between me and the hardware")
    await sent(node, client)
    node.requests.clear()
    assert isinstance((await client.get("m", "value")).error, BadJSON)
    assert node.requests == []
