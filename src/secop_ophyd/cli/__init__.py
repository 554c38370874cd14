"""The command line: `secop-ophyd`, or `python -m secop_ophyd.cli`."""

from ._main import main

__all__ = ["main"]
