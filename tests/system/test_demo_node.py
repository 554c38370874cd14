"""The simulated node of the demo, over bare sockets."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from secop_ophyd.demo import SimulatedNode, start_node

NODES = Path(__file__).parents[1] / "nodes"
SERVER = [sys.executable, "-m", "secop_ophyd.demo._server"]
IDLE, BUSY, ERROR = 100, 300, 400


class Wire:
    """Connection to a node, line by line."""

    def __init__(self, node: SimulatedNode | int):
        port = node if isinstance(node, int) else node.port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        # Without it the node waits 40 ms for the acknowledgement of an update
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rw", encoding="utf-8", newline="\n")

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()
        self.socket.close()

    def send(self, line: str):
        self.file.write(line + "\n")
        self.file.flush()

    def receive(self) -> tuple[str, str, object]:
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed by the node")
        action, specifier, data = (*line.strip().split(" ", 2), "", "")[:3]
        return action, specifier, json.loads(data or "null")

    def until(self, action: str, specifier: str = "") -> list[tuple[str, str, object]]:
        """Messages up to and including this one."""
        messages = [self.receive()]
        while messages[-1][0] != action or specifier not in ("", messages[-1][1]):
            messages.append(self.receive())
        return messages

    def ask(self, request: str):
        """Data of the reply; an error reply is (class, text)."""
        action, specifier, *_ = request.split(" ", 2)
        replies = {"read": "reply", "change": "changed", "do": "done"}
        wanted = {replies.get(action, action), f"error_{action}"}
        self.send(request)
        while True:
            action, where, data = self.receive()
            if action in wanted and where == specifier:
                return tuple(data[:2]) if action.startswith("error_") else data[0]

    def describe(self) -> dict:
        self.send("describe")
        return self.until("describing")[-1][2]

    def activate(self) -> dict:
        """Activate updates; returns the first of each parameter."""
        self.send("activate")
        return {m[1]: m[2] for m in self.until("active")[:-1]}

    def move(self, module: str, target: str) -> list[tuple[str, object]]:
        """Messages of a move: (action and parameter, value)."""
        self.send(f"change {module}:target {target}")
        messages, busy = [], False
        while True:
            action, where, data = self.receive()
            if where.startswith(f"{module}:"):
                messages.append((f"{action} {where.partition(':')[2]}", data[0]))
                if messages[-1][0] == "update status":
                    if data[0][0] != BUSY and busy:
                        return messages
                    busy = True


@pytest.fixture
def node() -> Iterator[SimulatedNode]:
    with start_node() as node:
        yield node


@pytest.fixture
def wire(node: SimulatedNode) -> Iterator[Wire]:
    with Wire(node) as wire:
        yield wire


def test_description(wire: Wire):
    description = wire.describe()
    assert description["equipment_id"] == "demo.secop-ophyd"
    headline, _, body = description["description"].partition("\n\n")
    assert headline == "Simulated sample environment"
    assert body
    modules = description["modules"]
    assert {
        name: module.get("interface_classes") for name, module in modules.items()
    } == {
        "cryo": ["Drivable"],
        "detector": ["Readable"],
        "motor": ["Drivable"],
        "heater": ["Drivable"],
        "valve": ["Writable"],
        "sensor": ["Readable"],
        "notes": None,
    }
    for module in modules.values():
        assert module["description"]
        assert all(a["description"] for a in module["accessibles"].values())
    mode = modules["cryo"]["accessibles"]["mode"]["datainfo"]
    assert mode == {"type": "enum", "members": {"ramp": 1, "pid": 2, "openloop": 3}}


def test_every_parameter_has_a_value(wire: Wire):
    description = wire.describe()
    parameters = {
        f"{name}:{accessible}"
        for name, module in description["modules"].items()
        for accessible, properties in module["accessibles"].items()
        if properties["datainfo"]["type"] != "command"
    }
    wire.send("activate")
    messages = wire.until("active")[:-1]
    assert {m[0] for m in messages} == {"update"}
    assert {m[1] for m in messages} == parameters


@pytest.mark.parametrize("mode", ["ramp", "pid"])
def test_move_of_cryostat(wire: Wire, mode: str):
    wire.activate()
    wire.ask(f'change cryo:mode "{mode}"')
    started = time.monotonic()
    messages = wire.move("cryo", "20")
    assert time.monotonic() - started < 3
    names = [name for name, _ in messages]
    assert messages[0] == ("update status", [BUSY, "ramping"])
    assert names.index("changed target") > names.index("update status")
    assert messages[-1] == ("update status", [IDLE, "at target"])
    values = [value for name, value in messages if name == "update value"]
    assert values == sorted(values)
    assert len(values) > 8
    assert values[-1] == 20.0
    assert [v for name, v in messages if name == "update setpoint"][-1] == 20.0


def test_move_to_where_it_is(wire: Wire):
    wire.activate()
    assert wire.ask("change cryo:target 10") == 10.0
    assert wire.ask("read cryo:status") == [IDLE, "at target"]


def test_stop(wire: Wire):
    wire.activate()
    wire.ask("change cryo:ramp 60")
    wire.ask("change cryo:target 100")
    wire.until("update", "cryo:value")
    wire.send("do cryo:stop")
    messages = wire.until("done", "cryo:stop")
    last = {where: data[0] for _, where, data in messages[:-1]}
    assert last["cryo:status"] == [IDLE, "stopped"]
    assert 10 < last["cryo:value"] < 12
    assert last["cryo:target"] == last["cryo:setpoint"] == last["cryo:value"]
    assert wire.ask("read cryo:value") == last["cryo:value"]
    assert wire.ask("read cryo:status") == [IDLE, "stopped"]


def test_change_of_ramp_and_target_on_the_way(wire: Wire):
    wire.activate()
    wire.ask("change cryo:ramp 6")
    wire.ask("change cryo:target 100")
    assert wire.ask("read cryo:value") < 12
    wire.ask("change cryo:ramp 60")
    assert wire.ask("read cryo:value") < 12
    wire.ask("change cryo:target 12")
    wire.ask("change cryo:ramp 6000")
    while wire.ask("read cryo:status")[0] == BUSY:
        time.sleep(0.02)
    assert wire.ask("read cryo:value") == 12.0


def test_open_loop(wire: Wire):
    wire.activate()
    wire.ask("change cryo:ramp 60")
    wire.ask("change cryo:target 100")
    wire.ask('change cryo:mode "openloop"')
    assert wire.ask("read cryo:status") == [IDLE, "not regulated"]
    assert wire.ask("change cryo:target 20")[0] == "Impossible"


def test_limits_and_readonly(wire: Wire):
    assert wire.ask("change cryo:target 1000")[0] == "RangeError"
    assert wire.ask("change cryo:value 1")[0] == "ReadOnly"
    assert wire.ask("change cryo:_pid [1, 2, 3]") == [1.0, 2.0, 3.0]
    assert wire.ask("change cryo:_pid [1, 2, 300]")[0] == "RangeError"


def test_detector_sees_a_peak(wire: Wire):
    wire.activate()
    wire.ask("change cryo:ramp 6000")
    counts = []
    for target in range(14, 27, 2):
        wire.move("cryo", str(target))
        counts.append(wire.ask("read detector:value"))
    assert counts == [21, 145, 617, 1010, 617, 145, 21]


def test_detector_follows(wire: Wire):
    wire.activate()
    wire.send("change cryo:target 20")
    data = [m[2] for m in wire.until("update", "cryo:status")]
    while data[-1][0] != [IDLE, "at target"]:
        data = [m[2] for m in wire.until("update", "cryo:status")]
    assert wire.activate()["detector:value"][0] == 1010


def test_switch(wire: Wire):
    wire.activate()
    started = time.monotonic()
    messages = wire.move("heater", '"on"')
    assert 0.2 < time.monotonic() - started < 2
    assert messages[0] == ("update status", [BUSY, "switching on"])
    assert messages[-2:] == [
        ("update value", 1),
        ("update status", [IDLE, "at target"]),
    ]
    wire.ask("change heater:_delay 10")
    wire.ask('change heater:target "off"')
    wire.ask("do heater:stop")
    assert wire.ask("read heater:status") == [IDLE, "stopped"]
    assert wire.ask("read heater:value") == wire.ask("read heater:target") == 1


def test_valve(wire: Wire):
    wire.activate()
    wire.send("change valve:target true")
    messages = wire.until("changed", "valve:target")
    assert [m[:2] for m in messages[:-1]] == [
        ("update", "valve:value"),
        ("update", "valve:target"),
    ]
    assert wire.ask("read valve:value") is True


def test_commands(wire: Wire):
    wire.activate()
    assert wire.ask("do motor:reset") is None
    argument = '{"mode": "manual", "setpoint": 100.04}'
    assert wire.ask(f"do motor:_configure {argument}") == 100.0
    assert wire.ask("read motor:mode") == 2
    assert wire.ask("do motor:_get_info") == {
        "model": "SIM-1",
        "serial": "0042",
        "axes": 1,
    }
    assert wire.ask("do motor:_get_status").startswith("IDLE")
    error, text = wire.ask('do motor:_configure {"mode": "no", "setpoint": 1}')
    assert (error, text) == ("Impossible", "mode 'no' is neither auto nor manual")
    error, text = wire.ask("do motor:_fail")
    assert (error, text) == ("HardwareError", "end switch hit, motor is without power")
    assert wire.ask("do motor:_configure 3")[0] == "WrongType"


def test_command_goes_busy_before_done(wire: Wire):
    wire.activate()
    wire.send("do motor:_move_to 50")
    messages = wire.until("done", "motor:_move_to")
    assert ("update", "motor:status") in [m[:2] for m in messages]
    assert wire.ask("read motor:status")[0] == BUSY
    while wire.ask("read motor:status") != [IDLE, "at target"]:
        time.sleep(0.02)
    assert wire.ask("read motor:value") == wire.ask("read motor:target") == 50.0


def test_move_that_ends_in_an_error(wire: Wire):
    wire.activate()
    wire.ask("change motor:_blocked true")
    messages = wire.move("motor", "100")
    assert messages[0] == ("update status", [BUSY, "moving"])
    assert messages[-1] == ("update status", [ERROR, "motor blocked"])
    wire.ask("do motor:reset")
    assert wire.ask("read motor:status") == [IDLE, "reset"]


def test_broken_sensor(wire: Wire):
    wire.activate()
    assert wire.ask("read sensor:value") == 4.2
    wire.send("change sensor:_broken true")
    messages = wire.until("changed", "sensor:_broken")
    errors = [m for m in messages if m[0] == "error_update"]
    assert [m[1] for m in errors] == ["sensor:value"]
    assert errors[0][2][:2] == ["HardwareError", "sensor broken wire"]
    error = ("HardwareError", "sensor broken wire")
    assert wire.ask("read sensor:value") == error
    assert wire.ask("read sensor:status") == [ERROR, "sensor broken wire"]
    wire.send("change sensor:_broken false")
    messages = wire.until("changed", "sensor:_broken")
    assert ("update", "sensor:value") in [m[:2] for m in messages]
    assert wire.ask("read sensor:status") == [IDLE, ""]


def test_notes(wire: Wire):
    assert wire.ask('change notes:_label "ice"') == "ice"
    limits = {"low": 3.0, "high": 30.0}
    assert wire.ask(f"change notes:_limits {json.dumps(limits)}") == limits
    assert wire.ask("change notes:_curve [1, 2]") == [1.0, 2.0]
    assert wire.ask('change notes:_serial "x"')[0] == "ReadOnly"


def test_sockets(node: SimulatedNode):
    connections = psutil.Process(node.pid).net_connections("all")
    internet = [c for c in connections if c.family != socket.AF_UNIX]
    assert [(c.type, c.status) for c in internet] == [
        (socket.SOCK_STREAM, psutil.CONN_LISTEN)
    ]
    assert tuple(internet[0].laddr) == ("127.0.0.1", node.port)
    assert node.uri == f"127.0.0.1:{node.port}"


def test_stop_leaves_nothing(node: SimulatedNode, tmp_path: Path):
    process = psutil.Process(node.pid)
    workdir = Path(process.cmdline()[process.cmdline().index("--workdir") + 1])
    assert workdir.is_dir()
    started = time.monotonic()
    with Wire(node):  # a client does not keep it alive
        node.stop()
    assert time.monotonic() - started < 1
    assert not process.is_running()
    assert not workdir.exists()
    assert not node.running
    assert node.log == ""
    node.stop()  # once more is fine
    with pytest.raises(ConnectionRefusedError):
        Wire(node)
    with pytest.raises(RuntimeError, match="was not started"):
        node.pause()


@pytest.mark.parametrize("end", ["stop", "kill", None])
def test_restart_on_same_port(node: SimulatedNode, end: str | None):
    port, pid = node.port, node.pid
    with Wire(node) as wire:
        wire.ask("change cryo:ramp 60")
        if end is not None:
            getattr(node, end)()
            assert not node.running
        node.restart()
        with pytest.raises(ConnectionError):
            wire.until("never")
    assert (node.port, node.running) == (port, True)
    assert node.pid != pid
    with Wire(node) as wire:
        assert wire.ask("read cryo:ramp") == 600.0


def test_pause_and_resume(node: SimulatedNode, wire: Wire):
    node.pause()
    wire.socket.settimeout(0.3)
    wire.send("read cryo:value")
    with pytest.raises(TimeoutError):
        wire.socket.recv(1, socket.MSG_PEEK)
    assert node.running
    node.resume()
    wire.socket.settimeout(10)
    assert wire.socket.recv(1, socket.MSG_PEEK) == b"r"


def test_stop_while_paused(node: SimulatedNode):
    node.pause()
    started = time.monotonic()
    node.stop()
    assert time.monotonic() - started < 1


def test_port_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(RuntimeError, match=f"cannot listen on 127.0.0.1:{port}"):
            start_node(port=port)
        assert time.monotonic() - started < 5
        with subprocess.Popen(
            [*SERVER, "--port", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.wait(10) == 1
            assert f"cannot listen on 127.0.0.1:{port}" in process.stderr.read()
            assert process.stdout.read() == ""


def test_bad_configuration(tmp_path: Path):
    with pytest.raises(RuntimeError, match="no such configuration"):
        start_node(tmp_path / "nothing_cfg.py")
    with pytest.raises(RuntimeError, match="SyntaxError"):
        start_node("Node(\n")
    text = 'Node("a", "b")\nMod("m", "secop_ophyd.demo._modules.Valve", "c", nope=1)\n'
    with pytest.raises(RuntimeError, match="nope does not exist"):
        start_node(text)


def test_time_limit(tmp_path: Path):
    with pytest.raises(RuntimeError, match="did not start within 0.3 s"):
        start_node("import time\ntime.sleep(60)\n", timeout=0.3)


def test_start_twice(node: SimulatedNode):
    with pytest.raises(RuntimeError, match="started already"):
        node.start()
    assert node.running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The server as a bare process, and its port."""
    with subprocess.Popen(
        SERVER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        try:
            match = re.fullmatch(r"PORT (\d+)\n", process.stdout.readline())
            assert match
            yield process, int(match[1])
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["stdin", signal.SIGTERM, signal.SIGINT])
def test_end_of_server(server, how, tmp_path: Path):
    process, port = server
    assert list(tmp_path.iterdir())
    with Wire(port) as wire:
        wire.activate()
        started = time.monotonic()
        if how == "stdin":
            process.stdin.close()
        else:
            process.send_signal(how)
        assert process.wait(5) == 0
    assert time.monotonic() - started < 1
    assert process.stdout.read() == ""  # the port was its only line
    assert list(tmp_path.iterdir()) == []


