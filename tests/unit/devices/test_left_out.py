"""Modules without value are left out of what is read of a node, for a whole run."""

import json
import logging
import math

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.preprocessors import run_decorator, stage_decorator
from bluesky.utils import FailedStatus

from secop_ophyd.devices import ModuleOptions, NodeOptions
from secop_ophyd.protocol import ConnectionLost, HardwareError, InternalError

from .builders import KELVIN, drivable, module, parameter, readable, report
from .test_states import lose, settle


def structure():
    return report(
        t=readable(ramp=parameter(KELVIN, False)),
        c=drivable(),
        n=readable({"type": "int", "min": 0, "max": 9}),
        b=module(x=parameter(KELVIN)),
    )


OPEN = ("t:value", "HardwareError", "sensor is open")


@pytest.fixture
async def fake(serve):
    return await serve(structure(), values={"t:value": 4.2, "c:value": 5.0})


@pytest.fixture
async def node(fake, connect):
    return await connect(fake)


def of(module, keys):
    """Return the keys of a module."""
    return {k for k in keys if k == f"node-{module}" or k.startswith(f"node-{module}-")}


async def readings(node):
    """Return what is read of a node, of which its other answers must agree."""
    found = await node.read()
    assert found.keys() == (await node.describe()).keys()
    assert set(node.hints["fields"]) <= found.keys()
    configuration = await node.read_configuration()
    assert configuration.keys() == (await node.describe_configuration()).keys()
    return found


def left_out(node):
    return {p.module: p.text for p in node.problems}


def warnings(caplog):
    """Return the warnings about what is left out, once each."""
    records = {id(r): r for r in caplog.records if r.levelno >= logging.WARNING}
    texts = [r.getMessage() for r in records.values()]
    return [text for text in texts if "left out" in text]


async def test_a_module_in_error_is_left_out_of_the_node(fake, node, caplog):
    whole = await readings(node)
    fake.set_error(*OPEN)
    await settle(node)
    assert node.problems == ()
    await node.stage()
    assert left_out(node).keys() == {"t"}
    assert "sensor is open" in left_out(node)["t"]
    found = await readings(node)
    assert whole.keys() - found.keys() == of("t", whole)
    assert found["node-c"]["value"] == 5.0
    assert not of("t", node.hints["fields"])
    await readings(node)
    (warning,) = warnings(caplog)
    assert "t: is left out" in warning
    assert "sensor is open" in warning
    await node.unstage()


async def test_it_fails_by_itself(fake, node):
    fake.set_error(*OPEN)
    await settle(node)
    await node.stage()
    for read in (node.t.read, node.t.value.read, node.t.trigger):
        with pytest.raises(HardwareError, match="sensor is open"):
            await read()
    assert of("t", await node.t.describe())
    assert node.t.hints == {"fields": ["node-t"]}
    await node.unstage()


async def test_what_is_left_out_says_so_in_the_configuration(fake, node):
    fake.set_error(*OPEN)
    fake.set_error("t:ramp", "HardwareError", "no ramp")
    await settle(node)
    await node.stage()
    configuration = await node.read_configuration()
    errors = json.loads(configuration["node-t-config_errors"]["value"])
    assert errors.keys() == {"node-t", "node-t-ramp"}
    assert "sensor is open" in errors["node-t"]
    assert configuration["node-c-config_errors"]["value"] == "{}"
    await node.unstage()
    fake.set("t:ramp", 1.0)
    await settle(node)
    configuration = await node.read_configuration()
    assert configuration["node-t-config_errors"]["value"] == "{}"


async def test_it_stays_out_until_the_next_stage(fake, node, caplog):
    fake.set_error(*OPEN)
    await settle(node)
    await node.stage()
    fake.set("t:value", 6.0)
    await settle(node)
    assert not of("t", await readings(node))
    assert left_out(node).keys() == {"t"}
    await node.unstage()
    assert node.problems == ()
    assert (await readings(node))["node-t"]["value"] == 6.0
    await node.stage()
    assert (await readings(node))["node-t"]["value"] == 6.0
    assert len(warnings(caplog)) == 1
    await node.unstage()


