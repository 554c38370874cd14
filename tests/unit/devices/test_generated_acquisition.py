"""Generated classes of a node that acquires data, connected and as mocks."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import pytest
from bluesky.plans import count
from ophyd_async.core import get_mock_execute, init_devices, set_mock_value

from secop_ophyd.codegen import render
from secop_ophyd.devices import (
    SECoPAcquisitionChannelDevice,
    SECoPAcquisitionControllerDevice,
    SECoPAcquisitionDevice,
    SecopAction,
)
from secop_ophyd.protocol import parse_description

RECORDED = Path(__file__).parents[2] / "data" / "descriptions" / "acquisition.json"


@pytest.fixture
def node_class(tmp_path: Path) -> Any:
    description = parse_description(json.loads(RECORDED.read_bytes()))
    path = tmp_path / "genAcquisition.py"
    path.write_text(render(description))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Measure_frappy_demo


CLASSES = {
    "control": SECoPAcquisitionControllerDevice,
    "chan1": SECoPAcquisitionChannelDevice,
    "chan2": SECoPAcquisitionChannelDevice,
    "chan3": SECoPAcquisitionChannelDevice,
    "single": SECoPAcquisitionDevice,
    "ng": SECoPAcquisitionDevice,
}


def check(node: Any) -> None:
    for name, base in CLASSES.items():
        device = getattr(node, name)
        assert isinstance(device, base)
        assert type(device) is not base
    assert isinstance(node.control.go, SecopAction)
    assert isinstance(node.single.hold, SecopAction)


def test_it_fits_the_node(lab: Any, node_class: Any) -> None:
    fake = lab.serve(RECORDED)
    node = lab.connect(fake, node_class)
    check(node)
    assert node.problems == ()
    lab.engine(count([node.control]))
    (event,) = lab.named("event")
    assert {"node-chan1", "node-chan2", "node-chan3"} < set(event["data"])
    assert "do control:go" in fake.requests


def test_as_a_mock(lab: Any, node_class: Any) -> None:
    with init_devices(mock=True):
        node = node_class("localhost:1", name="node")
    check(node)
    set_mock_value(node.single.value, 7.0)
    assert lab.engine(bps.rd(node.single.value)).plan_result == 7

    def plan() -> Any:
        yield from bps.mv(node.single.goal, 5.0, node.single.goal_enable, True)
        yield from count([node.single, node.control], 2)
        yield from bps.stop(node.control)

    lab.engine(plan())
    assert len(lab.named("event")) == 2
    for command, times in ((node.control.go, 2), (node.single.go, 2)):
        assert get_mock_execute(command).call_count == times
    assert get_mock_execute(node.control.stop_).call_count == 0


async def test_a_mock_without_a_class() -> None:
    device = SECoPAcquisitionDevice("single")
    await device.connect(mock=True)
    await device.trigger()
    await device.stop()
    assert await device.read() == {}
