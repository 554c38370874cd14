import pytest

from secop_ophyd.protocol import (
    DEFAULT_TIMEOUT,
    MISSING,
    DoubleInfo,
    IntInfo,
    InvalidMessage,
    OpaqueInfo,
    Problem,
    StatusInfo,
    StringInfo,
    parse_description,
)

STATUS = {
    "type": "tuple",
    "members": [{"type": "enum", "members": {"IDLE": 100}}, {"type": "string"}],
}
GOOD = {
    "equipment_id": "cryo.example",
    "description": "a cryostat",
    "firmware": "f",
    "_custom": {"any": [None]},
    "modules": {
        "t1": {
            "description": "temperature",
            "interface_classes": ["TemperatureSensor", "Readable"],
            "group": "cryo:sensors",
            "accessibles": {
                "value": {
                    "description": "the temperature",
                    "datainfo": {"type": "double", "unit": "K"},
                    "readonly": True,
                    "_order": 1,
                },
                "status": {"datainfo": STATUS, "readonly": True},
                "_ramp": {"datainfo": {"type": "double"}, "readonly": False},
                "stop": {
                    "description": "stop it",
                    "datainfo": {
                        "type": "command",
                        "argument": {"type": "int", "min": 0, "max": 1},
                        "result": None,
                    },
                    "readonly": False,
                },
            },
        },
        "t2": {"interface_classes": [], "accessibles": {}},
    },
}


def accessible(**properties):
    properties = {"datainfo": {"type": "double"}, "readonly": True} | properties
    return {k: v for k, v in properties.items() if v is not ...}


def node(**accessibles):
    module = {"interface_classes": [], "accessibles": accessibles}
    return parse_description({"equipment_id": "x", "modules": {"m": module}})


def texts(description):
    return [str(problem) for problem in description.problems]


def test_a_good_description():
    found = parse_description(GOOD)
    assert found.problems == ()
    assert found.raw is GOOD
    assert found.equipment_id == "cryo.example"
    assert found.description == "a cryostat"
    assert found.timeout == DEFAULT_TIMEOUT == 10
    assert list(found.modules) == ["t1", "t2"]
    assert found.properties == {k: v for k, v in GOOD.items() if k != "modules"}

    module = found.modules["t1"]
    assert module.name == "t1"
    assert module.description == "temperature"
    assert module.interface_classes == ("TemperatureSensor", "Readable")
    assert module.properties["group"] == "cryo:sensors"
    assert "accessibles" not in module.properties
    assert list(module.parameters) == ["value", "status", "_ramp"]

    value = module.parameters["value"]
    assert value.specifier == "t1:value"
    assert value.datainfo == DoubleInfo(unit="K")
    assert value.unit == "K"
    assert value.readonly is True
    assert value.constant is MISSING
    assert value.description == "the temperature"
    assert value.properties["_order"] == 1
    assert isinstance(module.parameters["status"].datainfo, StatusInfo)
    assert module.parameters["status"].unit == ""
    assert module.parameters["_ramp"].readonly is False

    stop = module.commands["stop"]
    assert stop.specifier == "t1:stop"
    assert stop.description == "stop it"
    assert stop.argument == IntInfo(min=0, max=1)
    assert stop.result is None
    assert [p.specifier for p in found.parameters()] == [
        "t1:value",
        "t1:status",
        "t1:_ramp",
    ]


def test_a_list_around_it_is_ignored():
    assert parse_description([GOOD]) == parse_description(GOOD)
    assert parse_description([GOOD, "future"]) == parse_description(GOOD)


@pytest.mark.parametrize("raw", [None, [], [[GOOD]], "x", 5, True, [None]])
def test_no_object_at_all(raw):
    with pytest.raises(InvalidMessage, match="the description is no JSON object: "):
        parse_description(raw)


def test_everything_missing():
    found = parse_description({})
    assert texts(found) == ["modules is missing", "equipment_id is missing"]
    assert found.modules == {}
    assert found.equipment_id == found.description == ""

    found = parse_description({"modules": {"m": {}}, "equipment_id": "x"})
    assert texts(found) == [
        "m: accessibles is missing",
        "m: interface_classes is missing",
    ]
    assert found.modules["m"].parameters == found.modules["m"].commands == {}

    found = node(p={})
    assert texts(found) == [
        "m:p: datainfo is not an object: None; it is passed on as JSON",
        "m:p: readonly is missing, taken as true",
    ]
    assert isinstance(found.modules["m"].parameters["p"].datainfo, OpaqueInfo)
    assert found.modules["m"].parameters["p"].readonly is True


