"""What happens when the connection is lost, and when it comes back."""

import asyncio
import contextlib

import pytest

from secop_ophyd.client import ClientOptions, ConnectionState, SecopClient
from secop_ophyd.client import _link as module
from secop_ophyd.protocol import (
    CannotConnect,
    ConnectionLost,
    DescriptionChanged,
    NoSuchParameter,
    NoValueYet,
)

from .conftest import Listener, parameter, serving, structure, until


class States:
    """The states of a client, which can be waited for."""

    def __init__(self, client):
        self.seen: list[ConnectionState] = []
        self._new = asyncio.Event()
        client.on_state(self._add)

    def _add(self, state):
        self.seen.append(state)
        self._new.set()

    async def wait_for(self, state: ConnectionState) -> None:
        """Wait until this is the last state."""
        async with asyncio.timeout(5):
            while self.seen[-1:] != [state]:
                self._new.clear()
                await self._new.wait()


@pytest.fixture
def states(client) -> States:
    return States(client)


async def drop(node, client, reset=False):
    """Let the node end the connection, and wait until the client knows."""
    await node.drop_connections(reset=reset)
    await until(lambda: client.state is not ConnectionState.CONNECTED)


@contextlib.asynccontextmanager
async def away(node, client, reset=False):
    """Let the node be gone for a while."""
    node.stop_listening()
    await drop(node, client, reset)
    yield
    await node.listen_again()


@pytest.mark.parametrize("reset", [False, True])
async def test_node_restarts(node, client, states, reset):
    async with away(node, client, reset):
        await states.wait_for(ConnectionState.RECONNECTING)
        assert not client.connected
        node.set("m:value", 7)
    await states.wait_for(ConnectionState.CONNECTED)
    assert client.parameter("m", "value").reading.value == 7
    assert (await client.change("cryo", "ramp", 3)).value == 3
    assert states.seen == [ConnectionState.RECONNECTING, ConnectionState.CONNECTED]
    assert [r.split()[0] for r in node.requests[:3]] == [
        "*IDN?",
        "describe",
        "activate",
    ]


async def test_again_and_again(node, client, states):
    for number in range(5):
        await drop(node, client)
        await states.wait_for(ConnectionState.CONNECTED)
        node.set("m:value", number)
        assert (await client.read("m", "value")).value == number
    assert node.connections == 1


@pytest.mark.parametrize(
    "line", [b'error_closed  ["ProtocolError","changed",{}]', b"x" * 3000]
)
async def test_node_ends_the_session(node, connect, line):
    client = await connect(max_line=20_000)
    client.options = ClientOptions()
    states = States(client)
    node.send_line(line if line.startswith(b"error") else line * 7)
    await states.wait_for(ConnectionState.RECONNECTING)
    await states.wait_for(ConnectionState.CONNECTED)
    assert (await client.read("m", "value")).value == 0


async def test_requests_fail_at_once_and_are_never_repeated(node, client, states):
    node.reply_raw("read", None)
    node.reply_raw("change", None)
    node.reply_raw("do", None)
    requests = {
        "read m:value": client.read("m", "value"),
        "change cryo:ramp": client.change("cryo", "ramp", 1),
        "do m:reset": client.do("m", "reset"),
        "change cryo:target": client.change("cryo", "target", 1),
    }
    tasks = {what: asyncio.create_task(c) for what, c in requests.items()}
    await node.wait_for_request("do")
    await drop(node, client)
    for what, task in tasks.items():
        with pytest.raises(ConnectionLost) as caught:
            async with asyncio.timeout(1):
                await task
        assert f"(during '{what}'" in str(caught.value)
        never_sent = what == "change cryo:target"
        assert ("it was never sent" in str(caught.value)) is never_sent
    node.requests.clear()
    await states.wait_for(ConnectionState.CONNECTED)
    await client.ping()
    assert [r.split()[0] for r in node.requests] == [
        "*IDN?",
        "describe",
        "activate",
        "ping",
    ]


async def test_nothing_blocks_after_a_loss(node, client, states):
    node.reply_raw("change", None)
    task = asyncio.create_task(client.change("cryo", "ramp", 1))
    await node.wait_for_request("change")
    await drop(node, client)
    with pytest.raises(ConnectionLost):
        await task
    await states.wait_for(ConnectionState.CONNECTED)
    node.forget("change")
    assert (await client.change("cryo", "ramp", 2, timeout=1)).value == 2


