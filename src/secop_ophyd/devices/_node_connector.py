"""Connects a node: one client for all its devices, and a device for each module."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ophyd_async.core import (
    Device,
    DeviceConnector,
    DeviceMock,
    NotConnectedError,
    StandardReadable,
    StandardReadableFormat,
)

from secop_ophyd.client import (
    SecopClient,
    in_pieces,
    no_collection,
)
from secop_ophyd.codegen import member_names, module_names
from secop_ophyd.protocol import (
    DescriptionChanged,
    InterfaceClass,
    ModuleDescription,
    NodeAddress,
    NodeDescription,
    Pieces,
    Problem,
    SecopError,
    acquisition_channels,
    changes,
    device_name,
    interface_class,
)

from ._classes import MODULE_CLASSES
from ._connector import ModuleConnector
from ._contents import READ
from ._filling import FillingConnector, MustFit
from ._held_client import HeldClient
from ._left_out import NodeParts
from ._made_from import ADVICE, check_made_from, in_one_line, made_from
from ._module_info import ModuleInfo
from ._modules import SECoPBaseDevice
from ._options import NodeOptions

CLOSE_TIMEOUT = 5.0
MAX_KEY = 60
"""PostgreSQL, whose rules Tiled has for all tables, takes 63 with `ts_` in front."""


class NodeConnector(FillingConnector):
    """Connects the device of a node.

    :param address: Where the node is.
    :param prefix: Goes in front of the name of the device.
    :param name: Name of the device; empty for the equipment_id.
    :param loglevel: What is worth a line in the log file.
    :param logdir: Folder of the log file.
    :param options: How to deal with the node.
    """

    def __init__(
        self,
        address: NodeAddress,
        prefix: str,
        name: str,
        loglevel: str,
        logdir: str | None,
        options: NodeOptions,
    ):
        super().__init__()
        self.address = address
        self._odd: tuple[Problem, ...] = ()
        self.forced = False
        self.given_up = False
        self.names_children = False
        """Whether it names the children that it adds."""
        self.separator = "-"
        """What is between the name of the device and that of a child."""
        self.held = HeldClient(address, options, loglevel, logdir)
        self._prefix = prefix
        self._name = name
        self._options = options
        self._log = self.held.log
        self._attempt: asyncio.Task[None] | None = None
        # The modules that the node has had
        self._parts = NodeParts(str(address), self.held.has_to_ask)
        self._has_parts = False
        self._must_warn = False
        # What the devices were made for, and what has changed in it since
        self._made_for = NodeDescription()
        self._compared: tuple[NodeDescription, tuple[Problem, ...]] | None = None

    def _child_connector(self) -> DeviceConnector:
        return ModuleConnector()

    @property
    def given_name(self) -> str:
        """Name of the device as far as the user gave it."""
        return device_name(self._prefix + self._name) if self._name else ""

    @property
    def modules(self) -> tuple[SECoPBaseDevice, ...]:
        """The devices of modules, in any thread: `children` is for one."""
        return tuple(self._parts.modules.values())

    # Connection

    async def connect_real(
        self, device: Device, timeout: float, force_reconnect: bool
    ) -> None:
        if self._attempt is None:  # else all wait for the same one
            self._attempt = asyncio.ensure_future(self._connect(device, timeout))
        attempt = self._attempt
        if self.given_up:
            attempt.cancel()
        try:
            await asyncio.wait({attempt})
            if attempt.cancelled():
                raise NotConnectedError(f"connecting to {self.address} was cancelled")
            attempt.result()
        except SecopError as error:
            raise NotConnectedError(str(error)) from None
        finally:
            if self._attempt is attempt:
                self._attempt = None

    def give_up(self) -> None:
        """Let an attempt to connect fail at once."""
        self.given_up = True
        if self._attempt is not None:
            self._attempt.cancel()

    async def _connect(self, device: Device, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        comes_back = self.held.client_or_none is not None and not self.forced
        try:
            client = await self.held.connect(timeout, anew=self.forced)
            await self._make_devices(device, client)
            rest = max(deadline - time.monotonic(), 0.0)
            await self.connect_others(device, rest)
        except BaseException:
            if not comes_back:  # by itself, when the node does
                await self.held.give_back()
            raise

    # Devices

    async def connect_mock(self, device: Device, mock: DeviceMock[Any]) -> None:
        await self.held.give_back()
        saved = self._options.description or made_from(type(device))
        if saved is not None:
            await self._make_devices(device, self.held.pretend(saved))
        await super().connect_mock(device, mock)

    async def _make_devices(self, device: Device, client: SecopClient) -> None:
        place = str(self.address)
        stale = check_made_from(type(device), client.description, place)
        given = device.name
        name = device_name(
            self._prefix + (self._name or client.description.equipment_id or place)
        )
        with no_collection():
            if given != name:
                device.set_name(name)
            self.names_children = True
            try:
                problems = await in_pieces(self._fill(device, client))
            except BaseException:
                self.names_children = False
                device.set_name(given)  # with what it has got so far
                raise
            self.names_children = False
            self._report(problems + await in_pieces(self._long_keys()))
        self._report_changes(device, stale)

    def _fill(self, device: Device, client: SecopClient) -> Pieces[list[Problem]]:
        description = client.description
        names = module_names(description)
        problems = list(description.problems)
        timestamp = time.time()
        uri = f"secop://{self.address}"
        if not isinstance(device, StandardReadable):
            raise TypeError(f"{device} is no StandardReadable")
        if not self._has_parts:
            device.add_readables([self._parts], StandardReadableFormat.CHILD)  # type: ignore[list-item]
            self._has_parts = True
        self._made_for, self._compared = description, None
        self._bound.clear()
        for name, child in self._parts.modules.items():
            if name not in description.modules:
                child.connector.empty()
        for name in sorted(set(self._options.modules) - {*description.modules}):
            problems.append(Problem(name, "", "is no module, but there are options"))
        for name, module in description.modules.items():
            yield
            if client.description is not description:
                raise DescriptionChanged(
                    f"{self.address} has described itself differently while its "
                    "devices were made, connect it again"
                )
            attribute = names.modules[name]
            with MustFit(device, attribute, name):
                child = self._bind_module(
                    device, attribute, description, module, problems
                )
                members = member_names(module)
                info = ModuleInfo.of(name, attribute, members, client)
                child.connector.fill(
                    child,
                    info,
                    self._options.module(name),
                    self._options.read_only,
                    timestamp,
                    problems,
                )
            self._give_name(device, attribute, child)
        items = self.bind_properties(
            device,
            uri,
            description.properties,
            names.properties,
            timestamp,
            lambda: client.description.properties,
            lambda name, text: problems.append(Problem("", name, text)),
        )
        self.check_filled(device, f"node {self.address}")
        self.contents(device, is_module=False).items = items
        for attribute, child in device.children():
            self._give_name(device, attribute, child)
        return problems

    def _give_name(self, device: Device, attribute: str, child: Device) -> None:
        if not child.name:
            child.set_name(
                f"{device.name}{self.separator}{attribute}",
                child_name_separator=self.separator,
            )

    def _bind_module(
        self,
        device: StandardReadable,
        attribute: str,
        node: NodeDescription,
        module: ModuleDescription,
        problems: list[Problem],
    ) -> SECoPBaseDevice:

        def note(text: str) -> None:
            problems.append(Problem(module.name, "", text))

        kind = interface_class(module, note)
        if kind is InterfaceClass.ACQUISITION_CONTROLLER:
            acquisition_channels(node, module, note)
        self._bound.add(attribute)
        if known := self._parts.modules.get(module.name):
            if attribute in self._annotated or type(known) is MODULE_CLASSES[kind]:
                return known
            known.connector.empty()  # it has become a module of another class
        if not self.bind_device(attribute):
            setattr(device, attribute, MODULE_CLASSES[kind]())
        child = getattr(device, attribute)
        if not isinstance(child, SECoPBaseDevice):
            raise TypeError(f"annotated as {type(child).__name__}, which is no module")
        self._parts.add(module.name, child)
        return child

    def _long_keys(self) -> Pieces[list[Problem]]:
        long: list[str] = []
        for module in self._parts.modules.values():
            yield
            for item in module.connector.items:
                if item.format in READ:
                    long += [key for key in item.keys if len(key) > MAX_KEY]
        if not long:
            return []
        text = (
            f"tables in Tiled refuse data keys of more than {MAX_KEY} characters, such "
            f"as {long[0]}, so give the device a shorter name"
        )
        return [Problem("", "", text)]

    def _report(self, problems: list[Problem]) -> None:
        self._odd = tuple(problems)
        if problems:
            more = "" if len(problems) == 1 else f" and {len(problems) - 1} more"
            self._log.warning(
                "%s: odd description: %s%s (see .problems)",
                self.address,
                problems[0],
                more,
            )

    def _report_changes(self, device: Device, stale: tuple[Problem, ...]) -> None:
        if not stale:
            return
        self._odd += tuple(
            Problem(c.module, c.accessible, f"{c.text}, since the class was made")
            for c in stale
        )
        self._log.warning(
            "%s has changed since %s was made: %s. %s",
            self.address,
            type(device).__name__,
            in_one_line(stale),
            ADVICE,
        )

    # Readings

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is odd about the node, what has changed, and what is left out."""
        return self._odd + self._changes + self._left_out

    @property
    def _changes(self) -> tuple[Problem, ...]:
        client = self.held.client_or_none
        now = self._made_for if client is None else client.description
        if now is self._made_for:
            return ()
        if self._compared is None or self._compared[0] is not now:
            self._compared = now, changes(self._made_for, now)
        return self._compared[1]

    @property
    def _left_out(self) -> tuple[Problem, ...]:
        text = "is left out of the readings of the node: {}".format
        return tuple(
            Problem(name, "", text(missing.reason))
            for name, missing in self._parts.missing.items()
        )

    async def stage(self) -> None:
        """Decide which modules are left out of the readings: those without value."""
        await self._parts.decide()
        self._must_warn = True

    def warn_of_left_out(self) -> None:
        """Tell which modules are left out, once after each `stage`.

        It is staged for plans that read a few modules as well, which miss nothing.
        """
        if self._must_warn and (problems := self._left_out):
            text = "; ".join(str(problem) for problem in problems)
            self._log.warning("%s: %s", self.address, text)
        self._must_warn = False

    async def trigger(self) -> None:
        """Let the node read the values of all modules from the hardware.

        It begins no acquisition: which ones would go together is for the plan to say.
        """
        if self._options.trigger:
            modules = [self._parts.modules[name] for name in self._parts.present]
            await asyncio.gather(
                *(m.connector.trigger() for m in modules if hasattr(m, "trigger"))
            )
