"""Who is measured: our package, and the one that is on PyPI as secop-ophyd 0.19.3.

Both are called `secop_ophyd`, so each is imported in an environment of its own, and
only when it is used. Devices are used alike; what differs is here. Of the peer, only
what is public is used.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

LOGS = "build/bench/logs"


class Side(Protocol):
    """How to connect to nodes and to use clients."""

    def device(self, uri: str) -> Any:
        """Return the device of a node, which is not connected yet."""

    async def close(self, device: Any) -> None:
        """Disconnect a device."""

    async def client(self, uri: str) -> Any:
        """Return a client that is connected."""

    async def close_client(self, client: Any) -> None:
        """Disconnect a client."""

    def read(self, client: Any) -> Callable[[str, str], Awaitable[Any]]:
        """Return what asks the node for a parameter."""

    def change(self, client: Any) -> Callable[[str, str, Any], Awaitable[Any]]:
        """Return what changes a parameter."""

    def command(self, client: Any) -> Callable[[str, str, Any], Awaitable[Any]]:
        """Return what executes a command."""

    def value(self, result: Any) -> Any:
        """Return the value that a client has read."""

    def name(self, name: str) -> str:
        """Return what a client calls a parameter."""

    def listen(self, client: Any, key: tuple[str, str], listener: Any) -> None:
        """Let a function have the values and timestamps of a parameter."""

    def cached(self, client: Any, key: tuple[str, str]) -> Awaitable[Any]:
        """Return the last value that the node told, without asking it."""


class Ours:
    """Our package."""

    def device(self, uri: str) -> Any:
        from secop_ophyd import SECoPNodeDevice

        return SECoPNodeDevice(uri, loglevel="CRITICAL", logdir=LOGS)

    async def close(self, device: Any) -> None:
        await device.disconnect()

    async def client(self, uri: str) -> Any:
        from secop_ophyd import SecopClient

        client = SecopClient(uri)
        await client.connect(timeout=60)
        return client

    async def close_client(self, client: Any) -> None:
        await client.close()

    def read(self, client: Any) -> Callable[[str, str], Awaitable[Any]]:
        return client.read

    def change(self, client: Any) -> Callable[[str, str, Any], Awaitable[Any]]:
        return client.change

    def command(self, client: Any) -> Callable[[str, str, Any], Awaitable[Any]]:
        return client.do

    def value(self, result: Any) -> Any:
        return result.value

    def name(self, name: str) -> str:
        return name

    def listen(self, client: Any, key: tuple[str, str], listener: Any) -> None:
        def heard(reading: Any) -> None:
            if reading.error is None:
                listener(reading.value, reading.timestamp)

        client.parameter(*key).subscribe(heard)

    async def cached(self, client: Any, key: tuple[str, str]) -> Any:
        return client.parameter(*key).reading.value


class Peer:
    """The package that is on PyPI."""

    def device(self, uri: str) -> Any:
        from secop_ophyd.SECoPDevices import SECoPNodeDevice

        return SECoPNodeDevice(uri, loglevel=logging.CRITICAL, logdir=LOGS)

    async def close(self, device: Any) -> None:
        """Do nothing: there is no public way."""

    async def client(self, uri: str) -> Any:
        from secop_ophyd.AsyncFrappyClient import AsyncFrappyClient

        host, _, port = uri.rpartition(":")
        client = AsyncFrappyClient(host, port, log=None)
        await client.connect(60)
        return client

    async def close_client(self, client: Any) -> None:
        await client.disconnect()

    def read(self, client: Any) -> Callable[[str, str], Awaitable[Any]]:
        return client.get_parameter

    def change(self, client: Any) -> Callable[[str, str, Any], Awaitable[Any]]:
        return client.set_parameter

    def command(self, client: Any) -> Callable[[str, str, Any], Awaitable[Any]]:
        return client.exec_command

    def value(self, result: Any) -> Any:
        value, _, error = result
        if error is not None:
            raise error
        return value

    def name(self, name: str) -> str:
        return name.lstrip("_")

    def listen(self, client: Any, key: tuple[str, str], listener: Any) -> None:
        module, name = key

        def heard(module: str, parameter: str, item: Any) -> None:
            listener(item[0], item[1])

        client.register_callback((module, self.name(name)), updateItem=heard)

    async def cached(self, client: Any, key: tuple[str, str]) -> Any:
        module, name = key[0], self.name(key[1])
        return self.value(await client.get_parameter(module, name, trycache=True))


OURS = Ours()
SIDES: dict[str, Side] = {"ours": OURS, "peer": Peer()}
