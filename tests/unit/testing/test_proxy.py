"""The proxy does to connections and lines what it is told, and nothing else."""

import asyncio
import gc
import random

import pytest

from secop_ophyd.protocol import BadJSON, parse_message
from secop_ophyd.testing import ChaosProxy, FakeNode
from secop_ophyd.testing._faults import corrupted, truncated

from .conftest import Client, structure


@pytest.fixture
async def proxy(node):
    async with ChaosProxy(node.uri, seed=1) as proxy:
        yield proxy


@pytest.fixture
async def through(proxy, connect):
    """Return a function that connects through the proxy."""

    async def through() -> Client:
        return await connect(proxy)

    return through


@pytest.fixture
async def client(through, node):
    client = await through()
    await client.ask("ping 1")
    return client


async def tell(node, client, *lines):
    """Let the node send lines, and return what comes before a last one."""
    for line in (*lines, b"end x"):
        node.send_line(line)
    return (await client.until("end"))[:-1]


UPDATES = [f'update {name} [{n},{{"t":{n}}}]' for n in range(20) for name in "ab"]
LINES = [line.encode() for line in UPDATES]


def of(name, lines):
    return [line for line in lines if line.split(" ")[1] == name]


async def test_without_faults_nothing_changes(node, client, proxy):
    assert await client.ask("ping 2") == 'pong 2 [null,{"t":5.0}]'
    assert await tell(node, client, *LINES) == UPDATES
    assert node.requests == ["ping 1", "ping 2"]
    assert not proxy.counts
    assert proxy.connections == 1


async def test_the_end_of_a_client_is_passed_on(node, client, proxy):
    await client.close()
    await node.wait_for_connections(0)


async def test_the_end_of_the_node_is_passed_on(node, client, proxy):
    node.send_raw(b"half a line")
    await node.drop_connections()
    assert await client.reader.read() == b"", "lines only"


async def test_lines_are_told_as_they_come(node, connect):
    told = []
    async with ChaosProxy(node.uri, on_line=lambda *x: told.append(x)) as proxy:
        proxy.corrupt()
        client = await connect(proxy)
        await client.ask("ping 1")
    assert told == [("node", b"ping 1"), ("client", b'pong 1 [null,{"t":5.0}]')]


async def test_start_again_on_the_same_port(node, connect):
    proxy = ChaosProxy(node.uri)
    assert proxy.port == 0
    await proxy.stop()
    await proxy.start()
    port, client = proxy.port, await connect(proxy)
    await proxy.stop()
    await client.eof()
    await proxy.start()
    assert proxy.port == port
    assert proxy.uri == f"127.0.0.1:{port}"
    await (await connect(proxy)).ask("ping 1")
    await proxy.stop()
    assert proxy.connections == 0


async def test_stop_at_any_moment(node):
    for turns in range(12):
        async with ChaosProxy(node.uri) as proxy:
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            for _ in range(turns):
                await asyncio.sleep(0)
        writer.close()
        await asyncio.wait({asyncio.ensure_future(writer.wait_closed())})
    await node.wait_for_connections(0)
    gc.collect()  # which warns of what was not closed


async def test_stop_with_a_client_that_does_not_read(node, client, proxy):
    client.writer.transport.pause_reading()
    proxy.flood(b"x" * 1000, 50_000)
    await asyncio.sleep(0.01)
    await proxy.stop()
    assert proxy.connections == 0


async def test_no_node(through, proxy, node):
    await node.stop()
    await (await through()).eof()
    assert proxy.connections == 0


async def test_another_target(through, proxy):
    async with FakeNode(structure(), identity="ISSE,SECoP,,other") as other:
        proxy.target = other.uri
        assert await (await through()).ask("*IDN?") == "ISSE,SECoP,,other"


# Connections


@pytest.mark.parametrize("reset", [False, True])
async def test_cut(node, client, proxy, through, reset):
    await proxy.cut(reset=reset)
    if reset:
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
    else:
        await client.eof()
    await node.wait_for_connections(0)
    assert proxy.connections == 0
    assert proxy.counts == {"cut": 1}
    await (await through()).ask("ping 2")


