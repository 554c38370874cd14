"""The backend that connects stock ophyd-async signals to a SEC node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bluesky.protocols import Reading
from event_model import DataKey
from ophyd_async.core import Callback, NotConnectedError, SignalBackend

from secop_ophyd.protocol import SecopError

from ._reading import SignalReading
from ._sources import NO_SOURCE, Source

Listener = Callable[[SignalReading], None]


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
        self.origin: Source = NO_SOURCE
        # Who listens, and what ends it
        self._listeners: dict[Listener, Callable[[], None]] = {}
        self._end_callback: Callable[[], None] | None = None

    def bind(self, origin: Source) -> None:
        """Say where the values come from, at each connect.

        :param origin: A source that fits `annotated`.
        """
        for end in self._listeners.values():
            end()
        self.origin = origin
        self.datatype = origin.datatype
        self._listeners = {x: origin.subscribe(x) for x in self._listeners}

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell each reading to a listener, the last one at once.

        Listeners of the signal hear nothing any more of a reading when one of them
        has failed. Those from here do not depend on others.

        :param listener: The function, which is no listener yet.
        :return: A function that ends it.
        """
        self._listeners[listener] = self.origin.subscribe(listener)
        return lambda: self._listeners.pop(listener)()

    def source(self, name: str, read: bool) -> str:
        return self.origin.uri

    async def connect(self, timeout: float) -> None:
        if self.origin is NO_SOURCE:
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
        if callback is not None and self._end_callback is not None:
            raise RuntimeError("Cannot set a callback when one is already set")
        if self._end_callback is not None:
            self._end_callback()
            self._end_callback = None
        if callback is not None:
            self._end_callback = self.subscribe(_for_readings(callback))


def _for_readings(callback: Callable[[Any], None]) -> Listener:
    """Return what tells readings to whoever takes their values, even without one."""

    def tell(reading: SignalReading) -> None:
        try:
            callback(reading)
        except SecopError as error:
            # A monitor of bluesky takes it, and has no event; the log has the reason
            if error is not reading.error:
                raise

    return tell