def test_no_errors_on_stdout(server):
    process, port = server
    with Wire(port) as wire:
        wire.ask("change sensor:_broken true")
        wire.send("nonsense")
        assert wire.receive()[0] == "error_nonsense"
    process.stdin.close()
    assert process.wait(5) == 0
    assert process.stdout.read() == ""


def test_end_before_it_is_up():
    result = subprocess.run(SERVER, stdin=subprocess.DEVNULL, timeout=10)
    assert result.returncode == 0


def test_killed_parent(tmp_path: Path):
    code = """
import time
from secop_ophyd.demo import start_node
node = start_node('Node("a", "b")\\nMod("v", "secop_ophyd.demo._modules.Valve", "c")')
print(node.pid, node.port, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as parent:
        try:
            pid, port = map(int, parent.stdout.readline().split())
            node = psutil.Process(pid)
            with Wire(port) as wire:
                assert "v" in wire.describe()["modules"]
        finally:
            parent.kill()
    # It may stay as a zombie where nobody reaps orphans
    limit = time.monotonic() + 5
    while node.is_running() and node.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < limit
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []


def test_import_is_light():
    code = (
        "import sys, secop_ophyd.demo; print({'frappy', 'matplotlib'} & {*sys.modules})"
    )
    output = subprocess.check_output(
        [sys.executable, "-c", code], text=True, timeout=30
    )
    assert output == "set()\n"


def test_real_cryostat():
    with start_node(NODES / "cryo_cfg.py") as node, Wire(node) as wire:
        description = wire.describe()
        assert description["equipment_id"] == "cryo_7.frappy.demo"
        cryo = description["modules"]["cryo"]
        assert cryo["implementation"] == "frappy_demo.cryo.Cryostat"
        assert wire.activate()["cryo:value"][0] == pytest.approx(300, abs=1)
        assert wire.ask("read cryo:mode") == 2
        messages = wire.move("cryo", "300.5")
        names = [name for name, _ in messages]
        assert names.index("update status") < names.index("changed target")
        assert wire.ask("read cryo:value") == pytest.approx(300.5, abs=0.5)


def test_late_busy():
    with start_node(NODES / "sim_cfg.py") as node, Wire(node) as wire:
        wire.activate()
        messages = wire.move("drive", "15")
        names = [name for name, _ in messages]
        assert names.index("changed target") < names.index("update status")
        assert wire.ask("read drive:value") == 15.0


def test_datatypes():
    with start_node(NODES / "datatypes_cfg.py") as node, Wire(node) as wire:
        wire.describe()
        updates = wire.activate()
        assert updates["types:_unknown"][0] == "InternalError"
        assert updates["types:_scaled"][0] == 12
        assert updates["types:_long"][0] == 2**53 + 1
        assert updates["types:_blob"][0] == "AAH+/w=="
        assert updates["types:_nested"][0]["inner"] == {"n": 1, "text": "t"}
        assert len(updates["array:value"][0]) == 10000
        assert wire.ask('do commands:_struct {"x": 1}') == {"x": 1.0, "name": "nobody"}
        assert wire.ask('do commands:_pair [1, "a"]') == [1, "a"]
        assert wire.ask("do commands:_enum 7") == 7
        assert wire.ask("do commands:_nothing") is None
