"""Servers as processes of their own, that are there when they say so."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START = 60.0  # s, on a machine that does many other things
END = 20.0


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    ready: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block; in a group, with all that it starts.

    :param command: With all arguments.
    :param log: File for what it says.
    :param ready: What it says when it is there.
    :param env: More of the environment.
    :param cwd: Where to run it.
    """
    with open(log, "wb") as file:
        process = subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONUNBUFFERED": "1"} | dict(env or {}),
            cwd=cwd,
            start_new_session=True,
        )
    try:
        wait_for(process, log, ready)
        yield process
    finally:
        try:
            process.terminate()  # SIGINT is ignored by what runs in the background
            process.wait(END)
        except subprocess.TimeoutExpired:
            pass
        finally:
            end_group(process)


def wait_for(
    process: subprocess.Popen[bytes], log: Path, ready: str | re.Pattern[str]
) -> None:
    """Wait until a process says something."""
    deadline = time.monotonic() + START
    while not re.search(ready, text := log.read_text(errors="replace")):
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.05)  # a file tells nobody that it has grown


def wait_for_group(process: subprocess.Popen[Any]) -> None:
    """Wait until all that a process has started has ended, too."""
    deadline = time.monotonic() + END
    try:
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.05)  # who was started by others tells nobody of its end
    except ProcessLookupError:
        return
    raise AssertionError(f"{process.args} has left processes behind")


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process with all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
