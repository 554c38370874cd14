"""Whatever a node says, its class file is valid, harmless Python."""

import ast
import io
import keyword
import subprocess
import sys
import tokenize
from collections import OrderedDict
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secop_ophyd.codegen import (
    enum_members,
    read_descriptions,
    render,
    write_class_file,
)
from secop_ophyd.codegen._literals import storable
from secop_ophyd.protocol import EnumInfo, parse_description

from ..protocol.strategies import datainfos
from .hostile import HOSTILE, node


def names_called(tree: ast.AST) -> set[str]:
    return {
        call.func.id if isinstance(call.func, ast.Name) else ast.unparse(call.func)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
    }


def check(source: str) -> ast.Module:
    """Check that source declares things and does nothing else, and can be run."""
    source.encode()
    tree = ast.parse(source)
    assert names_called(tree) <= {"ParamT", "PropT", "TypedDict"}
    assert {type(statement) for statement in tree.body} <= {
        ast.ImportFrom,
        ast.Import,
        ast.ClassDef,
        ast.Assign,
        ast.AnnAssign,
    }
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            assert {type(s) for s in statement.body} <= {
                ast.Expr,
                ast.AnnAssign,
                ast.Assign,
                ast.Pass,
            }
            for inner in statement.body:
                if isinstance(inner, ast.Expr | ast.Assign):
                    assert isinstance(inner.value, ast.Constant)
    names = [s.name for s in tree.body if isinstance(s, ast.ClassDef)]
    assert len(set(names)) == len(names)
    assert not any(map(keyword.iskeyword, names))
    exec(compile(tree, "generated", "exec"), {"__name__": "generated"})
    return tree


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_anywhere(text: str):
    source = render(parse_description(node(text)))
    tree = check(source)
    assert not any(line != line.rstrip() for line in source.split("\n"))
    last = tree.body[-1]
    assert isinstance(last, ast.AnnAssign) and last.value
    assert ast.literal_eval(last.value) == {text: node(text)}


ANY_TEXT = st.text(st.characters(codec=None), max_size=120)
PUNCTUATION = st.text(st.sampled_from("\"'\\\n\r #>{}ax"), max_size=120)


@given(ANY_TEXT | PUNCTUATION)
def test_random_text_anywhere(text: str):
    tree = check(render(parse_description(node(text))))
    assert ast.literal_eval(tree.body[-1].value) == {text: node(text)}  # type: ignore[attr-defined]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON, st.text().filter(lambda key: key != "equipment_id"))
def test_random_json_as_any_property_or_datainfo(value: Any, key: str):
    report = {
        "equipment_id": "x",
        key: value,
        "modules": {
            "m": {
                key: value,
                "accessibles": {
                    "a": {"datainfo": value},
                    "b": value,
                    "c": {"datainfo": {"type": "command", "argument": value}},
                },
            },
            "n": value,
        },
    }
    tree = check(render(parse_description(report)))
    assert ast.literal_eval(tree.body[-1].value)["x"] == storable(report)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    ["type: ignore", "noqa", "fmt: off", "pyright: basic", "x # noqa", "ruff: noqa"],
)
def test_no_comment_gives_orders_to_tools(text: str):
    source = render(parse_description(node(text)))
    comments = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    assert any(text.split()[-1] in c for c in comments)
    for order in ("type:", "noqa", "fmt:", "pyright:", "ruff:"):
        assert not any(f"# {order}" in c or f"#{order}" in c for c in comments)


def test_docstrings_are_no_doctests():
    source = render(parse_description(node("usage:\n    >>> import os")))
    docs = "\n".join(
        ast.get_docstring(c) or ""
        for c in ast.parse(source).body
        if isinstance(c, ast.ClassDef)
    )
    assert "import os" in docs
    assert ">>>" not in docs


def test_all_hostile_nodes_in_one_file_pass_ruff(tmp_path: Path):
    # Texts are as long as they like, names in SECoP have 63 characters at most
    nodes = {
        f"{i:02}{text}": parse_description(node(text) | {"equipment_id": f"{i}{text}"})
        for i, text in enumerate(HOSTILE)
        if len(text) < 64 and all(ord(c) < 0xD800 or ord(c) > 0xE000 for c in text)
    }
    check_with_ruff(render(nodes), tmp_path, "--extend-select=E501,W291,PLE")


