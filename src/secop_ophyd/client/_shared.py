"""One connection per node and event loop, however many devices use it."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass

from secop_ophyd.protocol import NodeAddress

from ._client import SecopClient
from ._options import ClientOptions


@dataclass
class _Shared:
    client: SecopClient
    users: int = 0


_clients: dict[tuple[asyncio.AbstractEventLoop, NodeAddress], _Shared] = {}
_lock = threading.Lock()  # event loops have threads of their own


def acquire_client(
    address: NodeAddress, options: ClientOptions, log: logging.Logger
) -> SecopClient:
    """Return the client of a node in the running event loop, made at first use.

    Each call needs a call of `release_client`.

    :param address: Where the node is.
    :param options: How to deal with it; those of the first user count.
    :param log: Where messages and oddities go; that of the first user counts.
    """
    key = asyncio.get_running_loop(), address
    with _lock:
        for other in [k for k in _clients if k[0].is_closed()]:
            del _clients[other]  # whoever had it can do nothing with it any more
        if key not in _clients:
            _clients[key] = _Shared(SecopClient(address, options, log))
        shared = _clients[key]
        shared.users += 1
    if shared.client.options != options:
        log.warning("%s is in use with other options, these count", address)
    return shared.client


def release_client(client: SecopClient) -> bool:
    """Give a client back, from any thread.

    :param client: What `acquire_client` returned.
    :return: True if this was its last user, who has to close it; False as well if
        its event loop is closed, since nothing can be done then.
    """
    with _lock:
        for key, shared in _clients.items():
            if shared.client is client:
                shared.users -= 1
                if shared.users == 0:
                    del _clients[key]
                return shared.users == 0 and not key[0].is_closed()
    return False
