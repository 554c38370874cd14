"""A SEC node to test against: it does what a node should, and what it should not."""

from ._handlers import Handler
from ._node import FakeNode

__all__ = [
    "FakeNode",
    "Handler",
]
