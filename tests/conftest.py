"""What all tests have: nothing may be left behind, and a RunEngine that is closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bluesky.run_engine import RunEngine
from hypothesis import HealthCheck, Phase, settings

# The same examples each time, or a long search with HYPOTHESIS_PROFILE=search
_PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "ci",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    phases=_PHASES,
    suppress_health_check=_SLOW,
)
settings.register_profile(
    "search",
    database=None,
    deadline=None,
    max_examples=3000,
    phases=_PHASES,
    suppress_health_check=_SLOW,
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def _children() -> set[int]:
    """Return the processes that this one has started and not waited for."""
    found: set[int] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            found.update(map(int, task.read_text().split()))
    return found


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let relative paths, such as the default log folder, end up in a folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a process, a socket or a task behind."""
    before = _resources()
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("no_task_is_left")
    yield
    if _resources() - before:
        gc.collect()
    left = _resources() - before
    assert not left, f"left behind: {left}"


def _resources() -> set[object]:
    # What asyncio keeps for name look-ups belongs to the loop, and is idle
    threads = (t for t in threading.enumerate() if not t.name.startswith("asyncio_"))
    return {*threads, *_children(), *_sockets()}


def _sockets() -> Iterator[str]:
    """Yield what is open to the network; event loops have others, for themselves."""
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # a thread may close it meanwhile
            target = os.readlink(entry.path)
            if target.startswith("socket:") and _is_tcp(int(entry.name)):
                yield target


def _is_tcp(descriptor: int) -> bool:
    looked_at = socket.socket(fileno=descriptor)
    try:
        return looked_at.family in (socket.AF_INET, socket.AF_INET6)
    finally:
        looked_at.detach()


@pytest.fixture
async def no_task_is_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task in its event loop behind."""
    yield
    await asyncio.sleep(0)
    left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    for task in left:
        task.cancel()
    assert not left, f"tasks left: {left}"


@pytest.fixture
def RE() -> Iterator[RunEngine]:
    """Return a RunEngine that runs in a thread of its own, and ends with the test."""
    engine = RunEngine({}, call_returns_result=True)
    yield engine
    if engine.state not in ("idle", "panicked"):
        engine.halt()
    left = asyncio.run_coroutine_threadsafe(_tasks(), engine.loop).result(5)
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join(5)
    engine.loop.close()
    # That which waits for Ctrl-C is told to end, and may take a moment
    for thread in threading.enumerate():
        if "_watch_request" in thread.name:
            thread.join(5)
    assert not left, f"tasks left in the RunEngine's loop: {left}"


async def _tasks() -> list[str]:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:  # what is about to end may do so
        await asyncio.wait(tasks, timeout=1)
    return [repr(task) for task in tasks if not task.done()]
