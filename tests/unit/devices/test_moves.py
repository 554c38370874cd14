"""Moves of modules: when they are done, and how they fail."""

import asyncio

import numpy as np
import pytest

from secop_ophyd.devices import ModuleOptions, NodeOptions
from secop_ophyd.protocol import ConnectionLost, RangeError, ReadOnly, WrongType

from .builders import KELVIN, SWITCH, command, drivable, report, writable
from .test_states import lose, settle

SOON = 1.0
GRACE = 0.5


def structure():
    return report(
        c=drivable(),
        w=writable(),
        e=drivable(SWITCH),
        b=drivable({"type": "bool"}),
        s=drivable({"type": "string"}),
        n=drivable({"type": "int", "min": -5, "max": 5}),
        p=drivable({"type": "tuple", "members": [KELVIN, {"type": "string"}]}),
        a=drivable({"type": "array", "members": KELVIN, "maxlen": 3}),
        calm=report(x=writable())["modules"]["x"] | {"interface_classes": ["Drivable"]},
    )


@pytest.fixture
async def fake(serve):
    return await serve(structure())


@pytest.fixture
async def node(fake, connect):
    return await connect(fake)


def sent(fake, action):
    return [r for r in fake.requests if r.startswith(f"{action} ")]


def tell(fake, code, text="", module="c"):
    fake.set_json(f"{module}:status", [code, text])


async def accepted(fake, node, module="c"):
    """Wait until a target was changed."""
    await fake.wait_for_request(f"change {module}:target")
    await settle(node)


# How they fail


@pytest.mark.parametrize(
    ("target", "error"),
    [(501, RangeError), (-1, RangeError), ("warm", WrongType), (None, WrongType)],
)
async def test_a_target_that_cannot_be_is_not_sent(fake, node, target, error):
    for attempt in (node.c.check_value(target), node.c.set(target)):
        with pytest.raises(error, match="node-c"):
            await attempt
    assert not sent(fake, "change")


@pytest.mark.parametrize("code", [400, 430, 499, 500, 0, 50])
async def test_a_module_in_error_fails(fake, node, code):
    fake.drive("c", None)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    tell(fake, 300, "heating")
    fake.set("c:value", 12.0)
    tell(fake, code, "no helium")
    group = "DISABLED" if code < 100 else "ERROR"
    with pytest.raises(RuntimeError, match="no helium") as info:
        await asyncio.wait_for(moving.task, SOON)
    for word in ("node-c", "20.0", "12.0", str(code), group):
        assert word in str(info.value)


async def test_the_words_of_the_node_when_it_refuses(fake, node):
    fake.reply_raw(
        "change c:target", b'error_change c:target ["IsBusy", "later", {}]\n'
    )
    with pytest.raises(Exception, match="c:target.*IsBusy: later"):
        await node.c.set(20.0)


async def test_a_lost_connection_ends_a_move_at_once(fake, node):
    fake.drive("c", 60)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    await lose(fake, node)
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(moving.task, SOON)
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(node.c.set(20.0).task, SOON)
    assert len(sent(fake, "change")) == 1


async def test_an_unknown_status_ends_a_move(fake, node):
    fake.drive("c", 60)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    fake.set_error("c:status", "CommunicationFailed", "no answer")
    with pytest.raises(Exception, match="c:status.*no answer"):
        await asyncio.wait_for(moving.task, SOON)


async def test_a_move_that_takes_too_long_is_stopped(fake, node):
    fake.drive("c", 60)
    with pytest.raises(TimeoutError, match="node-c.*20.0.*0.05 s"):
        await node.c.set(20.0, timeout=0.05)
    assert sent(fake, "do") == ["do c:stop"]
    assert fake.value("c:status")[0] == 100


