"""The simulator's own clock, so that it needs nothing of the rest of ipsync.

Everything below takes a `Now`: a callable that returns microseconds since the Unix epoch (UTC). Tests and
simulations on virtual time hand in their own; only this module reads the machine's clock.
"""

import time
from collections.abc import Callable

Now = Callable[[], int]
"""Returns the present instant in microseconds since the Unix epoch, UTC."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def machine_clock() -> int:
    """Return the machine's wall clock in microseconds since the Unix epoch."""
    return time.time_ns() // 1_000
