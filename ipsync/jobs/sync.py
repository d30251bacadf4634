"""Sync: read the permitted view page by page, take in what is new, hide what is missing (design §3, §4).

It never erases. A page renews only what it names; an answer that is not one whole well-typed page is
no observation. One account's trouble does not hold up another's pages.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial

from ipsync.jobs.obligations import doubt_account, note_failure, withdraw_suspicions
from ipsync.policy.accounts import Account, AccountState, Grant
from ipsync.policy.documents import DocumentState, Rendition, RenditionState, Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.listings import Listing, PageRecord
from ipsync.policy.planning import MOST_PAGES, due_listings, next_try, plan_sweeps
from ipsync.policy.removals import Reason
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import Held, PagePlan, plan_page, suspect
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    AccountClosed,
    GrantLost,
    KeyRefused,
    Lane,
    ListingPage,
    QuotaReached,
    Source,
    SourceFailure,
)
from ipsync.telemetry import Event, Metrics, get_log

_log = get_log(__name__)

_UNFINISHED = (RenditionState.WANTED, RenditionState.FAILED)
_MISSING_BATCH = 500


@dataclass(slots=True)
class SyncReport:
    """What one run did.

    Attributes:
        failures: our words for what went wrong, by account.
        stopped: why the run ended before everything due was read, or "".
    """

    pages: int = 0
    named: int = 0
    added: int = 0
    changed: int = 0
    renewed: int = 0
    missing: int = 0
    sweeps: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    stopped: str = ""

    def count(self, plan: PagePlan, named: int) -> None:
        """Add what one page brought."""
        self.pages += 1
        self.named += named
        self.added += len(plan.added)
        self.changed += len(plan.updated)
        self.renewed += len(plan.renewed)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A listing being swept in this run, with what is needed to read its next page."""

    account: Account
    grant: Grant
    listing: Listing


