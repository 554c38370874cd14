"""Listening at a port, as nodes do that are restarted."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable

_PATIENCE = 1.0
_PAUSE = 0.01


async def listen(
    make: Callable[[], asyncio.Protocol], host: str, port: int
) -> asyncio.Server:
    """Listen, also at a port that has just been given up.

    A process that is being started meanwhile has a copy of each socket for a moment,
    the one that was closed among them.

    :param make: Makes the protocol of a connection.
    :param host: Where to listen.
    :param port: Where to listen, 0 for any free port.
    :raises OSError: If somebody else has the port.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + _PATIENCE
    while True:
        try:
            return await loop.create_server(make, host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or loop.time() > end:
                raise
        await asyncio.sleep(_PAUSE)
