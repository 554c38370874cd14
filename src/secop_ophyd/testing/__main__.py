"""A fake SEC node as a process: `python -m secop_ophyd.testing DESCRIPTION.json`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from secop_ophyd.protocol import SecopError

from ._node import FakeNode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m secop_ophyd.testing",
        description="A fake SEC node: prints `PORT <number>` once it listens, ends "
        "with stdin, at SIGTERM or at SIGINT.",
    )
    parser.add_argument(
        "description", type=Path, help="structure report of the node, a JSON file"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="TCP port, by default any free one"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on, by default only this computer",
    )
    parser.add_argument(
        "--seed", type=int, help="draw the values at random, from this number"
    )
    return parser


async def _serve(node: FakeNode) -> None:
    loop = asyncio.get_running_loop()
    end = asyncio.Event()

    def request_end(*_: object) -> None:
        try:
            loop.call_soon_threadsafe(end.set)
        except RuntimeError:
            pass  # the loop is closed, so it has ended

    def wait_for_stdin() -> None:
        # Not sys.stdin.read(): its lock, held by this thread, is fatal at exit
        while os.read(0, 1024):
            pass
        request_end()

    async with node:
        signal.signal(signal.SIGTERM, request_end)
        signal.signal(signal.SIGINT, request_end)
        print("PORT", node.port, flush=True)
        threading.Thread(target=wait_for_stdin, daemon=True).start()
        await end.wait()


def main() -> None:
    """Run the node that the arguments ask for."""
    args = _parser().parse_args()
    try:
        node = FakeNode(
            args.description, seed=args.seed, host=args.host, port=args.port
        )
    except (OSError, ValueError, SecopError) as error:
        sys.exit(f"{args.description}: {error}")
    try:
        asyncio.run(_serve(node))
    except OSError as error:
        sys.exit(f"cannot listen on {args.host}, port {args.port}: {error}")


if __name__ == "__main__":
    main()
