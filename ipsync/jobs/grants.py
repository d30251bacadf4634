"""Grants: ask ipernity what each token permits now, and end the accounts whose members said no (T13, T15)."""

from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.obligations import doubt_account, end_account, note_failure
from ipsync.policy.accounts import (
    GRANTED_STATES,
    Account,
    AccountState,
    Grant,
    excess_permissions,
    missing_permissions,
)
from ipsync.policy.instants import Duration, Instant
from ipsync.policy.planning import next_try
from ipsync.policy.removals import Reason
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, Transaction, View
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    AccountClosed,
    Granted,
    GrantLost,
    KeyRefused,
    Lane,
    QuotaReached,
    Source,
    SourceFailure,
)
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)


@dataclass(slots=True)
class GrantsReport:
    """What one run found."""

    checked: int = 0
    doubted: int = 0
    ended: int = 0
    unanswered: int = 0


class Grants:
    """The check of every token, each half a window, and at once where one answer raised a doubt."""

    def __init__(self, source: Source, catalog: Catalog, clock: Clock, rules: Rules) -> None:
        """Wire the job.

        Args:
            source: ipernity.
            catalog: the durable memory.
            clock: the lease clock.
            rules: the permissions needed, and the thresholds.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock
        self._rules = rules

    @property
    def check_period(self) -> Duration:
        """How often a token is asked after: half a window."""
        return self._rules.lease.window // 2

    async def run(self, account_id: int | None = None) -> GrantsReport:
        """Check every grant that is due; with `account_id`, that one, due or not."""
        report = GrantsReport()
        now = self._clock.now()
        due = await self._catalog.read(partial(_due, now=now, account_id=account_id))
        for account, grant in due:
            try:
                await self._check(account, grant, report)
            except (QuotaReached, KeyRefused):
                break
            except SourceFailure as failure:
                report.unanswered += 1
                retry_at = next_try(now, account.failures + 1, self.check_period // 360, self.check_period // 4)
                await self._catalog.write(
                    partial(_put_off, account_id=account.account_id, words=failure.reason, retry_at=retry_at)
                )
        return report

    async def _check(self, account: Account, grant: Grant, report: GrantsReport) -> None:
        lane = Lane.CONFIRMATION if account.state is AccountState.DOUBTED else Lane.VERIFICATION
        try:
            granted = await self._source.check_grant(grant.token, lane)
        except (GrantLost, AccountClosed) as failure:
            now = self._clock.now()
            if account.state is AccountState.DOUBTED:
                await self._catalog.write(partial(self._end, account_id=account.account_id, failure=failure, now=now))
                report.ended += 1
            else:
                await self._catalog.write(
                    partial(doubt_account, account_id=account.account_id, failure=failure, now=now)
                )
                report.doubted += 1
            return
        report.checked += 1
        now = self._clock.now()
        await self._catalog.write(partial(self._renew, account_id=account.account_id, granted=granted, now=now))

    def _end(self, tx: Transaction, account_id: int, failure: SourceFailure, now: Instant) -> None:
        account = tx.account(account_id)
        if account is None or account.state is not AccountState.DOUBTED:
            return
        closed = isinstance(failure, AccountClosed)
        reason = Reason.ACCOUNT_CLOSED if closed else Reason.GRANT_LOST
        state = AccountState.CLOSED if closed else AccountState.LOST
        documents = end_account(tx, account, state, reason, reason.value, now, self._rules.lease)
        _log.warning(
            Event.ACCOUNT_CLOSED if closed else Event.ACCOUNT_GRANT_LOST,
            "A grant is gone: everything of the account is hidden and being erased.",
            account_id=account_id,
            reason=reason.value,
            documents=documents,
        )

    def _renew(self, tx: Transaction, account_id: int, granted: Granted, now: Instant) -> None:
        account = tx.account(account_id)
        if account is None or account.state not in GRANTED_STATES:
            return
        state = account.state
        if granted.account_id != account_id:
            # A token that names somebody else proves nothing about this account (F15).
            _log.warning(Event.ACCOUNT_MISMATCH, "A token belongs to another member.", account_id=account_id)
            return
        lacking = missing_permissions(granted.permissions, self._rules.permissions)
        tx.put_account(
            replace(
                account,
                username=granted.username or account.username,
                realname=granted.realname,
                state=AccountState.ACTIVE if state is AccountState.DOUBTED else state,
                checked_at=granted.sent_at,
                next_check_at=now + self.check_period,
                failure=f"the member did not grant {_words(lacking)}" if lacking else "",
                failures=0,
            )
        )
        beyond = excess_permissions(granted.permissions, self._rules.permissions)
        if beyond:
            _log.info(
                Event.ACCOUNT_EXCESS, "A token grants more than is used.", account_id=account_id, areas=_words(beyond)
            )


def _due(view: View, now: Instant, account_id: int | None) -> list[tuple[Account, Grant]]:
    due: list[tuple[Account, Grant]] = []
    for account in view.accounts(GRANTED_STATES):
        wanted = account.next_check_at <= now if account_id is None else account.account_id == account_id
        grant = view.grant(account.account_id) if wanted else None
        if grant is not None:
            due.append((account, grant))
    return sorted(due, key=lambda pair: (pair[0].state is not AccountState.DOUBTED, pair[0].next_check_at))


def _put_off(tx: Transaction, account_id: int, words: str, retry_at: Instant) -> None:
    account = tx.account(account_id)
    if account is not None:
        note_failure(tx, account_id, words, account.retry_at)
        tx.put_account(replace(account, next_check_at=retry_at, failure=words, failures=account.failures + 1))


def _words(permissions: dict[str, str]) -> str:
    return ", ".join(f"{area}={level}" for area, level in sorted(permissions.items()))
