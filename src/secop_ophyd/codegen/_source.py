"""The source of the classes of a file, as lines."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from secop_ophyd.protocol import (
    CommandDescription,
    EnumInfo,
    ModuleDescription,
    ParameterDescription,
    StructInfo,
)

from ._classes import EnumValues, ModuleClass
from ._imports import names_in
from ._literals import literal
from ._names import ClassNames, identifier, member_identifiers, member_names
from ._text import bracketed, commented, docstring, quote
from ._types import Path, argument_text, code_text, datatype_text, property_text


@dataclass(frozen=True, slots=True)
class Block:
    """Something that a file declares.

    :param lines: Its source.
    :param names: The names that it refers to.
    """

    lines: list[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Line:
    """An annotation.

    :param attribute: What is annotated.
    :param type: The type, as source.
    :param note: What the comment says.
    """

    attribute: str
    type: str
    note: str = ""

    def source(self, aliases: Mapping[str, str]) -> list[str]:
        """Return it with its comment.

        :param aliases: The names to use instead of others.
        """
        text = self.type
        for name, alias in aliases.items():
            text = re.sub(rf"(?<![\w.]){name}\b", alias, text)
        code = bracketed(f"{self.attribute}: ", text, 4)
        return commented(code, self.note, 4)


def class_blocks(
    names: ClassNames,
    name: str,
    base: str,
    text: str,
    sections: Mapping[str, Sequence[Line]],
) -> list[Block]:
    """Return a class that consists of annotations, after the aliases that it needs.

    :param names: Hands out the names of the aliases.
    :param name: Its name.
    :param base: The class that it is derived from.
    :param text: What its docstring says.
    :param sections: The annotations under each heading.
    """
    annotations = [x for lines in sections.values() for x in lines]
    used = frozenset[str]().union(*(names_in(x.type) for x in annotations))
    # Python does not mind if an attribute hides its type, as in `LN2: LN2`, but type
    # checkers do
    hidden = sorted(used.intersection(x.attribute for x in annotations))
    found = {name: names.alias(name) for name in hidden}
    aliases = {name: alias for name, (alias, _) in found.items()}
    parts = [docstring(text, 4)] + [
        [f"    # {title}", *(x for line in lines for x in line.source(aliases))]
        for title, lines in sections.items()
        if lines
    ]
    body = [x for part in parts if part for x in ("", *part)]
    block = Block(
        [f"class {name}({base}):", *(body[1:] or ["    pass"])],
        (used - aliases.keys()) | {base, *aliases.values()},
    )
    new = {name: alias for name, (alias, is_new) in found.items() if is_new}
    lines = [f"{alias} = {name}" for name, alias in new.items()]
    return [Block(lines, frozenset(new)), block] if new else [block]


def module_blocks(module_class: ModuleClass, names: ClassNames) -> list[Block]:
    """Return the class of a module, after the classes that its annotations need.

    :param module_class: What to write.
    :param names: Hands out the names of the other classes.
    """
    return _ModuleSource(module_class, names).blocks()


class _ModuleSource:
    def __init__(self, module_class: ModuleClass, names: ClassNames):
        self._class = module_class
        self._names = names
        self._notes = _common_notes(module_class.modules)
        self._others: list[Block] = []
        self._enums: dict[Path, str] = {}

    def blocks(self) -> list[Block]:
        for path, values in self._class.enums.items():
            self._enums[path] = self._names.take(self._name(path, "Enum"))
            title = f"{' '.join(path)} enum for `{self._class.name}`."
            self._others.append(_enum_block(self._enums[path], title, values))
        module = self._class.modules[0]
        names = member_names(module)
        sections = {
            "Module Properties": [
                Line(names.properties[n], f"A[SignalR[{property_text(v)}], PropT()]")
                for n, v in module.properties.items()
            ],
            "Module Parameters": [
                Line(attribute, self._signal(attribute, p), self._note(attribute))
                for attribute, p in (
                    (names.parameters[n], p) for n, p in module.parameters.items()
                )
            ],
            "Module Commands": [
                Line(attribute, self._command(attribute, c), self._note(attribute))
                for attribute, c in (
                    (names.commands[n], c) for n, c in module.commands.items()
                )
            ],
        }
        text = self._class.common(lambda m: m.description)
        blocks = class_blocks(
            self._names, self._class.name, self._class.base, text, sections
        )
        return [*self._others, *blocks]

    def _name(self, path: Path, *end: str) -> str:
        parts = (identifier(part) for part in path)
        name = "_".join(
            [self._class.name, *(p[:1].upper() + p[1:] for p in parts if p)]
        )
        return "_".join([name[:60].rstrip("_"), *end])

    def _signal(self, attribute: str, parameter: ParameterDescription) -> str:
        kind = "SignalR" if parameter.readonly else "SignalRW"
        enum_class = self._enums.get((attribute,), "StrictEnum")
        text = datatype_text(parameter.datainfo, enum_class)
        hinted = parameter.name in ("value", "target")
        ending = ", Format.HINTED_SIGNAL" if hinted else ""
        return f"A[{kind}[{text}], ParamT(){ending}]"

    def _command(self, attribute: str, command: CommandDescription) -> str:
        if command.argument is None and command.result is None:
            return "SecopAction"
        result = argument_text(
            command.result, (attribute, "result"), code_text, self._struct
        )
        if command.argument is None:
            return f"SecopQuery[{result}]"
        argument = argument_text(
            command.argument, (attribute, "arg"), self._argument_enum, self._struct
        )
        return f"SecopCommand[{argument}, {result}]"

    def _argument_enum(self, path: Path, info: EnumInfo) -> str:
        return f"{self._enums[path]} | str"

    def _struct(self, path: Path, info: StructInfo) -> str:
        if "" in info.members:  # which no TypedDict can have
            return "dict[str, Any]"
        is_argument = path[1] == "arg"
        fields: dict[str, str] = {}
        for key, member in info.members.items():
            enum = self._argument_enum if is_argument else code_text
            fields[key] = argument_text(member, (*path, key), enum, self._struct)
        name = self._names.take(self._name(path))
        optional = info.optional if is_argument else ()
        self._others.append(_typed_dict_block(name, fields, optional))
        return name

    def _note(self, attribute: str) -> str:
        text, unit = self._notes[attribute]
        return "; ".join(filter(None, (text, f"Unit: ({unit})" if unit else "")))


def _common_notes(modules: Sequence[ModuleDescription]) -> dict[str, tuple[str, str]]:
    """Return of the notes of modules what all of them agree about."""
    common, *others = map(_notes, modules)
    for notes in others:
        for attribute, (text, unit) in notes.items():
            if common[attribute] != (text, unit):
                known_text, known_unit = common[attribute]
                common[attribute] = (
                    text if text == known_text else "",
                    unit if unit == known_unit else "",
                )
    return common


def _notes(module: ModuleDescription) -> dict[str, tuple[str, str]]:
    """Return the description and the unit of each parameter and command."""
    names = member_names(module)
    notes = {
        names.parameters[name]: (parameter.description, parameter.unit)
        for name, parameter in module.parameters.items()
    }
    return notes | {
        names.commands[name]: (command.description, "")
        for name, command in module.commands.items()
    }


def _enum_block(name: str, text: str, values: EnumValues) -> Block:
    base = "StrictEnum" if values.strict else "SupersetEnum"
    lines = [f"class {name}({base}):", *docstring(text, 4), ""]
    for member, value in member_identifiers(values.values).items():
        lead = f"    {member} = "
        lines += f"{lead}{literal(value, len(lead), 4)}".split("\n")
    return Block(lines, frozenset({base}))


def _typed_dict_block(
    name: str, fields: Mapping[str, str], optional: Collection[str]
) -> Block:
    texts = {
        key: f"NotRequired[{text}]" if key in optional else text
        for key, text in fields.items()
    }
    used = frozenset(x for text in texts.values() for x in names_in(text))
    refers = used | {"TypedDict"}
    if all(_is_field(key) and key not in used for key in fields):
        lines = [x for k, t in texts.items() for x in bracketed(f"{k}: ", t, 4)]
        return Block([f"class {name}(TypedDict):", *lines], refers)
    lines = [x for k, t in texts.items() for x in bracketed(f"{quote(k)}: ", t, 8, ",")]
    lines = [f"{name} = TypedDict(", f'    "{name}",', "    {", *lines, "    },", ")"]
    return Block(lines, refers)


def _is_field(key: str) -> bool:
    """Tell whether a key can be a name in a class, and stays what it is there."""
    is_identifier = key.isascii() and key.isidentifier()
    return is_identifier and not keyword.iskeyword(key) and not key.startswith("__")
