"""Long arrays, blobs and matrices: from a node in another process to the signal.

    python benchmarks/big_values.py

Prints for each value the time of a read, the longest time for which the event loop
was blocked meanwhile, and both as ratios to the decode alone: to make the numpy value
of the same bytes with the same JSON library, numpy and the module base64. Then the time
of a set to the value that was read, and for how long that blocked.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import math
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
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
    "1e6 scaled": {
        "type": "array",
        "members": {"type": "scaled", "scale": 0.01, "min": -(2**31), "max": 2**31},
        "maxlen": 10**6,
    },
    "1e6 enums of 50": {
        "type": "array",
        "members": {"type": "enum", "members": {f"name{i}": i for i in range(50)}},
        "maxlen": 10**6,
    },
    "1e6 bools": {"type": "array", "members": {"type": "bool"}, "maxlen": 10**6},
    "1e6 texts": {"type": "array", "members": {"type": "string"}, "maxlen": 10**6},
    "2e5 tuples": {
        "type": "array",
        "members": {
            "type": "tuple",
            "members": [FLOATS, {"type": "int", "min": -(2**31), "max": 2**31}],
        },
        "maxlen": 2 * 10**5,
    },
    "1e6 doubles, a NaN": {"type": "array", "members": FLOATS, "maxlen": 10**6},
    "blob 1 MB": {"type": "blob", "maxbytes": 10**6},
    "blob 10 MB": {"type": "blob", "maxbytes": 10**7},
    "matrix 2k x 2k f4": {
        "type": "matrix",
        "elementtype": "<f4",
        "names": ["x", "y"],
        "maxlen": [2048, 2048],
    },
}


def sample(name: str) -> Any:
    """Return a value of JSON, always the same."""
    chance = Random(1)
    match CASES[name]:
        case {"type": "array", "members": member, "maxlen": size}:
            value = [element(chance, member) for _ in range(size)]
            return [*value[1:], math.nan] if "NaN" in name else value
        case {"type": "blob", "maxbytes": size}:
            return base64.b64encode(chance.randbytes(size)).decode()
        case {"maxlen": [x, y]}:
            blob = base64.b64encode(chance.randbytes(x * y * 4)).decode()
            return {"len": [x, y], "blob": blob}
    raise ValueError(name)


def element(chance: Random, datainfo: dict[str, Any]) -> Any:
    match datainfo["type"]:
        case "double":
            return chance.gauss(0, 100)
        case "enum":
            return chance.randrange(50)
        case "bool":
            return chance.random() < 0.5
        case "string":
            return f"text {chance.randrange(10**6)}"
        case "tuple":
            return [element(chance, member) for member in datainfo["members"]]
        case _:
            return chance.randrange(-(2**31), 2**31)


def reply(name: str) -> bytes:
    return json.dumps([sample(name), {"t": 1.0}]).encode()


def floor(datainfo: dict[str, Any], line: bytes) -> Callable[[], Any]:
    """Return what decodes a reply, and nothing else."""
    import msgspec
    import numpy as np

    # msgspec takes no NaN
    decode = json.loads if b"NaN" in line else msgspec.json.decode
    match datainfo["type"]:
        case "array":
            return lambda: elements(datainfo["members"], decode(line)[0])
        case "blob":
            return lambda: np.frombuffer(base64.b64decode(decode(line)[0]), "u1")
        case _:
            return lambda: np.frombuffer(base64.b64decode(decode(line)[0]["blob"]))


def elements(datainfo: dict[str, Any], data: list[Any]) -> Any:
    import numpy as np

    match datainfo["type"]:
        case "double":
            return np.array(data, "f8")
        case "int":
            return np.array(data, "i8")
        case "scaled":
            return np.array(data) * datainfo["scale"]
        case "bool":
            return np.array(data, "?")
        case "tuple":
            return np.array(list(map(tuple, data)), "f8,i8")
        case _:
            return data


def structure() -> dict[str, Any]:
    accessibles = {
        f"_p{i}": {"description": "", "datainfo": datainfo, "readonly": False}
        for i, datainfo in enumerate(CASES.values())
    }
    module = {"description": "", "interface_classes": [], "accessibles": accessibles}
    return {"equipment_id": "big", "description": "", "modules": {"m": module}}


async def serve() -> None:
    """Be the node, until the standard input ends."""
    from secop_ophyd.testing import FakeNode

    async with FakeNode(structure()) as node:
        for i, name in enumerate(CASES):
            data = reply(name)
            node.reply_raw(f"read m:_p{i}", b"reply m:_p%d %s\n" % (i, data))
            node.reply_raw(f"change m:_p{i}", b"changed m:_p%d %s\n" % (i, data))
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


async def measure(action: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Return the shortest time of an action, and for how long it blocks."""
    times: list[float] = []
    blocked: list[float] = []
    for _ in range(REPEAT):
        start = time.perf_counter()
        await action()
        times.append(time.perf_counter() - start)
        async with Ticker() as ticker:
            await action()
        blocked.append(ticker.longest)
    return min(times), min(blocked)


async def measure_ours(uri: str) -> dict[str, tuple[float, ...]]:
    from secop_ophyd import SECoPNodeDevice

    node = SECoPNodeDevice(uri)
    await node.connect(timeout=60)
    found: dict[str, tuple[float, ...]] = {}
    client = node.m.secop.client
    for i, name in enumerate(CASES):
        signal = getattr(node.m, f"p{i}")

        async def read(i: int = i, signal: Any = signal) -> None:
            await client.read("m", f"_p{i}")
            await signal.read()

        found[name] = await measure(read)
        if "NaN" not in name:  # that cannot be sent
            value = await signal.get_value()
            set_it = partial(signal.set, value, timeout=60)
            found[name] += await measure(set_it)
    await node.disconnect()
    return found


def measure_floor() -> dict[str, float]:
    found: dict[str, float] = {}
    for name, datainfo in CASES.items():
        decode = floor(datainfo, reply(name))
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
        f"{'set':>10}{'blocked':>10}"
    )
    for name, (read, blocked, *of_set) in ours.items():
        limit = limits[name]
        print(
            f"{name:20}{limit * 1e3:8.2f}ms{read * 1e3:8.2f}ms{blocked * 1e3:8.2f}ms"
            f"{read / limit:8.1f}{blocked / limit:9.1f}"
            + "".join(f"{x * 1e3:8.2f}ms" for x in of_set)
        )


if __name__ == "__main__":
    main()
