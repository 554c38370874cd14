"""The client that the device of a node holds, and gives back from any thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ophyd_async.core import NotConnectedError

from secop_ophyd.client import (
    ClientOptions,
    Listeners,
    SavedDescription,
    SecopClient,
    acquire_client,
    load_description,
    release_client,
)
from secop_ophyd.protocol import (
    CannotConnect,
    NodeAddress,
    NodeDescription,
    NotASecNode,
    Problem,
)

from ._logs import NodeLog
from ._options import NodeOptions

CLOSE_TIMEOUT = 5.0


class HeldClient:
    """The client of a node, which devices in the same event loop have in common.

    :param address: Where the node is.
    :param options: How to deal with the node.
    :param loglevel: What is worth a line in the log file.
    :param logdir: Folder of the log file.
    """

    def __init__(
        self,
        address: NodeAddress,
        options: NodeOptions,
        loglevel: str,
        logdir: str | None,
    ):
        self.address = address
        self.log = logging.getLogger(f"secop_ophyd.{address}")
        self.log_file = NodeLog(self.log, loglevel, logdir)
        self.listeners = Listeners[Problem](self.log, str(address))
        self.tell_connected: Callable[[bool], None] = lambda _: None
        self._options = options
        self._client: SecopClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end_listening: Callable[[], None] = lambda: None

    @property
    def client(self) -> SecopClient:
        """The client.

        :raises NotConnectedError: If there is none, since the device is not connected.
        """
        if self._client is None:
            raise NotConnectedError(f"SEC node {self.address} is not connected")
        return self._client

    @property
    def client_or_none(self) -> SecopClient | None:
        """The client, if there is one."""
        return self._client

    @property
    def connected(self) -> bool:
        """Whether the node can be read and changed now."""
        return self._client is not None and self._client.connected

    def has_to_ask(self) -> bool:
        """Tell whether the node tells nothing by itself."""
        return self._client is not None and self._client.has_to_ask

    @property
    def connected_here(self) -> bool:
        """Whether it can be done in the running event loop."""
        return self.connected and self._loop is asyncio.get_running_loop()

    async def connect(self, timeout: float, anew: bool) -> SecopClient:
        """Return the client when it is connected, or has a saved description.

        :param timeout: Seconds for it.
        :param anew: Whether to give up the connection that there is.
        :raises SecopError: If the node is not there, or is none.
        :raises NotConnectedError: If the saved description cannot be read.
        """
        self.log_file.open()
        client = await self._get_client(anew)
        try:
            await client.connect(timeout)
        except NotASecNode:
            raise
        except CannotConnect as error:
            if self._options.description is None:
                raise
            client.expect(self._load(self._options.description))
            client.keep_trying()
            self.log.warning(
                "%s; its devices are made from the saved description until it is there",
                error,
            )
        return client

    def pretend(self, saved: SavedDescription) -> SecopClient:
        """Return a client with a saved description, which never connects.

        :param saved: The description.
        :raises NotConnectedError: If it cannot be read.
        """
        client = SecopClient(self.address, log=self.log)
        client.expect(self._load(saved))
        return client

    async def give_back(self) -> None:
        """Give the client back, and close it if nobody else has it."""
        client = self._take()
        if client is not None and release_client(client):
            await client.close()
        self.log_file.close()

    def give_back_from_any_thread(self) -> None:
        """Give it back, and wait for that unless its event loop runs here."""
        loop = self._loop
        if self._client is None or loop is None or loop.is_closed():
            self._take()
            self.log_file.close()
        elif _is_running_here(loop):
            # It cannot be waited for; the rest happens when the loop goes on
            client = self._take()
            if client is not None and release_client(client):
                client.abort()
            self.log_file.close()
        elif loop.is_running():
            future = asyncio.run_coroutine_threadsafe(self.give_back(), loop)
            future.result(CLOSE_TIMEOUT)
        else:
            # In a thread of its own, since another loop may run in this one
            with ThreadPoolExecutor(1) as thread:
                thread.submit(loop.run_until_complete, self.give_back()).result()

    async def _get_client(self, anew: bool) -> SecopClient:
        loop = asyncio.get_running_loop()
        if self._client is not None and self._loop is not loop:
            # Each event loop has a connection of its own
            self.give_back_from_any_thread()
        if self._client is None:
            options = ClientOptions(
                timeout=self._options.timeout,
                window=self._options.window,
                max_silence=self._options.max_silence,
                max_line=self._options.max_line,
            )
            self._client = acquire_client(self.address, options, self.log)
            self._loop = loop
            self._listen(self._client)
        elif anew:
            await self._client.close()
        return self._client

    def _load(self, saved: SavedDescription) -> NodeDescription:
        try:
            return load_description(saved)
        except (OSError, ValueError) as error:
            raise NotConnectedError(
                f"SEC node {self.address} is not there, and has no saved description: "
                f"{error}"
            ) from None

    def _listen(self, client: SecopClient) -> None:
        told = False

        def state_changed(_: object = None) -> None:
            nonlocal told
            if client.connected != told:
                told = client.connected
                self.tell_connected(told)

        ends = client.on_state(state_changed), client.on_problem(self.listeners.tell)

        def end() -> None:
            for each in ends:
                each()
            if told:
                self.tell_connected(False)

        self._end_listening = end
        state_changed()

    def _take(self) -> SecopClient | None:
        """Return the client, which is not ours any more."""
        client, self._client = self._client, None
        end, self._end_listening = self._end_listening, lambda: None
        end()
        return client


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
