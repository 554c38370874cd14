"""Nodes that have changed since their class was generated: what is said, and when."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import pytest
from ophyd_async.core import NotConnectedError

from secop_ophyd.devices import SECoPNodeDevice

from .builders import (
    KELVIN,
    PID,
    SWITCH,
    command,
    drivable,
    parameter,
    readable,
    report,
)

TEXTS = {"type": "array", "members": {"type": "string"}, "maxlen": 3}
AUTO = {"type": "enum", "members": {"off": 0, "on": 1, "auto": 2}}
WHOLE = {"type": "int", "min": 0, "max": 9}
ON = {"type": "enum", "members": {"on": 1}}


def structure() -> dict[str, Any]:
    structure = report(
        "lab",
        c=drivable(
            ramp=parameter(KELVIN, False, group="g"),
            mode=parameter(SWITCH, False),
            modes=parameter({"type": "array", "members": SWITCH, "maxlen": 3}),
            pid=parameter(PID, False),
            pair=parameter({"type": "tuple", "members": [KELVIN, WHOLE]}),
            texts=parameter(TEXTS),
            _heater=parameter(KELVIN),
            configure=command(argument=PID, result=KELVIN),
            reset=command(),
        ),
        t=readable(),
    )
    structure["modules"]["c"]["group"] = "g"
    return structure | {"firmware": "1", "_interfaces": ["tcp"]}


Accessibles = dict[str, Any]
Edit = Callable[[Accessibles, dict[str, Any]], None]


def edited(edit: Edit) -> dict[str, Any]:
    """Return the structure with something changed in module `c`, or in all of it."""
    changed = json.loads(json.dumps(structure()))
    edit(changed["modules"]["c"]["accessibles"], changed)
    return changed


def put(name: str, **datainfo: Any) -> Edit:
    """Change some properties of a datainfo."""
    return lambda c, _: c[name]["datainfo"].update(datainfo)


def replace(name: str, datainfo: Any) -> Edit:
    return lambda c, _: c[name].update(datainfo=datainfo)


def struct(**members: Any) -> Any:
    return {"type": "struct", "members": members}


BROKEN: dict[str, tuple[Edit, str]] = {
    "parameter gone": (lambda c, _: c.pop("ramp"), "c:ramp: the parameter is gone"),
    "custom parameter gone": (
        lambda c, _: c.pop("_heater"),
        "c:_heater: the parameter is gone",
    ),
    "command gone": (lambda c, _: c.pop("reset"), "c:reset: the command is gone"),
    "module gone": (lambda _, r: r["modules"].pop("t"), "t: the module is gone"),
    "property gone": (lambda _, r: r.pop("firmware"), "firmware: the property is gone"),
    "private property gone": (
        lambda _, r: r.pop("_interfaces"),
        "_interfaces: the property is gone",
    ),
    "module property gone": (
        lambda _, r: r["modules"]["c"].pop("group"),
        "c:group: the property is gone",
    ),
    "read-only": (
        lambda c, _: c["ramp"].update(readonly=True),
        "c:ramp: is read-only, was settable",
    ),
    "settable": (
        lambda c, _: c["_heater"].update(readonly=False),
        "c:_heater: is settable, was read-only",
    ),
    "datatype": (replace("ramp", WHOLE), "c:ramp: type is int, was float"),
    "enum to text": (
        replace("mode", {"type": "string"}),
        "c:mode: type is str, was enum",
    ),
    "length": (
        replace("texts", {"type": "string"}),
        "c:texts: type is str, was array of str",
    ),
    "member of struct": (
        replace("pid", struct(p=KELVIN)),
        "c:pid: type is struct(p: float), "
        "was struct(i: float, mode: enum, note: str, p: float)",
    ),
    "member of tuple": (
        replace("pair", {"type": "tuple", "members": [KELVIN, KELVIN]}),
        "c:pair: type is tuple(float, float), was tuple(float, int)",
    ),
    "argument": (
        lambda c, _: c["configure"]["datainfo"].update(argument=KELVIN),
        "c:configure: argument is float, was struct(i?: float, mode: enum, "
        "note: str, p: float)",
    ),
    "mandatory member": (
        lambda c, _: c["configure"]["datainfo"].update(
            argument={**PID, "optional": []}
        ),
        "argument is struct(i: float, mode: enum, note: str, p: float), was struct(i?",
    ),
    "result": (
        lambda c, _: c["configure"]["datainfo"].update(result={"type": "string"}),
        "c:configure: result is str, was float",
    ),
    "no argument": (
        lambda c, _: c["configure"].update(datainfo={"type": "command"}),
        "p: float); result is nothing, was float",
    ),
    "command to parameter": (
        lambda c, _: c.update(reset=parameter(KELVIN)),
        "c:reset: is a parameter, was a command",
    ),
    "kind of module": (
        lambda _, r: r["modules"]["c"].update(interface_classes=["Readable"]),
        "c: is Readable, was Drivable",
    ),
    "another takes its attribute": (
        lambda c, _: c.update(heater=parameter(KELVIN)),
        "c:_heater: is the attribute heater_2, was heater",
    ),
}
NEW_MEMBERS: dict[str, tuple[Edit, str]] = {
    "enum": (replace("mode", AUTO), "C_Mode_Enum.*'auto'"),
    "array of enums": (
        replace("modes", {"type": "array", "members": AUTO, "maxlen": 3}),
        "C_Modes_Enum.*'auto'",
    ),
}
HARMLESS: dict[str, tuple[Edit, str]] = {
    "text": (
        lambda c, _: c["ramp"].update(description="speed"),
        "c:ramp: description is 'speed', was 'p'",
    ),
    "unit": (put("ramp", unit="mK"), "c:ramp: datainfo.unit is 'mK', was 'K'"),
    "limit": (put("ramp", max=400), "c:ramp: datainfo.max is 400, was 500"),
    "limit gone": (
        lambda c, _: c["ramp"]["datainfo"].pop("max"),
        "datainfo.max is gone, was 500",
    ),
    "limit new": (put("ramp", absolute_resolution=2), "absolute_resolution is new: 2"),
    "group gone": (
        lambda c, _: c["ramp"].pop("group"),
        "c:ramp: group is gone, was 'g'",
    ),
    "member gone": (replace("mode", ON), "c:mode: datainfo.members.off is gone, was 0"),
    "code": (
        replace("mode", {"type": "enum", "members": {"off": 0, "on": 7}}),
        "c:mode: datainfo.members.on is 7, was 1",
    ),
    "member of argument": (
        lambda c, _: c["configure"]["datainfo"]["argument"]["members"].update(
            mode=AUTO
        ),
        "c:configure: datainfo.argument.members.mode.members.auto is new: 2",
    ),
    "limit inside": (
        replace("pair", {"type": "tuple", "members": [KELVIN, WHOLE | {"max": 3}]}),
        "c:pair: datainfo.members.1.max is 3, was 9",
    ),
    "scaled": (
        replace("_heater", {"type": "scaled", "scale": 0.1}),
        "c:_heater: datainfo.type is 'scaled', was 'double'",
    ),
    "parameter": (
        lambda c, _: c.update(x=parameter(KELVIN)),
        "c:x: the parameter is new",
    ),
    "command": (lambda c, _: c.update(x=command()), "c:x: the command is new"),
    "module": (lambda _, r: r["modules"].update(x=readable()), "x: the module is new"),
    "property": (lambda _, r: r.update(firmware="2"), "firmware: is '2', was '1'"),
    "property type": (lambda _, r: r.update(firmware=2), "firmware: is 2, was '1'"),
    "equipment_id": (
        lambda _, r: r.update(equipment_id="other"),
        "equipment_id: is 'other', was 'lab'",
    ),
}


@pytest.fixture
def node_class(generate: Any) -> type[SECoPNodeDevice]:
    return generate(structure()).Lab


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


async def test_nothing_is_said_if_nothing_has_changed(
    serve: Any, connect: Any, node_class: Any, caplog: Any
) -> None:
    node = await connect(await serve(structure()), node_class)
    assert node.problems == ()
    assert not warnings(caplog)


@pytest.mark.parametrize("name", BROKEN)
async def test_what_does_not_fit_any_more_is_an_error(
    serve: Any, connect: Any, node_class: Any, name: str
) -> None:
    edit, text = BROKEN[name]
    fake = await serve(edited(edit))
    with pytest.raises(NotConnectedError) as info:
        await connect(fake, node_class)
    assert "Lab does not fit the SEC node at" in str(info.value)
    assert text in str(info.value)
    assert str(info.value).strip().endswith("Generate the class anew.")
    await fake.wait_for_connections(0)
    # The node itself is as good as ever
    await connect(fake, SECoPNodeDevice)


@pytest.mark.parametrize("name", NEW_MEMBERS)
async def test_a_new_member_of_a_strict_enum_is_an_error(
    serve: Any, connect: Any, node_class: Any, name: str
) -> None:
    edit, words = NEW_MEMBERS[name]
    with pytest.raises(NotConnectedError, match=f"'c:mode.*{words}.*the class anew"):
        await connect(await serve(edited(edit)), node_class)


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_still_fits_is_a_warning(
    serve: Any, connect: Any, node_class: Any, caplog: Any, name: str
) -> None:
    edit, text = HARMLESS[name]
    node = await connect(await serve(edited(edit)), node_class)
    (warning,) = [w for w in warnings(caplog) if "has changed since" in w]
    assert "since Lab was made: " in warning
    assert text in warning
    assert warning.endswith("Generate the class anew.")
    assert any("since the class was made" in str(p) for p in node.problems)
    for module in node.children():
        if hasattr(module[1], "read"):
            await module[1].read()


async def test_all_is_said_at_once(
    serve: Any, connect: Any, node_class: Any, caplog: Any
) -> None:
    def edit(c: Accessibles, structure: Any) -> None:
        for name in ("text", "unit", "limit", "parameter", "module"):
            HARMLESS[name][0](c, structure)

    fake = await serve(edited(edit))
    node = await connect(fake, node_class)
    (warning,) = warnings(caplog)
    for name in ("limit", "parameter", "module"):
        assert HARMLESS[name][1].removeprefix("c:ramp: ") in warning
    await node.c.x.get_value()  # it is there, whatever the class says
    worse = edited(edit)
    for name in ("ramp", "reset"):
        del worse["modules"]["c"]["accessibles"][name]
    with pytest.raises(NotConnectedError) as info:
        await connect(await serve(worse), node_class)
    for name, kind in (("ramp", "parameter"), ("reset", "command")):
        assert f"c:{name}: the {kind} is gone" in str(info.value)
    assert "unit" not in str(info.value)  # only what is to be repaired


async def test_many_changes_are_one_line_that_can_be_read(
    serve: Any, connect: Any, node_class: Any, caplog: Any
) -> None:
    def edit(c: Accessibles, _: Any) -> None:
        c.update({f"x{i}": parameter(KELVIN) for i in range(1000)})

    node = await connect(await serve(edited(edit)), node_class)
    (warning,) = warnings(caplog)
    assert "c:x0: the parameter is new; " in warning
    assert "and 970 more" in warning
    assert len(node.problems) == 1000


async def test_a_class_derived_from_a_generated_one(
    serve: Any, connect: Any, node_class: Any, caplog: Any
) -> None:
    class Mine(node_class):
        pass

    fake = await serve(edited(HARMLESS["unit"][0]))
    await connect(fake, Mine)
    assert (
        "has changed since Mine was made: c:ramp: datainfo.unit" in warnings(caplog)[0]
    )
    fake = await serve(edited(BROKEN["datatype"][0]))
    with pytest.raises(NotConnectedError, match="Mine does not fit"):
        await connect(fake, Mine)


async def test_a_class_without_its_file_has_its_annotations(
    serve: Any, connect: Any, node_class: Any, monkeypatch: Any
) -> None:
    monkeypatch.delitem(sys.modules, "genNodeClass")
    await connect(await serve(edited(HARMLESS["unit"][0])), node_class)
    with pytest.raises(NotConnectedError, match=r"'c:ramp'.*float.*int"):
        await connect(await serve(edited(BROKEN["datatype"][0])), node_class)


async def test_two_nodes_in_one_file(serve: Any, connect: Any, generate: Any) -> None:
    other = report("other", t=readable())
    classes = generate(structure(), other)
    assert (await connect(await serve(structure()), classes.Lab)).problems == ()
    assert (await connect(await serve(other), classes.Other)).problems == ()
    with pytest.raises(NotConnectedError, match="c: the module is gone"):
        await connect(await serve(other), classes.Lab)


async def test_a_description_that_no_literal_can_have(
    serve: Any, connect: Any, generate: Any
) -> None:
    odd = edited(put("ramp", max=float("nan")))
    for _ in range(200):
        odd["deep"] = [odd.get("deep")]
    node_class = generate(odd).Lab
    fake = await serve(structure())
    fake.reply_raw("describe", f"describing . {json.dumps(odd)}\n".encode())
    node, bare = await connect(fake, node_class), await connect(fake)
    assert node.problems == bare.problems
    assert any("c:ramp: max is not a number" in str(p) for p in node.problems)
