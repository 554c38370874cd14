"""Let the temperature ramp, and read a detector on the way.

In a clone of the repository, `make demo` prepares `.venv`; then

    .venv/bin/python examples/temperature_ramp.py

The detector is read every 0.2 s, while the temperature is monitored: each value that
the node tells becomes an event in a stream of its own. With your own SEC node, leave
`start_node` out and write the node's address in place of `simulated.uri`.
"""

from bluesky import RunEngine
from bluesky.callbacks import CallbackBase, LiveTable
from bluesky.plan_stubs import abs_set, mv, trigger_and_read
from bluesky.plans import ramp_plan
from ophyd_async.core import init_devices

from secop_ophyd import SECoPNodeDevice
from secop_ophyd.demo import start_node


class Monitored(CallbackBase):
    """Keeps the values of the stream that a monitor makes."""

    def __init__(self):
        self.values = []

    def descriptor(self, doc):
        """Remember which stream has the temperature."""
        if doc["name"] == f"{sample.cryo.value.name}_monitor":
            self.stream = doc["uid"]

    def event(self, doc):
        """Keep its values."""
        if doc["descriptor"] == self.stream:
            self.values.append(doc["data"][sample.cryo.name])


def read_both():
    """Read detector and cryostat at one point of the ramp."""
    yield from trigger_and_read([sample.detector, sample.cryo])


RE = RunEngine()  # before init_devices, which connects in the loop of the RunEngine

with start_node() as simulated:
    with init_devices():
        sample = SECoPNodeDevice(simulated.uri, name="sample")
    monitored = Monitored()
    try:
        RE(mv(sample.cryo, 15, sample.cryo.ramp, 300))  # K/min
        RE(
            ramp_plan(
                abs_set(sample.cryo, 25), sample.cryo.value, read_both, period=0.2
            ),
            [LiveTable([sample.cryo.name, sample.detector.name]), monitored],
        )
    finally:
        sample.close()

print(f"The temperature came {len(monitored.values)} times by itself,")
print(f"from {monitored.values[0]:g} K to {monitored.values[-1]:g} K.")
