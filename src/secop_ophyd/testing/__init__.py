"""A SEC node to test against: it does what a node should, and what it should not."""

from ._faults import Direction
from ._handlers import Handler
from ._node import FakeNode
from ._proxy import ChaosProxy

__all__ = [
    "FakeNode",
    "Handler",
    # What happens between a client and a node
    "ChaosProxy",
    "Direction",
]
