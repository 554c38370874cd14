"""How to deal with a node and its modules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from secop_ophyd.client import SavedDescription
from secop_ophyd.protocol import MAX_LINE


class StopPolicy(Enum):
    """When a module that is busy is stopped without anybody asking for it.

    Who calls `stop` of a module, by hand or in a plan, stops it in any case.
    """

    ON_INTERRUPTION = "on interruption"
    """When a plan fails, is aborted or pauses, and when a move takes too long. At
    the end of a plan that went well, and during a suspension, it goes on."""

    NEVER = "never"
    """Whatever happens: it is left to its node and the user."""

    ALWAYS = "always"
    """At a suspension and at each end of a plan that has moved it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleOptions:
    """How to deal with a module.

    :param move_timeout: Seconds that a move may take unless the call says
        something else; None is for ever.
    :param grace: Seconds that a module may take to become busy when a move has been
        accepted; the specification says that it is busy at once, some are not.
    :param tolerate_retarget: Whether a move goes on when somebody else changes the
        target, or stops the module; without it, the move fails.
    :param stop: When it is stopped without anybody asking for it.
    :param error_columns: Parameters, by SECoP name, whose uncertainty (the qualifier
        `e`) is recorded in a data key `<parameter>-error`; NaN if the node tells none.
    :param errors_as_nan: Whether a float in error reads as NaN, so that a run goes
        on; without it, the read fails with the node's own words.
    """

    move_timeout: float | None = None
    grace: float = 0.5
    tolerate_retarget: bool = False
    stop: StopPolicy = StopPolicy.ON_INTERRUPTION
    errors_as_nan: bool = False
    error_columns: Collection[str] = ()

    def __post_init__(self) -> None:
        if isinstance(self.error_columns, str):
            raise TypeError(f"error_columns are several: [{self.error_columns!r}]")
        if not self.grace >= 0:
            raise ValueError(f"grace must be at least 0, not {self.grace:g}")
        _check_seconds("move_timeout", self.move_timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """How to deal with a node.

    :param read_only: Whether to refuse everything that changes something on the
        node: it is only looked at, for instance while others measure.
    :param timeout: Seconds to wait for a reply; None takes the node's own property
        `timeout`, 10 s by default.
    :param window: How many requests may be unanswered at once; 1 for small nodes.
    :param max_silence: Seconds without a sign of life after which the node counts as
        gone, e.g. frozen or behind a pulled cable; None for twice the time to wait
        for a reply.
    :param max_line: The longest line to accept from the node, in bytes: more ends the
        connection.
    :param description: What the node is expected to say about itself: the path of a
        file that `secop-ophyd describe --json` wrote, or what is in it. With it, the
        devices are there while the node is not: reading them raises until it comes
        up. In mock mode, they have the types and limits of this description.
    :param trigger: Whether triggering the node reads the value of all modules from
        the hardware; without it, their last updates count.
    :param modules: Options of modules, by SECoP name.
    """

    read_only: bool = False
    timeout: float | None = None
    window: int = 64
    max_silence: float | None = None
    max_line: int = MAX_LINE
    description: SavedDescription | None = None
    trigger: bool = True
    modules: Mapping[str, ModuleOptions] = field(
        default_factory=dict[str, ModuleOptions]
    )

    def __post_init__(self) -> None:
        _check_seconds("timeout", self.timeout)
        _check_seconds("max_silence", self.max_silence)
        if self.window < 1:
            raise ValueError(f"window must be at least 1, not {self.window}")
        if self.max_line < 1:
            raise ValueError(f"max_line must be at least 1, not {self.max_line}")

    def module(self, name: str) -> ModuleOptions:
        """Return the options of a module.

        :param name: Its SECoP name.
        """
        return self.modules.get(name, _DEFAULT)


def _check_seconds(name: str, seconds: float | None) -> None:
    if seconds is not None and not seconds > 0:
        raise ValueError(f"{name} must be above 0, not {seconds:g}")


_DEFAULT = ModuleOptions()
