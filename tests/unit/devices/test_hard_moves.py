"""Moves in bad company: other clients, slow nodes, listeners that fail."""

from __future__ import annotations

import asyncio
from typing import Any

import bluesky.plan_stubs as bps
import pytest
from bluesky.utils import FailedStatus, RunEngineInterrupted

from secop_ophyd.client import _poller
from secop_ophyd.devices import ModuleOptions, NodeOptions
from secop_ophyd.protocol import CommunicationFailed, RequestTimeout, SecopError
from secop_ophyd.testing import FakeNode

from .builders import command, drivable, report
from .test_states import lose, settle


@pytest.fixture
async def fake(serve: Any) -> FakeNode:
    return await serve(report(c=drivable()))


@pytest.fixture
async def node(fake: FakeNode, connect: Any) -> Any:
    return await connect(fake)


def stops(fake: FakeNode) -> int:
    return fake.requests.count("do c:stop")


async def moving(fake: FakeNode, node: Any, target: float = 100.0) -> Any:
    """Start a move, and return its status when the module is busy."""
    fake.drive("c", 30)
    status = node.c.set(target)
    await fake.wait_for_request("change c:target")
    await settle(node)
    return status


# Read-only


def test_who_only_looks_stops_nothing(lab: Any) -> None:
    fake = lab.serve(report(c=drivable()))
    node = lab.connect(fake, options=NodeOptions(read_only=True))
    lab.call(fake.set_json, "c:status", [300, "moved by somebody else"])
    with pytest.raises(FailedStatus):
        lab.engine(bps.mv(node.c, 5))
    lab.run(node.c.stop())
    assert stops(fake) == 0


# Stop


async def test_stop_is_sent_if_the_status_is_unknown(fake: FakeNode, node: Any) -> None:
    status = await moving(fake, node)
    fake.set_error("c:status", "CommunicationFailed", "no controller")
    with pytest.raises(CommunicationFailed, match="no controller"):
        await status
    await node.c.stop()
    assert stops(fake) == 1


async def test_stop_is_sent_after_a_target_that_was_not_answered(
    fake: FakeNode, connect: Any
) -> None:
    node = await connect(fake, options=NodeOptions(timeout=0.1))
    fake.reply_raw("change c:target", None)
    with pytest.raises(RequestTimeout):
        await node.c.set(100)
    await node.c.stop()
    assert stops(fake) == 1
    await node.c.stop()  # once is enough
    assert stops(fake) == 1


async def test_stop_is_not_sent_after_a_target_that_was_refused(
    fake: FakeNode, node: Any
) -> None:
    def refuse(target: float) -> None:
        raise CommunicationFailed("no controller")

    fake.on_change("c:target", refuse)
    with pytest.raises(CommunicationFailed):
        await node.c.set(100)
    await node.c.stop()
    assert stops(fake) == 0


# A status in error


async def test_an_old_error_of_the_status_does_not_count(
    fake: FakeNode, node: Any
) -> None:
    fake.set_error("c:status", "CommunicationFailed", "before")
    await settle(node)
    fake.drive("c", 0.05)
    await node.c.set(100)
    assert await node.c.value.get_value() == 100


async def test_an_error_of_the_status_that_passes_does_not_count(
    fake: FakeNode, node: Any
) -> None:
    status = await moving(fake, node)
    fake.set_error("c:status", "CommunicationFailed", "for a moment")
    await settle(node)
    fake.set_json("c:status", [300, "moving"])
    await settle(node)
    fake.set("c:value", 100.0)
    fake.set_json("c:status", [100, ""])
    await status


# Somebody else


async def test_a_target_of_somebody_else_during_the_grace(
    fake: FakeNode, node: Any
) -> None:
    fake.drive("c", 0.05, busy_late=0.1)
    status = node.c.set(100)
    await fake.wait_for_request("change c:target")
    await settle(node)
    fake.set("c:target", 50.0)
    with pytest.raises(RuntimeError, match="somebody else has set the target to 50"):
        await status


async def test_a_target_of_somebody_else_in_the_same_segment(
    fake: FakeNode, node: Any
) -> None:
    fake.reply_raw(
        "change c:target",
        b'update c:status [[300,""],{}]\nchanged c:target [100,{}]\n'
        b"update c:target [50,{}]\nupdate c:value [50,{}]\n"
        b'update c:status [[100,""],{}]\n',
    )
    with pytest.raises(RuntimeError, match="somebody else has set the target to 50"):
        await node.c.set(100)


async def test_a_stop_by_somebody_else_that_is_not_told(
    fake: FakeNode, node: Any
) -> None:
    status = await moving(fake, node)
    fake.set("c:value", 30.0)
    # The node has changed the target, and sends no update for it
    fake.on_read("c:target", lambda: 30.0)
    fake.set_json("c:status", [100, "stopped"])
    with pytest.raises(RuntimeError, match="somebody else has set the target to 30"):
        await status


