"""Plans and coroutines that wait for the status of modules."""

from __future__ import annotations

import asyncio
import contextlib

import bluesky.plan_stubs as bps
import pytest
from bluesky.simulators import summarize_plan
from bluesky.utils import FailedStatus, RunEngineInterrupted
from ophyd_async.core import init_devices, set_mock_value

from secop_ophyd.devices import (
    ModuleOptions,
    NodeOptions,
    SECoPMoveableDevice,
    SECoPNodeDevice,
    observe_status,
)
from secop_ophyd.plan_stubs import wait_for_idle, wait_for_status
from secop_ophyd.protocol import ConnectionLost, HardwareError

from .builders import command, drivable, module, readable, report
from .test_moves import sent

BUSY, IDLE = (300, "ramping"), (100, "")


@pytest.fixture
def fake(lab):
    return lab.serve(report(c=drivable(reset=command()), d=drivable(), x=module()))


@pytest.fixture
def node(lab, fake):
    return lab.connect(fake)


def tell(fake, status, name="c"):
    fake.set_json(f"{name}:status", list(status))


def listeners(node, name="c") -> int:
    return node.client.parameter(name, "status").listeners


def when_watched(lab, node, function, name="c"):
    """Call a function, in another thread, as soon as someone waits for a status."""

    async def wait() -> None:
        async with asyncio.timeout(5):
            while not listeners(node, name):
                await asyncio.sleep(0.001)
        await asyncio.to_thread(function)

    return asyncio.run_coroutine_threadsafe(wait(), lab.engine.loop)


def settled(lab, node, name="c") -> int:
    """Return how many still listen, when all that is cancelled has ended."""
    lab.run(asyncio.sleep(0.02))
    return listeners(node, name)


WAITS = {
    "idle": lambda node: wait_for_idle(node.c),
    "code": lambda node: wait_for_status(node.c, 100),
}
each_wait = pytest.mark.parametrize("wait", WAITS.values(), ids=list(WAITS))


# How it ends


@each_wait
def test_it_ends_when_the_module_is_idle(lab, fake, node, wait):
    lab.call(tell, fake, BUSY)
    when_watched(lab, node, lambda: lab.call(tell, fake, IDLE))
    lab.engine(wait(node))
    assert fake.value("c:status")[0] == 100
    assert listeners(node) == 0


def test_several_modules(lab, fake, node):
    lab.call(tell, fake, BUSY)
    lab.call(tell, fake, BUSY, "d")
    log = []

    def end(name):
        log.append(name)
        lab.call(tell, fake, IDLE, name)

    when_watched(lab, node, lambda: end("d"), "d").add_done_callback(
        lambda _: lab.later(lambda: (log.append("c"), tell(fake, IDLE)))
    )
    lab.engine(wait_for_idle(node.c, node.d, timeout=5))
    assert log == ["d", "c"]
    assert listeners(node) == listeners(node, "d") == 0
    lab.engine(wait_for_idle())


@each_wait
def test_it_fails_in_the_words_of_the_node(lab, fake, node, wait):
    lab.call(tell, fake, BUSY)
    when_watched(lab, node, lambda: lab.call(tell, fake, (400, "no helium")))
    with pytest.raises(RuntimeError, match="node-c.*no helium"):
        lab.engine(wait(node))
    assert settled(lab, node) == 0


def test_one_that_fails_ends_it_for_all(lab, fake, node):
    lab.call(tell, fake, BUSY)
    lab.call(tell, fake, BUSY, "d")
    when_watched(lab, node, lambda: lab.call(tell, fake, (430, "quench"), "d"), "d")
    with pytest.raises(RuntimeError, match="node-d.*quench"):
        lab.engine(wait_for_idle(node.c, node.d))
    assert settled(lab, node) == settled(lab, node, "d") == 0


@pytest.mark.parametrize(
    ("wait", "message"),
    [
        (lambda n, t: wait_for_idle(n.c, n.d, timeout=t), "node-c: not idle within"),
        (lambda n, t: wait_for_status(n.c, 100, timeout=t), "300 .BUSY. 'ramping'"),
    ],
)
def test_it_takes_too_long(lab, fake, node, wait, message):
    lab.call(tell, fake, BUSY)
    with pytest.raises(TimeoutError, match=message):
        lab.engine(wait(node, 0.05))
    assert listeners(node) == 0
    assert fake.value("c:status")[0] == 300
    assert not sent(fake, "do")


