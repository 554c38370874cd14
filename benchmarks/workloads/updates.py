"""What the node sends of its own accord."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..nodes import OTHERS, Modules, Values
from ..workload import Run, Stopwatch, add, percentile

NODE = Modules(20, 10)
ARRAYS = Values(
    "update_arrays",
    tuple(
        f'{{"type": "array", "members": {{"type": "double"}}, "maxlen": {size}}}'
        for size in (8, 1000, 100000)
    ),
)
PATIENCE = 60.0


class Heard:
    """Counts what is heard, and whether it is right.

    :param count: How many updates there will be.
    """

    def __init__(self, count: int):
        self.count = count
        self.heard = 0
        self.total = 0.0
        self.ages: list[float] = []
        self.ended: float | None = None

    def number(self, value: Any, timestamp: float) -> None:
        """Take an update of a number."""
        self.heard += 1
        self.total += value
        if not self.heard & 31:
            self.ages.append(time.time() - timestamp)
        if self.heard == self.count:
            self.ended = time.perf_counter()

    def anything(self, value: Any, timestamp: float) -> None:
        """Take an update of anything."""
        self.heard += 1
        if self.heard == self.count:
            self.ended = time.perf_counter()

    def check(self, run: Run) -> None:
        """Fail unless each number was heard once."""
        wanted = self.count * (self.count + 1) / 2
        run.check(self.total == wanted, f"sum {self.total} instead of {wanted}")

    def reset(self) -> None:
        """Forget what was heard when it began."""
        self.heard, self.total = 0, 0.0
        self.ages.clear()
        self.ended = None

    async def wait(self) -> float:
        """Return when all was heard, which may have been in another thread."""
        async with asyncio.timeout(PATIENCE):
            while self.ended is None:
                await asyncio.sleep(0.002)
        return self.ended


def signal_of(device: Any, key: tuple[str, str]) -> Any:
    """Return the signal of a parameter."""
    module, name = key
    return getattr(getattr(device, module), name.lstrip("_"))


def subscribe(signal: Any, listener: Callable[[Any, float], None]) -> None:
    """Let a listener have the readings of a signal, as bluesky's monitors have them."""

    def updated(readings: dict[str, Any]) -> None:
        for reading in readings.values():
            listener(reading["value"], reading["timestamp"])

    signal.subscribe_reading(updated)