ODD = [None, True, 5, 1.5, "x", [], [1], [None]]


@pytest.mark.parametrize("odd", ODD)
def test_odd_modules(odd):
    found = parse_description({"equipment_id": "x", "modules": odd})
    assert texts(found) == ["modules is missing"]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_module_costs_only_itself(odd):
    raw = GOOD | {"modules": {"odd": odd} | GOOD["modules"]}
    found = parse_description(raw)
    assert texts(found) == ["odd in modules is not an object; it is left out"]
    assert found.modules == parse_description(GOOD).modules


@pytest.mark.parametrize("odd", ODD)
def test_odd_accessibles(odd):
    odd_module = {"interface_classes": [], "accessibles": odd}
    found = parse_description(GOOD | {"modules": {"m": odd_module} | GOOD["modules"]})
    assert texts(found) == ["m: accessibles is missing"]
    assert found.modules["t1"] == parse_description(GOOD).modules["t1"]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_accessible_costs_only_itself(odd):
    found = node(odd=odd, good=accessible())
    assert texts(found) == ["m: odd in accessibles is not an object; it is left out"]
    assert list(found.modules["m"].parameters) == ["good"]


@pytest.mark.parametrize("odd", [*ODD, {}, {"type": "x"}, {"type": {}}])
def test_an_odd_datainfo_costs_only_itself(odd):
    found = node(odd=accessible(datainfo=odd), good=accessible())
    [problem] = found.problems
    assert (problem.module, problem.accessible) == ("m", "odd")
    assert problem.text.endswith("; it is passed on as JSON")
    parameters = found.modules["m"].parameters
    assert isinstance(parameters["odd"].datainfo, OpaqueInfo)
    assert parameters["odd"].datainfo.raw == odd
    assert parameters["good"].datainfo == DoubleInfo()


@pytest.mark.parametrize("odd", [..., None, 0, 1, "false", [], {}])
def test_readonly_is_true_unless_it_is_said(odd):
    found = node(p=accessible(readonly=odd))
    assert texts(found) == ["m:p: readonly is missing, taken as true"]
    assert found.modules["m"].parameters["p"].readonly is True


@pytest.mark.parametrize("odd", [None, True, 5, [], {}, ["x"]])
def test_texts_of_other_types_are_no_texts(odd):
    raw = GOOD | {"description": odd, "modules": {}}
    assert parse_description(raw).description == ""
    assert parse_description(raw).properties["description"] == odd
    found = node(p=accessible(description=odd))
    assert found.modules["m"].parameters["p"].description == ""


@pytest.mark.parametrize("odd", [..., None, "", 5, ["x"], {}])
def test_equipment_id(odd):
    raw = {"modules": {}} | ({} if odd is ... else {"equipment_id": odd})
    found = parse_description(raw)
    assert texts(found) == ["equipment_id is missing"]
    assert found.equipment_id == ""


@pytest.mark.parametrize("value", [0.5, 3, 1e6])
def test_timeout(value):
    found = parse_description(GOOD | {"timeout": value})
    assert found.timeout == value
    assert type(found.timeout) is float
    assert found.problems == ()


@pytest.mark.parametrize(
    "odd", [None, 0, -1, "5", True, [], {}, 10**400, float("inf"), float("nan")]
)
def test_odd_timeouts(odd):
    found = parse_description(GOOD | {"timeout": odd})
    assert found.timeout == 10
    [text] = texts(found)
    assert text.startswith("timeout is not a number of seconds: ")


@pytest.mark.parametrize("odd", [..., None, True, 5, "Readable", {"Readable": 1}])
def test_interface_classes(odd):
    module = {"accessibles": {}} | ({} if odd is ... else {"interface_classes": odd})
    found = parse_description({"equipment_id": "x", "modules": {"m": module}})
    assert texts(found) == ["m: interface_classes is missing"]
    assert found.modules["m"].interface_classes == ()


