"""Acquisitions: begun once, waited for, stopped, and what they leave in documents."""

from __future__ import annotations

import asyncio
from typing import Any

import bluesky.plan_stubs as bps
import numpy as np
import pytest
from bluesky.plans import count, scan
from bluesky.utils import FailedStatus, RunEngineInterrupted

from secop_ophyd.devices import (
    ModuleOptions,
    NodeOptions,
    SECoPAcquisitionChannelDevice,
    SECoPAcquisitionControllerDevice,
    SECoPAcquisitionDevice,
    SECoPBaseDevice,
    SECoPReadableDevice,
    SECoPTriggerableDevice,
)
from secop_ophyd.protocol import (
    CommunicationFailed,
    ConnectionLost,
    HardwareError,
    Impossible,
    ReadOnly,
)
from secop_ophyd.testing import FakeNode

from .builders import STATUS, command, drivable, module, parameter, plain, report
from .test_states import lose, settle

COUNTS = {"type": "double", "min": 0}
MATRIX = {
    "type": "matrix",
    "names": ["x", "y"],
    "maxlen": [8, 8],
    "elementtype": "<i4",
}
IMAGE = np.arange(6, dtype="<i4").reshape(2, 3)


def channel(*classes: str, **accessibles: Any) -> dict[str, Any]:
    return module(
        *(classes or ("AcquisitionChannel", "Readable")),
        value=parameter(COUNTS),
        status=parameter(STATUS),
        _goal=parameter(COUNTS, False),
        _goal_enable=parameter({"type": "bool"}, False),
        **accessibles,
    )


def controller(channels: Any = None, **accessibles: Any) -> dict[str, Any]:
    found = module(
        "AcquisitionController",
        status=parameter(STATUS),
        **{"go": command(), "stop": command()} | accessibles,
    )
    roles = {"t": "time", "counts": "counts"} if channels is None else channels
    return found | {"acquisition_channels": roles}


def structure(**accessibles: Any) -> dict[str, Any]:
    return report(
        control=controller(**accessibles),
        time=channel(),
        counts=channel(),
        single=channel("Acquisition", "Readable", go=command(), stop=command()),
        old=channel("Readable", "Triggerable", go=command()),
        motor=drivable(),
    )


class Hardware:
    """What is behind the controller, its channels, and modules that are both."""

    def __init__(self, fake: FakeNode, name: str, *channels: str):
        self.fake, self.name = fake, name
        self.channels = channels or (name,)
        self.runs = 0
        self.ends = True  # by itself, as soon as it has begun
        fake.on_command(f"{name}:go", self.go)
        if "stop" in fake.description.modules[name].commands:
            fake.on_command(f"{name}:stop", self.stop)

    def status(self, code: int, text: str = "") -> None:
        for name in dict.fromkeys((*self.channels, self.name)):
            self.fake.set_json(f"{name}:status", [code, text])

    def go(self) -> None:
        self.runs += 1
        self.status(300, "acquiring")
        if self.ends:
            asyncio.get_running_loop().call_later(0.02, self.end)

    def end(self) -> None:
        for i, name in enumerate(self.channels):
            self.fake.set(f"{name}:value", 100.0 * self.runs + i)
        self.status(100)

    def stop(self) -> None:
        for name in self.channels:
            self.fake.set(f"{name}:value", 1.0)
        self.status(100, "stopped")


def hardware(fake: FakeNode) -> Hardware:
    return Hardware(fake, "control", "time", "counts")


def sent(fake: FakeNode, name: str = "control") -> list[str]:
    """Return the commands that a module got."""
    start = f"do {name}:"
    return [r.removeprefix(start) for r in fake.requests if r.startswith(start)]


@pytest.fixture
async def fake(serve: Any) -> FakeNode:
    return await serve(structure())


@pytest.fixture
async def node(fake: FakeNode, connect: Any) -> Any:
    return await connect(fake)


