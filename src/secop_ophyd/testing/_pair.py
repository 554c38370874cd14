"""A connection through the proxy: that of a client, and that to the node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from secop_ophyd.protocol import NodeAddress, parse_address

from ._faults import Direction, Faults
from ._lane import End, Lane


class Closing(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Pair:
    """The connection of a client, and that to the node.

    :param faults: What happens to lines.
    :param going: Is set while anything goes through.
    :param on_line: Is told who each line is for, and the line as it has come.
    :param on_closed: Is told that nothing of it is left.
    """

    def __init__(
        self,
        faults: Faults,
        going: asyncio.Event,
        on_line: Callable[[Direction, bytes], None],
        on_closed: Callable[[Pair], None],
    ):
        self._going = going
        self._on_closed = on_closed
        self._task: asyncio.Task[None] | None = None

        def lane(to: Direction, full: Callable[[bool], None]) -> Lane:
            return Lane(to, faults, going, on_line, full, self.abort)

        to_client = lane("client", lambda is_full: self._node.wait(is_full))
        to_node = lane("node", lambda is_full: self.client.wait(is_full))
        self.lanes: dict[Direction, Lane] = {"client": to_client, "node": to_node}
        self.client = End(to_node.feed)
        self._node = End(to_client.feed)

    def start(self, target: str) -> None:
        """Connect to the node and pass lines on.

        :param target: Address of the node.
        """
        self._task = asyncio.ensure_future(self._run(parse_address(target)))
        self._task.add_done_callback(lambda _: self._on_closed(self))

    async def _run(self, address: NodeAddress) -> None:
        try:
            await self._pass_on(address)
        except OSError:
            pass  # there is no node
        finally:
            for lane in self.lanes.values():
                lane.end()
            for end in self._ends:
                end.close()
            await self._wait_for_ends()

    async def _pass_on(self, address: NodeAddress) -> None:
        await self._going.wait()
        await asyncio.get_running_loop().create_connection(
            lambda: self._node, address.host, address.port
        )
        passing = [
            asyncio.ensure_future(self.lanes["client"].run(self.client)),
            asyncio.ensure_future(self.lanes["node"].run(self._node)),
        ]
        try:
            # The end of one is the end of both
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)

    @property
    def _ends(self) -> tuple[End, End]:
        return self.client, self._node

    async def _wait_for_ends(self) -> None:
        await self.client.closed.wait()
        if self._node.is_made:
            await self._node.closed.wait()

    def abort(self, *, reset: bool = False) -> None:
        """End it at once.

        :param reset: Whether with a TCP reset.
        """
        for end in self._ends:
            end.abort(reset=reset)
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing of it is left."""
        if self._task is not None:
            await asyncio.wait({self._task})
        await self._wait_for_ends()
