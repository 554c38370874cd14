"""SECoP sample environment as ophyd-async devices."""
