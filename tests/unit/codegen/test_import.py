"""The classes, with the devices that they are made of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from secop_ophyd.codegen import class_name, module_names, render, write_class_file
from secop_ophyd.protocol import parse_description

from ..devices.conftest import load
from .hostile import HOSTILE, node

REPORTS = sorted((Path(__file__).parents[2] / "data" / "descriptions").glob("*.json"))

# Whatever a class file may do while it is imported: to be read, and to declare things
WATCH = """
import os, sys, importlib.util
import bluesky, numpy, ophyd_async.core, secop_ophyd.SECoPDevices, typing

folder, names = sys.argv[1], sys.argv[2:]
sys.path.insert(0, folder)
sys.dont_write_bytecode = True
HARMLESS = {"import", "compile", "exec", "object.__getattr__", "object.__setattr__",
            "code.__new__", "marshal.loads", "sys._getframe",
            "sys._getframemodulename"}
LOOKS = {"open", "os.listdir", "os.scandir"}

def watch(event, args):
    if event in HARMLESS:
        return
    if event in LOOKS and str(args[0]).startswith(folder):
        if event != "open" or not args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
    os.write(2, f"{event} {args!r:.200}".encode(errors="replace"))
    os._exit(97)

sys.addaudithook(watch)
for name in names:
    __import__(name)
os.write(1, str(len(names)).encode())
os._exit(0)
"""


def import_watched(folder: Path) -> subprocess.CompletedProcess[str]:
    names = sorted(file.stem for file in folder.glob("*.py"))
    return subprocess.run(
        [sys.executable, "-c", WATCH, str(folder), *names],
        capture_output=True,
        text=True,
        cwd=folder,
    )


@pytest.mark.parametrize("file", REPORTS, ids=lambda f: f.stem)
def test_classes_have_their_children(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = parse_description(json.loads(file.read_bytes()))
    module = load(write_class_file(description, tmp_path), monkeypatch)
    node_class = getattr(module, class_name(description.equipment_id, "Node"))
    node = node_class("localhost:10767")
    attributes = set(module_names(description).modules.values())
    assert attributes <= {name for name, _ in node.children()}


def test_an_import_does_nothing_but_declare_classes(tmp_path: Path) -> None:
    texts = [*HOSTILE, f"{tmp_path}/mark", f"open({str(tmp_path / 'mark')!r}, 'w')"]
    descriptions = [
        *(parse_description(json.loads(file.read_bytes())) for file in REPORTS),
        *(parse_description(node(text)) for text in texts),
    ]
    for i, description in enumerate(descriptions):
        (tmp_path / f"node_{i}.py").write_text(render(description), encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    done = import_watched(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == str(len(descriptions))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "code",
    [
        "open('mark', 'w')",
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.socket()",
    ],
)
def test_what_an_import_does_is_noticed(tmp_path: Path, code: str) -> None:
    (tmp_path / "bad.py").write_text(code)
    done = import_watched(tmp_path)
    assert done.returncode == 97
