"""Worlds of listings in which the planner's promises are watched."""

from benchmarks.listing_world import Counts, VirtualMirror
from ipsync.policy.instants import DAY, HOUR, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.listings import pages_of
from ipsync.policy.planner import Cadence

LEASE = Lease(DAY)
CADENCE = Cadence.of(LEASE, 10 * HOUR)
BLIND = Cadence.of(LEASE, 10 * HOUR, watches_totals=False)
LARGER = (30, 2_500, 9_800, 12_050, 1, 7_000)
"""The budget of so many pages sends a request every two minutes: half of that is no delay that counts."""
SIZES = (30, 1_250, 4_900, 6_020, 1, 3_500)


def settled(
    sizes: tuple[int, ...] = SIZES, cadence: Cadence = CADENCE, utilization: float = 0.25, *, bunched: bool = False
) -> VirtualMirror:
    """A mirror that has read every page before, spread over the window or all a moment ago."""
    pages = sum(map(pages_of, sizes))
    mirror = VirtualMirror(cadence, pages / (utilization * 20))
    window = cadence.window - 2 * cadence.tolerance

    def at(page: int, of: int) -> Instant:
        return mirror.now - (HOUR if bunched else window - window * page // (of + 1))

    for number, documents in enumerate(sizes, 1):
        mirror.settled(number, documents, at)
    return mirror


def lived(mirror: VirtualMirror, duration: Duration = 26 * HOUR) -> Counts:
    mirror.run(mirror.now + duration)
    return mirror.counts
