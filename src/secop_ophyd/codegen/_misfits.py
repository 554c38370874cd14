"""What a class that was made from one description is wrong about in another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from secop_ophyd.protocol import (
    ArrayInfo,
    CommandDescription,
    DataInfo,
    EnumInfo,
    MatrixInfo,
    ModuleDescription,
    NodeDescription,
    ParameterDescription,
    Problem,
    StatusInfo,
    StructInfo,
    TupleInfo,
    interface_class,
    shorten,
)

from ._names import member_names, module_names
from ._types import datatype_text

Accessible = ParameterDescription | CommandDescription


def misfits(old: NodeDescription, new: NodeDescription) -> list[Problem]:
    """Return what a class has that the node has not, or has as something else.

    This is less than all that is different, see `secop_ophyd.protocol.changes`. New
    members of enums are none of it, since modules that share a class may share an enum
    that has them.

    :param old: What the class was made from.
    :param new: What the node says now.
    """
    return list(_node(old, new))


def _node(old: NodeDescription, new: NodeDescription) -> Iterator[Problem]:
    before, after = module_names(old), module_names(new)
    for name, module in old.modules.items():
        if text := _place("module", before.modules[name], after.modules.get(name)):
            yield Problem(name, "", text)
        else:
            yield from _module(module, new.modules[name])
    yield from _properties("", before.properties, after.properties)


def _module(old: ModuleDescription, new: ModuleDescription) -> Iterator[Problem]:
    kinds = [interface_class(m).value or "of no interface class" for m in (old, new)]
    if kinds[0] != kinds[1]:
        yield Problem(old.name, "", _is_not(*kinds))
    before, after = member_names(old), member_names(new)
    places = after.parameters | after.commands
    now: dict[str, Accessible] = {**new.parameters, **new.commands}
    for name, accessible in {**old.parameters, **old.commands}.items():
        place = (before.parameters | before.commands)[name]
        text = _place(_kind(accessible), place, places.get(name))
        if text := text or _accessible(accessible, now[name]):
            yield Problem(old.name, name, text)
    yield from _properties(old.name, before.properties, after.properties)


def _properties(
    module: str, old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[Problem]:
    for name, place in old.items():
        if text := _place("property", place, new.get(name)):
            yield Problem(module, name, text)


def _place(kind: str, old: str, new: str | None) -> str:
    """Return what is to be said if something has not the attribute that it had."""
    if new is None:
        return f"the {kind} is gone"
    return "" if old == new else f"is the attribute {new}, was {old}"


def _kind(accessible: Accessible) -> str:
    is_command = isinstance(accessible, CommandDescription)
    return "command" if is_command else "parameter"


def _accessible(old: Accessible, new: Accessible) -> str:
    before, after = _shape(old), _shape(new)
    if type(old) is not type(new):
        before, after = {"": f"a {_kind(old)}"}, {"": f"a {_kind(new)}"}
    texts = (
        f"{what} {_is_not(before[what], after[what])}".lstrip()
        for what in before
        if before[what] != after[what]
    )
    return "; ".join(texts)


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


def _is_not(old: str, new: str) -> str:
    return f"is {shorten(new, 200)}, was {shorten(old, 200)}"
