"""What modules contribute to a node, unless they have no value when a plan begins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from bluesky.protocols import HasHints, Hints, Reading
from event_model import DataKey
from ophyd_async.core import (
    AsyncConfigurable,
    AsyncReadable,
    AsyncStageable,
    AsyncStatus,
    merge_gathered_dicts,
)

from ._contents import CONFIG_ERRORS, Unreadable
from ._detectors import AcquiringDevice, OwnReadings
from ._modules import SECoPBaseDevice

T = TypeVar("T")


class NodeParts(AsyncReadable, AsyncConfigurable, AsyncStageable, HasHints):
    """The parts of a node that its modules are: no columns while one is left out.

    A run cannot change its columns, so this is decided once, when the node is staged.
    A module by itself knows nothing of it, and fails if it has no value.

    :param name: Name of what has them, for messages.
    :param has_to_ask: Tells whether the node has to be asked for each value.
    """

    def __init__(self, name: str, has_to_ask: Callable[[], bool]):
        self._name = name
        self._has_to_ask = has_to_ask
        self._sources: dict[str, SECoPBaseDevice | OwnReadings] = {}
        self.missing: dict[str, Unreadable] = {}
        """What has no value, by the SECoP name of the module that is left out."""
        self.modules: dict[str, SECoPBaseDevice] = {}
        """The devices, by SECoP name."""

    @property
    def name(self) -> str:
        return self._name

    def add(self, name: str, module: SECoPBaseDevice) -> None:
        """Add a module.

        :param name: Its SECoP name.
        :param module: Its device.
        """
        acquires = isinstance(module, AcquiringDevice)
        self.modules[name] = module
        self._sources[name] = OwnReadings(module) if acquires else module

    @property
    def present(self) -> list[str]:
        """The SECoP names of the modules that are not left out."""
        return [name for name in self.modules if name not in self.missing]

    async def decide(self) -> None:
        """Leave out those that have no value now."""
        modules = dict(self.modules)  # it may be connected anew meanwhile
        found = await asyncio.gather(
            *(module.connector.find_unreadable() for module in modules.values())
        )
        pairs = zip(modules, found, strict=True)
        self.missing = {name: reason for name, reason in pairs if reason is not None}

    async def read(self) -> dict[str, Reading[Any]]:
        readings = (self._sources[name].read() for name in self.present)
        if self._has_to_ask():
            return await merge_gathered_dicts(readings)
        # To look at what the node told last takes less time than a task for it
        return await _joined(readings)

    async def describe(self) -> dict[str, DataKey]:
        return await _joined(self._sources[name].describe() for name in self.present)

    @property
    def hints(self) -> Hints:
        hints = (self._sources[name].hints for name in self.present)
        return {"fields": [field for each in hints for field in each.get("fields", [])]}

    async def read_configuration(self) -> dict[str, Reading[Any]]:
        """Return the configurations, which also say why a module is left out."""
        sources = self._sources.values()
        readings = await _joined(source.read_configuration() for source in sources)
        for name, missing in self.missing.items():
            key = f"{self.modules[name].name}-{CONFIG_ERRORS}"
            if (texts := readings.get(key)) is not None:
                errors = json.loads(texts["value"]) | {missing.name: missing.reason}
                texts["value"] = json.dumps(errors)
        return readings

    async def describe_configuration(self) -> dict[str, DataKey]:
        sources = self._sources.values()
        return await _joined(source.describe_configuration() for source in sources)

    @AsyncStatus.wrap
    async def stage(self) -> None:
        await asyncio.gather(*(source.stage() for source in self._sources.values()))

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        self.missing.clear()
        await asyncio.gather(*(source.unstage() for source in self._sources.values()))


async def _joined(parts: Iterable[Awaitable[dict[str, T]]]) -> dict[str, T]:
    """Do as `merge_gathered_dicts`, for what need not be waited for."""
    found: dict[str, T] = {}
    for part in parts:
        more = await part
        if not found.keys().isdisjoint(more):
            keys = ", ".join(sorted(found.keys() & more))
            raise ValueError(f"there are two devices with the same name: {keys}")
        found |= more
    return found
