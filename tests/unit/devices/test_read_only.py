"""A node that is only looked at: nothing is ever sent that changes it."""

from __future__ import annotations

import contextlib
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.utils import FailedStatus, RunEngineInterrupted, TransitionError

from secop_ophyd.devices import ModuleOptions, NodeOptions, StopPolicy
from secop_ophyd.protocol import ReadOnly

from .builders import KELVIN, command, drivable, parameter, readable, report, writable
from .conftest import Lab

LOOKS = {"*IDN?", "describe", "activate", "read", "ping"}


def structure() -> Any:
    return report(
        c=drivable(
            ramp=parameter(KELVIN, False),
            go=command(),
            home=command(argument=KELVIN),
            info=command(result={"type": "string"}),
        ),
        w=writable(),
        t=readable(),
    )


def test_a_whole_session(lab: Lab) -> None:
    fake = lab.serve(structure())
    modules = {"c": ModuleOptions(stop=StopPolicy.ALWAYS, move_timeout=0.1)}
    node = lab.connect(fake, options=NodeOptions(read_only=True, modules=modules))
    # Somebody else moves it
    lab.call(fake.set_json, "c:status", [300, "moving"])
    engine = lab.engine

    def refused(plan: Any) -> None:
        with pytest.raises((FailedStatus, ReadOnly)) as info:
            engine(plan)
        error = info.value.__cause__ or info.value
        assert isinstance(error, ReadOnly)

    engine(bp.count([node], 2))
    engine(bp.count([node.c, node.t]))
    assert engine(bps.rd(node.c.value)).plan_result == 0
    for plan in (
        bps.mv(node.c, 20),
        bps.mv(node.w, 20),
        bps.mv(node.c.target, 20),
        bps.mv(node.c.ramp, 20),
        bp.scan([node.t], node.c, 1, 2, 3),
        node.c.go(),
        node.c.home(20, wait_for_idle=True),
        node.c.info(),
        bps.trigger(node.c.stop_, wait=True),
    ):
        refused(plan)
    engine(bps.stop(node.c))

    def endless() -> Any:
        # The RunEngine takes it for one that was moved
        status = yield from bps.abs_set(node.c, 20)
        status.add_callback(lambda s: s.exception())
        try:
            yield from bps.pause()
        finally:
            yield from bps.stop(node.c)

    for end in ("abort", "stop", "halt"):
        with contextlib.suppress(RunEngineInterrupted, FailedStatus):
            engine(endless())
        with contextlib.suppress(FailedStatus, TransitionError):
            getattr(engine, end)()
        assert engine.state == "idle"
    lab.run(node.c.stop())

    async def by_hand() -> None:
        for device in (node.c, node.w):
            with pytest.raises(ReadOnly):
                await device.set(5)

    lab.run(by_hand())
    for request in fake.requests:
        assert request.split()[0] in LOOKS, request
    assert fake.value("c:status")[0] == 300


def test_an_abort_stops_nothing(lab: Lab) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake, options=NodeOptions(read_only=True))
    lab.call(fake.set_json, "c:status", [300, "moving"])
    lab.call(fake.requests.clear)

    def plan() -> Any:
        yield from bps.abs_set(node.c, 20, group="move")
        yield from bps.pause()

    with contextlib.suppress(RunEngineInterrupted, FailedStatus):
        lab.engine(plan())
    with contextlib.suppress(FailedStatus, TransitionError):
        lab.engine.abort()
    lab.run(node.client.ping())
    assert {r.split()[0] for r in fake.requests} <= {"ping"}
