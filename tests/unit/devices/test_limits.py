"""Targets outside of the limits of a module are refused before they are sent."""

from __future__ import annotations

from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.protocols import Checkable
from bluesky.simulators import check_limits
from bluesky.utils import FailedStatus

from secop_ophyd.protocol import RangeError, WrongType

from .builders import KELVIN, PID, drivable, parameter, report, writable
from .test_moves import sent
from .test_states import lose, settle

PAIR = {"type": "tuple", "members": [KELVIN, KELVIN]}
NUMBER = {"type": "int", "min": -100, "max": 100}


def structure() -> Any:
    scaled = {"type": "scaled", "scale": 0.1, "min": 0, "max": 1000}
    return report(
        pair=drivable(target_limits=parameter(PAIR, False)),
        ends=writable(target_min=parameter(KELVIN), target_max=parameter(KELVIN)),
        low=drivable(target_min=parameter(KELVIN)),
        whole=drivable(NUMBER, target_max=parameter(NUMBER)),
        tenths=drivable(scaled, target_max=parameter(scaled)),
        odd=drivable(
            target_limits=parameter({"type": "string"}),
            target_min=parameter({"type": "bool"}),
            target_max=parameter(PID),
        ),
        word=drivable({"type": "string"}, target_min=parameter(KELVIN)),
    )


VALUES = {
    "pair:target_limits": (10.0, 400.0),
    "ends:target_min": 10.0,
    "ends:target_max": 400.0,
    "low:target_min": 10.0,
    "whole:target_max": 5,
    "tenths:target_max": 50.0,
    "odd:target_min": True,
    "word:target_min": 10.0,
}


@pytest.fixture
async def fake(serve: Any) -> Any:
    return await serve(structure(), values=VALUES)


@pytest.fixture
async def node(fake: Any, connect: Any) -> Any:
    return await connect(fake)


@pytest.mark.parametrize(
    ("module", "target", "words"),
    [
        ("pair", 9.9, "9.9 K is below 10.0 K of target_limits"),
        ("pair", 400.1, "400.1 K is above 400.0 K of target_limits"),
        ("ends", 9.9, "9.9 K is below 10.0 K of target_min"),
        ("ends", 400.1, "400.1 K is above 400.0 K of target_max"),
        ("low", 0, "0.0 K is below 10.0 K of target_min"),
        ("whole", 6, "6 is above 5 of target_max"),
        ("tenths", 50.1, "50.1 is above 50.0 of target_max"),
        # Those of the datainfo count as well
        ("low", 501, "501.0 K is above the maximum 500"),
    ],
)
async def test_refused(fake: Any, node: Any, module: str, target: Any, words: str):
    device = getattr(node, module)
    assert isinstance(device, Checkable)
    for attempt in (device.check_value(target), device.set(target)):
        with pytest.raises(RangeError) as info:
            await attempt
        assert f"node-{module}: " in str(info.value)
        assert words in str(info.value)
    assert not sent(fake, "change")


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("pair", 10.0),
        ("pair", 400),
        ("pair", 400.00001),  # the node may have rounded its limit
        ("ends", 10),
        ("ends", 400.0),
        ("low", 500),
        ("whole", 5),
        ("whole", -100),
        ("tenths", 50.0),
        ("odd", 0),
        ("odd", 500),
        ("word", "a"),
    ],
)
async def test_taken(fake: Any, node: Any, module: str, target: Any):
    device = getattr(node, module)
    await device.check_value(target)
    await device.set(target)
    assert len(sent(fake, "change")) == 1


async def test_the_limits_of_now_count(fake: Any, node: Any) -> None:
    await node.pair.check_value(300)
    fake.set("pair:target_limits", (10.0, 200.0))
    await settle(node)
    with pytest.raises(RangeError, match=r"300.0 K is above 200.0 K"):
        await node.pair.check_value(300)
    await node.pair.target_limits.set((10.0, 350.0))
    await node.pair.check_value(300)
    with pytest.raises(WrongType, match="node-pair"):
        await node.pair.check_value("warm")


async def test_limits_without_a_value_do_not_block(fake: Any, node: Any) -> None:
    for name in ("pair:target_limits", "ends:target_min", "ends:target_max"):
        fake.set_error(name, "HardwareError", "no controller")
    fake.set_json("low:target_min", None)
    await settle(node)
    for device in (node.pair, node.ends, node.low):
        await device.check_value(0)
        await device.check_value(500)
    # The other one is still known
    fake.set("ends:target_max", 400.0)
    await settle(node)
    await node.ends.check_value(0)
    with pytest.raises(RangeError, match="target_max"):
        await node.ends.check_value(500)


async def test_limits_that_nothing_fits_do_not_block(fake: Any, node: Any) -> None:
    fake.set("pair:target_limits", (20.0, 10.0))
    fake.set("ends:target_min", 500.0)
    await settle(node)
    await node.pair.set(15)
    await node.ends.set(15)


async def test_limits_of_a_node_that_is_gone_do_not_block(fake: Any, node: Any):
    await lose(fake, node)
    await node.pair.check_value(500)
    with pytest.raises(RangeError, match="maximum 500"):
        await node.pair.check_value(501)


async def test_the_node_has_the_last_word(fake: Any, node: Any) -> None:
    def refuse(target: float) -> None:
        raise RangeError("not while the magnet is on")

    fake.on_change("pair:target", refuse)
    with pytest.raises(RangeError, match="node-pair.*300.*not while the magnet is on"):
        await node.pair.set(300)


def test_in_plans(lab: Any) -> None:
    fake = lab.serve(structure(), values=VALUES)
    node = lab.connect(fake)
    check_limits(bp.scan([node.low], node.pair, 10, 400, 3))
    with pytest.raises(RangeError, match="450.0 K is above 400.0 K of target_limits"):
        check_limits(bp.scan([node.low], node.pair, 10, 450, 3))
    with pytest.raises(FailedStatus) as info:
        lab.engine(bps.mv(node.pair, 450))
    assert "above 400.0 K of target_limits" in str(info.value.__cause__)
    assert not sent(fake, "change")
