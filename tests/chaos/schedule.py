"""What goes wrong, and when: drawn from a seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any

from secop_ophyd.testing import ChaosProxy

GARBAGE = [
    b"",
    b"\x00\xff\xfe",
    b"update other:unknown [1,{}]",
    b'log r0:info "\\u001b[2J"',
    b"_custom x {}",
    b'error_read x:y ["InternalError","none of yours",{}]',
    b"pong stray [null,{}]",
    b"update r0:value",
    b"changed nobody:asked [1]",
]
PREFIXES = ["", "update", "reply", "changed", "update r0:value", "done", "pong"]
REQUESTS = ["", "read", "change", "do"]
SHORT = (0.0, 0.03)
LONG = (0.02, 0.2)


@dataclass(frozen=True)
class Step:
    """Something that goes wrong.

    :param pause: Seconds before it.
    :param kind: What.
    :param arguments: How.
    :param seconds: How long, for what has an end.
    """

    pause: float
    kind: str
    arguments: dict[str, Any]
    seconds: float


_LINES = ["delay", "reorder", "duplicate", "truncate", "corrupt", "cut_in", "drip"]
_WHOLE = ["cut", "freeze", "refuse", "accept_and_close", "flood", "pause"]
_NODE = ["restart", "restart as another"]


def draw(seed: int, restarts: float) -> list[Step]:
    """Return a schedule.

    :param seed: Draws it.
    :param restarts: How often the node itself restarts, compared with other faults.
    """
    random = Random(seed)
    kinds = [*_LINES, *_WHOLE, *_NODE]
    weights = [1.0] * len(_LINES) + [1.0] * len(_WHOLE) + [restarts] * len(_NODE)
    steps = [
        Step(
            random.uniform(*SHORT),
            kind,
            _arguments(kind, random),
            random.uniform(*LONG),
        )
        for kind in random.choices(kinds, weights, k=random.randint(2, 6))
    ]
    if all(step.kind in _LINES and step.kind != "cut_in" for step in steps):
        reset = random.random() < 0.5
        steps.append(Step(0.05, "cut", {"reset": reset}, 0.0))
    return steps


def _arguments(kind: str, random: Random) -> dict[str, Any]:
    if kind == "cut":
        return {"reset": random.random() < 0.5}
    if kind == "flood":
        return {"line": random.choice(GARBAGE), "times": random.randint(1, 2000)}
    if kind not in _LINES:
        return {}
    to = "node" if random.random() < 0.2 else "client"
    arguments = {
        "prefix": random.choice(REQUESTS if to == "node" else PREFIXES),
        "to": to,
        "share": random.choice([0.1, 0.5, 1.0]),
        "times": random.randint(1, 20),
    }
    if kind == "delay":
        arguments["seconds"] = random.uniform(0, 0.1)
    if kind == "drip":
        arguments |= {"size": random.randint(1, 20), "seconds": 0.0005}
    return arguments


async def suffer(steps: list[Step], proxy: ChaosProxy, node: Any) -> Counter[str]:
    """Let everything happen, and end when nothing is wrong any more.

    :return: How often the node was disturbed; the proxy counts the rest.
    """
    counts: Counter[str] = Counter()
    for step in steps:
        await asyncio.sleep(step.pause)
        match step.kind:
            case "cut":
                await proxy.cut(**step.arguments)
            case "freeze":
                proxy.freeze()
                await asyncio.sleep(step.seconds * 8)
                proxy.thaw()
            case "refuse" | "accept_and_close":
                getattr(proxy, step.kind)()
                await proxy.cut()
                await asyncio.sleep(step.seconds)
                await proxy.accept()
            case "pause":
                node.pause()
                counts["pause of the node"] += 1
                await asyncio.sleep(step.seconds * 8)
                node.resume()
            case "restart" | "restart as another":
                counts[step.kind] += 1
                await node.restart(step.kind != "restart")
            case kind:
                getattr(proxy, kind)(**step.arguments)
    await asyncio.sleep(0.02)
    await proxy.heal()
    return counts
