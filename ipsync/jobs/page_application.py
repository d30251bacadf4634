"""What one page read by the plan does to the catalog, in one transaction: renew, take in, hide what it proves missing.

Nothing is asked here, and nothing erased. What a page means is decided by `policy.sweeping`, what it proves missing by
`policy.planner`. A document that should stand on a page and does not is hidden in the same moment (design §4).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from ipsync.jobs.absences import Absence, certify, hide_missing
from ipsync.jobs.sweep_application import apply_listed, page_read
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.certificates import Certificate, evidence
from ipsync.policy.instants import Instant
from ipsync.policy.listings import Listing, PageRecord
from ipsync.policy.planner import HeldDocument, Learned, Planner, Read, missing, proven_stretches, reach
from ipsync.policy.removals import Reason
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import PagePlan, suspect
from ipsync.ports.catalog import Transaction
from ipsync.ports.source import ListingPage


@dataclass(frozen=True, slots=True)
class AppliedRead:
    """What one page did.

    Attributes:
        learned: what planning learned from it.
        absence: what it hid.
    """

    listing: Listing
    plan: PagePlan
    learned: Learned
    absence: Absence


def apply_read(
    tx: Transaction,
    account: Account,
    read: Read,
    answer: ListingPage,
    planner: Planner,
    rules: Rules,
    requests_per_hour: float,
    now: Instant,
    *,
    every_file: bool,
) -> AppliedRead | None:
    """Carry out what one page means and proves, and keep what planning learned from it.

    Args:
        tx: the transaction; if it fails, the planner knows more than the catalog and must be built anew.
        account: as it was when the page was asked for.
        read: what was asked for.
        answer: the page.
        planner: learns from it.
        rules: what may be held.
        requests_per_hour: what the budget is believed to allow.
        now: the lease clock.
        every_file: compare the files of every document, not only where something changed.

    Returns:
        None where the answer counts for nothing any more.
    """
    current = tx.account(account.account_id)
    if current is None or current.state is not AccountState.ACTIVE or current.consent_epoch != account.consent_epoch:
        return None
    listing = next((entry for entry in tx.listings(account.account_id) if entry.visibility is answer.visibility), None)
    if listing is None:
        return None
    plan = apply_listed(tx, current, answer, rules, now, every_file=every_file)
    page, key = page_read(answer), read.key
    stretches = proven_stretches(page, lambda number: tx.page_plan(key, number))
    span = reach(stretches)
    held = tx.documents_posted(key, *span, answer.sent_at) if span else []
    absence = missing(stretches, {document.document_id for document in answer.documents}, held)
    kept = tx.listing_plan(key)
    if kept is not None:
        planner.lost(key, kept.removals)  # what was confirmed since, by whatever process, is not written over
    learned = planner.answered(read, page, absence, now)
    if learned is None:
        return None
    tx.record_page(
        PageRecord(
            account.account_id, answer.visibility, answer.page, answer.sent_at, answer.total, len(answer.documents)
        )
    )
    listing = replace(listing, total=answer.total, pages=learned.listing.pages)
    hidden = _hide(tx, [*absence.within, *absence.at_seam], listing, answer, rules, requests_per_hour, now)
    if learned.completed and learned.listing.completed_at is not None:
        # What no page of a whole round named is missing as well, wherever it was thought to stand.
        whole = replace(listing, next_page=learned.listing.pages + 1)
        started = learned.listing.completed_at
        rest = hide_missing(tx, whole, started, answer.sent_at, rules, requests_per_hour, now)
        hidden = Absence(hidden.missing + rest.missing, rest.unread, hidden.tripwire or rest.tripwire)
        listing = replace(listing, completed_at=started)
    _keep(tx, listing, learned)
    return AppliedRead(listing, plan, learned, hidden)


def _keep(tx: Transaction, listing: Listing, learned: Learned) -> None:
    key = learned.listing.key
    tx.put_listing(listing)
    tx.put_listing_plan(learned.listing)
    pages = [learned.record] if learned.record.page <= learned.listing.pages else []
    for number, (cut_at, documents) in learned.cuts.items():
        known = tx.page_plan(key, number)
        if known is not None:
            pages.append(replace(known, cut_at=cut_at, documents=documents))
    tx.put_page_plans(key, pages)
    tx.drop_page_plans_after(key, learned.listing.pages)
    tx.drop_pages_after(key.account_id, key.visibility, learned.listing.pages)


def _hide(
    tx: Transaction,
    lost: Collection[HeldDocument],
    listing: Listing,
    answer: ListingPage,
    rules: Rules,
    requests_per_hour: float,
    now: Instant,
) -> Absence:
    """Hide and suspect what a page proved missing, with a certificate, and trip the wire if it is too much."""
    documents = tx.documents([document.document_id for document in lost])
    if not documents:
        return Absence()
    sent_at, named = answer.sent_at, len(answer.documents)
    held, before = tx.held_documents(listing.account_id), tx.newest_removal()
    told = evidence(1, answer.total, named)
    found = [suspect(document, Reason.UNSHARED, sent_at, now, rules.lease, told) for document in documents.values()]
    tx.update_documents([document for document, _ in found])
    tx.add_removals([removal for _, removal in found])
    newest = tx.newest_removal()
    if newest == before:
        return Absence(len(found))
    certificate = Certificate(
        account_id=listing.account_id,
        visibility=listing.visibility,
        first_sent_at=sent_at,
        last_sent_at=sent_at,
        pages=1,
        pages_claimed=answer.pages,
        total=answer.total,
        named=named,
        distinct=named,
        held=held,
        missing=len(found),
        first_removal=before + 1,
        last_removal=newest,
    )
    return Absence(len(found), tripwire=certify(tx, certificate, rules, requests_per_hour, now))
