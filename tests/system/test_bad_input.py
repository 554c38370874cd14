"""Bad input gets a clear error, within its time-out."""

import http.server
import re
import socket
import threading
import time
from collections.abc import Iterator

import bluesky.plan_stubs as bps
import pytest
from bluesky import FailedStatus, RunEngine
from ophyd_async.core import NotConnectedError, init_devices

from secop_ophyd import SECoPMoveableDevice, SECoPNodeDevice
from secop_ophyd.demo import SimulatedNode, start_node
from secop_ophyd.protocol import NoSuchModule, RangeError, ReadOnly, WrongType


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a port of this computer that nobody can listen on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Return a port of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def http_port() -> Iterator[int]:
    """Return the port of an HTTP server."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def demo() -> Iterator[SimulatedNode]:
    with start_node() as node:
        yield node


async def failure(uri: str, timeout: float = 0.5) -> str:
    """Return the text of the error, once it was raised in time."""
    started = time.monotonic()
    with pytest.raises(NotConnectedError) as caught:
        async with init_devices(timeout=timeout):
            node = SECoPNodeDevice(uri)
    assert time.monotonic() - started < timeout + 0.4
    assert not node.is_connected
    text = str(caught.value)
    assert "node: " in text  # the variable
    assert uri in text
    return text


async def test_port_closed(closed_port):
    text = await failure(f"127.0.0.1:{closed_port}")
    assert f"cannot connect to SEC node 127.0.0.1:{closed_port}" in text
    assert "Connection refused" in text


async def test_unknown_host():
    text = await failure("no-such-host.invalid:10767")
    assert "cannot connect to SEC node no-such-host.invalid:10767" in text


async def test_silent_server(silent_port):
    started = time.monotonic()
    text = await failure(f"127.0.0.1:{silent_port}")
    assert time.monotonic() - started > 0.45
    assert "no answer to *IDN? within 0.5 s" in text


async def test_http_server(http_port):
    text = await failure(f"127.0.0.1:{http_port}")
    assert "is not a SEC node: it answered '<!DOCTYPE HTML>'" in text


async def test_several_at_once_are_all_named(closed_port, silent_port):
    started = time.monotonic()
    with pytest.raises(NotConnectedError) as caught:
        async with init_devices(timeout=0.5):
            one = SECoPNodeDevice(f"127.0.0.1:{closed_port}")
            two = SECoPNodeDevice(f"127.0.0.1:{silent_port}")
    assert time.monotonic() - started < 0.9
    assert not one.is_connected and not two.is_connected
    for said in ("one: ", "two: ", "Connection refused", "no answer to *IDN?"):
        assert said in str(caught.value)


async def test_good_node_beside_a_bad_one(demo, closed_port):
    with pytest.raises(NotConnectedError, match="bad: "):
        async with init_devices(timeout=5):
            good = SECoPNodeDevice(demo.uri)
            bad = SECoPNodeDevice(f"127.0.0.1:{closed_port}")
    assert not bad.is_connected
    await good.disconnect()


@pytest.mark.parametrize(
    "uri",
    ["", "localhost:port", "localhost:0", "localhost:99999", "http://localhost:1"]
    + ["local host:1", "localhost:1:2", "::1:10767", "/dev/ttyUSB0"],
)
def test_wrong_uri(uri):
    with pytest.raises(ValueError) as caught:
        SECoPNodeDevice(uri)
    assert repr(uri) in str(caught.value)


def test_node_is_not_there_from_a_plan_script(RE: RunEngine, closed_port):
    started = time.monotonic()
    with pytest.raises(NotConnectedError) as caught:
        with init_devices(timeout=0.5):
            node = SECoPNodeDevice(f"127.0.0.1:{closed_port}")
    assert time.monotonic() - started < 0.9
    assert not node.is_connected
    assert "Connection refused" in str(caught.value)


async def test_again_once_it_is_there():
    with start_node() as late:
        late.kill()
        node = SECoPNodeDevice(late.uri)
        with pytest.raises(NotConnectedError, match="Connection refused"):
            await node.connect(timeout=0.5)
        with pytest.raises(NotConnectedError, match=f"{late.uri} is not connected"):
            _ = node.client
        late.restart()
        await node.connect(timeout=5)
        assert await node.cryo.value.get_value() == 10
        await node.disconnect()


async def test_frozen_node():
    with start_node() as frozen:
        frozen.pause()
        text = await failure(frozen.uri)
        assert "no answer to *IDN? within 0.5 s" in text
        frozen.resume()
        async with init_devices(timeout=5):
            node = SECoPNodeDevice(frozen.uri)
        assert node.is_connected
        await node.disconnect()


# Values


@pytest.fixture
def device(RE: RunEngine, demo) -> Iterator[SECoPNodeDevice]:
    with init_devices(timeout=5):
        device = SECoPNodeDevice(demo.uri)
    yield device
    device.close()


BAD_VALUES = [
    ("cryo", "target", 401, RangeError, "400"),
    ("cryo", "target", 1.9, RangeError, "2"),
    ("cryo", "target", float("nan"), RangeError, "finite"),
    ("cryo", "target", "warm", WrongType, "'warm'"),
    ("cryo", "target", None, WrongType, "None"),
    ("cryo", "target", [5], WrongType, "5"),
    ("cryo", "ramp", 0, RangeError, "0.1"),
    ("cryo", "mode", "fast", RangeError, "fast"),
    ("valve", "target", "perhaps", WrongType, "perhaps"),
    ("notes", "label", 5, WrongType, "5"),
    ("notes", "curve", [0.0] * 101, RangeError, "100"),
    ("notes", "limits", {"low": 1}, WrongType, "high"),
    ("notes", "limits", {"low": -1, "high": 1}, RangeError, "low"),
]


@pytest.mark.parametrize("module, name, value, error, said", BAD_VALUES)
def test_value_is_refused(RE: RunEngine, device, module, name, value, error, said):
    signal = getattr(getattr(device, module), name)
    read = RE(bps.rd(signal)).plan_result
    started = time.monotonic()
    with pytest.raises(FailedStatus) as caught:
        RE(bps.abs_set(signal, value, wait=True))
    assert time.monotonic() - started < 1
    cause = caught.value.__cause__
    assert isinstance(cause, error)
    assert said in str(cause)
    assert re.search(f"{module}:_?{name}: ", str(cause))
    after = RE(bps.rd(signal)).plan_result
    assert repr(after) == repr(read)


@pytest.mark.parametrize(
    "value, error, said",
    [
        (401, RangeError, "400"),
        (1.9, RangeError, "2"),
        ("warm", WrongType, "'warm'"),
        (None, WrongType, "None"),
    ],
)
def test_move_is_refused(RE: RunEngine, device, value, error, said):
    before = RE(bps.rd(device.cryo.target)).plan_result
    with pytest.raises(FailedStatus) as caught:
        RE(bps.mv(device.cryo, value))
    cause = caught.value.__cause__
    assert isinstance(cause, error)
    assert said in str(cause)
    assert str(cause).startswith(f"{device.cryo.name}: ")
    assert RE(bps.rd(device.cryo.target)).plan_result == before


@pytest.mark.parametrize("module, name", [("cryo", "value"), ("cryo", "setpoint")])
def test_readonly_parameter(RE: RunEngine, device, module, name):
    signal = getattr(getattr(device, module), name)
    assert not hasattr(signal, "set")
    with pytest.raises(AssertionError, match="does not implement all Movable"):
        RE(bps.abs_set(signal, 5, wait=True))


async def test_readonly_parameter_by_the_client(demo):
    async with init_devices(timeout=5):
        node = SECoPNodeDevice(demo.uri)
    with pytest.raises(ReadOnly, match="cryo:value is readonly"):
        await node.client.change("cryo", "value", 5)
    await node.disconnect()


async def test_unknown_module(demo):
    async with init_devices(timeout=5):
        node = SECoPNodeDevice(demo.uri)
    with pytest.raises(AttributeError, match="cyro"):
        _ = node.cyro
    with pytest.raises(NoSuchModule, match="'cyro', did you mean 'cryo'"):
        await node.client.read("cyro", "value")
    await node.disconnect()


async def test_class_with_an_unknown_module(demo):
    class Node(SECoPNodeDevice):
        cyro: SECoPMoveableDevice

    with pytest.raises(NotConnectedError) as caught:
        async with init_devices(timeout=5):
            node = Node(demo.uri)
    assert "cyro" in str(caught.value)
    assert not node.is_connected


def test_command_with_a_bad_argument(RE: RunEngine, device):
    for arg, error in ((501, RangeError), ("far", WrongType)):
        with pytest.raises(Exception) as caught:
            RE(device.motor.move_to(arg=arg))
        found = caught.value
        assert isinstance(found, error) or isinstance(found.__cause__, error)
        assert "motor:_move_to" in str(found.__cause__ or found)
