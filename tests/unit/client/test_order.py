"""Which reply belongs to which request, and what is on the wire at a time.

Values prove that no reply is given to the wrong request.
"""

import asyncio
import logging

import pytest

from secop_ophyd.client import Connection
from secop_ophyd.client._connection import MOST_JOINED
from secop_ophyd.protocol import ConnectionLost, HardwareError, RequestTimeout

from .conftest import until


class Wire:
    """The node, as far as it keeps silent and the test answers for it."""

    def __init__(self, node, *silent: str):
        self.node = node
        for prefix in silent:
            node.reply_raw(prefix, None)

    def count(self, prefix: str) -> int:
        return sum(x.startswith(prefix) for x in self.node.requests)

    async def requests(self, count: int, prefix: str = "") -> None:
        """Wait until there are so many requests."""
        await until(lambda: self.count(prefix) >= count)
        assert self.count(prefix) == count

    def send(self, line: str) -> None:
        self.node.send_line(line.encode())


async def settled(client) -> None:
    """Wait until the client has sent and received all there is."""
    await client.ping(timeout=5)


def spawn(*coroutines) -> list[asyncio.Task]:
    return [asyncio.create_task(c) for c in coroutines]


async def cancel(task) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Reads


async def test_replies_in_another_order(node, client):
    names = ["value", "target", "ramp"]
    wire = Wire(node, "read")
    reads = spawn(*(client.read("cryo", name) for name in names))
    await wire.requests(3)
    for name, value in zip(reversed(names), (30, 20, 10), strict=True):
        wire.send(f"reply cryo:{name} [{value},{{}}]")
    assert [(await r).value for r in reads] == [10, 20, 30]


async def test_all_on_their_way_at_once(node, client):
    node.delay("read", 0.2)
    names = ("value", "target", "ramp")
    async with asyncio.timeout(0.5):  # and not 6 * 0.2
        await asyncio.gather(
            *(client.read(m, n) for m in ("cryo", "motor") for n in names)
        )


async def test_many_reads_of_one_parameter(node, client):
    numbers = iter(range(1, 301))
    node.on_read("m:value", lambda: next(numbers))
    readings = await asyncio.gather(*(client.read("m", "value") for _ in range(300)))
    assert [r.value for r in readings] == list(range(1, 301))
    assert len(node.requests) == 300


async def test_update_between_request_and_reply(node, client):
    wire = Wire(node, "read")
    (read,) = spawn(client.read("m", "value"))
    await wire.requests(1)
    wire.send("update m:value [1,{}]")
    wire.send('error_update m:value ["HardwareError"]')
    await settled(client)
    assert not read.done()
    wire.send("reply m:value [2,{}]")
    assert (await read).value == 2


async def test_reply_that_nobody_asked_for_is_an_update(node, client):
    node.send_line(b"reply m:value [7,{}]")
    node.send_line(b"changed cryo:ramp [8,{}]")
    node.send_line(b"done m:reset")
    await settled(client)
    assert client.parameter("m", "value").reading.value == 7
    assert client.parameter("cryo", "ramp").reading.value == 8
    assert (await client.read("m", "value")).value == 0


async def test_cancelled_read_keeps_its_place(node, client):
    wire = Wire(node, "read")
    first, second = spawn(client.read("m", "value"), client.read("m", "value"))
    await wire.requests(2)
    await cancel(first)
    wire.send("reply m:value [1,{}]")
    await settled(client)
    assert not second.done()
    wire.send("reply m:value [2,{}]")
    assert (await second).value == 2


async def test_error_for_a_cancelled_read_keeps_its_place(node, client):
    wire = Wire(node, "read")
    first, second = spawn(client.read("m", "value"), client.read("m", "value"))
    await wire.requests(2)
    await cancel(first)
    wire.send('error_read m:value ["HardwareError","once"]')
    await settled(client)
    assert not second.done()
    wire.send("reply m:value [2,{}]")
    assert (await second).value == 2


async def test_read_that_was_too_late_does_not_shift(node, client):
    wire = Wire(node, "read")
    with pytest.raises(RequestTimeout):
        await client.read("m", "value", timeout=0.02)
    wire.send("reply m:value [1,{}]")  # now it comes
    await settled(client)
    assert client.parameter("m", "value").reading.value == 1
    (read,) = spawn(client.read("m", "value"))
    await wire.requests(2, "read")
    wire.send("reply m:value [2,{}]")
    assert (await read).value == 2


