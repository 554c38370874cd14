"""What a module contributes to its node, unless it has no value when a plan begins."""

from __future__ import annotations

import json
from typing import Any

from bluesky.protocols import HasHints, Hints, Reading
from event_model import DataKey
from ophyd_async.core import (
    AsyncConfigurable,
    AsyncReadable,
    AsyncStageable,
    AsyncStatus,
)

from ._contents import CONFIG_ERRORS, Unreadable
from ._detectors import AcquiringDevice, OwnReadings
from ._modules import SECoPBaseDevice


class NodePart(AsyncReadable, AsyncConfigurable, AsyncStageable, HasHints):
    """The part of a node that a module is: no columns while it is left out.

    A run cannot change its columns, so this is decided once, when the node is staged.
    The module by itself knows nothing of it, and fails if it has no value.

    :param module: The device of the module.
    """

    def __init__(self, module: SECoPBaseDevice):
        self.module = module
        acquires = isinstance(module, AcquiringDevice)
        self._source = OwnReadings(module) if acquires else module
        self.missing: Unreadable | None = None
        """What has no value, if it is left out for this reason."""

    @property
    def name(self) -> str:
        return self.module.name

    async def decide(self) -> None:
        """Leave it out if it has no value now."""
        self.missing = await self.module.connector.find_unreadable()

    async def read(self) -> dict[str, Reading[Any]]:
        return {} if self.missing else await self._source.read()

    async def describe(self) -> dict[str, DataKey]:
        return {} if self.missing else await self._source.describe()

    @property
    def hints(self) -> Hints:
        return {} if self.missing else self._source.hints

    async def read_configuration(self) -> dict[str, Reading[Any]]:
        """Return the configuration, which also has the reason why it is left out."""
        readings = await self._source.read_configuration()
        texts = readings.get(f"{self.name}-{CONFIG_ERRORS}")
        if self.missing is not None and texts is not None:
            errors = {self.missing.name: self.missing.reason}
            texts["value"] = json.dumps(json.loads(texts["value"]) | errors)
        return readings

    async def describe_configuration(self) -> dict[str, DataKey]:
        return await self._source.describe_configuration()

    def stage(self) -> AsyncStatus[None]:
        return self._source.stage()

    def unstage(self) -> AsyncStatus[None]:
        self.missing = None
        return self._source.unstage()
