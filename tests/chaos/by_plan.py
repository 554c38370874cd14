"""Uses a node in plans of bluesky, while everything goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any

import bluesky.plan_stubs as bps
from bluesky.run_engine import RunEngine
from bluesky.utils import FailedStatus
from by_client import BACK_WITHIN, BLOCKED, TIMEOUT
from ophyd_async.core import NotConnectedError
from oracle import Oracle

from secop_ophyd.client import ConnectionState
from secop_ophyd.devices import NodeOptions, SECoPNodeDevice
from secop_ophyd.protocol import ConnectionLost

READ = {f"n-r{index}": f"r{index}:value" for index in range(3)} | {"n-w": "w:value"}
MONITORED = {"n-r3": "r3:value"}


class Engine:
    """A RunEngine, and its event loop."""

    def __init__(self) -> None:
        self.run = RunEngine({}, call_returns_result=True)

    def do(self, function: Callable[[], Awaitable[Any]], timeout: float = 30) -> Any:
        """Run a coroutine in the loop, and wait for it."""

        async def wait() -> Any:
            return await function()

        future = asyncio.run_coroutine_threadsafe(wait(), self.run.loop)
        return future.result(timeout)

    def close(self) -> None:
        self.run.loop.call_soon_threadsafe(self.run.loop.stop)
        self.run._th.join(5)
        self.run.loop.close()


class PlanUser:
    """Counts, moves, sets and monitors, and judges the documents."""

    def __init__(
        self, engine: Engine, uri: str, logs: str, oracle: Oracle, random: Random
    ):
        self._engine = engine
        self._oracle = oracle
        self._random = random
        self._numbers = itertools.count(1)
        self.is_exact = True
        """Whether a reply can only be that to its own request."""
        self._works = threading.Event()
        self._sessions = 0
        self.healed: float | None = None
        """When everything was well again."""
        self.back = 0.0
        self._lacking = "nothing"
        options = NodeOptions(timeout=TIMEOUT)
        self.node: Any = SECoPNodeDevice(uri, name="n", logdir=logs, options=options)
        engine.do(self._connect)

    async def _connect(self) -> None:
        async with asyncio.timeout(BACK_WITHIN):
            while not self.node.is_connected:
                with contextlib.suppress(NotConnectedError):
                    await self.node.connect()
        self.node.client.on_state(self._state_changed)

    def _state_changed(self, state: ConnectionState) -> None:
        self._sessions += state is ConnectionState.CONNECTED
        if state is not ConnectionState.RECONNECTING:
            return
        self._oracle.counts["losses"] += 1
        for name in (READ | MONITORED).values():
            error = self.node.client.parameter(*name.split(":")).reading.error
            if not isinstance(error, ConnectionLost):
                self._oracle.violate(f"{name}: has a value in spite of the loss")
        if not self.node.is_connected:
            self._oracle.counts["losses reported"] += 1

    def use(self, suffer: Callable[[], Awaitable[None]]) -> None:
        """Run a plan until everything works.

        :param suffer: Lets everything go wrong, and ends when all is well again.
        """
        streams: dict[str, str] = {}

        def judge(name: str, document: Any) -> None:
            if name == "descriptor":
                streams[document["uid"]] = document["name"]
            if name == "event":
                stream = streams[document["descriptor"]]
                known = READ | MONITORED
                for key, value in document["data"].items():
                    if key in known:
                        self._oracle.deliver(f"document {stream}", known[key], value)
                self._oracle.counts["events"] += 1

        self._engine.run(self._plan(suffer), judge)

    def _plan(self, suffer: Callable[[], Awaitable[None]]) -> Iterator[Any]:
        yield from bps.open_run()
        yield from bps.monitor(self.node.r3.value, name="monitored")
        suffering = asyncio.ensure_future(suffer())
        suffering.add_done_callback(self._healed)
        actions = [self._read, self._read, self._move, self._set, self._echo]
        while not self._works.is_set():
            healed = self.healed
            ok = True
            # In the end all of them, one after the other
            chosen = [self._random.choice(actions)] if healed is None else actions
            for action in chosen:
                ok = (yield from self._guarded(action)) and ok
            if ok and healed is not None:
                self._works.set()
                self.back = time.monotonic() - healed
            elif healed is not None and time.monotonic() - healed > BACK_WITHIN:
                self._oracle.violate(
                    f"not back after {BACK_WITHIN} s: {self.node}: {self._lacking}"
                )
                self._works.set()
        yield from self._rest()
        yield from bps.close_run()

    def _healed(self, suffering: asyncio.Future[None]) -> None:
        self.healed = time.monotonic()
        if error := suffering.exception():
            self._oracle.violate(f"cannot go on: {error!r}")

    def _guarded(self, action: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        self._oracle.counts["requests"] += 1
        was_connected, sessions = self.node.is_connected, self._sessions
        try:
            yield from action()
        except FailedStatus as failure:
            error: BaseException = failure.args[0].exception()
        except Exception as other:
            error = other
        else:
            if not was_connected and self._sessions == sessions:
                self._oracle.violate(f"{action.__name__} worked without a connection")
            return True
        self._lacking = f"{action.__name__}: {error!r}"
        self._oracle.report(error)
        self._oracle.counts["requests that failed"] += 1
        if BLOCKED in str(error) and self.healed is not None:
            self._oracle.counts["changes that block a module"] += 1
            self.node.client.abort()
            yield from bps.wait_for([self._reconnect])
        yield from self._rest()
        return False

    def _rest(self) -> Iterator[Any]:
        """Wait until the other failures of the same thing have been told."""
        while True:
            try:
                yield from bps.sleep(0.005)
            except FailedStatus as failure:
                self._oracle.report(failure.args[0].exception())
            else:
                return

    async def _reconnect(self) -> None:
        await self.node.connect(timeout=5)

    def _read(self) -> Iterator[Any]:
        devices = [self.node.r0, self.node.r1, self.node.r2, self.node.w]
        yield from bps.trigger_and_read(devices)

    def _move(self) -> Iterator[Any]:
        target = next(self._numbers)
        yield from bps.mv(self.node.d, target)
        self._oracle.counts["moves"] += 1
        if self._oracle.was_sent("d:value", target):
            return
        self._oracle.counts["replies taken for others"] += 1
        if self.is_exact:
            self._oracle.violate(f"a move to {target} has ended elsewhere")

    def _set(self) -> Iterator[Any]:
        yield from bps.mv(self.node.w.target, next(self._numbers))

    def _echo(self) -> Iterator[Any]:
        argument = next(self._numbers)
        result = yield from self.node.w.echo(argument)
        if result == argument:
            return
        self._oracle.counts["replies taken for others"] += 1
        if self.is_exact:
            self._oracle.violate(f"echo of {argument} is {result}")