def test_an_odd_interface_class_costs_only_itself():
    module = {"accessibles": {}, "interface_classes": [None, "Readable", 5]}
    found = parse_description({"equipment_id": "x", "modules": {"m": module}})
    assert found.modules["m"].interface_classes == ("Readable",)
    assert texts(found) == [
        "m: interface_classes has what is no text: [None, 5]; it is left out"
    ]


@pytest.mark.parametrize(
    ("datainfo", "constant", "value"),
    [
        ({"type": "double"}, 5, 5.0),
        ({"type": "scaled", "scale": 0.1, "min": 0, "max": 9}, 12, 1.2),
        ({"type": "enum", "members": {"a": 1}}, "a", 1),
        ({"type": "string"}, "", ""),
        ({"type": "bool"}, False, False),
        ({"type": "array", "maxlen": 2, "members": {"type": "double"}}, [1], [1.0]),
    ],
)
def test_constants(datainfo, constant, value):
    found = node(p=accessible(datainfo=datainfo, constant=constant, readonly=False))
    parameter = found.modules["m"].parameters["p"]
    assert parameter.constant == value
    assert type(parameter.constant) is type(value)
    assert parameter.readonly is True
    assert found.problems == ()


def test_null_is_no_constant():
    found = node(p=accessible(constant=None, readonly=False))
    assert found.modules["m"].parameters["p"].constant is MISSING
    assert found.modules["m"].parameters["p"].readonly is False
    assert repr(MISSING) == "MISSING"


@pytest.mark.parametrize("odd", ["x", [], {}, True, 10**400])
def test_an_odd_constant_is_passed_on(odd):
    found = node(p=accessible(constant=odd))
    parameter = found.modules["m"].parameters["p"]
    assert parameter.constant == odd
    assert isinstance(parameter.datainfo, OpaqueInfo)
    assert parameter.datainfo.raw == {"type": "double"}
    [text] = texts(found)
    assert text.startswith("m:p: constant does not fit its datainfo: ")


def test_a_command_is_told_by_its_type_alone():
    found = node(
        c={"datainfo": {"type": "command"}, "readonly": False, "constant": 5},
        stop=accessible(datainfo={"type": "string"}),
    )
    assert list(found.modules["m"].commands) == ["c"]
    assert found.modules["m"].parameters["stop"].datainfo == StringInfo()
    assert found.modules["m"].commands["c"].argument is None
    assert found.modules["m"].commands["c"].description == ""
    assert found.problems == ()


@pytest.mark.parametrize("odd", ["double", [], 5, False, {}])
def test_an_odd_argument_costs_only_itself(odd):
    datainfo = {"type": "command", "argument": odd, "result": {"type": "double"}}
    found = node(c={"datainfo": datainfo}, good=accessible())
    command = found.modules["m"].commands["c"]
    assert isinstance(command.argument, OpaqueInfo)
    assert command.result == DoubleInfo()
    [text] = texts(found)
    assert text.startswith("m:c: argument: ")


def test_odd_names():
    found = node(**{name: accessible() for name in ["class", "a.b", "_x-1"]})
    assert list(found.modules["m"].parameters) == ["class", "a.b", "_x-1"]
    assert found.problems == ()


UNSPEAKABLE = ["", " ", "a b", "ä", "\x1b[31m", "a:b", "a\n", "a\tb", "\ud800"]


@pytest.mark.parametrize("name", UNSPEAKABLE)
def test_what_no_message_can_name_is_left_out(name):
    found = node(**{name: accessible(), "good": accessible()})
    assert list(found.modules["m"].parameters) == ["good"]
    [text] = texts(found)
    assert repr(name) in text and "in accessibles is no name" in text
    modules = {name: GOOD["modules"]["t2"], "t2": GOOD["modules"]["t2"]}
    found = parse_description(GOOD | {"modules": modules})
    assert list(found.modules) == ["t2"]
    [text] = texts(found)
    assert "in modules is no name" in text


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("", "", "x is odd"), "x is odd"),
        (Problem("m", "", "x is odd"), "m: x is odd"),
        (Problem("m", "p", "x is odd"), "m:p: x is odd"),
    ],
)
def test_problems_tell_their_place(problem, text):
    assert str(problem) == text
