"""An asyncio client of SEC nodes, which needs no ophyd and no bluesky."""

from ._client import Pong, SecopClient
from ._connection import Connection
from ._discovery import FoundNode, Network, discover
from ._garbage import no_collection
from ._listeners import Listeners
from ._options import ClientOptions, ConnectionState
from ._parameter import Listener, Parameter, Reading
from ._pieces import in_pieces
from ._saved import SavedDescription, load_description
from ._shared import acquire_client, release_client

__all__ = [
    # The client
    "SecopClient",
    "ClientOptions",
    "ConnectionState",
    "Pong",
    # Parameters
    "Parameter",
    "Reading",
    "Listener",
    # Discovery
    "discover",
    "FoundNode",
    "Network",
    # Saved descriptions
    "SavedDescription",
    "load_description",
    # For who builds on it
    "Connection",
    "Listeners",
    "no_collection",
    "in_pieces",
    "acquire_client",
    "release_client",
]