def check_with_ruff(source: str, folder: Path, *options: str) -> None:
    file = folder / "hostile.py"
    file.write_text(source, encoding="utf-8")
    before = ast.dump(ast.parse(file.read_text(encoding="utf-8")))
    ruff = [sys.executable, "-m", "ruff"]
    rules = ["--isolated", *options, str(file)]
    done = subprocess.run([*ruff, "check", *rules], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    subprocess.run([*ruff, "format", "--isolated", "-q", str(file)], check=True)
    assert ast.dump(ast.parse(file.read_text(encoding="utf-8"))) == before


SOME_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=120)


# Each example is a large file, since it takes a while to start the tools
@settings(max_examples=5)
@given(st.lists(st.tuples(SOME_TEXT, datainfos, datainfos), min_size=30, max_size=30))
def test_random_types_pass_ruff(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[str, Any, Any]]
):
    accessibles: dict[str, Any] = {}
    for i, (text, one, other) in enumerate(found):
        accessibles[f"p{i}"] = {"description": text, "datainfo": one}
        do = {"type": "command", "argument": one, "result": other}
        accessibles[f"c{i}"] = {"description": text, "datainfo": do}
    report = {"equipment_id": "x", "modules": {"m": {"accessibles": accessibles}}}
    source = render(parse_description(report))
    check(source)
    check_with_ruff(source, tmp_path_factory.mktemp("random"))


def nested(depth: int, kind: type[Any] = list) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value] if kind is list else {"k": value}
    return value


@pytest.mark.parametrize(
    "odd",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        [1.0, float("nan")],
        {"type": "double", "min": float("nan"), "max": float("inf")},
        nested(63),
        nested(300),
        nested(300, dict),
        [],
        {},
    ],
    ids=lambda odd: str(odd)[:20],
)
def test_what_no_literal_can_have_costs_only_itself(odd: Any):
    fine = {"datainfo": {"type": "double", "min": 1.5}, "deep": nested(40)}
    accessibles = {
        "good": fine,
        "bad": fine | {"x": odd},
        "worse": fine | {"datainfo": odd},
        "do": {"datainfo": {"type": "command", "argument": odd}},
    }
    report = {"equipment_id": "x", "odd": odd, "modules": {"m": {"odd": odd}}}
    report["modules"]["m"]["accessibles"] = accessibles
    description = parse_description(report)
    source = render(description)
    tree = check(source)
    stored = ast.literal_eval(tree.body[-1].value)["x"]  # type: ignore[attr-defined]
    assert stored["modules"]["m"]["accessibles"]["good"] == fine
    assert stored["modules"]["m"]["accessibles"].keys() == accessibles.keys()
    assert stored == storable(report, 1)
    assert render(parse_description(stored)) == source


def test_what_is_no_json_is_refused():
    class Code(IntEnum):
        IDLE = 100

    for value in (
        object(),
        {1: 2},
        (1,),
        {1},
        b"x",
        Code.IDLE,
        np.float64(1),
        np.True_,
    ):
        for v in (value, [value], {"k": [1.5, value]}):
            with pytest.raises(ValueError, match="is not JSON"):
                render(parse_description({"equipment_id": "x", "modules": {}, "v": v}))


def test_what_a_literal_can_have_is_not_copied():
    for value in (HOSTILE, node("x"), 10**40, -0.0, float("inf"), [], {}, nested(64)):
        assert storable(value) is value
    assert storable(OrderedDict(a=[OrderedDict()])) == {"a": [{}]}
    assert type(storable([OrderedDict()])[0]) is dict


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_chooses_a_path(text: str, tmp_path: Path):
    target = tmp_path / "a" / "b"
    file = write_class_file(parse_description(node(text)), target)
    assert file == target / "genNodeClass.py"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [file]
    assert read_descriptions(file)[text].raw == node(text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_enum_is_a_class(text: str):
    from ophyd_async.core import StrictEnum

    info = EnumInfo(members={text: 1, text.swapcase(): 2, f"{text}_2": 3, "Ok": 4})
    members = enum_members(info)
    assert sorted(members.values()) == sorted(info.members)
    assert all(n.isascii() and n.isidentifier() for n in members)
    made = StrictEnum("Made", members)  # type: ignore[call-overload]
    assert {m.value for m in made} == set(info.members)
