"""Chosen parameters as one detector: read, monitored, and in fly scans."""

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import numpy as np
import pytest
from bluesky.utils import FailedStatus, RunEngineInterrupted
from ophyd_async.core import soft_signal_rw

from secop_ophyd import SECoPRecorder
from secop_ophyd.devices import ModuleOptions, NodeOptions
from secop_ophyd.plan_stubs import ramp_and_record

from .builders import KELVIN, PID, drivable, parameter, readable, report
from .test_states import lose, state


@pytest.fixture
def fake(lab):
    structure = report(
        c=drivable(pid=parameter(PID, False), ramp=parameter(KELVIN, False)),
        t=readable(),
    )
    return lab.serve(structure)


@pytest.fixture
def node(lab, fake):
    return lab.connect(fake)


def pages(lab, stream):
    """Return the columns of all event pages of a stream, put together."""
    (uid,) = {d["uid"] for d in lab.named("descriptor") if d["name"] == stream}
    found = [p for p in lab.named("event_page") if p["descriptor"] == uid]
    keys = found[0]["data"].keys()
    return {key: [v for page in found for v in page["data"][key]] for key in keys}


def test_a_struct_is_read_as_columns(lab, fake, node):
    lab.call(fake.set, "c:pid", {"p": 1.0, "i": 2.0, "mode": 1, "note": "n"})
    recorder = SECoPRecorder(node.c.pid, node.t.value, name="r")
    lab.engine(bp.count([recorder], 2))
    (descriptor,) = lab.named("descriptor")
    assert descriptor["data_keys"]["node-c-pid-mode"]["choices"] == ["off", "on"]
    assert descriptor["hints"]["r"]["fields"][-1] == "node-t"
    assert [event["data"] for event in lab.named("event")] == 2 * [
        {
            "node-c-pid-p": 1.0,
            "node-c-pid-i": 2.0,
            "node-c-pid-mode": "on",
            "node-c-pid-note": "n",
            "node-t": 0.0,
        }
    ]


def test_a_struct_is_monitored_as_columns(lab, fake, node):
    recorder = SECoPRecorder(node.c.pid, name="r")

    def change():
        for p in (1.0, 2.0, 3.0):
            yield from bps.mv(node.c.pid, {"p": p, "i": 0.0, "mode": "on", "note": ""})

    lab.engine(bpp.monitor_during_wrapper(bpp.run_wrapper(change()), [recorder]))
    found = [event["data"]["node-c-pid-p"] for event in lab.named("event")]
    assert found == [0.0, 1.0, 2.0, 3.0]
    assert lab.call(lambda: listeners(node)) == 0


def listeners(node):
    client = node.c.secop.client
    return sum(p.listeners for p in client._parameters)


def flown(recorder, node, target):
    """Fly as bluesky has it, with nothing of ours."""

    @bpp.stage_decorator([recorder])
    @bpp.run_decorator()
    def fly():
        yield from bps.declare_stream(recorder, name="fly", collect=True)
        yield from bps.kickoff(recorder, wait=True)
        yield from bps.mv(node.c, target)
        yield from bps.complete(recorder, wait=True)
        yield from bps.collect(recorder, name="fly")

    return fly()


def steps(fake, count):
    """Let the module pass some values on its way, with the node's own time."""

    def move(target):
        fake.set("c:target", target)
        fake.set("c:status", (300, "moving"))
        for n in range(1, count + 1):
            fake.set("c:value", target * n / count, t=1000.0 + n)
        fake.set("c:status", (100, ""))
        return target

    fake.on_change("c:target", move)


@pytest.mark.parametrize("plan", ["stub", "bluesky"])
def test_each_update_is_recorded(lab, fake, node, plan):
    lab.call(steps, fake, 50)
    recorder = SECoPRecorder(node.c, node.t.value, node.c.pid)
    for _ in range(2):
        if plan == "stub":
            lab.engine(bpp.run_wrapper(ramp_and_record(node.c, 100, recorder)))
        else:
            lab.engine(flown(recorder, node, 100))
        found = pages(lab, "ramp" if plan == "stub" else "fly")
        values = [v for v in dict.fromkeys(found["node-c"]) if v]
        assert values == [2.0 * n for n in range(1, 51)]
        assert found["node-c-target"][-1] == 100
        assert 300 in found["node-c-status-f0"]
        assert found["node-c-status-f0"][-1] == 100
        assert lab.call(listeners, node) == 0
        lab.documents.clear()
        lab.call(fake.set, "c:value", 0.0)