@each_wait
def test_the_connection_is_lost(lab, fake, node, wait):
    lab.call(tell, fake, BUSY)
    when_watched(lab, node, lambda: lab.run(fake.drop_connections()))
    with pytest.raises(ConnectionLost):
        lab.engine(wait(node))
    assert settled(lab, node) == 0


@each_wait
def test_without_a_connection(lab, fake, node, wait):
    lab.call(fake.stop_listening)
    lab.run(fake.drop_connections())

    async def lost():
        async with asyncio.timeout(5):
            while node.is_connected:
                await asyncio.sleep(0.001)

    lab.run(lost())
    with pytest.raises(ConnectionLost):
        lab.engine(wait(node))


# The RunEngine


@each_wait
def test_abort_leaves_no_listener(lab, fake, node, wait):
    lab.call(tell, fake, BUSY)
    when_watched(lab, node, lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(wait(node))
    lab.engine.abort()
    assert settled(lab, node) == 0


@each_wait
def test_a_pause(lab, fake, node, wait):
    lab.call(tell, fake, BUSY)
    when_watched(lab, node, lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(wait(node))
    lab.later(lambda: asyncio.get_running_loop().call_later(0.05, tell, fake, IDLE))
    lab.engine.resume()
    assert fake.value("c:status")[0] == 100
    assert settled(lab, node) == 0


@each_wait
def test_what_was_so_during_a_pause_does_not_count(lab, fake, node, wait):
    """A move is stopped by a pause, and begun again after it."""
    done = []

    def plan():
        yield from bps.checkpoint()
        yield from bps.abs_set(node.c, 300, group="ramp")
        yield from wait_for_status(node.c, range(300, 390))
        yield from wait(node)
        done.append((fake.value("c:status")[0], fake.value("c:value")))
        yield from bps.wait("ramp")

    lab.call(fake.drive, "c", 60)
    lab.when(fake, "change c:target", lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(plan())
    assert fake.value("c:status")[0] == 100
    lab.call(fake.drive, "c", 0.05)
    lab.engine.resume()
    assert done == [(100, 300.0)]
    assert settled(lab, node) == 0


def test_what_fails_during_a_pause_is_told_when_it_goes_on(lab, fake, node):
    lab.call(tell, fake, BUSY)
    when_watched(lab, node, lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(wait_for_idle(node.c))
    lab.call(tell, fake, (400, "no helium"))
    lab.run(node.client.ping())
    with pytest.raises(RuntimeError, match="no helium"):
        lab.engine.resume()
    assert settled(lab, node) == 0


def test_a_wait_that_fails_when_it_is_replayed(lab, fake, node):
    """The plan has gone on since, and has to hear of it all the same."""

    def plan():
        yield from bps.checkpoint()
        yield from wait_for_idle(node.c)
        yield from bps.pause()

    with pytest.raises(RunEngineInterrupted):
        lab.engine(plan())
    lab.call(tell, fake, (400, "no helium"))
    lab.run(node.client.ping())
    with pytest.raises(RuntimeError, match="no helium"):
        lab.engine.resume()


def test_right_after_a_set(lab, fake, node):
    """The target is not even sent, but the module is not idle for that."""
    lab.call(fake.drive, "c", 0.1)

    def plan():
        yield from bps.abs_set(node.c, 300, group="ramp")
        yield from wait_for_idle(node.c)
        value = fake.value("c:value")
        yield from bps.wait("ramp")
        return value

    assert lab.engine(plan()).plan_result == 300


def test_after_a_set_that_fails(lab, fake, node):
    lab.call(fake.on_change, "c:target", lambda value: tell(fake, (400, "quench")))

    def plan():
        with contextlib.suppress(FailedStatus):
            yield from bps.abs_set(node.c, 300, wait=True)
        yield from wait_for_idle(node.c)

    with pytest.raises(RuntimeError, match="quench"):
        lab.engine(plan())


def test_a_plan_that_is_only_looked_at(node, fake, capsys):
    summarize_plan(wait_for_idle(node.c))
    summarize_plan(wait_for_status(node.c, 300))
    assert listeners(node) == 0


def test_what_has_no_status(lab, node):
    for wrong in (node, node.x, node.c.value):
        with pytest.raises(TypeError, match="no module with a status"):
            lab.engine(wait_for_idle(node.c, wrong))
        with pytest.raises(TypeError, match="no module with a status"):
            lab.engine(wait_for_status(wrong, 100))


# Conditions


@pytest.mark.parametrize(
    "condition",
    [
        320,
        {310, 320},
        range(320, 330),
        "STABLE",
        lambda code, text: code == 320 and text.startswith("not"),
    ],
)
def test_conditions(lab, fake, node, condition):
    def tell_all():
        for status in [BUSY, (340, ""), (320, "not stable"), IDLE]:
            tell(fake, status)

    when_watched(lab, node, lambda: lab.call(tell_all))
    plan = wait_for_status(node.c, condition, timeout=5)
    assert lab.engine(plan).plan_result == (320, "not stable")
    assert listeners(node) == 0


def test_an_error_can_be_waited_for(lab, fake, node):
    when_watched(lab, node, lambda: lab.call(tell, fake, (400, "quench")))
    plan = wait_for_status(node.c, "quench", timeout=5)
    assert lab.engine(plan).plan_result == (400, "quench")


def test_a_condition_that_fails(lab, fake, node):
    with pytest.raises(ZeroDivisionError):
        lab.engine(wait_for_status(node.c, lambda code, text: code / 0 > 1))
    assert settled(lab, node) == 0


# Coroutines


async def test_each_status_is_seen_in_order(serve, connect):
    fake = await serve(report(c=readable()))
    node = await connect(fake)
    told = [(300 + i // 2, "twice") for i in range(80)]
    found = []
    async with contextlib.aclosing(observe_status(node.c)) as statuses:
        found.append(await anext(statuses))
        for status in told:
            tell(fake, status)
        await node.client.ping()
        assert listeners(node) == 1
        while len(found) < 41:
            found.append(await asyncio.wait_for(anext(statuses), 5))
    assert found == [IDLE, *sorted(set(told))]
    assert listeners(node) == 0


async def test_observing_ends_with_the_connection(serve, connect):
    fake = await serve(report(c=readable()))
    node = await connect(fake)
    found = []
    with pytest.raises(ConnectionLost):
        async for status in observe_status(node.c):
            found.append(status)
            await fake.drop_connections()
    assert found == [IDLE]
    assert listeners(node) == 0


@pytest.mark.parametrize("grace", [0.0, 5.0])
async def test_a_status_in_error_for_a_moment(serve, connect, grace):
    fake = await serve(report(c=readable()))
    options = NodeOptions(modules={"c": ModuleOptions(grace=grace)})
    node = await connect(fake, options=options)
    async with contextlib.aclosing(observe_status(node.c)) as statuses:
        await anext(statuses)
        fake.set_error("c:status", "HardwareError", "no bus")
        await node.client.ping()
        coming = asyncio.ensure_future(anext(statuses))
        if not grace:
            with pytest.raises(HardwareError, match="no bus"):
                await coming
            return
        await asyncio.sleep(0)
        tell(fake, BUSY)
        assert await asyncio.wait_for(coming, 5) == BUSY


async def test_a_node_that_sends_no_updates(serve, connect):
    fake = await serve(report(c=readable()))
    fake.reply_raw("activate", b'error_activate  ["ProtocolError", "no", {}]\n')
    node = await connect(fake)
    assert not node.client.activated
    tell(fake, BUSY)
    async with contextlib.aclosing(observe_status(node.c)) as statuses:
        assert await anext(statuses) == BUSY
        tell(fake, IDLE)
        assert await asyncio.wait_for(anext(statuses), 5) == IDLE


# Without a node


class Node(SECoPNodeDevice):
    c: SECoPMoveableDevice


def test_mock(lab):
    with init_devices(mock=True):
        node = Node("localhost:1", name="node")
    lab.engine(wait_for_idle(node.c))
    assert lab.engine(wait_for_status(node.c, 100)).plan_result == IDLE
    value = lab.run(node.c.status.get_value()).copy()
    value["f0"] = 300
    lab.call(set_mock_value, node.c.status, value)
    plan = wait_for_status(node.c, range(300, 400), timeout=5)
    assert lab.engine(plan).plan_result == (300, "")
