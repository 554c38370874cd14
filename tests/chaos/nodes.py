"""The nodes that suffer: a fake one in the event loop, a frappy one as a process."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secop_ophyd.demo import SimulatedNode
from secop_ophyd.testing import FakeNode

NODES = Path(__file__).parents[1] / "nodes"
COUNTERS = [*(f"r{index}:value" for index in range(4)), "w:value", "w:target"]
RANGES = 110  # of ports, below those that the system gives away
PORTS = 199  # of a range
EVERY = 0.004  # s, from one new value of a fake node to the next

LARGE = {"type": "int", "min": 0, "max": 2**60}
STATUS = {
    "type": "tuple",
    "members": [
        {"type": "enum", "members": {"IDLE": 100, "BUSY": 300}},
        {"type": "string"},
    ],
}


def parameter(datainfo: Any, readonly: bool = True) -> dict[str, Any]:
    return {"description": "", "datainfo": datainfo, "readonly": readonly}


def structure() -> dict[str, Any]:
    """Return what tests/nodes/chaos_cfg.py is, for a fake node."""
    readable = {"value": parameter(LARGE), "status": parameter(STATUS)}
    target = parameter(LARGE, readonly=False)
    echo = {"type": "command", "argument": LARGE, "result": LARGE}
    settable = {**readable, "target": target, "_echo": parameter(echo)}
    mover = {**readable, "target": target, "stop": parameter({"type": "command"})}
    other = {**readable, "_odd": parameter({"type": "double"})}
    modules = {
        **{f"r{index}": ("Readable", readable) for index in range(4)},
        "w": ("Writable", settable),
        "d": ("Drivable", mover),
        "other": ("Readable", other),
    }
    return {
        "equipment_id": "chaos",
        "description": "",
        "modules": {
            name: {
                "description": "",
                "interface_classes": [kind],
                "accessibles": copy.deepcopy(accessibles),
            }
            for name, (kind, accessibles) in modules.items()
        },
    }


def other_structure() -> dict[str, Any]:
    changed = structure()
    odd = changed["modules"]["other"]["accessibles"]["_odd"]
    odd["datainfo"] = {"type": "string"}
    return changed


@functools.cache
def reserve_ports() -> Iterator[int]:
    """Return ports that no other process of this suite uses."""
    for number in range(os.getpid(), os.getpid() + RANGES):
        first = 10_000 + number % RANGES * (PORTS + 1)
        with contextlib.suppress(OSError), socket.socket() as guard:
            guard.bind(("127.0.0.1", first))
            guard.detach()  # it holds the others until the process ends
            return itertools.cycle(range(first + 1, first + 1 + PORTS))
    raise RuntimeError("all ports are in use")


def free_port() -> int:
    """Return a port that nobody gets by chance while its node restarts.

    It comes again after all others, when what it was for is long over.
    """
    for port in itertools.islice(reserve_ports(), PORTS):
        with socket.socket() as sock, contextlib.suppress(OSError):
            # Connections of before, which the system remembers, are in nobody's way
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("all ports are in use")


class Fake:
    """A fake node that tells new values all the time."""

    kind = "fake node"

    def __init__(self) -> None:
        self._node = FakeNode(structure(), port=free_port())
        self._numbers = {
            name: itertools.count(16 + index, 16) for index, name in enumerate(COUNTERS)
        }
        self._ticker: asyncio.Task[None] | None = None
        self.made: dict[int, int] = {}
        """What became of each target that was set."""
        for name in COUNTERS:
            self._node.set(name, self._next(name))
            if not name.endswith("target"):
                self._node.on_read(name, lambda name=name: self._next(name))
        self._node.on_change("w:target", self._set)
        self._node.on_command("w:_echo", lambda argument: argument)
        self._node.drive("d", 0.02)

    def _next(self, name: str) -> int:
        return next(self._numbers[name])

    def _set(self, target: int) -> int:
        self.made[target] = self._next("w:target")
        return self.made[target]

    @property
    def uri(self) -> str:
        return self._node.uri

    async def start(self) -> None:
        await self._node.start()
        self._ticker = asyncio.ensure_future(self._tick())

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait({self._ticker})
        await self._node.stop()

    async def _tick(self) -> None:
        for name in itertools.cycle(COUNTERS[:-1]):
            self._node.set(name, self._next(name))
            await asyncio.sleep(EVERY)

    async def restart(self, is_other: bool) -> None:
        await self._node.restart(other_structure() if is_other else structure())

    def pause(self) -> None:
        self._node.pause()

    def resume(self) -> None:
        self._node.resume()


class Frappy:
    """A frappy node in a process of its own; it is stopped, killed and started."""

    kind = "frappy node"
    made = None

    def __init__(self) -> None:
        self._as_ever = SimulatedNode(NODES / "chaos_cfg.py", port=free_port())
        self._node = self._as_ever
        self._other: SimulatedNode | None = None

    @property
    def uri(self) -> str:
        return self._as_ever.uri

    async def start(self) -> None:
        await asyncio.to_thread(self._node.start)

    async def stop(self) -> None:
        await asyncio.to_thread(self._node.stop)

    async def restart(self, is_other: bool) -> None:
        await asyncio.to_thread(self._restart, is_other)

    def _restart(self, is_other: bool) -> None:
        self._node.kill()
        self._node = self._as_ever
        if is_other:
            port = self._as_ever.port
            self._node = SimulatedNode(NODES / "chaos_other_cfg.py", port=port)
        self._node.start()

    def pause(self) -> None:
        self._node.pause()

    def resume(self) -> None:
        self._node.resume()
