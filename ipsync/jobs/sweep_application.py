"""What the pages of a sweep do to the catalog, each in one transaction: renew, take in, hide (design §3, §4).

Nothing is asked here, and nothing erased. What a page means is decided by `policy.sweeping`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from ipsync.jobs.absences import Absence, hide_missing
from ipsync.jobs.obligations import withdraw_suspicions
from ipsync.policy.accounts import GRANTED_STATES, Account, AccountState, Grant
from ipsync.policy.documents import DocumentState, Rendition, RenditionState, Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, Listing, PageRecord
from ipsync.policy.permission import bar
from ipsync.policy.planning import MOST_PAGES, plan_sweeps
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import Held, PagePlan, plan_page
from ipsync.ports.catalog import Transaction, View
from ipsync.ports.source import ListingPage

_UNFINISHED = (RenditionState.WANTED, RenditionState.FAILED)


@dataclass(frozen=True, slots=True)
class Turn:
    """A listing being swept, with what is needed to read its next page.

    Attributes:
        whole: whether its sweep began at page 1 under the rules in force, so that every file was compared.
    """

    account: Account
    grant: Grant
    listing: Listing
    whole: bool = False

    @property
    def is_first(self) -> bool:
        """Whether this listing was never swept to its end: it is discovered, not verified."""
        return self.listing.completed_at is None


@dataclass(frozen=True, slots=True)
class Applied:
    """What one page did.

    Attributes:
        turn: the same listing, one page further.
        is_last: whether the page ended the listing, as far as it told.
    """

    turn: Turn
    plan: PagePlan
    is_last: bool


def apply_page(
    tx: Transaction, turn: Turn, answer: ListingPage, rules: Rules, now: Instant, *, every_file: bool
) -> Applied | None:
    """Carry out what one page means, and keep how far the sweep has come.

    Args:
        tx: the transaction.
        turn: the listing, before this page.
        answer: the page.
        rules: what may be held.
        now: the lease clock.
        every_file: compare the files of every document, not only where something changed.

    Returns:
        None where the answer counts for nothing any more: the account was removed, paused, doubted or authorized
        anew while the page was under way.
    """
    account = tx.account(turn.account.account_id)
    if account is None or account.state is not AccountState.ACTIVE:
        return None
    if account.consent_epoch != turn.account.consent_epoch:
        return None
    plan = plan_page(
        account.account_id,
        answer.sent_at,
        answer.documents,
        held_of(tx, answer, rules, now, every_file=every_file),
        rules.view,
        rules.lease,
        now,
    )
    _carry_out(tx, plan, answer.sent_at)
    tx.record_page(
        PageRecord(
            account.account_id, answer.visibility, answer.page, answer.sent_at, answer.total, len(answer.documents)
        )
    )
    started = turn.listing.sweep_started_at
    listing = replace(
        turn.listing,
        total=answer.total,
        pages=min(MOST_PAGES, max(1, answer.pages)),
        sweep_started_at=answer.sent_at if started is None else started,
        next_page=answer.page + 1,
    )
    tx.put_listing(listing)
    if account.failures:
        account = replace(account, failure="", failures=0, retry_at=0)
        tx.put_account(account)
    whole = turn.whole or (started is None and answer.page == 1)
    following = replace(turn, account=account, listing=listing, whole=whole)
    return Applied(following, plan, is_last=ends_listing(answer))


def ends_listing(answer: ListingPage) -> bool:
    """Whether no page follows, as far as this one tells; a lying page count ends somewhere (F16)."""
    return answer.page >= answer.pages or not answer.documents or answer.page >= MOST_PAGES


def hides_more(view: View, turn: Turn, answer: ListingPage) -> bool:
    """Whether a listing that claims to end here should be read on.

    So it is where its last page is full, documents are missing, and the last sweep knew further
    pages: a page count that is too small costs a request more, and hides nobody (F16).
    """
    listing = turn.listing
    if len(answer.documents) < DOCUMENTS_PER_PAGE or answer.page >= MOST_PAGES:
        return False
    if all(record.page <= answer.page for record in view.page_records(listing.account_id, listing.visibility)):
        return False
    unseen = view.documents_unverified_since(
        listing.sweep_started_at or answer.sent_at,
        1,
        states={DocumentState.LIVE, DocumentState.STALE, DocumentState.SEALED},
        account_id=listing.account_id,
        visibility=listing.visibility,
    )
    return bool(unseen)


def complete_sweep(
    tx: Transaction, turn: Turn, sent_at: Instant, rules: Rules, requests_per_hour: float, now: Instant
) -> tuple[Listing, Absence]:
    """Hide what a complete sweep did not name, all at once, and plan the next sweep.

    Args:
        tx: the transaction.
        turn: the listing after its last page.
        sent_at: the send time of the last page.
        rules: what may be held, and for how long.
        requests_per_hour: what the budget is believed to allow.
        now: the lease clock.

    Returns:
        The listing, no sweep under way, and what was hidden.
    """
    listing, lease = turn.listing, rules.lease
    started = sent_at if listing.sweep_started_at is None else listing.sweep_started_at
    account = tx.account(listing.account_id)
    if account is None or account.state not in GRANTED_STATES or account.consent_epoch != turn.account.consent_epoch:
        # The member left or authorized anew after the last page: this sweep says nothing any more.
        return replace(listing, sweep_started_at=None, next_page=1), Absence()
    absence = hide_missing(tx, listing, started, sent_at, rules, requests_per_hour, now)
    active = {entry.account_id for entry in tx.accounts({AccountState.ACTIVE})}
    pages = sum(entry.pages for entry in tx.listings() if entry.account_id in active)
    following = replace(
        listing,
        sweep_started_at=None,
        next_page=1,
        completed_at=started,
        # What was passed over may only have failed for a while: it is asked for again before its leases run out.
        next_due_at=started + plan_sweeps(pages, requests_per_hour, lease).period // (2 if absence.unread else 1),
    )
    tx.put_listing(following)
    tx.drop_pages_after(listing.account_id, listing.visibility, listing.next_page - 1)
    return following, absence


def keep_listings(tx: Transaction, account_ids: Collection[int], wanted: Collection[Visibility]) -> None:
    """Keep a row for each listing that is wanted, and forget those of privacy levels that are not mirrored any more."""
    for account in tx.accounts({AccountState.ACTIVE}):
        account_id = account.account_id
        if account_id not in account_ids:
            continue
        present = {listing.visibility for listing in tx.listings(account_id)}
        if present - set(wanted):
            tx.drop_listings(account_id, keep=wanted)
        for visibility in set(wanted) - present:
            tx.put_listing(Listing(account_id, visibility))


def held_of(view: View, answer: ListingPage, rules: Rules, now: Instant, *, every_file: bool) -> Held:
    """What is held of a page's documents; their files only where something about them may change."""
    unchanged: set[int] = set()
    if not every_file:
        permitted = [item for item in answer.documents if bar(rules.view, answer.account_id, item.facts, now) is None]
        too_old = now - rules.lease.erase_age
        unchanged = view.unchanged(answer.account_id, permitted, answer.sent_at, too_old)
    ids = [item.document_id for item in answer.documents if item.document_id not in unchanged]
    if not ids:
        return Held({}, {}, {}, unchanged=unchanged)
    documents = view.documents(ids)
    unknown = [document_id for document_id in ids if document_id not in documents]
    same = {
        item.document_id
        for item in answer.documents
        if item.document_id in documents and documents[item.document_id].facts == item.facts
    }
    compared = set(documents)
    if documents and not every_file:
        compared = documents.keys() - same | view.renditions(list(documents), _UNFINISHED).keys()
    # A document is compared with all of its files or with none: what is not seen would be taken for missing.
    files: dict[int, list[Rendition]] = {document_id: [] for document_id in compared}
    if compared:
        files |= view.renditions(compared)
    return Held(documents, view.tombstones(unknown) if unknown else {}, files, same, unchanged)


def _carry_out(tx: Transaction, plan: PagePlan, sent_at: Instant) -> None:
    tx.renew(plan.renewed, sent_at)
    if plan.returned:
        tx.drop_tombstones(plan.returned)
    if plan.added:
        tx.add_documents(plan.added)
    if plan.updated:
        tx.update_documents(plan.updated)
    if plan.renditions:
        tx.put_renditions(plan.renditions)
    if plan.withdrawn:
        withdraw_suspicions(tx, plan.withdrawn)
    if plan.removals:
        tx.add_removals(plan.removals)
