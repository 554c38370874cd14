"""The names that a description gets in Python: attributes, classes, enum members.

The devices take theirs from here too, so that a generated class and the device that
it describes agree.
"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from secop_ophyd.protocol import (
    EnumInfo,
    ModuleDescription,
    NodeDescription,
    attribute_names,
)

_MAX_LENGTH = 40

Names = tuple[str, ...]
"""Of what is in a module, as SECoP has them."""


@dataclass(frozen=True, slots=True)
class MemberNames:
    """The attributes of a module's device, each by its SECoP name.

    :param parameters: Those of the parameters.
    :param commands: Those of the commands.
    :param properties: Those of the properties.
    """

    parameters: dict[str, str]
    commands: dict[str, str]
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class ModuleNames:
    """The attributes of a node's device, each by its SECoP name.

    :param modules: Those of the modules.
    :param properties: Those of the properties.
    """

    modules: dict[str, str]
    properties: dict[str, str]


def member_names(module: ModuleDescription) -> MemberNames:
    """Name what is in a module; parameters and commands choose first.

    :param module: The description of the module.
    :return: The names; others may have the same object.
    """
    return _member_names(
        tuple(module.parameters), tuple(module.commands), tuple(module.properties)
    )


@lru_cache(1024)  # modules of one kind have the same names
def _member_names(parameters: Names, commands: Names, properties: Names) -> MemberNames:
    found = attribute_names([*parameters, *commands])
    return MemberNames(
        parameters={name: found[name] for name in parameters},
        commands={name: found[name] for name in commands},
        properties=attribute_names(
            properties, taken=found.values(), keep_underscore=True
        ),
    )


def module_names(node: NodeDescription) -> ModuleNames:
    """Name what is in a node; modules choose first.

    :param node: The description of the node.
    """
    found = attribute_names(node.modules)
    return ModuleNames(
        modules=found,
        properties=attribute_names(
            node.properties, taken=found.values(), keep_underscore=True
        ),
    )


def enum_members(info: EnumInfo) -> dict[str, str]:
    """Name the members of an enum class.

    ophyd-async wants upper case; names that then are equal get the next free number.

    :param info: The enum as the node describes it.
    :return: The value of each member, which is its SECoP name, by its Python name.
    """
    return member_identifiers(info.members)


def member_identifiers(values: Iterable[str]) -> dict[str, str]:
    """Name the members of an enum class that has these values."""
    members: dict[str, str] = {}
    for value in values:
        members[_free(_member(value), members)] = value
    return members


def class_name(text: str, fallback: str) -> str:
    """Make a text usable as name of a class, e.g. `Cryo_7_frappy_demo`.

    :param text: Anything, e.g. an equipment_id.
    :param fallback: What to call it if nothing is left, e.g. `Node`; goes in front
        of a digit too.
    """
    name = identifier(text)
    if not name:
        return fallback
    return f"{fallback}_{name}" if name[0].isdigit() else name[0].upper() + name[1:]


def identifier(text: str) -> str:
    """Return what can be part of an identifier; it may be empty or start with a digit.

    :param text: Anything.
    """
    return re.sub(r"\W", "_", text, flags=re.ASCII)[:_MAX_LENGTH].strip("_")


def module_class_name(module: ModuleDescription) -> str:
    """Return the class that a module has in the node's own program, if it tells.

    :param module: The description of the module.
    """
    implementation = module.properties.get("implementation")
    if isinstance(implementation, str):
        if re.fullmatch(r"([^\W\d]\w*\.)*[^\W\d]\w*", implementation, re.ASCII):
            return class_name(implementation.rpartition(".")[2], "Module")
    return class_name(module.name, "Module")


class ClassNames:
    """The names that are taken in a file.

    :param taken: Names that it imports.
    :param aliases: Second names of some of them.
    """

    def __init__(self, taken: Iterable[str], aliases: Mapping[str, str]):
        self._taken = {*taken, *dir(builtins), *keyword.kwlist, *keyword.softkwlist}
        self._aliases = dict(aliases)

    def take(self, *wanted: str) -> str:
        """Take the first of some names that is free, or the last with a number."""
        free = (name for name in wanted if name not in self._taken)
        name = next(free, None) or _free(wanted[-1], self._taken)
        self._taken.add(name)
        return name

    def alias(self, name: str) -> tuple[str, bool]:
        """Return a second name of something, and whether nobody had it before."""
        is_new = name not in self._aliases
        if is_new:
            self._aliases[name] = self.take(f"_{name}_type")
        return self._aliases[name], is_new


def _free(wanted: str, taken: Container[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name = f"{wanted}_{number}"
        number += 1
    return name


@lru_cache(1024)  # many enums have the same members
def _member(value: str) -> str:
    name = _upper(value)
    if not name and value:  # nothing but symbols: say which, as in PERCENT_SIGN
        name = _upper(" ".join(unicodedata.name(c, "") for c in value[:4]))
    if not name:
        return "OTHER" if value else "EMPTY"
    # Neither private nor reserved names are members, and a digit cannot come first
    return f"VALUE_{name}" if name[0].isdigit() else name


def _upper(text: str) -> str:
    return identifier(text.upper())
