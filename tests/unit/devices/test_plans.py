"""Moves in plans: what the RunEngine makes of them, and what stops them."""

import asyncio
import time

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.preprocessors import monitor_during_wrapper, run_wrapper
from bluesky.simulators import check_limits
from bluesky.utils import FailedStatus, ProgressBarManager, RunEngineInterrupted

from secop_ophyd.protocol import ConnectionLost

from .builders import KELVIN, SWITCH, drivable, parameter, readable, report, writable
from .test_moves import sent, tell


def structure():
    return report(
        c=drivable(ramp=parameter(KELVIN, False)),
        w=writable(),
        e=drivable(SWITCH),
        b=drivable({"type": "bool"}),
        s=drivable({"type": "string"}),
        t=readable(),
    )


@pytest.fixture
def fake(lab):
    return lab.serve(structure())


@pytest.fixture
def node(lab, fake):
    return lab.connect(fake)


def status(fake):
    return fake.value("c:status")[0]


# What stops a move


def moving(fake, lab, request="change c:target"):
    """Let a move take long, and pause as soon as it has begun."""
    lab.call(fake.drive, "c", 60)
    lab.when(fake, request, lab.engine.request_pause)


def test_abort(lab, fake, node):
    moving(fake, lab)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(bps.mv(node.c, 300))
    assert sent(fake, "do") == ["do c:stop"]
    lab.engine.abort()
    assert status(fake) == 100
    assert sent(fake, "do") == ["do c:stop"]


def test_stop_of_the_engine(lab, fake, node):
    lab.call(fake.drive, "c", 60)

    def plan():
        yield from bps.checkpoint()
        yield from bps.abs_set(node.c, 300, wait=False)
        yield from bps.abs_set(node.c.ramp, 1.0, wait=True)
        yield from bps.pause()

    with pytest.raises(RunEngineInterrupted):
        lab.engine(plan())
    assert sent(fake, "do") == ["do c:stop"]
    lab.engine.stop()
    assert status(fake) == 100


def test_a_pause_stops_and_resume_goes_on(lab, fake, node):
    moving(fake, lab)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(bps.mv(node.c, 300))
    assert status(fake) == 100
    assert fake.value("c:value") < 300
    lab.call(fake.drive, "c", 0.05)
    lab.engine.resume()
    assert fake.value("c:value") == 300
    assert sent(fake, "change") == ["change c:target 300.0"] * 2


def test_a_failure_elsewhere_stops_it(lab, fake, node):
    lab.call(fake.drive, "c", 60)

    def plan():
        yield from bps.abs_set(node.c, 300, wait=False)
        yield from bps.abs_set(node.c.ramp, 1.0, wait=True)
        raise ValueError("no sample")

    with pytest.raises(ValueError, match="no sample"):
        lab.engine(plan())
    assert sent(fake, "do") == ["do c:stop"]
    assert status(fake) == 100


@pytest.mark.parametrize("reset", [True, False])
def test_a_socket_that_is_cut(lab, fake, node, reset):
    lab.call(fake.drive, "c", 60)
    cut = []

    async def drop():
        cut.append(time.monotonic())
        fake.stop_listening()
        await fake.drop_connections(reset=reset)

    lab.when(fake, "change c:target", lambda: lab.run(drop()))
    with pytest.raises(FailedStatus) as info:
        lab.engine(bps.mv(node.c, 300))
    assert time.monotonic() - cut[0] < 2
    assert isinstance(info.value.__cause__, ConnectionLost)
    with pytest.raises(ConnectionLost):
        lab.engine(bps.rd(node.c.value))
    started = time.monotonic()
    with pytest.raises(FailedStatus):
        lab.engine(bps.mv(node.c, 20))
    assert time.monotonic() - started < 2
    assert not sent(fake, "do")


def test_a_failed_move_ends_the_plan(lab, fake, node):
    lab.call(fake.drive, "c", None)
    lab.when(fake, "change c:target", lambda: lab.later(tell, fake, 400, "no helium"))
    with pytest.raises(FailedStatus) as info:
        lab.engine(bps.mv(node.c, 300))
    for word in ("node-c", "300", "no helium", "400"):
        assert word in str(info.value.__cause__)


def test_the_stop_of_a_plan(lab, fake, node):
    lab.call(fake.drive, "c", 60)

    def plan():
        yield from bps.abs_set(node.c, 300, wait=False)
        yield from bps.abs_set(node.c.ramp, 1.0, wait=True)
        yield from bps.stop(node.c)

    # As with other devices, the move counts as failed
    with pytest.raises(FailedStatus) as info:
        lab.engine(plan())
    assert "node-c was stopped" in str(info.value.__cause__)
    assert sent(fake, "do") == ["do c:stop"]
    assert status(fake) == 100


