"""Moves on frappy nodes: other clients, kills and Ctrl-C, all of them real."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import bluesky.plans as bp
import pytest
from bluesky.run_engine import RunEngine
from bluesky.utils import FailedStatus, ProgressBarManager, RunEngineInterrupted
from ophyd_async.core import init_devices

from secop_ophyd import ModuleOptions, NodeOptions, SECoPNodeDevice, StopPolicy
from secop_ophyd.client import SecopClient
from secop_ophyd.demo import SimulatedNode, start_node
from secop_ophyd.protocol import ConnectionLost, RangeError, ReadOnly, is_busy

NODES = Path(__file__).parents[1] / "nodes"
FAR = 300
"""A target that the demo's cryostat reaches after half a minute."""

Action = Callable[[SecopClient], Awaitable[Any]]


@pytest.fixture
def simulated() -> Iterator[SimulatedNode]:
    with start_node() as simulated:
        yield simulated


@pytest.fixture
def odd() -> Iterator[SimulatedNode]:
    with start_node(NODES / "moves_cfg.py") as simulated:
        yield simulated


@contextmanager
def connected(simulated: SimulatedNode, **options: Any) -> Generator[Any, None, None]:
    with init_devices():
        device = SECoPNodeDevice(simulated.uri, name="node", **options)
    yield device
    device.close()


@pytest.fixture
def node(RE: RunEngine, simulated: SimulatedNode) -> Iterator[Any]:
    with connected(simulated) as node:
        yield node


async def until(client: SecopClient, module: str, busy: bool) -> Any:
    """Wait until a module is busy, or not, and return its status."""
    changed = asyncio.Event()
    status = client.parameter(module, "status")
    end = status.subscribe(lambda reading: changed.set())
    async with asyncio.timeout(20):
        while is_busy(status.reading.value[0]) is not busy:
            changed.clear()
            await changed.wait()
    end()
    return status.reading.value


@contextmanager
def somebody(uri: str, module: str, action: Action) -> Generator[None, None, None]:
    """Let another client do something as soon as a module is busy."""

    async def run() -> None:
        async with SecopClient(uri) as client:
            await until(client, module, True)
            await action(client)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(asyncio.run, run())
        yield
        done.result(20)


def ask(uri: str, module: str) -> tuple[Any, Any, Any]:
    """Ask the node for status, value and target, past all that we know."""

    async def run() -> tuple[Any, Any, Any]:
        async with SecopClient(uri) as client:
            names = ("status", "value", "target")
            status, *rest = [(await client.read(module, n)).value for n in names]
            return ((int(status[0]), status[1]), *rest)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result(20)


def cause(info: pytest.ExceptionInfo[FailedStatus]) -> str:
    return str(info.value.__cause__)


# Arrival


def test_modules_of_all_kinds(RE: RunEngine, node: Any) -> None:
    RE.waiting_hook = ProgressBarManager()
    moves = [
        (node.cryo, 11),
        (node.motor, -3.5),
        (node.heater, "on"),
        (node.valve, True),
    ]
    for device, target in moves:
        RE(bps.mv(device, target))
        assert RE(bps.rd(device.value)).plan_result == target
    RE(bps.mv(node.cryo, 10, node.motor, 0, node.heater, "off", node.valve, False))
    assert RE(bps.rd(node.heater.value)).plan_result == "off"


def test_go(RE: RunEngine, odd: SimulatedNode) -> None:
    with connected(odd) as node:
        RE(bps.mv(node.goer, 20, node.motor, 10))
        assert RE(bps.rd(node.goer.value)).plan_result == 20
        assert RE(bps.rd(node.motor.value)).plan_result == 10
        RE(bps.mv(node.goer.target, 30))  # prepares it, and no more
        assert ask(odd.uri, "goer") == ((100, "at target"), 20, 30)


def test_limits(RE: RunEngine, odd: SimulatedNode) -> None:
    with connected(odd) as node:
        RE(bps.mv(node.limited.target_limits, (-10, 20), node.one_sided.target_max, 5))
        for device, name in (
            (node.limited, "target_limits"),
            (node.one_sided, "target_max"),
        ):
            with pytest.raises(FailedStatus) as info:
                RE(bps.mv(device, 20.5))
            assert isinstance(info.value.__cause__, RangeError)
            assert name in cause(info)
            RE(bps.mv(device, 5))
            assert RE(bps.rd(device.value)).plan_result == 5


