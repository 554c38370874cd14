"""What a module is in SECoP, and what its devices ask its node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from secop_ophyd.client import Parameter, Reading, SecopClient
from secop_ophyd.codegen import MemberNames
from secop_ophyd.protocol import (
    CommandDescription,
    DescriptionChanged,
    ModuleDescription,
    NodeDescription,
    show,
)


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """What a module is in SECoP, and what its devices ask its node.

    A node that was away may come back with another description. The devices were
    made for the one that is here, and whatever has changed since is refused: it could
    have another meaning, or be in another unit.

    :param name: Its SECoP name.
    :param attribute: Its attribute of the node.
    :param description: What the node said about it.
    :param names: The attribute of each parameter, command and property.
    :param client: The client of its node.
    :param node: What the node said about itself.
    :param parameters: Its parameters by SECoP name.
    """

    name: str
    attribute: str
    description: ModuleDescription
    names: MemberNames
    client: SecopClient
    node: NodeDescription
    parameters: dict[str, Parameter]

    @classmethod
    def of(
        cls, name: str, attribute: str, names: MemberNames, client: SecopClient
    ) -> ModuleInfo:
        """Return what a module is at present.

        :param name: Its SECoP name.
        :param attribute: Its attribute of the node.
        :param names: The attribute of each parameter, command and property.
        :param client: The client of its node.
        """
        description = client.module(name)
        parameters = {p: client.parameter(name, p) for p in description.parameters}
        node = client.description
        return cls(name, attribute, description, names, client, node, parameters)

    def parameter(self, name: str) -> Parameter:
        """Return a parameter, in whose state it is if it has changed.

        :param name: Its SECoP name.
        """
        return self.parameters[name]

    async def read(self, name: str) -> Reading:
        """Ask the node for the present value of a parameter.

        :param name: Its SECoP name.
        :raises DescriptionChanged: If it is another parameter now.
        :raises SecopError: As `SecopClient.read`.
        """
        self._check_parameter(name)
        return await self.client.read(self.name, name)

    async def change(self, name: str, value: Any) -> Reading:
        """Change a parameter and wait until the node has done it.

        :param name: Its SECoP name.
        :param value: A value of its type.
        :raises DescriptionChanged: If it is another parameter now.
        :raises SecopError: As `SecopClient.change`.
        """
        self._check_parameter(name)
        return await self.client.change(self.name, name, value)

    async def do(
        self, command: str, argument: Any = None, *, timeout: float | None = None
    ) -> Any:
        """Execute a command and return its result.

        :param command: Its SECoP name.
        :param argument: A value of the type of its argument; None if it has none.
        :param timeout: Seconds to wait, None for the default of the node.
        :raises DescriptionChanged: If it is another command now.
        :raises SecopError: As `SecopClient.do`.
        """
        reading = await self.result(command, argument, timeout=timeout)
        return None if reading is None else reading.value

    async def result(
        self, command: str, argument: Any = None, *, timeout: float | None = None
    ) -> Reading | None:
        """Execute a command and return its result with the time of it.

        :param command: Its SECoP name.
        :param argument: A value of the type of its argument; None if it has none.
        :param timeout: Seconds to wait, None for the default of the node.
        :raises DescriptionChanged: If it is another command now.
        :raises SecopError: As `SecopClient.result`.
        """
        self._check_command(self.description.commands[command])
        return await self.client.result(self.name, command, argument, timeout=timeout)

    def _check_parameter(self, name: str) -> None:
        error = self.parameters[name].reading.error
        if isinstance(error, DescriptionChanged):
            raise error.with_traceback(None)

    def _check_command(self, command: CommandDescription) -> None:
        node = self.client.description
        if node is self.node:
            return
        module = node.modules.get(self.name)
        now = None if module is None else module.commands.get(command.name)
        if node.equipment_id != self.node.equipment_id:
            what = f"the node is {show(node.equipment_id)} now"
        elif now is None:
            what = "it is gone"
        elif (now.argument, now.result) != (command.argument, command.result):
            what = "it is described differently"
        else:
            return
        raise DescriptionChanged(
            f"{self.client.address} {command.specifier}: {what} since the node was "
            "reconnected; connect the device again with force_reconnect=True"
        )
