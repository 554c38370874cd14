"""A simulated SEC node to try things with, and the demo made of it."""

from ._node import SimulatedNode, start_node

__all__ = ["SimulatedNode", "start_node"]