# Listeners


@pytest.mark.parametrize("of", ["status", "value", "target"])
async def test_a_listener_that_fails_does_not_hang_a_move(
    fake: FakeNode, node: Any, of: str
) -> None:
    def fails(readings: Any) -> None:
        raise ValueError("not our fault")

    signal = getattr(node.c, of)
    listeners = [lambda readings, i=i: fails(readings) for i in range(5)]
    for listener in listeners:
        with pytest.raises(ValueError, match="not our fault"):
            signal.subscribe_reading(listener)
    fake.drive("c", 0.05)
    async with asyncio.timeout(5):
        await node.c.set(100)
    for listener in listeners:
        signal.clear_sub(listener)


async def test_a_listener_that_takes_the_value_does_not_hang_a_lost_move(
    fake: FakeNode, node: Any
) -> None:
    listeners = [
        lambda readings, i=i: [r["value"] for r in readings.values()] for i in range(9)
    ]
    for listener in listeners:
        node.c.status.subscribe_reading(listener)
    status = await moving(fake, node)
    await lose(fake, node)
    async with asyncio.timeout(5):
        with pytest.raises(Exception, match="connection was lost"):
            await status
    for listener in listeners:
        node.c.status.clear_sub(listener)


# Commands that move


def structure() -> Any:
    module = drivable()
    module["accessibles"]["go"] = command()
    return report(c=module)


async def test_a_command_that_gets_busy_late(serve: Any, connect: Any) -> None:
    fake = await serve(structure())
    node = await connect(fake)
    loop = asyncio.get_running_loop()

    def go() -> None:
        loop.call_later(0.05, fake.set_json, "c:status", [300, "late"])
        loop.call_later(0.15, fake.set_json, "c:status", [100, "done"])

    fake.on_command("c:go", go)
    await node.c.run_until_idle(node.c.go.execute)
    assert str(node.c.secop.client.parameter("c", "status").reading.value[1]) == "done"


async def test_a_command_that_does_not_move_is_done_after_the_grace(
    serve: Any, connect: Any
) -> None:
    fake = await serve(structure())
    options = NodeOptions(modules={"c": ModuleOptions(grace=0.05)})
    node = await connect(fake, options=options)
    async with asyncio.timeout(0.4):
        await node.c.run_until_idle(node.c.go.execute)


def test_an_abort_stops_what_a_command_has_started(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    lab.call(fake.on_command, "c:go", lambda: fake.set_json("c:status", [300, "going"]))
    idle = lambda: fake.set_json("c:status", [100, "stopped"])  # noqa: E731
    lab.call(fake.on_command, "c:stop", idle)
    lab.when(fake, "do c:go", lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(node.c.go(wait_for_idle=True))
    lab.engine.abort()
    assert stops(fake) == 1


# Nodes that send no updates


@pytest.fixture
async def silent(serve: Any) -> FakeNode:
    fake = await serve(structure())
    fake.reply_raw("activate", b'error_activate  ["NotImplemented","no",{}]\n')
    return fake


@pytest.mark.parametrize("interval", [0.02, 0.3])
async def test_a_move_without_updates(
    silent: FakeNode, connect: Any, monkeypatch: pytest.MonkeyPatch, interval: float
) -> None:
    monkeypatch.setattr(_poller, "INTERVAL", interval)
    node = await connect(silent)
    silent.drive("c", 0.7)  # longer than the grace
    for target in (100, 50):
        await node.c.set(target)
        assert silent.value("c:value") == target
        assert await node.c.value.get_value() == target


async def test_a_stop_without_updates(
    silent: FakeNode, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await connect(silent)
    silent.drive("c", 60)
    await node.c.stop()
    assert stops(silent) == 0
    # A ramp in the background, of which nothing is heard
    await node.c.target.set(100)
    await node.c.stop()
    assert stops(silent) == 1
    await node.c.stop()
    assert stops(silent) == 1
    silent.reply_raw("read c:status", b'error_read c:status ["IsError","no",{}]\n')
    with pytest.raises(SecopError):  # it may go on for all we know
        await node.c.stop()
    assert stops(silent) == 2


async def test_waiting_for_idle_without_updates(
    silent: FakeNode, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_poller, "INTERVAL", 0.02)
    node = await connect(silent)
    silent.on_command("c:go", lambda: silent.set_json("c:status", [300, "going"]))
    loop = asyncio.get_running_loop()
    for start in (node.c.go.execute, asyncio.sleep):
        silent.set_json("c:status", [300, "going"])
        await node.client.ping()
        loop.call_later(0.1, silent.set_json, "c:status", [100, "done"])
        if start is asyncio.sleep:
            await node.c.wait_for_idle()
        else:
            await node.c.run_until_idle(start)
        assert silent.value("c:status")[0] == 100
