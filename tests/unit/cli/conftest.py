from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from secop_ophyd.cli import main


class Result(NamedTuple):
    """How the program has ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the program beside the event loop of the test."""

    async def run(*args: object) -> Result:
        def program() -> int:
            try:
                return main([str(arg) for arg in args])
            except SystemExit as end:  # argparse
                assert isinstance(end.code, int)
                return end.code

        code = await asyncio.to_thread(program)
        return Result(code, *capsys.readouterr())

    return run
