"""The frappy configuration of the demo's node."""

DEMO_CONFIG = '''\
Node(
    "demo.secop-ophyd",
    """Simulated sample environment

A cryostat, and a detector that sees a peak when the cryostat passes 20 K.
Around them are a motor, a switch, a valve, a sensor that can be broken, and
notes on the sample. All of it is quick and free of noise.""",
)

Mod(
    "cryo",
    "secop_ophyd.demo._modules.Cryostat",
    "Cryostat for the sample, 2 to 400 K",
    meaning=("temperature", 20),
)
Mod(
    "detector",
    "secop_ophyd.demo._modules.Detector",
    "Detector with a peak at a cryostat temperature of 20 K",
    temperature="cryo",
)
Mod("motor", "secop_ophyd.demo._modules.Motor", "Motor of the sample stick")
Mod("heater", "secop_ophyd.demo._modules.Switch", "Mains switch of the heater")
Mod("valve", "secop_ophyd.demo._modules.Valve", "Needle valve, open or shut")
Mod("sensor", "secop_ophyd.demo._modules.Sensor", "Second sensor, may be broken")
Mod("notes", "secop_ophyd.demo._modules.Notes", "Notes on the sample")
'''
"""Config text, as frappy reads it from a ``*_cfg.py`` file."""
