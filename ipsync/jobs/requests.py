"""Owners' requests: take in, hide at once, keep away, end (T11).

Hiding is one short transaction: of a document by its row, of an account by the account's own row, which
every answer looks at, however many documents it has. What is owed for each of them follows in the next
transaction, or, where the process dies between the two, by `complete`. Erasing is the purge's, which treats
what an owner asked for like anything that is certain, so nothing that holds other removals back holds these.
No request to ipernity is ever made for them.
"""

from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.obligations import forget_member
from ipsync.jobs.tombstones import Tombstones, keep_quietly
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Tombstone
from ipsync.policy.entries import FUTURE, is_entry
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason
from ipsync.policy.requests import (
    Holding,
    RemovalRequest,
    RequestScope,
    Subject,
    Words,
    lifted,
    new_request,
    owe_entry_request,
    owe_request,
    withdrawn,
    words_kept_for,
)
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, CatalogFailure, CatalogLost, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_NOT_OWED = (DocumentState.LIVE, DocumentState.SUSPECT, DocumentState.STALE)
_OPEN_MOST = 10_000


class RequestRefusedError(Exception):
    """A request cannot be ended or found; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A request as it was taken in.

    Attributes:
        is_new: False where the same request stood already.
        documents: how many were held of it now.
    """

    request: RemovalRequest
    is_new: bool
    documents: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What a request would concern, before it is made.

    Attributes:
        standing: the request for the same that stands already, or None.
    """

    subject: Subject
    held: Holding
    standing: RemovalRequest | None


class Requests:
    """The door for owners' requests."""

    def __init__(self, catalog: Catalog, tombstones: Tombstones, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            catalog: the durable memory.
            tombstones: the record outside of it.
            clock: the lease clock.
            rules: the thresholds.
        """
        self._catalog = catalog
        self._tombstones = tombstones
        self._clock = clock
        self._rules = rules

    async def look(self, subject: Subject) -> Expected:
        """What a request would concern, changing nothing."""
        return await self._catalog.read(partial(_look, subject=subject))

    async def file(self, subject: Subject, words: Words, due: Instant | None = None) -> Taken:
        """Take a request in: when this returns it is hidden, and stands in the database and outside of it.

        Erasing is owed, and follows with the next purge. A request that stands already is not made twice;
        what it names is hidden again all the same.

        Args:
            subject: what it names.
            words: contact and note, which are forgotten a while after it was complied with.
            due: an earlier deadline than a day from now, or None.

        Raises:
            CatalogFailure: nothing happened.
        """
        # A restored database must learn first which numbers were given, but no trouble with a file keeps from hiding.
        await keep_quietly(self._tombstones.replay)
        taken = await hide(self._catalog, subject, words, self._clock.now(), self._rules.lease, due)
        if subject.scope is RequestScope.ACCOUNT:
            await self._settle_accounts()
        await keep_quietly(self._tombstones.keep)
        kept = await self._catalog.read(lambda view: view.removal_request(taken.request.request_id))
        _log.info(
            Event.REMOVAL_REQUESTED,
            "An owner's request was taken in; what it names is hidden.",
            request_id=taken.request.request_id,
            what=subject.name.partition(" ")[0],
            documents=taken.documents,
        )
        return replace(taken, request=kept or taken.request)

    async def file_all(self, account_id: int) -> int:
        """Take a request in for each document that is held of a member now, who goes on being connected.

        Args:
            account_id: whose.

        Returns:
            For how many documents; all of them are hidden when this returns.

        Raises:
            CatalogFailure: nothing happened.
        """
        await keep_quietly(self._tombstones.replay)
        now = self._clock.now()
        # One transaction: whatever happens afterwards, all of them are hidden, owed to erasure, and stay away (I4).
        asked = await self._catalog.write(lambda tx: tx.request_every_document(account_id, now, self._rules.lease))
        await keep_quietly(self._tombstones.keep)
        _log.info(Event.REMOVAL_REQUESTED, "A member asked for all copies to go; they are hidden.", documents=asked)
        return asked

    async def withdraw(self, request_id: int) -> RemovalRequest:
        """End a request because its owner changed their mind.

        A document may come back with the next sweep. An account comes back when its member authorizes the application.

        Raises:
            RequestRefusedError: there is no such request, or it stands no more.
        """
        ended = await self._catalog.write(partial(_withdraw, request_id=request_id, now=self._clock.now()))
        await keep_quietly(self._tombstones.keep)
        _log.info(Event.REMOVAL_REQUEST_ENDED, "An owner withdrew a request.", request_id=request_id)
        return ended

    async def complete(self) -> int:
        """Owe what requests for whole accounts name, where the process died before it could: the row is the obligation.

        Where nothing of an account was held, this is also where its request is called done.

        Returns:
            For how many accounts.
        """
        pending = await self._catalog.read(_pending)
        for account_id, received_at in pending.items():
            await self._catalog.write(
                partial(owe_account, account_id=account_id, now=received_at, lease=self._rules.lease)
            )
        if await self._catalog.read(_has_open_account):
            await self._settle_accounts()
        # Whatever was taken in or ended by whomever stands outside within a minute.
        await keep_quietly(self._tombstones.keep)
        return len(pending)

    async def _settle_accounts(self) -> None:
        """Call requests for accounts done of which nothing is left, not even a name in an unused place (T10)."""
        if self._catalog.scrubs and await self._catalog.scrub():
            now = self._clock.now()
            await self._catalog.write(lambda tx: tx.settle_requests(now, RequestScope.ACCOUNT))

    async def run(self) -> int:
        """Forget contacts and notes that are not needed any more, and keep the record outside in order.

        Returns:
            Of how many requests the words were erased.
        """
        closed_before = self._clock.now() - words_kept_for(self._rules.lease)
        forgotten = await self._catalog.write(lambda tx: tx.forget_words(closed_before))
        if forgotten and not await self._catalog.scrub():
            _log.warning(Event.CATALOG_BUSY, "A reader holds back the log's truncation; the next purge does it.")
        await keep_quietly(self._tombstones.keep)
        await keep_quietly(self._tombstones.compact)
        return forgotten


async def hide(
    catalog: Catalog, subject: Subject, words: Words, now: Instant, lease: Lease, due: Instant | None = None
) -> Taken:
    """Take a request in: hide what it names in one short transaction, then owe all of it.

    Args:
        catalog: the durable memory.
        subject: what the owner names.
        words: what they told beside it.
        now: the lease clock.
        lease: the thresholds.
        due: an earlier deadline than a day from now, or None.

    Raises:
        CatalogFailure: nothing happened.
    """
    taken = await catalog.write(partial(take_in, subject=subject, words=words, now=now, lease=lease, due=due))
    if subject.scope is RequestScope.ACCOUNT:
        try:
            await catalog.write(partial(owe_account, account_id=subject.subject_id, now=now, lease=lease))
        except CatalogLost:
            raise
        except CatalogFailure as failure:
            _log.warning(
                Event.CATALOG_BUSY,
                "An account is hidden; that it is to be erased is written down later.",
                cause=failure,
            )
    return taken


def take_in(
    tx: Transaction, subject: Subject, words: Words, now: Instant, lease: Lease, due: Instant | None = None
) -> Taken:
    """Hide what an owner names, and put the request on record, in one transaction.

    The erasure of a document is owed by the same; that of an account's documents by `owe_account`.

    Args:
        tx: the transaction.
        subject: what they name.
        words: what they told beside it.
        now: the lease clock.
        lease: the thresholds.
        due: an earlier deadline than a day from now, or None; for a document.
    """
    expected = _look(tx, subject)
    subject = expected.subject
    epoch = 0
    if subject.scope is RequestScope.DOCUMENT:
        _doom_one(tx, subject, now, lease, due)
    else:
        epoch = _hide_account(tx, subject.subject_id, now)
    request = expected.standing or new_request(subject, expected.held, epoch, now, lease, due)
    request_id = tx.put_removal_request(request, words)
    # Where nothing is held there is nothing to wait for; an account's name is overwritten first.
    tx.settle_requests(now, RequestScope.DOCUMENT)
    return Taken(
        tx.removal_request(request_id) or request, is_new=expected.standing is None, documents=expected.held.documents
    )


def next_consent_epoch(view: View, account_id: int, known_epoch: int) -> int:
    """The epoch of a new consent: above the account's own, and above every request that it shall lift (I4).

    Args:
        view: the catalog.
        account_id: whose.
        known_epoch: of the account as the catalog knows it, or 0; a restored database may know too little.
    """
    requests = view.removal_requests_of(Subject(RequestScope.ACCOUNT, account_id))
    return 1 + max([known_epoch, *(request.consent_epoch for request in requests)])


def owe_account(tx: Transaction, account_id: int, now: Instant, lease: Lease) -> None:
    """Doom every document of an account that its owner asked to have removed, and owe their erasure.

    Args:
        tx: the transaction.
        account_id: whose.
        now: when the request came: from then on they are unsafe.
        lease: the thresholds.
    """
    tx.doom_account_by_request(account_id, now, lease)


def lift_requests(tx: Transaction, account_id: int, consent_epoch: int, now: Instant, lease: Lease) -> int:
    """End the requests for a whole account that a newer consent lifts, before it takes effect. Returns how many.

    What they named goes all the same: a new consent begins with nothing. Requests for single documents go on
    standing.
    """
    if account_id in (pending := _pending(tx)):
        owe_account(tx, account_id, pending[account_id], lease)
    standing = [entry for entry in tx.removal_requests_of(Subject(RequestScope.ACCOUNT, account_id)) if entry.stands]
    ended = [entry for entry in (lifted(request, consent_epoch, now) for request in standing) if not entry.stands]
    for entry in ended:
        tx.put_removal_request(entry)
    return len(ended)


def _look(view: View, subject: Subject) -> Expected:
    standing = next((request for request in view.removal_requests_of(subject) if request.stands), None)
    return Expected(with_owner(view, subject), view.holding(subject), standing)


def with_owner(view: View, subject: Subject) -> Subject:
    """The subject with its owner as the catalog knows it: a link may name another."""
    if subject.scope is RequestScope.ACCOUNT:
        return replace(subject, account_id=subject.subject_id)
    number = subject.subject_id
    held = (view.entries if is_entry(number) else view.documents)([number]).get(number)
    known = held or view.tombstones([number]).get(number)
    return subject if known is None or not known.account_id else replace(subject, account_id=known.account_id)


def _doom_one(tx: Transaction, subject: Subject, now: Instant, lease: Lease, due: Instant | None) -> None:
    document = tx.documents([subject.subject_id]).get(subject.subject_id)
    if document is not None:
        doomed, removal = owe_request(document, now, lease, due)
        tx.update_documents([doomed])
        tx.add_removals([removal])
    for entry in tx.entries([subject.subject_id] if is_entry(subject.subject_id) else ()).values():
        gone, removal = owe_entry_request(entry, now, lease, due)
        tx.put_entries([gone])
        tx.add_removals([removal])
    # It stands from now on, held or not: no page that is under way can take it in.
    tx.put_tombstones([Tombstone(subject.subject_id, subject.account_id, Reason.OWNER_REQUEST.value, now, stands=True)])


def _hide_account(tx: Transaction, account_id: int, now: Instant) -> int:
    """Hide all of an account, and take it in no more. Returns the consent epoch that the request outranks."""
    account = tx.account(account_id)
    if account is None:
        return 0
    forget_member(tx, account, AccountState.REMOVED, "removed", now)
    return account.consent_epoch


def _pending(view: View) -> dict[int, Instant]:
    """Accounts with documents that a request names and that are not owed yet, and when the newest such request came."""
    received_at = {
        request.subject.subject_id: request.received_at
        for request in view.removal_requests(open_only=True, limit=_OPEN_MOST)
        if request.subject.scope is RequestScope.ACCOUNT
    }
    return {
        account_id: at
        for account_id, at in received_at.items()
        if (account := view.account(account_id)) is not None
        and account.state is AccountState.REMOVED
        and (
            view.documents_after(0, 1, account_id=account_id, states=_NOT_OWED)
            or view.entries_unverified_since(FUTURE, 1, states=_NOT_OWED, account_id=account_id)
        )
    }


def _has_open_account(view: View) -> bool:
    requests = view.removal_requests(open_only=True, limit=_OPEN_MOST)
    return any(request.subject.scope is RequestScope.ACCOUNT for request in requests)


def _withdraw(tx: Transaction, request_id: int, now: Instant) -> RemovalRequest:
    request = tx.removal_request(request_id)
    if request is None:
        raise RequestRefusedError(f"there is no request {request_id}: see `ipsync removal list`")
    if not request.stands:
        raise RequestRefusedError(f"request {request_id} stands no more")
    ended = withdrawn(request, now)
    tx.put_removal_request(ended)
    if request.subject.scope is RequestScope.DOCUMENT:
        tx.lift_tombstone(request.subject.subject_id, now)
    return ended