async def test_the_move_timeout_of_the_module(fake, connect):
    options = NodeOptions(modules={"c": ModuleOptions(move_timeout=0.05)})
    node = await connect(fake, options=options)
    fake.drive("c", 60)
    with pytest.raises(TimeoutError, match="node-c.*20.0.*0.05 s"):
        await node.c.set(20.0)
    # The call says something else
    fake.drive("c", 0.1)
    await node.c.set(30.0, timeout=None)


async def test_a_node_that_does_not_answer(fake, connect):
    node = await connect(fake, options=NodeOptions(timeout=0.05))
    fake.reply_raw("change c:target", None)
    with pytest.raises(Exception, match="c:target.*0.05 s"):
        await node.c.set(20.0)


async def test_a_node_that_is_only_looked_at(fake, connect):
    node = await connect(fake, options=NodeOptions(read_only=True))
    with pytest.raises(ReadOnly):
        await node.c.set(20.0)
    assert not sent(fake, "change")


async def test_a_value_in_error_is_no_reason_not_to_move(fake, node, caplog):
    fake.set_error("c:value", "OutOfRange", "sensor too hot")
    fake.drive("c", None)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    tell(fake, 300)
    fake.set_error("c:value", "HardwareError", "sensor is open")
    await settle(node)
    assert not moving.done
    fake.set_json("c:value", 20.0)
    tell(fake, 100)
    await asyncio.wait_for(moving.task, SOON)
    assert "listener failed" not in caplog.text


async def test_a_move_that_fails_while_the_value_is_in_error(fake, node):
    fake.drive("c", None)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    tell(fake, 300)
    fake.set_error("c:value", "HardwareError", "sensor is open")
    tell(fake, 400, "no sensor")
    with pytest.raises(RuntimeError, match="no sensor.*sensor is open"):
        await asyncio.wait_for(moving.task, SOON)


# When they are done


async def test_set_waits(fake, node):
    moving = node.c.set(20.0)
    await accepted(fake, node)
    assert not moving.done
    await moving
    assert fake.value("c:value") == 20.0
    assert await node.c.value.get_value() == 20.0


@pytest.mark.parametrize("code", [100, 110, 199, 200, 210, 390, 395])
@pytest.mark.parametrize("busy", [300, 310, 370, 380, 345])
async def test_done_by_codes(fake, node, busy, code):
    fake.drive("c", None)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    tell(fake, busy)
    await settle(node)
    for still in (301, 340, 389, busy):
        tell(fake, still, str(still))
    await settle(node)
    assert not moving.done
    tell(fake, code)
    await asyncio.wait_for(moving.task, SOON)


@pytest.mark.parametrize("module", ["e", "b", "s", "n", "p", "a"])
async def test_targets_of_all_types(fake, node, module):
    device = getattr(node, module)
    target = {
        "e": "on",
        "b": True,
        "s": "up",
        "n": -3,
        "p": (1.0, "x"),
        "a": [1.0, 2.0],
    }[module]
    await device.set(target)
    value = fake.value(f"{module}:value")
    assert value == (1 if module == "e" else target)
    location = await device.locate()
    assert str(location["setpoint"]) == str(location["readback"])
    # What was read goes as well, and there is nothing to do
    await device.set(location["setpoint"])
    assert fake.value(f"{module}:target") == value


async def test_an_enum_moves_to_its_members(fake, node):
    on = node.e.target.datatype.ON
    await node.e.set(on)
    assert await node.e.value.get_value() == on
    await node.e.set(0)
    assert await node.e.value.get_value() == "off"


async def test_numbers_of_numpy(fake, node):
    for i, target in enumerate((np.float32(2.5), np.int64(3), np.array(4.5))):
        await node.c.set(target)
        assert fake.value("c:target") == float(target), i


@pytest.mark.parametrize("module", ["c", "e", "b", "s", "n"])
async def test_nothing_to_do(fake, node, module):
    fake.drive(module, None)
    device = getattr(node, module)
    target = (await device.locate())["readback"]
    started = asyncio.get_running_loop().time()
    await device.set(target)
    assert asyncio.get_running_loop().time() - started < GRACE / 2
    assert len(sent(fake, "change")) == 1


