"""Start, stop and disturb a simulated SEC node in a process of its own."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

HOST = "127.0.0.1"


class SimulatedNode:
    """SEC node, made with frappy, that lives in a child process.

    It is reached on 127.0.0.1 only, and ends with this process, however this one
    ends. `start_node` makes a running one.

    :param config: frappy configuration: a path, its text (any str with a line break),
        or None for the demo's node
    :param port: TCP port; 0 takes a free one at the first start and keeps it
    :param timeout: time for the node to start, in seconds
    """

    def __init__(
        self, config: str | Path | None = None, port: int = 0, timeout: float = 30.0
    ) -> None:
        self._config = config
        self._port = port
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._workdir: Path | None = None
        self._paused = False
        self._log = ""

    def __enter__(self) -> Self:
        if self._process is None:
            self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.running else "not running"
        return f"<{type(self).__name__} {self.uri} {state}>"

    @property
    def port(self) -> int:
        """TCP port, the same after a restart."""
        return self._port

    @property
    def uri(self) -> str:
        """Address of the node, as devices take it."""
        return f"{HOST}:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the process lives, be it paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id.

        :raises RuntimeError: if the node was not started, or was stopped
        """
        return self._get_process().pid

    @property
    def log(self) -> str:
        """What the last process that ended said on stderr."""
        return self._log

    def start(self) -> None:
        """Start the node and wait until it accepts connections.

        :raises RuntimeError: if it does not start, with its own words
        """
        if self._process is not None:
            raise RuntimeError(f"{self!r} was started already")
        if importlib.util.find_spec("frappy") is None:
            raise RuntimeError(
                "the simulated node needs frappy: pip install 'secop-ophyd[demo]'"
            )
        started = time.monotonic()
        try:
            line = self._launch()
        except BaseException:
            if self._process is not None:
                self._process.kill()
            self._clean_up()
            raise
        match = re.fullmatch(rb"PORT (\d+)\s*", line)
        if match is None:
            late = time.monotonic() - started >= self._timeout
            self.stop()
            raise RuntimeError(
                "the simulated node did not start"
                + (f" within {self._timeout:g} s" if late else "")
                + f": {self._log.strip() or '(no message)'}"
            )
        self._port = int(match[1])

    def stop(self, timeout: float = 5.0) -> None:
        """End the node in good order; nothing happens if it is not running.

        :param timeout: time after which it is killed, in seconds
        """
        if self._process is None:
            return
        if self._paused and self.running:
            self.resume()
        try:
            # Its end is the end of its stdin
            self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
        finally:
            self._clean_up()

    def kill(self) -> None:
        """End the node the hard way, like a power cut of its computer."""
        self._get_process().kill()
        self._clean_up()

    def pause(self) -> None:
        """Freeze the node: connections stay open and nothing answers."""
        self._get_process().send_signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """Let a frozen node go on."""
        self._get_process().send_signal(signal.SIGCONT)
        self._paused = False

    def restart(self) -> None:
        """Start the node again on the same port, also after `stop` or `kill`."""
        self.stop()
        self.start()

    def _get_process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self!r} was not started")
        return self._process

    def _launch(self) -> bytes:
        """Start the process and wait for the line that it prints."""
        workdir = self._workdir = Path(tempfile.mkdtemp(prefix="secop-ophyd-demo-"))
        # A file, as nobody reads a pipe while the node runs
        stderr = self._stderr = tempfile.TemporaryFile()
        reader, writer = os.pipe()
        with open(reader, "rb") as stdout:
            with open(writer, "wb") as child_stdout:
                process = self._process = subprocess.Popen(
                    self._command(workdir),
                    stdin=subprocess.PIPE,
                    stdout=child_stdout,
                    stderr=stderr,
                    # Ctrl-C in a terminal is for the RunEngine, not for the node
                    start_new_session=True,
                )
            timer = threading.Timer(self._timeout, process.kill)
            timer.start()
            try:
                return stdout.readline()
            finally:
                timer.cancel()
                timer.join()

    def _command(self, workdir: Path) -> list[str]:
        # -P: a frappy.py in the current directory is none of our business
        command = [sys.executable, "-P", str(Path(__file__).with_name("_server.py"))]
        command += ["--port", str(self._port), "--workdir", str(workdir)]
        config = self._config
        if isinstance(config, str) and "\n" in config:
            text, config = config, workdir / "node_cfg.py"
            config.write_text(text, encoding="utf-8")
        if config is not None:
            command += ["--config", str(config)]
        return command

    def _clean_up(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.communicate()
        stderr, self._stderr = self._stderr, None
        if stderr is not None:
            with stderr:
                stderr.seek(0)
                log = stderr.read().decode(errors="replace")
                self._log = re.sub(r"\x1b\[[\d;]*m", "", log)  # without colours
        # The node does that too, unless it was killed
        if self._workdir is not None:
            shutil.rmtree(self._workdir, ignore_errors=True)
        self._paused = False


def start_node(
    config: str | Path | None = None, port: int = 0, timeout: float = 30.0
) -> SimulatedNode:
    """Start a simulated SEC node and wait until it accepts connections.

    :param config: frappy configuration: a path, its text (any str with a line break),
        or None for the demo's node
    :param port: TCP port, 0 for any free one
    :param timeout: time for the node to start, in seconds
    :raises RuntimeError: if it does not start, with its own words
    """
    node = SimulatedNode(config, port, timeout)
    node.start()
    return node
