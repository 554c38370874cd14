"""Which protocols of bluesky each class of devices has."""

from __future__ import annotations

from typing import Any

import pytest
from bluesky import protocols
from bluesky.protocols import (
    Checkable,
    Configurable,
    EventPageCollectable,
    Flyable,
    HasHints,
    HasName,
    HasParent,
    Locatable,
    Movable,
    NamedMovable,
    Pausable,
    Preparable,
    Readable,
    Stageable,
    Stoppable,
    Subscribable,
    Triggerable,
)

from secop_ophyd import (
    SECoPAcquisitionChannelDevice,
    SECoPAcquisitionControllerDevice,
    SECoPAcquisitionDevice,
    SECoPBaseDevice,
    SECoPCommunicatorDevice,
    SECoPMoveableDevice,
    SECoPNodeDevice,
    SECoPReadableDevice,
    SECoPRecorder,
    SECoPTriggerableDevice,
    SECoPWritableDevice,
)

BASE = {HasName, HasParent, Readable, Configurable, HasHints, Stageable}
VALUE = BASE | {Triggerable, Subscribable}
MOVE = {Movable, NamedMovable, Locatable, Checkable, Stoppable}
FLY = {Preparable, Flyable, Pausable}
ACQUIRE = {Triggerable, Stoppable, Pausable}

TABLE: dict[type[Any], set[Any]] = {
    SECoPBaseDevice: BASE,
    SECoPCommunicatorDevice: BASE,
    SECoPReadableDevice: VALUE,
    SECoPWritableDevice: VALUE | MOVE | FLY,
    SECoPMoveableDevice: VALUE | MOVE | FLY,
    SECoPTriggerableDevice: VALUE | ACQUIRE,
    SECoPAcquisitionDevice: VALUE | ACQUIRE,
    SECoPAcquisitionChannelDevice: VALUE,
    SECoPAcquisitionControllerDevice: BASE | ACQUIRE,
    SECoPRecorder: BASE - {Configurable}
    | {Subscribable, Flyable, Pausable, EventPageCollectable, protocols.Collectable},
    SECoPNodeDevice: BASE | {Triggerable},
}
ALL = [
    protocol
    for protocol in vars(protocols).values()
    if getattr(protocol, "_is_runtime_protocol", False)
    and protocol.__module__ == protocols.__name__
    and protocol is not protocols.Status
]


@pytest.mark.parametrize("kind", TABLE)
def test_protocols(kind: type[Any]) -> None:
    device = kind("127.0.0.1:1") if kind is SECoPNodeDevice else kind()
    found = {protocol for protocol in ALL if isinstance(device, protocol)}
    assert found == TABLE[kind]
