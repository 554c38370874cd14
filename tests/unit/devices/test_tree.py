"""Nodes and modules at a glance: as trees, and in one line."""

from __future__ import annotations

import asyncio
import threading
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from secop_ophyd.devices import NodeOptions, SECoPMoveableDevice, SECoPNodeDevice
from secop_ophyd.protocol import EnumInfo, SecopError
from secop_ophyd.testing import FakeNode

from .builders import (
    KELVIN,
    PID,
    STATUS,
    SWITCH,
    command,
    drivable,
    module,
    parameter,
    readable,
    report,
    with_parameters,
)

DESCRIPTIONS = Path(__file__).parents[2] / "data" / "descriptions"


def rows(device) -> list[str]:
    """Return the lines of a tree without the branches."""
    return [line.lstrip("│├└─ ") for line in str(device.tree()).splitlines()]


async def settle(node) -> None:
    await node.client.ping()


# What is shown


async def test_a_node(serve, connect):
    commands = {
        "home": command(),
        "move": command(argument={"type": "double"}, result={"type": "bool"}),
    }
    fake = await serve(report(c=drivable(_mode=parameter(SWITCH, False), **commands)))
    fake.set("c:value", 12.5)
    fake.set_json("c:status", [370, "ramping"])
    fake.set("c:_mode", 1)
    node = await connect(fake)
    assert rows(node) == [
        f"node  SECoPNodeDevice  {node.uri}  A node",
        "c  SECoPMoveableDevice  m",
        "value = 12.500 K  double 0 to 500",
        "status = 370 (BUSY) ramping  status",
        "target = 0.000 K  settable  double 0 to 500",
        "mode = on  settable  off | on",
        "stop_()",
        "home()",
        "move(double) -> bool",
    ]


async def test_a_module_shows_its_own_problems_only(serve, connect):
    fake = await serve(report(a=module(), b={"accessibles": {}}))
    node = await connect(fake)
    (title, odd, problem) = rows(node.b)
    assert title == f"node-b  SECoPBaseDevice  {node.uri}/b"
    assert odd == "what is odd about it (.problems)"
    assert problem == "b: interface_classes is missing"
    assert problem in rows(node)
    assert len(rows(node.a)) == 1


@pytest.mark.parametrize(
    ("datainfo", "value", "shown"),
    [
        ({"type": "tuple", "members": [KELVIN, SWITCH]}, [1.5, 0], "(1.500, off)"),
        ({"type": "array", "maxlen": 99, "members": KELVIN}, [1] * 99, "... 99 items]"),
        (PID, {"p": 1, "i": 2, "mode": 1, "note": "n"}, "{p: 1.0, i: 2.0, mode: on"),
        ({"type": "string"}, "5", "= '5'"),
        ({"type": "int", "min": 0, "max": 10**18}, 7, f" int 0 to {10**18}"),
        ({"type": "blob", "maxbytes": 9}, b"abc", "= 3 bytes"),
        ({"type": "no such type"}, {"a": 1}, "= {'a': 1}  settable  JSON"),
    ],
)
async def test_values(serve, connect, datainfo, value, shown):
    fake = await serve(with_parameters(p=datainfo))
    fake.set("m:p", value)
    node = await connect(fake)
    assert shown in rows(node.m)[1]


async def test_a_matrix_is_its_shape(serve, connect):
    matrix = {
        "type": "matrix",
        "elementtype": "<u2",
        "names": ["x", "y"],
        "maxlen": [3, 2],
    }
    fake = await serve(with_parameters(image=matrix))
    fake.set_json("m:image", {"len": [3, 2], "blob": "AAAAAAAAAAAAAAAA"})
    node = await connect(fake)
    assert "image = 2 x 3 uint16  settable" in rows(node.m)[1]


async def test_an_error_in_the_words_of_the_node(serve, connect):
    fake = await serve(report(m=readable()))
    fake.set_error("m:value", "HardwareError", "no sensor")
    node = await connect(fake)
    assert "value = HardwareError: no sensor  double 0 to 500" in rows(node)


async def test_a_node_that_is_only_looked_at(serve, connect):
    fake = await serve(report(c=drivable()))
    node = await connect(fake, options=NodeOptions(read_only=True))
    assert "settable" not in str(node.tree())


