"""Long arrays, blobs and matrices: from a node in another process to the signal.

    python benchmarks/big_values.py

Prints for each value the time of a read, the longest time for which the event loop
was blocked meanwhile, and both as ratios to the decode alone: to make the numpy value
of the same bytes with the same JSON library, numpy and the module base64.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

REPEAT = 5
FLOATS = {"type": "double"}
CASES: dict[str, dict[str, Any]] = {
    "1e3 doubles": {"type": "array", "members": FLOATS, "maxlen": 10**3},
    "1e5 doubles": {"type": "array", "members": FLOATS, "maxlen": 10**5},
    "1e6 doubles": {"type": "array", "members": FLOATS, "maxlen": 10**6},
    "1e6 ints": {
        "type": "array",
        "members": {"type": "int", "min": -(2**31), "max": 2**31},
        "maxlen": 10**6,
    },
    "blob 1 MB": {"type": "blob", "maxbytes": 10**6},
    "blob 10 MB": {"type": "blob", "maxbytes": 10**7},
    "matrix 2k x 2k f4": {
        "type": "matrix",
        "elementtype": "<f4",
        "names": ["x", "y"],
        "maxlen": [2048, 2048],
    },
}


def sample(datainfo: dict[str, Any]) -> Any:
    """Return a value of JSON, always the same."""
    import random

    chance = random.Random(1)
    match datainfo:
        case {"type": "array", "members": {"type": "double"}, "maxlen": size}:
            return [chance.gauss(0, 100) for _ in range(size)]
        case {"type": "array", "maxlen": size}:
            return [chance.randrange(-(2**31), 2**31) for _ in range(size)]
        case {"type": "blob", "maxbytes": size}:
            return base64.b64encode(chance.randbytes(size)).decode()
        case {"maxlen": [x, y]}:
            blob = base64.b64encode(chance.randbytes(x * y * 4)).decode()
            return {"len": [x, y], "blob": blob}
    raise ValueError(datainfo)


def floor(datainfo: dict[str, Any], line: bytes) -> Callable[[], Any]:
    """Return what decodes a reply, and nothing else."""
    import msgspec
    import numpy as np

    decode = msgspec.json.decode
    match datainfo["type"]:
        case "array":
            dtype = "f8" if datainfo["members"] == FLOATS else "i8"
            return lambda: np.array(decode(line)[0], dtype)
        case "blob":
            return lambda: np.frombuffer(base64.b64decode(decode(line)[0]), "u1")
        case _:
            return lambda: np.frombuffer(base64.b64decode(decode(line)[0]["blob"]))


def structure() -> dict[str, Any]:
    accessibles = {
        f"_p{i}": {"description": "", "datainfo": datainfo, "readonly": True}
        for i, datainfo in enumerate(CASES.values())
    }
    module = {"description": "", "interface_classes": [], "accessibles": accessibles}
    return {"equipment_id": "big", "description": "", "modules": {"m": module}}


async def serve() -> None:
    """Be the node, until the standard input ends."""
    from secop_ophyd.testing import FakeNode

    async with FakeNode(structure()) as node:
        for i, datainfo in enumerate(CASES.values()):
            data = json.dumps([sample(datainfo), {"t": 1.0}]).encode()
            line = b"reply m:_p%d %s\n" % (i, data)
            node.reply_raw(f"read m:_p{i}", line)
        print(node.uri, flush=True)
        await asyncio.to_thread(sys.stdin.read)


class Ticker:
    """Measures for how long the event loop was blocked at most."""

    async def __aenter__(self) -> Ticker:
        self.longest = 0.0
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.sleep(0)
        self._task.cancel()

    async def _tick(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now


async def measure_ours(uri: str) -> dict[str, tuple[float, float]]:
    from secop_ophyd import SECoPNodeDevice

    node = SECoPNodeDevice(uri)
    await node.connect(timeout=60)
    found: dict[str, tuple[float, float]] = {}
    client = node.m.secop.client
    for i, name in enumerate(CASES):
        signal = getattr(node.m, f"p{i}")

        async def read(i: int = i, signal: Any = signal) -> None:
            await client.read("m", f"_p{i}")
            await signal.read()

        times: list[float] = []
        blocked: list[float] = []
        for _ in range(REPEAT):
            start = time.perf_counter()
            await read()
            times.append(time.perf_counter() - start)
            async with Ticker() as ticker:
                await read()
            blocked.append(ticker.longest)
        found[name] = (min(times), min(blocked))
    await node.disconnect()
    return found


def measure_floor() -> dict[str, float]:
    found: dict[str, float] = {}
    for name, datainfo in CASES.items():
        line = json.dumps([sample(datainfo), {"t": 1.0}]).encode()
        decode = floor(datainfo, line)
        times: list[float] = []
        for _ in range(REPEAT):
            start = time.perf_counter()
            decode()
            times.append(time.perf_counter() - start)
        found[name] = min(times)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().serve:
        asyncio.run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as node:
        assert node.stdout is not None
        uri = node.stdout.readline().strip()
        ours = asyncio.run(measure_ours(uri))
        node.communicate()
    limits = measure_floor()
    print(
        f"{'':20}{'decode':>10}{'read':>10}{'blocked':>10}{'read/':>8}{'blocked/':>9}"
    )
    for name, (read, blocked) in ours.items():
        limit = limits[name]
        print(
            f"{name:20}{limit * 1e3:8.2f}ms{read * 1e3:8.2f}ms{blocked * 1e3:8.2f}ms"
            f"{read / limit:8.1f}{blocked / limit:9.1f}"
        )


if __name__ == "__main__":
    main()
