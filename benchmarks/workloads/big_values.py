"""Long arrays, blobs and matrices: from the node to numpy."""

from __future__ import annotations

import base64
import gc
import json
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..nodes import Values
from ..workload import Blocked, Run, add, percentile

DOUBLE = {"type": "double"}
INT = {"type": "int", "min": -(2**31), "max": 2**31}
NAMES = {f"name{i}": i for i in range(50)}
TYPES: dict[str, dict[str, Any]] = {
    "1e3_doubles": {"type": "array", "members": DOUBLE, "maxlen": 10**3},
    "1e5_doubles": {"type": "array", "members": DOUBLE, "maxlen": 10**5},
    "1e6_doubles": {"type": "array", "members": DOUBLE, "maxlen": 10**6},
    "1e6_ints": {"type": "array", "members": INT, "maxlen": 10**6},
    "1e6_scaled": {
        "type": "array",
        "members": {**INT, "type": "scaled", "scale": 0.01},
        "maxlen": 10**6,
    },
    "1e6_enums": {
        "type": "array",
        "members": {"type": "enum", "members": NAMES},
        "maxlen": 10**6,
    },
    "1e6_bools": {"type": "array", "members": {"type": "bool"}, "maxlen": 10**6},
    "1e6_texts": {"type": "array", "members": {"type": "string"}, "maxlen": 10**6},
    "2e5_tuples": {
        "type": "array",
        "members": {"type": "tuple", "members": [DOUBLE, INT]},
        "maxlen": 2 * 10**5,
    },
    "1e6_doubles_a_nan": {
        "type": "array",
        "members": DOUBLE,
        "maxlen": 10**6,
        "_nan": True,
    },
    "blob_1MB": {"type": "blob", "maxbytes": 10**6},
    "blob_10MB": {"type": "blob", "maxbytes": 10**7},
    "matrix_2kx2k": {
        "type": "matrix",
        "elementtype": "<f4",
        "names": ["x", "y"],
        "maxlen": [2048, 2048],
    },
}
# The peer takes no matrix, and NaN is no JSON; it would take minutes for some others
PEER = (
    "1e3_doubles",
    "1e5_doubles",
    "1e6_doubles",
    "1e6_ints",
    "blob_1MB",
    "blob_10MB",
)
REPEAT, MOST = 5, 30
ENOUGH = 0.3  # s


async def fetch(run: Run, name: str) -> None:
    """The node is asked, and the signal tells the value."""
    import numpy as np

    device = await run.connect()
    repeat = 2 if run.is_peer else REPEAT

    async def get() -> Any:
        await device.m0.trigger()
        [reading] = (await device.m0.value.read()).values()
        return reading["value"]

    check_value(run, name, await get())
    times = await timed(get, repeat)
    run.record("wall", min(times))
    run.record("wall p50", percentile(times, 0.5))
    async with Blocked(0) as blocked:
        await get()
    run.record("blocked", blocked.longest)
    # It makes a text of the value each time
    run.record("get_value", min(await timed(device.m0.value.get_value, repeat)))
    if not run.is_peer and "nan" not in name:
        value = await get()
        times = await timed(lambda: device.m0.p1.set(value, timeout=60), repeat)
        run.record("set", min(times))
        found = np.asarray(await device.m0.p1.get_value())
        run.check(found.tobytes() == np.asarray(value).tobytes(), "set")
    await run.close()


async def timed(action: Callable[[], Awaitable[Any]], repeat: int) -> list[float]:
    """Return how long an action takes, each time; small ones are done more often."""
    times: list[float] = []
    with no_collection():
        while len(times) < repeat or (sum(times) < ENOUGH and len(times) < MOST):
            start = time.perf_counter()
            await action()
            times.append(time.perf_counter() - start)
    return times


@contextmanager
def no_collection() -> Generator[None, None, None]:
    """Let the garbage collector rest.

    It takes longer than what is measured. To let it run in between would be no better:
    it looks at so much that the processor has nothing else at hand any more, and small
    arrays take four times as long.
    """
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def check_value(run: Run, name: str, value: Any) -> None:
    """Fail unless the value is the one that the node has sent."""
    import numpy as np

    wanted = floor(TYPES[name], reply(name))()
    if TYPES[name]["type"] == "matrix":
        value = value.tobytes()
        wanted = wanted.tobytes()
    if name == "1e6_enums":  # the names of these numbers
        value = [NAMES[str(getattr(v, "value", v))] for v in value]
    if name == "2e5_tuples":
        value, wanted = value.tolist(), wanted.tolist()
    if isinstance(value, bytes):
        value = np.frombuffer(value, "u1") if isinstance(wanted, np.ndarray) else value
    if isinstance(wanted, np.ndarray) and wanted.dtype.kind == "f":
        same = np.array_equal(np.asarray(value), wanted, equal_nan=True)
    else:
        same = bool(np.array_equal(value, wanted))
    run.check(same, f"{type(value).__name__}: {str(value)[:60]}")


def reply(name: str) -> bytes:
    """Return what a node answers."""
    value = Values("", (json.dumps(TYPES[name]),)).value(0)
    return json.dumps([value, {"t": 1.0}]).encode()


def floor(datainfo: dict[str, Any], line: bytes) -> Callable[[], Any]:
    """Return what decodes a reply, and nothing else."""
    import numpy as np

    decode: Callable[[bytes], Any] = json.loads
    if b"NaN" not in line:  # which msgspec does not take
        try:
            import msgspec
        except ImportError:
            pass  # the peer does without it
        else:
            decode = msgspec.json.decode
    match datainfo["type"]:
        case "array":
            return lambda: _elements(datainfo["members"], decode(line)[0])
        case "blob":
            return lambda: np.frombuffer(base64.b64decode(decode(line)[0]), "u1")
        case _:
            return lambda: np.frombuffer(base64.b64decode(decode(line)[0]["blob"]))


def _elements(datainfo: dict[str, Any], data: list[Any]) -> Any:
    import numpy as np

    match datainfo["type"]:
        case "double":
            return np.array(data, "f8")
        case "int":
            return np.array(data, "i8")
        case "scaled":
            return np.array(data) / round(1 / datainfo["scale"])  # exact
        case "bool":
            return np.array(data, "?")
        case "tuple":
            return np.array(list(map(tuple, data)), "f8,i8")
        case _:
            return data


def decode_alone(run: Run, name: str) -> None:
    """The floor: JSON, base64 and numpy alone."""
    decode = floor(TYPES[name], reply(name))
    times: list[float] = []
    with no_collection():
        while len(times) < REPEAT or (sum(times) < ENOUGH and len(times) < MOST):
            start = time.perf_counter()
            value = decode()
            times.append(time.perf_counter() - start)
            run.check(len(value) > 0, "empty")
    run.record("wall", min(times))
    run.record("wall p50", percentile(times, 0.5))


for name, datainfo in TYPES.items():
    add(
        name,
        partial(fetch, name=name),
        node=Values(name, (json.dumps(datainfo),) * 2),
        repeat=5,
        peer=name in PEER,
        quick=name == "1e5_doubles",
        floor=partial(decode_alone, name=name),
    )
