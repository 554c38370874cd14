"""Lets tests of the programs in this folder import them, as they import each other."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def reserved_ports() -> None:
    """Hold the ports of the process before a test looks for what it leaves behind."""
    from nodes import reserve_ports

    reserve_ports()
