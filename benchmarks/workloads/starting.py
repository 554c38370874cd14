"""What it takes until there is something to work with."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..nodes import Modules, prepare
from ..workload import Blocked, Run, Stopwatch, add


def imported(run: Run, *names: str) -> None:
    """Import modules for the first time."""
    with Stopwatch() as watch:
        for name in names:
            importlib.import_module(name)
    watch.record(run)
    run.record("memory", watch.memory)


async def connect(run: Run) -> None:
    """A node is connected: described, built, activated."""
    if run.is_peer:  # imported when the first one is connected
        importlib.import_module("secop_ophyd.GenNodeCode")
    run.side.device("localhost:1")
    gc.collect()
    blocked = Blocked()
    with Stopwatch() as watch:
        async with blocked:
            device = await run.connect()
    watch.record(run)
    run.record("memory", watch.memory)
    run.record("blocked", blocked.longest)
    last = getattr(device, f"m{run.workload.node.modules - 1}")  # type: ignore[union-attr]
    value = await last.value.get_value()
    run.check(value == run.workload.node.modules - 0.5, value)  # type: ignore[union-attr]
    run.check(await last.p3.get_value() == "some text", "text")
    await run.close()


async def build_soft(run: Run) -> None:
    """As many signals of ophyd-async as such a node has, without any node."""
    from ophyd_async.core import (
        StandardReadable,
        StandardReadableFormat,
        init_devices,
        soft_signal_rw,
    )

    node = run.workload.node
    assert isinstance(node, Modules)

    class Module(StandardReadable):
        def __init__(self) -> None:
            signals = [soft_signal_rw(float, 0.5) for _ in range(node.parameters + 5)]
            for i, signal in enumerate(signals):
                setattr(self, f"s{i}", signal)
            self.add_readables(signals[:2], StandardReadableFormat.HINTED_SIGNAL)
            self.add_readables(signals[2:], StandardReadableFormat.CONFIG_SIGNAL)
            super().__init__()

    class Node(StandardReadable):
        def __init__(self) -> None:
            modules = [Module() for _ in range(node.modules)]
            for i, module in enumerate(modules):
                setattr(self, f"m{i}", module)
            self.add_readables(modules, StandardReadableFormat.CHILD)
            super().__init__()

    gc.collect()
    with Stopwatch() as watch:
        async with init_devices():
            device = Node()
    watch.record(run)
    run.record("memory", watch.memory)
    run.check(await device.m0.s0.get_value() == 0.5, "value")  # type: ignore[attr-defined]


async def connect_many(run: Run, nodes: int) -> None:
    """Many nodes are connected at once."""
    for _ in range(nodes - 1):
        run.add_node()
    gc.collect()
    with Stopwatch() as watch:
        devices = await asyncio.gather(*(run.connect(i) for i in range(nodes)))
    watch.record(run)
    run.record("memory", watch.memory)
    run.record("threads", threading.active_count())
    for device in devices:
        run.check(await device.m7.value.get_value() == 7.5, "value")
    await run.close()


def generate(run: Run, node: Modules) -> None:
    """Classes are written to a file."""
    with prepare(node).open() as file:
        text = next(line[2:] for line in file if line.startswith("D "))
    folder = tempfile.mkdtemp()
    write = _writer_of_peer() if run.is_peer else _writer_of_ours()
    with Stopwatch() as watch:
        write(json.loads(text), folder)
    watch.record(run)
    [path] = (p for p in Path(folder).glob("*.py") if p.name != "__init__.py")
    source = path.read_text()
    compile(source, path, "exec")
    for i in range(node.modules):
        run.check(f"    m{i}: " in source, f"no m{i}")
    shutil.rmtree(folder)


def _writer_of_ours() -> Callable[[Any, str], None]:
    from secop_ophyd.codegen import write_class_file
    from secop_ophyd.protocol import parse_description

    def write(description: Any, folder: str) -> None:
        write_class_file(parse_description(description), folder)

    return write


def _writer_of_peer() -> Callable[[Any, str], None]:
    from secop_ophyd.GenNodeCode import GenNodeCode

    class Quiet:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: None

    def write(description: Any, folder: str) -> None:
        generator = GenNodeCode(path=folder, log=Quiet())
        generator.from_json_describe(description)
        generator.write_gen_node_class_file()

    return write


def import_client(run: Run) -> None:
    """The client: so far with all the rest, since the package imports it."""
    imported(run, "secop_ophyd.client")


def import_client_floor(run: Run) -> None:
    """What the client is made of."""
    imported(run, "asyncio", "msgspec", "numpy")


def import_devices(run: Run) -> None:
    """The devices."""
    imported(run, "secop_ophyd.SECoPDevices")


def import_devices_floor(run: Run) -> None:
    """What the devices are made of."""
    imported(run, "ophyd_async.core", "bluesky.protocols")


add("import_client", import_client, peer=False, floor=import_client_floor)
add("import_devices", import_devices, floor=import_devices_floor)
for modules in 1, 10, 100, 1000:
    add(
        f"connect_{modules}x20",
        connect,
        node=Modules(modules),
        repeat=3 if modules > 100 else 7,
        quick=modules == 100,
        soft=build_soft,
    )
add("connect_20_nodes", partial(connect_many, nodes=20), node=Modules(20), repeat=3)
for modules in 10, 100, 500:
    node = Modules(modules, kinds=modules)
    add(
        f"generate_{modules}x20",
        partial(generate, node=node),
        repeat=2 if modules > 100 else 5,
    )
