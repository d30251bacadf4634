"""When the reaper must act: the daemon's work is done by somebody else only where the daemon does not do it.

A daemon that lives is left alone, since two that erase are no better than one. One that is dead, or holds its
lock and stands still, is replaced before a deadline passes. Pure; `now` and ages are arguments (design §3).
"""

from enum import StrEnum

from ipsync.policy.instants import SECOND, Duration
from ipsync.policy.lease import Lease

_BEATS = 5760
_LONGEST_SILENCE_PARTS = 96
_SHORTEST_SILENCE: Duration = 2 * SECOND


class Keeper(StrEnum):
    """Who looks after the mirror now."""

    NOBODY = "nobody"  # no process holds the daemon's lock
    ALIVE = "alive"  # its heart beats and nothing is too late
    LATE = "late"  # its heart beats, and yet something is held that should be gone
    HUNG = "hung"  # it holds the lock, and its heart does not beat


def beat_period(lease: Lease) -> Duration:
    """How often a living daemon leaves a sign of life in the catalog (15 s of 24 h), microseconds."""
    return lease.window // _BEATS


def longest_silence(lease: Lease) -> Duration:
    """Without a sign of life for this long a daemon may hang (15 min of 24 h), microseconds."""
    return max(_SHORTEST_SILENCE, lease.window // _LONGEST_SILENCE_PARTS)


def second_look(lease: Lease) -> Duration:
    """How long to wait for a sign of life before a daemon is said to hang (31 s of 24 h), microseconds.

    After a suspend everybody has been silent for long: the first to look must not be the first to judge.
    """
    return 2 * beat_period(lease) + SECOND


def keeper_of(lease: Lease, silence: Duration | None, *, is_held: bool, is_late: bool) -> Keeper:
    """Say who looks after the mirror.

    Args:
        lease: the thresholds.
        silence: since the newest sign of life, microseconds; None where it is of another boot, or there was none.
        is_held: whether a process holds the daemon's lock.
        is_late: whether something is held past the age at which erasing is done (23/24 W).
    """
    if not is_held:
        return Keeper.NOBODY
    if silence is None or silence > longest_silence(lease):
        return Keeper.HUNG
    return Keeper.LATE if is_late else Keeper.ALIVE


def longest_unaccounted(lease: Lease) -> Duration:
    """How long after it was written a file may stay while nobody can read what it is (3 h of 24 h), microseconds.

    A file is fetched while its lease holds, so the verification was less than S old when it was written; what
    is left until 23/24 W is all that may be assumed (F5).
    """
    return lease.gone_age - lease.serve_age
