"""Others have the event loop while a long description is read."""

import asyncio

import pytest

from secop_ophyd.client import ConnectionState, SecopClient, _pieces, in_pieces
from secop_ophyd.protocol import CannotConnect, parse_description

from .conftest import parameter, structure, until

MANY = {f"p{i}": parameter({"type": "double"}) for i in range(5)}


@pytest.fixture
def always(monkeypatch):
    """Let others have their turn after each piece."""
    monkeypatch.setattr(_pieces, "LONGEST_BLOCK", -1.0)


async def watch(client, seen):
    """Note what is known in each turn of the event loop."""
    while True:
        known = [*client.description.modules]
        seen.append((known, [m for m in known if _is_there(client, m)]))
        await asyncio.sleep(0)


def _is_there(client, module):
    names = client.module(module).parameters
    return all(client.parameter(module, name) for name in names)


async def test_a_result_and_an_error(always):
    turns = []

    def work(error=None):
        for i in range(3):
            yield
            turns.append(i)
        if error is not None:
            raise error
        return "done"

    other = asyncio.ensure_future(asyncio.sleep(0))
    assert await in_pieces(work()) == "done"
    assert turns == [0, 1, 2]
    assert other.done()
    with pytest.raises(LookupError, match="odd"):
        await in_pieces(work(LookupError("odd")))


async def test_nothing_is_given_away_for_short_work():
    def work():
        yield
        return 1

    other = asyncio.ensure_future(asyncio.sleep(0))
    assert await in_pieces(work()) == 1
    assert not other.done()
    await other


async def test_nobody_sees_half_of_a_description(node, always):
    client, seen = SecopClient(node.uri), []
    watching = asyncio.ensure_future(watch(client, seen))
    await client.connect()
    watching.cancel()
    turns = [known for known, _ in seen]
    assert turns.count([]) >= 2 * 3  # each module is read, and gets its parameters
    assert {tuple(k) for k in turns} == {(), ("cryo", "motor", "m")}
    assert all(known == there for known, there in seen)
    await client.close()


async def test_nobody_sees_half_of_a_change(node, connect, always):
    client, seen = await connect(), []
    value = client.parameter("m", "value")
    watching = asyncio.ensure_future(watch(client, seen))
    other = structure()
    other["modules"]["more"] = {**other["modules"].pop("motor"), "accessibles": MANY}
    await node.restart(other)
    await until(lambda: "more" in client.description.modules)
    watching.cancel()
    assert all(known == there for known, there in seen)
    assert client.parameter("m", "value") is value  # it is described as before
    assert client.parameter("more", "p4")


@pytest.mark.parametrize("moment", range(6))  # three modules, read and made
async def test_a_saved_description_while_the_node_describes_itself(
    node, always, monkeypatch, moment
):
    client = SecopClient(node.uri)
    saved = parse_description(structure())
    pieces = 0

    class Asyncio:
        @staticmethod
        async def sleep(_):
            nonlocal pieces
            if pieces == moment:
                client.expect(saved)
                assert client.description is saved
            pieces += 1

    monkeypatch.setattr(_pieces, "asyncio", Asyncio)
    await client.connect()
    # What was expected is what is there, and nothing of it has been given up
    assert client.description is not saved
    value = client.parameter("m", "value")
    assert (await client.read("m", "value")).value == value.reading.value == 0
    await client.close()


async def test_a_loss_while_the_node_describes_itself(node, always, monkeypatch):
    client = SecopClient(node.uri)
    reading, lost = asyncio.Event(), asyncio.Event()

    class Asyncio:
        @staticmethod
        async def sleep(_):
            reading.set()
            await lost.wait()

    monkeypatch.setattr(_pieces, "asyncio", Asyncio)
    connecting = asyncio.ensure_future(client.connect())
    await reading.wait()
    await node.drop_connections(reset=True)
    lost.set()
    with pytest.raises(CannotConnect, match="the connection was lost"):
        await connecting
    assert client.state is ConnectionState.DISCONNECTED
    await client.connect()
    assert client.description.modules == parse_description(structure()).modules
    assert (await client.read("m", "value")).value == 0
    await client.close()
