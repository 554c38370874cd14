"""Structure reports for tests, made of small parts."""

from __future__ import annotations

from typing import Any

import numpy as np

STATUS = {
    "type": "tuple",
    "members": [
        {
            "type": "enum",
            "members": {
                "DISABLED": 0,
                "IDLE": 100,
                "WARN": 200,
                "BUSY": 300,
                "FINALIZING": 390,
                "ERROR": 400,
            },
        },
        {"type": "string"},
    ],
}
KELVIN = {"type": "double", "min": 0, "max": 500, "unit": "K", "fmtstr": "%.3f"}
SWITCH = {"type": "enum", "members": {"off": 0, "on": 1}}
PID = {
    "type": "struct",
    "members": {
        "p": {"type": "double"},
        "i": {"type": "double"},
        "mode": SWITCH,
        "note": {"type": "string"},
    },
    "optional": ["i"],
}


def parameter(datainfo: Any, readonly: bool = True, **more: Any) -> dict[str, Any]:
    return {"description": "p", "datainfo": datainfo, "readonly": readonly, **more}


def command(**datainfo: Any) -> dict[str, Any]:
    return {"description": "c", "datainfo": {"type": "command", **datainfo}}


def module(*classes: str, **accessibles: Any) -> dict[str, Any]:
    return {
        "description": "m",
        "interface_classes": list(classes),
        "accessibles": accessibles,
    }


def readable(value: Any = KELVIN, **accessibles: Any) -> dict[str, Any]:
    return module(
        "Readable", value=parameter(value), status=parameter(STATUS), **accessibles
    )


def writable(value: Any = KELVIN, **accessibles: Any) -> dict[str, Any]:
    return module(
        "Writable",
        value=parameter(value),
        status=parameter(STATUS),
        target=parameter(value, False),
        **accessibles,
    )


def drivable(value: Any = KELVIN, **accessibles: Any) -> dict[str, Any]:
    return module(
        "Drivable",
        value=parameter(value),
        status=parameter(STATUS),
        target=parameter(value, False),
        stop=command(),
        **accessibles,
    )


def report(equipment_id: str = "fake", **modules: Any) -> dict[str, Any]:
    return {"equipment_id": equipment_id, "description": "A node", "modules": modules}


def with_parameters(**datainfos: Any) -> dict[str, Any]:
    """Return a node with a module `m` of no class that can change all of these."""
    return report(m=module(**{k: parameter(v, False) for k, v in datainfos.items()}))


def plain(value: Any) -> Any:
    """Return a value of an event as what JSON would make of it."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
