"""What a module is: the interface class that it can be used as.

SECoP 1.0/1.1 "Interface classes", 2.0 classes.rst: the list goes from the most
specific class to a base class, may be empty, and nodes in the field mix the order
and the case. So the most capable known class counts for which the module has what
the class needs.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from ._acquisition import find_command
from ._composites import StatusInfo
from ._description import ModuleDescription


class InterfaceClass(Enum):
    """The base classes of SECoP and of the field, the most capable one first."""

    DRIVABLE = "Drivable"
    WRITABLE = "Writable"
    ACQUISITION = "Acquisition"
    ACQUISITION_CONTROLLER = "AcquisitionController"
    TRIGGERABLE = "Triggerable"
    ACQUISITION_CHANNEL = "AcquisitionChannel"
    READABLE = "Readable"
    COMMUNICATOR = "Communicator"
    NONE = ""


_NEEDS: dict[InterfaceClass, tuple[str, ...]] = {
    InterfaceClass.DRIVABLE: ("value", "status", "target"),
    InterfaceClass.WRITABLE: ("value", "status", "target"),
    InterfaceClass.ACQUISITION: ("value", "status", "go"),
    InterfaceClass.ACQUISITION_CONTROLLER: ("status", "go"),
    InterfaceClass.TRIGGERABLE: ("value", "status", "go"),
    InterfaceClass.ACQUISITION_CHANNEL: ("value", "status"),
    InterfaceClass.READABLE: ("value", "status"),
    InterfaceClass.COMMUNICATOR: (),
    InterfaceClass.NONE: (),
}

# A Drivable is a Writable is a Readable, whether it is said or not
_IMPLIED = {
    InterfaceClass.WRITABLE: {"drivable"},
    InterfaceClass.READABLE: {
        "drivable",
        "writable",
        "acquisition",
        "acquisitionchannel",
        "triggerable",
    },
}

_ACQUIRE = (
    InterfaceClass.ACQUISITION,
    InterfaceClass.ACQUISITION_CONTROLLER,
    InterfaceClass.TRIGGERABLE,
)

# What became Acquisition was called so when it was discussed (SECoP issue 76)
_ALIASES = {"measurable": "triggerable"}


def interface_class(
    module: ModuleDescription, note: Callable[[str], None] = lambda text: None
) -> InterfaceClass:
    """Tell as what a module can be used.

    :param module: The description of the module.
    :param note: Called with a text for each class that it claims to be and is not.
    """
    claimed = {name.lower() for name in module.interface_classes}
    claimed |= {_ALIASES[name] for name in claimed if name in _ALIASES}
    for candidate in InterfaceClass:
        if candidate.value.lower() not in claimed and candidate.value:
            if candidate not in _IMPLIED or not _IMPLIED[candidate] & claimed:
                continue
        if missing := _missing(module, candidate):
            note(f"is no {candidate.value}: {missing}")
            continue
        for other in _left_out(candidate, claimed):
            note(f"is used as {candidate.value}, not as {other}")
        return candidate
    return InterfaceClass.NONE


def _left_out(chosen: InterfaceClass, claimed: set[str]) -> list[str]:
    """Return what else it does, if that is not what its device can do."""
    if chosen not in (InterfaceClass.DRIVABLE, InterfaceClass.WRITABLE):
        return []
    return [c.value for c in _ACQUIRE if c.value.lower() in claimed]


def _missing(module: ModuleDescription, candidate: InterfaceClass) -> str:
    for name in _NEEDS[candidate]:
        if name == "go":
            command = find_command(module, name)
            if command is None or command.argument is not None:
                return f"{name} is missing" if command is None else "go has an argument"
            continue
        parameter = module.parameters.get(name)
        if parameter is None:
            return f"{name} is missing"
        if name == "target" and parameter.readonly:
            return "target is readonly"
        if name == "status" and not isinstance(parameter.datainfo, StatusInfo):
            return "status is not a tuple of code and text"
    return ""
