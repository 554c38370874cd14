"""SECoP, EPICS and Tango in the same plans, against the real servers of each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from .conftest import Documents

pytestmark = pytest.mark.timeout(300)


def test_mixed_plan(
    run_example: Callable[..., Documents], tiled: str, catalogue: Any
) -> None:
    documents = run_example("mixed_plan.py", tiled)
    motor_scan, temperature_scan, fly = documents.starts
    check_motor_scan(documents, motor_scan)
    check_temperature_scan(documents, temperature_scan)
    check_fly(documents, fly)
    for start in documents.starts:
        check_stored(documents, start, catalogue[start["uid"]])


def column(documents: Documents, start: Any, stream: str, key: str) -> list[Any]:
    return [event["data"][key] for event in documents.events(start, stream)]


def check_motor_scan(documents: Documents, start: Any) -> None:
    assert column(documents, start, "primary", "stage-x") == [2, 2.5, 3, 3.5, 4]
    # All three were moved before, at once
    assert column(documents, start, "primary", "robot-x") == [3] * 5
    assert column(documents, start, "primary", "sample-cryo") == [20] * 5
    assert column(documents, start, "primary", "sample-detector") == [1010] * 5
    assert min(column(documents, start, "primary", "counter-channel-1-value")) > 0
    assert documents.configuration(start, "sample-cryo")["sample-cryo-ramp"] == 600
    # The node tells it each time it is read
    stream = "sample-cryo_monitor"
    assert set(column(documents, start, stream, "sample-cryo")) == {20}


def check_temperature_scan(documents: Documents, start: Any) -> None:
    assert column(documents, start, "primary", "sample-cryo") == [20, 21, 22]
    assert column(documents, start, "primary", "stage-x") == [4] * 3


def check_fly(documents: Documents, start: Any) -> None:
    ramp = column(documents, start, "ramp", "sample-cryo")
    assert ramp[0] == 22 and ramp[-1] == 18
    assert len(set(ramp)) > 5
    assert all(a >= b for a, b in pairwise(ramp))
    # The detector has its peak at 20 K, which the ramp passes
    counts = column(documents, start, "ramp", "sample-detector")
    assert max(counts) > 950 > counts[0]


def check_stored(documents: Documents, start: Any, run: Any) -> None:
    """Check that all data of a run are in Tiled as they are in the documents."""
    descriptors = documents.named("descriptor")
    streams = [d["name"] for d in descriptors if d["run_start"] == start["uid"]]
    assert sorted(run) == sorted(streams)
    for descriptor in descriptors:
        if descriptor["run_start"] == start["uid"]:
            stored = run[descriptor["name"]].metadata["configuration"]
            for device, found in descriptor["configuration"].items():
                assert stored[device]["data"] == found["data"]
    for stream in streams:
        data = run[stream].read()
        events = documents.events(start, stream)
        for key in events[0]["data"]:
            assert data[key].values.tolist() == [event["data"][key] for event in events]


def test_guide_mixed(
    run_example: Callable[..., Documents], tiled: str, catalogue: Any
) -> None:
    documents = run_example("guide_mixed.py", tiled)
    (start,) = documents.starts
    assert column(documents, start, "primary", "motor") == [0, 1, 2, 3, 4, 5]
    cryo = "demo-secop-ophyd-cryo"
    assert column(documents, start, "primary", cryo) == [10] * 6
    assert min(column(documents, start, "primary", "tango_detector-value")) > 0
    check_stored(documents, start, catalogue[start["uid"]])
