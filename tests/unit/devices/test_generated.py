"""Class files of nodes, imported and connected to the nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .builders import KELVIN, drivable, parameter, report
from .conftest import load


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
