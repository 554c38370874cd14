"""Run an example as it is, and look at all documents of its RunEngine.

    python run_example.py EXAMPLE DOCUMENTS [TILED]

Each document is validated when it comes, and stored in Tiled, if there is an address.
In the end, all of them are written to a file, as JSON.
"""

import json
import runpy
import sys
from pathlib import Path

import bluesky
import event_model
from bluesky.run_engine import RunEngine
from event_model import DocumentNames, schema_validators

example, documents, *tiled = sys.argv[1:]
found = []


def take(name, document):
    schema_validators[DocumentNames[name]].validate(document)
    found.append((name, event_model.sanitize_doc(document)))


class Watched(RunEngine):
    """Tells all documents."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.subscribe(take)
        for address in tiled:
            from bluesky_tiled_plugins import TiledWriter
            from tiled.client import from_uri

            self.subscribe(TiledWriter(from_uri(address, api_key="secret")))


bluesky.RunEngine = Watched
sys.path.insert(0, str(Path(example).parent))  # as Python does for a script
sys.argv = [example]
runpy.run_path(example, run_name="__main__")
Path(documents).write_text(json.dumps(found))
