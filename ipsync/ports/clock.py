"""Time as the lease needs it: an instant that never runs backwards, and a way to wait."""

from typing import Protocol

from ipsync.policy.instants import Duration, Instant


class Clock(Protocol):
    """The lease clock.

    `now()` is the largest of wall clock, boot-time clock carried forward from the last agreed
    instant, and the stored high-water mark: a wall clock set back never makes anything younger (F7).
    """

    def now(self) -> Instant:
        """The present, microseconds since the Unix epoch; never less than any earlier answer."""
        ...

    async def sleep(self, duration: Duration) -> None:
        """Wait for `duration` microseconds of this clock."""
        ...
