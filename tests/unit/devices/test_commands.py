"""Commands: as plans, as statuses, and what can go wrong with them."""

import asyncio
import gc

import bluesky.plan_stubs as bps
import pytest
from bluesky.simulators import summarize_plan
from bluesky.utils import FailedStatus, RunEngineInterrupted
from ophyd_async.core import TriggerableCommand

from secop_ophyd.devices import (
    NodeOptions,
    SecopAction,
    SecopCommand,
    SECoPMoveableDevice,
    SECoPNodeDevice,
    SecopQuery,
)
from secop_ophyd.devices._commands import execute_and_wait
from secop_ophyd.protocol import Impossible, RangeError, RequestTimeout, WrongType

from .builders import KELVIN, PID, SWITCH, command, drivable, module, report
from .test_moves import sent, tell
from .test_states import settle


def structure():
    return report(
        c=drivable(
            reset=command(),
            info=command(result={"type": "string"}),
            configure=command(argument=PID, result=KELVIN),
            switch=command(argument=SWITCH),
        ),
        plain=module(reset=command()),
    )


@pytest.fixture
async def fake(serve):
    fake = await serve(structure())
    fake.on_command("c:info", lambda: "well")
    fake.on_command("c:configure", lambda arg: arg["p"])
    return fake


@pytest.fixture
async def node(fake, connect):
    return await connect(fake)


ARG = {"p": 4.5, "i": 1.0, "mode": 1, "note": "n"}


# What must not happen


async def test_an_argument_that_cannot_be_is_not_sent(fake, node):
    with pytest.raises(RangeError, match="c:switch.*broken"):
        await node.c.switch.execute("broken")
    with pytest.raises(WrongType, match="c:configure.*mode"):
        await node.c.configure.execute({"p": 1.0})
    with pytest.raises(WrongType, match="c:switch"):
        await node.c.switch.execute()
    with pytest.raises(TypeError):
        await node.c.reset.execute(1)
    with pytest.raises(TypeError):
        node.c.reset(1)
    with pytest.raises(TypeError):
        node.c.configure()
    assert not sent(fake, "do")


async def test_the_words_of_the_node(fake, node):
    def refuse():
        raise Impossible("the valve is shut")

    fake.on_command("c:reset", refuse)
    with pytest.raises(Impossible, match="c:reset.*the valve is shut"):
        await node.c.reset.execute()
    with pytest.raises(Impossible, match="the valve is shut"):
        await node.c.reset.trigger()


async def test_a_node_that_does_not_answer(fake, connect):
    node = await connect(fake, options=NodeOptions(timeout=0.05))
    fake.reply_raw("do c:reset", None)
    with pytest.raises(Exception, match="c:reset.*0.05 s"):
        await node.c.reset.execute()


async def test_a_lost_connection_ends_it_at_once(fake, node):
    fake.reply_raw("do c:reset", None)
    status = node.c.reset.trigger()
    await fake.wait_for_request("do c:reset")
    await fake.drop_connections()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(status.task, 1)


async def test_waiting_for_idle_needs_a_status(fake, node):
    with pytest.raises(TypeError, match="node-plain-reset.*status"):
        node.plain.reset(wait_for_idle=True)
    assert not sent(fake, "do")


# As statuses


async def test_execute(fake, node):
    assert await node.c.configure.execute(ARG) == 4.5
    assert await node.c.configure.execute(arg=ARG) == 4.5
    status = node.c.info.execute()
    await status
    assert status.result() == "well"
    assert await node.c.reset.execute() is None
    assert await node.c.switch.execute("on") is None
    assert sent(fake, "do")[-1] == "do c:switch 1"


async def test_trigger(fake, node):
    await node.c.reset.trigger()
    assert sent(fake, "do") == ["do c:reset"]
    assert not hasattr(node.c.info, "trigger")


async def test_kinds(node):
    assert type(node.c.configure) is SecopCommand
    assert type(node.c.info) is SecopQuery
    assert type(node.c.reset) is SecopAction
    assert isinstance(node.c.reset, TriggerableCommand)
    assert node.c.reset.name == "node-c-reset"
    assert node.c.reset.source == f"{node.uri}/c/reset"


# As plans


def test_plans(lab):
    fake = lab.serve(structure())
    lab.call(fake.on_command, "c:info", lambda: "well")
    lab.call(fake.on_command, "c:configure", lambda arg: arg["p"])
    c = lab.connect(fake).c
    seen = []

    def plan():
        seen.append((yield from c.info()))
        seen.append((yield from c.configure(ARG)))
        seen.append((yield from c.configure(arg=ARG | {"mode": "off"})))
        seen.append((yield from c.reset()))
        yield from bps.trigger(c.reset, wait=True)
        return seen[0]

    assert lab.engine(plan()).plan_result == "well"
    assert seen == ["well", 4.5, 4.5, None]
    assert lab.engine(c.info(wait_for_idle=True)).plan_result == "well"
    assert len(sent(fake, "do")) == 6


