import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import pytest

from secop_ophyd.client import ClientOptions, Reading, SecopClient
from secop_ophyd.testing import FakeNode

IDENTITY = b"ISSE,SECoP,,v2.0\n"
DOUBLE = {"type": "double", "min": -10, "max": 1000, "unit": "K"}
STATUS = {
    "type": "tuple",
    "members": [
        {"type": "enum", "members": {"IDLE": 100, "BUSY": 300, "ERROR": 400}},
        {"type": "string"},
    ],
}


def parameter(datainfo, readonly=True, **more):
    return {"description": "", "datainfo": datainfo, "readonly": readonly, **more}


def command(**datainfo):
    return {"description": "", "datainfo": {"type": "command", **datainfo}}


def structure(unit="K"):
    """Return a new structure report: two modules that move, one with the rest."""
    double = {**DOUBLE, "unit": unit}
    drivable = {
        "value": parameter(double),
        "status": parameter(STATUS),
        "target": parameter(double, readonly=False),
        "ramp": parameter(DOUBLE, readonly=False),
        "stop": command(),
    }
    rest = {
        "value": parameter({"type": "int", "min": 0, "max": 10_000}),
        "text": parameter({"type": "string", "maxchars": 3}, readonly=False),
        "fixed": parameter({"type": "double"}, constant=2.5),
        "sum": command(
            argument={
                "type": "tuple",
                "members": [{"type": "double"}, {"type": "double"}],
            },
            result={"type": "double"},
        ),
        "reset": command(),
    }
    modules = {"cryo": drivable, "motor": drivable, "m": rest}
    return {
        "equipment_id": "fake",
        "description": "",
        "modules": {
            name: {
                "description": "",
                "interface_classes": ["Drivable"] if name != "m" else ["Readable"],
                "accessibles": accessibles,
            }
            for name, accessibles in modules.items()
        },
    }


@pytest.fixture
async def node(no_task_is_left) -> AsyncIterator[FakeNode]:
    async with FakeNode(structure()) as node:
        yield node


@pytest.fixture
async def connect(node: FakeNode) -> AsyncIterator[Callable[..., Awaitable]]:
    """Return a function that makes clients, which are closed at the end."""
    clients: list[SecopClient] = []

    async def connect(to: FakeNode = node, **options) -> SecopClient:
        client = SecopClient(to.uri, ClientOptions(**options))
        clients.append(client)
        await client.connect()
        node.requests.clear()
        return client

    yield connect
    for client in clients:
        await client.close()


@pytest.fixture
async def client(connect) -> SecopClient:
    return await connect()


@contextlib.asynccontextmanager
async def serving(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[str, None]:
    """Run a server that talks to each client like this, and yield its address."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


class Listener:
    """A listener that keeps what it is told, and can be waited for."""

    def __init__(self):
        self.readings: list[Reading] = []
        self._new = asyncio.Event()

    def __call__(self, reading: Reading) -> None:
        self.readings.append(reading)
        self._new.set()

    @property
    def values(self) -> list:
        """Return what was told: values, and classes of errors."""
        return [type(r.error) if r.error else r.value for r in self.readings]

    async def wait_for(self, last) -> Reading:
        """Wait until this is the last value, or the class of the last error."""
        async with asyncio.timeout(5):
            while last not in self.values[-1:]:
                self._new.clear()
                await self._new.wait()
        return self.readings[-1]


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until something is so."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)
