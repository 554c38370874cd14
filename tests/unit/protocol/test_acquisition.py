"""Which commands and modules belong to an acquisition."""

import pytest

from secop_ophyd.protocol import acquisition_channels, find_command, parse_description

VALUE = {"value": {"datainfo": {"type": "double"}, "readonly": True}}
COMMAND = {"datainfo": {"type": "command"}}


def channels_of(roles):
    control = {"interface_classes": [], "accessibles": {"go": COMMAND} | VALUE}
    if roles is not ...:
        control["acquisition_channels"] = roles
    modules = {
        "control": control,
        "a": {"interface_classes": [], "accessibles": VALUE},
        "b": {"interface_classes": [], "accessibles": VALUE},
        "empty": {"interface_classes": [], "accessibles": {}},
    }
    node = parse_description({"modules": modules})
    notes = []
    found = acquisition_channels(node, node.modules["control"], notes.append)
    assert acquisition_channels(node, node.modules["control"]) == found
    return found, notes


@pytest.mark.parametrize(
    ("roles", "expected", "notes"),
    [
        ({"t": "a", "monitor": "b"}, {"a": "t", "b": "monitor"}, []),
        ({}, {}, []),
        ({"t": "a", "again": "a"}, {"a": "t"}, []),
        (
            {"t": "nowhere", "monitor": "b"},
            {"b": "monitor"},
            ["the channel 't' is left out: 'nowhere' is none"],
        ),
        (
            {"t": "control"},
            {},
            ["the channel 't' is left out: 'control' is none"],
        ),
        ({"t": "empty"}, {}, ["the channel 't' is left out: 'empty' is none"]),
        ({"t": 5}, {}, ["the channel 't' is left out: 5 is none"]),
        ({"t": ["a"]}, {}, ["the channel 't' is left out: ['a'] is none"]),
        (..., {}, ["acquisition_channels is missing"]),
        (None, {}, ["acquisition_channels is missing"]),
        (["a"], {}, ["acquisition_channels is no object: ['a']"]),
        ("a", {}, ["acquisition_channels is no object: 'a'"]),
    ],
)
def test_channels(roles, expected, notes):
    assert channels_of(roles) == (expected, notes)


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["hold"], "hold"), (["_hold"], "_hold"), (["_hold", "hold"], "hold"), ([], None)],
)
def test_commands_may_be_custom(names, expected):
    module = {"interface_classes": [], "accessibles": dict.fromkeys(names, COMMAND)}
    found = parse_description({"modules": {"m": module}}).modules["m"]
    command = find_command(found, "hold")
    assert (command and command.name) == expected
