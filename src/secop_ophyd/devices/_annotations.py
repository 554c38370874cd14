"""What a signal stands for, for the annotations of generated classes."""

from __future__ import annotations

from dataclasses import dataclass

from ophyd_async.core import Device


@dataclass(frozen=True)
class ParameterType:
    """The signal is a SECoP parameter: its value changes while the node runs."""

    def __call__(self, parent: Device, child: Device) -> None:
        """Mark only: the description of the node has all that is needed."""


@dataclass(frozen=True)
class PropertyType:
    """The signal is a SECoP property: it can only change with a reconnect."""

    def __call__(self, parent: Device, child: Device) -> None:
        """Mark only: the description of the node has all that is needed."""
