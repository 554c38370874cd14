# ruff: noqa: F821
# frappy's own simulated cryostat with all its physics, described as in frappy's demo,
# but with numbers that make it quick: 300 to 300.5 K takes about 1.5 s, 1 K takes 3 s.
# At 10 K it is slow whatever the heater does, as the sample takes 10 s to follow.
# `change cryo:_tolerance 100` makes any move end after 0.1 s, at the old temperature
Node(
    "cryo_7.frappy.demo",
    "short description\n\n"
    "This is a very long description providing all the gory details about the stuff "
    "we are describing.",
)

Mod(
    "cryo",
    "frappy_demo.cryo.Cryostat",
    "A simulated cc cryostat with heat-load, specific heat for the sample and a "
    "temperature dependent heat-link between sample and regulation.",
    group="very important/stuff",
    value=Param(unit="K", test="customized value"),
    jitter=0,
    T_start=300.0,
    target=300.0,
    looptime=0.1,
    ramp=6,
    mode="pid",
    maxpower=1000.0,
    heater=5.9,
    p=Param(500, unit="%/K"),
    i=100,
    d=2,
    pid=Group("p", "i", "d"),
    tolerance=0.2,
    window=1,
    timeout=900,
)