async def acquiring(fake: FakeNode, node: Any) -> tuple[Any, Hardware]:
    """Begin an acquisition that does not end by itself."""
    found = hardware(fake)
    found.ends = False
    status = node.control.trigger()
    await fake.wait_for_request("do control:go")
    await settle(node)
    return status, found


# Classes


def test_each_class_has_its_device(lab: Any) -> None:
    node = lab.connect(lab.serve(structure()))
    found = {name: type(child) for name, child in node.children() if name in MODULES}
    assert found == MODULES
    assert node.problems == ()


MODULES = {
    "control": SECoPAcquisitionControllerDevice,
    "time": SECoPAcquisitionChannelDevice,
    "counts": SECoPAcquisitionChannelDevice,
    "single": SECoPAcquisitionDevice,
    "old": SECoPTriggerableDevice,
}


async def test_what_cannot_be_triggered_falls_back(serve: Any, connect: Any) -> None:
    modules = structure()["modules"]
    for found in modules.values():
        found["accessibles"].pop("go", None)
    node = await connect(await serve(report(**modules)))
    assert type(node.control) is SECoPBaseDevice
    assert type(node.old) is type(node.single) is SECoPReadableDevice
    assert [str(problem) for problem in node.problems] == [
        "control: is no AcquisitionController: go is missing",
        "single: is no Acquisition: go is missing",
        "old: is no Triggerable: go is missing",
    ]


async def test_channels_that_are_none_are_left_out(serve: Any, connect: Any) -> None:
    roles = {"t": "time", "x": "nowhere", "y": "control"}
    fake = await serve(report(control=controller(roles), time=channel()))
    node = await connect(fake)
    assert [str(problem) for problem in node.problems] == [
        "control: the channel 'x' is left out: 'nowhere' is none",
        "control: the channel 'y' is left out: 'control' is none",
    ]
    Hardware(fake, "control", "time")
    await node.control.trigger()
    assert (await node.control.read())["node-time"]["value"] == 100


async def test_a_controller_without_channels(serve: Any, connect: Any) -> None:
    fake = await serve(report(control=controller(["time"]), time=channel()))
    node = await connect(fake)
    assert [str(problem) for problem in node.problems] == [
        "control: acquisition_channels is no object: ['time']"
    ]
    Hardware(fake, "control")
    fake.on_command("control:go", lambda: None)
    await node.control.trigger()
    assert set(await node.control.read()) == {
        "node-control-status-f0",
        "node-control-status-f1",
    }


# What is recorded


CONTROL_KEYS = {
    f"node-{key}"
    for key in (
        "control-status-f0",
        "control-status-f1",
        "time",
        "time-status-f0",
        "time-status-f1",
        "counts",
        "counts-status-f0",
        "counts-status-f1",
    )
}


