"""The structure report of a node, as typed descriptions.

SECoP 1.0/1.1 "Descriptive data", 2.0 descriptive.rst. Whatever a node sends is
read as far as it makes sense; what does not is listed as a problem.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from ._datainfo import Report, parse_datainfo, parse_status_datainfo
from ._datatypes import DataInfo
from ._errors import InvalidMessage, SecopError
from ._guards import is_list, is_number, is_object
from ._json import fingerprint
from ._names import is_specifier
from ._pieces import Pieces, at_once
from ._scalars import OpaqueInfo
from ._text import shorten, show


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()
"""Stands for a constant that is not there, since null could be one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something odd about a node that was worked around.

    :param module: The module it is about, or empty for the node.
    :param accessible: The parameter, command or property, or empty.
    :param text: What is wrong and what became of it.
    """

    module: str
    accessible: str
    text: str

    def __str__(self) -> str:
        names = (shorten(name) for name in (self.module, self.accessible) if name)
        place = ":".join(names)
        return f"{place}: {self.text}" if place else self.text


@dataclass(frozen=True, slots=True)
class ParameterDescription:
    """What a node says about a parameter.

    :param module: Name of its module.
    :param name: Its own name.
    :param datainfo: Its data type.
    :param readonly: Whether it can be changed.
    :param constant: Its value if it never changes, in the form of `datainfo`,
        otherwise `MISSING`.
    :param properties: All properties as the node sent them.
    """

    module: str
    name: str
    datainfo: DataInfo
    readonly: bool = True
    constant: Any = MISSING
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def specifier(self) -> str:
        """The specifier `module:name`."""
        return f"{self.module}:{self.name}"

    @property
    def description(self) -> str:
        """The text for people."""
        return _text(self.properties, "description")

    @property
    def unit(self) -> str:
        """The unit, empty if there is none."""
        return getattr(self.datainfo, "unit", "")


@dataclass(frozen=True, slots=True)
class CommandDescription:
    """What a node says about a command.

    :param module: Name of its module.
    :param name: Its own name.
    :param argument: Type of the argument, None if there is none.
    :param result: Type of the result, None if there is none.
    :param properties: All properties as the node sent them.
    """

    module: str
    name: str
    argument: DataInfo | None = None
    result: DataInfo | None = None
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def specifier(self) -> str:
        """The specifier `module:name`."""
        return f"{self.module}:{self.name}"

    @property
    def description(self) -> str:
        """The text for people."""
        return _text(self.properties, "description")


@dataclass(frozen=True, slots=True)
class ModuleDescription:
    """What a node says about a module.

    :param name: Its name.
    :param parameters: Its parameters by name.
    :param commands: Its commands by name.
    :param interface_classes: What it claims to be, most specific class first.
    :param properties: All properties as the node sent them, but the accessibles.
    """

    name: str
    parameters: Mapping[str, ParameterDescription] = field(
        default_factory=dict[str, ParameterDescription]
    )
    commands: Mapping[str, CommandDescription] = field(
        default_factory=dict[str, CommandDescription]
    )
    interface_classes: tuple[str, ...] = ()
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def description(self) -> str:
        """The text for people."""
        return _text(self.properties, "description")


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """What a node says about itself.

    :param modules: Its modules by name.
    :param properties: All properties as the node sent them, but the modules.
    :param problems: What is odd about it.
    :param raw: The whole structure report, as decoded from JSON.
    """

    modules: Mapping[str, ModuleDescription] = field(
        default_factory=dict[str, ModuleDescription]
    )
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])
    problems: tuple[Problem, ...] = ()
    raw: Any = field(default=None, compare=False, repr=False)

    @property
    def equipment_id(self) -> str:
        """The worldwide unique name of the node, empty if it has none."""
        return _text(self.properties, "equipment_id")

    @property
    def description(self) -> str:
        """The text for people."""
        return _text(self.properties, "description")

    @property
    def timeout(self) -> float:
        """How long to wait for a reply, in seconds (node property `timeout`)."""
        value = self.properties.get("timeout")
        return float(value) if _is_timeout(value) else DEFAULT_TIMEOUT

    def parameters(self) -> Iterator[ParameterDescription]:
        """Iterate over the parameters of all modules."""
        for module in self.modules.values():
            yield from module.parameters.values()


DEFAULT_TIMEOUT = 10.0
"""The specification's default of the node property `timeout`, in seconds."""


def _is_timeout(value: Any) -> TypeGuard[float]:
    # Compared exactly: an integer may be too large for a float
    return is_number(value) and 0 < value <= sys.float_info.max


def _text(properties: Mapping[str, Any], name: str) -> str:
    value = properties.get(name)
    return value if isinstance(value, str) else ""


def parse_description(raw: Any) -> NodeDescription:
    """Read a structure report.

    :param raw: The decoded JSON of a `describing` message; a list around it is
        ignored (1.0, "Future compatibility").
    :raises InvalidMessage: If it is no JSON object at all.
    """
    return at_once(description_pieces(raw))


