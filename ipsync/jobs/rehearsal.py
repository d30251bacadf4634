"""Rehearsal: read every listing and say what a sync would do, changing nothing (`sync --dry-run`)."""

from functools import partial

from ipsync.jobs.sweep_application import Turn, ends_listing, held_of
from ipsync.policy.documents import DocumentState
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import PagePlan, plan_page
from ipsync.ports.catalog import Catalog, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import Lane, ListingPage, Source

_BATCH = 500


async def rehearse(
    source: Source, catalog: Catalog, clock: Clock, rules: Rules, turn: Turn
) -> tuple[list[tuple[PagePlan, int]], int]:
    """Read one listing to its end and compare it with what is held.

    Args:
        source: ipernity.
        catalog: the durable memory, which is only read.
        clock: the lease clock.
        rules: what may be held.
        turn: the listing.

    Returns:
        The plan of each page with how many documents it named, and how many held documents none of them named.

    Raises:
        SourceFailure: ipernity did not answer.
    """
    listing, seen = turn.listing, set[int]()
    plans: list[tuple[PagePlan, int]] = []
    while True:
        answer = await source.list_page(
            listing.account_id,
            turn.grant.token,
            listing.visibility,
            len(plans) + 1,
            rules.view.renditions,
            Lane.INTERACTIVE,
        )
        plan = await catalog.read(partial(_plan, answer=answer, rules=rules, now=clock.now()))
        plans.append((plan, len(answer.documents)))
        seen |= {item.document_id for item in answer.documents}
        if ends_listing(answer):
            break
    return plans, await catalog.read(partial(_count_unseen, turn=turn, seen=seen))


def _plan(view: View, answer: ListingPage, rules: Rules, now: int) -> PagePlan:
    held = held_of(view, answer, rules, now, every_file=True)
    return plan_page(answer.account_id, answer.sent_at, answer.documents, held, rules.view, rules.lease, now)


def _count_unseen(view: View, turn: Turn, seen: set[int]) -> int:
    listing, count, cursor = turn.listing, 0, 0
    while batch := view.documents_after(
        cursor,
        _BATCH,
        account_id=listing.account_id,
        states={DocumentState.LIVE, DocumentState.STALE, DocumentState.SEALED},
    ):
        cursor = batch[-1].document_id
        count += sum(
            document.facts.visibility is listing.visibility and document.document_id not in seen for document in batch
        )
    return count
