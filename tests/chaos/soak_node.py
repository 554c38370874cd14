"""A node that tells thousands of values each second, and drops its clients at times.

It prints its port, and ends with its stdin.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from secop_ophyd.testing import FakeNode

PARAMETERS = 100
EVERY = 0.01  # s


def structure() -> dict[str, object]:
    number = {"type": "int", "min": 0, "max": 2**60}
    parameter = {"description": "", "datainfo": number, "readonly": True}
    accessibles = {f"p{index}": parameter for index in range(PARAMETERS)}
    module = {"description": "", "interface_classes": [], "accessibles": accessibles}
    return {"equipment_id": "soak", "description": "", "modules": {"m": module}}


async def push(node: FakeNode, rate: float) -> None:
    """Tell values: those of a parameter are counted."""
    started, told = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - started) * rate)
        # Whoever is late does not make up for more than a moment
        told = max(told, due - int(rate * 0.1))
        now = time.time()
        node.send_raw(
            b"".join(
                b'update m:p%d [%d,{"t":%.6f}]\n' % (n % PARAMETERS, n, now)
                for n in range(told, due)
            )
        )
        told = due
        await asyncio.sleep(EVERY)


async def drop(node: FakeNode, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        await node.drop_connections(reset=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--drop", type=float, required=True)
    args = parser.parse_args()
    async with FakeNode(structure()) as node:
        print(node.port, flush=True)
        tasks = [
            asyncio.ensure_future(push(node, args.rate)),
            asyncio.ensure_future(drop(node, args.drop)),
        ]
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