class Sync:
    """The sweep of every account's permitted view."""

    def __init__(
        self,
        source: Source,
        catalog: Catalog,
        clock: Clock,
        rules: Rules,
        metrics: Metrics,
        requests_per_hour: Callable[[], float],
    ) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: what may be held, and for how long.
            metrics: what is counted.
            requests_per_hour: what the budget is believed to allow now.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._metrics = metrics
        self._requests_per_hour = requests_per_hour

    async def run(
        self,
        account_id: int | None = None,
        *,
        force: bool = False,
        on_page: Callable[[Listing, SyncReport], None] | None = None,
    ) -> SyncReport:
        """Read every listing that is due, one page of each in turn, until none is due or the budget is spent.

        Args:
            account_id: only this account.
            force: whether it is due or not.
            on_page: told after each page, for progress.
        """
        report = SyncReport()
        turns = await self._due(account_id, force)
        while turns:
            following: list[_Turn] = []
            for turn in turns:
                listing = await self._read_one(turn, report)
                if report.stopped:
                    return report
                if listing is not None:
                    if on_page is not None:
                        on_page(listing, report)
                    if listing.sweep_started_at is not None:
                        following.append(replace(turn, listing=listing))
            turns = following
        return report

    async def _due(self, account_id: int | None, force: bool) -> list[_Turn]:
        now = self._clock.now()
        wanted = sorted(self._rules.view.visibility)

        def prepare(tx: Transaction) -> list[_Turn]:
            turns: dict[tuple[int, Visibility], _Turn] = {}
            for account in tx.accounts({AccountState.ACTIVE}):
                if account_id not in (None, account.account_id) or (account.retry_at > now and not force):
                    continue
                grant = tx.grant(account.account_id)
                if grant is None:
                    continue
                for listing in _listings(tx, account.account_id, wanted):
                    turns[account.account_id, listing.visibility] = _Turn(account, grant, self._fresh(listing, now))
            listings = [turn.listing for turn in turns.values()]
            chosen = listings if force else due_listings(listings, now)
            return [turns[listing.account_id, listing.visibility] for listing in chosen]

        return await self._catalog.write(prepare)

    def _fresh(self, listing: Listing, now: Instant) -> Listing:
        """Begin a sweep anew that was interrupted so long ago that its first pages prove little."""
        started = listing.sweep_started_at
        if started is not None and now - started >= self._rules.lease.recheck_age:
            return replace(listing, sweep_started_at=None, next_page=1)
        return listing

    async def _read_one(self, turn: _Turn, report: SyncReport) -> Listing | None:
        account_id = turn.account.account_id
        try:
            return await self._read_page(turn, report)
        except (GrantLost, AccountClosed) as failure:
            now = self._clock.now()
            hidden = await self._catalog.write(partial(doubt_account, account_id=account_id, failure=failure, now=now))
            if hidden:
                _log.warning(
                    Event.ACCOUNT_DOUBTED, "An account was hidden: its grant seems lost.", account_id=account_id
                )
            report.failures[account_id] = failure.reason
        except (QuotaReached, KeyRefused) as failure:
            report.stopped = str(failure)
            report.failures[account_id] = failure.reason
            _log.warning(Event.SYNC_STOPPED, "Reading has stopped.", reason=failure.reason, code=failure.code)
        except SourceFailure as failure:
            await self._put_off(turn.account, failure)
            report.failures[account_id] = failure.reason
        return None

    async def _put_off(self, account: Account, failure: SourceFailure) -> None:
        lease = self._rules.lease
        shortest, longest = lease.window // 2880, lease.window // 48
        retry_at = next_try(self._clock.now(), account.failures + 1, shortest, longest)
        await self._catalog.write(lambda tx: note_failure(tx, account.account_id, failure.reason, retry_at))
        _log.warning(
            Event.SYNC_PAGE_FAILED,
            "A listing could not be read; it is tried again later.",
            account_id=account.account_id,
            method=failure.method,
            reason=failure.reason,
            code=failure.code,
        )

    async def _read_page(self, turn: _Turn, report: SyncReport) -> Listing | None:
        listing = turn.listing
        answer = await self._source.list_page(
            listing.account_id,
            turn.grant.token,
            listing.visibility,
            listing.next_page,
            self._rules.view.renditions,
            Lane.DISCOVERY if listing.completed_at is None else Lane.VERIFICATION,
        )
        now = self._clock.now()
        applied = await self._catalog.write(lambda tx: self._apply(tx, turn, answer, now))
        if applied is None:
            return None
        following, plan = applied
        report.count(plan, len(answer.documents))
        self._metrics.count_sweep_page()
        if plan.foreign:
            _log.warning(
                Event.SYNC_REJECTED,
                "A listing named documents that belong to another account.",
                count=len(plan.foreign),
            )
        if following.sweep_started_at is not None and _is_last(answer):
            following = await self._complete(following, answer.sent_at, report)
        return following

    def _apply(
        self, tx: Transaction, turn: _Turn, answer: ListingPage, now: Instant
    ) -> tuple[Listing, PagePlan] | None:
        account = tx.account(turn.account.account_id)
        if account is None or account.state is not AccountState.ACTIVE:
            return None  # it was removed, paused or doubted while the page was under way
        if account.consent_epoch != turn.account.consent_epoch:
            return None
        view, lease = self._rules.view, self._rules.lease
        held = _held(tx, answer, every_file=_files_changed(tx, turn.listing, view.renditions))
        plan = plan_page(account.account_id, answer.sent_at, answer.documents, held, view, lease, now)
        carry_out(tx, plan, answer.sent_at)
        tx.record_page(
            PageRecord(
                account.account_id, answer.visibility, answer.page, answer.sent_at, answer.total, len(answer.documents)
            )
        )
        listing = replace(
            turn.listing,
            total=answer.total,
            pages=max(1, answer.pages),
            sweep_started_at=turn.listing.sweep_started_at or answer.sent_at,
            next_page=answer.page + 1,
        )
        tx.put_listing(listing)
        if account.failures:
            tx.put_account(replace(account, failure="", failures=0, retry_at=0))
        return listing, plan

    async def _complete(self, listing: Listing, sent_at: Instant, report: SyncReport) -> Listing:
        """Hide what a complete sweep did not name, then plan the next sweep."""
        started = listing.sweep_started_at or sent_at
        missing = 0
        while batch := await self._catalog.write(lambda tx: self._hide_missing(tx, listing, started, sent_at)):
            missing += batch
        report.missing += missing
        report.sweeps += 1
        following = await self._catalog.write(lambda tx: self._finish(tx, listing, started))
        _log.info(
            Event.SYNC_SWEEP_DONE,
            "A sweep of a listing is complete.",
            account_id=listing.account_id,
            visibility=listing.visibility.word,
            pages=listing.pages,
            total=listing.total,
            missing=missing,
        )
        return following

    def _hide_missing(self, tx: Transaction, listing: Listing, started: Instant, sent_at: Instant) -> int:
        now, lease = self._clock.now(), self._rules.lease
        certificate = f"pages={listing.pages} total={listing.total}"
        unseen = tx.documents_unverified_since(
            started,
            _MISSING_BATCH,
            states={DocumentState.LIVE, DocumentState.STALE},
            account_id=listing.account_id,
            visibility=listing.visibility,
        )
        pairs = [suspect(document, Reason.UNSHARED, sent_at, now, lease, certificate) for document in unseen]
        tx.update_documents([hidden for hidden, _ in pairs])
        tx.add_removals([removal for _, removal in pairs])
        return len(pairs)

    def _finish(self, tx: Transaction, listing: Listing, started: Instant) -> Listing:
        pages = sum(entry.pages for entry in tx.listings())
        plan = plan_sweeps(pages, self._requests_per_hour(), self._rules.lease)
        following = replace(
            listing, sweep_started_at=None, next_page=1, completed_at=started, next_due_at=started + plan.period
        )
        tx.put_listing(following)
        tx.drop_pages_after(listing.account_id, listing.visibility, listing.pages)
        tx.set_note(_files_note(listing), " ".join(self._rules.view.renditions))
        return following

    async def dry_run(self, account_id: int | None = None) -> dict[int, SyncReport]:
        """Read every listing of the accounts and say what a sync would do, changing nothing.

        Args:
            account_id: only this account.

        Raises:
            SourceFailure: ipernity did not answer.
        """
        reports: dict[int, SyncReport] = {}
        for turn in await self._due(account_id, force=True):
            report = reports.setdefault(turn.account.account_id, SyncReport())
            report.missing += await self._rehearse(turn, report)
        return reports

    async def _rehearse(self, turn: _Turn, report: SyncReport) -> int:
        listing, seen = turn.listing, set[int]()
        page, pages = 1, 1
        while page <= pages:
            answer = await self._source.list_page(
                listing.account_id,
                turn.grant.token,
                listing.visibility,
                page,
                self._rules.view.renditions,
                Lane.INTERACTIVE,
            )
            held = await self._catalog.read(partial(_held, answer=answer, every_file=True))
            now = self._clock.now()
            plan = plan_page(
                listing.account_id, answer.sent_at, answer.documents, held, self._rules.view, self._rules.lease, now
            )
            report.count(plan, len(answer.documents))
            seen |= {item.document_id for item in answer.documents}
            pages = min(answer.pages, MOST_PAGES) if answer.documents else page
            page += 1
        return await self._catalog.read(lambda view: _count_unseen(view, listing, seen))


