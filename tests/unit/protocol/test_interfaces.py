import pytest

from secop_ophyd.protocol import InterfaceClass, interface_class, parse_description

STATUS = {
    "type": "tuple",
    "members": [{"type": "enum", "members": {"IDLE": 100}}, {"type": "string"}],
}
ACCESSIBLES = {
    "value": {"datainfo": {"type": "double"}, "readonly": True},
    "status": {"datainfo": STATUS, "readonly": True},
    "target": {"datainfo": {"type": "double"}, "readonly": False},
    "go": {"datainfo": {"type": "command"}},
}


def module(classes, accessibles=ACCESSIBLES):
    raw = {"interface_classes": classes, "accessibles": accessibles}
    return parse_description({"modules": {"m": raw}}).modules["m"]


def notes_of(module):
    notes = []
    return interface_class(module, notes.append), notes


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["Drivable"], "DRIVABLE"),
        (["Writable"], "WRITABLE"),
        (["Readable"], "READABLE"),
        (["Communicator"], "COMMUNICATOR"),
        ([], "NONE"),
        (["TemperatureSensor", "Readable"], "READABLE"),
        (["Magnet", "Drivable"], "DRIVABLE"),
        # Not in order, in other case, foreign
        (["Readable", "Drivable"], "DRIVABLE"),
        (["Readable", "Triggerable"], "TRIGGERABLE"),
        (["Readable", "Writable", "Communicator"], "WRITABLE"),
        (["drivable"], "DRIVABLE"),
        (["READABLE"], "READABLE"),
        (["Triggerable"], "TRIGGERABLE"),
        (["Measurable"], "TRIGGERABLE"),
        (["measurable", "Readable"], "TRIGGERABLE"),
        (["AcquisitionController"], "ACQUISITION_CONTROLLER"),
        (["AcquisitionController", "Readable"], "ACQUISITION_CONTROLLER"),
        (["AcquisitionChannel", "Readable"], "ACQUISITION_CHANNEL"),
        (["Readable", "acquisitionchannel"], "ACQUISITION_CHANNEL"),
        (["Acquisition", "Readable"], "ACQUISITION"),
        (["Acquisition"], "ACQUISITION"),
        (["AcquisitionThing"], "NONE"),
        ([""], "NONE"),
        (["None"], "NONE"),
    ],
)
def test_the_most_capable_known_class(classes, expected):
    assert notes_of(module(classes)) == (InterfaceClass[expected], [])


def without(name):
    return {key: value for key, value in ACCESSIBLES.items() if key != name}


READONLY = ACCESSIBLES | {"target": ACCESSIBLES["value"]}
CONSTANT = ACCESSIBLES | {"target": ACCESSIBLES["target"] | {"constant": 5.0}}
COMMAND = ACCESSIBLES | {"target": {"datainfo": {"type": "command"}}}
CUSTOM_GO = without("go") | {"_go": ACCESSIBLES["go"]}
GO_WITH_ARGUMENT = ACCESSIBLES | {
    "go": {"datainfo": {"type": "command", "argument": {"type": "double"}}}
}
BARE = ACCESSIBLES | {"status": {"datainfo": {"type": "string"}, "readonly": True}}


@pytest.mark.parametrize(
    ("claim", "accessibles", "expected", "notes"),
    [
        (
            "Drivable",
            without("target"),
            "READABLE",
            ["is no Drivable: target is missing", "is no Writable: target is missing"],
        ),
        (
            "Drivable",
            READONLY,
            "READABLE",
            [
                "is no Drivable: target is readonly",
                "is no Writable: target is readonly",
            ],
        ),
        ("Writable", CONSTANT, "READABLE", ["is no Writable: target is readonly"]),
        ("Writable", COMMAND, "READABLE", ["is no Writable: target is missing"]),
        ("Readable", without("value"), "NONE", ["is no Readable: value is missing"]),
        ("Readable", without("status"), "NONE", ["is no Readable: status is missing"]),
        (
            "Readable",
            BARE,
            "NONE",
            ["is no Readable: status is not a tuple of code and text"],
        ),
        (
            "Drivable",
            {},
            "NONE",
            [
                "is no Drivable: value is missing",
                "is no Writable: value is missing",
                "is no Readable: value is missing",
            ],
        ),
        ("Communicator", {}, "COMMUNICATOR", []),
        ("Triggerable", CUSTOM_GO, "TRIGGERABLE", []),
        (
            "Triggerable",
            without("go"),
            "READABLE",
            ["is no Triggerable: go is missing"],
        ),
        (
            "Measurable",
            without("go"),
            "READABLE",
            ["is no Triggerable: go is missing"],
        ),
        (
            "Acquisition",
            GO_WITH_ARGUMENT,
            "READABLE",
            ["is no Acquisition: go has an argument"],
        ),
        (
            "Acquisition",
            without("status"),
            "NONE",
            [
                "is no Acquisition: status is missing",
                "is no Readable: status is missing",
            ],
        ),
        (
            "AcquisitionChannel",
            without("value"),
            "NONE",
            [
                "is no AcquisitionChannel: value is missing",
                "is no Readable: value is missing",
            ],
        ),
        ("AcquisitionController", without("value"), "ACQUISITION_CONTROLLER", []),
        (
            "AcquisitionController",
            without("go"),
            "NONE",
            ["is no AcquisitionController: go is missing"],
        ),
    ],
)
def test_a_class_that_is_not_fulfilled_degrades(claim, accessibles, expected, notes):
    assert notes_of(module([claim], accessibles)) == (InterfaceClass[expected], notes)


def test_an_unfulfilled_class_leaves_the_others():
    found, notes = notes_of(module(["Readable", "Communicator"], {}))
    assert found is InterfaceClass.COMMUNICATOR
    assert notes == ["is no Readable: value is missing"]


@pytest.mark.parametrize("other", ["Acquisition", "Triggerable", "Measurable"])
def test_what_moves_is_not_triggered(other):
    found, notes = notes_of(module([other, "Drivable"]))
    name = "Triggerable" if other == "Measurable" else other
    assert found is InterfaceClass.DRIVABLE
    assert notes == [f"is used as Drivable, not as {name}"]


def test_notes_need_no_listener():
    assert interface_class(module(["Drivable"], {})) is InterfaceClass.NONE
