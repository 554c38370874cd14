"""When a stop is sent: what interrupts a plan, what the options say, what fails."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from types import SimpleNamespace
from typing import Any

import bluesky.plan_stubs as bps
import pytest
from bluesky.run_engine import RunEngine
from bluesky.utils import FailedStatus, RunEngineInterrupted

from secop_ophyd.devices import ModuleOptions, NodeOptions, StopPolicy, _movable
from secop_ophyd.protocol import HardwareError
from secop_ophyd.testing import FakeNode

from .builders import KELVIN, command, drivable, parameter, readable, report, writable
from .conftest import Lab
from .test_moves import tell

STOP = "do c:stop"


def structure() -> Any:
    return report(
        c=drivable(
            ramp=parameter(KELVIN, False),
            home=command(),
        ),
        d=drivable(),
        w=writable(),
        t=readable(),
    )


@pytest.fixture
def fake(lab: Lab) -> FakeNode:
    fake = lab.serve(structure())
    lab.call(fake.drive, "c", 60)
    return fake


@pytest.fixture
def node(lab: Lab, fake: FakeNode) -> Any:
    return lab.connect(fake)


def stops(fake: FakeNode) -> int:
    return fake.requests.count(STOP)


def code(fake: FakeNode, module: str = "c") -> int:
    return fake.value(f"{module}:status")[0]


def paused(lab: Lab, plan: Any) -> None:
    with pytest.raises(RunEngineInterrupted):
        lab.engine(plan)
    assert lab.engine.state == "paused"


# What interrupts a plan


def interrupts(lab: Lab, times: int) -> None:
    """Press Ctrl-C so many times, as slowly as the RunEngine wants it."""
    for _ in range(times):
        time.sleep(0.15)
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_twice_pauses_at_once(lab: Lab, fake: FakeNode, node: Any) -> None:
    lab.when(fake, "change c:target", lambda: interrupts(lab, 2))
    paused(lab, bps.mv(node.c, 300))
    assert stops(fake) == 1
    assert code(fake) == 100
    lab.engine.abort()
    assert stops(fake) == 1


def test_ctrl_c_once_pauses_at_the_checkpoint(
    lab: Lab, fake: FakeNode, node: Any
) -> None:
    reached = []

    def plan() -> Any:
        yield from bps.abs_set(node.c, 300, wait=False)
        while True:
            yield from bps.sleep(0.02)
            reached.append(code(fake))
            yield from bps.checkpoint()

    lab.when(fake, "change c:target", lambda: interrupts(lab, 1))
    paused(lab, plan())
    assert set(reached) <= {100, 300}
    assert reached[-1] == 300  # not before the checkpoint
    assert stops(fake) == 1
    lab.engine.stop()
    assert code(fake) == 100


@pytest.mark.parametrize("end", ["abort", "stop", "halt"])
def test_each_end_of_a_running_plan(
    lab: Lab, fake: FakeNode, node: Any, end: str
) -> None:
    lab.when(fake, "change c:target", lambda: getattr(lab.engine, end)())
    with pytest.raises(RunEngineInterrupted):
        lab.engine(bps.mv(node.c, 300))
    assert lab.engine.state == "idle"
    assert stops(fake) == 1
    assert code(fake) == 100


@pytest.mark.parametrize("end", ["abort", "stop", "halt"])
def test_what_begins_in_the_cleanup_of_a_plan(
    lab: Lab, fake: FakeNode, node: Any, end: str
) -> None:
    def plan() -> Any:
        try:
            yield from bps.abs_set(node.c, 100, wait=False)
            yield from bps.pause()
        finally:
            yield from bps.abs_set(node.c, 200, wait=False)
            yield from bps.sleep(0.05)

    paused(lab, plan())
    assert stops(fake) == 1
    getattr(lab.engine, end)()
    assert stops(fake) == 2
    assert code(fake) == 100


def test_pauses_and_resumes(lab: Lab, fake: FakeNode, node: Any) -> None:
    lab.when(fake, "change c:target", lab.engine.request_pause)
    paused(lab, bps.mv(node.c, 300))
    assert stops(fake) == 1
    for _ in range(2):
        lab.call(fake.requests.clear)
        lab.when(fake, "change c:target", lab.engine.request_pause)
        with pytest.raises(RunEngineInterrupted):
            lab.engine.resume()
        assert stops(fake) == 1
        assert code(fake) == 100
    lab.call(fake.drive, "c", 0.05)
    lab.engine.resume()
    assert fake.value("c:value") == 300


def test_a_stop_that_fails_does_not_keep_others_moving(
    lab: Lab, fake: FakeNode, node: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise HardwareError("jammed")

    lab.call(fake.drive, "d", 60)
    lab.call(fake.on_command, "c:stop", refuse)

    def plan() -> Any:
        yield from bps.abs_set(node.c, 300, wait=False)
        yield from bps.abs_set(node.d, 300, wait=False)
        yield from bps.abs_set(node.c.ramp, 1.0, wait=True)
        yield from bps.sleep(0.05)
        raise ValueError("no sample")

    with pytest.raises(ValueError, match="no sample"):
        lab.engine(plan())
    assert (code(fake), code(fake, "d")) == (300, 100)
    assert "jammed" in caplog.text


# What the options say

EVENTS = ["end", "failure", "abort", "suspension", "timeout", "command", "asked"]
STOPS = {
    StopPolicy.ON_INTERRUPTION: {"failure", "abort", "timeout", "command", "asked"},
    StopPolicy.NEVER: {"asked"},
    StopPolicy.ALWAYS: set(EVENTS),
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("policy", StopPolicy)
def test_policies(lab: Lab, fake: FakeNode, policy: StopPolicy, event: str) -> None:
    options = NodeOptions(modules={"c": ModuleOptions(stop=policy)})
    node = lab.connect(fake, options=options)
    home = lambda: tell(fake, 300, "homing")  # noqa: E731
    lab.call(fake.on_command, "c:home", home)
    idle = lambda: tell(fake, 100, "stopped")  # noqa: E731
    lab.call(fake.on_command, "c:stop", idle)
    counted = []
    beam = lab.call(asyncio.Event)

    def begin() -> Any:
        yield from bps.checkpoint()
        yield from bps.abs_set(node.c, 300, wait=False)
        yield from bps.abs_set(node.c.ramp, 1.0, wait=True)

    def fails() -> Any:
        yield from begin()
        raise ValueError("no sample")

    def suspended() -> Any:
        yield from begin()
        lab.engine.request_suspend(beam.wait)
        beam.set()
        yield from bps.sleep(0.2)
        counted.append(stops(fake))

    match event:
        case "end":
            lab.engine(begin())
        case "failure":
            with pytest.raises(ValueError, match="no sample"):
                lab.engine(fails())
        case "abort":
            lab.when(fake, "change c:target", lab.engine.request_pause)
            paused(lab, bps.mv(node.c, 300))
            lab.engine.abort()
        case "suspension":
            lab.engine(suspended())
        case "timeout":
            with pytest.raises(FailedStatus) as info:
                lab.engine(bps.abs_set(node.c, 300, timeout=0.05, wait=True))
            never = policy is StopPolicy.NEVER
            text = "it was not stopped" if never else "it was stopped"
            assert text in str(info.value.__cause__)
        case "command":
            with pytest.raises(TimeoutError):
                lab.engine(node.c.home(wait_for_idle=True, timeout=0.05))
        case "asked":
            lab.engine(begin())
            lab.engine(bps.stop(node.c))
    stopped = counted[0] if counted else stops(fake)
    assert stopped == (1 if event in STOPS[policy] else 0)
    # What is left running is stopped by who wants it
    lab.run(node.c.stop())
    assert code(fake) == 100


async def test_what_cannot_be_told_is_stopped(serve: Any, connect: Any) -> None:
    fake = await serve(structure())
    node = await connect(fake)

    async def _stop_movable_objects(self: Any) -> None:
        await node.c.stop(success=True)

    class Engine(RunEngine):
        """One of another version, that has no exit status."""

        def __init__(self) -> None:
            pass

        @property
        def state(self) -> str:
            return "running"

    for count, engine in enumerate(
        (object(), SimpleNamespace(state="running", _exit_status="success"), Engine())
    ):
        fake.drive("c", 60)
        await node.c.target.set(300)
        await _stop_movable_objects(engine)
        assert stops(fake) == count + 1


# How it is sent


async def test_stop_does_not_wait_for_a_place_in_the_window(
    serve: Any, connect: Any
) -> None:
    fake = await serve(structure())
    node = await connect(fake, options=NodeOptions(window=1))
    fake.drive("c", 60)
    await node.c.target.set(300)
    fake.reply_raw("read t:value", None)
    reading = node.t.trigger()
    waiting = [node.w.target.set(20), node.c.ramp.set(1.0)]
    await fake.wait_for_request("read t:value")
    async with asyncio.timeout(1):
        await node.c.stop()
    assert fake.requests[-1] == STOP
    assert code(fake) == 100
    for status in (reading, *waiting):
        status.task.cancel()
        await asyncio.wait([status.task])


async def test_where_it_ended_is_in_the_log(
    serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake = await serve(structure())
    node = await connect(fake)
    fake.drive("c", 60)
    await node.c.target.set(300)
    with caplog.at_level(logging.INFO):
        await node.c.stop()
    value = await node.c.value.get_value()
    assert f"node-c: stopped with status 100 (IDLE) 'stopped', value {value}" in (
        caplog.text
    )


async def test_stop_waits_until_it_stands_still(serve: Any, connect: Any) -> None:
    fake = await serve(structure())
    node = await connect(fake)
    fake.on_command("c:stop", lambda: tell(fake, 300, "slowing down"))
    tell(fake, 300)
    await node.client.ping()
    stopping = asyncio.ensure_future(node.c.stop())
    await fake.wait_for_request(STOP)
    await node.client.ping()
    assert not stopping.done()
    tell(fake, 100)
    await asyncio.wait_for(stopping, 1)


@pytest.mark.parametrize("answers", [True, False])
async def test_stop_does_not_wait_for_ever(
    serve: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr(_movable, "STOP_TIMEOUT", 0.1)
    fake = await serve(structure())
    node = await connect(fake)
    if answers:
        fake.on_command("c:stop", lambda: None)
    else:
        fake.reply_raw(STOP, None)
    tell(fake, 300, "does not care")
    await node.client.ping()
    with pytest.raises(TimeoutError, match="node-c.*300.*does not care.*after stop"):
        await asyncio.wait_for(node.c.stop(), 1)


async def test_what_has_no_stop_goes_on_with_a_warning(
    serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake = await serve(structure())
    node = await connect(fake)
    fake.drive("w", 60)
    moving = node.w.set(20)
    await fake.wait_for_request("change w:target")
    await node.client.ping()
    await node.w.stop(success=True)
    await moving
    assert "node-w: goes on, it has no command to stop it" in caplog.text
