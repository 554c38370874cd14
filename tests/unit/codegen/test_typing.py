"""What editors and type checkers make of class files, and of plans that use them.

Each type checker takes seconds to start, so that each looks at all files at once.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import secop_ophyd
from secop_ophyd.codegen import render
from secop_ophyd.protocol import NodeDescription, parse_description

from ..devices.builders import (
    KELVIN,
    PID,
    SWITCH,
    command,
    drivable,
    parameter,
    readable,
    report,
)
from .hostile import HOSTILE, node

SOURCES = Path(secop_ophyd.__file__).parents[1]
REPORTS = sorted((Path(__file__).parents[2] / "data" / "descriptions").glob("*.json"))


def array(members: Any, **more: Any) -> Any:
    return {"type": "array", "members": members, "maxlen": 3, **more}


LAB = report(
    "lab",
    cryo=drivable(
        mode=parameter(SWITCH, False),
        modes=parameter(array(SWITCH), False),
        pid=parameter(PID, False),
        number=parameter({"type": "int"}),
        on=parameter({"type": "bool"}, False),
        text=parameter({"type": "string"}),
        data=parameter({"type": "blob", "maxbytes": 3}),
        curve=parameter(array({"type": "double"}), False),
        texts=parameter(array({"type": "string"})),
        grid=parameter(array(array(KELVIN, minlen=3))),
        odd=parameter({"type": "quaternion"}),
        reset=command(),
        info=command(result={"type": "string"}),
        choose=command(argument=SWITCH, result=SWITCH),
        pair=command(argument={"type": "tuple", "members": [KELVIN, SWITCH]}),
        configure=command(argument=PID, result=KELVIN),
    ),
    LN2=readable(),
)

# What an editor shows behind each of these, and what pyright and mypy call it
FACTS = {
    "lab": ("Lab", "lab.Lab"),
    "lab.cryo": ("Cryo", "lab.Cryo"),
    "lab.LN2": ("LN2", "lab.LN2"),
    "lab.LN2.value": ("SignalR[float]",) * 2,
    "lab.cryo.value": ("SignalR[float]",) * 2,
    "lab.cryo.target": ("SignalRW[float]",) * 2,
    "lab.cryo.status": (
        "SignalR[ndarray[tuple[Any, ...], dtype[Any]]]",
        "SignalR[numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]]",
    ),
    "lab.cryo.mode": ("SignalRW[Cryo_Mode_Enum]", "SignalRW[lab.Cryo_Mode_Enum]"),
    "lab.cryo.modes": (
        "SignalRW[Sequence[Cryo_Modes_Enum]]",
        "SignalRW[Sequence[lab.Cryo_Modes_Enum]]",
    ),
    "lab.cryo.number": ("SignalR[int]",) * 2,
    "lab.cryo.on": ("SignalRW[bool]",) * 2,
    "lab.cryo.text": ("SignalR[str]",) * 2,
    "lab.cryo.texts": ("SignalR[Sequence[str]]",) * 2,
    "lab.cryo.odd": ("SignalR[Any]",) * 2,
    "lab.cryo.reset": ("SecopAction",) * 2,
    "lab.cryo.stop_": ("SecopAction",) * 2,
    "lab.cryo.info": ("SecopQuery[str]",) * 2,
    "lab.cryo.choose": (
        "SecopCommand[Cryo_Choose_Arg_Enum | str, int]",
        "SecopCommand[lab.Cryo_Choose_Arg_Enum | str, int]",
    ),
    "lab.cryo.configure": (
        "SecopCommand[Cryo_Configure_Arg, float]",
        "SecopCommand[TypedDict(lab.Cryo_Configure_Arg, {'p': float, 'i'?: float, "
        "'mode': lab.Cryo_Configure_Arg_Mode_Enum | str, 'note': str}), float]",
    ),
    "lab.description": ("SignalR[str]",) * 2,
}

PLAN = '''
"""A plan as users write it; what is wrong in it says so."""

from bluesky.utils import MsgGenerator
from lab import Cryo_Choose_Arg_Enum, Cryo_Configure_Arg, Cryo_Mode_Enum, Lab

from secop_ophyd.plan_stubs import wait_for_idle


def plan(lab: Lab) -> MsgGenerator[float]:
    """Use commands of all kinds."""
    yield from lab.cryo.reset(wait_for_idle=True)
    yield from lab.cryo.choose(Cryo_Choose_Arg_Enum.ON)
    code = yield from lab.cryo.choose("on", timeout=3.0)
    print(code + 1)
    yield from lab.cryo.pair((1.0, "on"))
    yield from wait_for_idle(lab.cryo)
    settings: Cryo_Configure_Arg = {"p": 1.0, "mode": "on", "note": ""}
    reached = yield from lab.cryo.configure(settings)
    reached += yield from lab.cryo.configure(
        {"p": 1.0, "i": 2.0, "mode": Cryo_Choose_Arg_Enum.ON.value, "note": ""}
    )
    text = yield from lab.cryo.info()
    print(text.upper())
    return reached


async def coroutine(lab: Lab) -> float:
    """Use signals of all kinds."""
    await lab.cryo.set(20.0)
    await lab.cryo.mode.set(Cryo_Mode_Enum.OFF)
    mode = await lab.cryo.mode.get_value()
    print(mode is Cryo_Mode_Enum.ON, mode.value)
    curve = await lab.cryo.curve.get_value()
    await lab.cryo.curve.set(curve)
    print((await lab.cryo.grid.get_value()).shape, await lab.cryo.data.get_value())
    value: float = await lab.LN2.value.get_value()
    return value


def wrong(lab: Lab) -> MsgGenerator[None]:
    """Make the mistakes that type checkers are to find."""
    print(lab.cryo.tarject)  # wrong
    print(lab.crio)  # wrong
    yield from lab.cryo.reset(1)  # wrong
    yield from lab.cryo.info(wait=True)  # wrong
    yield from lab.cryo.pair((1.0,))  # wrong
    yield from lab.cryo.configure({"p": 1.0, "mode": "on"})  # wrong
    yield from lab.cryo.configure({"q": 1, "p": 1, "mode": "", "note": ""})  # wrong
    text = yield from lab.cryo.info()
    print(text + 1)  # wrong
    lab.cryo.mode.set("on")  # wrong
    lab.cryo.value.set(1.0)  # wrong
    lab.cryo.on.set("yes")  # wrong
'''.lstrip()
WRONG = {n for n, line in enumerate(PLAN.split("\n"), 1) if line.endswith("# wrong")}


def descriptions() -> Iterator[tuple[str, NodeDescription]]:
    for file in REPORTS:
        yield f"node_{file.stem}", parse_description(json.loads(file.read_bytes()))
    for i, text in enumerate(HOSTILE[: HOSTILE.index("x" * 10_000) + 1]):
        yield f"hostile_{i}", parse_description(node(text))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write class files of many nodes, and programs that use one of them."""
    found = dict(descriptions())
    for name, description in found.items():
        (tmp_path / f"{name}.py").write_text(render(description), encoding="utf-8")
    together = {d.equipment_id: d for d in found.values() if len(d.equipment_id) < 64}
    (tmp_path / "together.py").write_text(render(together), encoding="utf-8")
    (tmp_path / "lab.py").write_text(render(parse_description(LAB)))
    (tmp_path / "plan.py").write_text(PLAN)
    facts = "".join(f"    reveal_type({fact})\n" for fact in FACTS)
    (tmp_path / "facts.py").write_text(
        f"from lab import Lab\n\n\ndef facts(lab: Lab) -> None:\n{facts}"
    )
    return tmp_path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(SOURCES)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr  # PLAN has mistakes
    return done.stdout