def test_count_of_a_controller(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    found = hardware(fake)
    lab.engine(bps.mv(node.time.goal, 5, node.time.goal_enable, True))
    lab.engine(count([node.control], 2))
    assert found.runs == 2
    assert sent(fake) == ["go", "go"]  # nothing to stop
    events = lab.named("event")
    assert [e["data"]["node-time"] for e in events] == [100, 200]
    assert [e["data"]["node-counts"] for e in events] == [101, 201]
    assert {e["data"]["node-control-status-f0"] for e in events} == {100}
    (descriptor,) = lab.named("descriptor")
    assert set(descriptor["data_keys"]) == CONTROL_KEYS == set(events[0]["data"])
    assert descriptor["hints"] == {
        "node-control": {"fields": ["node-time", "node-counts"]}
    }
    configuration = descriptor["configuration"]["node-control"]["data"]
    assert configuration["node-time-goal"] == 5
    assert configuration["node-time-goal_enable"] is True
    assert "node-control-acquisition_channels" in configuration


@pytest.mark.parametrize("name", ["single", "old"])
def test_scan_with_a_module_that_is_both(lab: Any, name: str) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    found = Hardware(fake, name)
    lab.engine(scan([getattr(node, name)], node.motor, 1, 3, 3))
    data = [event["data"] for event in lab.named("event")]
    assert [d[f"node-{name}"] for d in data] == [100, 200, 300]
    assert [d["node-motor"] for d in data] == [1, 2, 3]
    assert found.runs == 3
    (descriptor,) = lab.named("descriptor")
    assert descriptor["hints"][f"node-{name}"] == {"fields": [f"node-{name}"]}


async def test_the_values_are_of_the_end(fake: FakeNode, node: Any) -> None:
    def end() -> None:
        # The node has polled its channels before, and tells the controller first
        fake.set("counts:value", 7.0)
        fake.on_read("counts:value", lambda: 8.0)
        fake.on_read("counts:status", lambda: (100, "read"))
        fake.set_json("time:status", [100, ""])
        fake.set_json("control:status", [100, ""])

    found = hardware(fake)
    found.end = end  # type: ignore[method-assign]
    await node.control.trigger()
    reading = await node.control.read()
    assert reading["node-counts"]["value"] == 8
    assert reading["node-counts-status-f0"]["value"] == 100


async def test_a_channel_that_is_late_is_waited_for(fake: FakeNode, node: Any) -> None:
    status, _ = await acquiring(fake, node)
    fake.set_json("time:status", [100, ""])
    fake.set_json("control:status", [100, ""])
    await fake.wait_for_request("read counts:status")
    await settle(node)
    assert not status.done
    fake.set("counts:value", 9.0)
    fake.set_json("counts:status", [100, ""])
    await status
    assert (await node.control.read())["node-counts"]["value"] == 9


async def test_a_channel_in_error_fails(fake: FakeNode, node: Any) -> None:
    hardware(fake)

    def broken() -> None:
        raise HardwareError("no counter")

    fake.on_read("counts:value", broken)
    with pytest.raises(HardwareError, match="no counter"):
        await node.control.trigger()


async def test_a_channel_in_error_as_nan(serve: Any, connect: Any) -> None:
    fake = await serve(structure())
    options = NodeOptions(modules={"counts": ModuleOptions(errors_as_nan=True)})
    node = await connect(fake, options=options)
    hardware(fake)

    def broken() -> None:
        raise HardwareError("no counter")

    fake.on_read("counts:value", broken)
    await node.control.trigger()
    reading = await node.control.read()
    assert np.isnan(reading["node-counts"]["value"])
    assert reading["node-time"]["value"] == 100


# What begins an acquisition, and what does not


def test_count_of_the_node_begins_nothing(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    lab.engine(count([node]))
    assert not [r for r in fake.requests if r.startswith("do ")]
    assert "read counts:value" in fake.requests
    (event,) = lab.named("event")
    assert CONTROL_KEYS < set(event["data"])
    (descriptor,) = lab.named("descriptor")
    fields = descriptor["hints"]["node"]["fields"]
    assert len(fields) == len(set(fields)), "each channel once"


def test_count_of_channels_begins_nothing(lab: Any) -> None:
    fake = lab.serve(structure(), values={"counts:value": 4.0})
    node = lab.connect(fake)
    lab.engine(count([node.time, node.counts]))
    assert not sent(fake)
    assert "read counts:value" in fake.requests
    (event,) = lab.named("event")
    assert event["data"]["node-counts"] == 4


def test_all_in_one_group_begin_one_acquisition(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    found = hardware(fake)

    def plan() -> Any:
        for device in (node.time, node.control, node, node.counts, node.control):
            yield from bps.trigger(device, group="g")
        yield from bps.wait("g")
        return (yield from bps.rd(node.counts.value))

    assert lab.engine(plan()).plan_result == 101
    assert found.runs == 1
    assert sent(fake) == ["go"]


async def test_a_staged_node_stops_nothing(fake: FakeNode, node: Any) -> None:
    status, found = await acquiring(fake, node)
    await node.stage()
    await node.unstage()
    assert sent(fake) == ["go"]
    found.end()
    await status


async def test_one_after_the_other(fake: FakeNode, node: Any) -> None:
    found = hardware(fake)
    for runs in (1, 2, 3):
        await node.control.trigger()
        assert found.runs == runs


async def test_an_acquisition_of_somebody_else_is_not_ours(
    fake: FakeNode, node: Any
) -> None:
    hardware(fake).status(300, "begun by NICOS")
    await settle(node)
    with pytest.raises(RuntimeError, match="BUSY.*begun by NICOS"):
        await node.control.trigger()
    await node.control.stage()
    await node.control.unstage()
    assert not sent(fake)
    await node.control.stop()  # whoever says it means it
    assert sent(fake) == ["stop"]


async def test_it_waits_for_what_comes_before(fake: FakeNode, node: Any) -> None:
    found = hardware(fake)
    fake.set_json("control:status", [320, "initializing"])
    await settle(node)
    status = node.control.trigger()
    await settle(node)
    assert not sent(fake)
    fake.set_json("control:status", [100, ""])
    await status
    assert found.runs == 1


# Prepare


def with_prepare(**more: Any) -> dict[str, Any]:
    return structure(prepare=command(), hold=command(), **more)


async def test_it_is_prepared_first(serve: Any, connect: Any) -> None:
    fake = await serve(with_prepare())
    node = await connect(fake)
    hardware(fake)

    def prepare() -> None:
        fake.set_json("control:status", [340, "preparing"])
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, fake.set_json, "control:status", [150, "ready"])

    fake.on_command("control:prepare", prepare)
    await node.control.trigger()
    assert sent(fake) == ["prepare", "go"]
    # It has been done already
    fake.set_json("control:status", [150, "ready"])
    await settle(node)
    await node.control.trigger()
    assert sent(fake) == ["prepare", "go", "go"]


async def test_prepare_fails(serve: Any, connect: Any) -> None:
    fake = await serve(with_prepare())
    node = await connect(fake)
    found = hardware(fake)

    def prepare() -> None:
        fake.set_json("control:status", [340, "preparing"])
        fake.set_json("control:status", [400, "no high voltage"])

    fake.on_command("control:prepare", prepare)
    with pytest.raises(RuntimeError, match="no high voltage"):
        await node.control.trigger()

    def refuse() -> None:
        raise Impossible("door is open")

    fake.on_command("control:prepare", refuse)
    with pytest.raises(Impossible, match="door is open"):
        await node.control.trigger()
    assert found.runs == 0


async def test_a_custom_prepare(serve: Any, connect: Any) -> None:
    fake = await serve(structure(_prepare=command()))
    node = await connect(fake, options=NodeOptions(modules=IMPATIENT))
    hardware(fake)
    await node.control.trigger()
    assert sent(fake) == ["_prepare", "go"]


IMPATIENT = {"control": ModuleOptions(grace=0.05)}


# Hold


async def test_it_waits_while_it_is_held(
    serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake = await serve(with_prepare())
    fake.set_json("control:status", [150, "ready"])
    node = await connect(fake)
    status, found = await acquiring(fake, node)
    found.status(150, "held by the user")
    await settle(node)
    assert not status.done
    found.status(300, "goes on")
    await settle(node)
    assert not status.done
    found.end()
    await status
    assert caplog.messages.count("node-control is on hold: waiting until it goes on")


async def test_a_held_one_can_be_stopped(serve: Any, connect: Any) -> None:
    fake = await serve(with_prepare())
    fake.set_json("control:status", [150, "ready"])
    node = await connect(fake)
    status, found = await acquiring(fake, node)
    found.status(150, "held by the user")
    await settle(node)
    await node.control.stop(success=True)
    await status
    assert sent(fake) == ["go", "stop"]


async def test_a_go_that_begins_nothing(serve: Any, connect: Any) -> None:
    fake = await serve(with_prepare())
    fake.set_json("control:status", [150, "ready"])
    node = await connect(fake, options=NodeOptions(modules=IMPATIENT))
    with pytest.raises(RuntimeError, match="nothing has begun after go"):
        await node.control.trigger()


# The end


@pytest.mark.parametrize("late", [0.0, 0.1])
async def test_busy_that_is_told_late(fake: FakeNode, node: Any, late: float) -> None:
    found = hardware(fake)
    loop = asyncio.get_running_loop()
    busy = [300, "acquiring"]

    def go() -> None:
        if late:
            loop.call_later(late, fake.set_json, "control:status", busy)
        else:  # it tells it only if it is asked
            fake.on_read("control:status", lambda: busy)
        loop.call_later(late + 0.1, fake.on_read, "control:status", None)
        loop.call_later(late + 0.1, found.end)

    fake.on_command("control:go", go)
    fake.set("counts:value", 0.0)
    await node.control.trigger()
    assert (await node.control.read())["node-counts"]["value"] != 0


async def test_one_that_is_over_at_once(fake: FakeNode, node: Any) -> None:
    def go() -> None:
        fake.set_json("control:status", [300, ""])
        fake.set("counts:value", 5.0)
        fake.set_json("control:status", [100, ""])

    fake.on_command("control:go", go)
    async with asyncio.timeout(0.4):  # no grace
        await node.control.trigger()
    assert (await node.control.read())["node-counts"]["value"] == 5


@pytest.mark.parametrize(
    ("code", "words"), [(400, r"400 \(ERROR\) 'overflow'"), (0, r"0 \(DISABLED\)")]
)
async def test_it_ends_in_an_error(
    fake: FakeNode, node: Any, code: int, words: str
) -> None:
    status, _ = await acquiring(fake, node)
    fake.set_json("control:status", [code, "overflow"])
    with pytest.raises(RuntimeError, match=words):
        await status
    await node.control.unstage()
    assert sent(fake) == ["go"]


async def test_an_error_of_before_does_not_count(fake: FakeNode, node: Any) -> None:
    hardware(fake)
    fake.set_json("control:status", [400, "of before"])
    await settle(node)
    await node.control.trigger()


async def test_the_node_refuses(fake: FakeNode, node: Any) -> None:
    def refuse() -> None:
        raise Impossible("shutter is closed")

    fake.on_command("control:go", refuse)
    with pytest.raises(Impossible, match="shutter is closed"):
        await node.control.trigger()
    await node.control.stop()
    assert sent(fake) == ["go"]


async def test_the_status_is_unknown(fake: FakeNode, connect: Any) -> None:
    node = await connect(fake, options=NodeOptions(modules=IMPATIENT))
    status, _ = await acquiring(fake, node)
    fake.set_error("control:status", "CommunicationFailed", "no controller")
    with pytest.raises(CommunicationFailed, match="no controller"):
        await status
    await node.control.stop()
    assert sent(fake) == ["go", "stop"]


async def test_the_connection_is_lost(fake: FakeNode, node: Any) -> None:
    status, found = await acquiring(fake, node)
    await lose(fake, node)
    with pytest.raises(ConnectionLost):
        await status
    await node.control.unstage()
    with pytest.raises(ConnectionLost):
        await node.control.trigger()
    await fake.listen_again()
    await node.client.connect()
    # It goes on there, and the data is to be of one that begins now
    found.ends = True
    await node.control.trigger()
    assert sent(fake) == ["go", "stop", "go"]
    assert (await node.control.read())["node-time"]["value"] == 200


def test_a_failure_fails_the_plan(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    fake.on_command(
        "control:go", lambda: fake.set_json("control:status", [400, "no gas"])
    )
    with pytest.raises(FailedStatus) as failure:
        lab.engine(count([node.control]))
    assert "no gas" in str(failure.value.__cause__)
    assert lab.named("event") == []


# Stop


async def test_stop_while_it_acquires(fake: FakeNode, node: Any) -> None:
    status, _ = await acquiring(fake, node)
    await node.control.stop()
    with pytest.raises(RuntimeError, match="node-control was stopped"):
        await status
    assert sent(fake) == ["go", "stop"]
    await node.control.stop()
    assert sent(fake) == ["go", "stop"]


async def test_stop_before_go_is_sent(fake: FakeNode, node: Any) -> None:
    found = hardware(fake)
    status = node.control.trigger()
    await node.control.stop()
    with pytest.raises(RuntimeError, match="was stopped"):
        await status
    await settle(node)
    assert (found.runs, sent(fake)) == (0, [])


async def test_stop_before_go_is_answered(fake: FakeNode, node: Any) -> None:
    found = hardware(fake)
    found.ends = False
    fake.delay("do control:go", 0.1)
    status = node.control.trigger()
    await fake.wait_for_request("do control:go")
    await node.control.stop(success=True)
    await status
    assert sent(fake) == ["go", "stop"]


async def test_stop_of_a_node_that_tells_its_status_when_asked(
    fake: FakeNode, node: Any
) -> None:
    status, _ = await acquiring(fake, node)
    fake.on_command("control:stop", lambda: None)
    fake.on_read("control:status", lambda: (100, "stopped"))
    async with asyncio.timeout(2):
        await node.control.stop(success=True)
    await status


async def test_stop_without_such_a_command(fake: FakeNode, node: Any) -> None:
    found = Hardware(fake, "old")
    found.ends = False
    status = node.old.trigger()
    await fake.wait_for_request("do old:go")
    await node.old.stop()
    with pytest.raises(RuntimeError, match="was stopped"):
        await status
    # It goes on, so the next one has to wait
    found.ends = True
    status = node.old.trigger()
    await settle(node)
    assert found.runs == 1
    found.end()
    await status
    assert found.runs == 2


async def test_what_had_begun_before_is_not_ours(fake: FakeNode, node: Any) -> None:
    first, found = await acquiring(fake, node)
    await node.stage()  # for another module, as far as is known
    await node.unstage()
    assert (first.done, sent(fake)) == (False, ["go"])
    await node.stage()
    found.ends = True
    second = node.control.trigger()
    with pytest.raises(RuntimeError, match="node-control was stopped"):
        await first
    await second
    assert sent(fake) == ["go", "stop", "go"]
    assert (await node.control.read())["node-time"]["value"] == 200
    await node.unstage()
    assert sent(fake) == ["go", "stop", "go"]


async def test_unstage_stops_what_has_begun_since(fake: FakeNode, node: Any) -> None:
    await node.stage()
    status, _ = await acquiring(fake, node)
    await node.unstage()
    await status
    assert sent(fake) == ["go", "stop"]


async def test_one_that_is_cancelled_is_not_taken_for_the_next(
    fake: FakeNode, node: Any
) -> None:
    first, found = await acquiring(fake, node)
    first.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    found.ends = True
    await node.control.trigger()
    assert sent(fake) == ["go", "stop", "go"]


def test_a_plan_that_fails_stops_it(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    found = hardware(fake)
    found.ends = False
    fake.on_command("single:go", lambda: fake.set_json("single:status", [400, "oh"]))
    with pytest.raises(FailedStatus, match="single") as failure:
        lab.engine(count([node.control, node.single]))
    assert "oh" in str(failure.value.__cause__)
    assert sent(fake) == ["go", "stop"]
    assert fake.value("control:status") == (100, "stopped")


@pytest.mark.parametrize("end", ["abort", "stop", "halt"])
def test_a_plan_that_is_ended_stops_it(lab: Any, end: str) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    hardware(fake).ends = False
    lab.when(fake, "do control:go", lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(count([node.control]))
    getattr(lab.engine, end)()
    assert sent(fake) == ["go", "stop"]
    assert lab.named("event") == []


def test_a_pause_measures_the_point_again(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    found = hardware(fake)
    found.ends = False
    lab.when(fake, "do control:go", lab.engine.request_pause)
    with pytest.raises(RunEngineInterrupted):
        lab.engine(count([node.control], 2))
    assert sent(fake) == ["go", "stop"]
    found.ends = True
    lab.engine.resume()
    assert found.runs == 3
    events = lab.named("event")
    assert [e["data"]["node-time"] for e in events] == [200, 300]
    assert [e["seq_num"] for e in events] == [1, 2]


def test_a_suspension_measures_the_point_again(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    found = hardware(fake)
    found.ends = False

    def suspend() -> None:
        lab.engine.request_suspend(resumes)

    async def resumes() -> None:
        await fake.wait_for_request("do control:stop")
        found.ends = True

    lab.when(fake, "do control:go", suspend)
    lab.engine(count([node.control]))
    assert sent(fake) == ["go", "stop", "go"]
    assert [e["data"]["node-time"] for e in lab.named("event")] == [200]


def test_a_pause_at_another_time_stops_nothing(lab: Any) -> None:
    fake = lab.serve(structure())
    node = lab.connect(fake)
    hardware(fake)

    def plan() -> Any:
        yield from bps.checkpoint()
        yield from bps.trigger(node.control, wait=True)
        fake.requests.clear()
        yield from bps.checkpoint()
        yield from bps.pause()

    with pytest.raises(RunEngineInterrupted):
        lab.engine(plan())
    lab.engine.resume()
    assert not sent(fake)


async def test_a_node_that_cannot_be_stopped_is_told(
    fake: FakeNode, node: Any, caplog: pytest.LogCaptureFixture
) -> None:
    status, _ = await acquiring(fake, node)

    def refuse() -> None:
        raise Impossible("not now")

    fake.on_command("control:stop", refuse)
    await node.control.unstage()
    await status
    assert "node-control could not be stopped" in caplog.messages
    assert "not now" in caplog.text


async def test_who_only_looks_begins_nothing(fake: FakeNode, connect: Any) -> None:
    node = await connect(fake, options=NodeOptions(read_only=True))
    with pytest.raises(ReadOnly, match="node-control was not triggered"):
        await node.control.trigger()
    await node.control.stop()
    assert not sent(fake)


def test_commands_of_a_controller_wait_for_it(lab: Any) -> None:
    fake = lab.serve(structure(_hold=command()))
    node = lab.connect(fake)
    found = hardware(fake)
    fake.on_command("control:_hold", lambda: found.status(100, "paused"))
    lab.engine(node.control.go(wait_for_idle=True))
    assert found.runs == 1
    assert fake.value("counts:value") == 101
    found.ends = False
    lab.engine(node.control.go())
    lab.engine(node.control.hold(wait_for_idle=True))
    assert fake.value("control:status") == (100, "paused")


# Matrices


def with_matrix(**accessibles: Any) -> dict[str, Any]:
    return report(
        control=controller({"image": "image"}),
        image=channel(
            get_data=command(result=MATRIX),
            roi=parameter(ROI, False),
            **accessibles,
        ),
    )


ROI = {
    "type": "array",
    "maxlen": 2,
    "members": {"type": "tuple", "members": [{"type": "int"}, {"type": "int"}]},
}


def test_full_data_is_in_the_documents(lab: Any) -> None:
    fake = lab.serve(with_matrix())
    node = lab.connect(fake)
    found = Hardware(fake, "control", "image")
    fake.on_command("image:get_data", lambda: IMAGE * found.runs)
    lab.engine(count([node.control], 2))
    events = lab.named("event")
    for run, event in enumerate(events, 1):
        data = event["data"]["node-image-get_data"]
        assert data.dtype == np.dtype("<i4")
        assert plain(data) == plain(IMAGE * run)
        assert event["data"]["node-image"] == 100 * run
    (descriptor,) = lab.named("descriptor")
    key = descriptor["data_keys"]["node-image-get_data"]
    assert (key["dtype"], key["shape"], key["dtype_numpy"]) == (
        "array",
        [None, None],
        "<i4",
    )
    assert key["source"] == f"secop://{fake.uri}/image/get_data"
    assert key["object_name"] == "node-control"
    assert "node-image-get_data" not in descriptor["hints"]["node-control"]["fields"]
    assert found.runs == 2


def test_full_data_of_the_channel_and_of_the_node(lab: Any) -> None:
    fake = lab.serve(with_matrix())
    node = lab.connect(fake)
    images = iter([IMAGE, IMAGE + 1])
    fake.on_command("image:get_data", lambda: next(images))
    lab.engine(count([node.image]))
    lab.engine(count([node]))
    first, second = lab.named("event")
    assert plain(first["data"]["node-image-get_data"]) == plain(IMAGE)
    # Nothing of before
    assert plain(second["data"]["node-image-get_data"]) == plain(IMAGE + 1)


@pytest.mark.parametrize(
    ("result", "value", "expected"),
    [
        (
            {"type": "array", "members": {"type": "double"}, "maxlen": 9},
            [1.0, 2.5],
            {"": [1.0, 2.5]},
        ),
        (
            {
                "type": "struct",
                "members": {
                    "x": {"type": "array", "members": {"type": "int"}, "maxlen": 9},
                    "n": {"type": "int"},
                },
            },
            {"x": [1, 2], "n": 2},
            {"-x": [1, 2], "-n": 2},
        ),
        ({"type": "odd"}, {"a": 1}, {"": '{"a": 1}'}),
    ],
)
async def test_full_data_of_other_types(
    serve: Any, connect: Any, result: Any, value: Any, expected: Any
) -> None:
    fake = await serve(report(image=channel(_get_data=command(result=result))))
    fake.on_command("image:_get_data", lambda: value)
    node = await connect(fake)
    found = await node.image.read()
    prefix = "node-image-get_data"
    data = {k: plain(r["value"]) for k, r in found.items() if k.startswith(prefix)}
    assert data == {f"{prefix}{key}": value for key, value in expected.items()}
    assert set(found) == set(await node.image.describe())


@pytest.mark.parametrize(
    "get_data", [command(), command(argument=COUNTS, result=MATRIX)]
)
async def test_a_get_data_of_another_kind_is_left_alone(
    serve: Any, connect: Any, get_data: Any
) -> None:
    node = await connect(await serve(report(image=channel(get_data=get_data))))
    assert not [key for key in await node.image.read() if "get_data" in key]
    assert not [key for key in await node.image.describe() if "get_data" in key]


async def test_full_data_in_error_has_the_words_of_the_node(
    serve: Any, connect: Any
) -> None:
    fake = await serve(with_matrix())
    node = await connect(fake)

    def none_yet() -> None:
        raise Impossible("nothing was acquired yet")

    fake.on_command("image:get_data", none_yet)
    for device in (node.image, node.control, node):
        with pytest.raises(Impossible, match="nothing was acquired yet"):
            await device.read()


async def test_full_data_is_not_monitored(
    serve: Any, connect: Any, updates: Any
) -> None:
    fake = await serve(
        report(image=channel(get_data=command(result=MATRIX)), c=channel())
    )
    node = await connect(fake)
    with pytest.raises(TypeError, match="monitor its value"):
        node.image.subscribe_reading(lambda reading: None)
    (reading,) = await updates(node.c)(1)
    assert reading["node-c"]["value"] == 0


async def test_reconnect_with_another_description(serve: Any, connect: Any) -> None:
    fake = await serve(with_matrix())
    node = await connect(fake)
    assert "node-image-get_data" in await node.control.describe()
    fake.set_description(
        report(control=controller({"other": "other"}), other=channel())
    )
    await node.connect(force_reconnect=True)
    assert set(await node.control.describe()) == {
        "node-control-status-f0",
        "node-control-status-f1",
        "node-other",
        "node-other-status-f0",
        "node-other-status-f1",
    }
    Hardware(fake, "control", "other")
    await node.control.trigger()
    assert (await node.control.read())["node-other"]["value"] == 100
