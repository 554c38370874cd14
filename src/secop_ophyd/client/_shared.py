"""One connection per node and event loop, however many devices use it."""

from __future__ import annotations

import asyncio
import logging
import weakref
from dataclasses import dataclass

from secop_ophyd.protocol import NodeAddress

from ._client import SecopClient
from ._options import ClientOptions


@dataclass
class _Shared:
    client: SecopClient
    users: int = 0


_clients: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[NodeAddress, _Shared]
] = weakref.WeakKeyDictionary()


def acquire_client(
    address: NodeAddress, options: ClientOptions, log: logging.Logger
) -> SecopClient:
    """Return the client of a node in the running event loop, made at first use.

    Each call needs a call of `release_client`.

    :param address: Where the node is.
    :param options: How to deal with it; those of the first user count.
    :param log: Where messages and oddities go; that of the first user counts.
    """
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    shared = clients.get(address)
    if shared is None:
        shared = clients[address] = _Shared(SecopClient(address, options, log))
    elif shared.client.options != options:
        log.warning("%s is in use with other options, these count", address)
    shared.users += 1
    return shared.client


def release_client(client: SecopClient) -> bool:
    """Give a client back.

    :param client: What `acquire_client` returned.
    :return: True if this was its last user, who has to close it.
    """
    for clients in _clients.values():
        shared = clients.get(client.address)
        if shared is not None and shared.client is client:
            shared.users -= 1
            if shared.users == 0:
                del clients[client.address]
                return True
    return False
