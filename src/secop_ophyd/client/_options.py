"""How to deal with a node, and where a connection to it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from secop_ophyd.protocol import MAX_LINE


class ConnectionState(Enum):
    """Where a client stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How to deal with a node.

    :param timeout: Seconds to wait for a reply; None takes the node's own property
        `timeout`, 10 s by default.
    :param window: How many requests may be unanswered at once. Microcontrollers
        and PLCs have small buffers: 1 is for them.
    :param max_silence: Seconds without a sign of life after which a node counts as
        gone, e.g. frozen or behind a pulled cable. It is asked for one, with a ping,
        after half of them. None for twice the time to wait for a reply.
    :param max_line: The longest line to accept, in bytes.
    :param reconnect: Whether to come back by itself after a loss of connection.
    """

    timeout: float | None = None
    window: int = 64
    max_silence: float | None = None
    max_line: int = MAX_LINE
    reconnect: bool = True

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"window must be at least 1, not {self.window}")
        if self.max_silence is not None and not self.max_silence > 0:
            raise ValueError(f"max_silence must be positive, not {self.max_silence}")
        if self.max_line < 1:
            raise ValueError(f"max_line must be at least 1, not {self.max_line}")