async def flood(run: Run, heard: Heard, rate: int, what: str) -> None:
    """Let the node send all, and measure how long it takes until all is heard."""
    await asyncio.sleep(0.3)  # what is sent at the beginning
    heard.reset()
    gc.collect()
    with Stopwatch() as watch:
        run.node.send(f"_flood {heard.count} {rate} {what}")
        ended = await heard.wait()
    watch.record_rate(run, heard.count, ended)
    if heard.ages:
        last = heard.ages[-max(len(heard.ages) // 10, 1) :]
        run.record("lag p50", percentile(heard.ages, 0.5))
        run.record("lag p99", percentile(heard.ages, 0.99))
        run.record("lag at the end", percentile(last, 0.5))


async def idle(run: Run) -> None:
    """Nobody listens."""
    client = await run.connect_client()
    count = run.scaled(1_000_000, 60_000)
    numbers = NODE.numbers
    last = numbers[(count - 1) % len(numbers)]
    gc.collect()
    with Stopwatch() as watch:
        run.node.send(f"_flood {count} 0 numbers")
        async with asyncio.timeout(PATIENCE):
            while await run.side.cached(client, last) != count:
                await asyncio.sleep(0.002)
    watch.record_rate(run, count)
    for i, number in enumerate(numbers, count - len(numbers)):
        key = numbers[i % len(numbers)]
        run.check(await run.side.cached(client, key) == i + 1, (key, number))
    await run.close()


async def callbacks(run: Run) -> None:
    """Functions listen to the client."""
    client = await run.connect_client()
    heard = Heard(run.scaled(300_000, 60_000))
    for key in NODE.numbers:
        run.side.listen(client, key, heard.number)
    await flood(run, heard, 0, "numbers")
    heard.check(run)
    await run.close()


async def split_and_decode(run: Run) -> None:
    """The floor: lines are split, JSON is decoded, and that is it."""
    import msgspec

    decode = msgspec.json.Decoder().decode
    heard = Heard(run.scaled(300_000))
    numbers = {f"{module}:{name}".encode() for module, name in NODE.numbers}

    class Splitter(asyncio.Protocol):
        rest = b""

        def data_received(self, data: bytes) -> None:
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                action, _, rest = line.partition(b" ")
                if action == b"update":
                    specifier, _, report = rest.partition(b" ")
                    value, qualifiers = decode(report)
                    if specifier in numbers:
                        heard.number(value, qualifiers["t"])

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(Splitter, "127.0.0.1", run.node.port)
    transport.write(b"activate\n")
    await flood(run, heard, 0, "numbers")
    heard.check(run)


async def subscribed(run: Run, rate: int = 0) -> None:
    """All signals of numbers are subscribed."""
    device = await run.connect()
    heard = Heard(run.scaled(5 * rate or 200_000, 30_000))
    for key in NODE.numbers:
        subscribe(signal_of(device, key), heard.number)
    await flood(run, heard, rate, "numbers")
    heard.check(run)
    await run.close()


async def mixed(run: Run) -> None:
    """All signals are subscribed, of all types."""
    device = await run.connect()
    heard = Heard(run.scaled(100_000, 15_000))
    for key in NODE.all:
        subscribe(signal_of(device, key), heard.anything)
    await flood(run, heard, 0, "all")
    for i in 1, 3, 5:  # an integer, a text, a bool
        value = await signal_of(device, ("m3", f"_p{i}")).get_value()
        run.check(value == OTHERS[i][1], value)
    await run.close()


async def array(run: Run, number: int, count: int, peer: int) -> None:
    """An array is subscribed."""
    import numpy as np

    device = await run.connect()
    heard = Heard(run.scaled(count, peer))
    last: list[Any] = []

    def listener(value: Any, timestamp: float) -> None:
        last[:] = [value]
        heard.anything(value, timestamp)

    name = f"_p{number}" if number else "value"
    subscribe(signal_of(device, ("m0", name)), listener)
    await flood(run, heard, 0, f"m0:{name}")
    # The peer has a tuple here
    run.check(np.array_equal(np.asarray(last[0]), ARRAYS.value(number)), "array")
    await run.close()


def decode_array(run: Run, number: int, count: int) -> None:
    """The floor: JSON and numpy alone."""
    import msgspec
    import numpy as np

    line = json.dumps([ARRAYS.value(number), {"t": 1.0}]).encode()
    count = run.scaled(count)
    with Stopwatch() as watch:
        for _ in range(count):
            np.array(msgspec.json.decode(line)[0], "f8")
    watch.record_rate(run, count)


async def read_while(run: Run, rate: int) -> None:
    """A module is triggered while updates stream in, and all is subscribed."""
    device = await run.connect()
    seconds = 0.5 if run.quick else 2.0
    heard = Heard(int(rate * (seconds + 0.5)))
    for key in NODE.numbers:
        subscribe(signal_of(device, key), heard.number)
    await asyncio.sleep(0.3)
    heard.reset()
    if rate:
        run.node.send(f"_flood {heard.count} {rate} numbers")
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        await device.m0.trigger()
        times.append(time.perf_counter() - start)
        await asyncio.sleep(0.002)
    run.record("latency p50", percentile(times, 0.5))
    run.record("latency p99", percentile(times, 0.99))
    await run.close()


add("updates_idle", idle, node=NODE)
add("updates_callbacks", callbacks, node=NODE, quick=True, floor=split_and_decode)
add("updates_subscribed", subscribed, node=NODE, quick=True, floor=split_and_decode)
add("updates_mixed", mixed, node=NODE)
add("updates_100k_per_s", partial(subscribed, rate=100_000), node=NODE, peer=False)
for number, size, count, peer_count in (
    (0, "8", 50_000, 10_000),
    (1, "1e3", 5_000, 1_000),
    (2, "1e5", 100, 15),
):
    add(
        f"updates_array_{size}",
        partial(array, number=number, count=count, peer=peer_count),
        node=ARRAYS,
        floor=partial(decode_array, number=number, count=count),
    )
for rate in 0, 10_000, 50_000:
    add(f"read_while_{rate}_per_s", partial(read_while, rate=rate), node=NODE, repeat=3)
