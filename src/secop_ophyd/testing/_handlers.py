"""What a test can put in place of the node's own doing."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[..., Any]
"""A function or coroutine function; a `SecopError` that it raises is the reply."""


class Handlers:
    """The handlers by request and specifier."""

    def __init__(self):
        self._handlers: dict[tuple[str, str], Handler] = {}

    def put(self, action: str, specifier: str, handler: Handler | None) -> None:
        """Use a handler for a request, None for none.

        :param action: `read`, `change` or `do`.
        :param specifier: `module:accessible`.
        """
        self._handlers.pop((action, specifier), None)
        if handler is not None:
            self._handlers[action, specifier] = handler

    def get(self, action: str, specifier: str) -> Handler | None:
        """Return the handler for a request, or None."""
        return self._handlers.get((action, specifier))


async def call(handler: Handler, *args: Any) -> Any:
    """Return what a handler returns, at once or in the end."""
    result = handler(*args)
    return await result if inspect.isawaitable(result) else result


class Script:
    """What happens to requests before the node sees them.

    Requests are named by how they begin, in whole words: `change` is any change,
    `change m:target` one of that parameter.
    """

    def __init__(self):
        self._delays: dict[str, float] = {}
        self._replies: dict[str, bytes | None] = {}

    def delay(self, prefix: str, seconds: float) -> None:
        """Let such requests wait."""
        self._delays.pop(prefix, None)
        self._delays[prefix] = seconds

    def reply(self, prefix: str, reply: bytes | None) -> None:
        """Answer such requests with these bytes, or not at all."""
        self._replies.pop(prefix, None)
        self._replies[prefix] = reply

    def forget(self, prefix: str) -> None:
        """Undo what was said of such requests."""
        self._delays.pop(prefix, None)
        self._replies.pop(prefix, None)

    def delay_of(self, line: str) -> float:
        """Return how long a request waits, in seconds."""
        found = (self._delays[p] for p in reversed(self._delays) if matches(line, p))
        return next(found, 0.0)

    def replies_to(self, line: str) -> list[bytes | None]:
        """Return the reply in a list, which is empty if the node is to answer."""
        found = (self._replies[p] for p in reversed(self._replies) if matches(line, p))
        return list(found)[:1]


def matches(line: str, prefix: str) -> bool:
    """Tell whether a request begins with these words."""
    return line == prefix or line.startswith(f"{prefix} ")
