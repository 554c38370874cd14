"""The command line as a process, with real nodes and bad ones."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secop_ophyd.demo import SimulatedNode, start_node
from secop_ophyd.testing import FakeNode

COMMAND = [sys.executable, "-W", "error", "-m", "secop_ophyd.cli"]
PORT = re.compile(rb"PORT (\d+)\n")


def run(*args: object, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=50,
        env={**os.environ, **env},
    )


@pytest.fixture(scope="module")
def demo() -> Iterator[SimulatedNode]:
    with start_node() as node:
        yield node


def test_frappy_is_described(demo: SimulatedNode, tmp_path: Path) -> None:
    ended = run("describe", demo.uri)
    assert (ended.returncode, ended.stderr) == (0, b"")
    shown = ended.stdout.decode()
    assert demo.uri in shown
    for text in ("cryo", "SECoPMoveableDevice", "configure"):
        assert text in shown
    assert re.search(r"value\b.*\d.* K\b", shown), "the value of the cryostat"
    assert list(tmp_path.iterdir()) == []


def test_frappy_is_saved_and_generated(demo: SimulatedNode, tmp_path: Path) -> None:
    saved = run("describe", demo.uri, "--json")
    assert (saved.returncode, saved.stderr) == (0, b"")
    (tmp_path / "saved.json").write_bytes(saved.stdout)
    assert run("generate", "saved.json").returncode == 0
    assert (tmp_path / "genNodeClass.py").is_file()
    # The node itself, and a fake of it, are what has been saved
    assert run("generate", demo.uri, "--check").returncode == 0
    fake = [sys.executable, "-m", "secop_ophyd.testing", "saved.json"]
    with subprocess.Popen(
        fake, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        match = PORT.fullmatch(process.stdout.readline())
        assert match is not None
        again = run("describe", f"127.0.0.1:{int(match[1])}", "--json")
        process.terminate()
    assert again.stdout == saved.stdout


def test_a_terminal_that_has_few_characters(demo: SimulatedNode) -> None:
    shown = run("describe", demo.uri, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert shown.stdout.isascii()
    assert b"cryo" in shown.stdout


def test_nobody_reads_what_is_shown(demo: SimulatedNode) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as nowhere:
        ended = subprocess.run(
            [*COMMAND, "describe", demo.uri],
            stdout=nowhere,
            stderr=subprocess.PIPE,
            timeout=50,
        )
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_node_that_hangs() -> None:
    with start_node() as node:
        node.pause()
        ended = run("describe", node.uri, "--timeout", "0.5")
        node.resume()
    assert ended.returncode == 1
    assert ended.stdout == b""
    assert (
        ended.stderr
        == (
            f"secop-ophyd: cannot connect to SEC node {node.uri}: "
            "no answer to *IDN? within 0.5 s\n"
        ).encode()
    )


@pytest.mark.parametrize("options", [("describe",), ("describe", "--json")])
def test_ctrl_c(options: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(
            [*COMMAND, *options, address, "--timeout", "100"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Who runs the tests in the background has switched it off for all
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(100) == b"*IDN?\n"
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 130


@pytest.mark.parametrize("options", [(), ("--json",)])
async def test_a_hostile_node(options: tuple[str, ...]) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"
    accessible: dict[str, Any] = {
        "description": evil,
        "readonly": True,
        "datainfo": {"type": "string"},
    }
    report = {
        "equipment_id": evil,
        "description": evil,
        "modules": {
            "m": {
                "description": evil,
                "interface_classes": [evil],
                "accessibles": {"value": accessible, evil: accessible},
            }
        },
    }
    async with FakeNode(report) as node:
        node.set_json("m:value", evil)
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "describe",
            node.uri,
            *options,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 50)
    assert (process.returncode, err) == (0, b"")
    assert all(line.isprintable() for line in out.decode().splitlines())
    assert b"owned" in out
    if options:
        assert json.loads(out) == report


def test_usage() -> None:
    ended = run()
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"usage: secop-ophyd" in ended.stderr
    assert b"Traceback" not in ended.stderr
