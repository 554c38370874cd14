"""How moves end: what a failure tells, and ends that are odd but no failure."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import bluesky.plan_stubs as bps
import pytest

from secop_ophyd.devices import ModuleOptions, NodeOptions
from secop_ophyd.protocol import ConnectionLost, RequestTimeout
from secop_ophyd.testing import FakeNode

from .builders import KELVIN, SWITCH, drivable, parameter, report, writable
from .test_moves import SOON, accepted, tell
from .test_states import lose, settle, state

ENUM_AS_NUMBER = {"type": "int", "min": 0, "max": 9}


def structure() -> Any:
    other = drivable(SWITCH)
    other["accessibles"]["value"] = parameter(ENUM_AS_NUMBER)
    return report(
        c=drivable(offset=parameter(KELVIN, False)),
        w=writable(),
        e=drivable(SWITCH),
        b=drivable({"type": "bool"}),
        s=drivable({"type": "string"}),
        other=other,
    )


@pytest.fixture
async def fake(serve: Any) -> FakeNode:
    return await serve(structure(), values={"c:value": 10.0})


@pytest.fixture
async def node(fake: FakeNode, connect: Any) -> Any:
    return await connect(fake)


async def on_the_way(fake: FakeNode, node: Any, target: float = 100.0) -> Any:
    """Start a move, and return its status when the module has moved a bit."""
    fake.drive("c", None)
    status = node.c.set(target)
    await accepted(fake, node)
    tell(fake, 370, "ramping")
    fake.set("c:value", 12.5)
    await settle(node)
    return status


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    # pytest listens to the logger of the node and to the root, to which it passes on
    records = {id(r): r for r in caplog.records if r.levelno >= logging.WARNING}
    texts = (r.getMessage() for r in records.values())
    return [text for text in texts if "node-" in text]


# What a failure tells


async def failure(status: Any) -> str:
    with pytest.raises(Exception) as info:  # noqa: B017, PT011
        await asyncio.wait_for(status.task, SOON)
    assert not isinstance(info.value, TimeoutError)
    return str(info.value)


@pytest.mark.parametrize("how", ["retarget", "stop", "lost", "restart", "error"])
async def test_each_failure_tells_all(fake: FakeNode, node: Any, how: str) -> None:
    status = await on_the_way(fake, node)
    words = ["node-c", "moving to 100.0 failed", "value 12.5"]
    match how:
        case "retarget":
            fake.set("c:target", 50.0)
            words += ["somebody else", "50.0", "370 (BUSY) 'ramping'"]
        case "stop":
            fake.set("c:target", 12.5)
            tell(fake, 100, "stopped")
            words += ["somebody else", "12.5", "100 (IDLE) 'stopped'"]
        case "lost":
            await lose(fake, node)
            words += ["connection was lost", "last seen", "370 (BUSY) 'ramping'"]
        case "restart":
            # It is back before anybody looks, idle and at another value
            await fake.drop_connections(reset=True)
            fake.set("c:value", 0.0)
            fake.set("c:target", 100.0)
            tell(fake, 100, "just started")
            await state(node, True)
            words += ["connection was lost", "370 (BUSY) 'ramping'"]
            words.remove("value 12.5")
        case "error":
            fake.set_error("c:status", "CommunicationFailed", "no controller")
            words += ["no controller"]
    text = await failure(status)
    for word in words:
        assert word in text


async def test_an_error_explains_the_target(fake: FakeNode, node: Any) -> None:
    status = await on_the_way(fake, node)
    # A module may give up its target when it fails, before it says why
    fake.set("c:target", 12.5)
    await settle(node)
    tell(fake, 400, "blocked")
    text = await failure(status)
    assert "in ERROR: status 400 (ERROR) 'blocked'" in text
    assert "somebody" not in text


async def test_a_target_that_is_lost_with_the_connection(
    fake: FakeNode, node: Any
) -> None:
    status = await on_the_way(fake, node)
    fake.set("c:target", 12.5)
    await lose(fake, node)
    assert "node-c: moving to 100.0 failed" in await failure(status)


async def test_nothing_is_stopped_that_somebody_else_has_stopped(
    fake: FakeNode, node: Any
) -> None:
    status = await on_the_way(fake, node)
    fake.set("c:target", 12.5)
    tell(fake, 100, "stopped")
    await failure(status)
    await node.c.stop()
    assert "do c:stop" not in fake.requests


async def test_a_lost_connection_has_its_class(fake: FakeNode, node: Any) -> None:
    status = await on_the_way(fake, node)
    await lose(fake, node)
    with pytest.raises(ConnectionLost):
        await status
    with pytest.raises(ConnectionLost):
        await node.c.value.get_value()


async def test_a_target_that_is_not_answered(fake: FakeNode, connect: Any) -> None:
    node = await connect(fake, options=NodeOptions(timeout=0.1))
    fake.reply_raw("change c:target", None)
    with pytest.raises(RequestTimeout, match="node-c: moving to 100.0.*value 10.0"):
        await node.c.set(100.0)


async def test_a_timeout_of_what_cannot_be_stopped(fake: FakeNode, node: Any) -> None:
    fake.drive("w", 60)
    with pytest.raises(TimeoutError, match="node-w.*0.05 s.*no command to stop it"):
        await node.w.set(20.0, timeout=0.05)


async def test_a_timeout_with_a_stop_that_fails(fake: FakeNode, node: Any) -> None:
    fake.drive("c", 60)
    fake.reply_raw("do c:stop", b'error_do c:stop ["HardwareError","jammed",{}]\n')
    with pytest.raises(TimeoutError, match="0.05 s.*could not be stopped.*jammed"):
        await node.c.set(20.0, timeout=0.05)


# A stop by somebody else that the target does not tell at once


async def test_a_target_that_is_told_after_idle(fake: FakeNode, node: Any) -> None:
    status = await on_the_way(fake, node)
    tell(fake, 100, "stopped")
    # The node answers the old target to a read, and tells the new one later
    await fake.wait_for_request("read c:target")
    await settle(node)
    assert not status.done
    fake.set("c:target", 12.5)
    assert "somebody else has set the target to 12.5" in await failure(status)


async def test_a_target_that_is_never_told(
    fake: FakeNode, node: Any, caplog: pytest.LogCaptureFixture
) -> None:
    status = await on_the_way(fake, node)
    tell(fake, 100, "stopped")
    # No failure: the module may have good reasons
    await asyncio.wait_for(status.task, SOON)
    (text,) = warnings(caplog)
    for word in ("node-c", "100.0", "value 12.5", "100 (IDLE) 'stopped'", "somebody"):
        assert word in text


async def test_idle_for_a_moment_is_no_end(fake: FakeNode, node: Any) -> None:
    status = await on_the_way(fake, node)
    tell(fake, 100, "between two steps")
    await fake.wait_for_request("read c:target")
    tell(fake, 300, "second step")
    await settle(node)
    fake.set("c:value", 100.0)
    await settle(node)
    assert not status.done
    tell(fake, 100)
    await asyncio.wait_for(status.task, SOON)


@pytest.mark.parametrize(
    ("target", "end", "limit"),
    [
        (100.0, 99.0, 0.3),  # a tolerance of 1 K: no time is lost either
        (100.0, 70.0, SOON),  # a very wide one
        (11.0, 10.6, SOON),  # a small step with noise
        (100.0, 100.00001, 0.3),
        (10.0, 10.4, 0.3),  # there before, within its tolerance
    ],
)
async def test_a_tolerance_is_no_reason_to_complain(
    fake: FakeNode,
    node: Any,
    caplog: pytest.LogCaptureFixture,
    target: float,
    end: float,
    limit: float,
) -> None:
    fake.set("c:target", 10.0)
    fake.set("c:value", 10.2)
    await settle(node)
    status = await on_the_way(fake, node, target)
    fake.set("c:value", end)
    tell(fake, 100)
    async with asyncio.timeout(limit):
        await status
    assert not warnings(caplog)


async def test_a_module_that_did_not_move_at_all(
    fake: FakeNode, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options = NodeOptions(modules={"c": ModuleOptions(grace=0.05)})
    node = await connect(fake, options=options)
    fake.drive("c", None)
    await node.c.set(100.0)
    assert "100.0" in warnings(caplog)[0]


@pytest.mark.parametrize(
    ("module", "target", "complains"),
    [
        ("e", "on", True),
        ("b", True, True),
        ("s", "up", False),  # the value may well be in other words
        ("other", "on", False),  # as may one of another type
    ],
)
async def test_targets_that_are_no_numbers(
    fake: FakeNode,
    connect: Any,
    caplog: pytest.LogCaptureFixture,
    module: str,
    target: Any,
    complains: bool,
) -> None:
    options = NodeOptions(modules={module: ModuleOptions(grace=0.05)})
    node = await connect(fake, options=options)
    fake.drive(module, None)
    status = getattr(node, module).set(target)
    await accepted(fake, node, module)
    tell(fake, 300, module=module)
    tell(fake, 100, "stopped", module=module)
    await asyncio.wait_for(status.task, SOON)
    assert bool(warnings(caplog)) is complains


async def test_a_writable_may_follow_as_it_likes(
    fake: FakeNode, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options = NodeOptions(modules={"w": ModuleOptions(grace=0.05)})
    node = await connect(fake, options=options)
    fake.drive("w", None)
    await node.w.set(100.0)
    assert not warnings(caplog)


async def test_who_tolerates_hears_no_complaints(
    fake: FakeNode, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options = NodeOptions(modules={"c": ModuleOptions(tolerate_retarget=True)})
    node = await connect(fake, options=options)
    status = await on_the_way(fake, node)
    tell(fake, 100, "stopped")
    await asyncio.wait_for(status.task, 0.3)
    assert not warnings(caplog)
    assert "read c:target" not in fake.requests


# An offset


def test_an_offset_is_shown_and_never_applied(lab: Any) -> None:
    structured = structure()
    structured["modules"]["c"]["features"] = ["HasOffset"]
    fake = lab.serve(structured, values={"c:offset": 5.0})
    node = lab.connect(fake)
    lab.engine(bps.mv(node.c, 20))
    assert [r for r in fake.requests if r.startswith("change")] == [
        "change c:target 20.0"
    ]
    assert fake.value("c:value") == 20.0
    assert lab.engine(bps.rd(node.c)).plan_result == 20.0
    configuration = lab.run(node.c.read_configuration())
    assert configuration["node-c-offset"]["value"] == 5.0
