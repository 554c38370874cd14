"""Fills devices with what a node describes.

Children that a class annotates are made by ophyd-async's filler; it cannot fill
others twice, so they are kept here and bound anew at each connect.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any

from ophyd_async.core import (
    Command,
    Device,
    DeviceConnector,
    DeviceFiller,
    DeviceMock,
    NotConnectedError,
    Signal,
    SignalR,
    SignalRW,
    StandardReadable,
    StandardReadableFormat,
    callback_on_mock_put,
    set_mock_precision,
    set_mock_units,
    set_mock_value,
    wait_for_connection,
)

from secop_ophyd.protocol import MISSING, CommandDescription, shorten

from ._backend import SecopSignalBackend
from ._commands import SecopCommandBackend, command_type
from ._contents import Contents, Item, Unreadable
from ._private import PrivateAnnotation, private_annotations
from ._sources import PropertySource, Source

_Format = StandardReadableFormat


class MustFit:
    """Say where an annotation does not fit, and what to do about it.

    :param device: The device that has the annotation.
    :param attribute: The attribute that is annotated.
    :param name: What it stands for in SECoP.
    """

    __slots__ = ("_device", "_attribute", "_name")

    def __init__(self, device: Device, attribute: str, name: str):
        self._device = device
        self._attribute = attribute
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, TypeError):
            raise NotConnectedError(
                f"{type(self._device).__name__}.{self._attribute} does not fit "
                f"{self._name!r} of the node: {error}. Generate the class anew."
            ) from error


def _check_kind(child: Device | None, kind: type[Device]) -> None:
    if child is not None and type(child) is not kind:
        raise TypeError(
            f"annotated as {type(child).__name__}, but the node has {kind.__name__}"
        )


def _child(device: Device, attribute: str) -> Device | None:
    """Return a child; to look through all of them takes long if there are many."""
    child = vars(device).get(attribute)
    # That something is no device takes long to find out
    return child if child is not None and isinstance(child, Device) else None


class FillingConnector(DeviceConnector):
    """Makes and binds signals, commands and child devices of a device."""

    def __init__(self) -> None:
        self._filler: DeviceFiller[Any, Any, Any] | None = None
        self._contents: Contents | None = None
        # Formats of annotated signals, by attribute
        self._formats: dict[str, StandardReadableFormat] = {}
        self._annotated: frozenset[str] = frozenset()
        # Those with a leading underscore, which the filler does not know
        self._private: frozenset[str] = frozenset()
        # Attributes that the node has something for, at the last connect
        self._bound: set[str] = set()
        self._was_mocked = False
        # What was made for a node, by attribute
        self._backends: dict[str, SecopSignalBackend] = {}
        self._commands: dict[str, SecopCommandBackend] = {}

    def create_children_from_annotations(self, device: Device) -> None:
        if self._filler is not None:
            return
        self._filler = filler = DeviceFiller(
            device, SecopSignalBackend, self._child_connector, SecopCommandBackend
        )
        known = {name for name, _ in device.children()}
        made: list[tuple[SecopSignalBackend, StandardReadableFormat | None]] = []
        for backend, extras in filler.create_signals_from_annotations(filled=False):
            # Formats are for Contents, which knows about columns
            formats = [x for x in extras if isinstance(x, StandardReadableFormat)]
            extras[:] = [x for x in extras if x not in formats]
            made.append((backend, formats[0] if formats else None))
        signals = [(name, s) for name, s in device.children() if name not in known]
        for (name, signal), (backend, format) in zip(signals, made, strict=True):
            if format is not None:
                self._formats[name] = format
            # The filler's have a time-out that hides the reason which the client gives
            kind: type[Any] = type(signal)
            setattr(device, name, kind(backend, timeout=None))
        list(filler.create_devices_from_annotations(filled=False))
        list(filler.create_commands_from_annotations(filled=False))
        filler.check_created()
        public = {name for name, _ in device.children()}
        for annotation in private_annotations(type(device)):
            self._create_private(device, annotation)
        self._annotated = frozenset(dict(device.children())) - known
        self._private = self._annotated - public

    def _create_private(self, device: Device, annotation: PrivateAnnotation) -> None:
        attribute, kind = annotation.attribute, annotation.kind
        if issubclass(kind, Signal):
            backend = SecopSignalBackend(annotation.datatype)
            child: Device = kind(backend, timeout=None)
            self._backends[attribute] = backend
            if annotation.format is not None:
                self._formats[attribute] = annotation.format
        elif issubclass(kind, Command):
            self._commands[attribute] = SecopCommandBackend()
            child = kind(self._commands[attribute])
        else:
            child = kind(connector=self._child_connector())
        setattr(device, attribute, child)

    def _child_connector(self) -> DeviceConnector:
        """Make the connector of a device that a class annotates."""
        return DeviceConnector()

    async def connect_mock(self, device: Device, mock: DeviceMock[Any]) -> None:
        self._was_mocked = True
        await super().connect_mock(device, mock)

    async def connect_others(self, device: Device, timeout: float) -> None:
        """Connect the children that are not the node's, such as those of a subclass.

        What the node has is connected when it is bound. To do it by ophyd-async's way,
        with a task for each signal, takes as long as all the rest.

        :param device: The device.
        :param timeout: Seconds for it.
        :raises NotConnectedError: If one of them cannot be connected.
        """
        if self._was_mocked:  # and so is all that it has
            self._was_mocked = False
            await DeviceConnector.connect_real(self, device, timeout, True)
            return
        others: dict[str, Coroutine[Any, Any, None]] = {}
        for name, child in device.children():
            connector = getattr(child, "connector", None)
            if name not in self._bound:
                others[name] = child.connect(timeout=timeout, force_reconnect=True)
            elif isinstance(connector, FillingConnector) and connector.has_others(
                child
            ):
                others[name] = connector.connect_others(child, timeout)
        await wait_for_connection(**others)

    def has_others(self, device: Device) -> bool:
        """Tell whether `connect_others` has anything to do.

        :param device: The device.
        """
        return self._was_mocked or any(
            name not in self._bound for name, _ in device.children()
        )

    @property
    def filler(self) -> DeviceFiller[Any, Any, Any]:
        """ophyd-async's filler, for what is annotated."""
        if self._filler is None:
            raise RuntimeError("Device.__init__ was not called")
        return self._filler

    def contents(self, device: StandardReadable, is_module: bool) -> Contents:
        """Return what the device contributes to documents, made at first use."""
        if self._contents is None:
            self._contents = Contents(device, is_module)
            device.add_readables([self._contents], _Format.CHILD)  # type: ignore[list-item]
        return self._contents

    @property
    def described(self) -> Contents | None:
        """What the device contributes to documents, None before it is connected."""
        return self._contents

    @property
    def items(self) -> list[Item]:
        """What the device contributes to documents; nothing before it is connected."""
        return [] if self._contents is None else self._contents.items

    async def find_unreadable(self) -> Unreadable | None:
        """Return what a reading of the device would fail of, None if it would not."""
        return (
            None if self._contents is None else await self._contents.find_unreadable()
        )

    def set_mock_values(self) -> None:
        """Give the signals of a mock the plainest values of their types.

        What is put to them is validated and converted as by the node from now on.
        """
        for item in self.items:
            origin = item.backend.origin
            datakey = origin.datakey()
            if "units" in datakey:
                set_mock_units(item.signal, str(datakey["units"]))
            if isinstance(precision := datakey.get("precision"), int):
                set_mock_precision(item.signal, precision)
            set_mock_value(item.signal, origin.sample())
            if isinstance(item.signal, SignalRW):
                callback_on_mock_put(item.signal, origin.taken)

    def taken(self, signal: SignalR[Any], value: Any) -> Any:
        """Return what a value becomes when a mock has it; the same if it is unknown.

        :raises WrongType: If it is of another type.
        :raises RangeError: If it is outside the limits.
        """
        origins = [i.backend.origin for i in self.items if i.signal is signal]
        return origins[0].taken(value) if origins else value

    def bind_signal(
        self,
        device: Device,
        attribute: str,
        kind: type[SignalR[Any]],
        make_source: Callable[[Any], Source],
        default_format: StandardReadableFormat,
    ) -> Item:
        """Let a signal have its values from the node.

        :param device: The device that has or gets the signal.
        :param attribute: The attribute of the signal.
        :param kind: `SignalR` or `SignalRW`.
        :param make_source: Makes the source, given the annotated datatype.
        :param default_format: Where it belongs if it is not annotated.
        :raises TypeError: If an annotation does not fit.
        """
        self._bound.add(attribute)
        signal: Any = _child(device, attribute)
        if attribute in self._annotated:
            if type(signal) is SignalR:
                kind = SignalR  # annotated as less than it is
            _check_kind(signal, kind)
            if attribute in self._private:
                backend = self._backends[attribute]
            else:
                backend = self.filler.fill_child_signal(attribute.rstrip("_"), kind)
            if not signal:  # it is optional, and was not there before
                signal = kind(backend)
                setattr(device, attribute, signal)
        elif type(signal) is kind:
            backend = self._backends[attribute]
        else:
            backend = SecopSignalBackend()
            # The client has a deadline for each request, and says more then
            signal = kind(backend, timeout=None)
            setattr(device, attribute, signal)
        self._backends[attribute] = backend
        backend.bind(make_source(backend.annotated))
        format = self._formats.get(attribute, default_format)
        return Item(signal, backend, format)

    def bind_command(
        self, device: Device, attribute: str, description: CommandDescription
    ) -> SecopCommandBackend:
        """Return the backend of a command, made at first use.

        :param device: The device that has or gets the command.
        :param attribute: The attribute of the command.
        :param description: What the node says about it.
        :raises TypeError: If an annotation does not fit.
        """
        self._bound.add(attribute)
        kind = command_type(description)
        command = _child(device, attribute)
        if attribute in self._annotated:
            _check_kind(command, kind)
            if attribute in self._private:
                backend = self._commands[attribute]
            else:
                backend = self.filler.fill_child_command(attribute.rstrip("_"), kind)
            if not command:  # it is optional, and was not there before
                setattr(device, attribute, kind(backend))
        elif type(command) is kind:
            backend = self._commands[attribute]
        else:
            backend = SecopCommandBackend()
            setattr(device, attribute, kind(backend))
        self._commands[attribute] = backend
        return backend

    def bind_device(self, attribute: str) -> bool:
        """Tell whether the class annotates a child device, which is filled now.

        :param attribute: The attribute of the device.
        """
        self._bound.add(attribute)
        if attribute in self._annotated - self._private:
            self.filler.fill_child_device(attribute.rstrip("_"))
        return attribute in self._annotated

    def bind_properties(
        self,
        device: Device,
        uri: str,
        properties: Mapping[str, Any],
        names: Mapping[str, str],
        timestamp: float,
        current: Callable[[], Mapping[str, Any]],
        note: Callable[[str, str], None],
    ) -> list[Item]:
        """Let signals have the values of properties.

        :param device: The device that has or gets them.
        :param uri: Where they are.
        :param properties: The properties as the node sent them.
        :param names: The attribute of each of them.
        :param timestamp: When the node sent them.
        :param current: Returns the properties as they are now.
        :param note: Is told the name of each that an annotation does not fit, and why.
        """
        items: list[Item] = []
        for name, attribute in names.items():

            def source(datatype: Any, name: str = name) -> Source:
                made = PropertySource(
                    f"{uri}/{shorten(name)}",
                    properties[name],
                    timestamp,
                    datatype,
                    lambda: current().get(name, MISSING),
                )
                if made.misfit:
                    note(name, f"{made.misfit}; generate the class anew")
                return made

            with MustFit(device, attribute, f"{uri}/{name}"):
                items.append(
                    self.bind_signal(
                        device, attribute, SignalR, source, _Format.CONFIG_SIGNAL
                    )
                )
        return items

    def check_filled(self, device: Device, what: str) -> None:
        """Check that the node has all that the class annotates.

        :param device: The device.
        :param what: The node or the module, for the message.
        :raises NotConnectedError: If something is missing.
        """
        try:
            self.filler.check_filled(what)
        except RuntimeError as error:
            missing = str(error).partition("provision ")[2] or str(error)
        else:
            # The filler does not forget what was there before
            children = {attribute for attribute, _ in device.children()}
            gone = sorted((self._annotated & children) - self._bound)
            if not gone:
                return
            missing = f"{gone} from {what}"
        raise NotConnectedError(
            f"{type(device).__name__} does not fit: {missing} is not there. "
            "Generate the class anew."
        )
