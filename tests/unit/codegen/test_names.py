import pytest

from secop_ophyd.codegen import (
    class_name,
    enum_members,
    member_names,
    module_class_name,
    module_names,
)
from secop_ophyd.protocol import EnumInfo, ModuleDescription, parse_description


@pytest.mark.parametrize(
    "text, name",
    [
        ("", "Node"),
        ("°", "Node"),
        ("7cryo", "Node_7cryo"),
        ("cryo_7.frappy.demo", "Cryo_7_frappy_demo"),
        ("see_demo_equipment", "See_demo_equipment"),
        ("../x", "X"),
        ("class", "Class"),
        ("x" * 500, "X" + 39 * "x"),
    ],
)
def test_class_name(text, name):
    assert class_name(text, "Node") == name


@pytest.mark.parametrize(
    "implementation, name",
    [
        (None, "Cryo"),
        (3, "Cryo"),
        ("", "Cryo"),
        ("LabVIEW driver v1.0", "Cryo"),
        ("https://example.org/x.Y", "Cryo"),
        ("a.b.", "Cryo"),
        ("a.b.7", "Cryo"),
        ("Cryostat", "Cryostat"),
        ("frappy_demo.cryo.Cryostat", "Cryostat"),
    ],
)
def test_module_class_name(implementation, name):
    module = ModuleDescription("cryo", properties={"implementation": implementation})
    assert module_class_name(module) == name


@pytest.mark.parametrize(
    "values, names",
    [
        (["ramp", "pid", "openloop"], ["RAMP", "PID", "OPENLOOP"]),
        (["a b", "a-b", "A_B"], ["A_B", "A_B_2", "A_B_3"]),
        (["a", "A", "a_2"], ["A", "A_2", "A_2_2"]),
        (["", "°C", "µ", "%"], ["EMPTY", "C", "MICRO_SIGN", "PERCENT_SIGN"]),
        (["+", "-"], ["PLUS_SIGN", "HYPHEN_MINUS"]),
        (["\x00"], ["OTHER"]),
        (["1", "2x"], ["VALUE_1", "VALUE_2X"]),
        (["_x_", "__y__"], ["X", "Y"]),
        (["None", "class"], ["NONE", "CLASS"]),
    ],
)
def test_enum_members(values, names):
    info = EnumInfo(members={v: i for i, v in enumerate(values)})
    assert enum_members(info) == dict(zip(names, values, strict=True))


def test_accessibles_are_named_before_properties():
    double = {"type": "double"}
    node = parse_description(
        {
            "equipment_id": "x",
            "m": 1,
            "modules": {
                "m": {
                    "group": "g",
                    "_x": 1,
                    "name": "n",
                    "accessibles": {
                        "_group": {"datainfo": double},
                        "group": {"datainfo": {"type": "command"}},
                        "stop": {"datainfo": {"type": "command"}},
                        "class": {"datainfo": double},
                    },
                }
            },
        }
    )
    names = member_names(node.modules["m"])
    assert names.parameters == {"_group": "group_2", "class": "class_"}
    assert names.commands == {"group": "group", "stop": "stop_"}
    assert names.properties == {"group": "group_3", "_x": "_x", "name": "name_"}
    assert module_names(node).modules == {"m": "m"}
    assert module_names(node).properties == {"equipment_id": "equipment_id", "m": "m_2"}