def test_pyright_is_as_strict_as_it_can_be(files: Path):
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(SOURCES)]}
    (files / "pyrightconfig.json").write_text(json.dumps(settings))
    found = json.loads(
        run(files, "pyright", "--outputjson", "--pythonpath", sys.executable)
    )
    errors, facts = set[tuple[str, int]](), list[str]()
    for item in found["generalDiagnostics"]:
        if item["severity"] == "information":
            facts += re.findall(r'^Type of "(.*)" is "(.*)"$', item["message"])
        else:
            place = Path(item["file"]).name, item["range"]["start"]["line"] + 1
            errors.add(place)
    assert errors == {("plan.py", line) for line in WRONG}
    assert dict(facts) == {name: fact for name, (fact, _) in FACTS.items()}
    assert found["summary"]["filesAnalyzed"] == len(list(files.glob("*.py")))


def test_mypy_is_as_strict_as_it_can_be(files: Path):
    options = ["--follow-imports=silent", "--cache-dir=mypy", "--no-error-summary"]
    output = run(files, "mypy", "--strict", *options, ".")
    lines = re.findall(r"^(\w+\.py):(\d+): (error|note): (.*)$", output, re.MULTILINE)
    errors = {(file, int(line)) for file, line, kind, _ in lines if kind == "error"}
    assert errors == {("plan.py", line) for line in WRONG}
    facts = [m[1] for *_, text in lines if (m := re.search('type is "(.*)"$', text))]
    places = r"(ophyd_async|secop_ophyd|typing|builtins)(\.\w+)*\."
    short = [re.sub(places, "", f) for f in facts]
    assert short == [fact for _, fact in FACTS.values()]
