"""Plan stubs for sample environment, see `secop_ophyd.plan_stubs`."""

from __future__ import annotations

from typing import Any

import bluesky.plan_stubs as bps
import bluesky.preprocessors as bpp
from bluesky.protocols import Movable
from bluesky.utils import MsgGenerator, plan, short_uid

from ._recorder import SECoPRecorder


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
