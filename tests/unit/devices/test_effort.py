"""What is done, and how often: counts that the speed depends on, and no times."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bluesky.protocols import WritesExternalAssets, WritesStreamAssets

from secop_ophyd.devices import SECoPBaseDevice, _converters

MODULES = 20


def structure() -> Any:
    """Return a new structure report: modules that are alike."""
    types = [
        {"type": "double", "unit": "K"},
        {"type": "int", "min": 0, "max": 9},
        {"type": "string"},
        {"type": "array", "members": {"type": "double"}, "maxlen": 9},
        {"type": "tuple", "members": [{"type": "double"}, {"type": "bool"}]},
    ]

    def module() -> Any:
        return {
            "description": "",
            "interface_classes": ["Readable"],
            "accessibles": {
                name: {"description": "", "datainfo": datainfo, "readonly": True}
                for name, datainfo in zip("abcde", types, strict=True)
            },
        }

    modules = {f"m{i}": module() for i in range(MODULES)}
    return {"equipment_id": "alike", "description": "", "modules": modules}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the data types that converters have been made for."""
    infos: list[Any] = []
    make = _converters._make

    def counted(info: Any, datatype: Any) -> Any:
        infos.append(info)
        return make(info, datatype)

    monkeypatch.setattr(_converters, "_make", counted)
    return infos


@pytest.fixture
async def tasks() -> Any:
    """Return the coroutines of all tasks that have been made."""
    coroutines: list[Any] = []

    def make(loop: Any, coroutine: Any, **options: Any) -> Any:
        coroutines.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(make)
    return coroutines


async def test_data_types_and_converters_are_made_once(serve, connect, made):
    device = await connect(await serve(structure()))
    assert len(made) == 5
    modules = device.client.description.modules.values()
    for name in "abcde":
        assert len({id(m.parameters[name].datainfo) for m in modules}) == 1


async def test_no_task_is_made_for_each_signal(serve, connect, tasks):
    node = await serve(structure())
    tasks.clear()
    device = await connect(node)
    # Half of them are the fake node's, and there are tasks for each module
    assert len(tasks) < 3 * MODULES
    assert len(list(device.m0.children())) > 3


async def test_who_asks_what_a_device_can_do_gets_no_text(serve, connect, monkeypatch):
    def compared(*args: Any) -> Any:
        raise AssertionError("bluesky asks so at each point of a scan")

    device = await connect(await serve(structure()))
    monkeypatch.setattr("difflib.get_close_matches", compared)
    monkeypatch.setattr(type(device.m0), "__repr__", compared)
    assert not isinstance(device, WritesStreamAssets)
    assert not isinstance(device.m0, WritesExternalAssets)
    assert not hasattr(device.m0, "valeu")


async def test_a_signal_has_one_listener_however_many_it_tells(serve, connect):
    device = await connect(await serve(structure()))
    parameter = device.client.parameter("m3", "a")
    listeners = [lambda readings: None for _ in range(5)]
    for listener in listeners:
        device.m3.a.subscribe_reading(listener)
    assert parameter.listeners == 1
    for listener in listeners:
        device.m3.a.clear_sub(listener)
    assert parameter.listeners == 0


async def test_each_module_is_named_once(serve, connect, monkeypatch):
    named: list[str] = []
    set_name = SECoPBaseDevice.set_name

    def counted(device: Any, name: str, **options: Any) -> None:
        named.append(name)
        set_name(device, name, **options)

    monkeypatch.setattr(SECoPBaseDevice, "set_name", counted)
    device = await connect(await serve(structure()))
    modules = [c.name for _, c in device.children() if isinstance(c, SECoPBaseDevice)]
    assert len(modules) > 3
    assert sorted(named) == sorted(modules)
    device.set_name("other")  # and as often as somebody wants it to be another name
    device.set_name("other")
    assert len(named) == 3 * len(modules)
    assert device.m0.a.name == "other-m0-a"
