"""Many operations at once."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any

from ..nodes import Modules
from ..workload import Run, add

MODULES = 50
NODE = Modules(MODULES)
NAMES = ("value", "target", "ramp", "_p0", "_p1", "_p2", "_p3", "_p4", "_p5", "_p7")


async def read(run: Run, at_once: int, delay: int = 0) -> None:
    """The client reads many parameters."""
    client = await run.connect_client()
    ask, value = run.side.read(client), run.side.value
    names = map(run.side.name, NAMES)
    keys = [(f"m{i}", name) for name in names for i in range(MODULES)]
    if delay:
        run.node.ask(f"_delay {delay}")

    def right(i: int, result: Any) -> bool:
        return i >= MODULES or value(result) == i + 0.5

    await run.throughput(lambda i: ask(*keys[i % len(keys)]), at_once, right)
    await run.close()


class Matcher(asyncio.Protocol):
    """Gives each reply to who has asked for it, and does nothing else."""

    def __init__(self) -> None:
        self._rest = b""
        self._unsent: list[bytes] = []
        self._waiting: dict[bytes, deque[asyncio.Future[bytes]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            _, specifier, report = line.split(b" ", 2)
            self._waiting[specifier].popleft().set_result(report)

    def _send(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    async def read(self, specifier: bytes) -> bytes:
        """Return what a node replies; requests of one moment are sent together."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._waiting.setdefault(specifier, deque()).append(answer)
        if not self._unsent:
            loop.call_soon(self._send)
        self._unsent.append(b"read %s\n" % specifier)
        return await answer


async def match(run: Run, at_once: int) -> None:
    """The floor: requests out, and each line back to who waits for it, decoded."""
    import msgspec

    decode = msgspec.json.Decoder().decode
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(Matcher, "127.0.0.1", run.node.port)
    keys = [f"m{i}:{name}".encode() for name in NAMES for i in range(MODULES)]

    async def ask(i: int) -> Any:
        return decode(await protocol.read(keys[i % len(keys)]))[0]

    def right(i: int, result: Any) -> bool:
        return i >= MODULES or result == i + 0.5

    await run.throughput(ask, at_once, right)


async def trigger(run: Run, at_once: int) -> None:
    """Many modules are triggered."""
    device = await run.connect()
    modules = [getattr(device, f"m{i % MODULES}") for i in range(at_once)]
    await run.throughput(lambda i: modules[i].trigger(), at_once, lambda i, r: True)
    run.check(await device.m7.value.get_value() == 7.5, "value")
    await run.close()


async def set_signals(run: Run, at_once: int) -> None:
    """Many signals are set."""
    device = await run.connect()
    signals = [getattr(device, f"m{i % MODULES}").ramp for i in range(at_once)]
    await run.throughput(lambda i: signals[i].set(7.5), at_once, lambda i, r: True)
    run.check(await device.m7.ramp.get_value() == 7.5, "ramp")
    await run.close()


async def same(run: Run) -> None:
    """One parameter is read 300 times at once, with many threads to do it in."""
    from concurrent.futures import ThreadPoolExecutor

    # What asyncio has on a computer with 28 cores
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(32))
    client = await run.connect_client()
    ask, value = run.side.read(client), run.side.value
    start = asyncio.get_running_loop().time()
    reads = (ask("m0", "value") for _ in range(300))
    results = await asyncio.gather(*reads, return_exceptions=True)
    run.record("wall", asyncio.get_running_loop().time() - start)

    def is_right(result: Any) -> bool:
        try:
            return value(result) == 0.5
        except Exception:
            return False

    run.record("failed", 300 - sum(map(is_right, results)))
    run.count_threads()


for at_once in 10, 100, 1000:
    add(
        f"read_{at_once}",
        partial(read, at_once=at_once),
        node=NODE,
        quick=at_once == 100,
        floor=partial(match, at_once=at_once),
    )
    add(f"trigger_{at_once}", partial(trigger, at_once=at_once), node=NODE)
    add(f"set_{at_once}", partial(set_signals, at_once=at_once), node=NODE)
for at_once in 100, 1000:
    add(
        f"read_{at_once}_1ms",
        partial(read, at_once=at_once, delay=1000),
        node=NODE,
        repeat=3,
    )
add("same_300", same, node=NODE, repeat=1)
