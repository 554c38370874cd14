"""Class files of nodes, imported and connected to the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ophyd_async.core import NotConnectedError, Signal, StrictEnum, SupersetEnum

from secop_ophyd.devices import SECoPBaseDevice
from secop_ophyd.protocol import RangeError

from ..codegen.hostile import HOSTILE
from ..codegen.hostile import node as hostile
from .builders import KELVIN, drivable, parameter, plain, report
from .conftest import load, node_class_of

REPORTS = sorted((Path(__file__).parents[2] / "data" / "descriptions").glob("*.json"))


async def test_a_connected_node_writes_its_class_file(
    serve: Any, connect: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = await serve(report("lab.one", c=drivable(ramp=parameter(KELVIN, False))))
    node = await connect(fake)
    monkeypatch.chdir(tmp_path)
    assert node.class_from_instance() == tmp_path / "genNodeClass.py"
    there = tmp_path / "a" / "b"
    file = node.class_from_instance(there, name="lab.py")
    assert file == there / "lab.py"
    assert file.read_text() == (tmp_path / "genNodeClass.py").read_text()
    for name in ("../lab.py", "/lab.py", "lab", ""):
        with pytest.raises(ValueError, match="Python file|end in"):
            node.class_from_instance(there, name=name)
    classes = load(file, monkeypatch)
    typed = await connect(fake, classes.Lab_one)
    assert type(typed.c) is classes.C
    await typed.c.ramp.set(3.0)
    assert fake.value("c:ramp") == 3.0


async def everything(node: Any) -> list[dict[str, Any]]:
    """Return all that plans could record of a node."""
    return [
        await node.read(),
        await node.describe(),
        await node.read_configuration(),
        await node.describe_configuration(),
    ]


def values(readings: dict[str, Any]) -> dict[str, Any]:
    return {key: plain(reading["value"]) for key, reading in readings.items()}


async def check_connected(
    structure: Any, serve: Any, connect: Any, generate: Any
) -> None:
    """Check that a node is the same with its generated class as without."""
    fake = await serve(structure, seed=5)
    # By any other name, they may be the same
    node_class = node_class_of(generate(fake.description.raw))
    typed, bare = await connect(fake, node_class), await connect(fake)
    assert typed.problems == bare.problems
    found, expected = await everything(typed), await everything(bare)
    for i in (0, 2):
        assert values(found[i]) == values(expected[i])
    for i in (1, 3):
        assert found[i] == expected[i]
    names = dict(bare.children())
    assert dict(typed.children()).keys() == names.keys()
    for name, child in typed.children():
        assert type(child) is not SECoPBaseDevice
        if not isinstance(child, Signal):
            assert type(child).__module__ == node_class.__module__
            assert issubclass(type(child), type(names[name]))
            assert dict(child.children()).keys() == dict(names[name].children()).keys()


@pytest.mark.parametrize("file", REPORTS, ids=lambda f: f.stem)
async def test_real_nodes(file: Path, serve: Any, connect: Any, generate: Any) -> None:
    await check_connected(file, serve, connect, generate)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_nodes(
    text: str, serve: Any, connect: Any, generate: Any
) -> None:
    await check_connected(hostile(text), serve, connect, generate)


def of_class(name: str, device: dict[str, Any]) -> dict[str, Any]:
    return device | {"implementation": f"lab.{name}"}


def modes(*names: str) -> dict[str, Any]:
    return {"type": "enum", "members": {n: i for i, n in enumerate(names)}}


async def test_modules_that_differ_in_an_enum_share_a_class(
    serve: Any, connect: Any, generate: Any
) -> None:
    one, two = modes("off", "slow"), modes("off", "fast", "very fast")
    structure = report(
        "lab",
        a=of_class("Pump", drivable(mode=parameter(one, False))),
        b=of_class("Pump", drivable(mode=parameter(two, False))),
    )
    structure["modules"]["a"]["accessibles"]["modes"] = parameter(
        {"type": "array", "members": one, "maxlen": 3}
    )
    structure["modules"]["b"]["accessibles"]["modes"] = parameter(
        {"type": "array", "members": two, "maxlen": 3}
    )
    classes = generate(structure)
    enum = classes.Pump_Mode_Enum
    assert issubclass(enum, SupersetEnum)
    fake = await serve(structure, values={"b:modes": [2, 1]})
    node = await connect(fake, classes.Lab)
    assert type(node.a) is type(node.b) is classes.Pump
    assert node.problems == ()
    for module, names in ((node.a, ["off", "slow"]), (node.b, list(two["members"]))):
        assert module.mode.datatype is enum
        for code, name in enumerate(names):
            await module.mode.set(enum(name))
            assert fake.value(f"{module.name.removeprefix('node-')}:mode") == code
            assert await module.mode.get_value() is enum(name)
        key = module.mode.name
        assert (await module.mode.describe())[key]["choices"] == names
    found = await node.b.modes.get_value()
    assert found == [classes.Pump_Modes_Enum(x) for x in ("very fast", "fast")]
    # What the other one has is for the node to refuse
    with pytest.raises(RangeError, match="fast"):
        await node.a.mode.set(enum("fast"))


async def test_modules_that_differ_in_more_have_two_classes(
    serve: Any, connect: Any, generate: Any
) -> None:
    structure = report(
        "lab",
        a=of_class("Pump", drivable(speed=parameter(KELVIN, False))),
        b=of_class("Pump", drivable(speed=parameter(modes("on"), False))),
        c=of_class("Pump", drivable(speed=parameter(KELVIN, False))),
    )
    classes = generate(structure)
    node = await connect(await serve(structure), classes.Lab)
    assert type(node.a) is type(node.c) is classes.Pump
    assert type(node.b) is classes.Pump_b
    assert not issubclass(classes.Pump_b, classes.Pump)
    assert node.a.speed.datatype is float
    assert issubclass(node.b.speed.datatype, StrictEnum)
    assert node.problems == ()


async def test_nodes_of_one_file_share_classes(
    serve: Any, connect: Any, generate: Any
) -> None:
    one = report("one", a=of_class("Pump", drivable(m=parameter(modes("x"), False))))
    two = report("two", b=of_class("Pump", drivable(m=parameter(modes("y"), False))))
    classes = generate(one, two)
    for structure, kind in ((one, classes.One), (two, classes.Two)):
        node = await connect(await serve(structure), kind)
        (module,) = (m for _, m in node.children() if not isinstance(m, Signal))
        assert type(module) is classes.Pump
        assert type(await module.m.get_value()) is classes.Pump_M_Enum
        assert node.problems == ()
    # One node gets a member that the class has from the other one, then one it has not
    speed = one["modules"]["a"]["accessibles"]["m"]
    speed["datainfo"] = modes("x", "y")
    node = await connect(await serve(one), classes.One)
    await node.a.m.set(classes.Pump_M_Enum.Y)
    speed["datainfo"] = modes("x", "z")
    with pytest.raises(NotConnectedError, match=r"'a:m'.*Pump_M_Enum.*'z'"):
        await connect(await serve(one), classes.One)
