"""Acquisitions of frappy nodes, in plans."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import numpy as np
import pytest
from bluesky.run_engine import RunEngine
from bluesky.utils import RunEngineInterrupted
from ophyd_async.core import init_devices

from secop_ophyd import (
    SECoPAcquisitionChannelDevice,
    SECoPAcquisitionControllerDevice,
    SECoPAcquisitionDevice,
    SECoPNodeDevice,
)
from secop_ophyd.demo import start_node

NODE = Path(__file__).parents[1] / "nodes" / "acquisition_cfg.py"


@pytest.fixture
def node(RE: RunEngine) -> Iterator[Any]:
    with start_node(NODE) as simulated:
        with init_devices():
            device = SECoPNodeDevice(simulated.uri, name="node")
        yield device
        device.close()


class Documents:
    """The documents of a plan."""

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []
        self.descriptors: list[dict[str, Any]] = []

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        if name == "event":
            self.data.append(doc["data"])
        elif name == "descriptor":
            self.descriptors.append(doc)

    def configuration(self, name: str) -> list[dict[str, Any]]:
        return [d["configuration"][name]["data"] for d in self.descriptors]


def test_classes(node: Any) -> None:
    assert node.problems == ()
    for name, kind in {
        "control": SECoPAcquisitionControllerDevice,
        "chan1": SECoPAcquisitionChannelDevice,
        "single": SECoPAcquisitionDevice,
        "ng": SECoPAcquisitionDevice,
        "camera": SECoPAcquisitionControllerDevice,
    }.items():
        assert type(getattr(node, name)) is kind


def test_controller_with_a_goal(RE: RunEngine, node: Any) -> None:
    documents = Documents()
    RE(bps.mv(node.chan1.goal, 1, node.chan1.goal_enable, True))
    RE(bp.count([node.control], 2), documents)
    first, second = documents.data
    assert first["node-chan1"] > 1
    assert second["node-chan1"] > 1
    assert first["node-chan1"] != second["node-chan1"]
    assert first["node-control-status-f0"] == second["node-chan1-status-f0"] == 100
    assert first["node-chan2"] >= 0
    (configuration,) = documents.configuration("node-control")
    assert configuration["node-chan1-goal"] == 1
    # A channel alone has the last result
    documents = Documents()
    RE(bp.count([node.chan1]), documents)
    assert documents.data[0]["node-chan1"] == second["node-chan1"]


def test_controller_and_channel_in_one(RE: RunEngine, node: Any) -> None:
    documents = Documents()
    RE(bps.mv(node.single.goal, 1, node.single.goal_enable, True))
    RE(bp.count([node.single, node.ng]), documents)
    (data,) = documents.data
    assert data["node-single"] > 1
    assert 0 <= data["node-ng"] < 10
    assert data["node-single-status-f0"] == data["node-ng-status-f0"] == 100


def test_times_and_images(RE: RunEngine, node: Any) -> None:
    def plan() -> Any:
        for seconds in (0.1, 0.3):
            yield from bps.mv(node.clock.goal, seconds)
            yield from bp.count([node.camera], 2)

    documents = Documents()
    RE(plan(), documents)
    for number, data in enumerate(documents.data, 1):
        assert data["node-clock"] >= (0.1 if number <= 2 else 0.3)
        image = np.asarray(data["node-image-get_data"])
        np.testing.assert_array_equal(image, number + np.arange(12).reshape(3, 4))
        assert data["node-image"] == image.sum()
    key = documents.descriptors[0]["data_keys"]["node-image-get_data"]
    assert (key["dtype"], key["shape"], key["dtype_numpy"]) == ("array", [3, 4], "<i8")
    goals = [c["node-clock-goal"] for c in documents.configuration("node-camera")]
    assert goals == [0.1, 0.3]


def test_the_node_begins_nothing(RE: RunEngine, node: Any) -> None:
    documents = Documents()
    RE(bp.count([node]), documents)
    (data,) = documents.data
    assert data["node-camera-status-f0"] == data["node-control-status-f0"] == 100
    assert np.asarray(data["node-image-get_data"]).min() == 0


def test_abort_stops_it(RE: RunEngine, node: Any) -> None:
    pauses = threading.Thread(target=RE.request_pause)

    def pause_when_busy(readings: dict[str, Any]) -> None:
        (reading,) = readings.values()
        if reading["value"]["f0"] == 300 and pauses.ident is None:
            pauses.start()

    subscribe = node.camera.status.subscribe_reading
    RE.loop.call_soon_threadsafe(subscribe, pause_when_busy)
    RE(bps.mv(node.clock.goal_enable, False))
    with pytest.raises(RunEngineInterrupted):
        RE(bp.count([node.camera]))
    pauses.join()
    RE.abort()
    status = RE(bps.rd(node.camera.status)).plan_result
    assert (int(status["f0"]), str(status["f1"])) == (100, "stopped")
