"""Which classes modules need: one for all that look the same, as far as types go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from secop_ophyd.protocol import (
    EnumInfo,
    InterfaceClass,
    ModuleDescription,
    NodeDescription,
    StructInfo,
    interface_class,
)

from ._names import (
    ClassNames,
    class_name,
    identifier,
    member_names,
    module_class_name,
)
from ._types import (
    Path,
    argument_text,
    code_text,
    datatype_text,
    property_text,
    signal_enum,
)

BASE_CLASSES = {
    InterfaceClass.DRIVABLE: "SECoPMoveableDevice",
    InterfaceClass.WRITABLE: "SECoPWritableDevice",
    InterfaceClass.ACQUISITION: "SECoPAcquisitionDevice",
    InterfaceClass.ACQUISITION_CONTROLLER: "SECoPAcquisitionControllerDevice",
    InterfaceClass.TRIGGERABLE: "SECoPTriggerableDevice",
    InterfaceClass.ACQUISITION_CHANNEL: "SECoPAcquisitionChannelDevice",
    InterfaceClass.READABLE: "SECoPReadableDevice",
    InterfaceClass.COMMUNICATOR: "SECoPCommunicatorDevice",
    InterfaceClass.NONE: "SECoPBaseDevice",
}
"""The device class of each interface class."""

Shape = frozenset[tuple[str, ...]]
"""All that the annotations of a module say, but for the members of enums."""


@dataclass(slots=True)
class EnumValues:
    """The values of an enum class.

    :param values: All of them, in the order in which they were met.
    :param strict: Whether all modules have all of them.
    """

    values: list[str] = field(default_factory=list[str])
    strict: bool = True

    def add(self, info: EnumInfo) -> None:
        """Add the values of the enum of one module."""
        if self.values and set(info.members) != set(self.values):
            self.strict = False
        self.values += [value for value in info.members if value not in self.values]


@dataclass(frozen=True, slots=True)
class ModuleClass:
    """A class that some modules share.

    :param name: Its name.
    :param base: The class that it is derived from.
    :param modules: The modules, the first one made it.
    :param enums: The values of each enum, and whether some modules lack some.
    """

    name: str
    base: str
    modules: list[ModuleDescription] = field(default_factory=list[ModuleDescription])
    enums: dict[Path, EnumValues] = field(default_factory=dict[Path, EnumValues])

    def common(self, text: Callable[[ModuleDescription], str]) -> str:
        """Return the text of the modules, empty if they do not agree."""
        texts = {text(module) for module in self.modules}
        return texts.pop() if len(texts) == 1 else ""

    def add(self, module: ModuleDescription) -> None:
        """Let one more module use the class."""
        self.modules.append(module)
        for path, info in find_enums(module).items():
            self.enums.setdefault(path, EnumValues()).add(info)


@dataclass(frozen=True, slots=True)
class NodeClass:
    """The class of a node.

    :param name: Its name.
    :param key: The name that the node has in the file.
    :param description: The node.
    :param modules: The class of each module by its SECoP name.
    """

    name: str
    key: str
    description: NodeDescription
    modules: Mapping[str, ModuleClass]


def node_classes(
    nodes: Mapping[str, NodeDescription], names: ClassNames
) -> list[NodeClass]:
    """Give nodes and their modules a class, in the order of the nodes.

    :param nodes: The nodes by the name that they have in the file.
    :param names: Hands out the names; those of nodes come first, since they are
        what users import.
    """
    own = {
        key: names.take(class_name(node.equipment_id or key, "Node"))
        for key, node in nodes.items()
    }
    found: dict[tuple[str, str, Shape], ModuleClass] = {}
    classes: list[NodeClass] = []
    for key, node in nodes.items():
        modules: dict[str, ModuleClass] = {}
        for module in node.modules.values():
            wanted = module_class_name(module)
            base = BASE_CLASSES[interface_class(module)]
            identity = wanted, base, _shape(module)
            if identity not in found:
                other = f"{wanted}_{identifier(module.name)}".rstrip("_")
                found[identity] = ModuleClass(names.take(wanted, other), base)
            found[identity].add(module)
            modules[module.name] = found[identity]
        classes.append(NodeClass(own[key], key, node, modules))
    return classes


def find_enums(module: ModuleDescription) -> dict[Path, EnumInfo]:
    """Return the enums that the annotations of a module refer to."""
    enums: dict[Path, EnumInfo] = {}
    names = member_names(module)

    def enum(path: Path, info: EnumInfo) -> str:
        enums[path] = info
        return ""

    def struct(path: Path, info: StructInfo) -> str:
        for key, member in info.members.items():
            argument_text(member, (*path, key), enum, struct)
        return ""

    for name, parameter in module.parameters.items():
        if (info := signal_enum(parameter.datainfo)) is not None:
            enums[names.parameters[name],] = info
    for name, command in module.commands.items():
        argument_text(command.argument, (names.commands[name], "arg"), enum, struct)
    return enums


def _shape(module: ModuleDescription) -> Shape:
    names = member_names(module)
    lines: list[tuple[str, ...]] = []
    for name, value in module.properties.items():
        lines.append((names.properties[name], "property", property_text(value)))
    for name, parameter in module.parameters.items():
        access = "r" if parameter.readonly else "rw"
        text = datatype_text(parameter.datainfo)
        lines.append((names.parameters[name], access, text))
    for name, command in module.commands.items():
        texts = (
            argument_text(info, (), code_text, _struct_shape)
            for info in (command.argument, command.result)
        )
        lines.append((names.commands[name], "command", *texts))
    return frozenset(lines)


def _struct_shape(path: Path, info: StructInfo) -> str:
    texts = {
        key: argument_text(member, (), code_text, _struct_shape)
        for key, member in info.members.items()
    }
    return repr((sorted(texts.items()), sorted(info.optional)))
