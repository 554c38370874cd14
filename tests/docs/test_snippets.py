"""What README, docs and examples show is run, against the simulated node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from secop_ophyd.demo import start_node

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if "_api" not in page.parts and "```python\n" in page.read_text()
]
# Pages that need more than the demo's node has
NODES = {"acquisition": ROOT / "tests" / "nodes" / "acquisition_cfg.py"}
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(script: Path) -> str:
    """Run a script as a user would, but let warnings be errors."""
    result = subprocess.run(
        [sys.executable, "-W", "error", script],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_page(page: Path, tmp_path: Path) -> None:
    with start_node(NODES.get(page.stem)) as node:
        code = "\n".join(FENCE.findall(page.read_text()))
        script = tmp_path / "page.py"
        script.write_text(code.replace("localhost:10767", node.uri))
        run(script)


def test_there_are_pages() -> None:
    assert {p.stem for p in PAGES} >= {
        "README",
        "first-scan",
        "user-guide",
        "record-a-ramp",
        "wait-for-a-module",
        *NODES,
    }


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem
)
def test_example(example: Path) -> None:
    assert "1010" in run(example), "the peak of the detector"
