"""A broken sensor of a frappy node, which is left out of the runs of the node."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import bluesky.plans as bp
import pytest
from bluesky.plan_stubs import mv, rd, trigger_and_read
from bluesky.run_engine import RunEngine
from bluesky.utils import FailedStatus
from ophyd_async.core import init_devices

from secop_ophyd.demo import start_node
from secop_ophyd.devices import ModuleOptions, NodeOptions, SECoPNodeDevice
from secop_ophyd.protocol import HardwareError


@pytest.fixture
def uri() -> Iterator[str]:
    with start_node() as simulated:
        yield simulated.uri


def connect(uri: str, options: NodeOptions | None = None) -> Any:
    with init_devices():
        node = SECoPNodeDevice(uri, name="node", options=options or NodeOptions())
    return node


def count(RE: RunEngine, device: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the descriptor and the data of a run."""
    documents: dict[str, Any] = {}
    RE(bp.count([device]), lambda name, document: documents.update({name: document}))
    return documents["descriptor"], documents["event"]["data"]


def sensor(keys: Any) -> set[str]:
    return {key for key in keys if key.startswith("node-sensor")}


def test_a_broken_sensor(RE: RunEngine, uri: str) -> None:
    node = connect(uri)
    whole, data = count(RE, node)
    assert data["node-sensor"] == 4.2
    RE(mv(node.sensor.broken, True))

    descriptor, data = count(RE, node)
    left_out = sensor(whole["data_keys"])
    assert data.keys() == descriptor["data_keys"].keys()
    assert data.keys() == whole["data_keys"].keys() - left_out
    hints = [d["hints"]["node"]["fields"] for d in (whole, descriptor)]
    assert set(hints[0]) - set(hints[1]) == {"node-sensor"}
    configuration = descriptor["configuration"]["node"]["data"]
    assert "sensor broken wire" in configuration["node-sensor-config_errors"]

    for plan in (bp.count([node.sensor]), rd(node.sensor.value)):
        with pytest.raises((FailedStatus, HardwareError)) as info:
            RE(plan)
        assert "sensor broken wire" in str(info.value.__cause__ or info.value)

    RE(mv(node.sensor.broken, False))
    _, data = count(RE, node)
    assert data["node-sensor"] == 4.2
    node.close()


def test_a_sensor_that_breaks_between_stage_and_reading(
    RE: RunEngine, uri: str
) -> None:
    node = connect(uri)

    def plan() -> Any:
        yield from mv(node.sensor.broken, True)
        yield from trigger_and_read([node])

    with pytest.raises(FailedStatus) as info:
        RE(bp.count([node], per_shot=lambda _: plan()))
    assert "sensor broken wire" in str(info.value.__cause__)
    node.close()


def test_a_broken_sensor_as_nan(RE: RunEngine, uri: str) -> None:
    modules = {"sensor": ModuleOptions(errors_as_nan=True)}
    node = connect(uri, NodeOptions(modules=modules))
    RE(mv(node.sensor.broken, True))
    descriptor, data = count(RE, node)
    assert sensor(data) == sensor(descriptor["data_keys"])
    assert math.isnan(data["node-sensor"])
    assert data["node-sensor-status-f0"] == 400
    node.close()
