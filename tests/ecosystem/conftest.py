"""A simulated node, a Tiled server, and examples that run in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ophyd_async.testing import find_free_port

from secop_ophyd.demo import SimulatedNode, start_node

from .processes import end_group, running, wait_for_group

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
KEY = "secret"
# What others have to change, before it is an error: epicscorelibs
THEIRS = "default:Setting the shape on a NumPy array:DeprecationWarning"


def run(*command: object, timeout: float = 200) -> str:
    """Run a script as a user would, but let warnings be errors."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-W", THEIRS, *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"MPLBACKEND": "Agg"},
        start_new_session=True,
    )
    with process:
        try:
            output = "".join(process.communicate(timeout=timeout))
            assert process.returncode == 0, output
            wait_for_group(process)  # it leaves nothing behind
        finally:
            end_group(process)
    return output


@pytest.fixture
def node() -> Iterator[SimulatedNode]:
    with start_node() as simulated:
        yield simulated


@pytest.fixture
def magnet() -> int:
    """Return the port of a node that is down."""
    return find_free_port()


@dataclass
class Documents:
    """All documents of a process, by run."""

    all: list[tuple[str, dict[str, Any]]]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [document for kind, document in self.all if kind == name]

    @property
    def starts(self) -> list[dict[str, Any]]:
        return self.named("start")

    def events(self, start: dict[str, Any], stream: str) -> list[dict[str, Any]]:
        """Return the events of a stream, those of pages as well."""
        descriptor = self._descriptor(start, stream)
        found = [e for e in self.named("event") if e["descriptor"] == descriptor["uid"]]
        for page in self.named("event_page"):
            if page["descriptor"] == descriptor["uid"]:
                for i in range(len(page["seq_num"])):
                    row = {k: v[i] for k, v in page["data"].items()}
                    found.append({"data": row})
        return found

    def configuration(self, start: dict[str, Any], device: str) -> dict[str, Any]:
        """Return what the primary stream of a run has of a device."""
        return self._descriptor(start, "primary")["configuration"][device]["data"]

    def _descriptor(self, start: dict[str, Any], stream: str) -> dict[str, Any]:
        (descriptor,) = (
            d
            for d in self.named("descriptor")
            if d["run_start"] == start["uid"] and d["name"] == stream
        )
        return descriptor


@pytest.fixture
def run_example(tmp_path: Path) -> Callable[..., Documents]:
    """Run an example, and return its documents."""

    def start(name: str, *tiled: str) -> Documents:
        file = tmp_path / "documents.json"
        run(Path(__file__).with_name("run_example.py"), EXAMPLES / name, file, *tiled)
        return Documents(json.loads(file.read_text()))

    return start


@pytest.fixture(scope="session")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Tiled server, and return its address."""
    port = find_free_port()
    command = [sys.executable, "-m", "tiled", "serve", "catalog", "--temp"]
    options = ["--api-key", KEY, "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path_factory.mktemp("tiled") / "tiled.log"
    with running([*command, *options], log, "Uvicorn running"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def catalogue(tiled: str) -> Iterator[Any]:
    """Return a client of the server."""
    import dask
    from tiled.client import from_uri
    from zarr.core.sync import cleanup_resources

    client = from_uri(tiled, api_key=KEY)
    with dask.config.set(scheduler="synchronous"):  # keeps its threads otherwise
        yield client
    client.context.close()
    cleanup_resources()  # threads that are kept for the next time
