import asyncio
import json

import pytest

from secop_ophyd.testing import FakeNode


def parameter(datainfo, readonly=True, **more):
    return {
        "description": "p",
        "datainfo": datainfo,
        "readonly": readonly,
        **more,
    }


def command(**datainfo):
    return {"description": "c", "datainfo": {"type": "command", **datainfo}}


STATUS = {
    "type": "tuple",
    "members": [
        {"type": "enum", "members": {"IDLE": 100, "BUSY": 300, "ERROR": 400}},
        {"type": "string"},
    ],
}
DOUBLE = {"type": "double", "min": -10, "max": 1000, "unit": "K"}
PID = {
    "type": "struct",
    "members": {"p": {"type": "double"}, "i": {"type": "double"}},
    "optional": ["i"],
}


def structure():
    """Return a new structure report with one of everything."""
    drivable = {
        "value": parameter(DOUBLE),
        "status": parameter(STATUS),
        "target": parameter(DOUBLE, readonly=False),
        "stop": command(),
    }
    switch = {"type": "enum", "members": {"off": 0, "on": 1}}
    other = {
        "value": parameter(switch),
        "status": parameter(STATUS),
        "target": parameter(switch, readonly=False),
        "pid": parameter(PID, readonly=False, checkable=True),
        "scaled": parameter(
            {"type": "scaled", "scale": 0.1, "min": 0, "max": 250}, readonly=False
        ),
        "text": parameter({"type": "string", "maxchars": 3}, readonly=False),
        "fixed": parameter({"type": "double"}, constant=2.5),
        "blob": parameter({"type": "blob", "maxbytes": 8}),
        "sum": command(
            argument={
                "type": "tuple",
                "members": [{"type": "double"}, {"type": "double"}],
            },
            result={"type": "double"},
        ),
        "reset": command(),
    }
    return {
        "equipment_id": "fake",
        "description": "A node",
        "modules": {
            "cryo": {
                "description": "m",
                "interface_classes": ["Drivable"],
                "accessibles": drivable,
            },
            "s": {
                "description": "m",
                "interface_classes": ["Writable"],
                "accessibles": other,
            },
        },
    }


class Client:
    """A raw connection: lines as they are."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, line):
        self.writer.write(line.encode() + b"\n")

    async def line(self):
        async with asyncio.timeout(5):
            line = await self.reader.readline()
        if not line:
            raise EOFError
        return line.decode().removesuffix("\n")

    async def ask(self, line):
        self.send(line)
        return await self.line()

    async def until(self, *actions):
        """Return the lines up to one with such an action."""
        lines = [await self.line()]
        while lines[-1].split(" ")[0] not in actions:
            lines.append(await self.line())
        return lines

    async def error(self, line):
        """Return action, specifier and class of an error."""
        action, specifier, data = (await self.ask(line)).split(" ", 2)
        return action, specifier, json.loads(data)[0]

    async def silence(self, seconds=0.05):
        """Expect no line for a while."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                raise AssertionError(await self.reader.readline())

    async def eof(self):
        async with asyncio.timeout(5):
            assert await self.reader.read() == b""

    async def close(self):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


@pytest.fixture(autouse=True)
async def nothing_left():
    yield
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def node(nothing_left):
    async with FakeNode(structure(), clock=lambda: 5.0) as node:
        yield node


@pytest.fixture
async def connect(node):
    clients = []

    async def connect(of=node):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", of.port, limit=2**26
        )
        clients.append(Client(reader, writer))
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


@pytest.fixture
async def client(node, connect):
    return await connect()
