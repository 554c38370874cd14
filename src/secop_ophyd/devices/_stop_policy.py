"""When a stop of the RunEngine is meant to stop the hardware.

The RunEngine calls `stop(success=True)` on all that a plan has moved, whatever the
reason: at every end of a plan, good or bad, at a pause and at a suspension. A ramp
in the background is to go on after a plan that ended well, and the cryostat that
made a suspender trip is recovering. In all other cases the user wants it to stop.
"""

from __future__ import annotations

import inspect
from types import FrameType

from bluesky.run_engine import RunEngine

from ._options import StopPolicy

# The function of the RunEngine that stops what was moved, bluesky 1.15
_STOPS_ALL = "_stop_movable_objects"
# The one that begins a suspension
_SUSPENDS = "_start_suspender"


def leave_running(policy: StopPolicy) -> bool:
    """Tell whether a stop that is being called is to be ignored.

    :param policy: When the module is to be stopped.
    :return: False if anybody but the RunEngine calls it. Else what the policy says;
        by default, True at the end of a plan that succeeded and at a suspension,
        False if it is anything else, or if that cannot be told: stopping is the
        safe side.
    """
    frame = _caller(_STOPS_ALL)
    if frame is None:
        return False
    if policy is not StopPolicy.ON_INTERRUPTION:
        return policy is StopPolicy.NEVER
    engine = frame.f_locals.get("self")
    if not isinstance(engine, RunEngine):
        return False
    if frame.f_back is not None and frame.f_back.f_code.co_name == _SUSPENDS:
        return True
    status = getattr(engine, "_exit_status", None)
    return str(engine.state) == "running" and status == "success"


def leave_at_pause(policy: StopPolicy) -> bool:
    """Tell whether a pause that is being told is to be ignored.

    :param policy: When the module is to be stopped.
    :return: By default, True at a suspension, which is told as a pause as well.
    """
    if policy is not StopPolicy.ON_INTERRUPTION:
        return policy is StopPolicy.NEVER
    return _caller(_SUSPENDS) is not None


def _caller(name: str) -> FrameType | None:
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and frame.f_code.co_name != name:
        frame = frame.f_back
    return frame
