"""Confirm: ask ipernity once about each suspicion, before anything is erased for it (design §4, I10).

A suspected document is hidden already; what is decided here is only whether it goes now, or was a
false alarm. Where no answer can be had, the deadline decides (the purge job).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum, auto

from ipsync.jobs.obligations import doubt_account
from ipsync.jobs.restraint import Restraint, next_in_turn
from ipsync.jobs.tripwires import Tripwires, sample_of
from ipsync.policy.accounts import SERVED_STATES, Account, Grant
from ipsync.policy.documents import Document, DocumentState, ListedDocument
from ipsync.policy.entries import AREAS, entry_bar, entry_of, is_entry, seen_again, speaks_for, subject_field
from ipsync.policy.instants import Instant
from ipsync.policy.permission import bar, reason_for
from ipsync.policy.planner import ListingKey
from ipsync.policy.planning import next_try
from ipsync.policy.removals import Reason, Removal, Stage, confirmed
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import plan_new_version, renews
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    AccountClosed,
    Gone,
    GrantLost,
    KeyRefused,
    Lane,
    QuotaReached,
    Seen,
    SeenEntry,
    Source,
    SourceFailure,
)
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_LOOKED_AT = 500


@dataclass(slots=True)
class ConfirmReport:
    """What one run decided."""

    confirmed: int = 0
    withdrawn: int = 0
    unanswered: int = 0


class _Verdict(Enum):
    CONFIRMED = auto()
    WITHDRAWN = auto()
    VOID = auto()  # the suspicion was settled otherwise meanwhile, or the answer is no news


@dataclass(frozen=True, slots=True)
class _Question:
    removal: Removal
    account: Account
    grant: Grant
    is_sample: bool = False


class Confirm:
    """The confirmation of suspicions, one `doc.get` each."""

    def __init__(
        self, source: Source, catalog: Catalog, clock: Clock, rules: Rules, requests_per_hour: Callable[[], float]
    ) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: what may be held, and for how long.
            requests_per_hour: what the budget is believed to allow now.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._restraint = Restraint(rules.lease)
        self._tripwires = Tripwires(catalog, clock, rules, requests_per_hour)

    async def run(self, limit: int = 100) -> ConfirmReport:
        """Ask about up to `limit` suspicions: samples of mass disappearances, then the nearest deadline first.

        An account that cannot be asked blocks no other; a spent budget ends the run.
        """
        report = ConfirmReport()
        await self._tripwires.settle()
        if self._restraint.holds(self._clock.now()):
            return report
        left = limit
        while questions := await self._questions(left):
            left -= len(questions)
            goes_on = await self._ask_all(questions, report)
            # A sample that agreed opens the way for the others.
            if not (await self._tripwires.settle() and goes_on and left > 0):
                break
        return report

    async def _ask_all(self, questions: list[_Question], report: ConfirmReport) -> bool:
        """Put the questions. Returns whether ipernity may be asked more in this run."""
        blocked: set[int] = set()
        failed, waiting = False, list(questions)
        while waiting:
            question = next_in_turn(waiting, after_failure=failed)
            if question.account.account_id in blocked:
                continue
            failed = False
            try:
                verdict = await self._ask(question, report)
                if question.is_sample and verdict is _Verdict.WITHDRAWN:
                    # One contradiction is enough: the listing is read again, at a hundred answers a request.
                    blocked.add(question.account.account_id)
            except SourceFailure as failure:
                failed = True
                await self._take_note(question, failure, report)
                if isinstance(failure, (GrantLost, AccountClosed)):
                    blocked.add(question.account.account_id)
                if not self._restraint.failed(failure, self._clock.now()):
                    return False
            else:
                self._restraint.answered()
        return True

    async def _questions(self, limit: int) -> list[_Question]:
        """What to ask, in order. Suspicions that nobody can be asked about are put off, so that they block nobody."""
        questions: list[_Question] = []
        while len(questions) < limit:
            now = self._clock.now()
            known = {question.removal.removal_id for question in questions}
            found, unaskable = await self._catalog.read(lambda view: _find(view, now, known))  # noqa: B023  # reason: awaited at once
            questions += found
            if not unaskable:
                break
            later = now + self._rules.lease.window // 48
            await self._catalog.write(lambda tx: _put_off(tx, unaskable, later))  # noqa: B023  # reason: awaited at once
        # What failed before comes last: a document that always fails must not use up the patience others need.
        return sorted(questions, key=lambda question: question.removal.attempts > 0)[:limit]

    async def _take_note(self, question: _Question, failure: SourceFailure, report: ConfirmReport) -> None:
        now, lease, removal = self._clock.now(), self._rules.lease, question.removal
        if isinstance(failure, (GrantLost, AccountClosed)):
            await self._catalog.write(lambda tx: doubt_account(tx, question.account, failure, now, lease))
        elif not isinstance(failure, (QuotaReached, KeyRefused)):
            report.unanswered += 1
            await self._catalog.write(lambda tx: self._wait(tx, removal))
            _log.warning(
                Event.CONFIRM_UNANSWERED,
                "A suspicion could not be confirmed yet; the document stays hidden.",
                account_id=removal.account_id,
                **subject_field(removal.document_id),
                reason=failure.reason,
                code=failure.code,
            )

    async def _ask(self, question: _Question, report: ConfirmReport) -> _Verdict:
        removal, token = question.removal, question.grant.token
        if is_entry(removal.document_id):
            return await self._tell(await self._ask_about_entry(removal, token), removal, report)
        try:
            seen = await self._source.document(removal.account_id, token, removal.document_id, Lane.CONFIRMATION)
        except Gone:
            verdict = await self._catalog.write(
                lambda tx: self._settle(tx, removal.removal_id, Reason.DELETED, "doc.get error 1")
            )
        else:
            verdict = await self._catalog.write(lambda tx: self._judge(tx, removal, seen))
        return await self._tell(verdict, removal, report)

    async def _ask_about_entry(self, removal: Removal, token: str) -> _Verdict:
        """Ask about an album, folder, article or profile; as of a document, error 1 is an answer."""
        kind, entry_id = entry_of(removal.document_id)
        try:
            seen = await self._source.entry(kind, removal.account_id, token, entry_id, Lane.CONFIRMATION)
        except Gone:
            return await self._catalog.write(
                lambda tx: self._settle(tx, removal.removal_id, Reason.DELETED, "get error 1")
            )
        return await self._catalog.write(lambda tx: self._judge_entry(tx, removal, seen))

    async def _tell(self, verdict: _Verdict, removal: Removal, report: ConfirmReport) -> _Verdict:
        """Count and log what was decided, and put off what was not."""
        if verdict is _Verdict.CONFIRMED:
            report.confirmed += 1
            _log.info(
                Event.CONFIRM_ANSWERED,
                "A suspicion was right: the document is not shared any more, and is being erased.",
                account_id=removal.account_id,
                **subject_field(removal.document_id),
            )
        elif verdict is _Verdict.WITHDRAWN:
            report.withdrawn += 1
            _log.info(
                Event.REMOVAL_WITHDRAWN,
                "A suspicion was a false alarm: the document is shared as before.",
                account_id=removal.account_id,
                **subject_field(removal.document_id),
            )
        else:
            await self._catalog.write(lambda tx: self._wait(tx, removal))
        return verdict

    def _wait(self, tx: Transaction, removal: Removal) -> None:
        """Put off a suspicion about which an answer said nothing."""
        window, attempts = self._rules.lease.window, removal.attempts + 1
        _put_off(
            tx, [removal.removal_id], next_try(self._clock.now(), attempts, window // 2880, window // 48), attempts
        )

    def _judge(self, tx: Transaction, removal: Removal, seen: Seen) -> _Verdict:
        """Apply what ipernity showed."""
        now, rules = self._clock.now(), self._rules
        document = tx.documents([removal.document_id]).get(removal.document_id)
        current = tx.removal(removal.removal_id)
        if document is None or current is None or current.stage is not Stage.SUSPECTED:
            return _Verdict.VOID
        barred = bar(rules.view, removal.account_id, seen.facts, now)
        if barred is not None:
            reason = reason_for(barred, document.facts, seen.facts)
            return self._settle(tx, removal.removal_id, reason, f"doc.get: {barred.value}")
        if not renews(document, seen.sent_at, rules.lease, now):
            return _Verdict.VOID
        self._keep_seen(tx, document, seen)
        tx.update_removals([replace(current, stage=Stage.WITHDRAWN)])
        return _Verdict.WITHDRAWN

    def _judge_entry(self, tx: Transaction, removal: Removal, seen: SeenEntry) -> _Verdict:
        """Apply what ipernity showed of an entry. Its lease is renewed by the next sweep."""
        now, rules = self._clock.now(), self._rules
        entry = tx.entries([removal.document_id]).get(removal.document_id)
        current = tx.removal(removal.removal_id)
        if entry is None or current is None or current.stage is not Stage.SUSPECTED:
            return _Verdict.VOID
        # A profile is shown to everybody; what counts is whether its member said that it may be copied.
        grant = tx.grant(entry.account_id)
        if grant is not None and AREAS[entry.kind] not in grant.permissions:
            return self._settle(tx, removal.removal_id, Reason.GRANT_LOST, "grant lacking")
        barred = entry_bar(rules.view, entry.kind, entry.account_id, seen.listed.levels, now)
        if barred is not None:
            return self._settle(tx, removal.removal_id, Reason.UNSHARED, f"get: {barred.value}")
        if not speaks_for(entry, seen.sent_at, rules.lease, now):
            return _Verdict.VOID
        tx.put_entries([seen_again(entry, seen.listed, seen.sent_at)])
        tx.update_removals([replace(current, stage=Stage.WITHDRAWN)])
        for listing in tx.entry_listings(entry.account_id):
            if listing.kind is entry.kind:
                tx.put_entry_listing(replace(listing, next_due_at=min(listing.next_due_at, now)))
        return _Verdict.WITHDRAWN

    def _keep_seen(self, tx: Transaction, document: Document, seen: Seen) -> None:
        """Let a document be LIVE again; where the answer shows a newer version, its files go as after a sweep."""
        item = ListedDocument(seen.document_id, seen.facts, seen.files)
        files = tx.renditions([seen.document_id]).get(seen.document_id, [])
        plan = plan_new_version(item, document, files, self._rules.view, self._rules.lease, self._clock.now())
        if plan is None:
            tx.update_documents([_seen_again(document, seen)])
            return
        tx.update_documents([_seen_again(entry, seen) for entry in plan.updated])
        tx.put_renditions(plan.renditions)
        tx.add_removals(plan.removals)

    def _settle(self, tx: Transaction, removal_id: int, reason: Reason, evidence: str) -> _Verdict:
        current = tx.removal(removal_id)
        if current is None or current.stage is not Stage.SUSPECTED:
            return _Verdict.VOID
        tx.update_removals([confirmed(current, self._clock.now(), evidence, reason)])
        _teach(tx, current, self._clock.now())
        doomed = [replace(entry, state=DocumentState.DOOMED) for entry in tx.documents([current.document_id]).values()]
        tx.update_documents(doomed)
        if is_entry(current.document_id):
            tx.doom_entries([current.document_id], self._clock.now())
        return _Verdict.CONFIRMED


def _teach(tx: Transaction, removal: Removal, now: Instant) -> None:
    """Let planning know that a listing has lost a document: who loses more is looked at more often (design §4).

    Only what was missing from its listing counts: nothing else is found by looking at a listing more often.
    """
    certificate = tx.certificates_of([removal]).get(removal.removal_id)
    if certificate is None:
        return
    plan = tx.listing_plan(ListingKey(removal.account_id, certificate.visibility))
    if plan is not None:
        removals = plan.removals.watched(now).confirmed(together=certificate.missing)
        tx.put_listing_plan(replace(plan, removals=removals))


def _find(view: View, now: Instant, known: Collection[int]) -> tuple[list[_Question], list[int]]:
    """The next suspicions that are due: what can be asked about, and what cannot now.

    Accounts that are doubted or gone are not asked with a token that ipernity refuses (F18).
    """
    members: dict[int, tuple[Account, Grant] | None] = {}
    questions: list[_Question] = []
    unaskable: list[int] = []
    held = [tripwire for tripwire in view.tripwires() if tripwire.holds_questions]
    samples = [entry for tripwire in held for entry in sample_of(view, tripwire) if _is_askable(entry, now)]
    first = {entry.removal_id for entry in samples}
    for removal in (*samples, *view.suspicions(now, _LOOKED_AT, held)):
        if removal.account_id not in members:
            members[removal.account_id] = _member(view, removal.account_id)
        member = members[removal.account_id]
        if member is None:
            unaskable.append(removal.removal_id)
        elif removal.removal_id not in known:
            questions.append(_Question(removal, *member, is_sample=removal.removal_id in first))
    return questions, unaskable


def _is_askable(removal: Removal, now: Instant) -> bool:
    return removal.stage is Stage.SUSPECTED and removal.next_try_at <= now


def _member(view: View, account_id: int) -> tuple[Account, Grant] | None:
    account = view.account(account_id)
    if account is None or account.state not in SERVED_STATES:
        return None
    grant = view.grant(account_id)
    return None if grant is None else (account, grant)


def _seen_again(document: Document, seen: Seen) -> Document:
    """The document as LIVE; the listing's other facts are compared at the next sweep, by the listing."""
    facts = replace(
        document.facts,
        visibility=seen.facts.visibility,
        license=seen.facts.license,
        safety=seen.facts.safety,
        media=seen.facts.media,
        title=seen.facts.title,
    )
    return replace(document, facts=facts, state=DocumentState.LIVE, verified_at=seen.sent_at, hidden_at=None)


def _put_off(tx: Transaction, removal_ids: Collection[int], later: Instant, attempts: int | None = None) -> None:
    current = [entry for entry in map(tx.removal, removal_ids) if entry is not None and entry.stage is Stage.SUSPECTED]
    tx.update_removals(
        [
            replace(entry, next_try_at=later, attempts=entry.attempts if attempts is None else attempts)
            for entry in current
        ]
    )
