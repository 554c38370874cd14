"""A node at a glance: the tree of its modules, parameters and commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from secop_ophyd.client import SecopClient
from secop_ophyd.protocol import (
    CommandDescription,
    EnumInfo,
    ParameterDescription,
    SecopError,
    StatusInfo,
    describe_status,
    shorten,
)

from ._modules import SECoPBaseDevice
from ._node import SECoPNodeDevice

WIDTH = 88


async def format_tree(node: SECoPNodeDevice) -> str:
    """Show a node as a tree: each module with its parameters, values and commands.

    It shows what the node told last, and asks for nothing.

    :param node: A connected node.
    :raises NotConnectedError: If it is not connected.
    """
    client = node.client
    description = client.description.description.partition("\n")[0]
    lines = [f"{node.name}  {node.uri}  {shorten(description, WIDTH)}".rstrip()]
    modules = [
        (attribute, child)
        for attribute, child in node.children()
        if isinstance(child, SECoPBaseDevice)
    ]
    for i, (attribute, module) in enumerate(modules):
        last = i == len(modules) - 1
        about = shorten(module.secop.description.description.partition("\n")[0], WIDTH)
        branch, indent = ("└── ", "    ") if last else ("├── ", "│   ")
        lines.append(f"{branch}{attribute}  {type(module).__name__}  {about}".rstrip())
        accessibles = list(_accessibles(client, module))
        for j, text in enumerate(accessibles):
            twig = "└── " if j == len(accessibles) - 1 else "├── "
            lines.append(f"{indent}{twig}{text}")
    if node.problems:
        lines.append("What is odd about it (.problems):")
        lines.extend(f"  {shorten(str(problem), WIDTH)}" for problem in node.problems)
    return "\n".join(lines)


def _accessibles(client: SecopClient, module: SECoPBaseDevice) -> Iterator[str]:
    secop = module.secop
    for name, parameter in secop.description.parameters.items():
        yield _parameter(client, secop.names.parameters[name], parameter)
    for name, command in secop.description.commands.items():
        yield _command(secop.names.commands[name], command)


def _parameter(
    client: SecopClient, attribute: str, parameter: ParameterDescription
) -> str:
    access = "" if parameter.readonly else "  (settable)"
    try:
        reading = client.parameter(parameter.module, parameter.name).reading
        value = reading.value
    except SecopError as error:
        return f"{attribute}: {shorten(str(error), WIDTH)}{access}"
    info = parameter.datainfo
    if isinstance(info, StatusInfo):
        code, text = value
        shown = f"{describe_status(code)} {text}".rstrip()
    elif isinstance(info, EnumInfo):
        shown = info.text_of(value)
    else:
        shown = str(value)
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{attribute} = {shorten(shown, WIDTH - 20)}{unit}{access}"


def _command(attribute: str, command: CommandDescription) -> str:
    argument = "" if command.argument is None else _type(command.argument.raw)
    result = "" if command.result is None else f" -> {_type(command.result.raw)}"
    return f"{attribute}({argument}){result}"


def _type(raw: Any) -> str:
    if not isinstance(raw, dict):
        return "JSON"
    members: Any = raw.get("members")  # pyright: ignore[reportUnknownMemberType] = raw.get("members")
    if raw.get("type") == "struct" and isinstance(members, dict):
        return "{" + shorten(", ".join(map(str, members)), WIDTH // 2) + "}"
    return str(raw.get("type"))
