"""Put into the start document of each run what the sample environment is.

In a clone of the repository, `make demo` prepares `.venv`; then

    .venv/bin/python examples/node_metadata.py

Parameters and properties are in the descriptors of a run that uses their module. The
start document is what catalogues search, so it gets what one searches for: which nodes
there are, which modules measure what, and the label of the sample at that time.
"""

import json

from bluesky import RunEngine
from bluesky.plan_stubs import mv, rd
from bluesky.plans import count
from bluesky.preprocessors import inject_md_wrapper
from ophyd_async.core import init_devices

from secop_ophyd import SECoPNodeDevice
from secop_ophyd.demo import start_node

RE = RunEngine()


def about(node):
    """Return what a node says of itself, as plain data."""
    description = node.client.description
    return {
        "equipment_id": description.equipment_id,
        "description": description.properties["description"],
        "uri": node.uri,
        "modules": {
            name: {"description": module.properties["description"]}
            | {k: module.properties[k] for k in ("meaning",) if k in module.properties}
            for name, module in description.modules.items()
        },
    }


def with_sample(plan):
    """Run a plan with the label of the sample, read when it begins, in the metadata."""
    label = yield from rd(sample.notes.label)
    return (yield from inject_md_wrapper(plan, {"sample": label}))


with start_node() as simulated:
    with init_devices():
        sample = SECoPNodeDevice(simulated.uri, name="sample")
    try:
        RE.md["sample_environment"] = {sample.name: about(sample)}  # for all runs
        RE.preprocessors.append(with_sample)  # for all plans
        RE(mv(sample.notes.label, "Fe3O4, batch 7"))
        RE(
            count([sample.cryo]),
            {"start": lambda name, doc: print(json.dumps(doc, indent=2))},
        )
    finally:
        sample.close()