async def test_freeze(node, client, proxy, through):
    proxy.freeze()
    client.send("ping 2")
    node.send_line(b"hello")
    late = await through()
    late.send("ping 3")
    await client.silence()
    assert node.requests == ["ping 1"]
    proxy.thaw()
    assert [await client.line(), (await client.line())[:6]] == ["hello", "pong 2"]
    assert (await late.line()).startswith("pong 3")
    assert proxy.counts == {"freeze": 1}


async def test_the_end_does_not_come_through_either(node, client, proxy):
    proxy.freeze()
    await node.drop_connections()
    await client.silence()
    proxy.thaw()
    await client.eof()


async def test_refuse(client, proxy, through):
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await through()
    await client.ask("ping 2")
    await proxy.accept()
    await (await through()).ask("ping 3")
    assert proxy.counts == {"refuse": 1}


async def test_accept_and_close(node, client, proxy, through):
    proxy.accept_and_close()
    await (await through()).eof()
    await client.ask("ping 2")
    assert node.connections == 1
    await proxy.accept()
    await (await through()).ask("ping 3")
    assert proxy.counts == {"accept and close": 1}


async def test_heal(client, proxy, through):
    proxy.corrupt()
    proxy.freeze()
    proxy.refuse()
    await proxy.heal()
    assert (await client.ask("ping 2")).startswith("pong 2 [null,")
    proxy.accept_and_close()
    await proxy.heal()
    await (await through()).ask("ping 3")


# Lines


async def test_delay(node, client, proxy):
    loop = asyncio.get_running_loop()
    proxy.delay(0.05, "pong 3", times=1)
    before = loop.time()
    await client.ask("ping 2")
    client.send("ping 3")
    client.send("ping 4")
    lines = [(await client.line())[:6] for _ in range(2)]
    assert lines == ["pong 3", "pong 4"], "in order"
    assert loop.time() - before >= 0.05
    assert proxy.counts == {"delay": 1}
    proxy.delay(0.05)
    before = loop.time()
    assert await tell(node, client, *LINES) == UPDATES
    assert 0.05 <= loop.time() - before < 0.5, "each, and not one after the other"


async def test_delay_of_requests(client, proxy):
    loop = asyncio.get_running_loop()
    proxy.delay(0.05, "ping", to="node")
    before = loop.time()
    await client.ask("ping 2")
    assert loop.time() - before >= 0.05


async def test_drip(node, client, proxy):
    proxy.drip(1, 0.005, "update a", times=2)
    node.send_line(LINES[0])
    first = await client.reader.readexactly(1)
    assert client.reader._buffer == b"", "no more yet"
    assert first + await client.reader.readline() == LINES[0] + b"\n"
    assert await tell(node, client, *LINES) == UPDATES
    assert proxy.counts == {"drip": 2}


async def test_reorder(node, client, proxy):
    proxy.reorder("update", share=0.5)
    lines = await tell(node, client, *LINES, b"more y")
    lines.remove("more y")
    assert lines != UPDATES
    assert sorted(lines) == sorted(UPDATES), "all of them"
    for name in "ab":
        assert of(name, lines) == of(name, UPDATES), "each in order"
    assert 0 < proxy.counts["reorder"] < len(LINES)


async def test_a_line_that_nothing_overtakes(client, proxy):
    proxy.reorder()
    assert (await client.ask("ping 2")).startswith("pong 2")


async def test_a_line_that_waits_to_be_overtaken_at_the_end(node, client, proxy):
    proxy.reorder("hello")
    node.send_line(b"hello")
    await node.drop_connections()
    assert await client.reader.read() == b"hello\n"


async def test_duplicate(node, client, proxy):
    proxy.duplicate("update a", times=3)
    lines = await tell(node, client, *LINES)
    expected = list(UPDATES)
    for n in (4, 2, 0):
        expected.insert(n, UPDATES[n])
    assert lines == expected
    assert proxy.counts == {"duplicate": 3}


