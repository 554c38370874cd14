"""What is different between two descriptions is told precisely."""

import copy
import math

import pytest

from secop_ophyd.protocol import changes, parse_description

DOUBLE = {"type": "double", "min": 0, "max": 400, "unit": "K"}
WHOLE = {"type": "int", "min": 0, "max": 9}


def parameter(datainfo=DOUBLE, **more):
    return {"description": "p", "datainfo": {**datainfo}, "readonly": True, **more}


def report():
    return {
        "equipment_id": "node",
        "description": "a node",
        "modules": {
            "tc": {
                "description": "m",
                "interface_classes": ["Readable"],
                "accessibles": {
                    "value": parameter(),
                    "mode": parameter({"type": "enum", "members": {"a": 0, "b": 1}}),
                    "pair": parameter({"type": "tuple", "members": [DOUBLE, WHOLE]}),
                    "reset": {"description": "c", "datainfo": {"type": "command"}},
                },
            },
            "other": {
                "description": "m",
                "interface_classes": ["Readable"],
                "accessibles": {"value": parameter()},
            },
        },
    }


def texts(edit, old=None):
    """Return what is told when a description is edited."""
    old = report() if old is None else old
    new = copy.deepcopy(old)
    edit(new)
    return [str(c) for c in changes(parse_description(old), parse_description(new))]


def value(report):
    return report["modules"]["tc"]["accessibles"]["value"]


def test_nothing_is_different():
    assert texts(lambda new: None) == []


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            lambda new: value(new)["datainfo"].update(max=300),
            ["tc:value: datainfo.max is 300, was 400"],
        ),
        (
            lambda new: value(new)["datainfo"].pop("unit"),
            ["tc:value: datainfo.unit is gone, was 'K'"],
        ),
        (
            lambda new: value(new)["datainfo"].update(fmtstr="%.2f"),
            ["tc:value: datainfo.fmtstr is new: '%.2f'"],
        ),
        (
            lambda new: value(new).update(readonly=False, description="q"),
            ["tc:value: description is 'q', was 'p'; readonly is False, was True"],
        ),
        (
            lambda new: new["modules"]["tc"]["accessibles"]["mode"]["datainfo"][
                "members"
            ].update(b=2, c=1),
            [
                "tc:mode: datainfo.members.b is 2, was 1; datainfo.members.c is new: 1",
            ],
        ),
        (
            lambda new: new["modules"]["tc"]["accessibles"]["pair"]["datainfo"][
                "members"
            ][1].update(max=3),
            ["tc:pair: datainfo.members.1.max is 3, was 9"],
        ),
        (
            lambda new: new["modules"]["tc"]["accessibles"].pop("value"),
            ["tc:value: the parameter is gone"],
        ),
        (
            lambda new: new["modules"]["tc"]["accessibles"].pop("reset"),
            ["tc:reset: the command is gone"],
        ),
        (
            lambda new: new["modules"]["tc"]["accessibles"].update(ramp=parameter()),
            ["tc:ramp: the parameter is new"],
        ),
        (
            lambda new: new["modules"]["tc"]["accessibles"].update(reset=parameter()),
            ["tc:reset: is a parameter, was a command"],
        ),
        (lambda new: new["modules"].pop("other"), ["other: the module is gone"]),
        (
            lambda new: new["modules"].update(third=new["modules"]["other"]),
            ["third: the module is new"],
        ),
        (
            lambda new: new["modules"]["tc"].update(interface_classes=["Drivable"]),
            ["tc:interface_classes: is ['Drivable'], was ['Readable']"],
        ),
        (
            lambda new: new.update(equipment_id="another", firmware="2"),
            ["equipment_id: is 'another', was 'node'", "firmware: the property is new"],
        ),
        (lambda new: new.pop("description"), ["description: the property is gone"]),
    ],
)
def test_one_thing(edit, expected):
    assert texts(edit) == expected


def test_the_order_does_not_count():
    def turn(new):
        new["modules"] = dict(reversed(new["modules"].items()))
        for module in new["modules"].values():
            module["accessibles"] = dict(reversed(module["accessibles"].items()))
        value(new)["datainfo"] = dict(reversed(DOUBLE.items()))

    assert texts(turn) == []


def test_what_is_not_a_number_is_not_different_from_itself():
    old = report()
    value(old)["_odd"] = math.nan
    assert texts(lambda new: None, old) == []


def test_true_is_not_one():
    old = report()
    value(old)["_flag"] = 1
    assert texts(lambda new: value(new).update(_flag=True), old) == [
        "tc:value: _flag is True, was 1"
    ]


def test_many_differences_stay_readable():
    members = {str(n): n for n in range(100)}
    old = report()
    value(old)["datainfo"] = {"type": "enum", "members": members}

    def shift(new):
        value(new)["datainfo"]["members"] = {k: v + 1 for k, v in members.items()}

    (text,) = texts(shift, old)
    assert text.endswith("; and 95 more")
    assert len(text) < 300


def test_texts_of_the_node_are_safe_to_show():
    (text,) = texts(lambda new: value(new).update({"\x1b[2J": "\x1b[31m" * 1000}))
    assert text.isprintable()
    assert len(text) < 200


def test_what_is_nested_very_deeply():
    def nest(levels, last):
        inner = last
        for _ in range(levels):
            inner = {"a": inner}
        return inner

    old = report()
    value(old)["_deep"] = nest(400, 1)
    (text,) = texts(lambda new: value(new).update(_deep=nest(400, 2)), old)
    assert text.startswith("tc:value: _deep.a.a")
