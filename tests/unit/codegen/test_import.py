"""The classes, with the devices that they are made of."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from secop_ophyd.codegen import render
from secop_ophyd.protocol import parse_description

from .hostile import HOSTILE, node

REPORTS = sorted((Path(__file__).parents[2] / "data" / "descriptions").glob("*.json"))


def load(source, path):
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # for whoever resolves annotations
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[path.stem]
    return module


@pytest.mark.parametrize("file", REPORTS, ids=lambda f: f.stem)
def test_classes_have_their_children(file, tmp_path):
    from secop_ophyd.codegen import class_name, module_names

    description = parse_description(json.loads(file.read_bytes()))
    module = load(render(description), tmp_path / f"generated_{file.stem}.py")
    node_class = getattr(module, class_name(description.equipment_id, "Node"))
    node = node_class("localhost:10767")
    attributes = set(module_names(description).modules.values())
    assert attributes <= {name for name, _ in node.children()}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_classes_of_hostile_nodes(text, tmp_path):
    load(render(parse_description(node(text))), tmp_path / "hostile_classes.py")