async def test_subscriptions_go_on(node, client):
    listener = Listener()
    client.parameter("m", "value").subscribe(listener)
    node.set("m:value", 1)
    await listener.wait_for(1)
    async with away(node, client):
        await listener.wait_for(ConnectionLost)
        node.set("m:value", 2)
    await listener.wait_for(2)
    node.set("m:value", 3)
    await listener.wait_for(3)
    assert listener.values == [1, ConnectionLost, 2, 3]


async def test_nothing_old_until_the_new_value_came(node, client, states):
    node.set("m:value", 5)
    await client.ping()
    value = client.parameter("m", "value")
    node.reply_raw("activate", b"update cryo:ramp [9,{}]\n")  # and no end of it
    node.requests.clear()
    await drop(node, client)
    ramp = Listener()
    client.parameter("cryo", "ramp").subscribe(ramp)
    await ramp.wait_for(9)
    assert not client.connected
    with pytest.raises(ConnectionLost):
        _ = value.reading.value
    node.send_line(b"update m:value [6,{}]")
    node.send_line(b"active")
    await states.wait_for(ConnectionState.CONNECTED)
    assert value.reading.value == 6


async def test_node_that_does_not_tell_the_value_again(node, client, states):
    node.reply_raw("activate", b"active\n")
    node.set("m:value", 5)
    await client.ping()
    await drop(node, client)
    await states.wait_for(ConnectionState.CONNECTED)
    with pytest.raises(ConnectionLost):
        _ = client.parameter("m", "value").reading.value
    assert (await client.get("m", "value")).value == 5


async def test_values_of_an_attempt_that_failed_are_not_kept(node, client):
    # The node begins to tell its values, and is gone again
    node.reply_raw("activate", b"update m:value [6,{}]\n")
    listener = Listener()
    client.parameter("m", "value").subscribe(listener)
    await drop(node, client)
    await listener.wait_for(6)
    node.stop_listening()
    await node.drop_connections()
    await listener.wait_for(ConnectionLost)
    with pytest.raises(ConnectionLost):
        _ = client.parameter("m", "value").reading.value
    assert listener.values == [ConnectionLost, 6, ConnectionLost]


async def test_loss_is_told_once(node, client, states, monkeypatch):
    monkeypatch.setattr(module, "LAST_RETRY", 0.01)
    node.reply_raw("describe", b"describing . 5\n")
    listener = Listener()
    client.parameter("m", "value").subscribe(listener)
    node.requests.clear()
    await drop(node, client)
    async with asyncio.timeout(5):
        while node.requests.count("describe") < 5:
            await asyncio.sleep(0.01)
    node.forget("describe")
    await states.wait_for(ConnectionState.CONNECTED)
    assert listener.values == [ConnectionLost, 0]


# Another description


async def test_same_description_in_another_order(node, client, states):
    value = client.parameter("m", "value")
    report = structure()
    report["modules"] = dict(reversed(report["modules"].items()))
    report["description"] = "in other words"
    async with away(node, client):
        node.set_description(report)
    await states.wait_for(ConnectionState.CONNECTED)
    assert client.parameter("m", "value") is value
    assert client.description.description == "in other words"
    assert value.reading.value == 0


async def test_changed_description(node, client, states, caplog):
    old = {p.description.specifier: p for p in client._parameters}
    report = structure()
    accessibles = report["modules"]["cryo"]["accessibles"]
    accessibles["value"] = parameter({"type": "double", "unit": "mK"})
    accessibles["new"] = parameter({"type": "int"})
    del accessibles["ramp"]
    report["modules"]["m"]["accessibles"]["fixed"]["constant"] = 3.5
    report["modules"]["m"]["accessibles"]["text"]["readonly"] = True
    del report["modules"]["motor"]
    changed = {"cryo:value", "m:fixed", "m:text"}
    gone = {"cryo:ramp"} | {s for s in old if s.startswith("motor:")}
    listener = Listener()
    old["cryo:value"].subscribe(listener)
    async with away(node, client):
        node.set_description(report, {"cryo:value": 4})
    await states.wait_for(ConnectionState.CONNECTED)
    for specifier, known in old.items():
        error = known.reading.error
        if specifier in changed:
            assert isinstance(error, DescriptionChanged)
            assert f"{specifier}: it is described differently" in str(error)
            assert client.parameter(*specifier.split(":")) is not known
        elif specifier in gone:
            assert isinstance(error, DescriptionChanged)
            assert f"{specifier}: it is gone" in str(error)
            with pytest.raises(LookupError):
                client.parameter(*specifier.split(":"))
        else:
            assert error is None
            assert client.parameter(*specifier.split(":")) is known
    # What was described differently gets no value of the other kind
    assert listener.values[-1] is DescriptionChanged
    assert client.parameter("cryo", "value").reading.value == 4
    assert client.parameter("cryo", "value").description.unit == "mK"
    assert client.parameter("cryo", "new").reading.value == 0
    assert client.parameter("m", "fixed").reading.value == 3.5
    with pytest.raises(NoSuchParameter):
        await client.change("cryo", "ramp", 1)
    [line] = [r for r in caplog.records if "has changed" in r.getMessage()]
    assert "cryo:value" in line.getMessage()
    assert "m:value" not in line.getMessage()
    node.set("cryo:value", 5)
    await client.ping()
    assert listener.values[-1] is DescriptionChanged


