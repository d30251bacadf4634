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
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, MOST_PAGES, NOT_AS_A_WHOLE, Listing, PageRecord
from ipsync.policy.permission import bar
from ipsync.policy.planner import ListingKey, ListingKnowledge, PageRead
from ipsync.policy.planner.census import counted, with_cuts
from ipsync.policy.planner.removal_rate import RemovalRate
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
    plan = apply_listed(tx, account, answer, rules, now, every_file=every_file)
    tx.record_page(
        PageRecord(
            account.account_id, answer.visibility, answer.page, answer.sent_at, answer.total, len(answer.documents)
        )
    )
    tx.put_page_plans(ListingKey(account.account_id, answer.visibility), [counted(page_read(answer))])
    started = turn.listing.sweep_started_at
    listing = replace(
        turn.listing,
        total=answer.total,
        pages=min(MOST_PAGES, max(1, answer.pages)),
        sweep_started_at=answer.sent_at if started is None else started,
        next_page=answer.page + 1,
    )
    tx.put_listing(listing)
    answering = replace(account, failure="", failures=0, retry_at=0)
    whole = turn.whole or (started is None and answer.page == 1)
    following = replace(turn, account=answering, listing=listing, whole=whole)
    return Applied(following, plan, is_last=ends_listing(answer))


def apply_listed(
    tx: Transaction, account: Account, answer: ListingPage, rules: Rules, now: Instant, *, every_file: bool
) -> PagePlan:
    """Carry out what the documents that a page names mean, and note that the account answers.

    Args:
        tx: the transaction.
        account: as it is now.
        answer: the page.
        rules: what may be held.
        now: the lease clock.
        every_file: compare the files of every document, not only where something changed.
    """
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
    if account.failures:
        tx.put_account(replace(account, failure="", failures=0, retry_at=0))
    return plan


def page_read(answer: ListingPage) -> PageRead:
    """The answer as planning sees it."""
    posted = [document.facts.posted_at for document in answer.documents]
    return PageRead(answer.page, answer.sent_at, answer.total, posted)


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
    listing = turn.listing
    started = sent_at if listing.sweep_started_at is None else listing.sweep_started_at
    account = tx.account(listing.account_id)
    if account is None or account.state not in GRANTED_STATES or account.consent_epoch != turn.account.consent_epoch:
        # The member left or authorized anew after the last page: this sweep says nothing any more.
        return replace(listing, sweep_started_at=None, next_page=1), Absence()
    absence = hide_missing(tx, listing, started, sent_at, rules, requests_per_hour, now)
    # What was passed over may only have failed for a while: it is asked for again before its leases run out.
    due_at = started + rules.lease.recheck_age // 2 if absence.unread else NOT_AS_A_WHOLE
    following = replace(listing, sweep_started_at=None, next_page=1, completed_at=started, next_due_at=due_at)
    tx.put_listing(following)
    tx.drop_pages_after(listing.account_id, listing.visibility, listing.next_page - 1)
    _keep_plan(tx, following, listing.next_page - 1)
    return following, absence


def _keep_plan(tx: Transaction, listing: Listing, pages: int) -> None:
    """From here on the planner reads the listing page by page: leave it what the sweep has seen."""
    key = ListingKey(listing.account_id, listing.visibility)
    tx.drop_page_plans_after(key, pages)
    known = tx.listing_plan(key)
    read = with_cuts(tx.page_plans(key))
    tx.put_page_plans(key, read)
    tx.put_listing_plan(
        ListingKnowledge(
            key,
            total=listing.total,
            expected=listing.total,
            pages=pages,
            swept=True,
            removals=RemovalRate() if known is None else known.removals,
            completed_at=listing.completed_at,
        )
    )


def read_as_a_whole(tx: Transaction, listing: Listing, now: Instant) -> None:
    """Let all pages of a listing be read at once, next, instead of one by one.

    Args:
        tx: the transaction.
        listing: which.
        now: the lease clock.
    """
    for known in tx.listings(listing.account_id):
        if known.visibility is listing.visibility:
            tx.put_listing(replace(known, sweep_started_at=None, next_page=1, next_due_at=now))


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
