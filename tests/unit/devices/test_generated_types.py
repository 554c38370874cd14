"""Whatever the data type is: what class files say about it is what devices give."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np
from hypothesis import given
from ophyd_async.core import SignalRW, StrictEnum

from secop_ophyd.codegen import render
from secop_ophyd.devices import SecopCommand
from secop_ophyd.devices._converters import make_converter
from secop_ophyd.protocol import parse_datainfo, parse_description

from ..protocol.strategies import wire_values
from .builders import command, module, parameter, report
from .test_round_trips import cases, infos


def is_a(value: Any, annotation: Any) -> bool:
    """Tell whether a value is what an annotation says, without our converters."""
    arguments = get_args(annotation)
    if annotation is Any:
        return True
    if is_typeddict(annotation):
        hints = get_type_hints(annotation)
        return value.keys() == hints.keys() and all(
            is_a(value[key], hint) for key, hint in hints.items()
        )
    origin = get_origin(annotation)
    if origin is np.ndarray:  # Array1D
        (dtype,) = get_args(arguments[1])
        return isinstance(value, np.ndarray) and (value.ndim, value.dtype) == (1, dtype)
    if origin is tuple:
        return (
            type(value) is tuple
            and len(value) == len(arguments)
            and all(map(is_a, value, arguments))
        )
    if origin in (list, Sequence):
        (member,) = arguments
        return type(value) is list and all(is_a(item, member) for item in value)
    if annotation is np.ndarray or issubclass(annotation, Enum):
        return isinstance(value, annotation)
    return type(value) is annotation


def same_type(annotation: Any, datatype: Any) -> bool:
    """Tell whether an annotation is the datatype of a signal without annotation."""
    if datatype is None:
        return annotation is Any
    if get_origin(annotation) is Sequence and get_origin(datatype) is Sequence:
        return same_type(*get_args(annotation), *get_args(datatype))
    if isinstance(annotation, type) and issubclass(annotation, StrictEnum):
        return {str(m.value) for m in annotation} == {str(m.value) for m in datatype}
    return annotation == datatype


def shown(value: Any) -> str:
    """Return a value as text, whatever the classes of enums are called."""
    return str([str(item) for item in value] if isinstance(value, list) else value)


@given(cases(infos, wire_values))
def test_annotations_are_what_devices_have(found: list[tuple[Any, Any]]) -> None:
    accessibles: dict[str, Any] = {}
    for i, (raw, _) in enumerate(found):
        accessibles[f"p{i}"] = parameter(raw, False)
        accessibles[f"c{i}"] = command(argument=raw, result=raw)
    description = parse_description(report(m=module(**accessibles)))
    namespace: dict[str, Any] = {"__name__": "generated"}
    exec(compile(render(description), "", "exec", dont_inherit=True), namespace)
    hints = get_type_hints(namespace["M"])
    for i, (raw, data) in enumerate(found):
        info = parse_datainfo(raw, lambda text: None)
        value = info.from_json(data)
        # Signals
        assert get_origin(hints[f"p{i}"]) is SignalRW
        (annotation,) = get_args(hints[f"p{i}"])
        bare, annotated = (
            make_converter(info, None, "E"),
            make_converter(info, annotation),
        )
        assert same_type(annotation, bare.datatype)
        assert is_a(annotated.value(value), annotation)
        assert shown(annotated.value(value)) == shown(bare.value(value))
        # Commands
        assert get_origin(hints[f"c{i}"]) is SecopCommand
        _, result = get_args(hints[f"c{i}"])
        assert is_a(value, result)
