# ruff: noqa: F821
# frappy's generic simulations. SimDrivable answers `change target` while it is still
# IDLE, and goes BUSY up to `interval` later: against the protocol, but not rare
Node("sim.frappy", "generic simulations of frappy")

Mod(
    "drive",
    "frappy.simulation.SimDrivable",
    "is BUSY too late",
    extra_params="speed",
    value=Param(default=10, unit="K"),
    target=10,
    speed=20,
    interval=0.2,
)
Mod(
    "sensor",
    "frappy.simulation.SimReadable",
    "has noise",
    extra_params="jitter",
    value=Param(default=1, unit="V"),
    jitter=0.1,
)
Mod("output", "frappy.simulation.SimWritable", "is at its target at once")
