"""Uses a node by the client, while everything goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from random import Random
from typing import Any

from nodes import COUNTERS
from oracle import Oracle

from secop_ophyd.client import ClientOptions, ConnectionState, Reading, SecopClient
from secop_ophyd.protocol import (
    CannotConnect,
    ConnectionLost,
    DescriptionChanged,
    SecopError,
)

TIMEOUT = 0.5  # s, of a request
LATE = 2.0  # s, by which a request may be late as the computer is busy
BACK_WITHIN = 30.0  # s, until all works again
BLOCKED = "force_reconnect=True"


class Log(logging.Handler):
    """Takes it for a violation if something has failed in a way nobody expected."""

    def __init__(self, oracle: Oracle):
        super().__init__()
        self._oracle = oracle

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[0] is not None:
            self._oracle.violate(f"log: {text}: {record.exc_info[1]!r}")
        if not text.isprintable():
            self._oracle.violate(f"log: {text!r} is not fit for a terminal")


class User:
    """Reads, changes, commands and listens, all at once, and judges what it gets."""

    def __init__(self, uri: str, node: Any, oracle: Oracle, random: Random):
        logger = logging.Logger("chaos")
        for handler in (Log(oracle), *logging.getLogger().handlers):
            logger.addHandler(handler)
        if not logging.getLogger().isEnabledFor(logging.DEBUG):
            logger.setLevel(logging.INFO)
        options = ClientOptions(timeout=TIMEOUT, window=random.choice([1, 4, 64]))
        self.client = SecopClient(uri, options, logger)
        self._node = node
        self._oracle = oracle
        self._random = random
        self._numbers = itertools.count(1)
        self._heard: dict[str, Reading] = {}
        self._new = asyncio.Event()
        self._lacking = "a connection"
        self.is_exact = True
        """Whether a reply can only be that to its own request."""

    async def connect(self) -> None:
        async with asyncio.timeout(BACK_WITHIN):
            while not self.client.connected:
                with contextlib.suppress(CannotConnect):
                    await self.client.connect()

    # Listening

    def listen(self) -> None:
        self.client.on_state(self._state_changed)
        for name in (*COUNTERS, "other:_odd"):
            self._parameter(name).subscribe(lambda r, name=name: self._hear(name, r))

    def _parameter(self, name: str) -> Any:
        return self.client.parameter(*name.split(":"))

    def _hear(self, name: str, reading: Reading) -> None:
        self._heard[name] = reading
        self._new.set()
        if reading.error is not None:
            self._oracle.report(reading.error)
        elif name != "other:_odd":
            self._oracle.deliver("listener", name, reading.value)

    def _state_changed(self, state: ConnectionState) -> None:
        if state is ConnectionState.RECONNECTING:
            self._oracle.counts["losses"] += 1
            self._check_loss()
        if state is ConnectionState.CONNECTED:
            modules = self.client.description.modules
            odd = modules["other"].parameters["_odd"].datainfo
            heard = self._heard["other:_odd"].error
            if type(odd).__name__ != "DoubleInfo":
                if not isinstance(heard, DescriptionChanged):
                    self._oracle.violate(f"a changed description is told by {heard!r}")
                self._oracle.counts["changed descriptions"] += 1

    def _check_loss(self) -> None:
        lost = ConnectionLost | DescriptionChanged
        for name in (*COUNTERS, "other:_odd"):
            reading = self._heard.get(name)
            if reading is None or not isinstance(reading.error, lost):
                self._oracle.violate(f"{name}: no listener was told of the loss")
            if not isinstance(self._parameter(name).reading.error, lost):
                self._oracle.violate(f"{name}: has a value in spite of the loss")
        self._oracle.counts["losses reported"] += 1

    # Asking

    @contextlib.asynccontextmanager
    async def _asking(self, what: str) -> AsyncGenerator[None, None]:
        """Judge how long something takes, and how it fails."""
        started, was_connected = self._oracle.clock(), self.client.connected
        self._oracle.counts["requests"] += 1
        try:
            yield
        except SecopError as error:
            self._oracle.report(error)
            self._oracle.counts["requests that failed"] += 1
        else:
            if not was_connected:
                self._oracle.violate(f"{what} was answered without a connection")
        if (seconds := self._oracle.clock() - started) > TIMEOUT + LATE:
            self._oracle.violate(f"{what} took {seconds:.3f} s")

    async def read(self, stream: str, name: str) -> bool:
        before = self._oracle.newest("listener", name)
        async with self._asking(f"read {name}"):
            reading = await self.client.read(*name.split(":"))
            self._oracle.deliver(stream, name, reading.value, since=before)
            return True
        return False

    async def get(self, stream: str, name: str) -> bool:
        was_connected = self.client.state is ConnectionState.CONNECTED
        heard = self._heard.get(name)
        started = self._oracle.clock()
        try:
            reading = await self.client.get(*name.split(":"))
            value = reading.value
        except SecopError as error:
            self._oracle.report(error)
            return False
        finally:
            if self._oracle.clock() - started > TIMEOUT + LATE:
                self._oracle.violate(f"get {name} took too long")
        if not was_connected and (heard is None or heard.error is not None):
            # While it comes back, it has the values that it is told
            self._oracle.violate(f"{name} has a value without a connection")
        self._oracle.deliver(stream, name, value)
        return True

    async def change(self) -> bool:
        wanted = next(self._numbers)
        async with self._asking("change w:target"):
            reading = await self.client.change("w", "target", wanted)
            self._oracle.deliver("changes", "w:target", reading.value)
            made = self._node.made and self._node.made.get(wanted)
            if made is not None and self.is_exact and reading.value != made:
                self._oracle.violate(f"{wanted} was answered by {reading.value}")
            return True
        return False

    async def echo(self) -> bool:
        wanted = next(self._numbers)
        async with self._asking("do w:_echo"):
            result = await self.client.do("w", "_echo", wanted)
            if self.is_exact and result != wanted:
                self._oracle.violate(f"echo of {wanted} is {result}")
            return True
        return False

    async def ping(self) -> bool:
        async with self._asking("ping"):
            await self.client.ping()
            return True
        return False

    def tasks(self) -> list[asyncio.Task[None]]:
        """Begin to do everything, again and again."""
        actions: list[Callable[[], Awaitable[bool]]] = [
            lambda: self.read("reader 1", self._random.choice(COUNTERS)),
            lambda: self.read("reader 2", self._random.choice(COUNTERS)),
            lambda: self.get("getter", self._random.choice(COUNTERS)),
            lambda: self._random.choice([self.change, self.echo, self.ping])(),
            self._impatient,
        ]
        return [asyncio.ensure_future(self._repeat(action)) for action in actions]

    async def _repeat(self, action: Callable[[], Awaitable[bool]]) -> None:
        while True:
            await action()
            await asyncio.sleep(self._random.uniform(0, 0.02))

    async def _impatient(self) -> bool:
        """Cancel a request at some moment."""
        request = self._random.choice([self.change, self.echo, self.ping])
        task = asyncio.ensure_future(request())
        await asyncio.wait({task}, timeout=self._random.uniform(0, 0.01))
        task.cancel()
        await asyncio.wait({task})
        return True

    # In the end

    async def recover(self, cut: Callable[[], Awaitable[None]]) -> float:
        """Wait until everything works, and return how many seconds it took."""
        started = time.monotonic()
        since = {name: self._oracle.newest("listener", name) for name in COUNTERS}
        try:
            async with asyncio.timeout(BACK_WITHIN):
                while not await self._all_works(since):
                    await asyncio.sleep(0.005)
                    if await self._is_blocked():
                        self._oracle.counts["changes that block a module"] += 1
                        await cut()
        except TimeoutError:
            why = f"{self.client}, {self.client._link.cause or 'no cause'}"
            self._oracle.violate(
                f"not back after {BACK_WITHIN} s: {why}, lacking {self._lacking}"
            )
        return time.monotonic() - started

    async def _all_works(self, since: dict[str, int]) -> bool:
        if not self.client.connected:
            return False
        for name in COUNTERS:
            self._lacking = name
            if not await self.read("in the end", name) or not await self.get(
                "got in the end", name
            ):
                return False
            self._lacking = f"an update of {name}"
            if self._oracle.newest("listener", name) <= since[name]:
                return False
        self._lacking = "change, command or ping"
        return await self.change() and await self.echo() and await self.ping()

    async def _is_blocked(self) -> bool:
        """Tell whether the reply to a change is lost, so that no other is sent."""
        if not self.client.connected:
            return False
        try:
            await self.client.change("w", "target", next(self._numbers))
        except SecopError as error:
            return BLOCKED in str(error)
        return False
