"""Functions that are called when something happens, and cannot do harm by that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Listeners(Generic[T]):
    """Calls functions; one that raises is logged, and the others go on.

    :param log: Where exceptions go.
    :param name: Whose listeners they are, for the log.
    """

    def __init__(self, log: logging.Logger, name: str):
        self._log = log
        self._name = name
        self._functions: dict[object, Callable[[T], None]] = {}

    def add(self, function: Callable[[T], None]) -> Callable[[], None]:
        """Call a function from now on.

        :param function: The function; it must not block.
        :return: A function that ends it.
        """
        key = object()
        self._functions[key] = function

        def end() -> None:
            self._functions.pop(key, None)

        return end

    def tell(self, what: T) -> None:
        """Call all functions.

        :param what: Their argument.
        """
        for key, function in list(self._functions.items()):
            if key not in self._functions:  # another one has ended it
                continue
            try:
                function(what)
            except Exception:
                self._log.exception("%s: a listener failed", self._name)
