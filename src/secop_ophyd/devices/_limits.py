"""Which targets a module takes: those of its datainfo, and within its limits now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from secop_ophyd.protocol import NumberInfo, RangeError

from ._module_info import ModuleInfo


def check_target(module: ModuleInfo, target: Any) -> None:
    """Refuse a target that the node would refuse, so that it need not be sent.

    Besides the datainfo, the parameters `target_limits` (1.1), `target_min` and
    `target_max` (2.0) count where the module has them, as the node told them last.
    One that has no value, or makes no sense, is none: the node has the last word.

    :param module: What the module is in SECoP.
    :param target: The target.
    :raises WrongType: If it is of another type.
    :raises RangeError: If it is outside the limits.
    """
    info = module.description.parameters["target"].datainfo
    value = info.validate(target)
    if not isinstance(info, NumberInfo):
        return
    unit = f" {info.unit}" if info.unit else ""
    margin = info.resolution(value) / 2
    for name, low, high in _limits(module):
        if low is not None and value < low - margin:
            raise RangeError(f"{value}{unit} is below {low}{unit} of {name}")
        if high is not None and value > high + margin:
            raise RangeError(f"{value}{unit} is above {high}{unit} of {name}")


def _limits(module: ModuleInfo) -> Iterator[tuple[str, float | None, float | None]]:
    low, high = _pair(_value(module, "target_limits"))
    if low is None or high is None or low <= high:
        yield "target_limits", low, high
    low = _number(_value(module, "target_min"))
    high = _number(_value(module, "target_max"))
    if low is None or high is None or low <= high:
        yield "target_min", low, None
        yield "target_max", None, high


def _value(module: ModuleInfo, name: str) -> Any:
    if name not in module.description.parameters:
        return None
    reading = module.parameter(name).reading
    return None if reading.error is not None else reading.value


def _pair(value: Any) -> tuple[float | None, float | None]:
    if isinstance(value, tuple | list) and len(value) == 2:  # pyright: ignore[reportUnknownArgumentType]
        low, high = value  # pyright: ignore[reportUnknownVariableType]
        return _number(low), _number(high)
    return None, None


def _number(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return None
