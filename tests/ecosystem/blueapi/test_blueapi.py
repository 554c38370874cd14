"""SEC nodes in blueapi, by its REST API, in an environment of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ophyd_async.testing import find_free_port

from secop_ophyd import SecopClient
from secop_ophyd.demo import SimulatedNode, start_node

from ..processes import running

pytestmark = pytest.mark.timeout(300)
EXAMPLE = Path(__file__).parents[3] / "examples" / "blueapi"
BLUEAPI = str(Path(sys.executable).with_name("blueapi"))
Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, node: SimulatedNode, magnet: int) -> Iterator[Ask]:
    """Run blueapi with the example's files, and return how to ask it."""
    folder = tmp_path / "blueapi"
    shutil.copytree(EXAMPLE, folder)
    port = find_free_port()
    for name, old, new in (
        ("beamline.yml", "localhost:10767", node.uri),
        ("blueapi.yml", "127.0.0.1:8000", f"127.0.0.1:{port}"),
    ):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    with (folder / "beamline.yml").open("a") as file:
        file.write(f"magnet:\n  uri: 127.0.0.1:{magnet}\n")

    def ask(method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/{path}",
            None if body is None else json.dumps(body).encode(),
            {"content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    command = [BLUEAPI, "-c", "blueapi.yml", "serve"]
    environment = {
        "PYTHONPATH": os.pathsep.join([".", *sys.path]),
        "OTEL_SDK_DISABLED": "true",
    }
    log = tmp_path / "blueapi.log"
    with running(command, log, "Uvicorn running", environment, folder):
        wait_until(lambda: ask("GET", "environment")["initialized"])
        yield ask
    print(log.read_text())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)  # a REST API tells nobody


def run(ask: Ask, plan: str, **params: Any) -> dict[str, Any]:
    body = {"name": plan, "params": params, "instrument_session": "cm12345-1"}
    task = ask("POST", "tasks", body)["task_id"]
    ask("PUT", "worker/task", {"task_id": task})
    wait_until(lambda: ask("GET", f"tasks/{task}")["is_complete"])
    return ask("GET", f"tasks/{task}")


def devices(ask: Ask) -> set[str]:
    return {device["name"] for device in ask("GET", "devices")["devices"]}


def is_anew(environment: dict[str, Any], before: str) -> bool:
    return environment["initialized"] and environment["environment_id"] != before


def active(ask: Ask) -> bool:
    return not all(task["is_complete"] for task in ask("GET", "tasks")["tasks"])


def run_by_command(folder: Path, how: str) -> None:
    params = {"detectors": ["sample.detector"], "motor": "sample.cryo"}
    params |= {"start": 22, "stop": 20, "num": 2}
    options = ["-i", "cm12345-1", how, "scan", json.dumps(params)]
    # It may fail to show what it gets, see docs/how-to/blueapi.md
    subprocess.run(
        [BLUEAPI, "-c", "blueapi.yml", "controller", "run", *options],
        cwd=folder,
        capture_output=True,
        timeout=60,
    )


async def test_blueapi(
    ask: Ask, node: SimulatedNode, magnet: int, tmp_path: Path
) -> None:
    assert devices(ask) == {"sample"}  # the magnet is down
    plans = {plan["name"] for plan in ask("GET", "plans")["plans"]}
    assert plans == {"count", "scan", "move"}

    async with SecopClient(node.uri) as somebody_else:
        targets: list[float] = []
        target = somebody_else.parameter("cryo", "target")
        end = target.subscribe(lambda reading: targets.append(reading.value))

        def tasks() -> list[dict[str, Any]]:
            cryo, detectors = "sample.cryo", ["sample.detector"]
            return [
                run(ask, "move", motor=cryo, target=15),
                run(ask, "count", detectors=[cryo, *detectors], num=2),
                run(ask, "scan", detectors=detectors, motor=cryo,
                    start=18, stop=22, num=3),
            ]  # fmt: skip

        for task in await asyncio.to_thread(tasks):
            assert task["errors"] == [], task
        await somebody_else.ping()  # all that came before is there
        end()
    moves = [t for i, t in enumerate(targets) if i == 0 or t != targets[i - 1]]
    assert moves[-4:] == [15, 18, 20, 22]

    # The command line, in the background, and with somebody who watches
    for how in ("--bg", "--ws"):
        await asyncio.to_thread(run_by_command, tmp_path / "blueapi", how)
        await asyncio.to_thread(wait_until, lambda: not active(ask))
    tasks = ask("GET", "tasks")["tasks"]
    assert len(tasks) == 5
    assert [task["errors"] for task in tasks] == [[]] * 5, tasks

    with pytest.raises(urllib.error.HTTPError) as refused:
        run(ask, "move", motor="sample.cyro", target=15)
    assert refused.value.code == 422
    refused.value.close()

    with start_node(port=magnet):
        before = ask("DELETE", "environment")["environment_id"]
        wait_until(lambda: is_anew(ask("GET", "environment"), before))
        assert devices(ask) == {"sample", "magnet"}