async def test_lost_reply_does_not_shift(node, connect):
    client = await connect(timeout=0.2)
    wire = Wire(node, "read")
    with pytest.raises(RequestTimeout):
        await client.read("m", "value")
    node.forget("read")  # and it never comes
    for value in (3, 4):
        node.set("m:value", value)
        assert (await client.read("m", "value", timeout=1)).value == value
    assert wire.count("read") == 3


async def test_each_late_reply_goes_to_its_own_read(node, client):
    wire = Wire(node, "read")
    for _ in range(3):
        with pytest.raises(RequestTimeout, match="within 0.02 s$"):
            await client.read("m", "value", timeout=0.02)
        second, third = spawn(client.read("m", "value"), client.read("m", "value"))
        await settled(client)
        assert wire.count("read") == 1  # or a lost reply could never be told
        wire.send("reply m:value [1,{}]")
        await wire.requests(3, "read")
        assert not second.done()
        assert client.parameter("m", "value").reading.value == 1
        wire.send("reply m:value [2,{}]")
        wire.send("reply m:value [3,{}]")
        assert [(await second).value, (await third).value] == [2, 3]
        node.requests.clear()


async def test_late_error_is_not_about_the_next_read(node, client):
    wire = Wire(node, "read")
    with pytest.raises(RequestTimeout):
        await client.read("m", "value", timeout=0.02)
    (second,) = spawn(client.read("m", "value"))
    wire.send('error_read m:value ["HardwareError","late"]')
    await wire.requests(2, "read")
    assert isinstance(client.parameter("m", "value").reading.error, HardwareError)
    wire.send("reply m:value [2,{}]")
    assert (await second).value == 2


async def test_slow_node_never_answers_with_what_was_before(node, connect):
    client = await connect(timeout=0.2)
    answers = iter(range(100))
    node.on_read("m:value", lambda: next(answers))
    node.delay("read", 0.3)
    for late in (0, 2):
        with pytest.raises(RequestTimeout, match="within 0.2 s$"):
            await client.read("m", "value")
        assert (await client.read("m", "value", timeout=2)).value == late + 1


async def test_read_that_waits_for_a_late_one(node, client):
    wire = Wire(node, "read m:value")
    with pytest.raises(RequestTimeout):
        await client.read("m", "value", timeout=0.02)
    with pytest.raises(
        RequestTimeout,
        match="never sent, since 'read m:value' has been unanswered for \\d\\.\\d s$",
    ):
        await client.read("m", "value", timeout=0.02)
    (third,) = spawn(client.read("m", "value"))
    assert (await client.read("cryo", "ramp")).value == 0  # others go on
    await cancel(third)
    wire.send("reply m:value [1,{}]")
    await settled(client)
    assert wire.count("read m:value") == 1
    node.forget("read m:value")
    assert (await client.read("m", "value")).value == 0


async def test_loss_while_a_read_waits_for_a_late_one(node, client):
    Wire(node, "read")
    with pytest.raises(RequestTimeout):
        await client.read("m", "value", timeout=0.02)
    (second,) = spawn(client.read("m", "value"))
    await settled(client)
    await client.close()
    with pytest.raises(ConnectionLost, match="never sent"):
        await second
    await client.connect()
    node.forget("read")
    assert (await client.read("m", "value", timeout=1)).value == 0


async def test_very_late_error_is_not_about_another_read(node, connect, caplog):
    client = await connect(timeout=0.2)
    wire = Wire(node, "read")
    with pytest.raises(RequestTimeout):
        await client.read("m", "value", timeout=0.02)
    await asyncio.sleep(0.25)
    (other,) = spawn(client.read("m", "text", timeout=5))
    await wire.requests(2, "read")
    wire.send('error_read m:value ["HardwareError","late"]')
    wire.send('reply m:text ["a",{}]')
    assert (await other).value == "a"


# The window


@pytest.mark.parametrize("window, requests", [(1, 5), (64, 150)])
async def test_window(node, connect, window, requests):
    client = await connect(window=window)
    wire = Wire(node, "read")
    reads = spawn(*(client.read("m", "value") for _ in range(requests)))
    for answered in range(requests):
        on_wire = min(window, requests - answered)
        await wire.requests(answered + on_wire)
        if answered % 20 == 0:
            await asyncio.sleep(0.01)  # would bring more, if there were more
        assert len(node.requests) == answered + on_wire
        wire.send(f"reply m:value [{answered},{{}}]")
    assert [(await r).value for r in reads] == list(range(requests))


