"""Plan stubs for sample environment."""

from .devices import ramp_and_record, wait_for_idle, wait_for_status

__all__ = ["ramp_and_record", "wait_for_idle", "wait_for_status"]