async def test_what_changed_is_told_once_and_precisely(node, client, states, caplog):
    problems = []
    client.on_problem(problems.append)
    report = structure()
    report["modules"]["m"]["accessibles"]["value"]["datainfo"]["max"] = 5
    report["modules"]["cryo"]["description"] = "another text"
    async with away(node, client):
        node.set_description(report)
    await states.wait_for(ConnectionState.CONNECTED)
    expected = [
        "cryo:description: is 'another text', was ''",
        "m:value: datainfo.max is 5, was 10000",
    ]
    assert [str(p) for p in problems] == expected
    [line] = [r for r in caplog.records if "has changed" in r.getMessage()]
    assert line.getMessage() == (
        f"{node.uri}: the description has changed: {'; '.join(expected)}"
    )
    await drop(node, client)
    await states.wait_for(ConnectionState.CONNECTED)
    assert len(problems) == 2


async def test_back_to_the_former_description(node, client, states):
    value = client.parameter("cryo", "value")
    fixed = client.parameter("m", "fixed")
    listener = Listener()
    value.subscribe(listener)
    other = structure(unit="mK")
    other["modules"]["m"]["accessibles"]["fixed"]["constant"] = 3.5
    for unit in (1, 2):
        async with away(node, client):
            node.set_description(other, {"cryo:value": 4})
        await states.wait_for(ConnectionState.CONNECTED)
        assert client.parameter("cryo", "value") is not value
        assert listener.values[-1] is DescriptionChanged
        with pytest.raises(DescriptionChanged):
            _ = fixed.reading.value
        async with away(node, client):
            node.set_description(structure(), {"cryo:value": unit})
        await listener.wait_for(unit)
        await states.wait_for(ConnectionState.CONNECTED)
        assert client.parameter("cryo", "value") is value
        assert client.parameter("m", "fixed") is fixed
        assert fixed.reading.value == 2.5


async def test_another_node_at_the_same_address(node, client, states):
    value = client.parameter("m", "value")
    fixed = client.parameter("m", "fixed")
    async with away(node, client):
        node.set_description({**structure(), "equipment_id": "other"}, {"m:value": 4})
    await states.wait_for(ConnectionState.CONNECTED)
    for known in (value, fixed):
        with pytest.raises(DescriptionChanged, match="the node is 'other' now"):
            _ = known.reading.value
    assert client.parameter("m", "value").reading.value == 4
    async with away(node, client):
        node.set_description(structure(), {"m:value": 5})
    await states.wait_for(ConnectionState.CONNECTED)
    assert value.reading.value == 5
    assert client.parameter("m", "value") is value


async def test_errors_are_problems(node, client):
    problems = []
    end = client.on_problem(problems.append)
    for text in ("broken", "broken still"):
        node.set_error("m:value", "HardwareError", text)
        await client.ping()
    node.set("m:value", 5)
    node.set_error("m:value", "HardwareError", "again")
    await client.ping()
    assert [(p.module, p.accessible) for p in problems] == [("m", "value")] * 2
    assert problems[0].text == "HardwareError: broken"
    assert problems[1].text.endswith("again")
    end()
    node.set("m:value", 5)
    node.set_error("m:value", "HardwareError", "unheard")
    await client.ping()
    assert len(problems) == 2