async def test_near_enough_is_there(fake, node):
    fake.drive("c", None)
    fake.set("c:value", 20.0000001)
    await asyncio.wait_for(node.c.set(20.0).task, GRACE / 2)


async def test_busy_late(fake, node):
    fake.drive("c", 0.05, busy_late=0.05)
    await node.c.set(20.0)
    assert fake.value("c:value") == 20.0


async def test_a_module_that_never_gets_busy_is_done_after_the_grace(fake, connect):
    options = NodeOptions(modules={"c": ModuleOptions(grace=0.1)})
    node = await connect(fake, options=options)
    fake.drive("c", None)
    started = asyncio.get_running_loop().time()
    await node.c.set(20.0)
    assert 0.1 <= asyncio.get_running_loop().time() - started < GRACE


async def test_a_writable_is_movable(fake, node):
    await node.w.set(20.0)
    assert fake.value("w:value") == 20.0
    assert await node.w.locate() == {"setpoint": 20.0, "readback": 20.0}


async def test_the_target_alone_does_not_wait(fake, node):
    fake.drive("c", 60)
    await node.c.target.set(20.0)
    assert await node.c.locate() == {"setpoint": 20.0, "readback": 0.0}


async def test_a_module_that_is_busy_gets_a_new_target(fake, node):
    fake.drive("c", 60)
    first = node.c.set(20.0)
    await accepted(fake, node)
    fake.drive("c", 0.05)
    await node.c.set(10.0)
    assert fake.value("c:value") == 10.0
    # A plan that has two of them waits for both, and does not fail
    await asyncio.wait_for(first.task, SOON)


async def test_progress(fake, node):
    seen = []
    fake.drive("c", None)
    moving = node.c.set(20.0)
    moving.watch(lambda **update: seen.append(update))
    await accepted(fake, node)
    tell(fake, 300)
    fake.set("c:value", 15.0)
    await settle(node)
    tell(fake, 100)
    await moving
    assert seen[-1]["current"] == 15.0
    assert (seen[-1]["initial"], seen[-1]["target"]) == (0.0, 20.0)
    assert (seen[-1]["name"], seen[-1]["unit"]) == ("node-c", "K")
    assert seen[-1]["precision"] == 3


@pytest.mark.parametrize("module", ["c", "e", "b", "s", "n", "p", "a"])
async def test_the_same_target_told_again_is_no_new_one(fake, node, module):
    target = {
        "e": "on",
        "b": True,
        "s": "up",
        "n": -3,
        "p": (1.0, "x"),
        "a": [1.0, 2.0],
        "c": 20.0,
    }[module]
    fake.drive(module, None)
    moving = getattr(node, module).set(target)
    await accepted(fake, node, module)
    tell(fake, 300, module=module)
    await settle(node)
    fake.set(f"{module}:target", fake.value(f"{module}:target"))
    await settle(node)
    assert not moving.done
    tell(fake, 100, module=module)
    await asyncio.wait_for(moving.task, SOON)


async def test_the_target_of_somebody_else_ends_a_move(fake, node):
    fake.drive("c", None)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    tell(fake, 300)
    await settle(node)
    fake.set("c:target", 30.0)
    with pytest.raises(RuntimeError, match="node-c.*20.0.*30.0"):
        await asyncio.wait_for(moving.task, SOON)


async def test_the_target_of_somebody_else_can_be_tolerated(fake, connect):
    options = NodeOptions(modules={"c": ModuleOptions(tolerate_retarget=True)})
    node = await connect(fake, options=options)
    fake.drive("c", None)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    tell(fake, 300)
    fake.set("c:target", 30.0)
    await settle(node)
    assert not moving.done
    tell(fake, 100)
    await asyncio.wait_for(moving.task, SOON)


