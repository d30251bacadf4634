"""Details: description and tags, one request each, from spare budget, only if `mirror.details` asks (design §4).

What an answer says beside them is not overlooked: a document that is not shared any more is hidden
at once, whoever noticed, and confirmed like any other suspicion.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.obligations import doubt_account
from ipsync.jobs.restraint import Restraint
from ipsync.policy.accounts import Account, AccountState, Grant
from ipsync.policy.documents import Document, DocumentState, Rendition, RenditionState
from ipsync.policy.instants import Instant
from ipsync.policy.permission import bar, reason_for
from ipsync.policy.planning import next_try
from ipsync.policy.removals import Reason
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import renews, suspect
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import AccountClosed, Gone, GrantLost, Lane, QuotaReached, Seen, Source, SourceFailure
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_PUT_OFF_AT_MOST = 1000
_TO_FETCH = (RenditionState.WANTED, RenditionState.FAILED)


@dataclass(slots=True)
class DetailsReport:
    """What one run fetched.

    Attributes:
        hidden: documents that turned out not to be shared any more.
    """

    fetched: int = 0
    failed: int = 0
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class _PutOff:
    attempts: int
    until: Instant


class Details:
    """The fetcher of an owner's words about a document."""

    def __init__(self, source: Source, catalog: Catalog, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: whether details are wanted at all.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._restraint = Restraint(rules.lease)
        self._put_off: dict[int, _PutOff] = {}

    async def run(self, limit: int = 200) -> DetailsReport:
        """Fetch the details of up to `limit` documents; nothing where they are not configured."""
        report = DetailsReport()
        if not self._rules.details or self._restraint.holds(self._clock.now()):
            return report
        lost: set[int] = set()
        for document, account, grant in await self._wanting(limit):
            if account.account_id in lost:
                continue
            try:
                exists = await self._fetch(document, grant, report)
            except SourceFailure as failure:
                if isinstance(failure, (GrantLost, AccountClosed)):
                    lost.add(account.account_id)
                    await self._doubt(account, failure)
                elif not isinstance(failure, QuotaReached):
                    report.failed += 1
                    self._try_later(document.document_id)
                if not self._restraint.failed(failure, self._clock.now()):
                    break
            else:
                self._restraint.answered()
                if exists:
                    self._put_off.pop(document.document_id, None)
                else:
                    self._try_later(document.document_id)  # should a listing name it again all the same
        return report

    async def _wanting(self, limit: int) -> list[tuple[Document, Account, Grant]]:
        """Whom to ask about. What failed a while ago waits, and blocks nobody."""
        now = self._clock.now()
        waiting = {document_id for document_id, entry in self._put_off.items() if entry.until > now}
        return await self._catalog.read(partial(_wanting, limit=limit, waiting=waiting))

    def _try_later(self, document_id: int) -> None:
        window, before = self._rules.lease.window, self._put_off.pop(document_id, None)
        attempts = 1 if before is None else before.attempts + 1
        if len(self._put_off) >= _PUT_OFF_AT_MOST:
            del self._put_off[next(iter(self._put_off))]
        until = next_try(self._clock.now(), attempts, window // 288, window // 4)
        self._put_off[document_id] = _PutOff(attempts, until)

    async def _fetch(self, document: Document, grant: Grant, report: DetailsReport) -> bool:
        """Ask about one document, and keep what comes. Returns whether ipernity knows it."""
        asked_at = self._clock.now()
        try:
            seen = await self._source.document(document.account_id, grant.token, document.document_id, Lane.DETAILS)
        except Gone:
            report.hidden += await self._catalog.write(
                lambda tx: self._hide(tx, document.document_id, Reason.DELETED, asked_at)
            )
            return False
        fetched, hidden = await self._catalog.write(partial(self._apply, seen=seen))
        report.fetched += fetched
        report.hidden += hidden
        return True

    def _apply(self, tx: Transaction, seen: Seen) -> tuple[bool, bool]:
        """Keep what came. Returns whether there was anything to keep, and whether the document was hidden."""
        now, rules = self._clock.now(), self._rules
        document = tx.documents([seen.document_id]).get(seen.document_id)
        if document is None or document.state is not DocumentState.LIVE:
            return False, False
        barred = bar(rules.view, document.account_id, seen.facts, now)
        if barred is not None:
            reason = reason_for(barred, document.facts, seen.facts)
            return False, self._hide(tx, seen.document_id, reason, seen.sent_at)
        # Not older than the change that made us ask, whatever our clock says beside theirs.
        details_at = max(seen.sent_at, document.facts.modified_at or 0)
        tx.update_documents([replace(document, details=seen.details, details_at=details_at)])
        held = {entry.file.rendition: entry for entry in tx.renditions([seen.document_id]).get(seen.document_id, [])}
        told = [file for file in seen.files if file.rendition in rules.view.renditions]
        new = [Rendition(seen.document_id, document.account_id, file) for file in told if file.rendition not in held]
        # Addresses that the listing does not give are mended here.
        mended = [
            replace(held[file.rendition], file=file, attempts=0, next_try_at=0)
            for file in told
            if file.rendition in held and _needs(held[file.rendition], file.url)
        ]
        tx.put_renditions(new + mended)
        return True, False

    def _hide(self, tx: Transaction, document_id: int, reason: Reason, sent_at: Instant) -> bool:
        """Hide a document that is not shared any more; the confirm job asks once more (I10)."""
        now, lease = self._clock.now(), self._rules.lease
        document = tx.documents([document_id]).get(document_id)
        if document is None or document.state is not DocumentState.LIVE:
            return False
        if not renews(document, sent_at, lease, now):
            return False
        hidden, removal = suspect(document, reason, sent_at, now, lease, "doc.get")
        tx.update_documents([hidden])
        tx.add_removals([removal])
        return True

    async def _doubt(self, account: Account, failure: SourceFailure) -> None:
        now, lease = self._clock.now(), self._rules.lease
        if await self._catalog.write(lambda tx: doubt_account(tx, account, failure, now, lease)):
            _log.warning(
                Event.ACCOUNT_DOUBTED,
                "An account was hidden: its grant seems lost.",
                account_id=account.account_id,
                reason=failure.reason,
            )


def _needs(rendition: Rendition, url: str) -> bool:
    return rendition.state in _TO_FETCH and rendition.file.url != url


def _wanting(view: View, limit: int, waiting: Collection[int]) -> list[tuple[Document, Account, Grant]]:
    members: dict[int, tuple[Account, Grant] | None] = {}
    found: list[tuple[Document, Account, Grant]] = []
    for document in view.documents_wanting_details(limit + len(waiting)):
        if document.account_id not in members:
            members[document.account_id] = _member(view, document.account_id)
        member = members[document.account_id]
        if member is not None and document.document_id not in waiting:
            found.append((document, *member))
    return found[:limit]


def _member(view: View, account_id: int) -> tuple[Account, Grant] | None:
    account, grant = view.account(account_id), view.grant(account_id)
    if account is None or grant is None or account.state is not AccountState.ACTIVE:
        return None
    return account, grant
