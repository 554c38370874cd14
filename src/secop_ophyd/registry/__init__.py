"""The nodes of a beamline: declared in one file, loaded in one line."""

from ._file import DeclarationError
from ._nodes import Nodes, load_nodes

__all__ = [
    "load_nodes",
    "Nodes",
    "DeclarationError",
]
