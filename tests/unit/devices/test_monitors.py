"""Monitors in plans: each update becomes an event, and an error none."""

import asyncio
import logging

import bluesky.plan_stubs as bps
import pytest
from bluesky.preprocessors import run_decorator

from secop_ophyd.protocol import HardwareError

from .builders import readable, report
from .test_left_out import OPEN

UPDATES = 500
AT = 1_700_000_000.0  # s


@pytest.fixture
def fake(lab):
    return lab.serve(report(t=readable()), values={"t:value": 0.0})


@pytest.fixture
def node(lab, fake):
    return lab.connect(fake)


@pytest.fixture(params=["module", "signal"])
def monitored(request, node):
    return node.t if request.param == "module" else node.t.value


def arrived(node):
    """Wait until all that was sent before has arrived."""
    return bps.wait_for([node.client.ping])


def monitor(lab, devices, plan):
    """Run a plan with monitors, each of which has a stream with its number."""

    @run_decorator()
    def monitoring():
        for number, device in enumerate(devices):
            yield from bps.monitor(device, name=str(number))
        yield from plan
        for device in devices:
            yield from bps.unmonitor(device)

    lab.engine(monitoring())


def events(lab, number=0):
    """Return value and timestamp of the events of a monitor."""
    (uid,) = [d["uid"] for d in lab.named("descriptor") if d["name"] == str(number)]
    return [
        (e["data"]["node-t"], e["timestamps"]["node-t"])
        for e in lab.named("event")
        if e["descriptor"] == uid
    ]


def complaints(caplog):
    records = {id(r): r for r in caplog.records if r.levelno >= logging.WARNING}
    return [r.getMessage() for r in records.values()]


def test_each_update_of_a_burst_is_an_event(lab, fake, node, monitored):
    def plan():
        for i in range(1, UPDATES + 1):  # faster than anyone could ask
            fake.set("t:value", i / 2, t=AT + i / 100)
        yield from arrived(node)

    monitor(lab, [monitored], plan())
    found = events(lab)
    assert found[0][0] == 0.0
    assert found[1:] == [(i / 2, AT + i / 100) for i in range(1, UPDATES + 1)]


def test_an_error_is_no_event_and_the_next_value_is_one(
    lab, fake, node, monitored, caplog
):
    def plan():
        fake.set("t:value", 1.0, t=AT)
        fake.set_error(*OPEN)
        fake.set_json("t:status", [400, "open"])
        fake.set_error(*OPEN)
        fake.set("t:value", 2.0, t=AT + 1)
        yield from arrived(node)

    monitor(lab, [monitored], plan())
    assert events(lab)[1:] == [(1.0, AT), (2.0, AT + 1)]
    (warning,) = complaints(caplog)  # one for the transition
    assert "sensor is open" in warning


def test_monitors_do_not_depend_on_each_other(lab, fake, node, caplog):
    """A monitor of the value, which fails of an error, and one of its module."""

    def plan():
        fake.set("t:value", 1.0, t=AT)
        fake.set_error(*OPEN)
        fake.set_json("t:status", [400, "open"])
        fake.set("t:value", 2.0, t=AT + 1)
        yield from arrived(node)

    for devices in ([node.t.value, node.t], [node.t, node.t.value]):
        lab.documents.clear()
        lab.call(fake.set, "t:value", 0.0, t=0.0)
        lab.call(fake.set_json, "t:status", [100, ""])
        lab.run(node.client.ping())
        monitor(lab, devices, plan())
        for number in range(2):
            assert events(lab, number)[1:] == [(1.0, AT), (2.0, AT + 1)]
    assert len(complaints(caplog)) == 2


def test_a_lost_connection_is_no_event(lab, fake, node, monitored):
    back = lab.call(asyncio.Event)

    async def drop():
        end = node.client.on_state(lambda _: node.is_connected and back.set())
        await fake.drop_connections()
        await back.wait()
        end()

    def plan():
        yield from bps.wait_for([drop])
        fake.set("t:value", 2.0, t=AT)
        yield from arrived(node)

    monitor(lab, [monitored], plan())
    values = [value for value, _ in events(lab)]
    assert values[-1] == 2.0
    assert set(values[:-1]) == {0.0}


def test_a_monitor_of_a_module_waits_for_a_value(lab, fake, node):
    def plan():
        fake.set("t:value", 2.0, t=AT)
        yield from arrived(node)

    lab.call(fake.set_error, *OPEN)
    monitor(lab, [node.t], plan())
    assert events(lab) == [(2.0, AT)]


def test_a_monitor_of_a_signal_fails_if_it_begins_with_an_error(lab, fake, node):
    lab.call(fake.set_error, *OPEN)
    with pytest.raises(HardwareError, match="sensor is open"):
        monitor(lab, [node.t.value], ())
    assert node.client.parameter("t", "value").listeners == 0


def test_a_monitor_goes_on_when_the_device_is_connected_anew(lab, fake, node):
    def plan():
        fake.set_error(*OPEN)
        yield from arrived(node)
        yield from bps.wait_for([lambda: node.connect(force_reconnect=True)])
        fake.set("t:value", 2.0, t=AT)
        yield from arrived(node)

    monitor(lab, [node.t, node.t.value], plan())
    for number in range(2):
        assert events(lab, number)[-1] == (2.0, AT)
    assert node.client.parameter("t", "value").listeners == 0
