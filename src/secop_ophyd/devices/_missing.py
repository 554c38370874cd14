"""What to say when a device has no such attribute."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ophyd_async.core import Device


class Helpful:
    """Mix-in that says what there is when a name is not there."""

    if not TYPE_CHECKING:  # type checkers are to find a wrong name before it runs

        def __getattr__(self, name: str) -> object:
            raise AttributeError(_WhatThereIs(self, name), name=name, obj=self)


class _WhatThereIs:
    """The text of an error, which is made when somebody reads it.

    bluesky asks at each point of a scan what a device can do, and nobody reads that.

    :param device: The device.
    :param name: What it does not have.
    """

    def __init__(self, device: object, name: str):
        self._device = device
        self._name = name

    def __repr__(self) -> str:
        return repr(str(self))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # the device cannot travel to another process

    def __str__(self) -> str:
        text = f"{self._device!r} has no {self._name!r}"
        if self._name.startswith("_") or not isinstance(self._device, Device):
            return text
        # A node has `connected` before it is
        known = [child for child, _ in self._device.children() if child != "connected"]
        close = difflib.get_close_matches(self._name, known, 1)
        if close:
            return f"{text}, did you mean {close[0]!r}?"
        if known:
            return f"{text}; it has {', '.join(known)}"
        return f"{text}; it is not connected"
