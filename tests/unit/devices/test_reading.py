"""What is known is read at once; what a subclass adds, or is not known, is awaited."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bluesky.protocols import Reading
from ophyd_async.core import StandardReadableFormat, set_mock_value, soft_signal_rw

from secop_ophyd.devices import SECoPNodeDevice, SECoPReadableDevice

from .builders import readable, report


class Added(SECoPReadableDevice):
    """Reads something that the node does not have."""

    def __init__(self, name: str = "", connector: Any = None):
        with self.add_children_as_readables(StandardReadableFormat.HINTED_SIGNAL):
            self.early = soft_signal_rw(float, 1.0)
        super().__init__(name, connector)
        self.late = soft_signal_rw(float, 2.0)
        self.add_readables([self.late], StandardReadableFormat.UNCACHED_SIGNAL)


class Changed(SECoPReadableDevice):
    """Reads something else than the node has."""

    async def read(self) -> dict[str, Reading[Any]]:
        found = await super().read()
        for reading in found.values():
            reading["timestamp"] = 1.0
        return found


class Node(SECoPNodeDevice):
    a: Added
    b: Changed
    c: SECoPReadableDevice


class Extended(SECoPNodeDevice):
    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.extra = soft_signal_rw(float, 3.0)
        self.add_readables([self.extra])


def structure() -> Any:
    return report(a=readable(), b=readable(), c=readable())


def columns(*modules: str) -> set[str]:
    ends = ("", "-status-f0", "-status-f1")
    return {f"node-{module}{end}" for module in modules for end in ends}


async def test_no_module_needs_a_task_for_what_is_known(
    serve: Any, connect: Any
) -> None:
    fake = await serve(structure(), values={"b:value": 7.0})
    node = await connect(fake)
    fake.requests.clear()
    loop = asyncio.get_running_loop()
    tasks: list[Any] = []

    def factory(loop: Any, coro: Any, **options: Any) -> Any:
        tasks.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(factory)
    try:
        of_b = await node.b.read()
        assert not tasks
        reading = await node.read()
    finally:
        loop.set_task_factory(None)
    assert len(tasks) == 2  # for the node itself, and for all modules
    assert of_b == {k: reading[k] for k in columns("b")}
    assert reading.keys() == columns("a", "b", "c")
    assert reading["node-b"]["value"] == 7.0
    assert fake.requests == []


async def test_who_reads_something_may_change_it(serve: Any, connect: Any) -> None:
    node = await connect(await serve(structure()))
    first = await node.read()
    for reading in first.values():
        reading.clear()
    assert (await node.read())["node-a-status-f0"]["value"] == 100
    assert (await node.a.read())["node-a"]["value"] == 0.0


async def test_what_subclasses_add_is_read(serve: Any, connect: Any) -> None:
    node = await connect(await serve(structure()), Node)
    added = {"node-a-early", "node-a-late"}
    reading = await node.read()
    assert reading.keys() == columns("a", "b", "c") | added
    assert (await node.a.read()).keys() == columns("a") | added
    assert {reading[key]["timestamp"] for key in columns("b")} == {1.0}
    assert reading["node-c"]["timestamp"] > 1.0
    await node.a.late.set(5.0)
    assert (await node.read())["node-a-late"]["value"] == 5.0


async def test_what_a_node_adds_is_read(serve: Any, connect: Any) -> None:
    node = await connect(await serve(structure()), Extended)
    reading = await node.read()
    assert reading.keys() == columns("a", "b", "c") | {"node-extra"}
    assert reading["node-extra"]["value"] == 3.0


async def test_two_modules_of_one_name_are_not_read(serve: Any, connect: Any) -> None:
    node = await connect(await serve(structure()))
    node.a.set_name("same")
    node.b.set_name("same")
    with pytest.raises(ValueError, match="the same name: same"):
        await node.read()


async def test_a_signal_that_is_a_mock(serve: Any, connect: Any) -> None:
    node = await connect(await serve(structure()))
    await node.a.value.connect(mock=True)
    set_mock_value(node.a.value, 77.0)
    assert (await node.read())["node-a"]["value"] == 77.0
    assert (await node.a.read())["node-a"]["value"] == 77.0


async def test_the_modules_of_a_node_that_tells_nothing_are_asked_at_once(
    serve: Any, connect: Any
) -> None:
    fake = await serve(structure())
    fake.reply_raw("activate", b'error_activate  ["NotImplemented","no",{}]\n')
    node = await connect(fake)
    fake.requests.clear()
    go_on = asyncio.Event()

    async def value() -> float:
        await go_on.wait()
        return 9.0

    for module in "abc":
        fake.on_read(f"{module}:value", value)
    reading = asyncio.create_task(node.read())
    for module in "abc":
        await fake.wait_for_request(f"read {module}:value")
    go_on.set()
    found = await reading
    assert found.keys() == columns("a", "b", "c")
    assert {found[f"node-{module}"]["value"] for module in "abc"} == {9.0}
