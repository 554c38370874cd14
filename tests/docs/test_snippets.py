"""What README, docs and examples show is run, against the simulated node."""

from __future__ import annotations

import ast
import json
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
EXAMPLES = ROOT / "examples"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(script: Path, *arguments: str) -> str:
    """Run a script as a user would, but let warnings be errors."""
    result = subprocess.run(
        [sys.executable, "-W", "error", script, *arguments],
        input="\n",
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


def table(output: str) -> list[list[float]]:
    """Return the last two columns of all rows of live tables."""
    rows = re.findall(r"^\| +\d+ \| [\d:.]+ (.*)\|$", output, re.MULTILINE)
    return [[float(x) for x in row.split("|")[1:]] for row in rows]


def test_first_scan() -> None:
    rows = table(run(EXAMPLES / "first_scan.py"))
    assert [t for t, _ in rows] == list(range(15, 26))
    assert max(rows, key=lambda row: row[1]) == [20, 1010]


def test_temperature_ramp() -> None:
    output = run(EXAMPLES / "temperature_ramp.py")
    rows = table(output)
    assert len(rows) > 5
    assert rows[0] == [15, 54] and rows[-1] == [25, 54]
    (number,) = re.findall(r"The temperature came (\d+) times by itself", output)
    assert int(number) > len(rows)
    assert "from 15 K to 25 K." in output


def test_conditions() -> None:
    output = run(EXAMPLES / "conditions.py")
    adaptive, logarithmic, own = map(table, re.split("Logarithmic|Warm up", output))
    assert 10 < len(adaptive) < 40 and max(adaptive, key=lambda x: x[1])[1] > 900
    assert logarithmic[0][0] == 2 and logarithmic[2] == [20, 1010]
    assert own[-1] == [18, 617] and own[-2][1] < 500
    assert "There are more than 500 counts at 18 K" in output


def test_suspender() -> None:
    output = run(EXAMPLES / "suspender.py")
    assert re.search(r"Justification.*\nsample-cryo is 2\d", output)
    assert "release suspension" in output
    rows = table(output)
    assert [position for position, _ in rows] == [0, 20, 40, 60]
    assert all(temperature <= 20 for _, temperature in rows)


def test_simulated_node() -> None:
    with start_node() as other:
        pass
    output = run(EXAMPLES / "simulated_node.py", str(other.port))
    assert f"A simulated SEC node runs at 127.0.0.1:{other.port}." in output


def test_node_metadata() -> None:
    output = run(EXAMPLES / "node_metadata.py")
    start = json.loads(output[output.index("{") : output.rindex("}") + 1])
    assert start["sample"] == "Fe3O4, batch 7"
    (node,) = start["sample_environment"].values()
    assert node["equipment_id"] == "demo.secop-ophyd"
    assert node["modules"]["cryo"]["meaning"] == ["temperature", 20]


def test_beamline(tmp_path: Path) -> None:
    with start_node() as here, start_node() as there:
        ports = {"10767": str(here.port), "10768": str(there.port)}
    for name in ("beamline.py", "beamline.yml"):
        text = (EXAMPLES / name).read_text()
        text = re.sub("1076[78]", lambda match: ports[match[0]], text)
        (tmp_path / name).write_text(text)
    output = run(tmp_path / "beamline.py")
    assert "1 of 2 nodes are not connected: magnet (cannot connect to SEC" in output
    assert "Without: magnet\n" in output
    assert [20, 1010] in table(output)


@pytest.mark.parametrize(
    "example",
    [path for path in EXAMPLES.glob("*.py") if path.stem != "servers"],
    ids=lambda p: p.stem,
)
def test_there_is_a_test(example: Path) -> None:
    tests = [Path(__file__), *(ROOT / "tests" / "ecosystem").glob("test_*.py")]
    assert any(f'"{example.name}"' in test.read_text() for test in tests)
    how_to_run = ast.get_docstring(ast.parse(example.read_text())) or ""
    assert f"/bin/python examples/{example.name}" in how_to_run
