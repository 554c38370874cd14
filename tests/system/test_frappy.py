"""Against frappy nodes with modules that are not ours, and with real kills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.run_engine import RunEngine, call_in_bluesky_event_loop
from bluesky.utils import FailedStatus
from ophyd_async.core import init_devices

from secop_ophyd import NodeOptions, SECoPNodeDevice
from secop_ophyd.client import SecopClient
from secop_ophyd.demo import start_node
from secop_ophyd.protocol import ConnectionLost

NODES = Path(__file__).parents[1] / "nodes"


def test_module_that_answers_before_it_is_busy(RE: RunEngine) -> None:
    with start_node(NODES / "sim_cfg.py") as simulated:
        with init_devices():
            device: Any = SECoPNodeDevice(simulated.uri)
        for target in (15, 12, 12, 14):
            RE(bps.mv(device.drive, target))
            assert RE(bps.rd(device.drive.value)).plan_result == target
        RE(bps.mv(device.output, 3))
        assert RE(bps.rd(device.output.value)).plan_result == 3
        device.close()


def test_node_of_many_types(RE: RunEngine) -> None:
    with start_node(NODES / "datatypes_cfg.py") as simulated:
        with init_devices():
            device: Any = SECoPNodeDevice(simulated.uri)
        documents: list[tuple[str, dict[str, Any]]] = []
        RE(bp.count([device]), lambda *document: documents.append(document))
        assert [name for name, _ in documents][-1] == "stop"
        (descriptor,) = (doc for name, doc in documents if name == "descriptor")
        (configuration,) = descriptor["configuration"].values()
        errors = [v for k, v in configuration["data"].items() if "config_errors" in k]
        assert any("not initialized" in error for error in errors)
        device.close()


def test_kill_while_moving_fails_at_once_and_recovers(RE: RunEngine) -> None:
    with start_node() as simulated:
        with init_devices():
            device: Any = SECoPNodeDevice(simulated.uri)

        def kill_while_moving():
            yield from bps.abs_set(device.cryo, 300, group="move")
            yield from bps.sleep(0.2)
            simulated.kill()
            yield from bps.wait("move", timeout=20)

        with pytest.raises(FailedStatus) as failure:
            RE(kill_while_moving())
        assert isinstance(failure.value.__cause__, ConnectionLost)

        with pytest.raises(FailedStatus, match="no connection"):
            RE(bp.count([device.detector]))
        with pytest.raises(ConnectionLost):
            RE(bps.rd(device.detector.value))

        simulated.restart()
        call_in_bluesky_event_loop(device.client.connect())
        RE(bps.mv(device.cryo, 12))
        assert RE(bps.rd(device.cryo.value)).plan_result == 12
        device.close()


def test_freeze_while_moving_is_noticed(RE: RunEngine) -> None:
    with start_node() as simulated:
        with init_devices():
            options = NodeOptions(timeout=0.3)
            device: Any = SECoPNodeDevice(simulated.uri, options=options)

        def freeze_while_moving():
            yield from bps.abs_set(device.cryo, 300, group="move")
            yield from bps.sleep(0.2)
            simulated.pause()
            yield from bps.wait("move", timeout=20)

        with pytest.raises(FailedStatus) as failure:
            RE(freeze_while_moving())
        assert "does not even answer a ping" in str(failure.value.__cause__)
        with pytest.raises(ConnectionLost):
            RE(bps.rd(device.cryo.value))
        simulated.resume()
        call_in_bluesky_event_loop(device.connect())
        RE(bps.rd(device.cryo.value))
        device.close()


async def test_the_client_on_its_own() -> None:
    with start_node() as simulated:
        async with SecopClient(simulated.uri) as client:
            reading = await client.read("cryo", "value")
            assert reading.value == 10
            changed = await client.change("cryo", "ramp", 1200)
            assert changed.value == 1200
            info = await client.do("motor", "_get_info")
            assert info["serial"] == "0042"
            pong = await client.ping()
            assert pong.round_trip < 1
            await client.logging("debug", "cryo")
            await client.logging("off", "cryo")
