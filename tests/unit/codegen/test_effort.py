"""What is done, and how often: counts that the speed depends on, and no times."""

import copy
import math
from collections import Counter

import pytest

from secop_ophyd.codegen import (
    _files,
    _literals,
    _names,
    _render,
    class_file,
    render,
    write_class_file,
)
from secop_ophyd.protocol import parse_description

LONG = {"type": "double", "unit": "a unit that is long", "min": -1e300, "max": 1e300}
MODULES = 20


def structure():
    """Return a new structure report: modules that are alike, of different classes."""
    accessibles = {
        "effort": {"description": "", "datainfo": LONG, "readonly": True},
        "effort_too": {"description": "", "datainfo": LONG, "readonly": True},
        "effort_go": {"description": "", "datainfo": {"type": "command"}},
    }
    modules = {
        f"m{i}": {"implementation": f"x.M{i}", "accessibles": accessibles}
        for i in range(MODULES)
    }
    return copy.deepcopy({"equipment_id": "alike", "modules": modules})


@pytest.fixture
def calls(monkeypatch):
    """Return how often each function was called with each first argument."""
    found = Counter()

    def count(module, name):
        function = getattr(module, name)

        def counted(first, *args, **kwargs):
            found[name, str(first)] += 1
            return function(first, *args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    count(_literals, "_block")
    count(_names, "attribute_names")
    count(_render, "parse_description")
    count(_files, "_literal")
    return found


def test_what_is_the_same_in_many_modules_is_done_once(calls):
    render(parse_description(structure()))
    assert calls["_block", str(LONG)] == 1
    assert calls["attribute_names", str(["effort", "effort_too", "effort_go"])] == 1


def test_a_description_is_parsed_again_only_if_it_is_another(calls):
    report = structure()
    render(parse_description(report))
    assert not [name for name, _ in calls if name == "parse_description"]
    report["modules"]["m3"]["odd"] = math.nan
    render(parse_description(report))
    assert [name for name, _ in calls if name == "parse_description"]


def test_a_file_is_not_read_if_it_is_as_it_would_be(tmp_path, calls):
    write_class_file(parse_description(structure()), tmp_path)
    assert class_file(parse_description(structure()), tmp_path).up_to_date
    assert not [name for name, _ in calls if name == "_literal"]
    changed = structure() | {"description": "changed"}
    assert class_file(parse_description(changed), tmp_path).changes
    assert [name for name, _ in calls if name == "_literal"]
