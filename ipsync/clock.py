"""The only reader of real clocks.

The lease clock takes the largest of three: the wall clock, the boot-time clock carried forward from
the last agreed instant (it counts suspend, F8), and the high-water mark kept from earlier runs. A wall
clock set back makes nothing younger (F7); one set forward hides at once, which is the safe side (F6).
"""

import asyncio
import ctypes
import time
from dataclasses import dataclass
from pathlib import Path

from ipsync.policy.instants import SECOND, Duration, Instant

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN_BOOT = "unknown"
_TIMEX_BYTES = 512
_TIME_ERROR = 5


@dataclass(frozen=True, slots=True)
class ClockMark:
    """What the clock must remember across restarts of the process.

    Attributes:
        instant: the largest instant ever given.
        boottime: the boot-time clock at that instant, microseconds.
        boot_id: the boot in which `boottime` has a meaning.
        wall: the wall clock at that instant; None in marks of earlier versions.
    """

    instant: Instant
    boottime: Duration
    boot_id: str
    wall: Instant | None = None

    def encode(self) -> str:
        """Write the mark as one word for the catalog."""
        mark = f"{self.instant}/{self.boottime}/{self.boot_id}"
        return mark if self.wall is None else f"{mark}/{self.wall}"

    @classmethod
    def decode(cls, text: str | None) -> "ClockMark | None":
        """Read a mark back; anything unreadable is no mark.

        Args:
            text: what `encode` wrote, or None.
        """
        parts = (text or "").split("/")
        if len(parts) not in (3, 4) or not all(part.isdecimal() for part in (*parts[:2], *parts[3:])):
            return None
        return cls(int(parts[0]), int(parts[1]), parts[2], int(parts[3]) if len(parts) == 4 else None)


class SystemClock:
    """`ports.clock.Clock` on the machine's clocks."""

    def __init__(self, mark: ClockMark | None = None) -> None:
        """Begin at the present, but never before `mark`.

        Args:
            mark: the high-water mark of an earlier run. The time since then is added to it, so that neither a
                stopped daemon nor a machine that was off stops the clock: within the same boot by the
                boot-time clock, else by how far the wall clock went.
        """
        self._boot_id = _boot_id()
        boottime = _boottime()
        instant = _wall()
        if mark is not None:
            # Without its name one boot cannot be told from another, nor their clocks compared.
            same_boot = self._boot_id not in ("", _UNKNOWN_BOOT) and mark.boot_id == self._boot_id
            carried = boottime - mark.boottime if same_boot else _wall_since(mark)
            instant = max(instant, mark.instant + max(0, carried))
        self._anchor = instant
        self._anchor_boottime = boottime

    def now(self) -> Instant:
        """The present; never less than any earlier answer."""
        boottime = _boottime()
        carried = self._anchor + max(0, boottime - self._anchor_boottime)
        self._anchor = max(carried, _wall())
        self._anchor_boottime = boottime
        return self._anchor

    async def sleep(self, duration: Duration) -> None:
        """Wait for `duration` microseconds; a negative one does not wait."""
        await asyncio.sleep(max(0, duration) / SECOND)

    def mark(self) -> ClockMark:
        """The high-water mark to be kept."""
        instant = self.now()
        return ClockMark(instant, self._anchor_boottime, self._boot_id, _wall())

    def since(self, mark: ClockMark | None) -> Duration | None:
        """How long ago `mark` was made, by the boot-time clock alone; None where it is of another boot, or is none.

        It tells whether a process still makes marks, whatever the wall clock does meanwhile.
        """
        if mark is None or self._boot_id in ("", _UNKNOWN_BOOT) or mark.boot_id != self._boot_id:
            return None
        return max(0, _boottime() - mark.boottime)

    def behind(self) -> Duration:
        """How far the wall clock lies behind the lease clock: more than a moment means it was set back (F7)."""
        return max(0, self.now() - _wall())


def monotonic_microseconds() -> Duration:
    """The kernel's monotonic clock, as systemd wants it beside RELOADING=1. It is no age and judges nothing."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def _wall() -> Instant:
    return time.time_ns() // 1000


def _wall_since(mark: ClockMark) -> Duration:
    """How far the wall clock has gone since a mark; also one that is wrong by hours tells that."""
    return 0 if mark.wall is None else _wall() - mark.wall


def _boottime() -> Duration:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return _UNKNOWN_BOOT  # a sandbox without /proc: then only wall clock and mark remain


def is_synchronized() -> bool | None:
    """Whether the kernel calls the wall clock synchronized with others; None where it does not tell."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "adjtimex"):
        return None
    # Nothing is changed: a structure of zeros asks only. It needs 208 bytes on 64-bit Linux.
    state = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
