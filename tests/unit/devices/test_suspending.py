"""Plans are suspended while the sample environment is not as it should be."""

import threading

import bluesky.plan_stubs as bps
import pytest
from bluesky.plans import count
from bluesky.preprocessors import suspend_wrapper

from secop_ophyd.suspenders import SuspendWhen

from .builders import readable, report
from .test_states import lose

FAR = 30.0


class Run:
    """A plan of two points, between which something happens to the sensor."""

    def __init__(self, lab):
        self.lab = lab
        self.fake = lab.serve(report(t=readable()), values={"t:value": 4.0})
        self.node = lab.connect(self.fake)
        self._tripped = threading.Event()
        self.justifications = []

    def watch(self, suspender):
        """Let a suspender be heard of when it trips."""
        ask = suspender._get_justification

        def tell():
            self.justifications.append(ask())
            self._tripped.set()
            return self.justifications[-1]

        suspender._get_justification = tell
        return suspender

    def plan(self, happens):
        yield from bps.open_run()
        yield from bps.trigger_and_read([self.node.t])
        yield from bps.checkpoint()
        yield from bps.wait_for([self._once(happens)])
        yield from bps.trigger_and_read([self.node.t])
        yield from bps.close_run()

    def _once(self, happens):
        async def do():
            happens, self.happens = self.happens, None
            if happens:
                await happens()

        self.happens = happens
        return do

    def sets(self, value):
        """Return what lets the sensor have another value."""

        async def happens():
            self.fake.set("t:value", value)
            await self.node.client.ping()

        return happens

    def recover_when_tripped(self, recover):
        def wait():
            assert self._tripped.wait(FAR)
            self.lab.call(recover)

        thread = threading.Thread(target=wait)
        thread.start()
        return thread

    def listen_when_tripped(self):
        assert self._tripped.wait(FAR)
        self.lab.run(self.fake.listen_again())

    def values(self):
        return [doc["data"]["node-t"] for doc in self.lab.named("event")]


def warm(run, **options):
    return run.watch(SuspendWhen(run.node.t.value, lambda t: t > 20, **options))


@pytest.mark.parametrize("installed", ["before", "in the plan"])
def test_suspends_and_resumes(lab, installed):
    run = Run(lab)
    suspender = warm(run, resume=lambda t: t < 10, tripped_message="it warms up")

    def recover():
        run.fake.set("t:value", 15.0)  # not enough
        run.fake.set("t:value", 8.0)

    thread = run.recover_when_tripped(recover)
    plan = run.plan(run.sets(25.0))
    if installed == "before":
        lab.engine.install_suspender(suspender)
    else:
        plan = suspend_wrapper(plan, suspender)
    lab.engine(plan)
    thread.join(FAR)
    assert run.justifications[0] == "node-t is 25.0: it warms up"
    assert run.values() == [4.0, 8.0]
    lab.engine.clear_suspenders()
    assert not suspender.tripped


def test_an_error_suspends(lab):
    run = Run(lab)
    lab.engine.install_suspender(warm(run))
    thread = run.recover_when_tripped(lambda: run.fake.set("t:value", 5.0))
    error = ("HardwareError", "broken wire")

    async def happens():
        run.fake.set_error("t:value", *error)
        await run.node.client.ping()

    lab.engine(run.plan(happens))
    thread.join(FAR)
    (why, *_) = run.justifications
    assert why.startswith("node-t is not known (") and why.endswith("broken wire)")
    assert run.values() == [4.0, 5.0]
    lab.engine.clear_suspenders()


def test_a_lost_connection_suspends(lab):
    run = Run(lab)
    lab.engine.install_suspender(warm(run))
    thread = threading.Thread(target=run.listen_when_tripped)
    thread.start()
    lab.engine(run.plan(lambda: lose(run.fake, run.node)))
    thread.join(FAR)
    assert "not known" in run.justifications[0]
    assert run.values() == [4.0, 4.0]
    lab.engine.clear_suspenders()


def test_nothing_begins_while_it_is_tripped(lab):
    run = Run(lab)
    run.lab.call(run.fake.set, "t:value", 25.0)
    suspender = warm(run)
    lab.engine.install_suspender(suspender)
    thread = run.recover_when_tripped(lambda: run.fake.set("t:value", 3.0))
    lab.engine(count([run.node.t]))
    thread.join(FAR)
    assert run.values() == [3.0]
    lab.engine.clear_suspenders()


def test_removed(lab):
    run = Run(lab)
    suspender = warm(run)
    lab.engine.install_suspender(suspender)
    lab.engine.remove_suspender(suspender)
    lab.engine(run.plan(run.sets(25.0)))
    assert run.values() == [4.0, 25.0]
    assert not run.justifications
    lab.engine.remove_suspender(suspender)
