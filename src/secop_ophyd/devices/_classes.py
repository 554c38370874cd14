"""Which class the device of a module has."""

from __future__ import annotations

from secop_ophyd.protocol import InterfaceClass

from ._detectors import (
    SECoPAcquisitionChannelDevice,
    SECoPAcquisitionControllerDevice,
    SECoPAcquisitionDevice,
    SECoPTriggerableDevice,
)
from ._modules import (
    SECoPBaseDevice,
    SECoPCommunicatorDevice,
    SECoPMoveableDevice,
    SECoPReadableDevice,
    SECoPWritableDevice,
)

MODULE_CLASSES: dict[InterfaceClass, type[SECoPBaseDevice]] = {
    InterfaceClass.DRIVABLE: SECoPMoveableDevice,
    InterfaceClass.WRITABLE: SECoPWritableDevice,
    InterfaceClass.ACQUISITION: SECoPAcquisitionDevice,
    InterfaceClass.ACQUISITION_CONTROLLER: SECoPAcquisitionControllerDevice,
    InterfaceClass.TRIGGERABLE: SECoPTriggerableDevice,
    InterfaceClass.ACQUISITION_CHANNEL: SECoPAcquisitionChannelDevice,
    InterfaceClass.READABLE: SECoPReadableDevice,
    InterfaceClass.COMMUNICATOR: SECoPCommunicatorDevice,
    InterfaceClass.NONE: SECoPBaseDevice,
}
"""The class for modules that no generated class describes."""
