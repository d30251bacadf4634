"""Entries: read albums, folders, articles, profiles that are mirrored, and hide what is missing (design §3, T10, T13).

One sweep of each list and account within the window, in the lanes of documents. It never erases: what is missing is
hidden, confirmed by `jobs.confirm`, and erased by the purge. An answer that is not one whole well-typed page is no
observation; one entry or list that always fails holds up no other.
"""

from dataclasses import dataclass, field, replace
from functools import partial

from ipsync.jobs.entry_application import (
    EntryTurn,
    apply_entry_page,
    complete_entries,
    entry_turns,
    hide_kind,
    keep_entry,
    suspect_entry,
)
from ipsync.jobs.obligations import doubt_account
from ipsync.jobs.restraint import Restraint
from ipsync.policy.documents import Visibility
from ipsync.policy.entries import MOST_ENTRY_PAGES, Content, EntryKind, EntryListing, ListedEntry
from ipsync.policy.instants import Instant
from ipsync.policy.planning import next_try
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    AccountClosed,
    EntryPage,
    Gone,
    GrantLost,
    KeyRefused,
    Lane,
    QuotaReached,
    Refused,
    Source,
    SourceFailure,
)
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_MOST_MEMBER_PAGES = 100
_Key = tuple[int, EntryKind]


@dataclass(slots=True)
class EntriesReport:
    """What one run did.

    Attributes:
        sweeps: lists that were read to their end.
        verified: entries that were renewed or taken in.
        missing: entries that were hidden: absent, or named outside the permitted view.
        unread: entries that were named and could not be read; their leases go on ageing.
        failures: by account, our words for why reading failed.
        stopped: why the run ended before its time, or "".
    """

    sweeps: int = 0
    verified: int = 0
    missing: int = 0
    unread: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    stopped: str = ""

    def is_over(self) -> bool:
        """Whether the run has ended before its time."""
        return bool(self.stopped)