def test_nothing_is_sent_when_a_plan_is_only_looked_at(lab, capsys):
    fake = lab.serve(structure())
    c = lab.connect(fake).c
    assert [m.command for m in list(c.info())] == ["wait_for"]
    summarize_plan(c.configure(ARG, wait_for_idle=True))
    c.reset().close()
    assert not sent(fake, "do")


def test_errors_are_raised_in_the_plan(lab):
    fake = lab.serve(structure())

    def refuse():
        raise Impossible("the valve is shut")

    lab.call(fake.on_command, "c:reset", refuse)
    c = lab.connect(fake).c

    def plan():
        try:
            yield from c.reset()
        except Impossible as error:
            return str(error)

    assert "the valve is shut" in lab.engine(plan()).plan_result
    with pytest.raises(Impossible, match="the valve is shut"):
        lab.engine(c.reset())
    with pytest.raises(WrongType, match="c:configure"):
        lab.engine(c.configure({}))
    with pytest.raises(FailedStatus):
        lab.engine(bps.trigger(c.reset, wait=True))


def test_wait_for_idle(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake).c

    def busy():
        tell(fake, 300, "resetting")
        asyncio.get_running_loop().call_later(0.05, tell, fake, 100)

    lab.call(fake.on_command, "c:reset", busy)
    lab.engine(c.reset(wait_for_idle=True))
    assert fake.value("c:status")[0] == 100
    lab.engine(c.reset())
    assert fake.value("c:status")[0] == 300
    lab.run(c.wait_for_idle())


def test_wait_for_idle_fails_with_the_module(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake).c

    def fail():
        tell(fake, 300)
        asyncio.get_running_loop().call_soon(tell, fake, 400, "no helium")

    lab.call(fake.on_command, "c:reset", fail)
    with pytest.raises(RuntimeError, match="node-c.*no helium"):
        lab.engine(c.reset(wait_for_idle=True))


def test_timeouts(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake).c
    lab.call(fake.on_command, "c:reset", lambda: tell(fake, 300))
    lab.call(fake.on_command, "c:stop", lambda: tell(fake, 100))
    with pytest.raises(TimeoutError, match="node-c-reset.*0.05 s"):
        lab.engine(c.reset(wait_for_idle=True, timeout=0.05))
    lab.call(fake.reply_raw, "do c:info", None)
    with pytest.raises(Exception, match="0.05 s"):
        lab.engine(c.info(timeout=0.05))


def test_a_timeout_is_raised_even_if_the_stop_fails(lab, caplog):
    fake = lab.serve(structure())
    c = lab.connect(fake).c

    def refuse():
        raise Impossible("jammed")

    lab.call(fake.on_command, "c:reset", lambda: tell(fake, 300))
    lab.call(fake.on_command, "c:stop", refuse)
    with pytest.raises(TimeoutError, match="node-c-reset.*0.05 s"):
        lab.engine(c.reset(wait_for_idle=True, timeout=0.05))
    assert "could not be stopped" in caplog.text
    assert "jammed" in caplog.text


def test_a_command_that_nobody_answers_is_stopped(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake, options=NodeOptions(timeout=0.1)).c
    lab.call(tell, fake, 300)
    lab.call(fake.reply_raw, "do c:reset", None)
    lab.call(fake.on_command, "c:stop", lambda: tell(fake, 100))
    with pytest.raises(RequestTimeout, match="c:reset.*0.1 s"):
        lab.engine(c.reset(wait_for_idle=True))
    assert sent(fake, "do") == ["do c:reset", "do c:stop"]


def test_a_command_that_is_refused_stops_nothing(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake).c

    def refuse():
        raise Impossible("it is ramping")

    lab.call(tell, fake, 300)
    lab.call(fake.on_command, "c:reset", refuse)
    with pytest.raises(Impossible, match="it is ramping"):
        lab.engine(c.reset(wait_for_idle=True))
    assert sent(fake, "do") == ["do c:reset"]


@pytest.mark.parametrize("timeout", [None, 60])
def test_waiting_for_idle_has_no_ceiling(lab, timeout):
    # Longer than the node's time-out for replies, which is 10 s by default
    fake = lab.serve(structure())
    c = lab.connect(fake, options=NodeOptions(timeout=0.2)).c

    def home():
        tell(fake, 300, "homing")
        asyncio.get_running_loop().call_later(0.6, tell, fake, 100)

    lab.call(fake.on_command, "c:reset", home)
    lab.engine(c.reset(wait_for_idle=True, timeout=timeout))
    assert fake.value("c:status")[0] == 100


