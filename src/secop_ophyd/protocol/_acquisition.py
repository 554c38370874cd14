"""What belongs to a data acquisition.

SECoP 2.0 classes.rst "Acquisition base classes" and RFC-106. frappy exports what its
list of predefined names does not have with an underscore: `_prepare`, `_hold`.
"""

from __future__ import annotations

from collections.abc import Callable

from ._description import CommandDescription, ModuleDescription, NodeDescription
from ._guards import is_object
from ._text import show


def find_command(module: ModuleDescription, name: str) -> CommandDescription | None:
    """Return a command, be it predefined or custom, or None.

    :param module: The description of the module.
    :param name: Its predefined name.
    """
    return module.commands.get(name) or module.commands.get(f"_{name}")


def acquisition_channels(
    node: NodeDescription,
    module: ModuleDescription,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, str]:
    """Return which modules have the data that an AcquisitionController acquires.

    :param node: The description of the node.
    :param module: The description of the controller.
    :param note: Called with a text for what is odd about it.
    :return: The name of each module once, with the role that it has.
    """
    roles = module.properties.get("acquisition_channels")
    if not is_object(roles):
        note("acquisition_channels is missing" if roles is None else _odd(roles))
        return {}
    channels: dict[str, str] = {}
    for role, name in roles.items():
        found = node.modules.get(name) if isinstance(name, str) else None
        if found is None or found is module or "value" not in found.parameters:
            note(f"the channel {show(role)} is left out: {show(name)} is none")
        else:
            channels.setdefault(found.name, role)
    return channels


def _odd(roles: object) -> str:
    return f"acquisition_channels is no object: {show(roles)}"
