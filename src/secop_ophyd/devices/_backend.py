"""The backend that connects stock ophyd-async signals to a SEC node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bluesky.protocols import Reading
from event_model import DataKey
from ophyd_async.core import Callback, NotConnectedError, SignalBackend

from ._sources import NoSource, Source


class SecopSignalBackend(SignalBackend[Any]):
    """Serves a signal from a parameter or a property.

    Values come from the last update of the node, without a round trip; if the node
    has not told any, it is asked.

    :param datatype: What the signal is annotated with, None if it is not.
    """

    def __init__(self, datatype: Any = None):
        # A mock takes None for a float, but nothing for Any
        super().__init__(None if datatype is Any else datatype)
        self.annotated: Any = datatype
        self.origin: Source = NoSource()
        self._callback: Callback[Reading[Any]] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    def bind(self, origin: Source) -> None:
        """Say where the values come from, at each connect.

        :param origin: A source that fits `annotated`.
        """
        callback = self._callback
        self.set_callback(None)
        self.origin = origin
        self.datatype = origin.datatype
        if callback is not None:
            self.set_callback(callback)

    def source(self, name: str, read: bool) -> str:
        return self.origin.uri

    async def connect(self, timeout: float) -> None:
        if isinstance(self.origin, NoSource):
            raise NotConnectedError("the SEC node did not tell about it")

    async def put(self, value: Any) -> None:
        await self.origin.put(value)

    async def get_datakey(self, source: str) -> DataKey:
        return self.origin.datakey()

    async def get_reading(self) -> Reading[Any]:
        reading = await self.origin.get()
        if reading.error is not None:
            raise reading.error.with_traceback(None)
        return dict(reading)  # type: ignore[return-value]

    async def get_value(self) -> Any:
        return (await self.origin.get())["value"]

    async def get_setpoint(self) -> Any:
        return await self.get_value()

    def set_callback(self, callback: Callback[Reading[Any]] | None) -> None:
        if callback is not None and self._callback is not None:
            raise RuntimeError("Cannot set a callback when one is already set")
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._callback = callback
        if callback is not None:
            self._unsubscribe = self.origin.subscribe(callback)  # type: ignore[arg-type]
