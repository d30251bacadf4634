"""Accounts: take in a member who authorized the application, pause, resume, let go (T12-T15, T19)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.leave import refuse_where_left
from ipsync.jobs.requests import hide, lift_requests, next_consent_epoch
from ipsync.jobs.tombstones import Tombstones, keep_quietly
from ipsync.policy.accounts import (
    GRANTED_STATES,
    Account,
    AccountState,
    Consent,
    Grant,
    excess_permissions,
    missing_permissions,
)
from ipsync.policy.instants import Instant
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction
from ipsync.ports.clock import Clock
from ipsync.ports.source import Granted, Source
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)


class AccountRefusedError(Exception):
    """An account cannot be taken in or changed; the message says why and what to do."""


class PermissionLackingError(AccountRefusedError):
    """The member granted less than is needed."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """An account as it stands after an authorization.

    Attributes:
        excess: permissions granted beyond need (T13).
        again: whether it replaced an earlier grant.
    """

    account: Account
    permissions: Mapping[str, str]
    excess: Mapping[str, str]
    again: bool


@dataclass(frozen=True, slots=True)
class Recognized:
    """Who somebody is, by ipernity's word.

    Attributes:
        is_member: whether the application holds a grant of theirs.
    """

    account_id: int
    is_member: bool


class Accounts:
    """The door through which members come in and go."""

    def __init__(self, source: Source, catalog: Catalog, clock: Clock, rules: Rules, tombstones: Tombstones) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: the permissions to ask for, and how many accounts may be taken in.
            tombstones: the record outside the catalog, of who is to stay away.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules
        self._tombstones = tombstones

    async def limit_reached(self) -> int | None:
        """How many accounts there may be, if there are so many already: then only they may authorize anew (T04)."""
        most = self._rules.accounts_most
        if most is None:
            return None
        return most if len(await self._catalog.read(lambda view: view.accounts(GRANTED_STATES))) >= most else None

    async def begin(self) -> tuple[str, str]:
        """Begin a desktop authorization.

        Returns:
            The address of ipernity's own page for the member (T14), and the frob to finish with.

        Raises:
            SourceFailure: ipernity did not give a frob.
        """
        frob = await self._source.frob()
        return self._source.authorize_url(self._rules.permissions, frob), frob

    def authorize_url(self) -> str:
        """Begin a web authorization: the address of ipernity's own page (T14), which leads back with a frob."""
        return self._source.authorize_url(self._rules.permissions)

    async def recognize(self, frob: str) -> Recognized:
        """Learn who somebody is, taking nobody in.

        Of a member the grant is renewed, as they gave it anew just now. A stranger's token is forgotten at once.

        Args:
            frob: from the web flow's callback.

        Raises:
            FrobUnused: nobody approved it, or it was used.
            SourceFailure: ipernity did not answer.
        """
        granted = await self._source.exchange(frob)
        is_member = await self._catalog.write(partial(self._renew, granted=granted))
        return Recognized(granted.account_id, is_member)

    async def finish(self, frob: str) -> TakenIn:
        """Exchange an approved frob and take the member in, or renew the grant.

        Args:
            frob: from `begin`, or from the web flow's callback.

        Raises:
            FrobUnused: the member has not approved yet.
            PermissionLackingError: permissions are lacking.
            AccountRefusedError: no more accounts may be taken in.
            MirrorLeftError: the operator ended the use of this mirror.
            SourceFailure: ipernity did not answer.
        """
        granted = await self._source.exchange(frob)
        lacking = missing_permissions(granted.permissions, self._rules.permissions)
        if lacking:
            words = ", ".join(f"{area}: {level}" for area, level in sorted(lacking.items()))
            raise PermissionLackingError(f"the member did not grant what is needed ({words}): ask to authorize again")
        taken = await self._catalog.write(partial(self._take_in, granted=granted))
        _log.info(
            Event.ACCOUNT_ADDED,
            "A member authorized the application.",
            account_id=taken.account.account_id,
            consent_epoch=taken.account.consent_epoch,
        )
        return taken

    def _take_in(self, tx: Transaction, granted: Granted) -> TakenIn:
        refuse_where_left(tx)
        now = self._clock.now()
        known = tx.account(granted.account_id)
        present = {entry.account_id for entry in tx.accounts(GRANTED_STATES)}
        most = self._rules.accounts_most
        if most is not None and len(present) >= most and granted.account_id not in present:
            raise AccountRefusedError(
                f"an API key that awaits validation is for tests: no more than {most} accounts (key.status, T04)"
            )
        account = Account(
            account_id=granted.account_id,
            username=granted.username,
            realname=granted.realname,
            state=AccountState.ACTIVE,
            consent_epoch=next_consent_epoch(tx, granted.account_id, known.consent_epoch if known else 0),
            added_at=now,
            checked_at=granted.sent_at,
            next_check_at=now + self._rules.lease.window // 2,
        )
        tx.lift_entries(account.account_id, now)
        lift_requests(tx, account.account_id, account.consent_epoch, now, self._rules.lease)
        tx.put_account(account)
        self._put_grant(tx, granted, account.consent_epoch, now)
        # What changed in the grant takes effect at once: everything is read anew.
        for listing in tx.listings(granted.account_id):
            tx.put_listing(replace(listing, next_due_at=now, sweep_started_at=None, next_page=1))
        _read_entries_anew(tx, granted.account_id, now)
        return TakenIn(
            account, granted.permissions, excess_permissions(granted.permissions, self._rules.permissions), bool(known)
        )

    def _renew(self, tx: Transaction, granted: Granted) -> bool:
        refuse_where_left(tx)
        account, held = tx.account(granted.account_id), tx.grant(granted.account_id)
        if account is None or account.state not in GRANTED_STATES:
            return False
        lacks = missing_permissions(granted.permissions, self._rules.permissions)
        if lacks or (held is not None and (held.token, held.permissions) == (granted.token, granted.permissions)):
            # What lacks something is no better than what is held; whether that still holds is asked anyway.
            return True
        now = self._clock.now()
        epoch = next_consent_epoch(tx, account.account_id, account.consent_epoch)
        renewed = replace(account, consent_epoch=epoch, username=granted.username, realname=granted.realname)
        # Whoever is paused, waits or is doubted stays so: signing in is no wish to be read.
        tx.put_account(replace(renewed, next_check_at=now))
        self._put_grant(tx, granted, epoch, now)
        return True

    def _put_grant(self, tx: Transaction, granted: Granted, consent_epoch: int, now: Instant) -> None:
        tx.put_grant(
            Grant(granted.account_id, granted.token, granted.permissions),
            Consent(
                account_id=granted.account_id,
                consent_epoch=consent_epoch,
                fingerprint=tx.token_fingerprint(granted.token),
                permissions=granted.permissions,
                granted_at=now,
            ),
        )

    async def pause(self, account_id: int) -> Account:
        """Stop reading an account. Its leases run out: hidden after S, erased by the deadline, unless resumed.

        Raises:
            AccountRefusedError: there is no such active account.
        """
        return await self._change(account_id, AccountState.ACTIVE, AccountState.PAUSED)

    async def resume(self, account_id: int) -> Account:
        """Read a paused account again, at once.

        Raises:
            AccountRefusedError: there is no such paused account.
        """
        return await self._change(account_id, AccountState.PAUSED, AccountState.ACTIVE)

    async def _change(self, account_id: int, before: AccountState, after: AccountState) -> Account:
        def change(tx: Transaction) -> Account:
            account = tx.account(account_id)
            if account is None or account.state is not before:
                state = "unknown" if account is None else account.state.value
                raise AccountRefusedError(f"account {account_id} is {state}, not {before.value}")
            changed = replace(account, state=after, retry_at=0)
            tx.put_account(changed)
            now = self._clock.now()
            for listing in tx.listings(account_id):
                tx.put_listing(replace(listing, next_due_at=now, sweep_started_at=None, next_page=1))
            _read_entries_anew(tx, account_id, now)
            return changed

        changed = await self._catalog.write(change)
        event = Event.ACCOUNT_PAUSED if after is AccountState.PAUSED else Event.ACCOUNT_RESUMED
        _log.info(event, "An account changed its state.", account_id=account_id)
        return changed

    async def remove(self, account_id: int) -> int:
        """Let an account go: hide everything at once, forget the token, owe the erasure of all copies.

        Only the copies here go; nothing at ipernity is touched (T19).

        Returns:
            How many documents are to be erased.

        Raises:
            AccountRefusedError: there is no such account.
        """
        if await self._catalog.read(lambda view: view.account(account_id)) is None:
            raise AccountRefusedError(f"account {account_id} is unknown: see `ipsync account list`")
        # Who is let go stays away until they consent anew, also after a backup was restored (I4, F28).
        everything = Subject(RequestScope.ACCOUNT, account_id, account_id)
        taken = await hide(self._catalog, everything, Words(), self._clock.now(), self._rules.lease)
        # Not only with what is erased: of an account of which nothing is held, nothing is.
        await keep_quietly(self._tombstones.keep)
        documents = taken.documents
        _log.info(Event.ACCOUNT_REMOVED, "An account was removed; its copies are being erased.", account_id=account_id)
        return documents


def _read_entries_anew(tx: Transaction, account_id: int, now: Instant) -> None:
    for listing in tx.entry_listings(account_id):
        tx.put_entry_listing(replace(listing, next_due_at=now, sweep_started_at=None, next_page=1, counted=0))
