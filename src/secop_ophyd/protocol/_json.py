"""JSON as SECoP needs it: exact, tolerant on the way in, ASCII on the way out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np

from ._errors import BadJSON
from ._guards import is_list, is_ndarray, is_object
from ._text import shorten, show

_decoder = msgspec.json.Decoder()


def builtin(value: Any) -> Any:
    """Return a numpy value as what JSON has; those inside may still be numpy's.

    :param value: An array, which becomes a list, a row of a structured array, which
        becomes a dict, or a scalar.
    :raises TypeError: If it is something else.
    """
    if is_ndarray(value):
        if value.ndim and value.dtype.names:
            return list(value)
        if value.dtype.names is None:
            return value.tolist()
        value = value[()]
    if isinstance(value, np.void) and value.dtype.names:
        return {name: value[name] for name in value.dtype.names}
    if isinstance(value, np.generic):
        return value.item()  # pyright: ignore[reportUnknownVariableType]
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=builtin)


def fingerprint(value: Any) -> bytes | None:
    """Return what only the same JSON value has as well; None if that is not easy.

    Members of objects in another order make another value.

    :param value: What `decode` returns.
    """
    try:
        data = _encoder.encode(value)
    except Exception:  # too large a number, or nested too deeply
        return None
    return None if b"null" in data else data  # which stands for NaN as well


_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789E", b"000000000e")


def _may_be_too_large(data: bytes) -> bool:
    """Tell whether there may be a number that no double can hold.

    It has an exponent of three digits, or 200 digits and an exponent of two. To look at
    each number takes far longer.
    """
    zeros = data.translate(_DIGITS_AS_ZEROS)
    return b"e000" in zeros or b"e+000" in zeros or b"0" * 200 in zeros


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return value


def decode(data: bytes, exact: bool = True) -> Any:
    """Decode the JSON of one message; empty data means null.

    Integers of any size stay exact. Bytes that are no UTF-8 and lone surrogates
    are replaced, since one bad character in a text must not cost the message. NaN and
    Infinity are no JSON, but nodes written in Python send them, and mean them.

    :param data: The third part of a message.
    :param exact: Whether a number that no double can hold is an error; otherwise it
        is infinite.
    :raises BadJSON: If it is not JSON, or a number is too large.
    """
    if not data or data.isspace():
        return None
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass  # the slow way below is tolerant, or has the better message
    except RecursionError:
        raise BadJSON("nested too deeply") from None
    parse_float = _finite if exact and _may_be_too_large(data) else None
    try:
        text = data.decode(errors="replace")
        value: Any = json.loads(text, parse_float=parse_float)
        # Only an escape makes a lone surrogate, since decoding replaces them
        has_surrogates = b"\\ud" in data or b"\\uD" in data
        return _replace_surrogates(value) if has_surrogates else value
    except RecursionError:
        raise BadJSON("nested too deeply") from None
    except ValueError as error:
        raise BadJSON(f"not JSON: {error}: {shorten(data)}") from None


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if is_list(value):
        return [_replace_surrogates(v) for v in value]
    if is_object(value):
        items = value.items()
        return {_replace_surrogates(k): _replace_surrogates(v) for k, v in items}
    return value


def encode(value: Any) -> bytes:
    """Encode a JSON value in one line of ASCII, as all versions of SECoP accept it.

    :param value: None, numbers, strings, lists and dicts with string keys, and what
        numpy has for them.
    :raises BadJSON: If JSON cannot carry the value, e.g. NaN.
    """
    try:
        data = _encoder.encode(value)
        # msgspec writes null for a number that is not finite, and UTF-8
        if data.isascii() and b"null" not in data:
            return data
    except (
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
        msgspec.MsgspecError,
    ):
        pass  # the slow way below can do it, or has the better message
    try:
        text = json.dumps(
            value, default=builtin, allow_nan=False, separators=(",", ":")
        )
        return text.encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise BadJSON(f"JSON cannot carry {show(value)}: {error}") from None
