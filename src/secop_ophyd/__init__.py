"""Point bluesky at any SEC node: SECoP as ophyd-async devices."""

from importlib.metadata import PackageNotFoundError, version

from .client import SecopClient
from .devices import (
    ModuleOptions,
    NodeOptions,
    SECoPAcquisitionChannelDevice,
    SECoPAcquisitionControllerDevice,
    SECoPAcquisitionDevice,
    SecopAction,
    SECoPBaseDevice,
    SecopCommand,
    SECoPCommunicatorDevice,
    SECoPMoveableDevice,
    SECoPNodeDevice,
    SecopQuery,
    SECoPReadableDevice,
    SECoPRecorder,
    SECoPTriggerableDevice,
    SECoPWritableDevice,
    StopPolicy,
    observe_status,
)
from .protocol import SecopError
from .registry import DeclarationError, Nodes, load_nodes

try:
    __version__ = version("secop-ophyd")
except PackageNotFoundError:  # used from a checkout that is not installed
    __version__ = "0.0.0"

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
    "NodeOptions",
    "ModuleOptions",
    "StopPolicy",
    # The nodes of a beamline
    "load_nodes",
    "Nodes",
    "DeclarationError",
    # Status
    "observe_status",
    # Commands
    "SecopCommand",
    "SecopQuery",
    "SecopAction",
    # The client alone
    "SecopClient",
    "SecopError",
]
