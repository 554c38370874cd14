"""One operation at a time, with node and client on one core."""

from __future__ import annotations

import asyncio
from typing import Any

from ..nodes import Modules
from ..workload import Run, add

SMALL = Modules(3)
COUNT = 2000


class Echo(asyncio.Protocol):
    """Sends a request, and gets what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.answer: asyncio.Future[bytes] | None = None

    def data_received(self, data: bytes) -> None:
        if self.answer is not None:
            self.answer.set_result(data)

    async def ask(self, request: bytes) -> bytes:
        """Return the answer to a request."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


async def echo(run: Run, request: bytes = b"read m0:value\n") -> None:
    """The floor: bytes there, bytes back, in asyncio."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(Echo, "127.0.0.1", run.node.port)

    def right(answer: bytes) -> bool:
        return answer.startswith(b"reply m0:value [0.5,")

    await run.latency("latency", lambda i: protocol.ask(request), COUNT, right)


async def echo_change(run: Run) -> None:
    """The floor of a change."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(Echo, "127.0.0.1", run.node.port)
    await run.latency(
        "latency",
        lambda i: protocol.ask(b"change m0:ramp %d.5\n" % i),
        COUNT,
        lambda answer: answer.startswith(b"changed m0:ramp ["),
    )


async def read(run: Run) -> None:
    """The client asks the node for a value."""
    client = await run.connect_client()
    ask, value = run.side.read(client), run.side.value
    await run.latency(
        "latency", lambda i: ask("m0", "value"), COUNT, lambda r: value(r) == 0.5
    )
    await run.close()


async def trigger(run: Run) -> None:
    """A module is triggered, which asks the node for its value."""
    device = await run.connect()
    await run.latency("latency", lambda i: device.m0.trigger(), COUNT)
    run.check(await device.m0.value.get_value() == 0.5, "value")
    await run.close()


async def get(run: Run) -> None:
    """A signal that nobody listens to tells its value, which the node has sent."""
    device = await run.connect()
    await run.latency(
        "latency", lambda i: device.m0.value.get_value(), COUNT, lambda v: v == 0.5
    )
    await run.close()


async def get_subscribed(run: Run) -> None:
    """A signal that somebody listens to tells its value."""
    device = await run.connect()
    heard: list[object] = []
    device.m0.value.subscribe(heard.append)
    await asyncio.sleep(0.2)
    await run.latency(
        "latency", lambda i: device.m0.value.get_value(), COUNT, lambda v: v == 0.5
    )
    run.check(len(heard) == 1, heard)
    device.m0.value.clear_sub(heard.append)
    await run.close()


async def set_signal(run: Run) -> None:
    """A signal is set."""
    device = await run.connect()
    await run.latency("latency", lambda i: device.m0.ramp.set(i + 0.5), COUNT)
    last = COUNT - 0.5
    run.check(await device.m0.ramp.get_value() == last, "ramp")
    await run.close()


async def set_client(run: Run) -> None:
    """The client changes a parameter."""
    client = await run.connect_client()
    change, value = run.side.change(client), run.side.value
    results: list[float] = []

    async def change_it(i: int) -> None:
        results.append(value(await change("m0", "ramp", i + 0.5)))

    await run.latency("latency", change_it, COUNT)
    run.check(results[-1] == COUNT - 0.5, results[-1])
    await run.close()


async def command(run: Run) -> None:
    """The client executes a command with an argument and a result."""
    client = await run.connect_client()
    execute = run.side.command(client)

    def right(result: Any) -> bool:
        return result == 1.5 or result[0] == 1.5  # the peer returns qualifiers, too

    await run.latency("latency", lambda i: execute("m0", "_go", 1.5), COUNT, right)
    await run.close()


add("read", read, node=SMALL, one_core=True, quick=True, floor=echo)
add("trigger", trigger, node=SMALL, one_core=True, floor=echo)
add("get", get, node=SMALL, one_core=True)
add("get_subscribed", get_subscribed, node=SMALL, one_core=True)
add("set", set_signal, node=SMALL, one_core=True, quick=True, floor=echo_change)
add("set_client", set_client, node=SMALL, one_core=True, floor=echo_change)
add("command", command, node=SMALL, one_core=True)