# What does not


def test_the_end_of_a_plan_leaves_a_ramp_running(lab, fake, node):
    lab.call(fake.drive, "c", 60)
    lab.engine(bps.abs_set(node.c, 300, wait=False))
    lab.run(fake.wait_for_request("change c:target"))
    lab.run(node.client.ping())
    assert status(fake) == 300
    lab.engine(bp.count([node.t]))
    assert status(fake) == 300
    assert not sent(fake, "do")
    lab.run(node.c.stop(success=True))
    assert sent(fake, "do") == ["do c:stop"]


def test_a_suspension_leaves_it_running(lab, fake, node):
    lab.call(fake.drive, "c", 60)
    beam = lab.call(asyncio.Event)
    seen = []

    def plan():
        yield from bps.checkpoint()
        yield from bps.abs_set(node.c, 300, wait=False)
        yield from bps.abs_set(node.c.ramp, 1.0, wait=True)
        yield from bps.checkpoint()
        seen.append(status(fake))

    def suspend():
        lab.engine.request_suspend(beam.wait)
        lab.later(beam.set)

    lab.when(fake, "change c:ramp", suspend)
    lab.call(fake.delay, "change c:ramp", 0.1)
    lab.engine(plan())
    assert beam.is_set()
    assert seen == [300]
    assert not sent(fake, "do")
    lab.run(node.c.stop(success=True))


# What a plan can do


def test_a_scan(lab, fake, node):
    lab.engine(bp.scan([node.t], node.c, 10, 30, 3))
    events = lab.named("event")
    assert [e["data"]["node-c"] for e in events] == [10, 20, 30]
    assert [e["data"]["node-c-target"] for e in events] == [10, 20, 30]
    (start,) = lab.named("start")
    assert start["hints"]["dimensions"] == [
        (["node-c", "node-c-target"], "primary")
    ] or start["hints"]["dimensions"] == [[["node-c", "node-c-target"], "primary"]]


def test_mv_of_a_writable(lab, fake, node):
    lab.engine(bps.mv(node.w, 20, node.c, 10))
    assert (fake.value("w:value"), fake.value("c:value")) == (20, 10)
    lab.engine(bps.mvr(node.w, 5))
    assert fake.value("w:value") == 25
    assert lab.engine(bps.rd(node.w)).plan_result == 25


def test_rd_of_a_value(lab, fake, node):
    lab.call(fake.set, "t:value", 4.5)

    def read_temperature():
        return (yield from bps.rd(node.t.value))

    assert lab.engine(read_temperature()).plan_result == 4.5


@pytest.mark.parametrize(
    ("name", "target"), [("c", 20), ("e", "on"), ("b", True), ("s", "up")]
)
def test_a_progress_bar(lab, fake, node, name, target, capsys):
    lab.engine.waiting_hook = ProgressBarManager()
    lab.call(fake.drive, name, 0.2)
    device = getattr(node, name)
    lab.engine(bps.mv(device, target))
    assert str(lab.run(device.value.get_value())) in (str(target), f"{target}.0")


def test_list_of_a_plan(lab, fake, node):
    messages = list(bps.mv(node.c, 300))
    assert [m.command for m in messages] == ["set", "wait"]
    assert not sent(fake, "change")


def test_a_limit_is_found_before_a_plan(lab, fake, node):
    with pytest.raises(ValueError, match="500"):
        check_limits(bp.scan([node.t], node.c, 0, 1000, 3))
    assert not sent(fake, "change")


def test_monitor(lab, fake, node):
    def plan():
        yield from bps.abs_set(node.c, 20, wait=True)
        yield from bps.abs_set(node.c.ramp, 1.0, wait=True)

    lab.engine(monitor_during_wrapper(run_wrapper(plan()), [node.c]))
    (descriptor,) = [d for d in lab.named("descriptor") if "monitor" in d["name"]]
    keys = lab.run(node.c.describe()).keys()
    assert descriptor["data_keys"].keys() == keys
    events = [e for e in lab.named("event") if e["descriptor"] == descriptor["uid"]]
    assert all(e["data"].keys() == keys for e in events)
    assert {e["data"]["node-c-status-f0"] for e in events} >= {100, 300}
    assert events[-1]["data"]["node-c"] == 20
    assert events[-1]["data"]["node-c-target"] == 20


def test_monitor_of_a_signal(lab, fake, node):
    def plan():
        for i in range(3):
            yield from bps.abs_set(node.c.ramp, i, wait=True)

    lab.engine(monitor_during_wrapper(run_wrapper(plan()), [node.c.ramp]))
    values = [e["data"]["node-c-ramp"] for e in lab.named("event")]
    assert values == sorted(values)
    assert set(values) == {0, 1, 2}