class Entries:
    """The sweep of every account's albums, folders, articles and profile."""

    def __init__(self, source: Source, catalog: Catalog, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: what may be held, and for how long.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._restraint = Restraint(rules.lease)
        # Lists that failed: how often in a row, and when they are tried again. A restart may ask once more.
        self._put_off_until: dict[_Key, tuple[int, Instant]] = {}
        # Lists in whose sweep something could not be read.
        self._unread: set[_Key] = set()

    async def run(self, account_id: int | None = None, *, force: bool = False) -> EntriesReport:
        """Read every list that is due, one page of each in turn, until none is due or the budget is spent.

        After 1/24 of the window a run ends where it is; the next one goes on.

        Args:
            account_id: only this account.
            force: every list once, due or not.
        """
        report = EntriesReport()
        began_at = self._clock.now()
        if not self._rules.kinds or (self._restraint.holds(began_at) and not force):
            return report
        turns = await self._catalog.write(lambda tx: entry_turns(tx, self._rules, began_at, account_id, force=force))
        if not force:
            turns = [turn for turn in turns if not self._waits(turn.listing, began_at)]
        while (
            turns and not report.is_over() and (force or self._clock.now() - began_at < self._rules.lease.window // 24)
        ):
            following: list[EntryTurn] = []
            for turn in turns:
                if report.is_over():
                    break
                try:
                    after = await self._step(turn, report)
                except SourceFailure as failure:
                    await self._take_note(turn, failure, report)
                else:
                    if after is not None:
                        following.append(after)
            turns = following
        return report

    def _waits(self, listing: EntryListing, now: Instant) -> bool:
        return now < self._put_off_until.get((listing.account_id, listing.kind), (0, now))[1]

    async def _step(self, turn: EntryTurn, report: EntriesReport) -> EntryTurn | None:
        """Read the next page of a list and what it names. Returns the list where more of it follows."""
        listing = turn.listing
        answer = await self._source.list_entries(
            listing.kind, listing.account_id, turn.grant.token, listing.next_page, _lane(turn.is_first)
        )
        self._restraint.answered()
        self._put_off_until.pop((listing.account_id, listing.kind), None)
        now = self._clock.now()
        applied = await self._catalog.write(lambda tx: apply_entry_page(tx, turn, answer, self._rules, now))
        if applied is None:
            return None
        report.verified += applied.renewed
        report.missing += applied.hidden
        turn = applied.turn
        for listed in applied.wanting:
            turn = await self._read_one(turn, listed, answer, report, is_known=listed.entry_id in applied.known)
            if report.is_over():
                # Its sweep is under way: the next run reads this page again, and what is left of it.
                await self._catalog.write(lambda tx: tx.put_entry_listing(turn.listing))  # noqa: B023  # reason: awaited at once
                return None
        if answer.page < answer.pages and answer.entries and answer.page < MOST_ENTRY_PAGES:
            turn = replace(turn, listing=replace(turn.listing, next_page=answer.page + 1))
            await self._catalog.write(lambda tx: tx.put_entry_listing(turn.listing))
            return turn
        await self._complete(turn, answer, report)
        return None

    async def _read_one(
        self, turn: EntryTurn, listed: ListedEntry, answer: EntryPage, report: EntriesReport, *, is_known: bool
    ) -> EntryTurn:
        """Read what one entry holds, and keep it. What cannot be read ages like any other."""
        listing, entry_id = turn.listing, listed.entry_id
        try:
            content, requests = await self._content(turn, listed, _lane(not is_known))
        except Gone:
            requests, now = 1, self._clock.now()
            report.missing += await self._catalog.write(
                lambda tx: suspect_entry(tx, turn, entry_id, answer.sent_at, self._rules, now)
            )
        except (GrantLost, AccountClosed, Refused, KeyRefused):
            raise
        except SourceFailure as failure:
            requests = 1
            report.unread += 1
            self._unread.add((listing.account_id, listing.kind))
            is_over = not self._restraint.failed(failure, self._clock.now())
            # A spent budget for what is new leaves what is left of it to leases.
            if is_over and not (isinstance(failure, QuotaReached) and not is_known):
                self._stop(failure, report)
        else:
            self._restraint.answered()
            now = self._clock.now()
            report.verified += await self._catalog.write(
                lambda tx: keep_entry(tx, turn, listed, content, answer.sent_at, self._rules, now)
            )
        return replace(turn, listing=replace(listing, counted=listing.counted + requests))

    async def _content(self, turn: EntryTurn, listed: ListedEntry, lane: Lane) -> tuple[Content, int]:
        """What an entry holds, and how many requests it took to learn that."""
        if listed.content is not None:
            return listed.content, 0
        entry_id = listed.entry_id
        kind, account_id, token = turn.listing.kind, turn.listing.account_id, turn.grant.token
        if kind is EntryKind.ARTICLE:
            return (await self._source.entry(kind, account_id, token, entry_id, lane)).content, 1
        # Only what is mirrored is asked for: of other documents not even the number is kept.
        levels = sorted(self._rules.view.visibility) if kind is EntryKind.ALBUM else [Visibility.PUBLIC]
        members: dict[int, None] = {}
        requests = 0
        for level in levels:
            page = pages = 1
            while page <= min(pages, _MOST_MEMBER_PAGES):
                found = await self._source.entry_members(kind, account_id, token, entry_id, level, page, lane)
                requests += 1
                members |= dict.fromkeys(found.members)
                pages = found.pages if found.members else page
                page += 1
        return Content(members=tuple(members)), requests

    async def _complete(self, turn: EntryTurn, answer: EntryPage, report: EntriesReport) -> None:
        listing, now = turn.listing, self._clock.now()
        unread = (listing.account_id, listing.kind) in self._unread
        self._unread.discard((listing.account_id, listing.kind))
        following, hidden = await self._catalog.write(
            lambda tx: complete_entries(tx, turn, answer.sent_at, self._rules, now, unread=unread)
        )
        report.sweeps += 1
        report.missing += hidden
        if hidden:
            _log.warning(
                Event.SYNC_SUSPECTED,
                "Albums, folders or articles are missing from their list; they were hidden.",
                account_id=listing.account_id,
                kind=listing.kind.value,
                entries=hidden,
            )
        _log.info(
            Event.SYNC_SWEEP_DONE,
            "All pages of a list of albums, folders or articles were read.",
            account_id=listing.account_id,
            kind=listing.kind.value,
            total=following.total,
            requests=following.requests,
        )

    async def _take_note(self, turn: EntryTurn, failure: SourceFailure, report: EntriesReport) -> None:
        """Do what a failure asks: hide, put off, or stop."""
        account, listing, now, lease = turn.account, turn.listing, self._clock.now(), self._rules.lease
        if isinstance(failure, QuotaReached) and turn.is_first:
            return
        report.failures[account.account_id] = failure.reason
        if isinstance(failure, (GrantLost, AccountClosed)):
            if await self._catalog.write(lambda tx: doubt_account(tx, account, failure, now, lease)):
                _log.warning(
                    Event.ACCOUNT_DOUBTED,
                    "An account was hidden: ipernity does not let us read it.",
                    account_id=account.account_id,
                    reason=failure.reason,
                )
        elif not isinstance(failure, (QuotaReached, KeyRefused)):
            self._put_off(listing, now)
            if isinstance(failure, Refused):
                # The rest of the account may well be read: the grant is judged by whoever asks after it.
                report.missing += await self._catalog.write(
                    partial(
                        hide_kind,
                        account_id=account.account_id,
                        kind=listing.kind,
                        rules=self._rules,
                        now=now,
                        evidence="grant lacking",
                    )
                )
            _log.warning(
                Event.SYNC_PAGE_FAILED,
                "A list of albums, folders or articles could not be read; it is tried again later.",
                account_id=account.account_id,
                kind=listing.kind.value,
                method=failure.method,
                reason=failure.reason,
                code=failure.code,
            )
        if not self._restraint.failed(failure, now):
            self._stop(failure, report)

    def _put_off(self, listing: EntryListing, now: Instant) -> None:
        """Let a list that fails wait, ever longer, and nobody else with it."""
        key, window = (listing.account_id, listing.kind), self._rules.lease.window
        attempts = self._put_off_until.get(key, (0, now))[0] + 1
        self._put_off_until[key] = attempts, next_try(now, attempts, window // 2880, window // 48)

    def _stop(self, failure: SourceFailure, report: EntriesReport) -> None:
        report.stopped = str(failure)
        _log.warning(Event.SYNC_STOPPED, "Reading has stopped.", reason=failure.reason, code=failure.code)


def _lane(is_new: bool) -> Lane:
    return Lane.DISCOVERY if is_new else Lane.VERIFICATION
