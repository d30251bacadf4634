"""When the database cannot be read: files that may be past their lease go, by their age alone (F5).

Nobody knows then what a file is, when it was verified, or whether its owner asked for it to go. Nothing is
served, and nothing is kept for longer than every file could lawfully be kept.
"""

import asyncio

from ipsync.policy.lease import Lease
from ipsync.policy.reaping import longest_unaccounted
from ipsync.ports.clock import Clock
from ipsync.ports.store import AgedStore, Erased
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)


async def erase_unaccounted(store: AgedStore, clock: Clock, lease: Lease) -> Erased:
    """Erase every file that was written longer ago than any file may be kept without being accounted for.

    Args:
        store: where the bytes are.
        clock: the lease clock, as far as it is known without the database: the wall clock.
        lease: the thresholds.

    Raises:
        StoreFailure: not all of it could be erased.
    """
    now = clock.now()
    erased = await asyncio.to_thread(store.erase_written_before, now - longest_unaccounted(lease), now)
    _log.critical(
        Event.REAPER_UNREADABLE,
        "The database cannot be read. Nothing is served, and files that may be past their lease are erased.",
        files=erased.files,
        size_bytes=erased.size_bytes,
    )
    return erased