def test_a_tolerance_that_is_too_wide(
    RE: RunEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with start_node(NODES / "cryo_cfg.py") as simulated, connected(simulated) as node:
        RE(bps.mv(node.cryo.tolerance, 100))
        RE(bps.mv(node.cryo, 350))
        value = RE(bps.rd(node.cryo.value)).plan_result
        assert value < 320
        assert "node-cryo: done, but less than half of the way to 350" in caplog.text


# Failure


def test_an_error(RE: RunEngine, node: Any) -> None:
    RE(bps.mv(node.motor.blocked, True))
    with pytest.raises(FailedStatus) as info:
        RE(bps.mv(node.motor, 100))
    for word in ("node-motor", "moving to 100", "ERROR", "400", "motor blocked"):
        assert word in cause(info)
    with pytest.raises(RuntimeError, match="node-motor.*400.*motor blocked"):
        RE(node.motor.move_to(50, wait_for_idle=True))


def test_a_timeout(RE: RunEngine, node: Any, simulated: SimulatedNode) -> None:
    with pytest.raises(FailedStatus) as info:
        RE(bps.abs_set(node.cryo, FAR, timeout=0.3, wait=True))
    for word in ("node-cryo", "300", "0.3 s", "ramping", "it was stopped"):
        assert word in cause(info)
    status, value, target = ask(simulated.uri, "cryo")
    assert status == (100, "stopped")
    assert value == pytest.approx(target, abs=0.1)


def test_a_new_target_by_somebody_else(
    RE: RunEngine, node: Any, simulated: SimulatedNode
) -> None:
    async def retarget(client: SecopClient) -> None:
        await client.change("cryo", "target", 12)

    with somebody(simulated.uri, "cryo", retarget), pytest.raises(FailedStatus) as info:
        RE(bps.mv(node.cryo, FAR))
    for word in ("node-cryo", "300", "somebody else has set the target to 12"):
        assert word in cause(info)


def test_a_new_target_that_is_tolerated(
    RE: RunEngine, simulated: SimulatedNode
) -> None:
    async def retarget(client: SecopClient) -> None:
        await client.change("cryo", "target", 12)

    modules = {"cryo": ModuleOptions(tolerate_retarget=True)}
    with connected(simulated, options=NodeOptions(modules=modules)) as node:
        with somebody(simulated.uri, "cryo", retarget):
            RE(bps.mv(node.cryo, FAR))
        assert RE(bps.rd(node.cryo.value)).plan_result == 12


async def stop_cryo(client: SecopClient) -> None:
    await asyncio.sleep(0.2)
    await client.do("cryo", "stop")


def test_a_stop_by_somebody_else(
    RE: RunEngine, node: Any, simulated: SimulatedNode
) -> None:
    with (
        somebody(simulated.uri, "cryo", stop_cryo),
        pytest.raises(FailedStatus) as info,
    ):
        RE(bps.mv(node.cryo, FAR))
    for word in ("node-cryo", "300", "somebody else has set the target"):
        assert word in cause(info)


async def stop_sloppy(client: SecopClient) -> None:
    await asyncio.sleep(0.2)
    await client.do("sloppy", "stop")


def test_a_stop_that_is_told_late(RE: RunEngine, odd: SimulatedNode) -> None:
    with connected(odd) as node:
        with (
            somebody(odd.uri, "sloppy", stop_sloppy),
            pytest.raises(FailedStatus) as info,
        ):
            RE(bps.mv(node.sloppy, 500))
        assert "somebody else has set the target" in cause(info)


def test_a_stop_that_is_never_told(
    RE: RunEngine, odd: SimulatedNode, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(odd) as node:
        RE(bps.mv(node.sloppy.tells, False))
        with somebody(odd.uri, "sloppy", stop_sloppy):
            RE(bps.mv(node.sloppy, 500))
        text = "node-sloppy: done, but less than half of the way to 500"
        assert text in caplog.text
        assert "'stopped'" in caplog.text


@pytest.mark.parametrize("restart", [False, True])
def test_a_node_that_is_killed(
    RE: RunEngine, node: Any, simulated: SimulatedNode, restart: bool
) -> None:
    killed: list[float] = []

    async def kill(client: SecopClient) -> None:
        await asyncio.sleep(0.2)
        killed.append(time.monotonic())
        simulated.kill()
        if restart:
            simulated.restart()

    with somebody(simulated.uri, "cryo", kill):
        with pytest.raises(FailedStatus) as info:
            RE(bps.mv(node.cryo, FAR))
        assert time.monotonic() - killed[0] < 2
        assert isinstance(info.value.__cause__, ConnectionLost)
        for word in ("node-cryo", "300", "last seen with status 300 (BUSY) 'ramping'"):
            assert word in cause(info)
        if not restart:
            with pytest.raises(ConnectionLost):
                RE(bps.rd(node.cryo.value))
            with pytest.raises(FailedStatus, match="no connection"):
                RE(bp.count([node.cryo]))
            started = time.monotonic()
            with pytest.raises(FailedStatus):
                RE(bps.mv(node.cryo, 20))
            assert time.monotonic() - started < 2


# What a plan that is interrupted leaves


@pytest.mark.parametrize("end", ["abort", "stop", "halt", "resume"])
def test_a_pause(RE: RunEngine, node: Any, simulated: SimulatedNode, end: str) -> None:
    async def pause(client: SecopClient) -> None:
        await asyncio.to_thread(RE.request_pause)
        assert (await until(client, "cryo", False))[1] == "stopped"

    with (
        somebody(simulated.uri, "cryo", pause),
        pytest.raises(RunEngineInterrupted),
    ):
        RE(bps.mv(node.cryo, 20))
    status, value, target = ask(simulated.uri, "cryo")
    assert status == (100, "stopped")
    assert value == target < 20
    getattr(RE, end)()
    if end == "resume":
        assert ask(simulated.uri, "cryo") == ((100, "at target"), 20, 20)
    else:
        assert ask(simulated.uri, "cryo") == ((100, "stopped"), value, target)


def test_a_plan_that_fails(RE: RunEngine, node: Any, simulated: SimulatedNode) -> None:
    def plan() -> Any:
        yield from bps.abs_set(node.cryo, FAR)
        yield from bps.sleep(0.2)
        raise ValueError("no sample")

    with pytest.raises(ValueError, match="no sample"):
        RE(plan())
    assert ask(simulated.uri, "cryo")[0] == (100, "stopped")


@pytest.mark.parametrize("policy", StopPolicy)
def test_the_end_of_a_plan(
    RE: RunEngine, simulated: SimulatedNode, policy: StopPolicy
) -> None:
    modules = {"cryo": ModuleOptions(stop=policy)}
    with connected(simulated, options=NodeOptions(modules=modules)) as node:

        def plan() -> Any:
            yield from bps.abs_set(node.cryo, FAR, wait=False)
            yield from bps.sleep(0.2)

        RE(plan())
        RE(bp.count([node.detector]))
        running = policy is not StopPolicy.ALWAYS
        status = ask(simulated.uri, "cryo")[0]
        assert status == ((300, "ramping") if running else (100, "stopped"))
        RE(bps.stop(node.cryo))
        assert ask(simulated.uri, "cryo")[0] == (100, "stopped")


def test_who_only_looks_stops_nothing(
    RE: RunEngine, node: Any, simulated: SimulatedNode
) -> None:
    RE(bps.abs_set(node.cryo, FAR, wait=False))
    with somebody(simulated.uri, "cryo", lambda client: client.ping()):
        pass
    # One connection for each address, or both would be read-only
    options = NodeOptions(read_only=True)
    with init_devices():
        guest: Any = SECoPNodeDevice(
            f"localhost:{simulated.port}", name="guest", options=options
        )
    for plan in (
        bps.mv(guest.cryo, 20),
        bps.mv(guest.cryo.ramp, 1),
        guest.motor.move_to(5, wait_for_idle=True),
        guest.cryo.stop_(),
    ):
        with pytest.raises((FailedStatus, ReadOnly)):
            RE(plan)
    RE(bps.stop(guest.cryo))
    RE(bp.count([guest]))
    assert ask(simulated.uri, "cryo")[0] == (300, "ramping")
    guest.close()
    RE(bps.stop(node.cryo))


SCRIPT = """
import sys
from bluesky import RunEngine
from bluesky.plan_stubs import mv
from bluesky.utils import RunEngineInterrupted
from ophyd_async.core import init_devices
from secop_ophyd.SECoPDevices import SECoPNodeDevice

RE = RunEngine()
with init_devices():
    node = SECoPNodeDevice(sys.argv[1], name="node")
try:
    RE(mv(node.cryo, 300))
except RunEngineInterrupted:
    print("state:", RE.state)
    RE.abort()
    print("state:", RE.state)
node.close()
"""


def test_ctrl_c(simulated: SimulatedNode) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, simulated.uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as script:

        async def press(client: SecopClient) -> None:
            for _ in range(2):
                await asyncio.sleep(0.3)  # less, and it counts as one
                script.send_signal(signal.SIGINT)

        try:
            with somebody(simulated.uri, "cryo", press):
                output, errors = script.communicate(timeout=30)
        finally:
            script.kill()
    assert script.returncode == 0, errors
    assert "state: paused" in output
    assert "state: idle" in output
    status, value, target = ask(simulated.uri, "cryo")
    assert status == (100, "stopped")
    assert value == target < 300
