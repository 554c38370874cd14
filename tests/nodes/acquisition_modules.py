"""A camera with a clock; the server finds it next to its configuration."""

import time

from frappy.core import (
    BUSY,
    IDLE,
    ArrayOf,
    Command,
    FloatRange,
    IntRange,
    Parameter,
    Property,
    StringType,
)
from frappy.modules import AcquisitionChannel, AcquisitionController

ROWS, COLUMNS = 3, 4


class Clock(AcquisitionChannel):
    """Seconds of the exposure; its goal ends it."""

    value = Parameter("exposure", FloatRange(0, unit="s"), default=0)
    goal = Parameter(default=0.2)
    goal_enable = Parameter(default=True)


class Image(AcquisitionChannel):
    """The sum of an image whose pixels count up from the number of the exposure."""

    value = Parameter("sum of all pixels", FloatRange(0, unit="counts"), default=0)
    number = Parameter("number of the exposure", IntRange(0), default=0)

    @Command(
        result=ArrayOf(ArrayOf(IntRange(0, 2**31 - 1), COLUMNS, COLUMNS), ROWS, ROWS)
    )
    def get_data(self):
        """Return the image."""
        return [
            [self.number + row * COLUMNS + column for column in range(COLUMNS)]
            for row in range(ROWS)
        ]


class Camera(AcquisitionController):
    """Exposes for the time that the goal of its clock says."""

    unit = Property("what it counts in", StringType(), default="", export=True)
    _begin = 0.0

    def read_status(self):
        """Tell whether it is exposing, and end that when it is time."""
        if self.status[0] != BUSY:
            return self.status
        clock = self.channels["t"]
        clock.value = time.monotonic() - self._begin
        if clock.goal_enable and clock.value >= clock.goal:
            return self._end("")
        return BUSY, "exposing"

    def _end(self, text):
        image = self.channels["image"]
        image.value = float(sum(sum(row) for row in image.get_data()))
        for channel in self.channels.values():
            channel.status = IDLE, text
        return IDLE, text

    def go(self):
        """Start an exposure."""
        if self.status[0] == BUSY:
            return
        self._begin = time.monotonic()
        self.channels["image"].number += 1
        for channel in self.channels.values():
            channel.status = BUSY, "exposing"
        self.status = BUSY, "exposing"

    def stop(self):
        """End the exposure."""
        if self.status[0] == BUSY:
            self.status = self._end("stopped")
