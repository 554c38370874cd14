"""Modules of the simulated SEC node, made with frappy.

They keep the order of events that SECoP asks for: a module is BUSY before the
reply to ``change target`` goes out, and its last value is sent before it is IDLE
again. Not all of frappy's own simulations do.

frappy calls ``read_<parameter>`` and ``write_<parameter>`` with the module's
``accessLock`` held, from the poller's and the clients' threads, but not commands:
those that change the state take the lock.
"""

import math
import time

from frappy.core import (
    ArrayOf,
    Attached,
    BoolType,
    Command,
    Drivable,
    EnumType,
    FloatRange,
    IntRange,
    Module,
    Parameter,
    Readable,
    StringType,
    StructOf,
    TupleOf,
    Writable,
)
from frappy.errors import HardwareError, ImpossibleError

FAST_POLL = 0.05
"""Time between two values of a module that is BUSY, in seconds."""

AT_TARGET = "at target"
STOPPED = "stopped"


class Mover(Drivable):
    """Drivable that goes from its value to its target in a straight line."""

    _start = 0.0
    _goal = 0.0
    _since = 0.0
    _moving = "moving"

    def _speed(self):
        """Units of the value per second."""
        raise NotImplementedError

    def _position(self):
        """Where the move is now; exactly the goal once it is over."""
        way = self._goal - self._start
        done = self._speed() * (time.monotonic() - self._since)
        return (
            self._goal if done >= abs(way) else self._start + math.copysign(done, way)
        )

    def _aim(self, goal):
        """Go on from the present position to this goal."""
        self._start, self._since = self._position(), time.monotonic()
        self._goal = goal

    def _halt(self, code, text):
        """End a move where it is, as SECoP wants it: target becomes the value."""
        self._aim(self._position())
        self._start = self._goal
        self.target = self._goal
        self._announce()
        self.setFastPoll(False)
        self.status = code, text

    def _announce(self):
        self.read_value()

    def initModule(self):  # noqa: N802
        super().initModule()
        self._start = self._goal = self.target = self.value

    def read_value(self):
        return self._position()

    def read_status(self):
        if self.isBusy() and self._position() == self._goal:
            self._announce()
            self.setFastPoll(False)
            return self.Status.IDLE, AT_TARGET
        return self.status

    def write_target(self, target):
        self._aim(target)
        if self._start == target:
            self._announce()
            self.setFastPoll(False)
            self.status = self.Status.IDLE, AT_TARGET
        else:
            self.status = self.Status.BUSY, self._moving
            self.setFastPoll(True, FAST_POLL)
        return target

    @Command()
    def stop(self):
        """Stop where it is now."""
        with self.accessLock:
            if self.isBusy():
                self._halt(self.Status.IDLE, STOPPED)


class Cryostat(Mover):
    """Temperature that follows its setpoint without delay."""

    _moving = "ramping"
    _TIME_CONSTANT = 0.1  # s, of mode pid
    _CLOSE_ENOUGH = 0.01  # K, mode pid is at its target from here

    value = Parameter("sample temperature", FloatRange(0, unit="K"), default=10)
    target = Parameter("wanted temperature", FloatRange(2, 400, unit="K"), default=10)
    ramp = Parameter(
        "speed of the setpoint in mode ramp",
        FloatRange(0.1, 1e6, unit="K/min"),
        default=600,
        readonly=False,
    )
    setpoint = Parameter(
        "temperature it regulates to now, on the way to target",
        FloatRange(unit="K"),
        default=10,
    )
    mode = Parameter(
        "way to the target: along a ramp, at once, or none",
        EnumType("mode", ramp=1, pid=2, openloop=3),
        default="ramp",
        readonly=False,
    )
    pid = Parameter(
        "regulation: proportional, integral and differential part",
        TupleOf(FloatRange(0), FloatRange(0, 100), FloatRange(0, 100)),
        default=(40, 10, 2),
        readonly=False,
        group="regulation",
    )

    def _speed(self):
        return self.ramp / 60

    def _position(self):
        if self.mode.name != "pid":
            return super()._position()
        elapsed = time.monotonic() - self._since
        rest = (self._start - self._goal) * math.exp(-elapsed / self._TIME_CONSTANT)
        return self._goal if abs(rest) < self._CLOSE_ENOUGH else self._goal + rest

    def _announce(self):
        self.read_setpoint()
        self.read_value()

    def doPoll(self):  # noqa: N802
        self.read_setpoint()
        super().doPoll()

    def read_setpoint(self):
        return self._goal if self.mode.name == "pid" else self._position()

    def write_ramp(self, ramp):
        self._aim(self._goal)  # the way so far was at the old speed
        return ramp

    def write_mode(self, mode):
        self._aim(self._goal)  # the way so far was in the old mode
        if mode.name == "openloop" and self.isBusy():
            self._halt(self.Status.IDLE, "not regulated")
        return mode

    def write_target(self, target):
        if self.mode.name == "openloop":
            raise ImpossibleError("no target can be reached in mode openloop")
        return super().write_target(target)


class Detector(Readable):
    """Counts that show a gaussian peak over the temperature of another module."""

    temperature = Attached(Readable, description="module whose value makes the peak")
    value = Parameter("counts", FloatRange(0, unit="cts", fmtstr="%.0f"))
    center = Parameter("where the peak is", FloatRange(unit="K"), default=20)
    width = Parameter("sigma of the peak", FloatRange(0.01, unit="K"), default=2)
    height = Parameter("counts in the peak", FloatRange(0, unit="cts"), default=1000)
    background = Parameter("counts far away", FloatRange(0, unit="cts"), default=10)

    def initModule(self):  # noqa: N802
        super().initModule()
        # Clients that only listen shall see the peak too, not one value per poll
        self.temperature.addCallback("value", self._follow)

    def _follow(self, temperature, error=None):
        if error is None:
            self.value = self._counts(temperature)

    def _counts(self, temperature):
        distance = (temperature - self.center) / self.width
        return round(self.background + self.height * math.exp(-(distance**2) / 2))

    def read_value(self):
        return self._counts(self.temperature.read_value())


