"""What the catalog holds as far as a job looks at it: while that stays, the job has nothing else to find.

A job that changed nothing would change nothing again until what it looks at changes, or an instant comes that the
catalog remembers. What each job looks at is said here once; a job that is not named looks at everything. A test plays
stories in which no run is left out, and demands that they are the same.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ipsync.policy.instants import SECOND, Duration, Instant

LATEST: Instant = 4_000_000_000 * SECOND

CONTENT = {
    "accounts": ("SELECT account_id, state, consent_epoch, failure, failures FROM account",),
    "listings": ("SELECT account_id, visibility, total, pages, sweep_started_at, next_page FROM listing",),
    "budget": ("SELECT backoff_step FROM budget",),
    "documents": (
        "SELECT document_id, account_id, state, absent_at, hidden_at, details_at FROM document",
        "SELECT media, license, safety, visibility, modified_at, replaced_at FROM document",
    ),
    "files": ("SELECT document_id, rendition, state, url, attempts FROM rendition",),
    "entries": (
        "SELECT number, account_id, state, levels, seen_at, absent_at, hidden_at, modified_at FROM entry",
        "SELECT number, title, text, members FROM entry_text",
    ),
    "entry lists": (
        "SELECT account_id, kind, total, requests, counted, sweep_started_at, next_page FROM entry_listing",
        "SELECT account_id, kind, completed_at FROM entry_listing",
    ),
    "removals": ("SELECT * FROM removal WHERE stage NOT IN ('gone', 'withdrawn')",),
    "requests": ("SELECT request_id, gone_at, ended_at, is_kept_outside FROM removal_request",),
}
"""Everything that a job may look at, but for instants that come."""

COMING = {
    "verified": "SELECT DISTINCT verified_at FROM document",
    "entries verified": "SELECT DISTINCT verified_at FROM entry",
    "stored": "SELECT DISTINCT stored_at FROM rendition WHERE state = 'stored'",
    "detailed": "SELECT DISTINCT details_at FROM document WHERE details_at IS NOT NULL",
    "file tries": "SELECT next_try_at FROM rendition WHERE state IN ('wanted', 'failed')",
    "erasing": "SELECT erase_from FROM removal WHERE stage NOT IN ('gone', 'withdrawn')",
    "removal tries": "SELECT next_try_at FROM removal WHERE stage NOT IN ('gone', 'withdrawn')",
    "sweeps": "SELECT next_due_at FROM listing",
    "entry sweeps": "SELECT next_due_at FROM entry_listing",
    "checks": "SELECT next_check_at FROM account",
    "account tries": "SELECT retry_at FROM account",
    "pause": "SELECT blocked_until FROM budget",
}
"""Instants of the catalog; for the first four, of ages that count from them."""

_HELD = ("documents", "files", "removals", "entries")
_ASKING = ("accounts", "account tries", "pause")
LOOKED_AT: dict[str, tuple[str, ...]] = {
    "expiry": (*_HELD, "accounts", "verified", "entries verified", "stored", "detailed"),
    "policy": _HELD,
    "orphans": _HELD,
    "purge": (*_HELD, "requests", "erasing", "removal tries"),
    "intake": (*_HELD, "requests", "accounts"),
    "media": ("documents", "files", "accounts", "file tries"),
    "details": ("documents", "detailed", *_ASKING),
    "confirm": (*_HELD, "removal tries", "verified", "entries verified", *_ASKING),
    "grants": ("checks", *_ASKING),
    "feed": (),
    "history": ("budget",),
    "audit": (*CONTENT, "verified", "entries verified", "erasing"),
    "admission": ("documents", "listings", "entries", "entry lists", "budget", *_ASKING),
}
"""What jobs look at that do not look at everything."""

_EVERYTHING = (*CONTENT, *COMING)


@dataclass(frozen=True)
class Ages:
    """How old things are when something becomes due.

    Attributes:
        of_leases: thresholds of a verification.
        of_copies: times to live.
    """

    of_leases: Sequence[Duration]
    of_copies: Sequence[Duration]

    def of(self, name: str) -> Sequence[Duration]:
        """Those that count from an instant of this name."""
        if name in ("verified", "entries verified"):
            return self.of_leases
        return self.of_copies if name in ("stored", "detailed") else (0,)


@dataclass
class Picture:
    """What the catalog holds, and how many of its instants have come.

    Attributes:
        version: of the catalog when it was taken.
    """

    version: int
    content: dict[str, int]
    instants: dict[str, list[Instant]]
    _seen: dict[str, tuple[int, Instant]] = field(default_factory=dict)

    def at(self, now: Instant, job: str) -> tuple[int, Instant]:
        """A number that stays as long as a job has nothing else to find, and the instant at which it will not."""
        held = self._seen.get(job)
        if held is not None and now < held[1]:
            return held
        seen: list[int] = []
        next_at = LATEST
        for name in LOOKED_AT.get(job, _EVERYTHING):
            if name in self.content:
                seen.append(self.content[name])
                continue
            instants = self.instants[name]
            place = bisect_right(instants, now)
            seen.append(place)
            if place < len(instants) and instants[place] < next_at:
                next_at = instants[place]
        self._seen[job] = found = hash(tuple(seen)), next_at
        return found


def take(cursor: Any, version: int, ages: Ages) -> Picture:
    """Look at the catalog."""
    content = {
        name: hash(tuple(hash(tuple(cursor.execute(query).fetchall())) for query in queries))
        for name, queries in CONTENT.items()
    }
    instants: dict[str, list[Instant]] = {}
    for name, query in COMING.items():
        since = [row[0] for row in cursor.execute(query)]
        instants[name] = sorted(at + age for at in since for age in ages.of(name))
    return Picture(version, content, instants)
