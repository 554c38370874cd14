"""`secop-ophyd describe` with nodes that are odd in some way."""

from __future__ import annotations

import copy
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from secop_ophyd.protocol import parse_description
from secop_ophyd.testing import FakeNode

from .conftest import Run

DESCRIPTIONS = Path(__file__).parents[2] / "data" / "descriptions"
DEMO: dict[str, Any] = json.loads((DESCRIPTIONS / "demo.json").read_bytes())
EVIL = "\x1b[2J\x1b]0;title\x07\r\x9b31m\u202e\x00"


@pytest.fixture
def demo() -> dict[str, Any]:
    return copy.deepcopy(DEMO)


def hostile() -> dict[str, Any]:
    """Return the report of a node that would like to have the terminal."""

    def infect(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: infect(v) for k, v in value.items()} | {f"_{EVIL}": EVIL}
        return value

    report = infect(copy.deepcopy(DEMO))
    report["description"] = report["firmware"] = EVIL
    for module in report["modules"].values():
        if not isinstance(module, dict):
            continue
        module["description"] = f"{EVIL} of a module"
        for name, accessible in module["accessibles"].items():
            if isinstance(accessible, dict):
                accessible["description"] = EVIL
                if accessible["datainfo"]["type"] == "double":
                    accessible["datainfo"]["unit"] = EVIL
                if name == "stop":
                    accessible["datainfo"]["argument"] = {"type": EVIL}
    return report


def visible(text: str) -> bool:
    return all(c == "\n" or unicodedata.category(c)[0] != "C" for c in text)


async def test_a_tree(run: Run) -> None:
    async with FakeNode(DEMO) as node:
        code, out, err = await run("describe", node.uri)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert node.uri in lines[0]
    for module in DEMO["modules"]:
        assert any(module in line for line in lines[1:])


async def test_no_log_is_left(run: Run, tmp_path: Path) -> None:
    async with FakeNode(DEMO) as node:
        await run("describe", node.uri)
    assert list(tmp_path.iterdir()) == []


async def test_problems_come_last(run: Run, demo: dict[str, Any]) -> None:
    demo["modules"]["tc1"]["accessibles"]["value"]["datainfo"] = {"type": "quaternion"}
    async with FakeNode(demo) as node:
        code, out, err = await run("describe", node.uri)
    assert (code, err) == (0, ""), "told once, and not in a log line"
    assert "quaternion" in out.splitlines()[-1]
    assert "tc1:value" in out.splitlines()[-1]


@pytest.mark.parametrize("options", [(), ("--json",)])
async def test_a_node_does_not_get_the_terminal(
    run: Run, options: tuple[str, ...]
) -> None:
    async with FakeNode(hostile()) as node:
        node.set_error("mf:value", "HardwareError", f"broken {EVIL}")
        code, out, err = await run("describe", node.uri, *options)
    assert (code, err) == (0, "")
    assert "of a module" in out
    assert visible(out)


async def test_an_error_does_not_get_the_terminal(run: Run) -> None:
    async with FakeNode(DEMO) as node:
        report = json.dumps(["InternalError", f"one\ntwo {EVIL}", {}])
        node.reply_raw("describe", f"error_describe . {report}\n".encode())
        code, out, err = await run("describe", node.uri)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert visible(err)
    assert "InternalError" in err


@pytest.mark.parametrize(
    "name", sorted(path.name for path in DESCRIPTIONS.glob("*.json"))
)
async def test_json_is_what_the_node_has_sent(run: Run, name: str) -> None:
    report = json.loads((DESCRIPTIONS / name).read_bytes())
    async with FakeNode(report) as node:
        code, out, err = await run("describe", node.uri, "--json")
    assert (code, err) == (0, "")
    assert out == json.dumps(report, indent=2, ensure_ascii=False) + "\n"


async def test_json_of_odd_values(run: Run, demo: dict[str, Any]) -> None:
    demo["_odd"] = ["µK 温度 🌡", 2**70, 1.0, 1, None, 1e-320, {"": [[], {}]}]
    async with FakeNode(demo) as node:
        code, out, _ = await run("describe", node.uri, "--json")
    assert code == 0
    assert "µK 温度 🌡" in out
    assert json.dumps(json.loads(out)) == json.dumps(demo), "also 1.0 and 1"


async def test_json_of_a_hostile_node_is_complete(run: Run) -> None:
    async with FakeNode(hostile()) as node:
        _, out, _ = await run("describe", node.uri, "--json")
    assert json.loads(out) == hostile()


async def test_json_is_a_fake_node(run: Run, tmp_path: Path) -> None:
    async with FakeNode(DEMO) as node:
        _, saved, _ = await run("describe", node.uri, "--json")
    file = tmp_path / "saved.json"
    file.write_text(saved, encoding="utf-8")
    async with FakeNode(file) as again:
        assert again.description == parse_description(DEMO)
        assert await run("describe", again.uri, "--json") == (0, saved, "")
