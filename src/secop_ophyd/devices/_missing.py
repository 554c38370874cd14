"""What to say when a device has no such attribute."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ophyd_async.core import Device


class Helpful:
    """Mix-in that says what there is when a name is not there."""

    if not TYPE_CHECKING:  # type checkers are to find a wrong name before it runs

        def __getattr__(self, name: str) -> object:
            raise AttributeError(_what_there_is(self, name), name=name, obj=self)


def _what_there_is(device: object, name: str) -> str:
    text = f"{device!r} has no {name!r}"
    if not name.startswith("_") and isinstance(device, Device):
        # A node has `connected` before it is
        known = [child for child, _ in device.children() if child != "connected"]
        close = difflib.get_close_matches(name, known, 1)
        if close:
            text += f", did you mean {close[0]!r}?"
        elif known:
            text += f"; it has {', '.join(known)}"
        else:
            text += "; it is not connected"
    return text
