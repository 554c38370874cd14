"""The nodes that a file declares, as devices."""

from __future__ import annotations

import asyncio
import importlib
import keyword
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from bluesky.run_engine import call_in_bluesky_event_loop, in_bluesky_event_loop
from ophyd_async.core import NotConnectedError

from secop_ophyd.client import load_description
from secop_ophyd.devices import NodeOptions, SECoPNodeDevice
from secop_ophyd.protocol import device_name, parse_address

from ._file import DeclarationError, File


def _import_class(path: str) -> type[SECoPNodeDevice]:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        what = f"expected module.Class that can be imported: {error}"
        raise ValueError(what) from None
    if not (isinstance(found, type) and issubclass(found, SECoPNodeDevice)):
        raise ValueError(f"{path} is no class of a node")
    return found


@dataclass(frozen=True, kw_only=True)
class _Declaration(NodeOptions):
    """A node: the arguments of `SECoPNodeDevice`, and all options."""

    uri: str = field(metadata={"check": parse_address})
    prefix: str = ""
    class_: str = field(
        default="secop_ophyd.SECoPNodeDevice", metadata={"check": _import_class}
    )
    loglevel: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    logdir: str | None = None
    # A file beside the one that declares the node, or a path from there
    description: str | None = None

    def device(self, name: str, folder: Path) -> SECoPNodeDevice:
        options = {f.name: getattr(self, f.name) for f in fields(NodeOptions)}
        if self.description is not None:
            options["description"] = load_description(folder / self.description)
        return _import_class(self.class_)(
            self.uri,
            self.prefix,
            name,
            self.loglevel,
            self.logdir,
            options=NodeOptions(**options),
        )


class Nodes(Mapping[str, SECoPNodeDevice]):
    """The nodes of a beamline: `nodes.sample`, or `nodes["sample"]`.

    Used in a `with` statement, they are closed at its end.

    :param devices: The nodes by name.
    """

    def __init__(self, devices: Mapping[str, SECoPNodeDevice]):
        self._devices = dict(devices)
        self._errors: dict[str, Exception] = {}

    def __getitem__(self, name: str) -> SECoPNodeDevice:
        return self._devices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._devices)

    def __len__(self) -> int:
        return len(self._devices)

    # What a node has is known when it is connected
    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._devices:
            return self._devices[name]
        there = ", ".join(self._devices) if "_devices" in vars(self) else ""
        what = f"there is no node {name!r}; there are {there}"
        raise AttributeError(what, name=name, obj=self)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self._devices]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.values()))})"

    @property
    def errors(self) -> Mapping[str, Exception]:
        """Why nodes could not be connected, by name; not those that are by now."""
        return {k: v for k, v in self._errors.items() if not self[k].is_connected}

    async def connect(self, mock: bool = False, timeout: float = 10.0) -> None:
        """Connect all nodes at once; one warning tells which ones are not there.

        :param mock: Whether to do without the nodes.
        :param timeout: Seconds for all of it.
        """
        attempts = (node.connect(mock, timeout) for node in self.values())
        results = await asyncio.gather(*attempts, return_exceptions=True)
        self._errors = {}
        for name, result in zip(self, results, strict=True):
            if isinstance(result, Exception):
                self._errors[name] = result
            elif result is not None:
                raise result
        if self._errors:
            # What NotConnectedError says begins and ends with white space
            reasons = (f"{k} ({str(e).strip()})" for k, e in self._errors.items())
            logging.getLogger(__package__).warning(
                "%d of %d nodes are not connected: %s",
                len(self._errors),
                len(self),
                "; ".join(reasons),
            )

    async def disconnect(self) -> None:
        """Disconnect all nodes."""
        await asyncio.gather(*(node.disconnect() for node in self.values()))

    def close(self) -> None:
        """Disconnect all nodes from synchronous code, in any thread."""
        for node in self.values():
            node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def load_nodes(
    path: str | Path,
    *,
    connect: bool = True,
    mock: bool = False,
    timeout: float = 10.0,
) -> Nodes:
    """Make the nodes that a YAML file declares, and connect them.

    ::

        RE = RunEngine()
        nodes = load_nodes("beamline.yml")
        RE(count([nodes.sample]))

    The file has the nodes by name. Each has a `uri`, and whatever else it needs of
    `prefix`, `class`, `loglevel`, `logdir` and the fields of `NodeOptions`; under
    `modules`, there are those of `ModuleOptions` for each module::

        sample:
          uri: cryo.example.org:10767
          modules:
            cryo: {move_timeout: 3600}

    A node that is not there does not keep the others from work: a warning tells, and
    `RE(ensure_connected(nodes.sample))` connects it later.

    The `description` of a node is a path from where the file is. With it, the devices
    are there while the node is not, and it comes up by itself.

    :param path: Of the file.
    :param connect: Whether to connect the nodes, in the event loop of the RunEngine.
        Without it, that is up to `init_devices` or `await nodes.connect()`.
    :param mock: Whether to do without the nodes.
    :param timeout: Seconds for connecting.
    :raises DeclarationError: If something is wrong in the file; it tells in which
        line, and what is allowed.
    :raises OSError: If it cannot be read.
    :raises NotConnectedError: If there is no RunEngine yet, or it is in use.
    """
    path = Path(path).expanduser()
    declared: dict[str, _Declaration] = File(path).read(Mapping[str, _Declaration])
    _check_names(path, declared)
    nodes = Nodes({name: _device(path, name, each) for name, each in declared.items()})
    if connect:
        _connect(nodes, mock, timeout)
    return nodes


def _device(path: Path, name: str, declared: _Declaration) -> SECoPNodeDevice:
    try:
        return declared.device(name, path.parent)
    except (OSError, ValueError) as error:
        raise DeclarationError(f"{path}: {name}: {error}") from None


def _connect(nodes: Nodes, mock: bool, timeout: float) -> None:
    if in_bluesky_event_loop():
        raise NotConnectedError("in a plan, use ensure_connected of ophyd-async")
    try:
        call_in_bluesky_event_loop(nodes.connect(mock, timeout))
    except RuntimeError:
        what = "make the RunEngine first: the nodes are connected in its event loop"
        raise NotConnectedError(what) from None


def _check_names(path: Path, declared: Mapping[str, _Declaration]) -> None:
    taken: dict[str, str] = {}
    for name, each in declared.items():
        if not name.isidentifier() or keyword.iskeyword(name) or name[0] == "_":
            what = "is no name: letters, digits and underscores, a letter first"
            raise DeclarationError(f"{path}: {name!r} {what}")
        if hasattr(Nodes, name):
            what = f"cannot be a name, as nodes.{name} is something else"
            raise DeclarationError(f"{path}: {name!r} {what}")
        full = device_name(each.prefix + name)
        if full in taken:
            what = f"{taken[full]!r} and {name!r} are both named {full!r} in the data"
            raise DeclarationError(f"{path}: {what}")
        taken[full] = name
