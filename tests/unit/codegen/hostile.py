"""Texts that a node should not send, but can."""

from typing import Any

HOSTILE = [
    "",
    " ",
    '"',
    "'",
    '"""',
    "'''",
    'ends with "',
    'ends with \\"',
    '\\"',
    '"starts with',
    "a \" b ' c",
    "ends with \\",
    "\\",
    "\\\\",
    '\\"""',
    "\n",
    "a\nb\r\nc\rd\u2028e\x0bf\x85g",
    '"""\nimport os; os.abort()\n"""',
    "')\nraise SystemExit(1)\n('",
    "\\N{DEGREE SIGN} \\x41 \\u0041",
    "{0} {x!r} %s $y",
    "\x00\x07\x1b[31m",
    "\u202e trojan \u2066 source",
    "\ud800 lone surrogate",
    "Temperatur in °C, 温度, 🌡",
    "µ",
    "%",
    "class",
    "None",
    "__init__",
    "__class__",
    "_",
    "__",
    "1",
    "a b",
    "mro",
    "float",
    "A",
    "SignalR",
    "SECoPNodeDevice",
    "DESCRIPTIONS",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows",
    "noqa",
    "type: ignore",
    "fmt: off",
    "pyright: basic",
    "all is fine # noqa",
    "    indented\n  less\n      more",
    "first\n        second\n        third",
    "usage:\n>>> import os\n>>> os.abort()",
    "-*- coding: utf-7 -*-",
    "x" * 10_000,
    "word " * 2_000,
    '"' * 500,
    "\\" * 500,
    "温" * 300,
]


def node(text: str) -> dict[str, Any]:
    """Return a structure report that has a text wherever a text can be."""
    accessible = {"description": text, "readonly": False, "group": text, text: text}
    enum = {"type": "enum", "members": {text: 1, "ok": 2}}
    struct = {"type": "struct", "members": {text: enum, "b": enum}, "optional": [text]}
    return {
        "equipment_id": text,
        "description": text,
        "firmware": text,
        f"_{text}": text,
        "modules": {
            name: {
                "description": text,
                "implementation": implementation,
                "interface_classes": [text],
                text: text,
                "accessibles": {
                    f"{text}": {
                        **accessible,
                        "datainfo": {"type": "double", "unit": text},
                    },
                    f"_{text}": {**accessible, "datainfo": enum},
                    f"{text}_cmd": {
                        "description": text,
                        "datainfo": {
                            "type": "command",
                            "argument": struct,
                            "result": struct,
                        },
                    },
                    "list": {
                        **accessible,
                        "datainfo": {"type": "array", "maxlen": 3, "members": enum},
                    },
                },
            }
            for name, implementation in [
                (text, text),
                ("other", f"x.{text}"),
                ("third", "x.Y"),
                ("fourth", {"no": "text"}),
            ]
        },
    }
