"""Modules that move in odd ways; the server finds them next to its configuration."""

from threading import Timer

from frappy.core import BoolType, Command, Parameter
from frappy.params import Limit

from secop_ophyd.demo._modules import Motor


class Limited(Motor):
    """Has limits that can be changed."""

    target_limits = Limit()


class OneSided(Motor):
    """Has an upper limit."""

    target_max = Limit()


class Goer(Motor):
    """Starts to move by `go`."""

    _wanted = 0.0

    def write_target(self, target):
        self._wanted = target
        return target

    @Command()
    def go(self):
        """Start to move."""
        with self.accessLock:
            super().write_target(self._wanted)


class Sloppy(Motor):
    """Is idle after a stop before it tells its new target, if it ever does."""

    tells = Parameter("whether it does", BoolType(), default=True, readonly=False)

    @Command()
    def stop(self):
        """Stop where it is now."""
        with self.accessLock:
            if not self.isBusy():
                return
            self._aim(self._position())
            self._start = self._goal
            self.read_value()
            self.setFastPoll(False)
            self.status = self.Status.IDLE, "stopped"
            if self.tells:
                timer = Timer(0.1, setattr, (self, "target", self._goal))
                timer.daemon = True
                timer.start()
