"""Chosen parameters as one detector: read, monitored, or recorded at each update."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bluesky.protocols import (
    EventPageCollectable,
    Flyable,
    HasHints,
    Hints,
    Pausable,
    Reading,
)
from event_model import DataKey, PartialEventPage
from ophyd_async.core import (
    AsyncReadable,
    AsyncStageable,
    AsyncStatus,
    Callback,
    Device,
    SignalR,
    StandardReadableFormat,
)

from secop_ophyd.protocol import SecopError

from ._contents import READ, Contents, Item
from ._filling import FillingConnector
from ._reading import SignalReading

_Row = dict[str, Reading[Any]]


class Recording:
    """Makes a row of each update, as long as all parameters have a value.

    A row has all columns, and there is nothing to put in for a value that is missing:
    no old value, and no invented one. So rows are missing, too, until it is back; one
    warning tells why, another one how many updates of the others were lost. The floats
    of a module with `errors_as_nan` are NaN instead.

    :param items: What is recorded.
    :param rows: Gets the rows.
    :param log: Where gaps are reported.
    """

    def __init__(self, items: Sequence[Item], rows: list[_Row], log: logging.Logger):
        self._items = items
        self._rows = rows
        self._log = log
        self._latest: dict[int, _Row] = {}
        self._missing: set[int] = set()
        self._lost = 0
        self._ends: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Record each update from now on; the first row has the present values."""
        self._ends = [
            item.backend.subscribe(partial(self._updated, index))
            for index, item in enumerate(self._items)
        ]

    def end(self) -> None:
        """End it."""
        for end in self._ends:
            end()
        if self._missing:
            self._tell_lost()

    def _updated(self, index: int, reading: SignalReading) -> None:
        try:
            self._latest[index] = self._items[index].spread(reading)  # type: ignore[arg-type]
        except SecopError as error:
            self._latest.pop(index, None)
            if not self._missing:
                name = self._items[index].signal.name
                self._log.warning("no rows, %s has no value: %s", name, error)
            self._missing.add(index)
            return
        was_missing = index in self._missing
        self._missing.discard(index)
        if self._missing:
            self._lost += 1
            return
        if was_missing:
            self._tell_lost()
        if len(self._latest) == len(self._items):
            rows = (self._latest[i] for i in range(len(self._items)))
            self._rows.append({k: r for row in rows for k, r in row.items()})

    def _tell_lost(self) -> None:
        self._log.warning("%d updates were lost in the gap of the rows", self._lost)
        self._lost = 0


class SECoPRecorder(
    AsyncReadable, AsyncStageable, HasHints, Flyable, EventPageCollectable, Pausable
):
    """Chosen parameters of SEC nodes as one detector.

    Documents get one plain column for each leaf of a tuple or a struct, which the
    signal itself, being one value, cannot give. It can be used

    - in a plan that reads, such as `bp.count([recorder])`;
    - with `bps.monitor(recorder)`, an event for each update of a parameter;
    - in a fly scan: between `kickoff` and `complete` it records all updates, and
      `collect` gives them as event pages, see `secop_ophyd.plan_stubs`.

    Each row has all columns: those of the parameter that has a new value and the last
    values of the others, all with the timestamps of the node. While a parameter is in
    error there are no rows, as the log tells; a float of a module with the option
    `errors_as_nan` is NaN instead. All rows are kept until they are collected.

    :param sources: Modules, which stand for all that they read, and signals of
        parameters and properties.
    :param name: Its name in documents.
    :raises TypeError: If a source is of something else (at first use).
    """

    parent = None

    def __init__(self, *sources: Device, name: str = "recorder"):
        self._sources = sources
        self._name = name
        self._log = logging.getLogger(f"secop_ophyd.{name}")
        self._rows: list[_Row] = []
        self._recording: Recording | None = None
        # Whether the RunEngine may kick it off again, after a pause
        self._may_repeat = False
        self._subscriptions: dict[Any, Callable[[], None]] = {}

    @property
    def name(self) -> str:
        """Its name in documents."""
        return self._name

    def _contents(self) -> Contents:
        # Anew each time: what a node describes can change when it is reconnected
        items = [item for source in self._sources for item in _items(source)]
        # What a module and its signal have in common is there once
        return Contents.of(self, list({id(i.signal): i for i in items}.values()))

    async def read(self) -> dict[str, Reading[Any]]:
        """Return the last readings."""
        return await self._contents().read()

    async def describe(self) -> dict[str, DataKey]:
        """Describe the columns."""
        return await self._contents().describe()

    @property
    def hints(self) -> Hints:
        """The columns that are plotted."""
        return self._contents().hints

    def subscribe(self, function: Callback[dict[str, Reading[Any]]]) -> None:
        """Call a function with all that `read` returns, at each update.

        :param function: The function.
        """
        self._subscriptions[function] = self._contents().subscribe(function, self._log)

    def clear_sub(self, function: Callback[dict[str, Reading[Any]]]) -> None:
        """End a subscription.

        :param function: What was passed to `subscribe`.
        """
        self._subscriptions.pop(function)()

    # Flying

    @AsyncStatus.wrap
    async def stage(self) -> None:
        """Be ready to record: what nobody has collected is forgotten."""
        self._end()
        self._rows.clear()

    @AsyncStatus.wrap
    async def unstage(self) -> None:
        """End the recording, if it is not complete."""
        self._end()

    @AsyncStatus.wrap
    async def kickoff(self) -> None:
        """Record each update from now on; the first row has the present values.

        :raises RuntimeError: If it is recording already.
        """
        may_repeat, self._may_repeat = self._may_repeat, False
        if self._recording is not None:
            if may_repeat:
                return
            raise RuntimeError(f"{self.name} is recording already")
        self._recording = Recording(self._contents().items, self._rows, self._log)
        self._recording.begin()

    def pause(self) -> None:
        """Go on recording while a plan is paused or suspended."""
        self._may_repeat = True

    def resume(self) -> None:
        """Do nothing: it has never stopped."""

    @AsyncStatus.wrap
    async def complete(self) -> None:
        """End the recording; what is recorded can still be collected."""
        self._end()

    def _end(self) -> None:
        self._may_repeat = False
        if self._recording is not None:
            self._recording.end()
            self._recording = None

    async def describe_collect(self) -> dict[str, DataKey]:
        """Describe the columns of the event pages."""
        return await self.describe()

    async def collect_pages(self) -> AsyncIterator[PartialEventPage]:
        """Yield what was recorded since the last time, as one page."""
        rows, self._rows[:] = self._rows.copy(), []
        if not rows:
            return
        yield PartialEventPage(
            time=[max(r["timestamp"] for r in row.values()) for row in rows],
            data={k: [row[k]["value"] for row in rows] for k in rows[0]},
            timestamps={k: [row[k]["timestamp"] for row in rows] for k in rows[0]},
        )


def _items(source: Device) -> list[Item]:
    """Return what a source contributes, all of it to be read."""
    device = source.parent if isinstance(source, SignalR) else source
    connector = getattr(device, "connector", None)
    if not isinstance(connector, FillingConnector):
        raise TypeError(f"{source.name or source} is no module or signal of a SEC node")
    if device is source:
        return [item for item in connector.items if item.format in READ]
    return [
        replace(item, format=StandardReadableFormat.HINTED_SIGNAL)
        for item in connector.items
        if item.signal is source
    ]
