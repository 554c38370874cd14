import bluesky.plan_stubs as bps
import bluesky.plans as bp
from bluesky import RunEngine
from ophyd_async.core import init_devices

from secop_ophyd.demo import start_node
from secop_ophyd.SECoPDevices import SECoPNodeDevice


def test_scan(RE: RunEngine):
    with start_node() as node:
        with init_devices():
            d = SECoPNodeDevice(node.uri)
        RE(bp.scan([d.detector], d.cryo, 10, 14, 3))
        assert RE(d.motor.configure(arg={"mode": "auto", "setpoint": 100})).plan_result == 100
        d.close()


async def test_no_engine():
    with start_node() as node:
        async with init_devices():
            d = SECoPNodeDevice(node.uri)
        await d.cryo.set(11)
        assert await d.cryo.value.get_value() == 11
        await d.disconnect()
