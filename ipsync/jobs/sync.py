"""Sync: read the permitted view page by page, take in what is new, hide what is missing (design §3, §4).

It never erases. A page renews only what it names; an answer that is not one whole well-typed page is
no observation. One account's trouble does not hold up another's pages, nor does a long first
reading hold up the renewal of leases.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from ipsync.jobs.absences import tell_absence
from ipsync.jobs.obligations import doubt_account, put_off_account
from ipsync.jobs.page_application import AppliedRead, apply_read
from ipsync.jobs.planned_reading import TICKS_PER_WINDOW, PlannedReading
from ipsync.jobs.rehearsal import rehearse
from ipsync.jobs.restraint import Restraint, next_in_turn
from ipsync.jobs.sweep_application import (
    Turn,
    apply_page,
    complete_sweep,
    hides_more,
    keep_listings,
    read_as_a_whole,
)
from ipsync.jobs.sync_report import OnPage, SyncReport, SyncRun
from ipsync.policy.accounts import Account, AccountState, Grant
from ipsync.policy.instants import Instant
from ipsync.policy.listings import Listing
from ipsync.policy.planner import Purpose, Read, Wait
from ipsync.policy.planning import PAGE_PATIENCE, due_listings, gives_up_last_page, page_to_try
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import PagePlan
from ipsync.ports.catalog import Catalog, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    AccountClosed,
    GrantLost,
    KeyRefused,
    Lane,
    QuotaReached,
    Refused,
    Source,
    SourceFailure,
)
from ipsync.telemetry import Event, Metrics, get_log

_log = get_log(__name__)


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
        self._restraint = Restraint(rules.lease)
        # Listings of which every file was compared under these rules; a reload or restart begins with none.
        self._compared: set[tuple[int, int]] = set()
        # How often the page that follows in a listing could not be read, in a row.
        self._failures: Counter[tuple[int, int]] = Counter()
        self._planned = PlannedReading(rules)
        self._wired_at = clock.now()

    async def run(
        self, account_id: int | None = None, *, force: bool = False, on_page: OnPage | None = None
    ) -> SyncReport:
        """Read every listing that is due, one page of each in turn, until none is due or the budget is spent.

        What becomes due meanwhile joins in: a first reading of many hours must not cost others
        their leases. After 1/24 of the window a run ends where it is; the next one goes on.

        Args:
            account_id: only this account.
            force: every listing once, due or not, to the end.
            on_page: told after each page, for progress.
        """
        run = SyncRun(SyncReport(), on_page)
        began_at = looked_at = self._clock.now()
        if self._restraint.holds(began_at) and not force:
            return run.report
        window, is_planned = self._rules.lease.window, not force and account_id is None
        ends_at = began_at + window // 24
        if is_planned:
            await self._read_by_plan(run, ends_at)
        turns = await self._due(account_id, force)
        while turns:
            turns = await self._round(turns, run)
            now = self._clock.now()
            if force:
                continue
            if now >= ends_at:
                break
            if now - looked_at >= window // TICKS_PER_WINDOW:
                looked_at = now
                under_way = {_key(turn.listing) for turn in turns}
                joining = await self._due(account_id, force=False)
                turns += [turn for turn in joining if _key(turn.listing) not in under_way and run.reads(turn)]
                if is_planned:
                    await self._read_by_plan(run, ends_at)
        return run.report

    async def _read_by_plan(self, run: SyncRun, ends_at: Instant) -> None:
        """Read the pages whose turn it is by the plan: leases, locating, probes."""
        now, rate = self._clock.now(), self._requests_per_hour()
        await self._catalog.read(lambda view: self._planned.refresh(view, rate, now))
        while not run.is_over and (now := self._clock.now()) < ends_at:
            step = self._planned.next_read(now)
            if isinstance(step, Wait):
                return
            if not await self._read_one(*step, run):
                self._planned.failed(step[0], self._clock.now())

    async def _read_one(self, read: Read, account: Account, run: SyncRun) -> bool:
        """Read one page and apply it. Returns whether it counted."""
        grant = await self._catalog.read(lambda view: view.grant(account.account_id))
        if grant is None:
            return False
        try:
            answer = await self._source.list_page(
                account.account_id,
                grant.token,
                read.key.visibility,
                read.page,
                self._rules.view.renditions,
                Lane(read.lane),
            )
        except SourceFailure as failure:
            # A probe is worth no more than a first reading: where the budget leaves none, the others go on.
            known = None if read.purpose is Purpose.PROBE else read.deadline
            turn = Turn(account, grant, Listing(*read.key, completed_at=known))
            await self._take_note(turn, failure, run)
            if self._failures[_key(turn.listing)] >= PAGE_PATIENCE:
                # A page that may never be read must not keep the others waiting: a sweep passes it over.
                await self._catalog.write(lambda tx: read_as_a_whole(tx, turn.listing, self._clock.now()))
            return False
        self._restraint.answered()
        self._failures.pop((read.key.account_id, int(read.key.visibility)), None)
        now, rate = self._clock.now(), self._requests_per_hour()
        every_file = (read.key.account_id, int(read.key.visibility)) not in self._compared
        try:
            applied = await self._catalog.write(
                lambda tx: apply_read(
                    tx, account, read, answer, self._planned.planner, self._rules, rate, now, every_file=every_file
                )
            )
        except BaseException:
            self._planned.forget()
            raise
        if applied is not None:
            self._take_in(applied, len(answer.documents), run)
        return applied is not None

    def _take_in(self, applied: AppliedRead, named: int, run: SyncRun) -> None:
        """Count and tell what a page did, now that it is committed."""
        listing = applied.listing
        self._planned.applied(listing)
        run.report.count(applied.plan, named)
        run.report.missing += applied.absence.missing
        self._tell(listing, applied.plan)
        tell_absence(listing, applied.absence)
        if applied.learned.completed:
            run.report.sweeps += 1
            if (listing.completed_at or 0) > self._wired_at:
                self._compared.add(_key(listing))
            _tell_whole(listing)
        if run.on_page is not None:
            run.on_page(listing, run.report)

    async def dry_run(self, account_id: int | None = None) -> dict[int, SyncReport]:
        """Read every listing of the accounts and say what a sync would do, changing nothing.

        Args:
            account_id: only this account.

        Raises:
            SourceFailure: ipernity did not answer.
        """
        reports: dict[int, SyncReport] = {}
        for turn in await self._catalog.read(lambda view: self._turns(view, account_id, None)):
            report = reports.setdefault(turn.account.account_id, SyncReport())
            plans, unseen = await rehearse(self._source, self._catalog, self._clock, self._rules, turn)
            for plan, named in plans:
                report.count(plan, named)
            report.missing += unseen
        return reports

    async def _due(self, account_id: int | None, force: bool) -> list[Turn]:
        """The listings whose turn it is, each with a row of its own in the catalog from now on."""
        now = self._clock.now()
        due_at = None if force else now
        turns = await self._catalog.read(lambda view: self._turns(view, account_id, due_at))
        accounts = {turn.account.account_id for turn in turns}
        if accounts:
            wanted = self._rules.view.visibility
            await self._catalog.write(partial(keep_listings, account_ids=accounts, wanted=wanted))
        return [replace(turn, listing=self._fresh(turn.listing, now)) for turn in turns]

    def _turns(self, view: View, account_id: int | None, due_at: Instant | None) -> list[Turn]:
        """What can be read: of one account or of all, due at an instant or whether due or not."""
        wanted = sorted(self._rules.view.visibility)
        kept = {_key(listing): listing for listing in view.listings(account_id)}
        members: dict[int, tuple[Account, Grant]] = {}
        found: list[Listing] = []
        for account in view.accounts({AccountState.ACTIVE}):
            if account_id not in (None, account.account_id) or (due_at is not None and account.retry_at > due_at):
                continue
            listings = [Listing(account.account_id, visibility) for visibility in wanted]
            listings = [kept.get(_key(listing), listing) for listing in listings]
            if due_at is not None:
                listings = due_listings(listings, due_at)
            grant = view.grant(account.account_id) if listings else None
            if grant is not None:
                members[account.account_id] = account, grant
                found += listings
        ordered = found if due_at is None else due_listings(found, due_at)
        return [Turn(*members[listing.account_id], listing) for listing in ordered]

    def _fresh(self, listing: Listing, now: Instant) -> Listing:
        """Begin a sweep anew that was interrupted so long ago that nothing it named is served any more.

        Until then it goes on where it was: the pages it did not reach hold the oldest leases.
        """
        started = listing.sweep_started_at
        if started is not None and now - started >= self._rules.lease.serve_age:
            return replace(listing, sweep_started_at=None, next_page=1)
        return listing

    async def _round(self, turns: Collection[Turn], run: SyncRun) -> list[Turn]:
        """Read one page of each listing, those with leases to renew first. Returns those that go on.

        Accounts that failed before come last: what always fails must not use up the patience the others need.
        """
        following: list[Turn] = []
        failed, waiting = False, sorted(turns, key=lambda entry: (entry.account.failures > 0, entry.is_first))
        while waiting:
            turn = next_in_turn(waiting, after_failure=failed)
            failed = False
            if not run.reads(turn):
                continue
            try:
                after = await self._read_page(turn, run.report)
            except SourceFailure as failure:
                failed = True
                await self._take_note(turn, failure, run)
                continue
            self._restraint.answered()
            if after is None:
                continue
            if run.on_page is not None:
                run.on_page(after.listing, run.report)
            if after.listing.sweep_started_at is not None:
                following.append(after)
        return [turn for turn in following if run.reads(turn)]

    async def _take_note(self, turn: Turn, failure: SourceFailure, run: SyncRun) -> None:
        """Do what a failure asks: hide the account, put it off, or stop."""
        account, now, lease = turn.account, self._clock.now(), self._rules.lease
        if isinstance(failure, QuotaReached) and turn.is_first:
            # What is left of the budget is for leases: new listings wait, the others go on.
            run.without_discovery = True
            run.report.stopped = str(failure)
            return
        run.report.failures[account.account_id] = failure.reason
        if isinstance(failure, (GrantLost, AccountClosed, Refused)):
            if await self._catalog.write(lambda tx: doubt_account(tx, account, failure, now, lease)):
                _log.warning(
                    Event.ACCOUNT_DOUBTED,
                    "An account was hidden: ipernity does not let us read it.",
                    account_id=account.account_id,
                    reason=failure.reason,
                )
        elif not isinstance(failure, (QuotaReached, KeyRefused)):
            await self._catalog.write(lambda tx: put_off_account(tx, account.account_id, failure.reason, now, lease))
            _log.warning(
                Event.SYNC_PAGE_FAILED,
                "A listing could not be read; it is tried again later.",
                account_id=account.account_id,
                method=failure.method,
                reason=failure.reason,
                code=failure.code,
            )
            self._failures[_key(turn.listing)] += 1
            if gives_up_last_page(turn.listing, self._failures[_key(turn.listing)]):
                del self._failures[_key(turn.listing)]
                passed = replace(turn.listing, next_page=turn.listing.next_page + 1)
                await self._complete(replace(turn, listing=passed), now, run.report)
        if not self._restraint.failed(failure, now):
            run.is_over = True
            run.report.stopped = str(failure)
            _log.warning(Event.SYNC_STOPPED, "Reading has stopped.", reason=failure.reason, code=failure.code)

    async def _read_page(self, turn: Turn, report: SyncReport) -> Turn | None:
        """Read the next page of a listing and apply it.

        Returns:
            The listing after it, or None where it counted for nothing any more.
        """
        listing = turn.listing
        answer = await self._source.list_page(
            listing.account_id,
            turn.grant.token,
            listing.visibility,
            page_to_try(listing, self._failures[_key(listing)]),
            self._rules.view.renditions,
            Lane.DISCOVERY if turn.is_first else Lane.VERIFICATION,
        )
        now = self._clock.now()
        self._failures.pop(_key(listing), None)
        every_file = _key(listing) not in self._compared
        applied = await self._catalog.write(
            lambda tx: apply_page(tx, turn, answer, self._rules, now, every_file=every_file)
        )
        if applied is None:
            return None
        report.count(applied.plan, len(answer.documents))
        self._tell(listing, applied.plan)
        if not applied.is_last or await self._catalog.read(lambda view: hides_more(view, applied.turn, answer)):
            return applied.turn
        return await self._complete(applied.turn, answer.sent_at, report)

    async def _complete(self, turn: Turn, sent_at: Instant, report: SyncReport) -> Turn:
        now, rate = self._clock.now(), self._requests_per_hour()
        listing, absence = await self._catalog.write(
            lambda tx: complete_sweep(tx, turn, sent_at, self._rules, rate, now)
        )
        report.sweeps += 1
        report.missing += absence.missing
        if turn.whole and not absence.unread:
            self._compared.add(_key(listing))
        tell_absence(listing, absence)
        if not absence.unread:
            _tell_whole(listing)
        return replace(turn, listing=listing)

    def _tell(self, listing: Listing, plan: PagePlan) -> None:
        """Count a page that was read, and say so where it named what it should not."""
        self._metrics.count_sweep_page()
        if plan.foreign:
            _log.warning(
                Event.SYNC_REJECTED,
                "A listing named documents that belong to another account.",
                account_id=listing.account_id,
                documents=len(plan.foreign),
            )


def _tell_whole(listing: Listing) -> None:
    _log.info(
        Event.SYNC_SWEEP_DONE,
        "All pages of a listing were read.",
        account_id=listing.account_id,
        visibility=listing.visibility.word,
        pages=listing.pages,
        total=listing.total,
    )


def _key(listing: Listing) -> tuple[int, int]:
    return listing.account_id, int(listing.visibility)
