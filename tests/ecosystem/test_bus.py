"""What docs/how-to/many-machines.md shows: documents over ZeroMQ, to elsewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ophyd_async.testing import find_free_port

from secop_ophyd.demo import SimulatedNode

from .conftest import ROOT
from .processes import running, wait_for

pytestmark = pytest.mark.timeout(200)
PAGE = ROOT / "docs" / "how-to" / "many-machines.md"
FENCE = re.compile(r"^```python no-run\n(.*?)^```$", re.MULTILINE | re.DOTALL)


WORKER = """
from time import sleep

from bluesky import RunEngine
from bluesky.plans import count
from ophyd_async.core import init_devices

from secop_ophyd import SECoPNodeDevice

RE = RunEngine()
{snippet}
with init_devices():
    sample = SECoPNodeDevice("{uri}", name="sample")
print("it is there")
while True:  # nobody tells when the listener is subscribed
    RE(count([sample.cryo, sample.detector]))
    sleep(0.2)
"""


@pytest.fixture
def snippets(tmp_path: Path) -> Iterator[list[str]]:
    """Run the proxy, and return the code of the page for its ports."""
    page = PAGE.read_text()
    options: list[str] = []
    for option in ("--in-address 127.0.0.1:5577", "--out-address 127.0.0.1:5578"):
        assert option in page
        port = find_free_port()
        page = page.replace(option[-4:], str(port))
        options += [option.split()[0], f"127.0.0.1:{port}"]
    proxy = str(Path(sys.executable).with_name("bluesky-0MQ-proxy"))
    with running([proxy, *options], tmp_path / "proxy.log", "Receiving"):
        yield FENCE.findall(page)


def test_bus(node: SimulatedNode, snippets: list[str], tmp_path: Path) -> None:
    worker, listener = snippets
    scripts = {
        "worker": WORKER.format(snippet=worker, uri=node.uri),
        "listener": f"print('it is there')\n{listener}",
    }
    with ExitStack() as stack:
        for name, code in scripts.items():
            script = tmp_path / f"{name}.py"
            script.write_text(code)
            log = script.with_suffix(".log")
            command = [sys.executable, str(script)]
            process = stack.enter_context(running(command, log, "it is there"))
        row = re.compile(r"\|\s+1 \| [\d:.]+ \|\s+10\.000 \|\s+10 \|")
        wait_for(process, log, row)