def carry_out(tx: Transaction, plan: PagePlan, sent_at: Instant) -> None:
    """Write what a page's plan says; the one place that does."""
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


def _listings(tx: Transaction, account_id: int, wanted: Collection[Visibility]) -> list[Listing]:
    present = {listing.visibility: listing for listing in tx.listings(account_id)}
    if any(visibility not in wanted for visibility in present):
        tx.drop_listings(account_id, keep=wanted)
    for visibility in wanted:
        if visibility not in present:
            present[visibility] = Listing(account_id, visibility)
            tx.put_listing(present[visibility])
    return [present[visibility] for visibility in wanted]


def _held(view: View, answer: ListingPage, *, every_file: bool) -> Held:
    """What is held of a page's documents; their files only where something about them may change."""
    ids = [item.document_id for item in answer.documents]
    documents = view.documents(ids)
    unknown = [document_id for document_id in ids if document_id not in documents]
    files: dict[int, list[Rendition]] = {}
    if every_file:
        files = {document_id: [] for document_id in documents} | view.renditions(list(documents))
    elif documents:
        files = view.renditions(list(documents), _UNFINISHED)
        changed = [
            item.document_id
            for item in answer.documents
            if item.document_id in documents and documents[item.document_id].facts != item.facts
        ]
        if changed:
            files |= {document_id: [] for document_id in changed} | view.renditions(changed)
    return Held(documents, view.tombstones(unknown) if unknown else {}, files)


def _files_note(listing: Listing) -> str:
    return f"renditions of {listing.account_id}/{int(listing.visibility)}"


def _files_changed(tx: Transaction, listing: Listing, renditions: Collection[str]) -> bool:
    """Whether the configuration wants other renditions than at the last complete sweep."""
    return listing.completed_at is not None and tx.note(_files_note(listing)) != " ".join(renditions)


def _is_last(answer: ListingPage) -> bool:
    return answer.page >= answer.pages or not answer.documents or answer.page >= MOST_PAGES


def _count_unseen(view: View, listing: Listing, seen: set[int]) -> int:
    count, cursor = 0, 0
    while batch := view.documents_after(
        cursor, 500, account_id=listing.account_id, states={DocumentState.LIVE, DocumentState.STALE}
    ):
        cursor = batch[-1].document_id
        count += sum(
            document.facts.visibility is listing.visibility and document.document_id not in seen for document in batch
        )
    return count
