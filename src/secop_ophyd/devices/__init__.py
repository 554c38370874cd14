"""SEC nodes, modules, parameters and commands as ophyd-async devices."""

from ._annotations import ParameterType, PropertyType
from ._commands import (
    SecopAction,
    SecopCommand,
    SecopCommandBase,
    SecopQuery,
)
from ._detectors import (
    SECoPAcquisitionChannelDevice,
    SECoPAcquisitionControllerDevice,
    SECoPAcquisitionDevice,
    SECoPTriggerableDevice,
)
from ._module_info import ModuleInfo
from ._modules import (
    SECoPBaseDevice,
    SECoPCommunicatorDevice,
    SECoPMoveableDevice,
    SECoPReadableDevice,
    SECoPWritableDevice,
)
from ._node import SECoPNodeDevice
from ._observe_status import StatusCondition, observe_status
from ._options import ModuleOptions, NodeOptions, StopPolicy
from ._plan_stubs import ramp_and_record, wait_for_idle, wait_for_status
from ._recorder import SECoPRecorder
from ._suspend import SuspendWhen
from ._tree import DeviceTree

__all__ = [
    # Devices
    "SECoPNodeDevice",
    "SECoPBaseDevice",
    "SECoPCommunicatorDevice",
    "SECoPReadableDevice",
    "SECoPWritableDevice",
    "SECoPMoveableDevice",
    "SECoPRecorder",
    "SECoPTriggerableDevice",
    "SECoPAcquisitionControllerDevice",
    "SECoPAcquisitionChannelDevice",
    "SECoPAcquisitionDevice",
    "ModuleInfo",
    "DeviceTree",
    # Plans
    "ramp_and_record",
    "wait_for_idle",
    "wait_for_status",
    "SuspendWhen",
    # For coroutines
    "observe_status",
    "StatusCondition",
    # How to deal with them
    "NodeOptions",
    "ModuleOptions",
    "StopPolicy",
    # Commands
    "SecopCommandBase",
    "SecopCommand",
    "SecopQuery",
    "SecopAction",
    # Annotations of generated classes
    "ParameterType",
    "PropertyType",
]
