"""What is done, and how often: counts that the speed depends on, and no times."""

import asyncio

import pytest

from secop_ophyd.client import _parameter
from secop_ophyd.protocol import RequestTimeout, decode_report

from .test_state import sent

UPDATES = [b'update m:value [%d, {"t": %d}]\n' % (n, n) for n in range(1, 21)]


@pytest.fixture
def decoded(monkeypatch) -> list[bytes]:
    """Return all data of parameters that have been decoded."""
    found: list[bytes] = []

    def counted(data):
        found.append(data)
        return decode_report(data)

    monkeypatch.setattr(_parameter, "decode_report", counted)
    return found


@pytest.fixture
async def timers(monkeypatch) -> list[float]:
    """Return when the timers are due that have been made."""
    made: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def counted(when, callback, *args, **kwargs):
        made.append(when)
        return call_at(when, callback, *args, **kwargs)

    monkeypatch.setattr(loop, "call_at", counted)
    return made


async def test_what_nobody_looks_at_is_not_decoded(node, client, decoded):
    decoded.clear()
    await sent(node, client, *UPDATES)
    assert decoded == []
    parameter = client.parameter("m", "value")
    assert [parameter.reading.value for _ in range(3)] == [20, 20, 20]
    assert len(decoded) == 1


async def test_what_many_listen_to_is_decoded_once(node, client, decoded):
    heard: list[int] = []
    parameter = client.parameter("m", "value")
    for _ in range(5):
        parameter.subscribe(lambda reading: heard.append(reading.value))
    decoded.clear()
    await sent(node, client, *UPDATES)
    assert heard == [n for n in range(1, 21) for _ in range(5)]
    assert len(decoded) == len(UPDATES)


@pytest.mark.parametrize(
    "line",
    [
        b'update m:value [7, {"t": 1}]\r\n',
        b'update m:value:later [7, {"t": 1}]\n',
        b"update m:value [7]\n",
        b"update m:value 7\n",
    ],
)
async def test_no_update_is_too_odd_for_the_shortest_way(node, client, line):
    await sent(node, client, line)
    assert client.parameter("m", "value").reading.value == 7


@pytest.mark.parametrize("line", [b"update\n", b"update \n", b"update m:value\n"])
async def test_an_update_without_data_harms_no_other(node, client, line):
    await sent(node, client, line, b'update cryo:value [3.5, {"t": 1}]\n')
    assert client.parameter("cryo", "value").reading.value == 3.5


async def test_an_answer_is_decoded_once(node, client, decoded):
    node.set("m:value", 5, t=1.0)
    decoded.clear()
    assert (await client.read("m", "value")).value == 5
    assert len(decoded) == 1


async def test_many_requests_need_one_timer(node, client, timers):
    await client.ping()  # there is one from now on
    timers.clear()
    await asyncio.gather(*(client.read("m", "value") for _ in range(100)))
    assert len(timers) <= 1


async def test_a_request_with_less_time_is_late_before_others(node, client):
    node.delay("read", 30)
    late: list[str] = []

    async def read(name: str, timeout: float) -> None:
        with pytest.raises(RequestTimeout):
            await client.read("m", name, timeout=timeout)
        late.append(name)

    async with asyncio.timeout(5):
        await asyncio.gather(read("value", 0.2), read("text", 0.1))
    assert late == ["text", "value"]