@pytest.mark.parametrize("kind", ["truncate", "corrupt"])
async def test_damage(node, client, proxy, kind):
    getattr(proxy, kind)("update a")
    lines = await tell(node, client, *LINES)
    assert of("b", lines) == of("b", UPDATES)
    assert len(of("a", lines)) == 20, "what they are about is left"
    for line in of("a", lines):
        with pytest.raises(BadJSON):
            parse_message(line.encode()).value()
    assert proxy.counts == {kind: 20}


@pytest.mark.parametrize("damage", [truncated, corrupted])
@pytest.mark.parametrize(
    "line",
    [
        b"change m:target 125",
        b"change m:target [1,2]",
        b'change m:target "12"',
        b"change m:target true",
        b'update m:value ["x y",{"t":1}]',
        b"describing . {}",
    ],
)
def test_damaged_lines_are_no_messages(damage, line):
    for seed in range(50):
        damaged = parse_message(damage(line, random.Random(seed)))
        before = parse_message(line)
        assert (damaged.action, damaged.specifier) == before[:2]
        try:
            assert damaged.value() is None, "that is no value"
        except BadJSON:
            pass


@pytest.mark.parametrize("damage", [truncated, corrupted])
@pytest.mark.parametrize("line", [b"active", b"read m:value", b"*IDN?", b"inactive m"])
def test_damaged_lines_without_data(damage, line):
    for seed in range(50):
        damaged = damage(line, random.Random(seed))
        assert parse_message(damaged).action != parse_message(line).action


@pytest.mark.parametrize("damage", [truncated, corrupted])
def test_an_empty_line_stays_one(damage):
    assert damage(b"", random.Random(1)) == b""


async def test_cut_in_a_line(node, client, proxy):
    proxy.cut_in("update a")
    for line in LINES[1:]:
        node.send_line(line)
    received = await client.reader.read()
    first, _, part = received.partition(b"\n")
    assert first == LINES[1]
    assert part
    assert LINES[2].startswith(part)
    await node.wait_for_connections(0)
    assert proxy.counts == {"cut in a line": 1}


async def test_flood(client, proxy):
    proxy.flood(b"x y", 10_000)
    client.send("ping 2")
    lines = await client.until("pong")
    assert lines[:-1] == ["x y"] * 10_000


async def test_flood_of_the_node(node, client, proxy):
    proxy.flood(b"ping 7", 100, to="node")
    for _ in range(100):
        assert (await client.line()).startswith("pong 7")


async def test_whoever_sends_too_much_has_to_wait(node, client, proxy):
    client.writer.transport.pause_reading()
    node.send_raw((b"x" * 199 + b"\n") * 100_000)
    async with asyncio.timeout(5):
        while not any(pair.lanes["client"]._is_full for pair in proxy._pairs):
            await asyncio.sleep(0)
    waiting = sum(len(pair.lanes["client"]._waiting) for pair in proxy._pairs)
    assert waiting < 25_000
    client.writer.transport.resume_reading()
    received = await client.reader.readexactly(200 * 100_000)
    assert received.count(b"\n") == 100_000


async def test_all_that_is_said_of_a_line_happens_to_it(node, client, proxy):
    proxy.duplicate("update a")
    proxy.corrupt("update a")
    lines = await tell(node, client, LINES[0])
    assert lines[0] == lines[1] != UPDATES[0]


async def test_a_seed_draws_the_same(node, connect):
    async def lines(seed):
        async with ChaosProxy(node.uri, seed=seed) as proxy:
            client = await connect(proxy)
            await client.ask("ping 1")
            proxy.corrupt("update", share=0.5)
            proxy.duplicate("update", share=0.5)
            lines = await tell(node, client, *LINES)
            await client.close()
        await node.wait_for_connections(0)
        return lines

    assert await lines(3) == await lines(3) != await lines(4)
