"""What can go wrong with a SEC node, as exceptions.

SECoP 1.0/1.1/2.0, section "Error classes". Every class of the specification is an
exception of the same name (two get a suffix, because Python has the name already).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from ._guards import is_list, is_object
from ._text import safe_repr, shorten


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error report as the node sent it: `["Class:Sub", "text", {info}]`.

    :param error_class: The error class, without its subclass.
    :param text: The node's own words.
    :param subclass: What follows the colon of the class, or an empty string.
    :param info: The rest of the report, e.g. `t`, `closest_valid` or a stack.
    """

    error_class: str
    text: str
    subclass: str = ""
    info: dict[str, Any] = field(default_factory=dict[str, Any])


class SecopError(Exception):
    """Base class of all that this package raises about a SEC node.

    The message says where (node, module, parameter) and what; `report` holds the
    node's own report when the error came from the node, and is None when it was
    found on our side, for instance by a check before anything was sent.
    """

    error_class: ClassVar[str] = ""
    retryable: ClassVar[bool] = False
    """True if the same request may succeed later without a change of it."""

    report: ErrorReport | None = None


class NodeError(SecopError):
    """An error report with a class that the specification does not know."""


class ProtocolError(NodeError):
    """A message is malformed or unknown."""

    error_class = "ProtocolError"


class NoSuchModule(NodeError, LookupError):  # noqa: N818 (the name of the standard)
    """The node has no such module."""

    error_class = "NoSuchModule"


class NoSuchParameter(NodeError, LookupError):  # noqa: N818
    """The module has no such parameter."""

    error_class = "NoSuchParameter"


class NoSuchCommand(NodeError, LookupError):  # noqa: N818
    """The module has no such command."""

    error_class = "NoSuchCommand"


class ReadOnly(NodeError):  # noqa: N818
    """The parameter cannot be changed."""

    error_class = "ReadOnly"


class WrongType(NodeError, TypeError):  # noqa: N818
    """A value does not have the type that its datainfo asks for."""

    error_class = "WrongType"


class RangeError(NodeError, ValueError):
    """A value lies outside the limits of its datainfo."""

    error_class = "RangeError"


class BadValue(NodeError, ValueError):  # noqa: N818
    """A value is refused; older nodes send it for WrongType and RangeError."""

    error_class = "BadValue"


class BadJSON(NodeError, ValueError):  # noqa: N818
    """Data is not valid JSON."""

    error_class = "BadJSON"


class NotImplementedByNode(NodeError):  # noqa: N818
    """The node does not implement this (yet); SECoP calls it `NotImplemented`."""

    error_class = "NotImplemented"


class NotCheckable(NodeError):  # noqa: N818
    """The accessible cannot be checked (SECoP 2.0)."""

    error_class = "NotCheckable"


class HardwareError(NodeError):
    """The hardware behind the node does not work."""

    error_class = "HardwareError"


class CommandRunning(NodeError):  # noqa: N818
    """The command is still being executed."""

    error_class = "CommandRunning"
    retryable = True


class CommandFailed(NodeError):  # noqa: N818
    """A command failed; not in the specification, but in use."""

    error_class = "CommandFailed"


class CommunicationFailed(NodeError):  # noqa: N818
    """The node lost the connection to its hardware."""

    error_class = "CommunicationFailed"
    retryable = True


class NodeTimeout(NodeError):  # noqa: N818
    """An action of the node took too long; SECoP calls it `TimeoutError`."""

    error_class = "TimeoutError"
    retryable = True


class IsBusy(NodeError):  # noqa: N818
    """Not possible while the module is busy."""

    error_class = "IsBusy"
    retryable = True


class IsError(NodeError):
    """Not possible while the module is in error."""

    error_class = "IsError"
    retryable = True


class Disabled(NodeError):  # noqa: N818
    """Not possible while the module is disabled."""

    error_class = "Disabled"
    retryable = True


class Impossible(NodeError):  # noqa: N818
    """Not possible at the moment."""

    error_class = "Impossible"
    retryable = True


class ReadFailed(NodeError):  # noqa: N818
    """The parameter cannot be read just now."""

    error_class = "ReadFailed"
    retryable = True


class OutOfRange(NodeError):  # noqa: N818
    """The reading is outside the range of the sensor or its calibration."""

    error_class = "OutOfRange"
    retryable = True


class InternalError(NodeError):
    """Something that should never happen happened in the node."""

    error_class = "InternalError"
    retryable = True


class InvalidMessage(SecopError):  # noqa: N818
    """The node sent something that is no message of the protocol."""


class CannotConnect(SecopError, ConnectionError):  # noqa: N818
    """There is no way to the node: nothing answers, or not in time."""


class NotASecNode(CannotConnect):
    """Something answers at the address, but it is no SEC node."""


class ConnectionLost(SecopError, ConnectionError):  # noqa: N818
    """There is no connection to the node (any more)."""


class RequestTimeout(SecopError):  # noqa: N818
    """The node did not answer a request in time.

    Not a TimeoutError, since ophyd-async replaces the text of each of those.
    """


class NoValueYet(SecopError):  # noqa: N818
    """The node has not told any value of the parameter."""


class DescriptionChanged(SecopError):  # noqa: N818
    """The node describes the accessible differently since it was reconnected."""


def _subclasses(base: type[NodeError]) -> list[type[NodeError]]:
    return [
        sub for child in base.__subclasses__() for sub in (child, *_subclasses(child))
    ]


MAX_TEXT = 1000
"""How much of a node's text an error shows; `report` has all of it."""

ERROR_CLASSES = {cls.error_class: cls for cls in _subclasses(NodeError)}
"""The exception of each error class of the specification."""


def _items(data: Any) -> list[Any]:
    return data if is_list(data) else [data]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else safe_repr(value)


def parse_error_report(data: Any) -> ErrorReport:
    """Read the data of an error message, whatever shape it has.

    :param data: The decoded JSON, `["Class", "text", {info}]` if all is well.
    """
    error_class, text, info, *_ = [*_items(data), None, None, None]
    name, _, subclass = _text(error_class or "InternalError").partition(":")
    return ErrorReport(
        error_class=name,
        text="" if text is None else _text(text),
        subclass=subclass,
        info=info if is_object(info) else {},
    )


def make_error(report: ErrorReport, where: str) -> NodeError:
    """Make the exception of an error report.

    :param report: What the node sent.
    :param where: Node, module and accessible, and what was asked, for the message.
    """
    cls = ERROR_CLASSES.get(report.error_class, NodeError)
    name = ":".join(filter(None, (report.error_class, report.subclass)))
    parts = (shorten(name), shorten(report.text, MAX_TEXT))
    error = cls(": ".join(filter(None, (where, *parts))))
    error.report = report
    return error
