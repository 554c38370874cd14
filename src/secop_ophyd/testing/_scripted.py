"""What a fake node is and does, whether it runs or not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from random import Random
from typing import Any

from secop_ophyd.protocol import ErrorReport, NodeDescription

from ._handlers import Handler, Handlers
from ._model import Clock, Model, ParameterState, Source
from ._moves import Drive, Moves


class ScriptedNode(ABC):
    """The parameters of a node and what it does with requests, without a network.

    :param description: A structure report, or where there is one.
    :param values: Python values by `module:parameter`.
    :param seed: Draws the other values at random; None gives zero, empty, first.
    :param clock: Tells the timestamps; one that returns None is a node without.
    """

    def __init__(
        self,
        description: Source,
        values: Mapping[str, Any],
        seed: int | None,
        clock: Clock,
    ):
        self._random = None if seed is None else Random(seed)
        self._model = Model(clock, self._publish)
        self._model.load(description, values, self._random)
        self._moves = Moves(self._model)
        self._handlers = Handlers()

    @abstractmethod
    def _publish(self, state: ParameterState) -> None:
        """Tell the clients the new state of a parameter."""

    @property
    def description(self) -> NodeDescription:
        """What it describes itself as."""
        return self._model.description

    # Parameters

    def value(self, specifier: str) -> Any:
        """Return the Python value of a parameter.

        :param specifier: `module:parameter`.
        """
        state = self._model.parameter(specifier)
        return state.description.datainfo.from_json(state.value)

    def set(
        self,
        specifier: str,
        value: Any,
        *,
        t: float | None = None,
        e: float | None = None,
    ) -> None:
        """Give a parameter a value, and tell it the clients that are activated.

        :param specifier: `module:parameter`.
        :param value: A Python value that fits the datainfo; see `set_json`.
        :param t: Its timestamp, by default from the clock. A default read keeps it.
        :param e: Its uncertainty.
        """
        self._model.set(specifier, value, t=t, e=e)

    def set_json(
        self,
        specifier: str,
        value: Any,
        qualifiers: Mapping[str, Any] | None = None,
    ) -> None:
        """Give a parameter anything as value: null, out of range, of another type.

        :param specifier: `module:parameter`.
        :param value: What is sent, as JSON.
        :param qualifiers: All that is sent with it, by default the time.
        """
        chosen = self._model.time() if qualifiers is None else dict(qualifiers)
        self._model.set_json(specifier, value, chosen, pinned=qualifiers is not None)

    def set_error(
        self,
        specifier: str,
        error_class: str,
        text: str = "",
        info: Mapping[str, Any] | None = None,
    ) -> None:
        """Give a parameter an error in place of its value, until it is set again.

        :param specifier: `module:parameter`.
        :param error_class: Any error class, e.g. `HardwareError`.
        :param text: The words of the node.
        :param info: The rest of the report, by default the time.
        """
        rest = self._model.time() if info is None else dict(info)
        self._model.set_error(specifier, ErrorReport(error_class, text, info=rest))

    def set_description(
        self, description: Source, values: Mapping[str, Any] | None = None
    ) -> None:
        """Become another node; clients are not told before they ask.

        Parameters keep their values if their datainfo is the same.

        :param description: As for the node itself.
        :param values: Python values by `module:parameter`.
        """
        self._moves.cancel()
        self._model.load(description, values or {}, self._random)

    # Behaviour

    def drive(
        self, module: str, duration: float | None = 0.05, *, busy_late: float = 0.0
    ) -> None:
        """Set how a module moves when its target is changed.

        It tells status BUSY, then `changed`, and after a while the value and IDLE;
        the command `stop` ends it in between. Drivables do this by default, and
        other Writables take the target as value at once. A move that is under way
        ends where it is.

        :param module: A module with value, status and target.
        :param duration: Of a move, in seconds; None: only the target changes, for
            tests that tell the status themselves.
        :param busy_late: Seconds from `changed` to BUSY, against the specification.
        """
        self._moves.drive(module, Drive(duration, busy_late))

    def on_read(self, specifier: str, handler: Handler | None) -> None:
        """Let a function tell what a parameter is when it is read.

        Handlers may be coroutine functions. A `SecopError` that they raise is the
        reply, with its class and text; another exception is an InternalError.

        :param specifier: `module:parameter`.
        :param handler: Called as `handler()`, returns the value, which becomes an
            update and the reply. None: as before.
        """
        self._model.parameter(specifier)
        self._handlers.put("read", specifier, handler)

    def on_change(self, specifier: str, handler: Handler | None) -> None:
        """Let a function do what a change does, moves included.

        :param specifier: `module:parameter`.
        :param handler: Called as `handler(value)` with a valid value, returns what
            becomes of it, or None if it is taken as it is. None: as before.
        """
        self._model.parameter(specifier)
        self._handlers.put("change", specifier, handler)

    def on_command(self, specifier: str, handler: Handler | None) -> None:
        """Let a function execute a command.

        :param specifier: `module:command`.
        :param handler: Called as `handler(argument)`, or `handler()` if the command
            has none, returns the result. None: as before, the plainest result.
        """
        self._model.command(specifier)
        self._handlers.put("do", specifier, handler)
