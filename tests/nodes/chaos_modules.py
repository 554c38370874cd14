"""Modules whose values tell what they are; the server finds them next to its cfg."""

import threading
import time

from frappy.core import (
    Command,
    Drivable,
    FloatRange,
    IntRange,
    Parameter,
    Property,
    Readable,
    StringType,
    Writable,
)

LARGE = IntRange(0, 2**60)
EVERY = 0.01  # s


def number(index):
    """Return a number that tells the parameter, larger than all before it.

    That holds after a restart, too, as it counts the time.
    """
    return (time.time_ns() // 1000) * 16 + index


class Pushing:
    """Tells new values all the time."""

    def initModule(self):  # noqa: N802
        super().initModule()
        threading.Thread(target=self._push, daemon=True).start()

    def _push(self):
        while True:
            time.sleep(EVERY)
            with self.accessLock:
                self.read_value()
                self.value = self.read_value()


class Counter(Pushing, Readable):
    """Counts."""

    index = Property("which one it is", IntRange(), default=0)
    value = Parameter("", LARGE, default=0)

    def read_value(self):
        return number(self.index)

    def read_status(self):
        return self.Status.IDLE, ""


class Settable(Pushing, Writable):
    """Counts, also when it is set, whatever it is set to."""

    index = Property("which one it is", IntRange(), default=0)
    value = Parameter("", LARGE, default=0)
    target = Parameter("", LARGE, default=0, readonly=False)

    def read_value(self):
        return number(self.index)

    def read_target(self):
        return number(self.index + 1)

    def read_status(self):
        return self.Status.IDLE, ""

    def write_target(self, target):
        return number(self.index + 1)

    @Command(argument=LARGE, result=LARGE)
    def echo(self, argument):
        """Return the argument."""
        return argument


class Mover(Drivable):
    """Is at its target after a moment."""

    value = Parameter("", LARGE, default=0)
    target = Parameter("", LARGE, default=0, readonly=False)

    def read_status(self):
        return self.status

    def write_target(self, target):
        self.status = self.Status.BUSY, "moving"
        threading.Timer(0.02, self._arrive, [target]).start()
        return target

    def _arrive(self, target):
        with self.accessLock:
            self.value = target
            self.status = self.Status.IDLE, ""

    @Command()
    def stop(self):
        """Stay."""


class Other(Readable):
    """Is described in this way, or as `Changed`."""

    value = Parameter("", LARGE, default=0)
    odd = Parameter("", FloatRange(), default=1)

    def read_status(self):
        return self.Status.IDLE, ""


class Changed(Other):
    """The same with another type."""

    odd = Parameter("", StringType(), default="")
