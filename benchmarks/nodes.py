"""The nodes that are measured against: what they are, and their processes.

Needs the standard library only, since every side runs it in its own environment.
"""

from __future__ import annotations

import base64
import json
import math
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"
FAST_NODE = BUILD / "bench" / "fast_node"
PYTHON = os.environ.get("BENCH_PYTHON", sys.executable)
"""Ours, which has frappy; the peer has another one."""

NUMBER = {"type": "double", "unit": "K", "min": -1e9, "max": 1e9}
CODES = {"DISABLED": 0, "IDLE": 100, "WARN": 200, "BUSY": 300, "ERROR": 400}
STATUS = {
    "type": "tuple",
    "members": [{"type": "enum", "members": CODES}, {"type": "string"}],
}
# What modules have besides, in turn, with a value
OTHERS: list[tuple[dict[str, Any], Any]] = [
    (NUMBER, 0.25),
    ({"type": "int", "min": -100000, "max": 100000}, 7),
    ({"type": "enum", "members": {"off": 0, "on": 1, "auto": 2}}, 1),
    ({"type": "string", "maxchars": 80}, "some text"),
    (NUMBER, 1.25),
    ({"type": "bool"}, True),
    ({"type": "array", "members": {"type": "double"}, "maxlen": 8}, [1.5] * 8),
    (
        {
            "type": "tuple",
            "members": [{"type": "double"}, {"type": "int", "min": 0, "max": 100}],
        },
        [1.5, 7],
    ),
    (
        {
            "type": "struct",
            "members": {x: {"type": "double"} for x in ("p", "i", "d")},
        },
        {"p": 1.5, "i": 2.5, "d": 3.5},
    ),
]


@dataclass(frozen=True)
class Modules:
    """A node of many modules that are all alike.

    Module `m<i>` has a value of i + 0.5, and others that `OTHERS` tells.

    :param modules: How many modules.
    :param parameters: How many parameters each of them has.
    :param kinds: How many different implementations of modules there are.
    """

    modules: int
    parameters: int = 20
    kinds: int = 10

    @property
    def name(self) -> str:
        """Tells it from others."""
        return f"modules_{self.modules}_{self.parameters}_{self.kinds}"

    @property
    def numbers(self) -> list[tuple[str, str]]:
        """Modules and names of what a flood of `numbers` consists of, in its order."""
        names = ["value"]
        others = (OTHERS[i % len(OTHERS)][0] for i in range(self.parameters - 4))
        names += [f"_p{i}" for i, datainfo in enumerate(others) if datainfo is NUMBER]
        return [(f"m{i}", name) for i in range(self.modules) for name in names]

    @property
    def all(self) -> list[tuple[str, str]]:
        """Modules and names of all parameters."""
        names = ["value", "status", "target", "ramp"]
        names += [f"_p{i}" for i in range(self.parameters - 4)]
        return [(f"m{i}", name) for i in range(self.modules) for name in names]

    def write(self, path: Path) -> None:
        """Write what the process of the node reads.

        :param path: The file.
        """
        with path.open("w") as file:
            modules = {f"m{i}": self._module(i, file) for i in range(self.modules)}
            _describe(file, self.name, modules)

    def _module(self, number: int, file: Any) -> dict[str, Any]:
        module = f"m{number}"
        accessibles: dict[str, Any] = {}

        def add(name: str, datainfo: Any, value: Any, kind: str, **more: Any) -> None:
            text = f"the {name} of module {module} ".ljust(60, ".")
            accessibles[name] = {"description": text, "datainfo": datainfo, **more}
            file.write(f"P {module}:{name} {kind} {json.dumps(value)}\n")

        add("value", NUMBER, number + 0.5, "n", readonly=True)
        add("status", STATUS, [100, "idle"], "x", readonly=True)
        add("target", NUMBER, 0.5, "t", readonly=False)
        add("ramp", NUMBER, 5.0, "x", readonly=False)
        for i in range(self.parameters - 4):
            datainfo, value = OTHERS[i % len(OTHERS)]
            kind = "n" if datainfo is NUMBER else "x"
            add(f"_p{i}", datainfo, value, kind, readonly=bool(i % 2))
        for name, argument in ("stop", None), ("_go", NUMBER):
            datainfo = {"type": "command", "argument": argument, "result": argument}
            accessibles[name] = {"description": name, "datainfo": datainfo}
            file.write(f"C {module}:{name}\n")
        return {
            "description": f"module number {number}",
            "implementation": f"bench.modules.Kind{number % self.kinds}",
            "interface_classes": ["Drivable"],
            "features": [],
            "accessibles": accessibles,
        }


