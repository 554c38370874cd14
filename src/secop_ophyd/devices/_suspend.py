"""Suspends plans while the sample environment is not as it should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bluesky.run_engine import call_in_bluesky_event_loop, in_bluesky_event_loop
from bluesky.suspenders import SuspenderBase
from ophyd_async.core import SignalR

_TIMEOUT = 10.0  # s, to subscribe in an event loop that is busy


class SuspendWhen(SuspenderBase):
    """Suspends plans while a condition is true of the value of a signal.

    ::

        warm = SuspendWhen(node.cryo.value, lambda t: t > 20, resume=lambda t: t < 15)
        RE.install_suspender(warm)

    Bluesky's own suspenders want signals of ophyd's classic kind. Here, also a value
    that is not known suspends: when it is in error, or the connection is lost.

    :param signal: Of a connected device.
    :param condition: Whether to suspend, by its value.
    :param resume: Whether to resume, by its value; None for as soon as the condition
        is not true any more.
    :param options: As for all suspenders of bluesky: `sleep`, `pre_plan`, `post_plan`,
        `tripped_message`.
    """

    def __init__(
        self,
        signal: SignalR[Any],
        condition: Callable[[Any], bool],
        *,
        resume: Callable[[Any], bool] | None = None,
        **options: Any,
    ):
        super().__init__(_Watched(signal), **options)
        self._condition = condition
        self._resume = resume
        self._why = ""

    def _should_suspend(self, value: Any) -> bool:
        is_unknown = isinstance(value, _Unknown)
        suspends = is_unknown or bool(self._condition(value))
        if suspends:
            self._why = f"{self._sig.name} is {value}"
        return suspends

    def _should_resume(self, value: Any) -> bool:
        return self._resume is None or bool(self._resume(value))

    def _get_justification(self) -> str:
        texts = (self._why, self._tripped_message)
        return ": ".join(text for text in texts if text) if self.tripped else ""


class _Unknown:
    """Stands for a value that is not known."""

    def __init__(self, reason: object):
        self._reason = reason

    def __str__(self) -> str:
        return f"not known ({self._reason})"


class _Watched:
    """What suspenders of bluesky expect of a signal, in any thread."""

    def __init__(self, signal: SignalR[Any]):
        self._signal = signal
        self._subscribed: dict[Callable[..., Any], Callable[..., Any]] = {}

    @property
    def name(self) -> str:
        return self._signal.name

    def __repr__(self) -> str:
        return repr(self._signal)

    def subscribe(
        self, function: Callable[[Any], Any], event_type: object, run: bool
    ) -> None:
        def take(readings: Any) -> None:
            for reading in readings.values():
                function(_value(reading))

        self._subscribed[function] = take
        _in_event_loop(self._signal.subscribe_reading, take)

    def clear_sub(self, function: Callable[[Any], Any]) -> None:
        if take := self._subscribed.pop(function, None):
            _in_event_loop(self._signal.clear_sub, take)


def _value(reading: Any) -> Any:
    try:
        return reading["value"]  # raises what is wrong with it
    except Exception as error:
        return _Unknown(error)


def _in_event_loop(function: Callable[..., Any], argument: object) -> None:
    async def call() -> None:
        function(argument)

    if in_bluesky_event_loop():
        function(argument)
    else:
        call_in_bluesky_event_loop(call(), _TIMEOUT)