@pytest.mark.parametrize("code", [100, 200, 300, 400])
async def test_colours(serve, connect, code):
    styles = {100: "32", 200: "33", 300: "33", 400: "31"}
    fake = await serve(report(m=readable()))
    fake.set("m:status", (code, "so"))
    node = await connect(fake)
    console = Console(
        file=StringIO(), force_terminal=True, color_system="standard", width=200
    )
    console.print(node.tree())
    assert f"\x1b[{styles[code]}m{code} (" in console.file.getvalue()
    assert "\x1b" not in str(node.tree())


# When nothing is known


async def test_before_it_is_connected():
    node = SECoPNodeDevice("localhost:1", name="node")
    title, how = rows(node)
    assert title == "node  SECoPNodeDevice  secop://localhost:1  not connected"
    assert "init_devices" in how
    title, how = rows(SECoPMoveableDevice(name="m"))
    assert title == "m  SECoPMoveableDevice  not connected"
    assert "init_devices" in how


async def test_after_the_connection_is_lost(serve, connect):
    fake = await serve(report(m=readable()))
    fake.set("m:value", 5.0)
    node = await connect(fake)
    assert "value = 5.000 K" in str(node.tree())
    lost = asyncio.Event()
    end = node.client.on_state(lambda _: None if node.is_connected else lost.set())
    fake.stop_listening()
    await fake.drop_connections()
    await asyncio.wait_for(lost.wait(), 5)
    assert rows(node)[0].endswith("not connected  A node")
    assert "value = unknown, not connected  double 0 to 500" in rows(node)
    assert "5.000" not in str(node.tree())
    end()


async def test_after_it_is_disconnected(serve, connect):
    node = await connect(await serve(report(m=readable())))
    await node.disconnect()
    assert "not connected" in rows(node)[0]
    assert "value = unknown, not connected  double 0 to 500" in rows(node.m)


# Whatever a node sends


@pytest.mark.parametrize("name", sorted(p.name for p in DESCRIPTIONS.glob("*.json")))
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nodes_of_others(serve, connect, name, seed):
    fake = await serve(DESCRIPTIONS / name, seed=seed)
    node = await connect(fake)
    text = str(node.tree())
    assert "cannot be shown" not in text
    for child in node.client.description.modules.values():
        for accessible in (*child.parameters, *child.commands):
            assert accessible.lstrip("_") in text
    assert max(map(len, text.splitlines())) < 300
    assert not [r for r in fake.requests if r.startswith("read")]


HOSTILE = "[bold red]x[/] [/nonsense] \x1b]0;owned\x07\x1b[2J\r\n\u202e :smile: \ud800"


async def test_text_of_a_node_is_neither_markup_nor_control(serve, connect):
    accessibles = {
        "value": parameter({**KELVIN, "unit": HOSTILE}),
        "status": parameter(STATUS),
        "text": parameter({"type": "string"}),
        "choice": parameter({"type": "enum", "members": {HOSTILE: 0}}),
        "do": command(argument={"type": "struct", "members": {HOSTILE: SWITCH}}),
    }
    structure = report(m=module("Readable", HOSTILE, **accessibles))
    structure["description"] = structure["modules"]["m"]["description"] = HOSTILE
    fake = await serve(structure)
    fake.set_json("m:status", [100, HOSTILE])
    fake.set_json("m:text", HOSTILE)
    node = await connect(fake)
    console = Console(file=StringIO(), color_system=None, width=1000)
    console.print(node.tree())
    for text in (str(node.tree()), console.file.getvalue(), repr(node.m)):
        assert all(c.isprintable() or c == "\n" for c in text)
        text.encode()
    assert str(node.tree()).count("[bold red]x[/] [/nonsense]") == 8
    assert "\\x1b[2J" in str(node.tree())
    assert ":smile:" in str(node.tree())


async def test_odd_types_of_commands(serve, connect):
    commands = {"go": command(argument="double", result=[1]), "do": command(result=5)}
    node = await connect(await serve(report(m=module(**commands))))
    assert "go(JSON) -> JSON" in rows(node)