def description_pieces(raw: Any) -> Pieces[NodeDescription]:
    """Read a structure report module by module, as `parse_description`.

    :param raw: The decoded JSON of a `describing` message.
    :raises InvalidMessage: If it is no JSON object at all.
    """
    if is_list(raw) and raw:
        raw = raw[0]
    if not is_object(raw):
        raise InvalidMessage(f"the description is no JSON object: {show(raw)}")
    report = raw
    problems: list[Problem] = []

    def note(text: str) -> None:
        problems.append(Problem("", "", text))

    types = _Types()
    modules: dict[str, ModuleDescription] = {}
    children = _objects(report, "modules", note)
    if not isinstance(report.get("equipment_id"), str) or not report["equipment_id"]:
        note("equipment_id is missing")
    if "timeout" in report and not _is_timeout(report["timeout"]):
        note(f"timeout is not a number of seconds: {show(report['timeout'])}")
    for name, data in children:
        modules[name] = _module(name, data, types, problems)
        yield
    return NodeDescription(
        modules=modules,
        properties={k: v for k, v in report.items() if k != "modules"},
        problems=tuple(problems),
        raw=report,
    )


def _objects(
    parent: dict[str, Any], name: str, note: Callable[[str], None]
) -> list[tuple[str, dict[str, Any]]]:
    children = parent.get(name)
    if not is_object(children):
        note(f"{name} is missing")
        return []
    found: list[tuple[str, dict[str, Any]]] = []
    for key, value in children.items():
        if not is_object(value):
            note(f"{shorten(str(key))} in {name} is not an object; it is left out")
        elif not is_specifier(str(key)):
            note(f"{show(key)} in {name} is no name for a message; it is left out")
        else:
            found.append((str(key), value))
    return found


class _Types:
    """Reads each datainfo once: all modules of one kind have the same ones."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, bytes], DataInfo] = {}

    def parse(
        self, parse: Callable[[Any, Report], DataInfo], raw: Any, report: Report
    ) -> DataInfo:
        """Return the data type of a datainfo.

        :param parse: What reads it.
        :param raw: The decoded JSON of the property `datainfo`.
        :param report: Called with the text of each problem.
        """
        mark = fingerprint(raw)
        if mark is not None and (known := self._known.get((parse, mark))):
            return known
        problems: list[str] = []
        found = parse(raw, problems.append)
        for problem in problems:
            report(problem)
        if mark is not None and not problems:  # which are to be told of each
            self._known[parse, mark] = found
        return found


def _module(
    name: str, data: dict[str, Any], types: _Types, problems: list[Problem]
) -> ModuleDescription:
    def note(text: str) -> None:
        problems.append(Problem(name, "", text))

    parameters: dict[str, ParameterDescription] = {}
    commands: dict[str, CommandDescription] = {}
    for key, properties in _objects(data, "accessibles", note):
        datainfo = properties.get("datainfo")
        if is_object(datainfo) and datainfo.get("type") == "command":
            commands[key] = _command(name, key, properties, types, problems)
        else:
            parameters[key] = _parameter(name, key, properties, types, problems)
    classes: Any = data.get("interface_classes")
    if not is_list(classes):
        note("interface_classes is missing")
        classes = []
    if odd := [c for c in classes if not isinstance(c, str)]:
        note(f"interface_classes has what is no text: {show(odd)}; it is left out")
    return ModuleDescription(
        name=name,
        parameters=parameters,
        commands=commands,
        interface_classes=tuple(c for c in classes if isinstance(c, str)),
        properties={k: v for k, v in data.items() if k != "accessibles"},
    )


def _parameter(
    module: str,
    name: str,
    properties: dict[str, Any],
    types: _Types,
    problems: list[Problem],
) -> ParameterDescription:
    def note(text: str) -> None:
        problems.append(Problem(module, name, text))

    parse = parse_status_datainfo if name == "status" else parse_datainfo
    datainfo = types.parse(parse, properties.get("datainfo"), note)
    constant = properties.get("constant", MISSING)
    if constant is None:
        constant = MISSING
    if constant is not MISSING:
        try:
            constant = datainfo.from_json(constant)
        except SecopError as error:
            note(f"constant does not fit its datainfo: {error}; it is passed on as is")
            datainfo = OpaqueInfo(raw=properties.get("datainfo"), reason=str(error))
    readonly = properties.get("readonly")
    if not isinstance(readonly, bool):
        note("readonly is missing, taken as true")
        readonly = True
    return ParameterDescription(
        module=module,
        name=name,
        datainfo=datainfo,
        readonly=readonly or constant is not MISSING,
        constant=constant,
        properties=properties,
    )


def _command(
    module: str,
    name: str,
    properties: dict[str, Any],
    types: _Types,
    problems: list[Problem],
) -> CommandDescription:
    datainfo: dict[str, Any] = properties["datainfo"]

    def part(key: str) -> DataInfo | None:
        raw = datainfo.get(key)
        if raw is None:
            return None

        def note(text: str) -> None:
            problems.append(Problem(module, name, f"{key}: {text}"))

        return types.parse(parse_datainfo, raw, note)

    return CommandDescription(
        module=module,
        name=name,
        argument=part("argument"),
        result=part("result"),
        properties=properties,
    )
