"""Arguments, errors and exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from secop_ophyd import __version__
from secop_ophyd.cli import main

from .conftest import Run

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
COMMANDS = pytest.mark.parametrize(
    "options", [("describe",), ("describe", "--json"), ("generate",)]
)


async def test_version(run: Run) -> None:
    assert await run("--version") == (0, f"secop-ophyd {__version__}\n", "")


@pytest.mark.parametrize("command", [(), ("discover",), ("describe",), ("generate",)])
async def test_help_has_examples(run: Run, command: tuple[str, ...]) -> None:
    code, out, err = await run(*command, "--help")
    assert (code, err) == (0, "")
    assert f"  secop-ophyd {' '.join(command)}".rstrip() in out.split("examples:")[1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "COMMAND"),
        (("frobnicate",), "invalid choice"),
        (("describe",), "HOST"),
        (("describe", "a b"), "expected 'host:port'"),
        (("describe", "host:0"), "no TCP port"),
        (("describe", "http://host"), "'http' is unknown"),
        (("generate", "a b"), "expected 'host:port'"),
        (("generate", "host", "--name", "a/b.py"), "not the name of a Python file"),
        (("generate", "host", "--name", "nodes"), "does not end in .py"),
        (("discover", "--timeout", "0"), "no time to wait"),
        (("discover", "--timeout", "nan"), "no time to wait"),
        (("discover", "--timeout", "inf"), "no time to wait"),
        (("discover", "--timeout", "soon"), "soon"),
    ],
)
async def test_wrong_arguments(run: Run, arguments: tuple[str, ...], why: str) -> None:
    code, out, err = await run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: secop-ophyd")
    assert why in err.splitlines()[-1]


@COMMANDS
async def test_nobody_is_there(run: Run, options: tuple[str, ...]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # nobody else gets it, and it is not listening
        address = f"127.0.0.1:{free.getsockname()[1]}"
        code, out, err = await run(*options, address)
    assert (code, out) == (1, "")
    assert err == (
        f"secop-ophyd: cannot connect to SEC node {address}: Connection refused\n"
    )


@COMMANDS
async def test_who_is_there_is_no_node(run: Run, options: tuple[str, ...]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"SSH-2.0-\x1b[2Jevil\x07\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        address = "{}:{}".format(*server.sockets[0].getsockname())
        code, out, err = await run(*options, address)
    assert (code, out) == (1, "")
    assert err == (
        f"secop-ophyd: {address} is not a SEC node: "
        "it answered 'SSH-2.0-\\x1b[2Jevil\\x07'\n"
    )


@COMMANDS
async def test_who_is_there_is_silent(run: Run, options: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = "{}:{}".format(*silent.getsockname())
        code, out, err = await run(*options, address, "--timeout", "0.2")
    assert (code, out) == (1, "")
    assert err == (
        f"secop-ophyd: cannot connect to SEC node {address}: "
        "no answer to *IDN? within 0.2 s\n"
    )


def test_ctrl_c_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("secop_ophyd.cli._discover.find_nodes", interrupted)
    assert main(["discover"]) == 130
    assert capsys.readouterr() == ("", "")


def test_it_is_installed_as_a_command() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    (command,) = project["scripts"].items()
    assert command[0] == "secop-ophyd"
    assert EntryPoint(*command, "console_scripts").load() is main
