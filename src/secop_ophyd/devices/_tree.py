"""A node or a module at a glance: its parameters and commands, as a tree.

All texts come from the node and are not trusted: they are shown as they are, with
neither control characters nor markup being obeyed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import StringIO
from itertools import islice
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from secop_ophyd.client import SecopClient
from secop_ophyd.protocol import (
    ArrayInfo,
    BlobInfo,
    CommandDescription,
    ConnectionLost,
    DataInfo,
    EnumInfo,
    MatrixInfo,
    NodeError,
    NoValueYet,
    NumberInfo,
    OpaqueInfo,
    ParameterDescription,
    Problem,
    SecopError,
    StatusGroup,
    StatusInfo,
    StructInfo,
    TupleInfo,
    describe_status,
    shorten,
    show,
)

from ._module_info import ModuleInfo

VALUE, WORDS, TYPE = 64, 160, 60
"""How many characters of values, texts and types are shown."""
ITEMS = 6
"""How many items of arrays are shown."""
MAX_PRECISION = 20
PLAIN_WIDTH = 500  # rows are shorter, so that none is wrapped

_STATUS_STYLES = {
    StatusGroup.IDLE: "green",
    StatusGroup.WARN: "yellow",
    StatusGroup.BUSY: "yellow",
    StatusGroup.ERROR: "red",
}


class DeviceTree(Tree):
    """A tree for rich, IPython and Jupyter; as `str` without colours, e.g. for logs."""

    def __str__(self) -> str:
        console = Console(
            file=StringIO(),
            width=PLAIN_WIDTH,
            color_system=None,
            force_terminal=False,
            force_jupyter=False,
        )
        with console.capture() as capture:
            console.print(self)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    __repr__ = __str__


def node_tree(
    name: str,
    kind: str,
    uri: str,
    client: SecopClient | None,
    modules: Iterable[tuple[str, ModuleInfo, bool]],
    problems: Iterable[Problem],
) -> DeviceTree:
    """Make the tree of a node of what it told last; nothing is asked for.

    :param name: Name of the device.
    :param kind: Name of its class.
    :param uri: Address of the node.
    :param client: Its client, None if there is none.
    :param modules: The name of the class of each module, what it is, and whether it
        is only looked at.
    :param problems: What is odd about it.
    """
    description = "" if client is None else client.description.description
    connected = client is not None and client.connected
    tree = _tree(_title(name, kind, uri, connected, description))
    modules = tuple(modules)
    for kind_of_module, info, read_only in modules:
        title = _title(info.attribute, kind_of_module, "", True, _about(info))
        _add_accessibles(tree.add(title), info, read_only)
    if not modules and client is None:
        tree.add(_unknown())
    _add_problems(tree, problems)
    return tree


def module_tree(
    name: str,
    kind: str,
    info: ModuleInfo | None,
    read_only: bool,
    problems: Iterable[Problem],
) -> DeviceTree:
    """Make the tree of a module of what its node told last; nothing is asked for.

    :param name: Name of the device.
    :param kind: Name of its class.
    :param info: What it is, None if that is not known.
    :param read_only: Whether it is only looked at.
    :param problems: What is odd about its node; only its own are shown.
    """
    if info is None:
        tree = _tree(_title(name, kind, "", False, ""))
        tree.add(_unknown())
        return tree
    uri = f"secop://{info.client.address}/{shorten(info.name)}"
    tree = _tree(_title(name, kind, uri, info.client.connected, _about(info)))
    _add_accessibles(tree, info, read_only)
    _add_problems(tree, (p for p in problems if p.module == info.name))
    return tree


def _tree(title: Text) -> DeviceTree:
    return DeviceTree(title, guide_style="dim")


def _about(info: ModuleInfo) -> str:
    return info.description.description


def _unknown() -> Text:
    return Text(
        "what is in it is known when it is connected to its node: make the device "
        "in `with init_devices():`, or await its connect()",
        "dim",
    )


def _words(text: str, limit: int = WORDS) -> str:
    return shorten(text, limit)


def _title(name: str, kind: str, uri: str, connected: bool, description: str) -> Text:
    parts = [
        Text(_words(name), "bold"),
        Text(kind, "dim"),
        Text(_words(uri), "dim"),
        Text("" if connected else "not connected", "red"),
        Text(_words(description.partition("\n")[0])),
    ]
    return Text("  ").join(part for part in parts if part)


def _add_problems(tree: Tree, problems: Iterable[Problem]) -> None:
    if texts := [Text(_words(str(problem))) for problem in problems]:
        branch = tree.add(Text("what is odd about it (.problems)", "yellow"))
        for text in texts:
            branch.add(text)


def _add_accessibles(tree: Tree, info: ModuleInfo, read_only: bool) -> None:
    names, client = info.names, info.client
    for name, parameter in info.description.parameters.items():
        attribute = shorten(names.parameters[name])

        def row(p: ParameterDescription = parameter, a: str = attribute) -> Text:
            return _parameter(client, a, p, read_only)

        tree.add(_guarded(attribute, row))
    for name, command in info.description.commands.items():
        attribute = shorten(names.commands[name])

        def call(c: CommandDescription = command, a: str = attribute) -> Text:
            return _command(a, c)

        tree.add(_guarded(attribute, call))


def _guarded(attribute: str, row: Callable[[], Text]) -> Text:
    try:
        return row()
    except Exception as error:  # one odd accessible must not cost the tree
        return Text(f"{attribute}: cannot be shown ({type(error).__name__})", "red")


def _parameter(
    client: SecopClient,
    attribute: str,
    parameter: ParameterDescription,
    read_only: bool,
) -> Text:
    row = Text(f"{attribute} = ")
    row.append(_reading(client, parameter))
    if not (parameter.readonly or read_only):
        row.append("  settable", "cyan")
    return row.append(f"  {_words(_type(parameter.datainfo), TYPE)}", "dim")


def _reading(client: SecopClient, parameter: ParameterDescription) -> Text:
    try:
        value = client.parameter(parameter.module, parameter.name).peek().value
    except (ConnectionLost, NoValueYet) as error:
        lost = isinstance(error, ConnectionLost)
        return Text("unknown, not connected" if lost else "no value yet", "dim")
    except SecopError as error:
        # Where it is from is what the tree tells
        place = f"{client.address} {parameter.specifier}: "
        text = str(error).removeprefix(place)
        if not isinstance(error, NodeError):
            text = f"{type(error).__name__}: {text}"
        return Text(_words(text), "red")
    if isinstance(parameter.datainfo, StatusInfo):
        return _status(*value[:2])
    unit = f" {_words(parameter.unit, VALUE)}" if parameter.unit else ""
    return Text(_words(_value(parameter.datainfo, value), VALUE) + unit)


def _status(code: int, text: str) -> Text:
    style = "red" if code >= StatusGroup.ERROR * 100 else "dim"
    for group, its_style in _STATUS_STYLES.items():
        if code // 100 == group:
            style = its_style
    return Text(f"{describe_status(code)} {_words(text)}".rstrip(), style)


def _value(info: DataInfo, value: Any) -> str:
    match info:
        case EnumInfo():
            return info.text_of(value)
        case NumberInfo() if (info.precision or MAX_PRECISION) < MAX_PRECISION:
            return info.fmtstr % value
        case BlobInfo():
            return f"{len(value)} bytes"
        case MatrixInfo():
            return f"{' x '.join(map(str, value.shape))} {value.dtype}"
        case ArrayInfo():
            items = [_value(info.members, item) for item in value[:ITEMS]]
            if len(value) > ITEMS:
                items.append(f"... {len(value)} items")
            return f"[{', '.join(items)}]"
        case TupleInfo():
            pairs = zip(info.members, value, strict=True)
            return f"({', '.join(_value(m, v) for m, v in islice(pairs, VALUE))})"
        case StructInfo():
            parts = islice(value.items(), VALUE)
            texts = (f"{name}: {_value(info.members[name], v)}" for name, v in parts)
            return f"{{{', '.join(texts)}}}"
        case _:
            # Texts are in quotes, to be told from numbers
            return show(value[: VALUE + 1] if isinstance(value, str) else value, VALUE)


def _command(attribute: str, command: CommandDescription) -> Text:
    row = Text(f"{attribute}(")
    if command.argument is not None:
        row.append(_words(_type(command.argument), TYPE), "dim")
    row.append(")")
    if command.result is not None:
        row.append(f" -> {_words(_type(command.result), TYPE)}", "dim")
    return row


def _type(info: DataInfo) -> str:
    """Return a type in few words, with what a value may be."""
    name = type(info).__name__.removesuffix("Info").lower()
    match info:
        case OpaqueInfo():
            return "JSON"
        case NumberInfo():
            return name + _limits(info)
        case EnumInfo():
            return " | ".join(islice(info.members, TYPE))
        case ArrayInfo():
            return f"array of {_type(info.members)}"
        case MatrixInfo():
            return f"{name} of {info.elementtype}"
        case StatusInfo():
            return name
        case TupleInfo():
            return f"({', '.join(_type(m) for m in islice(info.members, TYPE))})"
        case StructInfo():
            members = islice(info.members.items(), TYPE)
            return f"{{{', '.join(f'{k}: {_type(m)}' for k, m in members)}}}"
        case _:
            return name


def _limits(info: NumberInfo) -> str:
    low, high = (_limit(limit) for limit in (info.min, info.max))
    if low and high:
        return f" {low} to {high}"
    return f" from {low}" if low else f" to {high}" if high else ""


def _limit(limit: float | None) -> str:
    if limit is None:
        return ""
    # Of any size, if it is that of an integer
    return f"{limit:.10g}" if isinstance(limit, float) else show(limit, TYPE // 2)