class Motor(Mover):
    """Motor with a controller that knows commands of every form."""

    value = Parameter("position", FloatRange(unit="mm"), default=0)
    target = Parameter("wanted position", FloatRange(-500, 500, unit="mm"), default=0)
    speed = Parameter(
        "speed of a move",
        FloatRange(0.1, 1e6, unit="mm/s"),
        default=200,
        readonly=False,
    )
    mode = Parameter(
        "mode set by configure", EnumType("mode", auto=1, manual=2), default="auto"
    )
    setpoint = Parameter("setpoint set by configure", FloatRange(unit="mm"), default=0)
    blocked = Parameter(
        "true: a move starts but ends in an error", BoolType(), default=False,
        readonly=False,
    )  # fmt: skip

    def _speed(self):
        return self.speed

    def write_speed(self, speed):
        self._aim(self._goal)  # the way so far was at the old speed
        return speed

    def read_status(self):
        if self.isBusy() and self.blocked:
            self._halt(self.Status.ERROR, "motor blocked")
            return self.status
        return super().read_status()

    @Command()
    def reset(self):
        """Forget an error."""
        with self.accessLock:
            if self.status[0] == self.Status.ERROR:
                self.status = self.Status.IDLE, "reset"

    @Command(StructOf(mode=StringType(), setpoint=FloatRange()), result=FloatRange())
    def configure(self, mode, setpoint):
        """Set mode (auto or manual) and setpoint; returns it rounded to 0.1 mm."""
        if mode not in {"auto", "manual"}:
            raise ImpossibleError(f"mode {mode!r} is neither auto nor manual")
        with self.accessLock:
            self.mode = mode
            self.setpoint = round(setpoint, 1)
            return self.setpoint

    @Command(result=StructOf(model=StringType(), serial=StringType(), axes=IntRange(0)))
    def get_info(self):
        """Tell what the controller is."""
        return {"model": "SIM-1", "serial": "0042", "axes": 1}

    @Command(result=StringType())
    def get_status(self):
        """Tell in one line what the controller does."""
        code, text = self.status
        return f"{code.name}: {text}"

    @Command(FloatRange(-500, 500, unit="mm"))
    def move_to(self, position):
        """Start a move, like a change of target."""
        self.write_target(position)

    @Command()
    def fail(self):
        """Fail, always."""
        raise HardwareError("end switch hit, motor is without power")


class Switch(Drivable):
    """Switch that needs a while to go on or off."""

    value = Parameter("what it is now", EnumType("switch", off=0, on=1), default="off")
    target = Parameter(
        "what it shall be", EnumType("switch", off=0, on=1), default="off"
    )
    delay = Parameter(
        "time to switch", FloatRange(0, 60, unit="s"), default=0.3, readonly=False
    )
    _due = 0.0

    def _is_over(self):
        return self.isBusy() and time.monotonic() >= self._due

    def read_value(self):
        return self.target if self._is_over() else self.value

    def read_status(self):
        if not self._is_over():
            return self.status
        self.read_value()
        self.setFastPoll(False)
        return self.Status.IDLE, AT_TARGET

    def write_target(self, target):
        self._due = time.monotonic() + self.delay
        self.status = self.Status.BUSY, f"switching {target.name}"
        self.setFastPoll(True, FAST_POLL)
        return target

    @Command()
    def stop(self):
        """Leave it as it is now."""
        with self.accessLock:
            if self.isBusy():
                self.target = self.value
                self.setFastPoll(False)
                self.status = self.Status.IDLE, STOPPED


class Valve(Writable):
    """Valve that is at its target at once."""

    value = Parameter("true if open", BoolType(), default=False)
    target = Parameter("true to open it", BoolType(), default=False)

    def write_target(self, target):
        self.value = target
        return target


class Sensor(Readable):
    """Sensor that can be broken by a parameter."""

    value = Parameter("temperature", FloatRange(0, unit="K"))
    broken = Parameter("true if broken", BoolType(), default=False, readonly=False)

    def read_value(self):
        if self.broken:
            raise HardwareError("sensor broken wire")
        return 4.2

    def read_status(self):
        if self.broken:
            return self.Status.ERROR, "sensor broken wire"
        return self.Status.IDLE, ""

    def write_broken(self, broken):
        self.broken = broken
        try:
            self.read_value()
        except HardwareError:
            pass  # the clients got it as an error_update
        self.read_status()
        return broken


class Notes(Module):
    """Parameters without a main value: no interface class."""

    label = Parameter("name of the sample", StringType(), default="", readonly=False)
    serial = Parameter("serial number of the holder", StringType(), default="H-7")
    limits = Parameter(
        "range the sample survives",
        StructOf(low=FloatRange(0, unit="K"), high=FloatRange(0, unit="K")),
        default={"low": 2, "high": 400},
        readonly=False,
    )
    curve = Parameter(
        "calibration, resistance at equidistant temperatures",
        ArrayOf(FloatRange(unit="Ohm"), 0, 100),
        default=[100.0, 50.0, 25.0, 12.5],
        readonly=False,
    )
