"""What the node is at the moment: its description and the state of its parameters.

States are kept as they are transported, so that a node can have any of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from secop_ophyd.protocol import (
    MISSING,
    CommandDescription,
    DataInfo,
    ErrorReport,
    ModuleDescription,
    NodeDescription,
    NoSuchCommand,
    NoSuchModule,
    NoSuchParameter,
    NoValueYet,
    ParameterDescription,
    SecopError,
    StatusInfo,
    StructInfo,
    WrongType,
    decode,
    default_value,
    encode,
    format_message,
    parse_description,
    random_value,
    shorten,
)

Source: TypeAlias = Mapping[str, Any] | NodeDescription | str | PathLike[str]
"""A structure report, or where there is one."""

Clock: TypeAlias = Callable[[], float | None]


def load_structure(source: Source) -> Any:
    """Return the structure report as decoded from JSON.

    :param source: The report itself, a description made from it, or a JSON file.
    :raises ValueError: If there is none.
    """
    if isinstance(source, str | PathLike):
        return json.loads(Path(source).read_bytes())
    raw = source.raw if isinstance(source, NodeDescription) else dict(source)
    if raw is None:
        raise ValueError("the description was not made from a structure report")
    return decode(encode(raw))  # whoever made it may go on changing it


@dataclass(slots=True)
class ParameterState:
    """What the node has to tell about one parameter.

    :param description: The parameter.
    :param value: Its value as JSON.
    :param qualifiers: What is told with the value.
    :param pinned: Whether someone chose the time, so a read does not renew it.
    :param error: What is told in place of the value.
    """

    description: ParameterDescription
    value: Any
    qualifiers: dict[str, Any]
    pinned: bool = False
    error: ErrorReport | None = None

    def message(self, action: str, failed: str) -> bytes:
        """Return the line that tells the state.

        :param action: The action of the message if there is a value.
        :param failed: The action of the message if there is an error.
        """
        specifier = self.description.specifier
        if self.error is not None:
            return error_message(failed, specifier, self.error)
        return format_message(action, specifier, [self.value, self.qualifiers])


def error_message(action: str, specifier: str, error: ErrorReport) -> bytes:
    """Return the line of an error report."""
    name = ":".join(filter(None, (error.error_class, error.subclass)))
    return format_message(action, specifier, [name, error.text, error.info])


@dataclass(slots=True)
class Model:
    """The node without its connections.

    :param clock: Tells the timestamps.
    :param publish: Is told each new state.
    """

    clock: Clock
    publish: Callable[[ParameterState], None]
    description: NodeDescription = field(default_factory=NodeDescription)
    structure: Any = None
    parameters: dict[str, ParameterState] = field(
        default_factory=dict[str, ParameterState]
    )

    def load(
        self, source: Source, values: Mapping[str, Any], random: Random | None
    ) -> None:
        """Take a description; parameters that stay the same keep their state.

        :param source: A structure report, or where there is one.
        :param values: Python values by `module:parameter`.
        :param random: Where the other values are drawn from, None for plain ones.
        """
        self.structure = load_structure(source)
        self.description = parse_description(self.structure)
        before, self.parameters = self.parameters, {}
        for parameter in self.description.parameters():
            if parameter.constant is not MISSING:
                continue
            state = before.get(parameter.specifier)
            if state is None or state.description.datainfo != parameter.datainfo:
                value = parameter.datainfo.to_json(_draw(parameter.datainfo, random))
                state = ParameterState(parameter, value, self.time())
            state.description = parameter
            self.parameters[parameter.specifier] = state
        for specifier, value in values.items():
            state = self.parameter(specifier)
            known = to_json(state.description.datainfo, value)
            self.parameters[specifier] = ParameterState(
                state.description, known, self.time()
            )

    def time(self) -> dict[str, Any]:
        """Return the qualifier that tells the time, if there is a clock."""
        now = self.clock()
        return {} if now is None else {"t": now}

    def module(self, name: str) -> ModuleDescription:
        """Find a module.

        :raises NoSuchModule: If there is none.
        """
        try:
            return self.description.modules[name]
        except KeyError:
            raise NoSuchModule(f"no module {shorten(name)!r}") from None

    def parameter(self, specifier: str) -> ParameterState:
        """Find a parameter that has a state, which constants have not.

        :raises NoSuchModule: If there is no such module.
        :raises NoSuchParameter: If the module has no such parameter.
        """
        module, _, name = specifier.partition(":")
        found = self.module(module).parameters.get(name)
        if found is None:
            raise NoSuchParameter(f"no parameter {shorten(name)!r} in {module}")
        if found.constant is not MISSING:
            raise NoSuchParameter(f"{specifier} is a constant: see the description")
        return self.parameters[specifier]

    def command(self, specifier: str) -> CommandDescription:
        """Find a command.

        :raises NoSuchModule: If there is no such module.
        :raises NoSuchCommand: If the module has no such command.
        """
        module, _, name = specifier.partition(":")
        found = self.module(module).commands.get(name)
        if found is None:
            raise NoSuchCommand(f"no command {shorten(name)!r} in {module}")
        return found

    def set(self, specifier: str, value: Any, **qualifiers: float | None) -> None:
        """Give a parameter a valid Python value and tell it.

        :param qualifiers: Those that are not None go with the value; the clock
            tells the time if they do not.
        """
        state = self.parameter(specifier)
        chosen = {k: v for k, v in qualifiers.items() if v is not None}
        self.set_json(
            specifier,
            to_json(state.description.datainfo, value),
            {**self.time(), **chosen},
            pinned="t" in chosen,
        )

    def set_json(
        self, specifier: str, value: Any, qualifiers: dict[str, Any], *, pinned: bool
    ) -> None:
        """Give a parameter any JSON as value and tell it."""
        state = self.parameter(specifier)
        state.value, state.qualifiers, state.pinned = value, qualifiers, pinned
        state.error = None
        self.publish(state)

    def set_error(self, specifier: str, error: ErrorReport) -> None:
        """Give a parameter an error in place of its value and tell it."""
        state = self.parameter(specifier)
        state.error = error
        self.publish(state)


def _draw(info: DataInfo, random: Random | None) -> Any:
    if isinstance(info, StatusInfo):
        idle = 100, default_value(info.members[1])
        try:
            return info.validate(idle)
        except SecopError:
            return default_value(info)
    return default_value(info) if random is None else random_value(info, random)


def to_json(info: DataInfo, value: Any) -> Any:
    """Return the transported form of a Python value that is checked."""
    return info.to_json(info.validate(value))


def accept(info: DataInfo, data: Any, current: Any) -> Any:
    """Return the Python value of what a client sent, checked as a node should.

    :param info: The data type.
    :param data: The JSON that was sent.
    :param current: JSON with the optional members of structs that may be left out.
    :raises WrongType: If it has another type.
    :raises RangeError: If it lies outside the limits.
    """
    data = _complete(info, data, current)
    try:
        value = info.validate(info.from_json(data))
    except NoValueYet:
        raise WrongType("there is no value") from None
    if info.to_json(value) != data:
        # E.g. the name of an enum member, or a scaled that is no integer
        raise WrongType(f"{shorten(repr(data))} is not the transported form")
    return value


def _complete(info: DataInfo, data: Any, current: Any) -> Any:
    match info, data, current:
        case StructInfo(), {**given}, {**known}:
            members = {
                k: _complete(m, given[k], known.get(k))
                for k, m in info.members.items()
                if k in given
            }
            rest = {k: known[k] for k in info.optional if k in known}
            return {**rest, **given, **members}
        case _:
            return data
