"""Modules as flyers of bluesky's own plans."""

from __future__ import annotations

import asyncio
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import pytest
from bluesky.utils import FailedStatus, RunEngineInterrupted

from secop_ophyd import SECoPMoveableDevice, SECoPNodeDevice, SECoPRecorder
from secop_ophyd.devices import ModuleOptions, NodeOptions, StopPolicy
from secop_ophyd.protocol import HardwareError, RangeError
from secop_ophyd.testing import FakeNode

from .builders import drivable, readable, report, writable
from .conftest import Lab
from .test_moves import tell

CHANGE = "change c:target"
STOP = "do c:stop"


@pytest.fixture
def fake(lab: Lab) -> FakeNode:
    fake = lab.serve(report(c=drivable(), t=readable(), w=writable()))
    lab.call(fake.drive, "c", 60)
    return fake


@pytest.fixture
def node(lab: Lab, fake: FakeNode) -> Any:
    return lab.connect(fake)


def sent(fake: FakeNode, what: str) -> int:
    return sum(request.startswith(what) for request in fake.requests)


def flying(module: Any, recorder: Any, target: float, then: Any = None) -> Any:
    """Fly as bluesky's own plans do it."""
    yield from bps.open_run()
    yield from bps.declare_stream(recorder, name="fly", collect=True)
    yield from bps.prepare(module, target, wait=True)
    yield from bps.kickoff_all(recorder, module, wait=True)
    if then is not None:
        yield from then()
    yield from bps.collect_while_completing(
        [module], [recorder], flush_period=0.05, stream_name="fly"
    )
    yield from bps.complete(recorder, wait=True)
    yield from bps.collect(recorder, name="fly")
    yield from bps.close_run()


def recorded(lab: Lab, key: str) -> list[Any]:
    return [v for page in lab.named("event_page") for v in page["data"][key]]


@pytest.mark.parametrize("name", ["c", "w"])
def test_fly(lab: Lab, fake: FakeNode, node: Any, name: str) -> None:
    fake_time = 0.3
    lab.call(fake.drive, "c", fake_time)
    if name == "w":
        lab.call(fake.on_change, "w:target", lambda v: fake.set("w:value", v) or v)
    module = getattr(node, name)
    recorder = SECoPRecorder(module)
    lab.engine(bpp.stage_wrapper(flying(module, recorder, 100.0), [recorder, module]))
    assert recorded(lab, f"node-{name}")[-1] == 100.0
    assert recorded(lab, f"node-{name}-status-f0")[-1] < 300
    assert sent(fake, f"change {name}:target") == 1
    assert sent(fake, "do ") == 0
    if name == "c":
        assert len(lab.named("event_page")) > 1


async def test_nothing_is_sent_before_kickoff(serve: Any, connect: Any) -> None:
    fake = await serve(report(c=drivable()))
    node = await connect(fake)
    with pytest.raises(RangeError, match="node-c"):
        await node.c.prepare(501.0)
    with pytest.raises(RuntimeError, match="was not prepared"):
        await node.c.kickoff()
    with pytest.raises(RuntimeError, match="was not kicked off"):
        node.c.complete()
    await node.c.prepare(300.0)
    with pytest.raises(RuntimeError, match="was not kicked off"):
        node.c.complete()
    assert sent(fake, CHANGE) == 0


async def test_kickoff_ends_when_the_target_is_accepted(
    serve: Any, connect: Any
) -> None:
    fake = await serve(report(c=drivable()))
    fake.drive("c", 60)
    node = await connect(fake)
    await node.c.prepare(300.0)
    await node.c.kickoff()
    assert fake.value("c:target") == 300.0
    completion = node.c.complete()
    updates: list[Any] = []
    completion.watch(lambda **update: updates.append(update))
    assert not completion.done
    fake.set("c:value", 300.0)
    fake.set("c:status", (100, ""))
    await completion
    assert updates[-1]["target"] == 300.0
    assert completion.success


async def test_kickoff_fails_when_the_node_refuses(serve: Any, connect: Any) -> None:
    fake = await serve(report(c=drivable()))

    def refuse(target: Any) -> Any:
        raise HardwareError("no helium")

    fake.on_change("c:target", refuse)
    node = await connect(fake)
    await node.c.prepare(300.0)
    with pytest.raises(HardwareError, match="no helium"):
        await node.c.kickoff()


async def test_complete_fails_as_set_does(serve: Any, connect: Any) -> None:
    fake = await serve(report(c=drivable()))
    fake.drive("c", 60)
    node = await connect(fake)
    await node.c.prepare(300.0)
    await node.c.kickoff()
    tell(fake, 400, "quench")
    # Even if it was before anybody asked
    await asyncio.wait([node.c._flight.completion.task])
    with pytest.raises(RuntimeError, match="quench"):
        await node.c.complete()


async def test_a_stop_ends_it(serve: Any, connect: Any) -> None:
    fake = await serve(report(c=drivable()))
    fake.drive("c", 60)
    node = await connect(fake)
    await node.c.prepare(300.0)
    await node.c.kickoff()
    completion = node.c.complete()
    await node.c.stop()
    with pytest.raises(RuntimeError, match="was stopped"):
        await completion
    assert sent(fake, STOP) == 1


class Node(SECoPNodeDevice):
    c: SECoPMoveableDevice


async def test_in_mock_mode() -> None:
    node = Node("localhost:1", name="node")
    await node.connect(mock=True)
    await node.c.prepare(3.0)
    await node.c.kickoff()
    await node.c.complete()
    assert (await node.c.locate())["readback"] == 3.0


# Who stops it

