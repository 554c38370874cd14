"""Chosen parameters as one detector: read, monitored, and in fly scans."""

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import bluesky.preprocessors as bpp
import pytest
from bluesky.utils import FailedStatus, RunEngineInterrupted
from ophyd_async.core import soft_signal_rw

from secop_ophyd import SECoPRecorder
from secop_ophyd.plan_stubs import ramp_and_record

from .builders import KELVIN, PID, drivable, parameter, readable, report


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


def test_of_something_else(lab):
    with pytest.raises(TypeError, match="soft is no module or signal of a SEC node"):
        lab.engine(bp.count([SECoPRecorder(soft_signal_rw(float, name="soft"))]))
