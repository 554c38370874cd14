"""Plan stubs for sample environment."""

from .devices import ramp_and_record

__all__ = ["ramp_and_record"]
