"""Accounts, their grants, and the lasting record of consent (T12, T13, T15)."""

import json
from collections.abc import Collection, Mapping

from sqlalchemy import bindparam, delete, select, update

from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.ledger import LedgerAppending
from ipsync.catalog.sqlite import upsert
from ipsync.catalog.tables import table
from ipsync.policy.accounts import Account, AccountState, Consent, Grant
from ipsync.policy.instants import Instant
from ipsync.policy.ledger import consent_ended, consent_given

_ACCOUNT = table("account")
_GRANT = table("account_grant")
_CONSENT = table("consent")

_ALL_ACCOUNTS = select(_ACCOUNT).order_by(_ACCOUNT.c.account_id)
_ONE_ACCOUNT = select(_ACCOUNT).where(_ACCOUNT.c.account_id == bindparam("account_id"))
_ONE_GRANT = select(_GRANT).where(_GRANT.c.account_id == bindparam("account_id"))
_CONSENTS = select(_CONSENT).where(_CONSENT.c.account_id == bindparam("account_id")).order_by(_CONSENT.c.consent_epoch)
_END_CONSENT = (
    update(_CONSENT)
    .where(_CONSENT.c.account_id == bindparam("of_account"), _CONSENT.c.ended_at.is_(None))
    .values(ended_at=bindparam("at"), ended_reason=bindparam("reason"))
)
_FORGET_GRANT = delete(_GRANT).where(_GRANT.c.account_id == bindparam("account_id"))

_PUT_ACCOUNT = upsert(_ACCOUNT)
_PUT_GRANT = upsert(_GRANT)
_PUT_CONSENT = upsert(_CONSENT)


class AccountReading(Handle):
    """The questions about members."""

    def account(self, account_id: int) -> Account | None:
        """One account, in whatever state."""
        row = self._row(_ONE_ACCOUNT, account_id=account_id)
        return None if row is None else _account(row)

    def accounts(self, states: Collection[AccountState] | None = None) -> list[Account]:
        """All accounts in these states (None: in any), by id."""
        found = [_account(row) for row in self._rows(_ALL_ACCOUNTS)]
        return found if states is None else [account for account in found if account.state in states]

    def grant(self, account_id: int) -> Grant | None:
        """The token that holds now, decrypted; None when there is none."""
        row = self._row(_ONE_GRANT, account_id=account_id)
        if row is None:
            return None
        return Grant(account_id, self._sealing.open(account_id, row.sealed_token), _permissions(row.permissions))

    def consents(self, account_id: int) -> list[Consent]:
        """Every authorization of a member, oldest first; kept after revocation."""
        return [_consent(row) for row in self._rows(_CONSENTS, account_id=account_id)]


class AccountWriting(AccountReading, LedgerAppending):
    """The changes to members."""

    def put_account(self, account: Account) -> None:
        """Insert or replace by account_id."""
        self._do(
            _PUT_ACCOUNT,
            account_id=account.account_id,
            username=account.username,
            realname=account.realname,
            state=account.state.value,
            consent_epoch=account.consent_epoch,
            added_at=account.added_at,
            checked_at=account.checked_at,
            next_check_at=account.next_check_at,
            failure=account.failure,
            failures=account.failures,
            retry_at=account.retry_at,
        )

    def put_grant(self, grant: Grant, consent: Consent) -> None:
        """Make this the token that holds, ending a former consent with reason `replaced`, and record the consent."""
        self._end_consents(grant.account_id, consent.granted_at, "replaced")
        self._do(
            _PUT_CONSENT,
            account_id=consent.account_id,
            consent_epoch=consent.consent_epoch,
            fingerprint=consent.fingerprint,
            permissions=_permissions_text(consent.permissions),
            granted_at=consent.granted_at,
            ended_at=consent.ended_at,
            ended_reason=consent.ended_reason,
        )
        self._do(
            _PUT_GRANT,
            account_id=grant.account_id,
            sealed_token=self._sealing.seal(grant.account_id, grant.token),
            permissions=_permissions_text(grant.permissions),
        )
        self.append_ledger([consent_given(consent)])

    def end_grant(self, account_id: int, ended_at: Instant, reason: str) -> None:
        """Forget the token for good; the consent record stays, with its end."""
        self._end_consents(account_id, ended_at, reason)
        self._do(_FORGET_GRANT, account_id=account_id)

    def token_fingerprint(self, token: str) -> str:
        """A keyed digest by which a token can be recognized and not be found out."""
        return self._sealing.fingerprint(token)

    def _end_consents(self, account_id: int, ended_at: Instant, reason: str) -> None:
        ended = [consent for consent in self.consents(account_id) if consent.ended_at is None]
        self._do(_END_CONSENT, of_account=account_id, at=ended_at, reason=reason)
        self.append_ledger([consent_ended(account_id, entry.consent_epoch, ended_at, reason) for entry in ended])


_STATES = {state.value: state for state in AccountState}


def _account(row: AnyRow) -> Account:
    with decoding("account"):
        return Account(
            account_id=row.account_id,
            username=row.username,
            realname=row.realname,
            # An account of which the state means nothing is hidden, and its grant is asked after.
            state=_STATES.get(row.state, AccountState.DOUBTED),
            consent_epoch=row.consent_epoch,
            added_at=row.added_at,
            checked_at=row.checked_at,
            next_check_at=row.next_check_at,
            failure=row.failure,
            failures=row.failures,
            retry_at=row.retry_at,
        )


def _consent(row: AnyRow) -> Consent:
    return Consent(
        account_id=row.account_id,
        consent_epoch=row.consent_epoch,
        fingerprint=row.fingerprint,
        permissions=_permissions(row.permissions),
        granted_at=row.granted_at,
        ended_at=row.ended_at,
        ended_reason=row.ended_reason,
    )


def _permissions_text(permissions: Mapping[str, str]) -> str:
    return json.dumps(dict(permissions), sort_keys=True)


def _permissions(text: str) -> dict[str, str]:
    with decoding("account_grant"):
        return {str(area): str(level) for area, level in json.loads(text).items()}
