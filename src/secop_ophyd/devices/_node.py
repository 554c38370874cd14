"""The device of a SEC node, with everything in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bluesky.protocols import Triggerable
from event_model import DataKey
from ophyd_async.core import (
    AsyncStatus,
    DeviceMock,
    StandardReadable,
    default_mock_class,
    set_mock_value,
    soft_signal_r_and_setter,
)

from secop_ophyd.client import SecopClient
from secop_ophyd.codegen import write_class_file
from secop_ophyd.protocol import Problem, parse_address

from ._missing import Helpful
from ._node_connector import NodeConnector
from ._options import NodeOptions
from ._tree import DeviceTree, node_tree

_connected: weakref.WeakSet[SECoPNodeDevice] = weakref.WeakSet()


class NodeMock(DeviceMock["SECoPNodeDevice"]):
    """Lets the node be there, with its properties if they are known."""

    async def connect(self, device: SECoPNodeDevice) -> None:
        device.connector.set_mock_values()
        set_mock_value(device.connected, True)


@default_mock_class(NodeMock)
class SECoPNodeDevice(StandardReadable, Triggerable, Helpful):
    """A SEC node: a device for each of its modules, made when it is connected.

    ::

        with init_devices():
            node = SECoPNodeDevice("localhost:10767")

    Nothing is sent before `connect`, which `init_devices` calls. The name of the
    device is `prefix` and `name`; without a name, it is `prefix` and the
    equipment_id of the node. Characters that cannot be in a data key become dashes.

    The signal `connected` tells whether the node can be read and changed now, for
    plans, monitors and suspenders.

    :param sec_node_uri: Address of the node: `host:port` or `[::1]:port`.
    :param prefix: Goes in front of the name.
    :param name: Name of the device.
    :param loglevel: What is worth a line in the log file: `DEBUG` (every message),
        `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
    :param logdir: Folder of the log file; None for `.secop-ophyd`.
    :param options: How to deal with the node.
    :raises ValueError: If the address or the level is none.
    """

    _connector: NodeConnector

    def __init__(
        self,
        sec_node_uri: str,
        prefix: str = "",
        name: str = "",
        loglevel: str = "INFO",
        logdir: str | None = None,
        *,
        options: NodeOptions | None = None,
    ):
        connector = NodeConnector(
            parse_address(sec_node_uri),
            prefix,
            name,
            loglevel,
            logdir,
            options or NodeOptions(),
        )
        # Before it is given to anybody: the connector has something to tell with it
        self.connected, connector.held.tell_connected = soft_signal_r_and_setter(bool)
        super().__init__(connector.given_name, connector)

    def set_name(self, name: str, *, child_name_separator: str | None = None) -> None:
        if child_name_separator:
            self._connector.separator = child_name_separator
        # ophyd-async names all children again for each one that is added
        if not (self._connector.names_children and name == self.name):
            super().set_name(name, child_name_separator=child_name_separator)

    async def connect(
        self,
        mock: bool | DeviceMock[Any] = False,
        timeout: float = 10.0,
        force_reconnect: bool = False,
    ) -> None:
        """Connect to the node and make the devices of its modules.

        :param mock: Whether to do without a node.
        :param timeout: Seconds for all of it.
        :param force_reconnect: Whether to connect anew if it is connected.
        :raises NotConnectedError: If the node is not there, is not ready in time, or
            does not fit the class.
        """
        self._connector.forced = force_reconnect
        self._connector.given_up = False
        # Device remembers that it was connected once, even if it is not any more
        again = force_reconnect or not self._connector.held.connected_here
        task = asyncio.ensure_future(super().connect(mock, timeout, again))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            # A task that is cancelled itself would be the result of each connect to
            # come; one that fails is not
            self._connector.give_up()
            with contextlib.suppress(Exception):
                await task
            raise
        if not mock:
            self._warn_of_namesakes()

    def _warn_of_namesakes(self) -> None:
        _connected.add(self)
        known = [d for d in _connected if d.is_connected and d.name == self.name]
        if others := {d.uri for d in known} - {self.uri}:
            logging.getLogger(__package__).warning(
                "two nodes are named %r, at %s and %s: give one of them a name "
                "or a prefix",
                self.name,
                self.uri,
                ", ".join(sorted(others)),
            )

    async def disconnect(self) -> None:
        """Give the connection back; it ends when no other device uses it.

        The device can be connected again.
        """
        await self._connector.held.give_back()

    def close(self) -> None:
        """Disconnect from synchronous code, in any thread."""
        self._connector.held.give_back_from_any_thread()

    @property
    def connector(self) -> NodeConnector:
        """What connects the node, for its mock."""
        return self._connector

    @property
    def uri(self) -> str:
        """Address of the node, as `secop://host:port`."""
        return f"secop://{self._connector.address}"

    @property
    def is_connected(self) -> bool:
        """Whether the node can be read and changed now."""
        return self._connector.held.connected

    def on_problem(self, listener: Callable[[Problem], None]) -> Callable[[], None]:
        """Call a function with each problem when it arises.

        These are: a parameter goes into an error, or the node describes something
        differently after it was away. That the connection is lost tells `connected`.

        :param listener: The function, called in the event loop; it must not block.
        :return: A function that ends it.
        """
        return self._connector.held.listeners.add(listener)

    @property
    def client(self) -> SecopClient:
        """The client of the node, for what the devices do not have.

        :raises NotConnectedError: If the device is not connected.
        """
        return self._connector.held.client

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is odd about the node, and what became of it.

        While it is staged, also which modules are left out of its readings.
        """
        return self._connector.problems

    def tree(self) -> DeviceTree:
        """Show the node: its modules, their parameters with values, and commands.

        What the node told last is shown, and nothing is asked for. The tree shows
        itself in IPython and Jupyter, and elsewhere with `rich.print(node.tree())`,
        or without colours with `print(node.tree())`.
        """
        connectors = [(type(m).__name__, m.connector) for m in self._connector.modules]
        return node_tree(
            self.name,
            type(self).__name__,
            self.uri,
            self._connector.held.client_or_none,
            [(kind, c.info, c.read_only) for kind, c in connectors if not c.is_mock],
            self.problems,
        )

    def __repr__(self) -> str:
        # Not even its connector is there while it is made
        connector = vars(self).get("_connector")
        if connector is None:
            return f"{type(self).__name__}()"
        return (
            f"{type(self).__name__}(name={self.name!r}, uri={self.uri!r}, "
            f"connected={self.is_connected})"
        )

    @AsyncStatus.wrap
    async def stage(self) -> None:
        """Prepare for a plan, as bluesky does for each plan that uses a module.

        Modules without value are left out of the readings of the node until it is
        unstaged. While it is not staged, and for the modules by themselves, they
        let the reading fail.
        """
        await super().stage()
        await self._connector.stage()

    async def describe(self) -> dict[str, DataKey]:
        self._connector.warn_of_left_out()
        return await super().describe()

    @AsyncStatus.wrap
    async def trigger(self) -> None:
        """Let the node read the values of all its modules from the hardware.

        Those that are left out of its readings are not asked.
        """
        await self._connector.trigger()

    def class_from_instance(
        self, path: str | Path | None = None, *, name: str = "genNodeClass.py"
    ) -> Path:
        """Write a file with typed classes for the node.

        A file that was written for other nodes is extended.

        :param path: The folder, which is made if it is missing; None for the
            present one.
        :param name: Name of the file.
        :return: The file.
        :raises FileExistsError: If there is such a file that is not ours.
        :raises ValueError: If the name is not that of a Python file.
        """
        return write_class_file(self.client.description, path, name=name)
