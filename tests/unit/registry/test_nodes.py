"""The nodes of a file: connected in one line, some of them may be down."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bluesky.plan_stubs import rd
from bluesky.run_engine import RunEngine
from ophyd_async.core import NotConnectedError, init_devices
from ophyd_async.plan_stubs import ensure_connected

from secop_ophyd import SECoPNodeDevice, load_nodes
from secop_ophyd.testing import FakeNode

from ..devices.builders import readable, report

STRUCTURE = report(cryo=readable())


class Site:
    """Two nodes in the event loop of a RunEngine, and the file that has both."""

    def __init__(self, engine: RunEngine, file: Path):
        self.engine = engine
        self.file = file
        self.fakes = [FakeNode(STRUCTURE) for _ in range(2)]
        for fake in self.fakes:
            self.run(fake.start())
        file.write_text(
            f"here:\n  uri: {self.fakes[0].uri}\nthere:\n  uri: {self.fakes[1].uri}\n"
        )

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.engine.loop).result(10)


@pytest.fixture
def site(RE: RunEngine, tmp_path: Path) -> Iterator[Site]:
    site = Site(RE, tmp_path / "beamline.yml")
    yield site
    for fake in site.fakes:
        site.run(fake.stop())


def test_one_line(site: Site) -> None:
    with load_nodes(site.file) as nodes:
        assert nodes.here.is_connected and nodes.there.is_connected
        assert nodes.here is nodes["here"]
        assert nodes.there.name == "there"
        assert site.engine(rd(nodes.here.cryo.value)).plan_result == 0
        assert nodes.errors == {}
        assert "here" in dir(nodes) and "close" in dir(nodes)
        assert repr(nodes).startswith("Nodes(SECoPNodeDevice(name='here', uri='secop:")
        with pytest.raises(AttributeError, match="no node 'her'; there are here, the"):
            _ = nodes.her
    assert not nodes.here.is_connected


def test_inside_of_init_devices(site: Site) -> None:
    with init_devices():
        nodes = load_nodes(site.file)
        there = load_nodes(site.file, connect=False).there
    assert nodes.here.is_connected and there.is_connected
    assert there.name == "there"
    nodes.close()
    assert there.is_connected
    there.close()


def test_names_of_a_profile(site: Site) -> None:
    namespace: dict[str, Any] = {}
    namespace.update(load_nodes(site.file))
    assert namespace.keys() == {"here", "there"}
    for device in namespace.values():
        assert isinstance(device, SECoPNodeDevice)
        device.close()


def test_a_node_that_is_down(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.run(site.fakes[1].stop())
    with load_nodes(site.file, timeout=5) as nodes:
        (record,) = (r for r in caplog.records if r.name == "secop_ophyd.registry")
        assert record.levelno == logging.WARNING
        text = record.getMessage()
        assert text.startswith("1 of 2 nodes are not connected: there (")
        assert "\n" not in text
        assert f"there (cannot connect to SEC node {site.fakes[1].uri}: " in text
        assert nodes.errors.keys() == {"there"}
        assert isinstance(nodes.errors["there"], NotConnectedError)
        assert site.engine(rd(nodes.here.cryo.value)).plan_result == 0
        with pytest.raises(AttributeError, match="has no 'cryo'; it is not connected"):
            _ = nodes.there.cryo

        site.run(site.fakes[1].start())
        site.engine(ensure_connected(nodes.there))
        assert nodes.errors == {}
        assert site.engine(rd(nodes.there.cryo.value)).plan_result == 0


def test_a_node_that_is_down_and_described(site: Site, tmp_path: Path) -> None:
    site.run(site.fakes[1].stop())
    (tmp_path / "there.json").write_text(json.dumps(STRUCTURE))
    with site.file.open("a") as file:
        file.write("  description: there.json\n")
    with load_nodes(site.file, timeout=5) as nodes:
        assert nodes.errors == {}
        assert not nodes.there.is_connected
        with pytest.raises(Exception, match="not connected yet"):
            site.engine(rd(nodes.there.cryo.value))
        site.run(site.fakes[1].start())
        site.engine(ensure_connected(nodes.there))
        assert site.engine(rd(nodes.there.cryo.value)).plan_result == 0


def test_all_are_down(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for fake in site.fakes:
        site.run(fake.stop())
    nodes = load_nodes(site.file, timeout=5)
    assert list(nodes.errors) == ["here", "there"]
    assert "2 of 2 nodes are not connected" in caplog.text


def test_mock(site: Site) -> None:
    nodes = load_nodes(site.file, mock=True)
    assert nodes.errors == {}
    assert not nodes.here.is_connected
    assert not site.fakes[0].requests


def test_no_run_engine(tmp_path: Path) -> None:
    file = tmp_path / "beamline.yml"
    file.write_text("a: {uri: '127.0.0.1:1'}")
    with pytest.raises(NotConnectedError, match="make the RunEngine first"):
        load_nodes(file)


def test_in_a_plan(site: Site) -> None:
    def plan():
        with pytest.raises(NotConnectedError, match="ensure_connected"):
            load_nodes(site.file)
        yield from []

    site.engine(plan())


async def test_without_run_engine(tmp_path: Path) -> None:
    async with FakeNode(STRUCTURE) as fake:
        file = tmp_path / "beamline.yml"
        file.write_text(f"a: {{uri: '{fake.uri}'}}")
        nodes = load_nodes(file, connect=False)
        assert not nodes.a.is_connected
        await nodes.connect(timeout=5)
        assert await nodes.a.cryo.value.get_value() == 0
        await nodes.disconnect()
        assert not nodes.a.is_connected
