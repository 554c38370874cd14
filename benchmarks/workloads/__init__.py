"""The workloads, one module for each family."""

from importlib import import_module
from pathlib import Path


def load() -> None:
    """Import all families, which add their workloads."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem != "__init__":
            import_module(f"{__name__}.{path.stem}")
