"""Modules of frappy to measure with; the server finds them by its configuration."""

from threading import Timer

from frappy.core import BUSY, IDLE, Drivable, FloatRange, Parameter, nopoll


class Instant(Drivable):
    """Hardware that answers at once, with another value each time."""

    value = Parameter("how often it was read", FloatRange(unit="K"), default=0)
    target = Parameter("target", FloatRange(unit="K"), default=0, readonly=False)
    gain = Parameter("a setting", FloatRange(), default=1, readonly=False)

    _count = 0

    def initialReads(self):  # noqa: N802
        """Read nothing."""

    @nopoll
    def read_value(self):
        """Tell how often it was read."""
        self._count += 1
        return self._count + 0.5

    def write_target(self, target):
        """Be there."""
        self.value = target
        return target


class Mover(Drivable):
    """Is there after 20 ms."""

    value = Parameter("position", FloatRange(unit="mm"), default=0)
    target = Parameter("target", FloatRange(unit="mm"), default=0, readonly=False)

    def initialReads(self):  # noqa: N802
        """Read nothing."""

    @nopoll
    def read_value(self):
        """Tell where it is."""
        return self.value

    @nopoll
    def read_status(self):
        """Tell what it does."""
        return self.status

    def write_target(self, target):
        """Begin to move."""
        self.status = BUSY, "moving"
        timer = Timer(0.02, self._arrive, (target,))
        timer.daemon = True
        timer.start()
        return target

    def _arrive(self, target):
        self.value = target
        self.status = IDLE, ""
