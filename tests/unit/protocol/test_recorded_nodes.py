"""Structure reports and first updates of real nodes."""

import dataclasses

from secop_ophyd.protocol import (
    DataInfo,
    InterfaceClass,
    OpaqueInfo,
    encode,
    interface_class,
    parse_data_report,
    parse_description,
    parse_message,
)

from .conftest import DESCRIPTIONS


def parts(info):
    """A datainfo and all that it is made of."""
    yield info
    for field in dataclasses.fields(info):
        value = getattr(info, field.name)
        if field.name == "members":
            members = value.values() if isinstance(value, dict) else value
            members = [members] if isinstance(members, DataInfo) else members
            for member in members:
                if isinstance(member, DataInfo):
                    yield from parts(member)


def datainfos(description):
    for module in description.modules.values():
        for parameter in module.parameters.values():
            yield from parts(parameter.datainfo)
        for command in module.commands.values():
            for info in (command.argument, command.result):
                if info is not None:
                    yield from parts(info)


def test_the_problems_of_each(description_name, description_json, golden_problems):
    problems = [str(p) for p in parse_description(description_json).problems]
    assert problems == golden_problems[description_name]


def test_the_golden_list_is_complete(golden_problems):
    assert sorted(golden_problems) == DESCRIPTIONS
    assert "cryo" in DESCRIPTIONS


def test_no_specified_type_is_unknown(description_json):
    found = list(datainfos(parse_description(description_json)))
    assert found
    assert not [info for info in found if isinstance(info, OpaqueInfo)]


def test_nothing_is_lost(description_json):
    found = parse_description(description_json)
    assert list(found.modules) == list(description_json["modules"])
    for name, module in description_json["modules"].items():
        accessibles = found.modules[name].parameters | found.modules[name].commands
        assert set(accessibles) == set(module["accessibles"])


def test_the_modules_are_what_they_claim(description_json):
    notes = []
    known = {c.value for c in InterfaceClass} - {""}
    for module in parse_description(description_json).modules.values():
        claimed = [c for c in module.interface_classes if c in known]
        found = interface_class(module, notes.append)
        assert found.value == (claimed[0] if claimed else "")
    assert notes == []


def test_the_first_updates(description_json, first_updates):
    description = parse_description(description_json)
    missing = {p.specifier for p in description.parameters()}
    for line in first_updates:
        message = parse_message(line)
        if message.action == "active":
            continue
        assert message.action == "update"
        module, _, name = message.specifier.partition(":")
        info = description.modules[module].parameters[name].datainfo
        data = parse_data_report(message.value()).value
        value = info.from_json(data)
        assert info.from_json(info.to_json(value)) == value
        encode(info.to_json(value))
        missing.discard(message.specifier)
    assert not missing