def test_a_command_may_take_longer_than_other_replies(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake, options=NodeOptions(timeout=0.1)).c

    async def info():
        await asyncio.sleep(0.3)
        return "well"

    lab.call(fake.on_command, "c:info", info)
    assert lab.engine(c.info(timeout=5)).plan_result == "well"
    with pytest.raises(RequestTimeout, match="c:info.*0.1 s"):
        lab.engine(c.info())


def test_a_pause_while_it_waits_for_idle_does_not_execute_it_twice(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake).c
    lab.call(fake.on_command, "c:reset", lambda: tell(fake, 300, "resetting"))

    def plan():
        yield from bps.checkpoint()
        yield from c.reset(wait_for_idle=True)
        return fake.value("c:status")[0]

    lab.when(fake, "do c:reset", lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(plan())
    assert fake.value("c:status")[0] == 300  # the RunEngine stops only what was set
    lab.later(tell, fake, 100)
    assert lab.engine.resume().plan_result == 100
    assert sent(fake, "do") == ["do c:reset"]


def test_a_lost_connection_while_it_waits_for_idle(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake).c

    def lose():
        tell(fake, 300)
        task = asyncio.get_running_loop().create_task(fake.drop_connections())
        lost.append(task)

    lost = []
    lab.call(fake.on_command, "c:reset", lose)
    with pytest.raises(ConnectionError):
        lab.engine(c.reset(wait_for_idle=True))
    assert sent(fake, "do") == ["do c:reset"]


def test_a_pause_does_not_execute_it_twice(lab):
    fake = lab.serve(structure())
    c = lab.connect(fake).c
    go_on = lab.call(asyncio.Event)

    async def info():
        await go_on.wait()
        return "well"

    lab.call(fake.on_command, "c:info", info)

    def plan():
        yield from bps.checkpoint()
        result = yield from c.info()
        yield from bps.null()
        return result

    lab.when(fake, "do c:info", lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(plan())
    assert lab.engine.state == "paused"
    lab.later(go_on.set)
    assert lab.engine.resume().plan_result == "well"
    assert sent(fake, "do") == ["do c:info"]


def test_a_pause_after_it_does_not_execute_it_again(lab):
    fake = lab.serve(structure())
    lab.call(fake.on_command, "c:info", lambda: "well")
    c = lab.connect(fake).c

    def plan():
        yield from bps.checkpoint()
        result = yield from c.info()
        yield from bps.pause()
        return result

    with pytest.raises(RunEngineInterrupted):
        lab.engine(plan())
    assert lab.engine.resume().plan_result == "well"
    assert sent(fake, "do") == ["do c:info"]


def test_an_abort_leaves_nothing_waiting(lab):
    fake = lab.serve(structure())
    node = lab.connect(fake)
    lab.call(fake.reply_raw, "do c:info", None)
    lab.when(fake, "do c:info", lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(node.c.info())
    lab.engine.abort()
    lab.run(settle(node))
    assert sent(fake, "do") == ["do c:info"]


# Annotated


class Cryo(SECoPMoveableDevice):
    configure: SecopCommand[dict, float]
    info: SecopQuery[str]
    reset: SecopAction
    stop_: SecopAction


class Node(SECoPNodeDevice):
    c: Cryo


def test_annotated(lab):
    fake = lab.serve(structure())
    lab.call(fake.on_command, "c:info", lambda: "well")
    node = lab.connect(fake, Node)
    assert lab.engine(node.c.info()).plan_result == "well"
    lab.engine(bps.trigger(node.c.reset, wait=True))
    lab.engine(node.c.stop_())
    assert sent(fake, "do") == ["do c:info", "do c:reset", "do c:stop"]


async def test_a_command_has_no_result_before_it_is_connected():
    node = Node("localhost:1")
    for attempt in (node.c.info.execute(), node.c.reset.trigger()):
        with pytest.raises(Exception, match="not connected"):
            await attempt


# bluesky's plans throw in a way that Python 3.12 does not like any more
@pytest.mark.filterwarnings("ignore:the .type, exc, tb. signature:DeprecationWarning")
async def test_a_failure_that_comes_when_the_plan_fails_otherwise_is_no_noise():
    told: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))

    async def fail():
        raise RequestTimeout("no answer")

    plan = execute_and_wait(fail)
    (attach,) = next(plan).args[0]
    await asyncio.wait({attach()})
    with pytest.raises(FailedStatus):
        plan.throw(FailedStatus("something else"))
    del plan, attach
    gc.collect()
    loop.set_exception_handler(None)
    assert told == []
