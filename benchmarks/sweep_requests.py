"""API requests of a first sync and of a sweep in which nothing changed, beside ⌈documents/100⌉ pages.

`ipsync sync` runs as a command of its own, with everything it does besides reading pages: grants,
confirmations, details. The simulator counts; every call is counted but the two by which a member
authorizes. Files are fetched from other addresses and are no API requests. Goal: at most 1.02 requests
per page, and one per account.
"""

from collections.abc import Sequence

from benchmarks.figures import Figure, Goal
from benchmarks.world import Mirror, Site, folder, site
from ipsync.policy.listings import pages_of

GOAL = Goal(most=1.02)


def run(accounts: Sequence[tuple[int, int]] = ((1, 60), (1, 100), (4, 1_240))) -> list[Figure]:
    """Measure both kinds of sweep for several sizes.

    Args:
        accounts: how many accounts, and how many public documents each of them has.
    """
    return [figure for members, documents in accounts for figure in _measure(members, documents)]


def _measure(members: int, documents: int) -> list[Figure]:
    with site(members, documents) as simulated, folder() as place:
        mirror = Mirror(place, simulated)
        mirror.authorize_now(simulated.members)
        return [
            figure(kind, simulated, _requests(mirror, simulated)) for kind in ("first sync", "sweep without changes")
        ]


def _requests(mirror: Mirror, simulated: Site) -> int:
    before = simulated.calls()
    mirror.command("sync")
    return (simulated.calls() - before).total()


def figure(kind: str, simulated: Site, requests: int) -> Figure:
    """Requests beside pages.

    Args:
        kind: of the sweep.
        simulated: whose documents were read.
        requests: how many it counted.
    """
    shared = [len(documents) for documents in simulated.public().values()]
    size = f"{len(shared)} × {shared[0]:,}"
    return Figure(
        f"API requests, {kind} of {size}",
        requests,
        "",
        sum(map(pages_of, shared)),
        "pages",
        GOAL,
        allowance=len(shared),
    )
