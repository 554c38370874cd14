"""The node's answer to each request, as the specification wants it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from secop_ophyd.protocol import (
    DataInfo,
    ErrorReport,
    InternalError,
    Message,
    NotCheckable,
    OpaqueInfo,
    ProtocolError,
    RangeError,
    ReadOnly,
    SecopError,
    WrongType,
    default_value,
    format_message,
    shorten,
)

from ._handlers import Handlers, call
from ._model import Model, accept, error_message, to_json
from ._moves import Moves

_NO_TOKEN = re.compile(r"[^!-~]")
_LEVELS = ("debug", "info", "error", "off")


class Answers:
    """Answers requests.

    :param model: What the node is.
    :param moves: What modules with a target do.
    :param handlers: What is done in place of that.
    :param identity: The reply to `*IDN?`.
    """

    def __init__(self, model: Model, moves: Moves, handlers: Handlers, identity: str):
        self.identity = identity
        self._model = model
        self._moves = moves
        self._handlers = handlers
        self._actions: dict[
            str, Callable[[Message, set[str]], bytes | Awaitable[bytes]]
        ] = {
            "": self._help,
            "help": self._help,
            "*IDN?": self._identify,
            "describe": self._describe,
            "activate": self._activate,
            "deactivate": self._deactivate,
            "read": self._read,
            "change": self._change,
            "do": self._do,
            "check": self._check,
            "ping": self._ping,
            "logging": self._logging,
        }

    async def answer(self, message: Message, active: set[str]) -> bytes:
        """Return the reply to a request, all its lines.

        :param message: The request.
        :param active: The modules whose updates the client gets; is changed.
        """
        try:
            action = self._actions.get(message.action)
            if action is None:
                raise ProtocolError(f"unknown action {shorten(message.action)!r}")
            reply = action(message, active)
            return reply if isinstance(reply, bytes) else await reply
        except SecopError as error:
            report = error.report or ErrorReport(error.error_class, str(error))
        except Exception as error:  # of a handler
            report = ErrorReport(InternalError.error_class, repr(error))
        action, specifier = (_NO_TOKEN.sub("?", part) for part in message[:2])
        return error_message(f"error_{action}", specifier, report)

    def _help(self, message: Message, active: set[str]) -> bytes:
        requests = ", ".join(filter(None, self._actions))
        return b"".join(
            (
                format_message("_", "1", "Try one of the following:"),
                format_message("_", "2", requests),
                format_message("helping"),
            )
        )

    def _identify(self, message: Message, active: set[str]) -> bytes:
        active.clear()
        return f"{self.identity}\n".encode()

    def _describe(self, message: Message, active: set[str]) -> bytes:
        return format_message("describing", ".", self._model.structure)

    def _activate(self, message: Message, active: set[str]) -> bytes:
        modules = self._modules(message.specifier)
        active |= modules
        updates = (
            state.message("update", "error_update")
            for state in self._model.parameters.values()
            if state.description.module in modules
        )
        return b"".join((*updates, format_message("active", message.specifier)))

    def _deactivate(self, message: Message, active: set[str]) -> bytes:
        active -= self._modules(message.specifier)
        return format_message("inactive", message.specifier)

    def _modules(self, specifier: str) -> set[str]:
        if specifier:
            return {self._model.module(specifier).name}
        return set(self._model.description.modules)

    async def _read(self, message: Message, active: set[str]) -> bytes:
        state = self._model.parameter(message.specifier)
        if handler := self._handlers.get("read", message.specifier):
            self._model.set(message.specifier, await call(handler))
        elif not state.pinned:
            state.qualifiers |= self._model.time()
        return state.message("reply", "error_read")

    async def _change(self, message: Message, active: set[str]) -> bytes:
        specifier = message.specifier
        module, _, name = specifier.partition(":")
        found = self._model.module(module).parameters.get(name)
        if found is not None and found.readonly:
            raise ReadOnly(f"{specifier} is readonly")
        state = self._model.parameter(specifier)
        value = accept(state.description.datainfo, message.value(), state.value)
        if handler := self._handlers.get("change", specifier):
            result = await call(handler, value)
            value = value if result is None else result
        elif name == "target":
            self._moves.begin(module, value)
        self._model.set(specifier, value)
        return state.message("changed", "error_change")

    async def _do(self, message: Message, active: set[str]) -> bytes:
        command = self._model.command(message.specifier)
        args = _arguments(command.argument, message.value())
        result = None if command.result is None else default_value(command.result)
        if handler := self._handlers.get("do", message.specifier):
            result = await call(handler, *args)
        elif command.name == "stop":
            self._moves.stop(command.module)
        if result is not None:
            result = to_json(command.result or OpaqueInfo(), result)
        return format_message("done", command.specifier, [result, self._model.time()])

    def _check(self, message: Message, active: set[str]) -> bytes:
        module, _, name = message.specifier.partition(":")
        data = message.value()
        if name in self._model.module(module).commands:
            found = self._model.command(message.specifier)
            args = _arguments(found.argument, data)
            checked = found.argument and to_json(found.argument, *args)
        else:
            state = self._model.parameter(message.specifier)
            found = state.description
            info = found.datainfo
            checked = to_json(info, accept(info, data, state.value))
        if found.properties.get("checkable") is not True:
            raise NotCheckable(f"{message.specifier} cannot be checked")
        return format_message("checked", message.specifier, [checked, {}])

    def _ping(self, message: Message, active: set[str]) -> bytes:
        return format_message("pong", message.specifier, [None, self._model.time()])

    def _logging(self, message: Message, active: set[str]) -> bytes:
        self._modules(message.specifier)
        level = message.value()
        level = "off" if level is False else level
        if level not in _LEVELS:
            raise RangeError(f"{shorten(repr(level))} is none of {', '.join(_LEVELS)}")
        return format_message("logging", message.specifier, level)


def _arguments(info: DataInfo | None, data: Any) -> tuple[Any, ...]:
    if info is not None:
        return (accept(info, data, info.to_json(default_value(info))),)
    if data is not None:
        raise WrongType("the command has no argument")
    return ()
