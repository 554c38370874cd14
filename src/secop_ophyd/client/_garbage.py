"""The garbage collector of Python, which big nodes let run for nothing."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Generator


@contextlib.contextmanager
def no_collection() -> Generator[None, None, None]:
    """Do not look for garbage while a big tree of objects is made.

    There is none, and the collector takes longer than all the rest. Afterwards it takes
    what was made for old, since to look through it once is nearly half of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():  # else it would melt what others have frozen
                gc.freeze()
                gc.unfreeze()
            gc.enable()
