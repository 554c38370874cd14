# ruff: noqa: F821
# frappy's own simulated acquisitions, which count about 4 per second, and a camera
Node("measure.frappy.demo", "acquisitions")

Mod(
    "control",
    "frappy_demo.acquisition.Controller",
    "controller",
    channels={"first": "chan1", "second": "chan2"},
    pollinterval=0.1,
)
for name in ("chan1", "chan2"):
    Mod(name, "frappy_demo.acquisition.Channel", name, pollinterval=0.1)
Mod(
    "single",
    "frappy_demo.acquisition.SimpleAcquisition",
    "controller and channel in one",
    pollinterval=0.1,
)
Mod("ng", "frappy_demo.acquisition.NoGoalAcquisition", "takes a second")

Mod(
    "camera",
    "acquisition_modules.Camera",
    "camera with a clock",
    channels={"t": "clock", "image": "image"},
    pollinterval=0.1,
)
Mod("clock", "acquisition_modules.Clock", "time of the exposure")
Mod("image", "acquisition_modules.Image", "what the camera sees")