async def test_it_is_decided_anew_by_each_stage(fake, node, caplog):
    fake.set_error(*OPEN)
    await settle(node)
    for _ in range(2):
        await node.stage()
        await readings(node)
        await node.unstage()
    assert len(warnings(caplog)) == 2
    await node.stage()
    fake.set("t:value", 6.0)
    fake.set_error("c:value", "InternalError", "c")
    await settle(node)
    await node.stage()
    assert left_out(node).keys() == {"c"}
    assert (await readings(node))["node-t"]["value"] == 6.0
    await node.unstage()


async def test_an_error_after_stage_fails_the_reading(fake, node):
    await node.stage()
    fake.set_error(*OPEN)
    await settle(node)
    with pytest.raises(HardwareError, match="sensor is open"):
        await node.read()
    with pytest.raises(HardwareError, match="sensor is open"):
        await node.trigger()
    assert of("t", await node.describe())
    await node.unstage()


async def test_without_stage_nothing_is_left_out(fake, node):
    fake.set_error(*OPEN)
    await settle(node)
    with pytest.raises(HardwareError, match="sensor is open"):
        await node.read()
    assert node.problems == ()


async def test_what_is_left_out_is_not_triggered(fake, node):
    fake.set_error(*OPEN)
    await settle(node)
    await node.stage()
    await node.trigger()
    reads = {r for r in fake.requests if r.startswith("read")}
    assert reads == {"read c:value", "read n:value"}
    await node.unstage()


async def test_several_are_told_in_one_warning(fake, node, caplog):
    fake.set_error(*OPEN)
    fake.set_error("c:value", "InternalError", "oops")
    await settle(node)
    await node.stage()
    await readings(node)
    (warning,) = warnings(caplog)
    assert "sensor is open" in warning
    assert "oops" in warning
    await node.unstage()


async def test_other_parts_of_a_reading_count_as_well(fake, node):
    fake.set_error("c:target", "InternalError", "never set")
    fake.set_json("n:value", "no number")
    await settle(node)
    await node.stage()
    assert left_out(node).keys() == {"c", "n"}
    assert "never set" in left_out(node)["c"]
    assert await readings(node)
    await node.unstage()


async def test_a_status_of_error_is_no_missing_value(fake, node):
    fake.set_json("t:status", [400, "broken"])
    await settle(node)
    await node.stage()
    assert node.problems == ()
    assert (await readings(node))["node-t-status-f0"]["value"] == 400
    await node.unstage()


async def test_errors_as_nan_leaves_nothing_out(fake, connect):
    options = NodeOptions(
        modules={m: ModuleOptions(errors_as_nan=True) for m in ("t", "n")}
    )
    node = await connect(fake, options=options)
    fake.set_error(*OPEN)
    fake.set_error("n:value", "InternalError", "no integer is NaN")
    await settle(node)
    await node.stage()
    assert left_out(node).keys() == {"n"}
    assert math.isnan((await readings(node))["node-t"]["value"])
    await node.trigger()
    assert "read t:value" in fake.requests
    await node.unstage()


async def test_a_lost_connection_is_no_error_of_a_module(fake, node):
    fake.set_error(*OPEN)
    await settle(node)
    await lose(fake, node)
    await node.stage()
    assert node.problems == ()
    with pytest.raises(ConnectionLost):
        await node.read()
    await node.unstage()


async def test_a_value_that_cannot_be_asked_for_is_left_out(serve, connect):
    shy = await serve(structure())
    shy.reply_raw("activate", b"active\n")
    shy.set_error(*OPEN)
    node = await connect(shy)
    await node.stage()
    assert left_out(node).keys() == {"t"}
    assert not of("t", await readings(node))
    await node.unstage()


async def test_a_value_that_is_never_answered_is_no_error_of_a_module(serve, connect):
    deaf = await serve(structure())
    deaf.reply_raw("activate", b"active\n")
    deaf.reply_raw("read t:value", None)
    node = await connect(deaf, options=NodeOptions(timeout=0.1))
    await node.stage()
    assert node.problems == ()
    with pytest.raises(Exception, match="t:value"):
        await node.read()
    await node.unstage()


