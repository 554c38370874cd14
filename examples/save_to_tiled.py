"""Save a scan with Tiled, find it again, and plot it.

In a clone of the repository, `make ecosystem` prepares `.venv-ecosystem`. Start a Tiled
server in one terminal, and leave it running:

    .venv-ecosystem/bin/tiled serve catalog --temp --api-key secret

Then, in another one:

    .venv-ecosystem/bin/python examples/save_to_tiled.py

The address of another server can be given as an argument.
"""

import sys

import matplotlib.pyplot as plt
from bluesky import RunEngine
from bluesky.plan_stubs import mv
from bluesky.plans import scan
from bluesky.preprocessors import monitor_during_wrapper
from bluesky_tiled_plugins import TiledWriter
from ophyd_async.core import init_devices
from tiled.client import from_uri
from tiled.queries import Key

from secop_ophyd import SECoPNodeDevice
from secop_ophyd.demo import start_node

uri = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
catalogue = from_uri(uri, api_key="secret")

RE = RunEngine()
RE.subscribe(TiledWriter(catalogue))

with start_node() as simulated:
    with init_devices():
        sample = SECoPNodeDevice(simulated.uri, name="sample")

    plan = scan([sample.detector], sample.cryo, 15, 25, 11, md={"sample": "Fe3O4"})
    try:
        RE(mv(sample.cryo, 15))
        RE(monitor_during_wrapper(plan, [sample.cryo.value]))
    finally:
        sample.close()

# From here on, nothing but Tiled is needed: it could be another day
run = catalogue.search(Key("start.sample") == "Fe3O4").values().last()
print(f"Run {run.metadata['start']['uid']} has the streams {list(run)}")

data = run["primary"].read()  # an xarray.Dataset
print(data[["sample-cryo", "sample-detector", "sample-cryo-status-f1"]])

monitored = run["sample-cryo_monitor"].read()
print(f"On the way, the temperature came {monitored.sizes['time']} times by itself")

described = run["primary"].metadata
configuration = described["configuration"]["sample-cryo"]["data"]
print("The ramp was", configuration["sample-cryo-ramp"], "K/min")
unit = described["data_keys"]["sample-cryo"]["units"]

plt.plot(data["sample-cryo"], data["sample-detector"], "o-")
plt.xlabel(f"temperature ({unit})")
plt.ylabel("counts")
plt.savefig("save_to_tiled.png")
print("The plot is in save_to_tiled.png")
