"""Runs that come back from Tiled, and become files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from .conftest import EXAMPLES, run

pytestmark = pytest.mark.timeout(300)

COUNTS = [54, 145, 335, 617, 892, 1010, 892, 617, 335, 145, 54]


def test_tiled_and_files(tiled: str, tmp_path: Path) -> None:
    output = run(EXAMPLES / "save_to_tiled.py", tiled)
    assert "['primary', 'sample-cryo_monitor']" in output
    assert "The ramp was 600.0 K/min" in output
    assert (tmp_path / "save_to_tiled.png").read_bytes().startswith(b"\x89PNG")

    output = run(EXAMPLES / "to_files.py", tiled)
    assert "entry:NXentry" in output
    table = pd.read_csv("run.csv")
    assert table["sample-cryo"].tolist() == list(range(15, 26))
    assert table["sample-detector"].tolist() == COUNTS
    assert set(table["sample-cryo-status-f1"]) == {"at target"}

    with xr.open_dataset("run.h5", engine="h5netcdf") as data:
        assert data["sample-detector"].values.tolist() == COUNTS
        assert data["sample-cryo"].attrs["units"] == "K"

    with h5py.File("run.nxs") as file:
        entry = file["entry"]
        assert entry.attrs["NX_class"] == "NXentry"
        data = entry["data"]
        assert data[data.attrs["signal"]][()].tolist() == COUNTS
        assert data["temperature"][()].tolist() == list(range(15, 26))
        cryostat = entry["sample/cryostat"]
        assert cryostat["name"][()] == b"Cryostat for the sample, 2 to 400 K"
        assert cryostat["ramp"][()] == 600
        assert cryostat["sensor/measurement"][()] == b"temperature"
        log = cryostat["sensor/value_log"]
        values, times = log["value"][()], log["time"][()]
        assert values[0] == 15 and values[-1] == 25 and len(values) > 20
        assert times[0] == 0 and np.all(np.diff(times) >= 0)
