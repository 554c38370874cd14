"""The status of a module as it comes, and waiting for what it should be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection

from ophyd_async.core import observe_value

from secop_ophyd.client import Reading
from secop_ophyd.protocol import (
    NodeError,
    NoValueYet,
    describe_status,
    is_failure,
)

from ._modules import StatusDevice

StatusCondition = int | str | Collection[int] | Callable[[int, str], bool]
"""A code, several of them such as `range(100, 200)`, a part of the text in any case, or
a function of code and text."""


async def observe_status(module: StatusDevice) -> AsyncGenerator[tuple[int, str]]:
    """Yield the code and the text of the status of a module: now, and at each change.

    None is left out, however fast they come, and they are in the order in which the
    node has sent them.

    :param module: A connected module with a status.
    :raises TypeError: If it is no such module.
    :raises SecopError: If the status cannot be known any more, e.g. since the
        connection is lost. An error that the node reports may last for a moment, see
        `ModuleOptions.grace`.
    """
    check_status(module)
    last: tuple[int, str] | None = None
    statuses = _mock(module) if module.connector.is_mock else _real(module)
    async with contextlib.aclosing(statuses):
        async for status in statuses:
            if status != last:  # nodes may send the same again
                yield status
            last = status


async def _mock(module: StatusDevice) -> AsyncGenerator[tuple[int, str]]:
    async for value in observe_value(module.status):
        yield int(value["f0"]), str(value["f1"])


async def _real(module: StatusDevice) -> AsyncGenerator[tuple[int, str]]:
    info, grace = module.connector.info, module.connector.options.grace
    parameter = info.parameter("status")
    if not info.client.activated:  # nothing that is known is of now
        with contextlib.suppress(NodeError):  # which then is its state
            await info.read("status")
    queue = asyncio.Queue[Reading]()
    unsubscribe = parameter.subscribe(queue.put_nowait)
    try:
        reading = parameter.reading
        while True:
            if reading.error is not None:
                reading = await _recovered(reading, queue, grace)
            code, text = reading.value
            yield int(code), str(text)
            reading = await queue.get()
    finally:
        unsubscribe()


async def _recovered(
    reading: Reading, queue: asyncio.Queue[Reading], grace: float
) -> Reading:
    """Return the next reading with a value, if it comes soon."""
    try:
        async with asyncio.timeout(grace):
            while isinstance(reading.error, NodeError | NoValueYet):
                reading = await queue.get()
    except TimeoutError:
        pass
    return reading


def check_status(module: object) -> None:
    """Refuse what has no status to wait for.

    :param module: Anything.
    :raises TypeError: If it is no module with a status.
    """
    if not isinstance(module, StatusDevice):
        raise TypeError(f"{module!r} is no module with a status")


async def wait_until_idle(
    modules: Collection[StatusDevice], timeout: float | None
) -> None:
    """Wait until modules are not busy; the first one that fails ends it.

    :param modules: The modules.
    :param timeout: Seconds for all of them, None for ever.
    :raises RuntimeError: If one goes into an error or is disabled.
    :raises SecopError: If the status of one cannot be known any more.
    :raises TimeoutError: If one is busy for too long.
    """
    waits = {asyncio.ensure_future(m.wait_for_idle()): m for m in modules}
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_EXCEPTION)
        for task in waits:
            if task.done():
                task.result()
        busy = [str(m.name) for task, m in waits.items() if not task.done()]
        if busy:
            raise TimeoutError(f"{', '.join(busy)}: not idle within {timeout:g} s")
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def wait_until_status(
    module: StatusDevice, condition: StatusCondition, timeout: float | None
) -> tuple[int, str]:
    """Wait until the status of a module is, or passes through, what it should be.

    :param module: The module.
    :param condition: What it should be.
    :param timeout: Seconds for it, None for ever.
    :return: The code and the text that fit.
    :raises RuntimeError: If the module goes into another error, or is disabled.
    :raises SecopError: If its status cannot be known any more.
    :raises TimeoutError: If it does not happen in time.
    """
    fits = _fits(condition)
    shown = "unknown"
    try:
        async with (
            asyncio.timeout(timeout),
            contextlib.aclosing(observe_status(module)) as statuses,
        ):
            async for code, text in statuses:
                if fits(code, text):
                    return code, text
                shown = f"{describe_status(code)} {text!r}"
                if is_failure(code):
                    raise RuntimeError(f"{module.name}: {shown}")
    except TimeoutError:
        raise TimeoutError(
            f"{module.name}: still {shown} after {timeout or 0:g} s"
        ) from None
    raise AssertionError("a status is observed for ever")


def _fits(condition: StatusCondition) -> Callable[[int, str], bool]:
    match condition:
        case int():
            return lambda code, text: code == condition
        case str():
            part = condition.casefold()
            return lambda code, text: part in text.casefold()
        case Collection():
            return lambda code, text: code in condition
        case _:
            return condition
