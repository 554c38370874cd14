"""Class files of nodes, imported and connected to the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ophyd_async.core import Signal

from secop_ophyd.devices import SECoPBaseDevice, SECoPNodeDevice

from ..codegen.hostile import HOSTILE
from ..codegen.hostile import node as hostile
from .builders import KELVIN, drivable, parameter, plain, report
from .conftest import load

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
    classes = generate(fake.description.raw)
    (node_class,) = (
        c
        for c in vars(classes).values()
        if isinstance(c, type)
        and issubclass(c, SECoPNodeDevice)
        and c is not SECoPNodeDevice
    )
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
            assert type(child).__module__ == classes.__name__
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
