"""A Tiled server in this process, and what it has of a run."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

# The import of Tiled takes seconds, so it waits for the first test that needs it


class Archive:
    """A Tiled server without a port.

    :param client: Its client.
    """

    def __init__(self, client: Any):
        self.client = client

    def writer(self) -> Any:
        """Return a new callback for the RunEngine."""
        from bluesky_tiled_plugins import TiledWriter

        # Upstream fails with arrays of two dimensions in its tables
        return TiledWriter(self.client, max_array_size=0)

    def configuration(self, uid: str, stream: str, device: str) -> dict[str, Any]:
        """Return the configuration of a device, by data key."""
        return self.client[uid][stream].metadata["configuration"][device]["data"]

    def columns(self, uid: str, stream: str) -> dict[str, list[Any]]:
        """Return a value for each event, by data key."""
        node = self.client[uid][stream].base
        found: dict[str, list[Any]] = {}
        for key, part in node.items():
            if key.startswith("internal"):
                table = part.read()
                found |= {name: table[name].tolist() for name in table.columns}
            else:
                array = part.read()
                found[key] = [_as_numpy(array[i]) for i in range(len(array))]
        return found


def _as_numpy(row: Any) -> Any:
    # What is ragged is no numpy array, but its rows are
    return row if isinstance(row, np.ndarray) else np.asarray(row.tolist(), row.dtype)


@contextmanager
def archive(folder: Path) -> Generator[Archive, None, None]:
    """Run a Tiled server that keeps everything in a folder."""
    import dask
    from tiled.catalog import in_memory
    from tiled.client import Context, from_context
    from tiled.server.app import build_app

    # SQLite has no columns of lists
    storage = [str(folder), f"duckdb:///{folder}/tables.duckdb"]
    catalog = in_memory(writable_storage=storage)
    with (
        dask.config.set(scheduler="synchronous"),  # no threads that it keeps
        Context.from_app(build_app(catalog)) as context,
    ):
        yield Archive(from_context(context))


def end_threads() -> None:
    """End the threads that zarr keeps for the next time."""
    from zarr.core.sync import cleanup_resources

    cleanup_resources()