def test_timestamps_are_the_nodes(lab, fake, node):
    lab.call(steps, fake, 5)
    recorder = SECoPRecorder(node.c.value)
    lab.engine(bpp.run_wrapper(ramp_and_record(node.c, 100, recorder)))
    times = [t for p in lab.named("event_page") for t in p["timestamps"]["node-c"]]
    assert times[-5:] == [1001.0, 1002.0, 1003.0, 1004.0, 1005.0]


def test_pages_come_while_it_moves(lab, fake, node):
    lab.call(fake.drive, "c", 0.5)
    recorder = SECoPRecorder(node.c)
    plan = ramp_and_record(node.c, 100, recorder, flush_period=0.05)
    lab.engine(bpp.run_wrapper(plan))
    assert len(lab.named("event_page")) >= 2
    assert pages(lab, "ramp")["node-c"][-1] == 100


def test_what_was_recorded_before_a_failure_is_kept(lab, fake, node):
    def fail(target):
        fake.set("c:status", (300, "moving"))
        fake.set("c:value", 7.0)
        fake.set("c:status", (400, "quench"))
        return target

    lab.call(fake.on_change, "c:target", fail)
    recorder = SECoPRecorder(node.c)
    with pytest.raises(FailedStatus, match="quench"):
        lab.engine(bpp.run_wrapper(ramp_and_record(node.c, 100, recorder)))
    assert pages(lab, "ramp")["node-c"][-1] == 7.0
    assert lab.call(listeners, node) == 0
    assert lab.named("stop")[-1]["exit_status"] == "fail"


def test_abort_stops_the_ramp_and_keeps_the_data(lab, fake, node):
    lab.call(fake.drive, "c", 60)
    lab.when(fake, "change c:target", lab.engine.request_pause)
    recorder = SECoPRecorder(node.c)
    with pytest.raises(RunEngineInterrupted):
        plan = ramp_and_record(node.c, 100, recorder, flush_period=0.05)
        lab.engine(bpp.run_wrapper(plan))
    lab.engine.abort()
    assert [r for r in fake.requests if r.startswith("do ")] == ["do c:stop"]
    assert 300 in pages(lab, "ramp")["node-c-status-f0"]
    assert lab.call(listeners, node) == 0


def test_recording_twice_is_an_error(lab, node):
    recorder = SECoPRecorder(node.c)

    def twice():
        yield from bps.kickoff(recorder, wait=True)
        yield from bps.kickoff(recorder, wait=True)

    with pytest.raises(FailedStatus, match="recording already"):
        lab.engine(bpp.stage_wrapper(bpp.run_wrapper(twice()), [recorder]))
    assert lab.call(listeners, node) == 0


def recorded_while(lab, recorder, *changes):
    """Record while something happens, and return the rows."""

    def plan():
        yield from bps.declare_stream(recorder, name="fly", collect=True)
        yield from bps.kickoff(recorder, wait=True)
        for change in changes:
            yield from change()
        yield from bps.complete(recorder, wait=True)
        yield from bps.collect(recorder, name="fly")

    lab.engine(bpp.stage_wrapper(bpp.run_wrapper(plan()), [recorder]))
    return pages(lab, "fly")


def told(fake, node, *settings):
    """Let the node tell something, and wait until it is here."""

    def plan():
        async def tell():
            for specifier, value in settings:
                if isinstance(value, str):
                    fake.set_error(specifier, "HardwareError", value)
                else:
                    fake.set(specifier, value)
            await node.client.ping()

        (done,) = yield from bps.wait_for([tell])
        done.result()

    return plan


def test_a_parameter_in_error_makes_a_gap_that_is_told(lab, fake, node, caplog):
    recorder = SECoPRecorder(node.c.value, node.t.value)
    found = recorded_while(
        lab,
        recorder,
        told(fake, node, ("c:value", 1.0), ("t:value", "broken wire")),
        told(fake, node, ("c:value", 2.0), ("c:value", 3.0)),
        told(fake, node, ("t:value", "still broken")),
        told(fake, node, ("t:value", 5.0), ("c:value", 4.0)),
    )
    assert found["node-c"] == [0.0, 1.0, 3.0, 4.0]
    assert found["node-t"] == [0.0, 0.0, 5.0, 5.0]
    first, second = (r.getMessage() for r in caplog.records if "row" in r.getMessage())
    assert first.startswith("no rows, node-t has no value")
    assert "broken wire" in first
    assert second == "2 updates were lost in the gap of the rows"