POLICIES = [
    ("failure", StopPolicy.ON_INTERRUPTION, 1),
    ("failure", StopPolicy.ALWAYS, 1),
    ("failure", StopPolicy.NEVER, 0),
    ("uncompleted", StopPolicy.ON_INTERRUPTION, 1),
    ("abort", StopPolicy.ON_INTERRUPTION, 1),
    ("halt", StopPolicy.ON_INTERRUPTION, 1),
    ("pause", StopPolicy.ON_INTERRUPTION, 1),
    ("pause", StopPolicy.NEVER, 0),
]


@pytest.mark.parametrize(("event", "policy", "stops"), POLICIES)
def test_a_staged_module_is_stopped(
    lab: Lab, fake: FakeNode, event: str, policy: StopPolicy, stops: int
) -> None:
    options = NodeOptions(modules={"c": ModuleOptions(stop=policy)})
    node = lab.connect(fake, options=options)
    recorder = SECoPRecorder(node.c)

    def fails() -> Any:
        yield from bps.null()
        raise ValueError("no sample")

    def plan(then: Any = None) -> Any:
        return bpp.stage_wrapper(
            flying(node.c, recorder, 100.0, then), [node.c, recorder]
        )

    def uncompleted() -> Any:
        yield from bps.prepare(node.c, 100.0, wait=True)
        yield from bps.kickoff(node.c, wait=True)

    if event == "failure":
        with pytest.raises(ValueError, match="no sample"):
            lab.engine(plan(fails))
    elif event == "uncompleted":
        lab.engine(bpp.stage_wrapper(bpp.run_wrapper(uncompleted()), [node.c]))
    else:
        end = "request_pause" if event == "pause" else event
        lab.when(fake, CHANGE, getattr(lab.engine, end))
        with pytest.raises(RunEngineInterrupted):
            lab.engine(plan())
        if event == "halt":  # it does not wait for what is unstaged
            lab.run(idle(fake))
    assert sent(fake, STOP) == stops
    if event == "pause":
        lab.engine.stop()
    assert sent(fake, STOP) == stops
    lab.run(node.c.stop())


async def idle(fake: FakeNode) -> None:
    await fake.wait_for_request(STOP)


def test_without_staging_a_pause_still_stops_it(
    lab: Lab, fake: FakeNode, node: Any
) -> None:
    recorder = SECoPRecorder(node.c)
    lab.when(fake, CHANGE, lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(flying(node.c, recorder, 100.0))
    assert sent(fake, STOP) == 1
    lab.engine.abort()


def test_it_flies_again_after_a_pause(lab: Lab, fake: FakeNode, node: Any) -> None:
    recorder = SECoPRecorder(node.c)
    lab.when(fake, CHANGE, lab.engine.request_pause)
    plan = flying(node.c, recorder, 100.0)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(bpp.stage_wrapper(plan, [node.c, recorder]))
    assert fake.value("c:status")[0] == 100
    lab.call(fake.drive, "c", 0.1)
    lab.engine.resume()
    assert sent(fake, CHANGE) == 2
    assert recorded(lab, "node-c")[-1] == 100.0
    assert lab.named("stop")[-1]["exit_status"] == "success"


def test_a_pause_after_a_checkpoint_is_not_taken_for_the_end(
    lab: Lab, fake: FakeNode, node: Any
) -> None:
    recorder = SECoPRecorder(node.c)

    def pause() -> Any:
        yield from bps.checkpoint()
        yield from bps.pause()

    with pytest.raises(RunEngineInterrupted):
        lab.engine(flying(node.c, recorder, 100.0, pause))
    with pytest.raises(RuntimeError, match="stopped by a pause"):
        lab.engine.resume()


def test_a_suspension_lets_it_go_on(lab: Lab, fake: FakeNode, node: Any) -> None:
    recorder = SECoPRecorder(node.c)
    beam = lab.call(asyncio.Event)

    def suspend() -> Any:
        if not beam.is_set():
            lab.engine.request_suspend(beam.wait)
            beam.set()
            yield from bps.sleep(0.2)
        lab.later(arrive)

    def arrive() -> None:
        fake.set("c:value", 100.0)
        fake.set("c:status", (100, ""))

    plan = flying(node.c, recorder, 100.0, suspend)
    lab.engine(bpp.stage_wrapper(plan, [node.c, recorder]))
    assert (sent(fake, CHANGE), sent(fake, STOP)) == (1, 0)
    assert recorded(lab, "node-c")[-1] == 100.0


def test_a_count_in_between_stops_nothing(lab: Lab, fake: FakeNode, node: Any) -> None:
    recorder = SECoPRecorder(node.c)

    def plan() -> Any:
        yield from bps.open_run()
        yield from bps.declare_stream(recorder, name="fly", collect=True)
        yield from bps.prepare(node.c, 100.0, wait=True)
        yield from bps.stage(node)
        yield from bps.unstage(node, wait=True)
        yield from bps.kickoff(node.c, wait=True)
        yield from bps.stage(node)
        yield from bps.unstage(node, wait=True)
        assert sent(fake, STOP) == 0
        lab.later(tell, fake, 400, "quench")
        yield from bps.complete(node.c, wait=True)

    with pytest.raises(FailedStatus, match="quench"):
        lab.engine(plan())


def test_what_was_prepared_is_forgotten_with_the_plan(lab: Lab, node: Any) -> None:
    def prepare() -> Any:
        yield from bps.prepare(node.c, 100.0, wait=True)

    def kickoff() -> Any:
        yield from bps.kickoff(node.c, wait=True)

    lab.engine(bpp.stage_wrapper(prepare(), [node.c]))
    with pytest.raises(FailedStatus, match="was not prepared"):
        lab.engine(bpp.run_wrapper(kickoff()))
    lab.engine(bp.count([node.c]))
