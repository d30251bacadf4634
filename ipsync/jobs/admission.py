"""Admission: take in whom the budget can look after, and give whole accounts up rather than miss leases (F20).

An account that is not admitted waits: it is not read, nothing of it is served, what was mirrored of it is erased by
the normal purge, and its grant stays. It is taken in again as soon as the budget allows. Nothing is erased here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.admission import Candidate, Capacity, Decision, Refusal, decide
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.entries import EntryKind, EntryListing
from ipsync.policy.forecast import ListedLoad
from ipsync.policy.instants import Instant
from ipsync.policy.listings import Listing
from ipsync.policy.planner import ListingKey
from ipsync.policy.planner.removal_rate import RemovalRate, pooled
from ipsync.policy.removals import Reason
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import Lane, Source, SourceFailure
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_MEASURES_PER_WINDOW = 24
_MEASURED_AT_ONCE = 5

_STATES = (AccountState.ACTIVE, AccountState.WAITING)


@dataclass(slots=True)
class AdmissionReport:
    """What one run decided.

    Attributes:
        refused: accounts that were read until now and wait from now on.
        admitted: accounts that waited and are read from now on.
        documents: how many are to be erased for it.
        shed: of those that were read until now, whose, how many documents, and why.
        taken_in: the accounts that are read from now on.
    """

    refused: int = 0
    admitted: int = 0
    documents: int = 0
    shed: list[tuple[int, int, str]] = field(default_factory=list)
    taken_in: list[int] = field(default_factory=list)


class Admission:
    """The decision who is read, made anew whenever pages or budget have changed."""

    def __init__(
        self, source: Source, catalog: Catalog, clock: Clock, rules: Rules, requests_per_hour: Callable[[], float]
    ) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: the window, the outage to be prepared for, what is mirrored.
            requests_per_hour: what the budget is believed to allow now.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._requests_per_hour = requests_per_hour

    @property
    def capacity(self) -> Capacity:
        """Of the budget as it is believed to be now."""
        return Capacity(self._requests_per_hour(), self._rules.lease, self._rules.outage)

    async def run(self) -> AdmissionReport:
        """Decide, and carry it out. Who waits is measured again now and then: a claim may have been wrong (F16)."""
        await self._measure_waiting()
        capacity, wanted = self.capacity, self._rules.view.visibility
        decision = await self._catalog.read(lambda view: decide(candidates(view, wanted), capacity))
        if not decision.refused and not decision.admitted:
            return AdmissionReport()
        report = await self._catalog.write(lambda tx: self._carry_out(tx, decision))
        allowed = round(capacity.requests_per_hour, 3)
        for account_id, documents, why in report.shed:
            _log.warning(
                Event.ACCOUNT_SHED,
                f"The account is not read any more, and all that is held of it is erased: {why}.",
                account_id=account_id,
                documents=documents,
                requests_per_hour=allowed,
            )
        for account_id in report.taken_in:
            _log.info(
                Event.ACCOUNT_ADMITTED,
                "The budget carries the account now: it is read.",
                account_id=account_id,
                requests_per_hour=allowed,
            )
        return report

    async def _measure_waiting(self) -> None:
        now, pause = self._clock.now(), self._rules.lease.window // _MEASURES_PER_WINDOW
        waiting = await self._catalog.read(lambda view: view.accounts({AccountState.WAITING}))
        for account in [one for one in waiting if one.retry_at <= now][:_MEASURED_AT_ONCE]:
            if account.retry_at:
                await self.measure(account.account_id, Lane.DISCOVERY)
            await self._catalog.write(partial(_put_off, account_id=account.account_id, until=now + pause))

    async def measure(self, account_id: int, lane: Lane = Lane.INTERACTIVE) -> None:
        """Learn how many pages an account has, one request for each listing, before anything of it is mirrored.

        Where ipernity does not say, the next reading will tell.

        Args:
            account_id: whose.
            lane: in which to ask; a person waits for it unless said otherwise.
        """
        grant = await self._catalog.read(lambda view: view.grant(account_id))
        if grant is None:
            return
        view = self._rules.view
        for visibility in sorted(view.visibility):
            try:
                answer = await self._source.list_page(account_id, grant.token, visibility, 1, view.renditions, lane)
            except SourceFailure:
                return
            total, pages = answer.total, answer.pages
            await self._catalog.write(
                lambda tx: _put_size(tx, account_id, visibility, total, pages)  # noqa: B023  # reason: awaited at once
            )
        for kind in sorted(self._rules.kinds):
            try:
                listed = await self._source.list_entries(kind, account_id, grant.token, 1, lane)
            except SourceFailure:
                return
            # Each album and folder is read by itself, at every privacy level that is mirrored; articles once.
            levels = {EntryKind.ALBUM: len(view.visibility), EntryKind.FOLDER: 1}.get(kind, 0)
            listing = EntryListing(account_id, kind, listed.total, listed.pages + levels * listed.total)
            await self._catalog.write(partial(_put_entry_size, listing=listing))

    def _carry_out(self, tx: Transaction, decision: Decision) -> AdmissionReport:
        report = AdmissionReport()
        for account_id, refusal in decision.refused.items():
            account = tx.account(account_id)
            if account is None or account.state not in _STATES:
                continue
            if account.state is AccountState.ACTIVE:
                report.refused += 1
                account = replace(account, state=AccountState.WAITING, retry_at=0)
                # Hidden as a whole, in one change, before each of its documents is doomed.
                tx.put_account(account)
                documents = self._give_up(tx, account)
                report.documents += documents
                report.shed.append((account_id, documents, refusal.words()))
            elif _same_words(account, refusal):
                continue
            tx.put_account(replace(account, failure=refusal.words(), failures=0))
        for account_id in decision.admitted:
            account = tx.account(account_id)
            if account is not None and account.state is AccountState.WAITING:
                report.admitted += 1
                report.taken_in.append(account_id)
                tx.put_account(replace(account, state=AccountState.ACTIVE, failure="", failures=0, retry_at=0))
        return report

    def _give_up(self, tx: Transaction, account: Account) -> int:
        """Hide everything of an account at once, and owe its erasure; its pages stay known."""
        for listing in tx.listings(account.account_id):
            tx.drop_pages_after(listing.account_id, listing.visibility, 0)
            tx.put_listing(Listing(listing.account_id, listing.visibility, listing.total, listing.pages))
        for entries in tx.entry_listings(account.account_id):
            tx.put_entry_listing(EntryListing(entries.account_id, entries.kind, entries.total, entries.requests))
        return tx.doom_account(account.account_id, Reason.POLICY_CHANGE, self._clock.now(), self._rules.lease)


def candidates(view: View, wanted: frozenset[Visibility]) -> list[Candidate]:
    """Everyone who is read, or waits to be.

    Args:
        view: the catalog.
        wanted: the privacy levels that are mirrored.
    """
    figures, read = view.account_figures(), view.pages_read()
    listings: dict[int, list[Listing]] = {}
    others = _entry_listings(view)
    for listing in view.listings():
        if listing.visibility in wanted:
            listings.setdefault(listing.account_id, []).append(listing)
    found = []
    for account in view.accounts(_STATES):
        known = listings.get(account.account_id, [])
        is_settled = any(listing.completed_at is not None for listing in known)
        is_waiting = account.state is AccountState.WAITING
        believed = _pages_believed if is_settled and not is_waiting else _pages_claimed
        # A listing that was never asked for has a page at least.
        pages = sum(believed(listing, read) for listing in known) + len(wanted) - len(known)
        pages += sum(listing.requests for listing in others.get(account.account_id, ()))
        documents = figures[account.account_id].documents if account.account_id in figures else {}
        shown = documents.get(DocumentState.LIVE, 0) + documents.get(DocumentState.STALE, 0)
        found.append(
            Candidate(
                account_id=account.account_id,
                pages=pages,
                is_settled=is_settled,
                is_waiting=is_waiting,
                use=shown / pages,
                since=account.added_at,
            )
        )
    return found


def _pages_claimed(listing: Listing, _read: dict[ListingKey, int]) -> int:
    return listing.pages


def _pages_believed(listing: Listing, read: dict[ListingKey, int]) -> int:
    """Pages that hold leases: nothing that is held is given up for pages that an answer merely claims (F16, I10)."""
    return min(listing.pages, max(1, read.get(ListingKey(listing.account_id, listing.visibility), 1)))


def pages_held(view: View, wanted: frozenset[Visibility]) -> int:
    """Pages that leases of ACTIVE accounts hang on: those that were read, whatever an answer claims to follow (F16).

    Args:
        view: the catalog.
        wanted: the privacy levels that are mirrored.
    """
    active = {account.account_id for account in view.accounts({AccountState.ACTIVE})}
    read = view.pages_read().items()
    pages = sum(number for key, number in read if key.account_id in active and key.visibility in wanted)
    return pages + sum(entry.requests for entry in view.entry_listings() if entry.account_id in active)


def listed_loads(view: View, wanted: frozenset[Visibility]) -> list[ListedLoad]:
    """The listings of everyone who is read or waits, as a forecast needs them.

    Args:
        view: the catalog.
        wanted: the privacy levels that are mirrored.
    """
    known = {(listing.account_id, listing.visibility): listing for listing in view.listings()}
    plans, usual = view.listing_plans(), usual_rate(view)
    others = _entry_listings(view)
    found = []
    for account in view.accounts(_STATES):
        for visibility in sorted(wanted):
            listing = known.get((account.account_id, visibility)) or Listing(account.account_id, visibility)
            plan = plans.get(ListingKey(account.account_id, visibility))
            rate = RemovalRate() if plan is None else plan.removals
            found.append(
                ListedLoad(
                    account_id=account.account_id,
                    documents=listing.total,
                    pages=listing.pages,
                    removals_per_hour=rate.per_hour(listing.total, usual),
                    counted=plan is None or plan.is_counted,
                    learned=rate.is_learned(listing.total, usual),
                )
            )
        found += [
            ListedLoad(account.account_id, 0, entry.requests, usual, counted=False)
            for entry in others.get(account.account_id, ())
        ]
    return found


def _entry_listings(view: View) -> dict[int, list[EntryListing]]:
    """What is known of each account's lists of albums, folders and articles: a sweep of them costs requests too."""
    found: dict[int, list[EntryListing]] = {}
    for listing in view.entry_listings():
        found.setdefault(listing.account_id, []).append(listing)
    return found


def usual_rate(view: View) -> float:
    """A document's hourly chance to go, by what was learned of all listings.

    Args:
        view: the catalog.
    """
    return pooled((plan.removals, plan.total) for plan in view.listing_plans().values())


def _put_off(tx: Transaction, account_id: int, until: Instant) -> None:
    account = tx.account(account_id)
    if account is not None and account.state is AccountState.WAITING:
        tx.put_account(replace(account, retry_at=until))


def _put_size(tx: Transaction, account_id: int, visibility: Visibility, total: int, pages: int) -> None:
    known = {listing.visibility: listing for listing in tx.listings(account_id)}
    listing = known.get(visibility) or Listing(account_id, visibility)
    tx.put_listing(replace(listing, total=total, pages=max(1, pages)))


def _put_entry_size(tx: Transaction, listing: EntryListing) -> None:
    known = {entry.kind: entry for entry in tx.entry_listings(listing.account_id)}.get(listing.kind) or listing
    tx.put_entry_listing(replace(known, total=listing.total, requests=listing.requests))


def _same_words(account: Account, refusal: Refusal) -> bool:
    return account.failure.partition(":")[0] == refusal.words().partition(":")[0]