async def test_a_module_that_is_gone_is_no_problem(fake, node):
    fake.set_error(*OPEN)
    await settle(node)
    await node.stage()
    fake.set_description(report(c=drivable()))
    await node.connect(force_reconnect=True)
    assert await readings(node)
    assert left_out(node).keys() <= {"t"}
    await node.unstage()
    assert node.problems == ()


# Plans


@pytest.fixture
def broken(lab):
    fake = lab.serve(structure(), values={"c:value": 5.0})
    lab.call(fake.set_error, *OPEN)
    return fake


def test_a_run_goes_on_without_a_module(lab, broken, caplog):
    node = lab.connect(broken)
    lab.engine(bp.count([node], 3))
    (descriptor,) = lab.named("descriptor")
    assert len(lab.named("event")) == 3
    for event in lab.named("event"):
        assert event["data"].keys() == descriptor["data_keys"].keys()
        assert event["data"]["node-c"] == 5.0
    assert not of("t", descriptor["data_keys"])
    assert not of("t", descriptor["hints"]["node"]["fields"])
    configuration = descriptor["configuration"]["node"]["data"]
    assert "sensor is open" in configuration["node-t-config_errors"]
    assert len(warnings(caplog)) == 1
    assert node.problems == ()


def test_the_next_run_has_it_again(lab, broken):
    node = lab.connect(broken)
    lab.engine(bp.count([node]))
    lab.call(broken.set, "t:value", 6.0)
    lab.engine(bp.count([node]))
    first, second = lab.named("descriptor")
    assert second["data_keys"].keys() - first["data_keys"].keys() == of(
        "t", second["data_keys"]
    )
    assert lab.named("event")[-1]["data"]["node-t"] == 6.0


def test_a_module_that_heals_does_not_disturb_a_run(lab, broken):
    node = lab.connect(broken)

    @stage_decorator([node])
    @run_decorator()
    def plan():
        yield from bps.trigger_and_read([node])
        broken.set("t:value", 6.0)  # plans run in the event loop
        yield from bps.trigger_and_read([node])

    lab.engine(plan())
    first, second = lab.named("event")
    assert first["data"].keys() == second["data"].keys()
    assert not of("t", second["data"])
    assert lab.run(node.t.value.get_value()) == 6.0


def test_a_module_that_fails_later_ends_the_run(lab):
    fake = lab.serve(structure())
    node = lab.connect(fake)

    @stage_decorator([node])
    @run_decorator()
    def plan():
        yield from bps.trigger_and_read([node])
        fake.set_error(*OPEN)
        yield from bps.trigger_and_read([node])

    with pytest.raises(FailedStatus) as info:
        lab.engine(plan())
    assert "sensor is open" in str(info.value.__cause__)
    assert len(lab.named("event")) == 1
    assert lab.named("stop")[0]["exit_status"] == "fail"
    assert node.problems == ()


@pytest.mark.parametrize("detector", [lambda node: node.t, lambda node: node.t.value])
def test_a_detector_in_error_fails_the_run(lab, broken, caplog, detector):
    node = lab.connect(broken)
    with pytest.raises((FailedStatus, HardwareError)) as info:
        lab.engine(bp.count([detector(node)]))
    assert "sensor is open" in str(info.value.__cause__ or info.value)
    assert lab.named("event") == []
    assert warnings(caplog) == []


def test_a_detector_whose_status_is_in_error_fails_the_run(lab):
    fake = lab.serve(structure())
    node = lab.connect(fake)
    lab.call(fake.set_error, "t:status", "InternalError", "who knows")
    with pytest.raises(InternalError, match="who knows"):
        lab.engine(bp.count([node.t]))
    assert lab.named("event") == []


def test_others_can_be_read_without_a_warning(lab, broken, caplog):
    node = lab.connect(broken)
    lab.engine(bp.scan([node.n], node.c, 1, 2, 2))
    assert len(lab.named("event")) == 2
    assert warnings(caplog) == []


def test_a_lost_connection_fails_the_run(lab, broken):
    node = lab.connect(broken)
    lab.run(lose(broken, node))
    with pytest.raises(FailedStatus) as info:
        lab.engine(bp.count([node]))
    assert isinstance(info.value.__cause__, ConnectionLost)
