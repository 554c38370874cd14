"""The user guide, section by section, up to the agreed departures.

Against the simulated node of the demo, whose modules are quick, and against frappy's
own cryostat, which is not ours.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bluesky.plans as bp
import numpy as np
import pytest
from bluesky.plan_stubs import abs_set, mv, rd
from bluesky.run_engine import RunEngine, call_in_bluesky_event_loop
from ophyd_async.core import (
    NotConnectedError,
    SignalR,
    SignalRW,
    init_devices,
    wait_for_value,
)

from secop_ophyd.demo import SimulatedNode, start_node
from secop_ophyd.SECoPDevices import (
    SECoPMoveableDevice,
    SECoPNodeDevice,
    SECoPReadableDevice,
)

NODES = Path(__file__).parents[1] / "nodes"


@pytest.fixture(scope="module")
def node() -> Iterator[SimulatedNode]:
    with start_node() as simulated:
        yield simulated


@pytest.fixture
def cryostat() -> Iterator[SimulatedNode]:
    with start_node(NODES / "cryo_cfg.py") as simulated:
        yield simulated


@pytest.fixture
def device(RE: RunEngine, node: SimulatedNode) -> Iterator[Any]:
    with init_devices():
        device = SECoPNodeDevice(node.uri)
    yield device
    device.close()


# Device Connection


def test_basic_connection(RE: RunEngine, node: SimulatedNode) -> None:
    with init_devices():
        device = SECoPNodeDevice(node.uri)
    assert device.is_connected
    device.close()
    assert not device.is_connected


def test_a_run_engine_comes_first(node: SimulatedNode) -> None:
    with pytest.raises(NotConnectedError, match="event loop"), init_devices():
        device = SECoPNodeDevice(node.uri)
    del device


def test_naming(RE: RunEngine, node: SimulatedNode) -> None:
    with init_devices():
        default = SECoPNodeDevice(node.uri)
        named = SECoPNodeDevice(node.uri, name="my_cryostat")
        prefixed = SECoPNodeDevice(node.uri, prefix="beamline_A_", name="cryo")
        only_prefix = SECoPNodeDevice(node.uri, prefix="lab1_")
        positional = SECoPNodeDevice(node.uri, "a_", "b", "DEBUG", "log")
    assert default.name == "demo-secop-ophyd"
    assert named.name == "my_cryostat"
    assert prefixed.name == "beamline_A_cryo"
    assert only_prefix.name == "lab1_demo-secop-ophyd"
    assert positional.name == "a_b"
    assert prefixed.cryo.name == "beamline_A_cryo-cryo"
    assert prefixed.cryo.ramp.name == "beamline_A_cryo-cryo-ramp"
    for device in (default, named, prefixed, only_prefix, positional):
        device.close()


def test_domain_name(RE: RunEngine, node: SimulatedNode) -> None:
    with init_devices():
        device = SECoPNodeDevice(f"localhost:{node.port}")
    assert device.is_connected
    device.close()


def test_default_log(RE: RunEngine, node: SimulatedNode, tmp_path: Path) -> None:
    before = time.time()
    with init_devices():
        device = SECoPNodeDevice(node.uri)
    logging.getLogger(f"secop_ophyd.{node.uri}").info("a line")
    device.close()
    text = (tmp_path / ".secop-ophyd" / "secop-ophyd.log").read_text()
    (stamp,) = re.findall(r"^(\S+)Z INFO .*a line$", text, re.MULTILINE)
    utc = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(before))
    assert stamp[:15] == utc[:15]
    assert " > " not in text  # INFO has no messages of the protocol


def test_log_of_every_message_in_a_folder(
    RE: RunEngine, node: SimulatedNode, tmp_path: Path
) -> None:
    with init_devices():
        device = SECoPNodeDevice(
            node.uri, prefix="lab1_", loglevel="DEBUG", logdir=str(tmp_path / "a" / "b")
        )
    device.close()
    text = (tmp_path / "a" / "b" / "secop-ophyd.log").read_text()
    assert f"{node.uri} > *IDN?" in text
    assert f"{node.uri} < update cryo:value" in text


# Device Structure


def test_hierarchy(device: Any) -> None:
    assert isinstance(device.cryo, SECoPMoveableDevice)
    assert isinstance(device.detector, SECoPReadableDevice)
    assert type(device.cryo.value) is SignalR
    assert type(device.cryo.target) is SignalRW
    assert type(device.cryo.ramp) is SignalRW
    assert type(device.cryo.status) is SignalR
    assert callable(device.motor.reset)
    assert device.cryo.secop.names.parameters["_pid"] == "pid"


# Working with Signals


def test_read_a_value(RE: RunEngine, device: Any) -> None:
    def read_temperature():
        value = yield from rd(device.cryo.value)
        print(f"Temperature: {value}")
        return value

    assert RE(read_temperature()).plan_result == pytest.approx(10, abs=300)


def test_module_set_waits_and_signal_set_does_not(RE: RunEngine, device: Any) -> None:
    cryo = device.cryo
    RE(mv(cryo, 20))
    assert RE(rd(cryo.value)).plan_result == 20

    RE(mv(cryo.target, 25))  # accepted, not reached
    assert RE(rd(cryo.value)).plan_result < 25
    assert RE(rd(cryo.target)).plan_result == 25

    RE(abs_set(cryo, 20, wait=True))
    assert RE(rd(cryo.value)).plan_result == 20


def test_a_ramp_goes_on_after_the_plan(RE: RunEngine, device: Any) -> None:
    cryo = device.cryo
    RE(mv(cryo, 20))
    RE(abs_set(cryo, 30, wait=False))
    assert RE(rd(cryo.value)).plan_result < 30
    call_in_bluesky_event_loop(wait_for_value(cryo.value, 30, timeout=10))


def test_parameters_are_set_through_signals(RE: RunEngine, device: Any) -> None:
    RE(mv(device.cryo.ramp, 1200))
    assert RE(rd(device.cryo.ramp)).plan_result == 1200
    RE(mv(device.cryo.mode, "pid"))
    assert RE(rd(device.cryo.mode)).plan_result == "pid"
    RE(mv(device.cryo.pid, (1.0, 2.0, 3.0)))
    pid = RE(rd(device.cryo.pid)).plan_result
    assert isinstance(pid, np.ndarray)
    assert pid["f1"] == 2.0
    RE(mv(device.cryo.pid, pid))
    RE(mv(device.cryo.ramp, 600, device.cryo.mode, "ramp"))


def test_scan_records_value_target_and_status(RE: RunEngine, device: Any) -> None:
    documents: list[tuple[str, dict[str, Any]]] = []
    plan = bp.scan([device.detector], device.cryo, 18, 22, 3)
    RE(plan, lambda name, doc: documents.append((name, doc)))
    events = [doc["data"] for name, doc in documents if name == "event"]
    name = device.cryo.name
    assert [e[name] for e in events] == [18, 20, 22]
    assert [e[f"{name}-target"] for e in events] == [18, 20, 22]
    assert {e[f"{name}-status-f0"] for e in events} == {100}
    assert events[1][device.detector.name] > events[0][device.detector.name]
    (descriptor,) = (doc for name, doc in documents if name == "descriptor")
    fields = {k: v["fields"] for k, v in descriptor["hints"].items()}
    assert fields[name] == [name, f"{name}-target"]
    configuration = descriptor["configuration"][name]["data"]
    assert configuration[f"{name}-ramp"] == 600
    assert configuration[f"{name}-pid-f0"] == RE(rd(device.cryo.pid)).plan_result["f0"]
    assert configuration[f"{name}-config_errors"] == "{}"


# Using SECoP Commands


def test_commands(RE: RunEngine, device: Any) -> None:
    motor = device.motor
    RE(motor.reset())
    result = RE(motor.configure(arg={"mode": "auto", "setpoint": 100})).plan_result
    assert result == 100
    RE(motor.reset(wait_for_idle=False))
    RE(motor.move_to(arg=20.0, wait_for_idle=False))
    RE(motor.move_to(40, wait_for_idle=True))
    assert RE(rd(motor.value)).plan_result == 40


def test_result_of_a_command(RE: RunEngine, device: Any) -> None:
    def get_status():
        result = yield from device.motor.get_info()
        print(f"Device info: {result}")
        return result

    assert RE(get_status()).plan_result["serial"] == "0042"


def test_a_command_that_fails_raises_in_the_plan(RE: RunEngine, device: Any) -> None:
    def careful():
        try:
            yield from device.motor.fail()
        except Exception as error:
            return str(error)

    assert "HardwareError" in RE(careful()).plan_result


# Class File Generation


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("genNodeClass", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["genNodeClass"] = module
    spec.loader.exec_module(module)
    return module


def test_class_file(
    RE: RunEngine, device: Any, node: SimulatedNode, tmp_path: Path
) -> None:
    device.class_from_instance()
    assert (tmp_path / "genNodeClass.py").exists()
    file = device.class_from_instance(tmp_path / "to" / "output")
    assert file == tmp_path / "to" / "output" / "genNodeClass.py"

    generated = load(file)
    with init_devices():
        typed = generated.Demo_secop_ophyd(node.uri, name="typed")
    assert type(typed.cryo).__name__ == "Cryostat"
    assert typed.cryo.mode.datatype is generated.Cryostat_Mode_Enum
    assert RE(rd(typed.cryo.mode)).plan_result is generated.Cryostat_Mode_Enum.RAMP
    RE(mv(typed.cryo, 12))
    assert RE(typed.motor.configure({"mode": "auto", "setpoint": 7})).plan_result == 7
    reading = call_in_bluesky_event_loop(typed.cryo.read())
    assert list(reading) == [
        key.replace(device.name, "typed")
        for key in call_in_bluesky_event_loop(device.cryo.read())
    ]
    typed.close()


# Best Practices


async def test_without_a_run_engine(node: SimulatedNode) -> None:
    async with init_devices():
        device: Any = SECoPNodeDevice(node.uri)
    await device.cryo.set(14)
    assert await device.cryo.value.get_value() == 14
    await device.cryo.ramp.set(600)
    assert await device.motor.configure.execute({"mode": "auto", "setpoint": 3}) == 3
    await device.motor.reset.trigger()
    await device.disconnect()
    with pytest.raises(NotConnectedError):
        _ = device.client


def test_wait_strategies(RE: RunEngine, device: Any) -> None:
    RE(device.motor.get_status(wait_for_idle=False))
    RE(device.motor.move_to(100, wait_for_idle=True))
    assert RE(rd(device.motor.value)).plan_result == 100


def test_close_from_synchronous_code(RE: RunEngine, node: SimulatedNode) -> None:
    with init_devices():
        device: Any = SECoPNodeDevice(node.uri)
    device.close()
    device.close()
    with pytest.raises(Exception, match="disconnected"):
        RE(rd(device.cryo.value))
    call_in_bluesky_event_loop(device.connect())
    assert RE(rd(device.cryo.ramp)).plan_result == 600
    device.close()


# frappy's own cryostat


def test_frappy_cryostat(RE: RunEngine, cryostat: SimulatedNode) -> None:
    with init_devices():
        device: Any = SECoPNodeDevice(cryostat.uri)
    cryo = device.cryo
    assert device.name == "cryo_7-frappy-demo"
    assert isinstance(cryo, SECoPMoveableDevice)
    assert RE(rd(cryo.mode)).plan_result == "pid"
    assert "maxpower" in dict(cryo.children())
    RE(mv(cryo, 300.5))
    assert abs(RE(rd(cryo.value)).plan_result - 300.5) < 0.5
    file = device.class_from_instance()
    source = file.read_text()
    assert "class Cryostat_Mode_Enum(StrictEnum):" in source
    assert "class Cryo_7_frappy_demo(SECoPNodeDevice):" in source

    with init_devices():
        typed = load(file).Cryo_7_frappy_demo(cryostat.uri, name="typed")
    documents: list[str] = []
    RE(bp.count([typed.cryo], num=2), lambda name, doc: documents.append(name))
    assert documents == ["start", "descriptor", "event", "event", "stop"]
    RE(abs_set(typed.cryo, 310))
    call_in_bluesky_event_loop(asyncio.sleep(0.3))
    assert RE(rd(typed.cryo.status)).plan_result["f0"] >= 300
    RE(typed.cryo.stop_())
    typed.close()
    device.close()
