"""A fake node and its device: in the test's event loop, or in the RunEngine's."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bluesky.run_engine import RunEngine
from ophyd_async.core import init_devices

from secop_ophyd.codegen import write_class_file
from secop_ophyd.devices import SECoPNodeDevice
from secop_ophyd.protocol import parse_description
from secop_ophyd.testing import FakeNode

Connect = Callable[..., Awaitable[Any]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[FakeNode]]]:
    """Start fake nodes that end with the test."""
    nodes: list[FakeNode] = []

    async def serve(structure: Any, **options: Any) -> FakeNode:
        nodes.append(FakeNode(structure, **options))
        await nodes[-1].start()
        return nodes[-1]

    yield serve
    for node in nodes:
        await node.stop()


@pytest.fixture
async def connect(serve: Any) -> AsyncIterator[Connect]:
    """Connect devices of fake nodes, which are disconnected at the end."""
    devices: list[SECoPNodeDevice] = []

    async def connect(
        fake: FakeNode, kind: type[SECoPNodeDevice] = SECoPNodeDevice, **options: Any
    ) -> Any:
        device = kind(fake.uri, **({"name": "node"} | options))
        devices.append(device)
        await device.connect(timeout=5)
        return device

    yield connect
    for device in devices:
        await device.disconnect()


def load(file: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a class file, whose module is forgotten with the test."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, file.stem, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def generate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ModuleType]:
    """Import the classes of nodes."""

    def generate(*reports: Any, name: str = "genNodeClass.py") -> ModuleType:
        for report in reports:
            file = write_class_file(parse_description(report), tmp_path, name=name)
        return load(file, monkeypatch)

    return generate


def node_class_of(classes: ModuleType) -> type[SECoPNodeDevice]:
    """Return the class of a node in a file that has just one."""
    (found,) = (
        c
        for c in vars(classes).values()
        if isinstance(c, type)
        and issubclass(c, SECoPNodeDevice)
        and c is not SECoPNodeDevice
    )
    return found


class Lab:
    """Fake nodes and devices in the event loop of a RunEngine."""

    def __init__(self, engine: RunEngine):
        self.engine = engine
        self.documents: list[tuple[str, dict[str, Any]]] = []
        engine.subscribe(lambda name, doc: self.documents.append((name, doc)))
        self._fakes: list[FakeNode] = []
        self._devices: list[SECoPNodeDevice] = []

    def run(self, awaitable: Any) -> Any:
        """Await something there."""

        async def wait() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self.engine.loop).result(10)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function there."""

        async def call() -> Any:
            return function(*args, **kwargs)

        return self.run(call())

    def serve(self, structure: Any, **options: Any) -> FakeNode:
        """Start a fake node."""
        self._fakes.append(FakeNode(structure, **options))
        self.run(self._fakes[-1].start())
        return self._fakes[-1]

    def connect(
        self,
        fake: FakeNode,
        kind: type[SECoPNodeDevice] = SECoPNodeDevice,
        **options: Any,
    ) -> Any:
        """Connect a device of it."""
        with init_devices():
            device = kind(fake.uri, **({"name": "node"} | options))
        self._devices.append(device)
        return device

    def later(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function there, without waiting for it."""
        self.engine.loop.call_soon_threadsafe(function, *args)

    def when(self, fake: FakeNode, request: str, function: Callable[[], Any]) -> None:
        """Call a function, in another thread, as soon as there is a request."""

        async def wait() -> None:
            await fake.wait_for_request(request)
            await asyncio.to_thread(function)

        asyncio.run_coroutine_threadsafe(wait(), self.engine.loop)

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the documents of a kind."""
        return [doc for kind, doc in self.documents if kind == name]

    def close(self) -> None:
        """End all."""
        for device in self._devices:
            self.run(device.disconnect())
        for fake in self._fakes:
            self.run(fake.stop())


@pytest.fixture
def lab(RE: RunEngine) -> Iterator[Lab]:
    lab = Lab(RE)
    yield lab
    lab.close()


@pytest.fixture
async def updates() -> AsyncIterator[Callable[[Any], Callable[[int], Any]]]:
    """Subscribe to something, and wait for a number of readings."""
    ends: list[Callable[[], None]] = []

    def updates(device: Any) -> Callable[[int], Awaitable[list[Any]]]:
        found: list[Any] = []
        changed = asyncio.Event()

        def listener(reading: Any) -> None:
            found.append(reading)
            changed.set()

        device.subscribe_reading(listener)
        ends.append(lambda: device.clear_sub(listener))

        async def wait(count: int) -> list[Any]:
            async with asyncio.timeout(5):
                while len(found) < count:
                    changed.clear()
                    await changed.wait()
            return found

        return wait

    yield updates
    for end in ends:
        end()