async def test_who_hears_of_problems_can_do_no_harm(node, client, caplog):
    problems = []

    def fail(problem):
        raise ValueError("in a listener")

    client.on_problem(fail)
    client.on_problem(problems.append)
    node.set_error("m:value", "HardwareError", "broken")
    await client.ping()
    assert len(problems) == 1
    assert "in a listener" in caplog.text


async def test_early_updates_of_another_kind_are_not_taken(node, client, states):
    listener = Listener()
    value = client.parameter("cryo", "value")
    value.subscribe(listener)
    async with away(node, client):
        node.set_description(structure(unit="mK"))
        # As on a serial line, where the updates are for all
        node.reply_raw("*IDN?", b"update cryo:value [99,{}]\nISSE,SECoP,,v2.0\n")
    await states.wait_for(ConnectionState.CONNECTED)
    assert listener.values == [ConnectionLost, DescriptionChanged]


async def test_description_that_is_none(node, client, states, monkeypatch):
    monkeypatch.setattr(module, "LAST_RETRY", 0.01)
    node.reply_raw("describe", b"describing . [\n")
    node.requests.clear()
    await drop(node, client)
    async with asyncio.timeout(5):
        while node.requests.count("describe") < 2:
            await asyncio.sleep(0.01)
    assert states.seen == [ConnectionState.RECONNECTING]
    node.forget("describe")
    await states.wait_for(ConnectionState.CONNECTED)


# Why it is not back


def warnings(caplog) -> list[str]:
    found = [r for r in caplog.records if r.levelname == "WARNING"]
    return [r.getMessage() for r in found if ": not back: " in r.getMessage()]


async def test_why_it_is_not_back_is_told(node, client, states, caplog, monkeypatch):
    monkeypatch.setattr(module, "LAST_RETRY", 0.01)
    node.reply_raw("describe", b"describing . [\n")
    async with away(node, client):
        await until(lambda: warnings(caplog) != [])
        for get in (client.get("m", "value"), client.read("m", "value")):
            with pytest.raises(ConnectionLost, match="Connection refused"):
                _ = (await get).value
        with pytest.raises(
            CannotConnect,
            match=f"{node.uri}: not back within 0.05 s: Connection refused$",
        ):
            await client.connect(0.05)
    node.requests.clear()
    await until(lambda: node.requests.count("describe") > 4)
    said = r"not back within 0.05 s: the description: "
    with pytest.raises(CannotConnect, match=said):
        await client.connect(0.05)
    with pytest.raises(ConnectionLost, match="node closed it; not back: the descr"):
        _ = (await client.get("m", "value")).value
    with pytest.raises(ConnectionLost, match=r"\(reconnecting: the description: "):
        await client.change("cryo", "ramp", 1)
    first, second = warnings(caplog)
    assert first == f"{node.uri}: not back: Connection refused"
    assert second.startswith(f"{node.uri}: not back: the description: ")
    node.forget("describe")
    await states.wait_for(ConnectionState.CONNECTED)
    # Another time it is told again, and nothing of before
    node.stop_listening()
    await drop(node, client)
    reading = await client.get("m", "value")
    assert "not back" not in str(reading.error)
    await until(lambda: len(warnings(caplog)) == 3)
    await client.close()
    with pytest.raises(ConnectionLost, match=r"\(closed\)"):
        await client.read("m", "value")


async def test_many_causes_do_not_flood_the_log(node, client, caplog, monkeypatch):
    monkeypatch.setattr(module, "LAST_RETRY", 0.0)
    monkeypatch.setattr(module, "MOST_CAUSES", 2)
    attempts = []

    async def fail():
        attempts.append(1)
        raise ValueError(f"no. {len(attempts)}")

    monkeypatch.setattr(client._link, "_open", fail)
    await drop(node, client)
    await until(lambda: len(attempts) > 4)
    assert [w.partition("back: ")[2] for w in warnings(caplog)] == [
        "ValueError: no. 1",
        "ValueError: no. 2",
    ]
    assert "Traceback" in caplog.text


async def test_stage_that_lasts_is_told(node, client):
    node.reply_raw("describe", None)
    node.requests.clear()
    await drop(node, client)
    await node.wait_for_request("describe")
    with pytest.raises(CannotConnect, match="0.05 s: no complete description"):
        await client.connect(0.05)


# The attempts


