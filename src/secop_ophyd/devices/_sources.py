"""Where the value of a signal comes from: a parameter or a property of a node."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from event_model import DataKey, Limits
from ophyd_async.core import NotConnectedError

from secop_ophyd.client import Parameter, Reading, SecopClient
from secop_ophyd.codegen import property_text
from secop_ophyd.protocol import (
    MISSING,
    DataInfo,
    DescriptionChanged,
    InvalidMessage,
    NoValueYet,
    OpaqueInfo,
    ReadOnly,
    default_value,
    shorten,
    show,
)

from ._columns import Column, to_json_text
from ._converters import make_converter
from ._reading import SignalReading


class Source(ABC):
    """Something that a signal can read, and perhaps write.

    :param uri: What it is, as `secop://host:port/module/name`.
    """

    def __init__(self, uri: str):
        self.uri = uri
        self.datatype: Any = None

    @property
    def info(self) -> DataInfo:
        """The data type of its value."""
        return OpaqueInfo()

    @property
    def columns(self) -> list[Column] | None:
        """The columns of its value in documents; None if it is one itself."""
        return None

    @property
    def failed_at(self) -> float:
        """Since when it has no value, in UNIX seconds."""
        return time.time()

    @abstractmethod
    async def get(self) -> SignalReading:
        """Return its reading, possibly one without value."""

    @abstractmethod
    async def put(self, value: Any) -> None:
        """Change it, and return when that is done."""

    @abstractmethod
    def subscribe(
        self, listener: Callable[[SignalReading], None]
    ) -> Callable[[], None]:
        """Tell each reading to a listener, the last one at once, if there is one."""

    @abstractmethod
    def datakey(self) -> DataKey:
        """Describe its value."""

    @abstractmethod
    def sample(self) -> Any:
        """Return a value of its type, for mocks."""

    def taken(self, value: Any) -> Any:
        """Return what a value becomes when it is set.

        :raises WrongType: If it is of another type.
        :raises RangeError: If it is outside the limits.
        """
        return value

    def column_datakeys(self) -> list[DataKey]:
        """Describe its columns."""
        return [column.datakey(self.uri) for column in self.columns or ()]


class NoSource(Source):
    """Stands for what is annotated, before the node told about it."""

    def __init__(self) -> None:
        super().__init__("secop://")

    async def get(self) -> SignalReading:
        raise NotConnectedError("the SEC node is not connected")

    async def put(self, value: Any) -> None:
        raise NotConnectedError("the SEC node is not connected")

    def subscribe(
        self, listener: Callable[[SignalReading], None]
    ) -> Callable[[], None]:
        raise NotConnectedError("the SEC node is not connected")

    def sample(self) -> Any:
        raise NotConnectedError("the SEC node is not connected")

    def datakey(self) -> DataKey:
        raise NotConnectedError("the SEC node is not connected")


NO_SOURCE = NoSource()


class ParameterSource(Source):
    """A parameter, as the client of the node knows it.

    :param client: The client of the node.
    :param parameter: The parameter.
    :param datatype: What the signal is annotated with, None if it is not.
    :param enum_name: Name for the class of an enum.
    :param read_only: Whether changes are refused.
    :raises TypeError: If the annotation does not fit the node.
    """

    def __init__(
        self,
        client: SecopClient,
        parameter: Parameter,
        datatype: Any,
        enum_name: str,
        read_only: bool,
    ):
        description = parameter.description
        super().__init__(
            f"secop://{client.address}/{description.module}/{description.name}"
        )
        self._client = client
        self._parameter = parameter
        self._read_only = read_only
        self._is_odd = False
        # Conversions of long arrays take time, and many may want the same reading
        self._last: tuple[Reading, SignalReading] | None = None
        self._converter = make_converter(description.datainfo, datatype, enum_name)
        self._columns = self._converter.columns
        self.datatype = self._converter.datatype

    @property
    def info(self) -> DataInfo:
        return self._parameter.description.datainfo

    @property
    def columns(self) -> list[Column] | None:
        return self._columns

    @property
    def failed_at(self) -> float:
        reading = self._parameter.reading
        return time.time() if reading.error is None else reading.timestamp

    async def get(self) -> SignalReading:
        known = self._parameter.reading
        if not isinstance(known.error, DescriptionChanged):
            description = self._parameter.description
            known = await self._client.get(description.module, description.name)
        return self._convert(known)

    async def put(self, value: Any) -> None:
        if self._read_only:
            raise ReadOnly(f"{self._parameter} was not changed: the node is read-only")
        if isinstance(error := self._parameter.reading.error, DescriptionChanged):
            raise error.with_traceback(None)
        description = self._parameter.description
        await self._client.change(description.module, description.name, value)

    def subscribe(
        self, listener: Callable[[SignalReading], None]
    ) -> Callable[[], None]:
        def convert_and_tell(reading: Reading) -> None:
            listener(self._convert(reading))

        unsubscribe = self._parameter.subscribe(convert_and_tell)
        known = self._parameter.reading
        # A node that sends no updates is being asked now, because of the listener
        if not (isinstance(known.error, NoValueYet) and self._client.has_to_ask):
            listener(self._convert(known))
        return unsubscribe

    def sample(self) -> Any:
        constant = self._parameter.description.constant
        return self._converter.value(
            default_value(self.info) if constant is MISSING else constant
        )

    def taken(self, value: Any) -> Any:
        return self._converter.value(self.info.validate(value))

    def datakey(self) -> DataKey:
        datakey = self._converter.datakey(self.uri)
        datakey = self._with_limits(datakey)
        return datakey | {"secop_datainfo": json.dumps(self.info.raw)}  # type: ignore[return-value]

    def column_datakeys(self) -> list[DataKey]:
        return [self._with_limits(datakey) for datakey in super().column_datakeys()]

    def _with_limits(self, datakey: DataKey) -> DataKey:
        """Return a data key with limits of control only if there is something to."""
        limits = datakey.get("limits", {}).get("control")
        if limits is not None and self._parameter.description.readonly:
            datakey["limits"] = Limits(display=limits)
        return datakey

    def _convert(self, reading: Reading) -> SignalReading:
        if self._last is not None and self._last[0] is reading:
            return self._last[1]
        if reading.error is not None:
            return SignalReading.without_value(reading.error, reading.timestamp)
        try:
            value = self._converter.value(reading.value)
        except Exception as odd:
            return SignalReading.without_value(self._refuse(odd), reading.timestamp)
        self._is_odd = False
        converted = SignalReading(
            value=value,
            timestamp=reading.timestamp,
            alarm_severity=0,
            uncertainty=reading.uncertainty,
        )
        if isinstance(value, np.ndarray):  # whoever gets a list may change it
            self._last = reading, converted
        return converted

    def _refuse(self, odd: Exception) -> InvalidMessage:
        kind = "" if isinstance(odd, ValueError) else f"{type(odd).__name__}: "
        text = f"its value is not as described: {kind}{shorten(str(odd), 300)}"
        error = InvalidMessage(f"{self._parameter}: {text}")
        if not self._is_odd:  # once, until it has a value again
            self._client.log.warning("%s", error)
        self._is_odd = True
        return error


class PropertySource(Source):
    """A property: what a node says about itself or about a module.

    :param uri: What it is.
    :param value: Any value of JSON. Texts, numbers and booleans stay what they are,
        lists of one of them become arrays, all else becomes JSON text, such as
        integers of more than 64 bits.
    :param timestamp: When the node said it.
    :param datatype: What the signal is annotated with, None if it is not.
    :param current: Returns the property as it is now, `MISSING` if it is gone.
    """

    def __init__(
        self,
        uri: str,
        value: Any,
        timestamp: float,
        datatype: Any,
        current: Callable[[], Any],
    ):
        super().__init__(uri)
        self._raw = value
        self._current = current
        self._value, self.datatype = _property_value(value)
        self._timestamp = timestamp
        self.misfit = ""
        """Why the annotation does not fit, if so; the signal has what the node has."""
        if datatype not in (None, Any, self.datatype):
            self.misfit = (
                f"annotated as {getattr(datatype, '__name__', datatype)}, "
                f"but the node has {self.datatype.__name__}"
            )

    def _reading(self) -> SignalReading:
        now = self._current()
        if now is not self._raw and show(now, 1000) != show(self._raw, 1000):
            what = "is gone" if now is MISSING else f"is {show(now)} now"
            error = DescriptionChanged(
                f"{self.uri}: it {what}; "
                "connect the device again with force_reconnect=True"
            )
            return SignalReading.without_value(error, time.time())
        return SignalReading(
            value=self._value, timestamp=self._timestamp, alarm_severity=0
        )

    async def get(self) -> SignalReading:
        return self._reading()

    async def put(self, value: Any) -> None:
        raise ReadOnly(f"{self.uri} is a property, which cannot be changed")

    def subscribe(
        self, listener: Callable[[SignalReading], None]
    ) -> Callable[[], None]:
        listener(self._reading())
        return lambda: None

    def sample(self) -> Any:
        return self._value

    def datakey(self) -> DataKey:
        if isinstance(self._value, np.ndarray):
            datakey = DataKey(
                source=self.uri, dtype="array", shape=list(self._value.shape)
            )
            if self._value.dtype.kind != "U":
                datakey["dtype_numpy"] = self._value.dtype.str
            return datakey
        dtype = _DTYPES[type(self._value)]
        return DataKey(source=self.uri, dtype=dtype, shape=[])


_DTYPES: dict[type, Any] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}


def _property_value(value: Any) -> tuple[Any, type]:
    match property_text(value):
        case "ndarray":
            array = np.array(value, None if value else np.str_)
            array.flags.writeable = False  # many get the same one
            return array, np.ndarray
        case "str":
            text = value if isinstance(value, str) else to_json_text(value)
            return text, str
        case _:
            return value, type(value)
