"""The node as a process."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from secop_ophyd.testing.__main__ import main

from .conftest import structure

COMMAND = [sys.executable, "-m", "secop_ophyd.testing"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "node.json"
    path.write_text(json.dumps(structure()))
    return path


@pytest.fixture
def run(monkeypatch):
    """Run the program in this process, up to the exit that is expected."""

    def run(*args):
        monkeypatch.setattr("sys.argv", ["testing", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code

    return run


def test_files_that_are_no_description(run, tmp_path):
    assert "absent.json: " in run(tmp_path / "absent.json")
    broken = tmp_path / "broken.json"
    for text in ("{", "1"):
        broken.write_text(text)
        assert "broken.json: " in run(broken)


def test_a_port_that_is_taken(run, path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1, port {port}" in run(path, "--port", port)


def test_help(run, capsys):
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for word in ("--seed", "--port", "--host", "PORT"):
        assert word in shown


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGINT"])
def test_serves_until_the_end(path, how):
    with subprocess.Popen(
        [*COMMAND, str(path), "--seed", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        word, port = process.stdout.readline().split()
        assert word == "PORT"
        with socket.create_connection(("127.0.0.1", int(port)), 5) as client:
            client.sendall(b"*IDN?\n")
            assert b"SECoP" in client.recv(1000)
            if how == "stdin":
                process.stdin.close()
            else:
                process.send_signal(getattr(signal, how))
            assert process.wait(10) == 0
        assert process.stderr.read() == ""