async def test_attempts_are_neither_too_many_nor_too_few(monkeypatch):
    times: list[float] = []
    loop = asyncio.get_running_loop()
    enough = asyncio.Event()

    async def talk(reader, writer):
        times.append(loop.time())
        if len(times) == 1:
            for reply in (
                b"ISSE,SECoP,,v2.0\n",
                b'describing . {"modules":{}}\n',
                b"active\n",
            ):
                await reader.readline()
                writer.write(reply)
            await writer.drain()
        elif len(times) == 14:
            enough.set()

    async with serving(talk) as uri:
        client = SecopClient(uri)
        await client.connect()
        async with asyncio.timeout(10):
            await enough.wait()
        await client.close()
    pauses = [b - a for a, b in zip(times[1:], times[2:], strict=False)]
    assert pauses[0] < 0.2
    assert max(pauses) < module.LAST_RETRY + 0.3
    assert min(pauses[-2:]) > module.LAST_RETRY / 2 - 0.01


async def test_connect_while_it_reconnects(node, client):
    async with away(node, client):
        waiting = asyncio.create_task(client.connect())
        with pytest.raises(CannotConnect, match="not back within 0.05 s"):
            await client.connect(0.05)
        assert client.state is ConnectionState.RECONNECTING  # it goes on
    await waiting
    assert client.connected
    assert node.connections == 1


async def test_connect_between_the_end_and_the_knowledge_of_it(node, client):
    tasks: list[asyncio.Task] = []
    client.parameter("m", "value").subscribe(
        lambda r: r.error or tasks.append(asyncio.create_task(client.connect()))
    )
    node.requests.clear()
    node.send_raw(b"update m:value [1,{}]\nerror_closed\n")
    await until(lambda: tasks != [])
    await tasks[0]
    assert client.connected
    await asyncio.sleep(0.05)
    assert node.requests.count("*IDN?") == 1
    assert node.connections == 1
    await asyncio.gather(*tasks)


async def test_connect_is_cancelled_while_it_reconnects(node, client, states):
    async with away(node, client):
        waiting = asyncio.create_task(client.connect())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await states.wait_for(ConnectionState.CONNECTED)


@pytest.mark.parametrize("stage", ["tcp", "*IDN?", "describe", "activate"])
async def test_close_while_it_reconnects(node, client, states, stage):
    if stage != "tcp":
        node.reply_raw(stage, None)
    else:
        node.stop_listening()
    await drop(node, client)
    await states.wait_for(ConnectionState.RECONNECTING)
    waiting = asyncio.create_task(client.connect())
    if stage != "tcp":
        await node.wait_for_request(stage)
    await asyncio.sleep(0)
    await client.close()
    running = {task.get_coro().__name__ for task in asyncio.all_tasks()}
    assert not running & {"_open", "_reconnect"}
    assert client.state is ConnectionState.CLOSED
    with pytest.raises(CannotConnect, match="the client was closed"):
        await waiting
    await node.wait_for_connections(0)
    assert client.state is ConnectionState.CLOSED


async def test_close_and_connect_while_it_reconnects(node, client):
    node.stop_listening()
    await drop(node, client)
    await client.close()
    await node.listen_again()
    await client.connect()
    assert (await client.read("m", "value")).value == 0


async def test_no_reconnection_if_it_is_not_wanted(node, connect):
    client = await connect(reconnect=False)
    states = States(client)
    await drop(node, client)
    await states.wait_for(ConnectionState.DISCONNECTED)
    with pytest.raises(ConnectionLost):
        _ = client.parameter("m", "value").reading.value
    await asyncio.sleep(0.05)
    assert node.connections == 0
    await client.connect()
    assert client.parameter("m", "value").reading.value == 0


async def test_a_node_that_pushes_no_more(node, client, states):
    node.reply_raw("activate", b'error_activate  ["NotImplemented",""]\n')
    await drop(node, client)
    await states.wait_for(ConnectionState.CONNECTED)
    assert not client.activated
    node.set("m:value", 8)
    assert (await client.get("m", "value")).value == 8


async def test_null_after_a_loss_is_asked_for(node, client, states):
    node.set_json("m:value", None)
    await drop(node, client)
    await states.wait_for(ConnectionState.CONNECTED)
    assert isinstance(client.parameter("m", "value").reading.error, NoValueYet)
    node.on_read("m:value", lambda: 4)
    assert (await client.get("m", "value")).value == 4