@dataclass(frozen=True)
class Values:
    """A node with one module, whose parameters are some values.

    :param name: Tells it from others.
    :param datainfos: The types of the parameters `value`, `_p1`, `_p2` and so on.
    """

    name: str
    datainfos: tuple[str, ...]

    def value(self, number: int) -> Any:
        """Return the value of a parameter, as JSON has it."""
        return sample(json.loads(self.datainfos[number]))

    def write(self, path: Path) -> None:
        """Write what the process of the node reads.

        :param path: The file.
        """
        status = {"description": "", "datainfo": STATUS, "readonly": True}
        accessibles: dict[str, Any] = {"status": status}
        with path.open("w") as file:
            file.write('P m0:status x [100, "idle"]\n')
            for i, text in enumerate(self.datainfos):
                datainfo = json.loads(text)
                name = f"_p{i}" if i else "value"
                accessibles[name] = {
                    "description": "",
                    "datainfo": {k: v for k, v in datainfo.items() if k[0] != "_"},
                    "readonly": name == "value",
                }
                file.write(f"P m0:{name} x {json.dumps(sample(datainfo))}\n")
            module = {
                "description": "values",
                "interface_classes": ["Readable"],
                "accessibles": accessibles,
            }
            _describe(file, self.name, {"m0": module})


def _describe(file: Any, name: str, modules: Mapping[str, Any]) -> None:
    description = {
        "equipment_id": f"bench.{name}",
        "description": "a node to measure with",
        "firmware": "benchmark",
        "modules": modules,
    }
    file.write(f"D {json.dumps(description, separators=(',', ':'))}\n")


def sample(datainfo: Mapping[str, Any]) -> Any:
    """Return a value of JSON, always the same for a type.

    :param datainfo: The type; `_nan` asks for one that is not a number.
    """
    chance = Random(1)
    match datainfo:
        case {"type": "array", "members": member, "maxlen": size}:
            value = [_element(chance, member) for _ in range(size)]
            return [*value[1:], math.nan] if "_nan" in datainfo else value
        case {"type": "blob", "maxbytes": size}:
            return base64.b64encode(chance.randbytes(size)).decode()
        case {"type": "matrix", "maxlen": [x, y]}:
            blob = base64.b64encode(chance.randbytes(x * y * 4)).decode()
            return {"len": [x, y], "blob": blob}
    raise ValueError(datainfo)


def _element(chance: Random, datainfo: Mapping[str, Any]) -> Any:
    match datainfo["type"]:
        case "double":
            return chance.gauss(0, 100)
        case "enum":
            return chance.randrange(len(datainfo["members"]))
        case "bool":
            return chance.random() < 0.5
        case "string":
            return f"text {chance.randrange(10**6)}"
        case "tuple":
            return [_element(chance, member) for member in datainfo["members"]]
        case _:
            return chance.randrange(-(2**31), 2**31)


@dataclass(frozen=True)
class Frappy:
    """A node that is made with frappy.

    :param name: Tells it from others.
    """

    name: str = "frappy"

    def write(self, path: Path) -> None:
        """Write nothing: it has a configuration of its own."""


Spec = Modules | Values | Frappy


def prepare(spec: Spec) -> Path:
    """Return the file that says what a node is, written at first use.

    :param spec: What it is.
    """
    path = BUILD / "bench" / "nodes" / spec.name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        spec.write(partial)
        if partial.exists():
            partial.rename(path)
    return path


class Node:
    """A node in a process of its own.

    :param spec: What it is.
    :param slow: Whether it is the one in Python.
    """

    def __init__(self, spec: Spec, slow: bool):
        file = str(prepare(spec))
        self._environment = dict(os.environ)
        if isinstance(spec, Frappy):
            self._command = [PYTHON, str(HERE / "node" / "frappy_node.py")]
            path = os.environ.get("BENCH_PYTHONPATH", "")
            self._environment["PYTHONPATH"] = path
        elif slow:
            self._command = [PYTHON, str(HERE / "node" / "slow_node.py"), file]
        else:
            self._command = [str(FAST_NODE), file]
        self.port = 0
        self._control: socket.socket | None = None
        self.start()

    @property
    def uri(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the same port as before."""
        self._process = subprocess.Popen(
            [*self._command, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(b"PORT "):
            raise RuntimeError(f"no node: {' '.join(self._command)}")
        self.port = int(line.split()[1])

    def kill(self) -> None:
        """Let it die like a node without power."""
        if self._control is not None:
            self._control.close()
            self._control = None
        self._process.kill()
        self._process.communicate()

    def ask(self, request: str) -> None:
        """Set how it behaves: see fast_node.c.

        :param request: One of those requests that are not SECoP.
        """
        self.send(request)
        self.wait()

    def send(self, request: str) -> None:
        """Set how it behaves, and do not wait for the answer.

        :param request: One of those requests that are not SECoP.
        """
        if self._control is None:
            self._control = socket.create_connection(("127.0.0.1", self.port))
            self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._control.sendall(f"{request}\n".encode())

    def wait(self) -> None:
        """Wait for the answer."""
        assert self._control is not None
        answer = self._control.recv(1000)
        if not answer.startswith((b"_done", b"_flooded")):
            raise RuntimeError(f"it does not know what to do: {answer!r}")

    @property
    def has_answered(self) -> bool:
        """Whether `wait` would return at once."""
        assert self._control is not None
        return bool(select.select([self._control], [], [], 0)[0])
