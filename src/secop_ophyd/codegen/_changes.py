"""What has become of a node since a class was made from its description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secop_ophyd.protocol import (
    ArrayInfo,
    CommandDescription,
    DataInfo,
    EnumInfo,
    MatrixInfo,
    ModuleDescription,
    NodeDescription,
    ParameterDescription,
    StatusInfo,
    StructInfo,
    TupleInfo,
    interface_class,
    parse_description,
    shorten,
    show,
)

from ._names import member_names, module_names
from ._text import is_list, is_object, storable
from ._types import datatype_text

Accessible = ParameterDescription | CommandDescription

_GONE, _NEW = "is gone", "is new"


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two descriptions of a node.

    :param module: The module, empty for the node.
    :param accessible: The parameter, command or property, empty for the module.
    :param text: What has changed.
    :param breaks: Whether a class that was made from the first description is wrong
        about the second one: what it has is not there, or is of another kind or type.
    """

    module: str
    accessible: str
    text: str
    breaks: bool = False

    def __str__(self) -> str:
        names = (shorten(name) for name in (self.module, self.accessible) if name)
        return f"{':'.join(names)} {self.text}".lstrip()


def changes(old: NodeDescription, new: NodeDescription) -> list[Change]:
    """Return the differences between two descriptions of a node.

    New members of enums do not count as breaking, since modules that share a class
    may share an enum that has them.

    :param old: What a class was made from.
    :param new: What the node says now.
    """
    new = parse_description(storable(new.raw, 1))  # as the old one was stored
    return [] if old.raw == new.raw else list(_node(old, new))


def _node(old: NodeDescription, new: NodeDescription) -> Iterator[Change]:
    before, after = module_names(old), module_names(new)
    for name in {**old.modules, **new.modules}:
        if text := _place(name, before.modules, after.modules):
            yield Change(name, "", text, breaks=text != _NEW)
        else:
            yield from _module(old.modules[name], new.modules[name])
    for name in {**old.properties, **new.properties}:
        text = _place(name, before.properties, after.properties)
        yield from _property("", name, text, old.properties, new.properties)


def _module(old: ModuleDescription, new: ModuleDescription) -> Iterator[Change]:
    kinds = [interface_class(m).value or "of no interface class" for m in (old, new)]
    if kinds[0] != kinds[1]:
        yield Change(old.name, "", _was(*kinds), breaks=True)
    before, after = member_names(old), member_names(new)
    places = [names.parameters | names.commands for names in (before, after)]
    for name in {**places[0], **places[1]}:
        if text := _place(name, *places):
            yield Change(old.name, name, text, breaks=text != _NEW)
        else:
            yield from _accessible(_find(old, name), _find(new, name))
    for name in {**old.properties, **new.properties}:
        text = _place(name, before.properties, after.properties)
        yield from _property(old.name, name, text, old.properties, new.properties)


def _place(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return what is to be said if a name has not the attribute that it had."""
    if name not in new:
        return _GONE
    if name not in old:
        return _NEW
    moved = f"was the attribute {old[name]}, is {new[name]}"
    return "" if old[name] == new[name] else moved


def _find(module: ModuleDescription, name: str) -> Accessible:
    return module.parameters.get(name) or module.commands[name]


def _accessible(old: Accessible, new: Accessible) -> Iterator[Change]:
    before, after = _shape(old), _shape(new)
    if type(old) is not type(new):
        before, after = {"": _kind(old)}, {"": _kind(new)}
    broken = [
        f"{what} {_was(before[what], after[what])}".lstrip()
        for what in before
        if before[what] != after[what]
    ]
    if broken:
        yield Change(old.module, old.name, "; ".join(broken), breaks=True)
    # What is said above already is in these two
    told = {"datainfo", "readonly", "constant"} if broken else set[str]()
    if texts := list(_differences(old.properties, new.properties, told)):
        yield Change(old.module, old.name, "; ".join(texts))


def _kind(accessible: Accessible) -> str:
    is_command = isinstance(accessible, CommandDescription)
    return "a command" if is_command else "a parameter"


def _shape(accessible: Accessible) -> dict[str, str]:
    """Return all of an accessible that annotations depend on, in words."""
    match accessible:
        case ParameterDescription():
            access = "read-only" if accessible.readonly else "settable"
            return {"": access, "type": type_text(accessible.datainfo)}
        case CommandDescription(argument=argument, result=result):
            takes = "nothing" if argument is None else type_text(argument, True)
            gives = "nothing" if result is None else type_text(result)
            return {"argument": takes, "result": gives}


def type_text(info: DataInfo, is_argument: bool = False) -> str:
    """Return a type in words, without what is no part of it, such as limits.

    :param info: The data type.
    :param is_argument: Whether it matters what may be left out.
    """

    def inner(member: DataInfo) -> str:
        return type_text(member, is_argument)

    match info:
        case StatusInfo():
            return "status"
        case EnumInfo():
            return "enum"
        case TupleInfo():
            return f"tuple({', '.join(map(inner, info.members))})"
        case StructInfo():
            optional = info.optional if is_argument else ()
            texts = (
                f"{name}{'?' * (name in optional)}: {inner(member)}"
                for name, member in sorted(info.members.items())
            )
            return f"struct({', '.join(texts)})"
        case MatrixInfo():
            return f"matrix of {len(info.names)} dimensions"
        case ArrayInfo():
            kind = "list" if datatype_text(info) == "Any" else "array"
            return f"{kind} of {inner(info.members)}"
        case _:
            return datatype_text(info)


def _property(
    module: str, name: str, text: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    if text:
        yield Change(module, name, text, breaks=text != _NEW)
    elif old[name] != new[name]:
        yield Change(module, name, _was(show(old[name]), show(new[name])))


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], told: set[str], path: str = ""
) -> Iterator[str]:
    for name in {**old, **new}:
        # The unit of a parameter is what people know as such
        place = f"{path}{shorten(name)}" if name != "datainfo" or path else ""
        if name in told:
            continue
        if name not in new:
            yield f"{place} was {show(old[name])}, {_GONE}"
        elif name not in old:
            yield f"{place}: {show(new[name])} {_NEW}"
        elif old[name] != new[name]:
            parts = _parts(old[name]), _parts(new[name])
            if parts[0] and parts[1]:
                inner = f"{place}." if place else ""
                yield from _differences(*parts, set(), inner)
                continue
            yield f"{place} {_was(show(old[name]), show(new[name]))}"


def _parts(value: Any) -> dict[str, Any]:
    """Return what can be told one by one; nothing if that is of no use."""
    if is_object(value):
        return value
    if is_list(value) and all(map(is_object, value)):
        return {str(i): item for i, item in enumerate(value)}
    return {}


def _was(old: str, new: str) -> str:
    return f"was {shorten(old, 200)}, is {shorten(new, 200)}"
