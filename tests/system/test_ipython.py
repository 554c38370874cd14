"""The nodes of a file in a session of IPython, with the Tab key."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from secop_ophyd.demo import start_node

SESSION = """
from bluesky import RunEngine
from bluesky.plan_stubs import mv
from IPython.core.completer import provisionalcompleter
from secop_ophyd import load_nodes
RE = RunEngine()
nodes = load_nodes("beamline.yml")
tab = get_ipython().Completer.completions
def press_tab(text): return [c.text.lstrip(".") for c in tab(text, len(text))]

with provisionalcompleter(): print(*map(press_tab, TEXTS))

_ = RE(mv(nodes.sample.cryo, 12))
await nodes.sample.cryo.value.get_value()
nodes.sample.cryo
nodes.sample.cryo.tree()
nodes.close()
"""
TEXTS = ["nodes.sa", "nodes.sample.cr", "nodes.sample.cryo.tar"]


def test_session(tmp_path: Path) -> None:
    options = ["--simple-prompt", "--no-banner", "--no-confirm-exit", "--no-color-info"]
    with start_node() as node:
        Path("beamline.yml").write_text(f"sample: {{uri: '{node.uri}'}}")
        result = subprocess.run(
            [sys.executable, "-W", "error", "-m", "IPython", "-i", *options],
            input=SESSION.replace("TEXTS", repr(TEXTS)),
            capture_output=True,
            text=True,
            timeout=50,
            env={"IPYTHONDIR": str(tmp_path), "HOME": str(tmp_path)},
        )
    output = result.stdout
    assert result.returncode == 0 and "Traceback" not in output, output + result.stderr
    assert "['sample'] ['cryo'] ['target']" in output
    assert "]: 12.0\n" in output
    assert "]: SECoPMoveableDevice(name='sample-cryo'" in output
    assert "target = 12.0 K  settable" in output
