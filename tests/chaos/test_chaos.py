"""The judge of the chaos suite sees what is wrong, and the schedules are what they say.

The suite itself is a program: `make chaos`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from chaos import by_client, kind_of
from oracle import Clock, Oracle
from schedule import draw

from secop_ophyd.client import Parameter
from secop_ophyd.protocol import HardwareError

PROGRAM = Path(__file__).with_name("chaos.py")


def oracle() -> Oracle:
    oracle = Oracle()
    for line in (b"update a:b [1,{}]", b"reply a:b [2,{}]", b"changed c:d [3,{}]"):
        oracle.tap("client", line)
    oracle.tap("node", b"change c:d 4")
    return oracle


def test_what_was_sent_in_order_is_right():
    judge = oracle()
    for value in (1, 1, 2, 2):
        judge.deliver("x", "a:b", value)
    judge.deliver("y", "a:b", 1)
    judge.deliver("x", "c:d", 3)
    judge.report(HardwareError("broken"))
    assert judge.violations == []
    assert judge.counts == {"values": 6, "HardwareError": 1}


@pytest.mark.parametrize(
    ("specifier", "values", "said"),
    [
        ("a:b", [5], "5 was never sent"),
        ("a:b", [3], "3 was never sent"),
        ("c:d", [4], "4 was never sent"),
        ("a:b", [2, 1], "1 is old"),
    ],
)
def test_what_was_not_is_wrong(specifier, values, said):
    judge = oracle()
    for value in values:
        judge.deliver("x", specifier, value)
    [violation] = judge.violations
    assert said in violation


def test_what_is_older_than_known_is_wrong():
    judge = oracle()
    judge.deliver("listener", "a:b", 2)
    judge.deliver("reader", "a:b", 1, since=judge.newest("listener", "a:b"))
    assert "is old" in judge.violations[0]


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError(), HardwareError("")])
def test_other_errors_are_wrong(error):
    judge = oracle()
    judge.report(error)
    assert "none of our errors" in judge.violations[0]


def test_a_seed_is_a_schedule():
    assert draw(7, 1.0) == draw(7, 1.0) != draw(8, 1.0)
    kinds = {step.kind for seed in range(200) for step in draw(seed, 1.0)}
    assert kinds == {
        *("cut", "cut_in", "delay", "reorder", "duplicate", "truncate", "corrupt"),
        *("drip", "freeze", "pause", "restart", "restart as another", "refuse"),
        *("accept_and_close", "flood"),
    }


async def failures(seeds: Iterable[int]) -> list[tuple[int, str]]:
    chosen = [s for s in seeds if kind_of(s) == ("fake", "client")]
    found = await asyncio.gather(*map(by_client, chosen))
    asyncio.get_running_loop().set_exception_handler(None)
    return [failure for x in found for failure in x.failures]


async def outcome(seeds: range) -> list[str]:
    return [text for _, text in await failures(seeds)]


async def test_the_client_as_it_is():
    assert await outcome(range(8)) == []


async def test_a_client_that_keeps_old_values_is_found(monkeypatch):
    monkeypatch.setattr(Parameter, "invalidate", lambda *_: None)
    assert any("in spite of the loss" in text for text in await outcome(range(8)))


async def test_the_seed_of_a_failure_reproduces_it(monkeypatch):
    monkeypatch.setattr(Parameter, "invalidate", lambda *_: None)
    seeds = [seed for seed, _ in await failures(range(8))]
    assert seeds
    for _ in range(3):
        assert [seed for seed, _ in await failures(seeds[:1])] == seeds[:1]


async def test_the_clock_stands_still_with_the_event_loop():
    clock = Clock()
    hand = asyncio.ensure_future(clock.run())
    started, since = clock(), time.monotonic()
    await asyncio.sleep(0.1)
    time.sleep(0.7)  # noqa: ASYNC251
    await asyncio.sleep(0)
    passed = time.monotonic() - since
    assert 0.1 <= clock() - started <= passed - 0.5 + 0.01
    assert 0.7 <= clock.stood_still <= passed
    hand.cancel()
    await asyncio.wait({hand})


async def test_a_client_that_mixes_parameters_up_is_found(monkeypatch):
    update = Parameter.update
    last: list[bytes] = []

    def mixed(self: Parameter, data: bytes, arrived: float) -> None:
        last.append(data)
        update(self, last[-2] if len(last) % 20 == 0 else data, arrived)

    monkeypatch.setattr(Parameter, "update", mixed)
    assert any("was never sent" in text for text in await outcome(range(8)))


@pytest.mark.parametrize("user", ["client", "plan"])
def test_one_schedule_by_its_seed(user):
    seed = next(s for s in range(100) if kind_of(s) == ("fake", user))
    command = [sys.executable, PROGRAM, "--seed", str(seed)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout
    for said in ("Step(", "1 schedules", f"1 fake node, {user}", "0 schedules failed"):
        assert said in result.stdout
