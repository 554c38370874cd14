"""Plan stubs for sample environment, see `secop_ophyd.plan_stubs`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.protocols import Movable
from bluesky.utils import MsgGenerator, plan, short_uid

from ._modules import StatusDevice
from ._observe_status import (
    StatusCondition,
    check_status,
    wait_until_idle,
    wait_until_status,
)
from ._recorder import SECoPRecorder

T = TypeVar("T")


@plan
def wait_for_idle(
    *modules: StatusDevice, timeout: float | None = None
) -> MsgGenerator[None]:
    """Wait until modules are not busy, whatever made them so.

    A `set` that was begun before, without waiting, counts as busy from the start.
    Nothing is stopped if it takes too long, or fails.

    :param modules: What to wait for.
    :param timeout: Seconds for all of it, None for ever.
    :raises TypeError: If one has no status.
    :raises RuntimeError: If one goes into an error or is disabled, at once and in the
        node's own words.
    :raises SecopError: If the status of one cannot be known any more, e.g. since the
        connection is lost.
    :raises TimeoutError: If one is busy for too long.
    """
    for module in modules:
        check_status(module)
    if modules:
        yield from _wait_anew(lambda: wait_until_idle(modules, timeout))


@plan
def wait_for_status(
    module: StatusDevice, condition: StatusCondition, *, timeout: float | None = None
) -> MsgGenerator[tuple[int, str]]:
    """Wait until the status of a module is, or passes through, what it should be.

    The present status counts, too. Nothing is stopped if it takes too long, or fails.

    :param module: What to wait for.
    :param condition: A code; several of them, e.g. `range(100, 200)`; a part of the
        text, in any case; or a function of code and text.
    :param timeout: Seconds for it, None for ever.
    :return: The code and the text that fit.
    :raises TypeError: If the module has no status.
    :raises RuntimeError: If it goes into another error or is disabled, in the node's
        own words.
    :raises SecopError: If its status cannot be known any more, e.g. since the
        connection is lost.
    :raises TimeoutError: If it does not happen in time.
    """
    check_status(module)
    return (
        yield from _wait_anew(lambda: wait_until_status(module, condition, timeout))
    )


def _wait_anew(wait: Callable[[], Coroutine[Any, Any, T]]) -> MsgGenerator[T]:
    """Wait in a plan, and once more if the RunEngine replays the messages.

    It does when it goes on after a pause. What was waited for may not be so any more,
    since what has begun it is replayed as well.

    :param wait: Makes what is waited for.
    :return: None if the plan is only looked at, e.g. by `summarize_plan`.
    """
    task: asyncio.Task[T] | None = None

    def begin() -> asyncio.Task[T]:
        nonlocal task
        end()
        task = asyncio.ensure_future(wait())
        # Nobody looks at one that fails during a pause
        task.add_done_callback(lambda t: t.cancelled() or t.exception())
        return task

    def check() -> asyncio.Task[T]:
        # Raises in the RunEngine, which does not look at what it has waited for. The
        # plan could do so, but is further when it is replayed
        if task is None:
            raise RuntimeError("nothing has been waited for")
        task.result()
        return task

    def end() -> None:
        if task is not None:
            task.cancel()

    try:
        yield from bps.wait_for([begin])
        yield from bps.wait_for([check])
        return None if task is None else task.result()  # type: ignore[return-value]
    finally:
        end()


@plan
def ramp_and_record(
    module: Movable[Any],
    target: Any,
    recorder: SECoPRecorder,
    *,
    stream_name: str = "ramp",
    flush_period: float = 1.0,
) -> MsgGenerator[None]:
    """Move a module, and record each update of chosen parameters until it is there.

    In contrast to a scan nothing is asked for: a row is what the node tells, when it
    tells it. If the move fails or the plan is aborted, the module is stopped as in any
    plan, and what was recorded until then is kept. A run must be open.

    :param module: What to move; one of another control system will do, too.
    :param target: Where to.
    :param recorder: What to record.
    :param stream_name: Name of the stream of the event pages.
    :param flush_period: Seconds between two event pages.
    """
    group = short_uid("ramp")

    def collect() -> MsgGenerator[None]:
        yield from bps.collect(recorder, name=stream_name, return_payload=False)

    def move() -> MsgGenerator[None]:
        yield from bps.abs_set(module, target, group=group)
        done = False
        while not done:
            done = yield from bps.wait(
                group, timeout=flush_period, error_on_timeout=False
            )
            yield from collect()

    def end() -> MsgGenerator[None]:
        yield from bps.complete(recorder, wait=True)
        yield from collect()

    yield from bps.declare_stream(recorder, name=stream_name, collect=True)
    yield from bps.kickoff(recorder, wait=True)
    yield from bpp.finalize_wrapper(move(), end)