async def test_cancelled_before_it_was_sent_is_never_sent(node, connect):
    client = await connect(window=1)
    wire = Wire(node, "read")
    first, second, third = spawn(
        client.read("cryo", "value"),
        client.read("cryo", "target"),
        client.read("cryo", "ramp"),
    )
    await wire.requests(1)
    await cancel(second)
    wire.send("reply cryo:value [1,{}]")
    await wire.requests(2)
    wire.send("reply cryo:ramp [3,{}]")
    assert [(await first).value, (await third).value] == [1, 3]
    await settled(client)
    assert node.requests == ["read cryo:value", "read cryo:ramp", "ping 1"]


async def test_too_late_before_it_was_sent_is_never_sent(node, connect):
    client = await connect(window=1)
    wire = Wire(node, "read")
    (first,) = spawn(client.read("cryo", "value"))
    await wire.requests(1)
    with pytest.raises(RequestTimeout, match="never sent, since 1 others"):
        await client.read("cryo", "target", timeout=0.02)
    wire.send("reply cryo:value [1,{}]")
    await first
    await settled(client)
    assert wire.count("read") == 1


async def test_cancelled_request_fills_the_window_until_it_is_answered(node, connect):
    client = await connect(window=1)
    wire = Wire(node, "read")
    first, second = spawn(client.read("cryo", "value"), client.read("cryo", "ramp"))
    await wire.requests(1)
    await cancel(first)
    await asyncio.sleep(0.02)
    assert len(node.requests) == 1
    wire.send("reply cryo:value [1,{}]")
    await wire.requests(2)
    wire.send("reply cryo:ramp [2,{}]")
    assert (await second).value == 2


async def test_requests_that_were_too_late_do_not_fill_the_window(node, connect):
    client = await connect(window=2)
    wire = Wire(node, "read cryo:value")
    late = spawn(*(client.read("cryo", "value", timeout=0.05) for _ in range(2)))
    await wire.requests(2)
    assert (await client.read("m", "value", timeout=1)).value == 0
    for task in late:
        with pytest.raises(RequestTimeout):
            await task
    # A late reply must not make room twice
    wire.send("reply cryo:value [1,{}]")
    await settled(client)
    Wire(node, "read")
    node.requests.clear()
    reads = spawn(*(client.read("m", "value") for _ in range(3)))
    await wire.requests(2)
    await asyncio.sleep(0.02)
    assert len(node.requests) == 2
    for _ in reads:
        wire.send("reply m:value [1,{}]")
    await asyncio.gather(*reads)


async def test_change_that_was_too_late_makes_room_once(node, connect):
    client = await connect(window=2)
    wire = Wire(node, "change", "read")
    with pytest.raises(RequestTimeout):
        await client.change("cryo", "ramp", 1, timeout=0.02)
    wire.send("changed cryo:ramp [1,{}]")
    await settled(client)
    reads = spawn(*(client.read("m", "value") for _ in range(3)))
    await wire.requests(2, "read")
    await asyncio.sleep(0.02)
    assert wire.count("read") == 2
    for _ in reads:
        wire.send("reply m:value [1,{}]")
    await asyncio.gather(*reads)


# Changes and commands


async def test_one_change_of_a_module_at_a_time(node, client):
    wire = Wire(node, "change", "do")
    tasks = spawn(
        client.change("cryo", "target", 1),
        client.change("cryo", "ramp", 2),
        client.change("cryo", "target", 3),
    )
    other = spawn(client.change("motor", "target", 4), client.do("m", "sum", (1, 2)))
    await wire.requests(3)
    await settled(client)  # reads and pings go on as well
    assert node.requests[:3] == [
        "change cryo:target 1.0",
        "change motor:target 4.0",
        "do m:sum [1.0,2.0]",
    ]
    wire.send("changed motor:target [4,{}]")
    wire.send("done m:sum [3,{}]")
    assert (await other[0]).value == 4
    assert await other[1] == 3
    assert wire.count("change cryo") == 1
    wire.send("changed cryo:target [1,{}]")
    await wire.requests(1, "change cryo:ramp 2.0")
    assert wire.count("change cryo") == 2
    wire.send("changed cryo:ramp [2,{}]")
    await wire.requests(1, "change cryo:target 3.0")
    wire.send("changed cryo:target [3,{}]")
    assert [(await t).value for t in tasks] == [1, 2, 3]