async def test_a_long_value_is_cut(serve, connect):
    fake = await serve(with_parameters(s={"type": "string"}, o={"type": "odd"}))
    fake.set("m:s", "x" * 100_000)
    fake.set_json("m:o", [[["y" * 1000] * 10] * 10])
    node = await connect(fake)
    for row in rows(node.m):
        assert len(row) < 120
    assert "..." in rows(node.m)[1]


async def test_what_cannot_be_shown_costs_one_row(serve, connect, monkeypatch):
    def fail(self, code):
        raise KeyError(code)

    node = await connect(await serve(with_parameters(e=SWITCH, d=KELVIN)))
    monkeypatch.setattr(EnumInfo, "text_of", fail)
    _, e, d = rows(node.m)
    assert e == "e: cannot be shown (KeyError)"
    assert d.startswith("d = 0.000 K")


# Threads


async def test_looking_at_it_changes_nothing(serve, connect):
    """A tree in another thread must not put an old value over a new one."""
    fake = await serve(report(m=readable()))
    node = await connect(fake)
    state = node.client.parameter("m", "value")
    fake.set("m:value", 5.0)
    await settle(node)
    assert state._is_decoded is False
    text = await asyncio.to_thread(lambda: str(node.tree()))
    assert "value = 5.000 K" in text
    assert state._is_decoded is False
    assert state.reading.value == 5.0


async def test_what_makes_no_sense_is_an_error_in_any_thread(serve, connect):
    fake = await serve(report(m=readable()))
    node = await connect(fake)
    for data in (b"nonsense", b'["text", {}]'):
        fake.send_raw(b"update m:value " + data + b"\n")
        await settle(node)
        state = node.client.parameter("m", "value")
        with pytest.raises(SecopError):
            _ = state.peek().value
        row = next(r for r in rows(node) if r.startswith("value"))
        assert "Error" in row or "WrongType" in row or "InvalidMessage" in row


def test_in_the_main_thread_while_the_node_talks(lab):
    fake = lab.serve(report(**{f"m{i}": readable() for i in range(20)}))
    node = lab.connect(fake)
    done = threading.Event()

    async def talk() -> None:
        for number in range(300):
            fake.set(f"m{number % 20}:value", float(number))
            await asyncio.sleep(0)
        done.set()

    future = asyncio.run_coroutine_threadsafe(talk(), lab.engine.loop)
    trees = [str(node.tree())]
    while not done.is_set():
        trees.append(str(node.tree()))
    future.result(5)
    lab.run(settle(node))
    assert all(len(t.splitlines()) == len(trees[0].splitlines()) for t in trees)
    assert "value = 299.000 K" in str(node.tree())


async def test_it_shows_itself_in_ipython(serve, connect):
    from IPython.core.formatters import DisplayFormatter

    node = await connect(await serve(report(m=readable())))
    data, _ = DisplayFormatter().format(node.tree())
    assert "SECoPReadableDevice" in data["text/plain"]
    assert "SECoPReadableDevice" in data["text/html"]


# In one line


async def test_repr(serve, connect):
    fake: FakeNode = await serve(report(c=drivable(), x=module()))
    node = await connect(fake)
    assert repr(node) == (
        f"SECoPNodeDevice(name='node', uri='{node.uri}', connected=True)"
    )
    assert repr(node.c) == (
        f"SECoPMoveableDevice(name='node-c', uri='{node.uri}/c', "
        "interface_class='Drivable', connected=True)"
    )
    assert "interface_class=''" in repr(node.x)
    await node.disconnect()
    assert repr(node).endswith("connected=False)")
    assert repr(node.c).endswith("connected=False)")


def test_repr_of_what_is_not_ready():
    node, blank = SECoPNodeDevice("host:1"), object.__new__(SECoPNodeDevice)
    assert repr(node) == (
        "SECoPNodeDevice(name='', uri='secop://host:1', connected=False)"
    )
    assert repr(blank) == "SECoPNodeDevice()"
    expected = "SECoPMoveableDevice(name='', connected=False)"
    assert repr(SECoPMoveableDevice()) == expected
    assert repr(object.__new__(SECoPMoveableDevice)) == expected
