"""Suspenders for sample environment."""

from .devices import SuspendWhen

__all__ = ["SuspendWhen"]