async def test_change_and_command_of_a_module_one_after_the_other(node, client):
    wire = Wire(node, "change", "do")
    change, do = spawn(client.change("m", "text", "a"), client.do("m", "reset"))
    await wire.requests(1)
    await settled(client)
    assert wire.count("do") == 0
    wire.send('error_change m:text ["IsBusy","no"]')  # a refusal is an answer too
    await wire.requests(1, "do")
    wire.send("done m:reset")
    await do
    with pytest.raises(Exception, match="IsBusy"):
        await change


async def test_cancelled_change_keeps_its_place(node, client):
    wire = Wire(node, "change")
    first, second = spawn(
        client.change("cryo", "ramp", 1), client.change("cryo", "ramp", 2)
    )
    await wire.requests(1)
    await cancel(first)
    await settled(client)
    assert wire.count("change") == 1
    wire.send("changed cryo:ramp [1,{}]")
    await wire.requests(2, "change")
    assert not second.done()
    wire.send("changed cryo:ramp [2,{}]")
    assert (await second).value == 2


async def test_change_that_is_cancelled_before_it_was_sent(node, client):
    wire = Wire(node, "change")
    first, second, third = spawn(
        *(client.change("cryo", "ramp", value) for value in (1, 2, 3))
    )
    await wire.requests(1)
    await cancel(second)
    wire.send("changed cryo:ramp [1,{}]")
    assert (await first).value == 1
    await wire.requests(2)
    wire.send("changed cryo:ramp [3,{}]")
    assert (await third).value == 3
    assert node.requests == ["change cryo:ramp 1.0", "change cryo:ramp 3.0"]


async def test_change_that_was_too_late_blocks_the_next(node, client):
    wire = Wire(node, "change")
    with pytest.raises(RequestTimeout, match="no answer to 'change cryo:ramp'"):
        await client.change("cryo", "ramp", 1, timeout=0.02)
    with pytest.raises(
        RequestTimeout,
        match="'change cryo:target' within 0.02 s; it was never sent, since "
        r"'change cryo:ramp' has been unanswered for 0\.\d s; "
        "connect the device again with force_reconnect=True if the node has lost it",
    ):
        await client.change("cryo", "target", 5, timeout=0.02)
    (second,) = spawn(client.change("cryo", "ramp", 2))
    await settled(client)
    assert wire.count("change") == 1
    # The late reply is not the next one's, and lets it go on
    wire.send("changed cryo:ramp [1,{}]")
    await wire.requests(2, "change")
    assert not second.done()
    assert client.parameter("cryo", "ramp").reading.value == 1
    wire.send("changed cryo:ramp [2,{}]")
    assert (await second).value == 2
    assert wire.count("change cryo:target") == 0


async def test_late_refusal_of_a_change(node, client):
    wire = Wire(node, "change")
    with pytest.raises(RequestTimeout):
        await client.change("cryo", "ramp", 1, timeout=0.02)
    (second,) = spawn(client.change("cryo", "ramp", 2))
    wire.send('error_change cryo:ramp ["IsBusy","late"]')
    await wire.requests(2, "change")
    wire.send("changed cryo:ramp [2,{}]")
    assert (await second).value == 2


async def test_late_change_does_not_block_other_modules(node, client):
    Wire(node, "change cryo:ramp")
    with pytest.raises(RequestTimeout):
        await client.change("cryo", "ramp", 1, timeout=0.02)
    assert (await client.change("motor", "ramp", 2)).value == 2
    assert (await client.read("cryo", "ramp")).value == 0


# Stop


async def test_stop_does_not_wait_for_a_change(node, client):
    node.delay("change cryo:target", 30)
    changes = spawn(
        client.change("cryo", "target", 1), client.change("cryo", "ramp", 2)
    )
    await node.wait_for_request("change")
    async with asyncio.timeout(1):
        await client.do("cryo", "stop")
    assert node.requests == ["change cryo:target 1.0", "do cryo:stop"]
    assert not any(task.done() for task in changes)
    await client.close()
    for task in changes:
        with pytest.raises(ConnectionLost):
            await task


