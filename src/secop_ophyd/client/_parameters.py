"""The parameters of a node: their states, kept up to date by what the node tells."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from weakref import WeakValueDictionary

from secop_ophyd.protocol import (
    ConnectionLost,
    DescriptionChanged,
    Message,
    NodeAddress,
    NodeDescription,
    ParameterDescription,
    Pieces,
    Problem,
    SecopError,
    at_once,
    changes,
    decode,
    description_pieces,
    shorten,
    show,
)

from ._garbage import no_collection
from ._options import ClientOptions
from ._parameter import Parameter
from ._pieces import in_pieces


class Parameters:
    """What a node is made of, and the state of each of its parameters.

    :param address: Where the node is, for messages.
    :param log: Where oddities, and what the node logs, go.
    :param options: How to deal with the node.
    :param on_listening: Called when a parameter got its first or lost its last
        listener.
    :param on_problem: Called when a parameter goes into an error, or the node is
        described differently.
    """

    def __init__(
        self,
        address: NodeAddress,
        log: logging.Logger,
        options: ClientOptions,
        on_listening: Callable[[], None],
        on_problem: Callable[[Problem], None],
    ):
        self._address = address
        self._log = log
        self._options = options
        self._on_listening = on_listening
        self._on_problem = on_problem
        self._parameters: dict[str, Parameter] = {}
        # The same, by what comes over the wire
        self._by_bytes: dict[bytes, Parameter] = {}
        # What was described differently, by equipment_id and specifier: a node that
        # runs with another configuration for a while is soon back with the right one.
        # Only what somebody has or listens to, or the node could fill the memory
        self._former = WeakValueDictionary[tuple[str, str], Parameter]()
        self._listened_to: list[Parameter] = []
        self._described: bytes | None = None
        self._up_to_date = False  # the description, with the node's own
        self.description = NodeDescription()
        self._timeout = self.description.timeout

    @property
    def timeout(self) -> float:
        """How long to wait for a reply, in seconds."""
        return self._options.timeout or self._timeout

    def get(self, specifier: str) -> Parameter | None:
        """Return a parameter, None if there is none.

        :param specifier: Its `module:name`.
        """
        return self._parameters.get(specifier)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def session_started(self) -> None:
        """Trust no update before the node has described itself anew."""
        self._up_to_date = False

    async def description_received(self, reply: Message) -> None:
        """Take the description of the node.

        What is described as before goes on; what is not has no value any more.

        :param reply: The message `describing`.
        :raises SecopError: If it makes no sense.
        """
        if reply.data != self._described:
            with no_collection():
                await self._describe(reply)
            self._described = reply.data
        self._up_to_date = True

    def expect(self, description: NodeDescription) -> None:
        """Take a saved description until the node describes itself.

        Does nothing if it has done so already.

        :param description: What the node is expected to say.
        """
        if self.description.raw is None:
            self._take(description, at_once(self._made_for(description)))
            self.values_lost(ConnectionLost(f"{self._address}: not connected yet"))

    async def _describe(self, reply: Message) -> None:
        try:
            raw = decode(reply.data, exact=False)
            description = await in_pieces(description_pieces(raw))
        except SecopError as error:
            raise type(error)(f"the description: {error}") from None
        while True:
            before = self.description
            parameters = await in_pieces(self._made_for(description))
            if before is self.description:  # else `expect` has changed it meanwhile
                break
        found = changes(before, description) if before.raw is not None else ()
        self._take(description, parameters, found)
        if not found:
            return
        self._log.warning(
            "%s: the description has changed: %s",
            self._address,
            shorten("; ".join(map(str, found)), 1000),
        )
        for change in found:
            self._on_problem(change)

    def _made_for(self, new: NodeDescription) -> Pieces[dict[str, Parameter]]:
        """Find or make the parameters of a description, and change none of them."""
        is_another, address = self._is_another(new), str(self._address)
        parameters: dict[str, Parameter] = {}
        for module in new.modules.values():
            for description in module.parameters.values():
                specifier = description.specifier
                known = None if is_another else self._parameters.get(specifier)
                if known is None or not _same_data(description, known.description):
                    # The former one if it is described as it was then
                    known = self._former.get((new.equipment_id, specifier))
                if known is None or not _same_data(description, known.description):
                    known = Parameter(
                        address,
                        description,
                        self._log,
                        self._on_listening,
                        self._on_problem,
                    )
                parameters[specifier] = known
            yield
        return parameters

    def _is_another(self, new: NodeDescription) -> bool:
        before = self.description
        return before.raw is not None and before.equipment_id != new.equipment_id

    def _take(
        self,
        description: NodeDescription,
        parameters: dict[str, Parameter],
        found: tuple[Problem, ...] = (),
    ) -> None:
        """Change over to a description, at once: nobody may see half of it."""
        is_another = self._is_another(description)
        texts = {f"{change.module}:{change.accessible}": change for change in found}
        before, self.description = self.description, description
        self._timeout = description.timeout
        gone, self._parameters = self._parameters, parameters
        self._by_bytes = {k.encode(): p for k, p in parameters.items()}
        every = zip(parameters.items(), description.parameters(), strict=True)
        for (specifier, parameter), new in every:
            if gone.get(specifier) is parameter:
                del gone[specifier]
                parameter.description = new
            elif parameter.description is not new:  # a former one
                parameter.begin_anew(new)
        for specifier, parameter in gone.items():
            if is_another:
                what = f"the node is {show(description.equipment_id)} now"
            elif specifier not in parameters:
                what = "it is gone"
            else:
                what = "it is described differently"
                if change := texts.get(specifier):
                    what += f" ({change.text})"
            self._former[before.equipment_id, specifier] = parameter
            parameter.invalidate(
                DescriptionChanged(
                    f"{parameter}: {what} since the node was reconnected; "
                    "connect the device again with force_reconnect=True"
                )
            )
        self._listened_to = [p for p in self._former.values() if p.listeners]

    def values_lost(self, reason: ConnectionLost) -> None:
        """Put all parameters into a state without value.

        :param reason: Why.
        """
        now = time.time()
        for parameter in self:
            parameter.invalidate(reason, now)

    def update_received(self, specifier: bytes, data: bytes, arrived: float) -> bool:
        """Take an update, in the shortest way.

        :param specifier: Of the parameter.
        :param data: The JSON as it came.
        :param arrived: When, in UNIX seconds.
        :return: Whether it was taken; otherwise it is for `message_received`.
        """
        parameter = self._by_bytes.get(specifier)
        if parameter is None or not self._up_to_date:
            return False
        parameter.update(data, arrived)
        return True

    def message_received(self, message: Message) -> None:
        """Take what the node tells about a parameter.

        :param message: Any message of the node.
        """
        if not self._up_to_date:
            return  # an update could be of another type now, and comes again
        match message.action:
            case "update":
                if parameter := self._find(message.specifier):
                    parameter.update(message.data, time.time())
            case "reply" | "changed":
                if parameter := self._find(message.specifier):
                    parameter.answer(message.data)
            case "error_update" | "error_read":
                if parameter := self._find(message.specifier):
                    parameter.update_error(message.data)
            case "log":
                self._log_received(message)
            case _:
                pass  # replies that are nobody's parameter, and custom messages

    def _find(self, specifier: str) -> Parameter | None:
        parameter = self._parameters.get(specifier)
        if parameter is None:
            # Further parts are for a future version of the protocol
            module, _, rest = specifier.partition(":")
            name = rest.partition(":")[0]
            parameter = self._parameters.get(f"{module}:{name}")
            if parameter is None:
                self._log.debug("%s: unknown: %s", self._address, shorten(specifier))
        return parameter

    def _log_received(self, message: Message) -> None:
        module, _, level = message.specifier.partition(":")
        with contextlib.suppress(SecopError):
            number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
            text = shorten(str(message.value()), 2000)
            self._log.log(number, "%s %s: %s", self._address, shorten(module), text)


def _same_data(new: ParameterDescription, old: ParameterDescription) -> bool:
    # Constants as they were sent: arrays cannot be compared
    return (new.datainfo, new.readonly, new.properties.get("constant")) == (
        old.datainfo,
        old.readonly,
        old.properties.get("constant"),
    )
