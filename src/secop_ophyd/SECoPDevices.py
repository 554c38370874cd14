"""The module path that the user guide imports from."""

from .devices import *  # noqa: F403
from .devices import __all__ as __all__