async def test_stop_does_not_wait_for_the_window(node, connect):
    client = await connect(window=1)
    wire = Wire(node, "read")
    reads = spawn(client.read("m", "value"), client.read("m", "value"))
    await wire.requests(1)
    async with asyncio.timeout(1):
        await client.do("cryo", "stop")
    # And it leaves the window as it was
    assert wire.count("read") == 1
    wire.send("reply m:value [1,{}]")
    await wire.requests(2, "read")
    wire.send("reply m:value [2,{}]")
    assert [(await r).value for r in reads] == [1, 2]


async def test_stop_does_not_let_the_next_change_go(node, client):
    wire = Wire(node, "change")
    first, second = spawn(
        client.change("cryo", "ramp", 1), client.change("cryo", "ramp", 2)
    )
    await wire.requests(1)
    await client.do("cryo", "stop")
    await settled(client)
    assert wire.count("change") == 1
    for value, task in ((1, first), (2, second)):
        wire.send(f"changed cryo:ramp [{value},{{}}]")
        assert (await task).value == value


async def test_stop_twice_at_once(node, client):
    wire = Wire(node, "do")
    first, second = spawn(client.do("cryo", "stop"), client.do("cryo", "stop"))
    await wire.requests(2)
    wire.send("done cryo:stop")
    await first
    assert not second.done()
    wire.send('error_do cryo:stop ["Impossible","not twice"]')
    with pytest.raises(Exception, match="not twice"):
        await second


async def test_read_behind_a_full_window_does_not_blame_a_change(node, connect):
    client = await connect(window=1)
    wire = Wire(node, "change")
    (change,) = spawn(client.change("motor", "ramp", 1))
    await wire.requests(1)
    spawned = spawn(client.change("cryo", "ramp", 1))
    await asyncio.sleep(0)
    for late in (
        client.read("motor", "ramp", timeout=0.02),
        client.change("cryo", "target", 1, timeout=0.02),
    ):
        with pytest.raises(RequestTimeout, match="since 1 others are unanswered"):
            await late
    wire.send("changed motor:ramp [1,{}]")
    await change
    await wire.requests(2)
    wire.send("changed cryo:ramp [1,{}]")
    await spawned[0]


# What is written to the socket


class Written:
    """The transport of a connection, which keeps what is written."""

    def __init__(self):
        self.writes: list[bytes] = []

    def get_extra_info(self, name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def abort(self) -> None:
        pass


def connection_to(wire: Written) -> Connection:
    connection = Connection(
        "node",
        logging.getLogger("test"),
        lambda m: None,
        lambda *_: False,
        lambda *_: None,
        64,
        1000,
        lambda: 1.0,
    )
    connection.connection_made(wire)
    return connection


async def test_a_request_alone_does_not_wait():
    wire = Written()
    connection = connection_to(wire)
    for n in range(1, 4):
        reply = connection.request("read", "m:a", timeout=None)
        assert len(wire.writes) == n
        connection.data_received(b"reply m:a [%d]\n" % n)
        assert (await reply).value() == [n]
    connection.connection_lost(None)


async def test_a_node_begins_with_many_requests_while_others_are_made():
    wire = Written()
    connection = connection_to(wire)
    waiting = [connection.request("read", f"m:{n}", timeout=None) for n in range(40)]
    assert 1 + 2 * MOST_JOINED < 40
    sizes = [data.count(b"\n") for data in wire.writes]
    assert sizes == [1, MOST_JOINED, MOST_JOINED]
    await asyncio.sleep(0)
    lines = b"".join(b"read m:%d\n" % n for n in range(40))
    assert b"".join(wire.writes) == lines, "all, and in their order"
    connection.connection_lost(None)
    for future in waiting:
        assert isinstance(future.exception(), ConnectionLost)


async def test_requests_of_one_turn_of_the_loop_go_out_together():
    wire = Written()
    connection = connection_to(wire)
    waiting = [connection.request("read", f"m:{x}", timeout=None) for x in "abc"]
    assert wire.writes == [b"read m:a\n"], "the first one does not wait"
    await asyncio.sleep(0)
    assert wire.writes[1:] == [b"read m:b\nread m:c\n"]
    waiting.append(connection.request("read", "m:d", timeout=None))
    assert wire.writes[2:] == [b"read m:d\n"]
    waiting.append(connection.request("read", "m:e", timeout=None))
    connection.connection_lost(None)
    await asyncio.sleep(0)
    assert wire.writes[3:] == [], "nothing is written after the end"
    for future in waiting:
        assert isinstance(future.exception(), ConnectionLost)
