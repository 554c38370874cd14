"""What is different between two descriptions of a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._datainfo import MAX_DEPTH
from ._description import (
    CommandDescription,
    ModuleDescription,
    NodeDescription,
    ParameterDescription,
    Problem,
)
from ._guards import is_list, is_object
from ._text import safe_repr, shorten, show

MOST_IN_ONE = 5
"""How many differences of one thing are told, to be readable."""


def changes(old: NodeDescription, new: NodeDescription) -> tuple[Problem, ...]:
    """Tell what is different in a new description, in its order.

    All properties count, also texts and custom ones. The order of modules,
    accessibles and members does not.

    :param old: What the node said before.
    :param new: What it says now.
    :return: One for each module, accessible or property of the node, e.g. `tc:value:
        datainfo.max is 300, was 400`. Empty if they say the same.
    """
    found = [
        Problem("", name, text)
        for name, text in _properties(old.properties, new.properties)
    ]
    for name in _all_names(old.modules, new.modules):
        match old.modules.get(name), new.modules.get(name):
            case None, ModuleDescription():
                found.append(Problem(name, "", "the module is new"))
            case ModuleDescription(), None:
                found.append(Problem(name, "", "the module is gone"))
            case ModuleDescription() as before, ModuleDescription() as now:
                found += _module_changes(before, now)
            case _:
                pass
    return tuple(found)


def _module_changes(
    old: ModuleDescription, new: ModuleDescription
) -> Iterator[Problem]:
    for name, text in _properties(old.properties, new.properties):
        yield Problem(new.name, name, text)
    before = _accessibles(old)
    now = _accessibles(new)
    for name in _all_names(before, now):
        if text := _accessible_change(before.get(name), now.get(name)):
            yield Problem(new.name, name, text)


Accessible = ParameterDescription | CommandDescription


def _accessibles(module: ModuleDescription) -> dict[str, Accessible]:
    return {**module.parameters, **module.commands}


def _accessible_change(old: Accessible | None, new: Accessible | None) -> str:
    if new is None:
        return f"the {_kind(old)} is gone"
    if old is None:
        return f"the {_kind(new)} is new"
    if type(old) is not type(new):
        return f"is a {_kind(new)}, was a {_kind(old)}"
    return _join(_differences("", old.properties, new.properties))


def _kind(accessible: Accessible | None) -> str:
    return "command" if isinstance(accessible, CommandDescription) else "parameter"


def _properties(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for name in _all_names(old, new):
        if name not in new:
            yield name, "the property is gone"
        elif name not in old:
            yield name, "the property is new"
        elif text := _join(_differences("", old[name], new[name])):
            yield name, text


def _join(differences: Iterator[str]) -> str:
    texts = list(differences)
    more = len(texts) - MOST_IN_ONE
    if more > 0:
        texts[MOST_IN_ONE:] = [f"and {more} more"]
    return "; ".join(texts)


def _differences(path: str, old: Any, new: Any, depth: int = 0) -> Iterator[str]:
    """Tell where two JSON values differ, as deep as both have the same structure."""
    old_parts, new_parts = _parts(old), _parts(new)
    if not (old_parts and new_parts) or depth > MAX_DEPTH:
        # As text: true is not 1, and NaN is NaN
        if safe_repr(old) != safe_repr(new):
            yield f"{path} is {show(new)}, was {show(old)}".lstrip()
        return
    for name in _all_names(old_parts, new_parts):
        inner = f"{path}.{shorten(name)}" if path else shorten(name)
        if name not in new_parts:
            yield f"{inner} is gone, was {show(old_parts[name])}"
        elif name not in old_parts:
            yield f"{inner} is new: {show(new_parts[name])}"
        else:
            before, now = old_parts[name], new_parts[name]
            yield from _differences(inner, before, now, depth + 1)


def _parts(value: Any) -> dict[str, Any]:
    """Return what can be told one by one, such as the members of a tuple."""
    if is_object(value):
        return value
    if is_list(value) and all(map(is_object, value)):
        return {str(i): item for i, item in enumerate(value)}
    return {}


def _all_names(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [*new, *(name for name in old if name not in new)]
