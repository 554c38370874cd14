"""`python -m secop_ophyd.demo`, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ENVIRONMENT = {**os.environ, "MPLBACKEND": "Agg"}


def test_it_scans_and_plots(tmp_path: Path) -> None:
    plot = tmp_path / "peak.png"
    demo = subprocess.run(
        [sys.executable, "-W", "error", "-m", "secop_ophyd.demo", "--plot", plot],
        capture_output=True,
        text=True,
        timeout=50,
        env=ENVIRONMENT,
    )
    assert demo.returncode == 0, demo.stderr
    assert "├── cryo  SECoPMoveableDevice" in demo.stdout
    assert "configure({mode: string, setpoint: double}) -> double" in demo.stdout
    # The table has the peak, the progress bar the unit
    assert "|         6 |" in demo.stdout
    assert "1010" in demo.stdout
    assert "K/s]" in demo.stdout
    assert "'serial': '0042'" in demo.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_interactive_session_has_engine_and_devices(tmp_path: Path) -> None:
    session = "RE(bps.rd(sample.cryo.value)).plan_result\nexit()\n"
    module = ["-m", "secop_ophyd.demo", "--", "--points", "2"]
    ipython = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "-i"]
        + module,
        input=session,
        capture_output=True,
        text=True,
        timeout=50,
        env={**ENVIRONMENT, "IPYTHONDIR": str(tmp_path)},
    )
    assert ipython.returncode == 0, ipython.stderr
    assert "Out[1]: 15.0" in ipython.stdout, ipython.stdout
