"""Grants: ask ipernity what each token permits now, and end the accounts whose members said no (T13, T15)."""

from dataclasses import dataclass, replace
from functools import partial

from ipsync.jobs.obligations import doubt_account, end_account, remember_state, state_before_doubt
from ipsync.jobs.restraint import Restraint
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
        self._restraint = Restraint(rules.lease)

    @property
    def check_period(self) -> Duration:
        """How often a token is asked after: half a window."""
        return self._rules.lease.window // 2

    async def run(self, account_id: int | None = None) -> GrantsReport:
        """Check every grant that is due, doubted accounts first; with `account_id`, that one, due or not."""
        report = GrantsReport()
        now = self._clock.now()
        if account_id is None and self._restraint.holds(now):
            return report
        due = await self._catalog.read(partial(_due, now=now, account_id=account_id))
        for account, grant in due:
            try:
                await self._check(account, grant, report)
            except SourceFailure as failure:
                if not isinstance(failure, (QuotaReached, KeyRefused)):
                    report.unanswered += 1
                    await self._catalog.write(partial(self._put_off, asked=account, words=failure.reason))
                if not self._restraint.failed(failure, self._clock.now()):
                    break
            else:
                self._restraint.answered()
        return report

    async def _check(self, account: Account, grant: Grant, report: GrantsReport) -> None:
        lane = Lane.CONFIRMATION if account.state is AccountState.DOUBTED else Lane.VERIFICATION
        try:
            granted = await self._source.check_grant(grant.token, lane)
        except (GrantLost, AccountClosed) as failure:
            if account.state is AccountState.DOUBTED:
                report.ended += await self._end(account, failure)
            else:
                report.doubted += await self._doubt(account, failure)
            return
        report.checked += 1
        await self._judge(account, granted)

    async def _doubt(self, account: Account, failure: SourceFailure) -> bool:
        now, lease = self._clock.now(), self._rules.lease
        hidden = await self._catalog.write(lambda tx: doubt_account(tx, account, failure, now, lease))
        if hidden:
            _log.warning(
                Event.ACCOUNT_DOUBTED,
                "An account was hidden: its grant seems lost.",
                account_id=account.account_id,
                reason=failure.reason,
            )
        return hidden

    async def _end(self, account: Account, failure: SourceFailure) -> bool:
        closed = isinstance(failure, AccountClosed)
        reason = Reason.ACCOUNT_CLOSED if closed else Reason.GRANT_LOST
        state = AccountState.CLOSED if closed else AccountState.LOST
        now, lease = self._clock.now(), self._rules.lease

        def end(tx: Transaction) -> int | None:
            current = tx.account(account.account_id)
            if current is None or current.state is not AccountState.DOUBTED or _is_other_grant(current, account):
                return None
            return end_account(tx, current, state, reason, reason.value, now, lease)

        documents = await self._catalog.write(end)
        if documents is None:
            return False
        _log.warning(
            Event.ACCOUNT_CLOSED if closed else Event.ACCOUNT_GRANT_LOST,
            "A grant is gone: everything of the account is hidden and being erased.",
            account_id=account.account_id,
            reason=reason.value,
            documents=documents,
        )
        return True

    async def _judge(self, account: Account, granted: Granted) -> None:
        """Take over what ipernity said of a token that holds."""
        if granted.account_id != account.account_id:
            # A token that names somebody else proves nothing about this account (F15).
            await self._catalog.write(partial(self._put_off, asked=account, words="the token names another member"))
            _log.warning(Event.ACCOUNT_MISMATCH, "A token belongs to another member.", account_id=account.account_id)
            return
        await self._catalog.write(partial(self._renew, asked=account, granted=granted))
        lacking = missing_permissions(granted.permissions, self._rules.essential)
        if lacking:
            _log.warning(
                Event.ACCOUNT_DOUBTED,
                "An account is hidden: its token does not permit what is needed any more.",
                account_id=account.account_id,
                areas=_words(lacking),
            )
        elif account.state is AccountState.DOUBTED:
            _log.info(Event.ACCOUNT_CHECKED, "A doubt was unfounded: the grant holds.", account_id=account.account_id)
        beyond = excess_permissions(granted.permissions, self._rules.permissions)
        if beyond:
            _log.info(
                Event.ACCOUNT_EXCESS,
                "A token grants more than is used.",
                account_id=account.account_id,
                areas=_words(beyond),
            )

    def _renew(self, tx: Transaction, asked: Account, granted: Granted) -> None:
        account = tx.account(asked.account_id)
        if account is None or account.state not in GRANTED_STATES or _is_other_grant(account, asked):
            return
        lacking = missing_permissions(granted.permissions, self._rules.essential)
        now, doubted = self._clock.now(), account.state is AccountState.DOUBTED
        if lacking:
            # Like a lost grant it is hidden at once; its leases decide when it is erased (F18, error 110).
            remember_state(tx, account)
            state, pause = AccountState.DOUBTED, self.check_period // 24
            failure = f"the member did not grant {_words(lacking)}"
        else:
            state, pause = state_before_doubt(tx, account.account_id) if doubted else account.state, self.check_period
            failure = account.failure if account.failures and not doubted else ""
        tx.put_account(
            replace(
                account,
                username=granted.username or account.username,
                realname=granted.realname,
                state=state,
                checked_at=granted.sent_at,
                next_check_at=now + pause,
                # The count stays until a page is read: a doubt that keeps coming back is looked into ever more rarely.
                failure=failure,
            )
        )

    def _put_off(self, tx: Transaction, asked: Account, words: str) -> None:
        account = tx.account(asked.account_id)
        if account is None or account.state not in GRANTED_STATES or _is_other_grant(account, asked):
            return
        now, period, failures = self._clock.now(), self.check_period, account.failures
        if account.state is AccountState.DOUBTED:
            failures += 1
            next_check_at = next_try(now, failures, period // 360, period // 4)
        else:
            # Its listings verify it meanwhile, and count their own failures.
            next_check_at = now + period // 24
        tx.put_account(replace(account, next_check_at=next_check_at, failure=words, failures=failures))


def _is_other_grant(current: Account, asked: Account) -> bool:
    """Whether the member authorized anew since the question was put: then the answer is about a former token."""
    return current.consent_epoch != asked.consent_epoch


def _due(view: View, now: Instant, account_id: int | None) -> list[tuple[Account, Grant]]:
    due: list[tuple[Account, Grant]] = []
    for account in view.accounts(GRANTED_STATES):
        wanted = account.next_check_at <= now if account_id is None else account.account_id == account_id
        grant = view.grant(account.account_id) if wanted else None
        if grant is not None:
            due.append((account, grant))
    return sorted(due, key=lambda pair: (pair[0].state is not AccountState.DOUBTED, pair[0].next_check_at))


def _words(permissions: dict[str, str]) -> str:
    return ", ".join(f"{area}={level}" for area, level in sorted(permissions.items()))