# Stop


async def test_stop_is_sent_only_while_busy(fake, node):
    await node.c.stop()
    assert not sent(fake, "do")
    tell(fake, 390)
    await settle(node)
    await node.c.stop()
    assert not sent(fake, "do")
    fake.drive("c", 60)
    await node.c.target.set(20.0)
    await node.c.stop()
    assert sent(fake, "do") == ["do c:stop"]
    assert fake.value("c:status")[0] == 100


async def test_stop_ends_a_move(fake, node):
    fake.drive("c", 60)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    await node.c.stop(success=False)
    with pytest.raises(RuntimeError, match="node-c was stopped"):
        await asyncio.wait_for(moving.task, SOON)


@pytest.mark.parametrize("success", [True, False])
async def test_a_stop_right_after_a_set_is_not_lost(serve, connect, success):
    fake = await serve(structure(), serial=True)
    fake.delay("change c:target", 0.01)
    node = await connect(fake)
    fake.drive("c", 60)
    for steps in range(15):
        moving = node.c.set(20.0 + steps)
        for _ in range(steps):
            await asyncio.sleep(0)
        await node.c.stop(success)
        await asyncio.wait([moving.task], timeout=SOON)
        assert moving.success is success
        await settle(node)
        assert fake.value("c:status")[0] == 100
    assert sent(fake, "change")
    assert sent(fake, "do")


async def test_stop_during_the_grace(fake, node):
    fake.drive("c", 60, busy_late=0.1)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    await node.c.stop(success=True)
    await asyncio.wait_for(moving.task, SOON)
    assert sent(fake, "do") == ["do c:stop"]
    assert fake.value("c:status")[0] == 100


async def test_stop_that_counts_as_success(fake, node):
    fake.drive("c", 60)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    await node.c.stop(success=True)
    await asyncio.wait_for(moving.task, SOON)
    assert sent(fake, "do") == ["do c:stop"]


async def test_stop_overtakes_what_waits(fake, node):
    fake.drive("c", 60)
    moving = node.c.set(20.0)
    await accepted(fake, node)
    fake.reply_raw("change c:target", None)
    waiting = node.c.target.set(30.0)
    await asyncio.wait_for(node.c.stop(success=True), SOON)
    await moving
    assert sent(fake, "do") == ["do c:stop"]
    waiting.task.cancel()
    await asyncio.wait([waiting.task])


async def test_no_stop_is_sent_to_a_module_that_has_none(fake, node):
    fake.drive("calm", 60)
    moving = node.calm.set(20.0)
    await accepted(fake, node, "calm")
    await node.calm.stop(success=True)
    await asyncio.wait_for(moving.task, SOON)
    assert not sent(fake, "do")


async def test_the_command_stop_is_there_too(fake, node):
    fake.drive("c", 60)
    await node.c.target.set(20.0)
    await node.c.stop_.trigger()
    assert sent(fake, "do") == ["do c:stop"]


async def test_wait_for_idle(fake, node):
    fake.drive("c", None)
    await node.c.wait_for_idle()
    tell(fake, 300)
    await settle(node)
    waiting = asyncio.ensure_future(node.c.wait_for_idle())
    await settle(node)
    assert not waiting.done()
    tell(fake, 100)
    await asyncio.wait_for(waiting, SOON)
    tell(fake, 400, "no helium")
    await settle(node)
    with pytest.raises(RuntimeError, match="node-c.*400.*no helium"):
        await node.c.wait_for_idle()


@pytest.mark.parametrize("status", [{"type": "tuple", "members": [SWITCH]}, SWITCH])
async def test_an_odd_status(serve, connect, status):
    structure = report(c=drivable(again=command()))
    structure["modules"]["c"]["accessibles"]["status"]["datainfo"] = status
    fake = await serve(structure)
    node = await connect(fake)
    assert node.problems
    assert await node.c.value.get_value() == 0.0
