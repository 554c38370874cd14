"""Make files of a run: a table for pandas, HDF5, and NeXus.

Needs a run that `save_to_tiled.py` has saved, and its Tiled server. Then, in a clone of
the repository,

    .venv-ecosystem/bin/python examples/to_files.py

writes `run.csv`, `run.h5` and `run.nxs`. The address of another server can be given as
an argument. The tools are those of everybody: pandas, xarray and nexusformat.
"""

import json
import sys
from datetime import UTC, datetime

from nexusformat.nexus import (
    NXdata,
    NXentry,
    NXenvironment,
    NXfield,
    NXlog,
    NXroot,
    NXsample,
    NXsensor,
)
from tiled.client import from_uri
from tiled.queries import Key


def iso(seconds):
    """Return a time as NeXus writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def log_of(stream, name, unit):
    """Return each value of a monitor, with the time that the node has told."""
    data = stream.base["internal"].read()  # a table for pandas, with all times
    times = data[f"ts_{name}"].to_numpy()
    return NXlog(
        time=NXfield(times - times[0], units="s", start=iso(times[0])),
        value=NXfield(data[name].to_numpy(), units=unit),
    )


uri = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
catalogue = from_uri(uri, api_key="secret")
run = catalogue.search(Key("start.sample") == "Fe3O4").values().last()
start, primary = run.metadata["start"], run["primary"]
data, keys = primary.read(), primary.metadata["data_keys"]
cryo = primary.metadata["configuration"]["sample-cryo"]["data"]

# pandas: one row per point, all that was read
table = data.to_dataframe()
table.to_csv("run.csv")
print(table[["sample-cryo", "sample-detector"]].describe().loc[["min", "max"]])

# HDF5 by xarray: one array per column, with its unit
for name, array in data.data_vars.items():
    if units := keys.get(name, {}).get("units"):
        array.attrs["units"] = units
data.to_netcdf("run.h5", engine="h5netcdf")

# NeXus: the cryostat is an environment of the sample, with a sensor and its log
sensor = NXsensor(
    measurement=json.loads(cryo["sample-cryo-meaning"])[0],
    value=NXfield(data["sample-cryo"].values, units=keys["sample-cryo"]["units"]),
    value_log=log_of(
        run["sample-cryo_monitor"], "sample-cryo", keys["sample-cryo"]["units"]
    ),
)
environment = NXenvironment(
    type="SECoP",
    ramp=NXfield(cryo["sample-cryo-ramp"], units="K/min"),
    sensor=sensor,
)
# In nexusformat, the argument `name` is the name of the group
environment["name"] = cryo["sample-cryo-description"]
environment["sensor"]["name"] = "sample-cryo"
sample = NXsample(cryostat=environment)
sample["name"] = start["sample"]
entry = NXentry(
    title=start["plan_name"],
    entry_identifier=start["uid"],
    start_time=iso(start["time"]),
    end_time=iso(run.metadata["stop"]["time"]),
    sample=sample,
    data=NXdata(
        NXfield(data["sample-detector"].values, name="counts"),
        NXfield(data["sample-cryo"].values, name="temperature", units="K"),
    ),
)
NXroot(entry=entry).save("run.nxs", mode="w")
print(entry.tree)