def test_floats_in_error_can_be_nan(lab, fake, caplog):
    options = NodeOptions(modules={"t": ModuleOptions(errors_as_nan=True)})
    node = lab.connect(fake, options=options)
    recorder = SECoPRecorder(node.c.value, node.t.value)
    found = recorded_while(
        lab,
        recorder,
        told(fake, node, ("t:value", "broken wire"), ("c:value", 2.0)),
        told(fake, node, ("t:value", 5.0)),
    )
    assert found["node-c"] == [0.0, 0.0, 2.0, 2.0]
    np.testing.assert_array_equal(found["node-t"], [0.0, np.nan, np.nan, 5.0])
    assert "no rows" not in caplog.text


def test_what_is_in_error_from_the_beginning(lab, fake, node, caplog):
    lab.call(fake.set_error, "t:value", "HardwareError", "broken wire")
    lab.run(node.client.ping())
    recorder = SECoPRecorder(node.c.value, node.t.value)
    found = recorded_while(
        lab, recorder, told(fake, node, ("c:value", 2.0), ("t:value", 5.0))
    )
    assert (found["node-c"], found["node-t"]) == ([2.0], [5.0])
    assert "no rows, node-t has no value" in caplog.text


def test_recording_goes_on_when_the_connection_is_back(lab, fake, node, caplog):
    async def interrupt():
        await lose(fake, node)
        await fake.listen_again()
        await state(node, True)

    def reconnect():
        (done,) = yield from bps.wait_for([interrupt])
        done.result()

    recorder = SECoPRecorder(node.c.value, node.t.value)
    found = recorded_while(lab, recorder, reconnect, told(fake, node, ("c:value", 2.0)))
    assert found["node-c"][0] == 0.0
    assert found["node-c"][-1] == 2.0
    assert caplog.text.count("no rows") == 1


def test_recording_goes_on_in_a_pause(lab, fake, node):
    recorder = SECoPRecorder(node.c.value)

    def plan():
        yield from bps.declare_stream(recorder, name="fly", collect=True)
        yield from bps.kickoff(recorder, wait=True)
        yield from bps.pause()
        yield from bps.complete(recorder, wait=True)
        yield from bps.collect(recorder, name="fly")

    with pytest.raises(RunEngineInterrupted):
        lab.engine(bpp.stage_wrapper(bpp.run_wrapper(plan()), [recorder]))
    lab.call(fake.set, "c:value", 2.0)
    lab.run(node.client.ping())
    lab.engine.resume()
    found = [v for page in lab.named("event_page") for v in page["data"]["node-c"]]
    assert found == [0.0, 2.0]
    assert lab.call(listeners, node) == 0


def test_of_something_else(lab):
    with pytest.raises(TypeError, match="soft is no module or signal of a SEC node"):
        lab.engine(bp.count([SECoPRecorder(soft_signal_rw(float, name="soft"))]))


def test_a_module_and_its_own_signal(lab, fake, node):
    recorder = SECoPRecorder(node.c, node.c.value, node.c)
    lab.engine(bpp.run_wrapper(ramp_and_record(node.c, 100, recorder)))
    (descriptor,) = lab.named("descriptor")
    assert descriptor["data_keys"].keys() == pages(lab, "ramp").keys()


def test_data_keys_are_those_of_the_module(lab):
    struct = {"type": "struct", "members": {"ramp": KELVIN}}
    node = lab.connect(lab.serve(report(t=readable(struct, ramp=parameter(KELVIN)))))
    keys = lab.run(SECoPRecorder(node.t.value).describe()).keys()
    assert keys == {"node-t-ramp_2"}
    assert keys < lab.run(node.t.describe()).keys()


def test_a_listener_that_fails_keeps_nobody_from_hearing_of_an_error(lab, fake, node):
    # As that of a monitor, which takes the value; whose turn is first is by chance
    listeners = [lambda r, i=i: r["node-t"]["value"] for i in range(20)]
    for listener in listeners:
        lab.call(node.t.value.subscribe_reading, listener)
    recorder = SECoPRecorder(node.t)
    lab.call(recorder.kickoff)
    lab.call(fake.set, "t:value", 4.0)
    lab.call(fake.set_error, "t:value", "HardwareError", "broken")
    lab.call(fake.set, "t:status", (400, "broken"))
    lab.run(node.client.ping())
    statuses = [row["node-t-status-f0"]["value"] for row in recorder._rows]
    assert 400 not in statuses
    lab.call(recorder.complete)
    for listener in listeners:
        lab.call(node.t.value.clear_sub, listener)
