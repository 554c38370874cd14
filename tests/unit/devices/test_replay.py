"""Nodes of others, replayed: every value arrives where and as it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bluesky.plans import count
from event_model import DocumentNames, schema_validators

from secop_ophyd.protocol import MISSING
from secop_ophyd.testing import FakeNode

from .builders import plain

DESCRIPTIONS = Path(__file__).parents[2] / "data" / "descriptions"
REPORTS = sorted(p.name for p in DESCRIPTIONS.glob("*.json"))


def leaves(key: str, info: Any, value: Any) -> dict[str, Any]:
    """Say what a value looks like in documents, by its datainfo as it was sent."""
    match info:
        case {"type": "tuple"}:
            parts = [(f"f{i}", m, v) for i, m, v in _numbered(info, value)]
        case {"type": "struct", "members": members}:
            parts = [(k, m, value[k]) for k, m in members.items()]
        case {"type": "array", "members": {"type": "tuple" | "struct"} as row}:
            rows = [leaves(key, row, v) for v in value]
            return {k: [r[k] for r in rows] for k in leaves(key, row, _any(row))}
        case {"type": "enum"}:
            return {key: _member(info, value)}
        case {"type": "blob"}:
            return {key: list(value)}
        case {"type": "array", "members": {"type": "string" | "enum" as kind} as m}:
            texts = [_member(m, v) if kind == "enum" else v for v in value]
            return {key: json.dumps(texts, ensure_ascii=False)}
        case _:
            return {key: value}
    found: dict[str, Any] = {}
    for field, member, part in parts:
        found |= leaves(f"{key}-{field}", member, part)
    return found


def _numbered(info: Any, value: Any) -> Any:
    return [(i, m, value[i]) for i, m in enumerate(info["members"])]


def _member(info: Any, code: int) -> str:
    return next(name for name, c in info["members"].items() if c == code)


def _any(info: Any) -> Any:
    match info:
        case {"type": "tuple", "members": members}:
            return [_any(m) for m in members]
        case {"type": "struct", "members": members}:
            return {k: _any(m) for k, m in members.items()}
        case {"type": "array" | "blob"}:
            return []
        case {"type": "enum", "members": members}:
            return next(iter(members.values()))
        case _:
            return 0


def expected(fake: FakeNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parameter in fake.description.parameters():
        module, name = parameter.module, parameter.name
        key = f"node-{module}" + ("" if name == "value" else f"-{name.lstrip('_')}")
        value = parameter.constant
        if value is MISSING:
            value = fake.value(parameter.specifier)
        if name == "status":
            # The code, not its name: the groups of codes are what is defined
            found |= {f"{key}-f0": value[0], f"{key}-f1": value[1]}
        else:
            found |= leaves(key, parameter.datainfo.raw, value)
    return found


DTYPES = {
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "array": list,
}


def check_described(readings: dict[str, Any], datakeys: dict[str, Any]) -> None:
    assert list(readings) == list(datakeys)
    for key, datakey in datakeys.items():
        value = plain(readings[key]["value"])
        assert isinstance(value, DTYPES[datakey["dtype"]]), key
        for size in datakey["shape"]:
            assert size in (None, len(value)), key
            value = value[0] if value else []


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", REPORTS)
async def test_every_value_arrives(name, seed, serve, connect):
    fake = await serve(DESCRIPTIONS / name, seed=seed)
    node = await connect(fake)
    readings = await node.read()
    configuration = await node.read_configuration()
    assert not readings.keys() & configuration.keys()
    found = {k: plain(r["value"]) for k, r in (readings | configuration).items()}
    for key, value in expected(fake).items():
        assert found[key] == plain(value), key
    for module in fake.description.modules:
        assert found[f"node-{module}-config_errors"] == "{}"
    check_described(readings, await node.describe())
    check_described(configuration, await node.describe_configuration())
    assert not [r for r in fake.requests if r.startswith("read")]


@pytest.mark.parametrize("name", REPORTS)
def test_a_run_has_valid_documents(name, lab):
    fake = lab.serve(DESCRIPTIONS / name, seed=3)
    node = lab.connect(fake)
    lab.engine(count([node], 2))
    for kind, document in lab.documents:
        schema_validators[DocumentNames[kind]].validate(document)
    (descriptor,) = lab.named("descriptor")
    first, _ = lab.named("event")
    assert first["data"].keys() == descriptor["data_keys"].keys()
    values = expected(fake)
    for key, value in first["data"].items():
        assert plain(value) == plain(values[key])
    hints = descriptor["hints"]["node"]["fields"]
    targets = [f"node-{m}-target" for m in fake.description.modules]
    assert set(hints) <= {k for k in values if k.count("-") == 1} | set(targets)
