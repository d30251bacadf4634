"""What several jobs do to the catalog inside a transaction: withdraw a suspicion, put off, doubt or end an account."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from ipsync.policy.accounts import GRANTED_STATES, SERVED_STATES, Account, AccountState
from ipsync.policy.entries import Entry, doomed, owe_entry
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.planning import next_try
from ipsync.policy.removals import Reason, Stage
from ipsync.ports.catalog import Transaction, View
from ipsync.ports.source import AccountClosed, Refused, SourceFailure

_MANY = 1_000_000


def withdraw_suspicions(tx: Transaction, document_ids: Collection[int]) -> None:
    """End the open suspicions of documents that ipernity named again."""
    open_ones = tx.removals(stages={Stage.SUSPECTED}, document_ids=document_ids, limit=len(document_ids) * 2 + 1)
    tx.update_removals([replace(removal, stage=Stage.WITHDRAWN) for removal in open_ones])


def doubt_account(tx: Transaction, asked: Account, failure: SourceFailure, now: Instant, lease: Lease) -> bool:
    """Hide a whole account at once after one answer said its grant is lost, or it is closed (T15, F18, F19).

    One odd answer erases nothing (I10): the grants job asks once more, at once. What the account was
    is remembered, and a doubt that keeps coming back is looked into more and more rarely.

    Args:
        tx: the transaction.
        asked: the account as it was when the question was put; an answer about an earlier grant says nothing.
        failure: the answer.
        now: the lease clock.
        lease: the thresholds.

    Returns:
        Whether the account was served until now.
    """
    account = tx.account(asked.account_id)
    if account is None or account.state not in GRANTED_STATES or account.consent_epoch != asked.consent_epoch:
        return False
    if account.state is AccountState.DOUBTED:
        return False
    remember_state(tx, account)
    tx.put_account(
        replace(
            account,
            state=AccountState.DOUBTED,
            next_check_at=now,
            failure=_doubt(failure),
            failures=account.failures + 1,
            retry_at=_retry_at(account, now, lease),
        )
    )
    return account.state in SERVED_STATES


def remember_state(tx: Transaction, account: Account) -> None:
    """Keep what an account is, before it is doubted."""
    if account.state is not AccountState.DOUBTED:
        tx.set_note(_before_doubt(account.account_id), account.state.value)


def state_before_doubt(view: View, account_id: int) -> AccountState:
    """What a doubted account was, so that a false alarm changes nothing: a paused one stays paused."""
    noted = view.note(_before_doubt(account_id))
    kept = (AccountState.PAUSED, AccountState.WAITING)
    return next((state for state in kept if noted == state.value), AccountState.ACTIVE)


def end_account(
    tx: Transaction, account: Account, state: AccountState, reason: Reason, ended: str, now: Instant, lease: Lease
) -> int:
    """Forget the token and the member's names, hide everything of an account and owe its erasure.

    What stays is the record of consent, under the account's number.

    Args:
        tx: the transaction.
        account: whom.
        state: LOST, CLOSED or REMOVED.
        reason: of the removals.
        ended: why the consent ended, for its record.
        now: the lease clock.
        lease: the thresholds.

    Returns:
        How many documents are to be erased.
    """
    forget_member(tx, account, state, ended, now)
    return tx.doom_account(account.account_id, reason, now, lease)


def forget_member(tx: Transaction, account: Account, state: AccountState, ended: str, now: Instant) -> None:
    """Forget the token and the names of a member who left; the record of consent stays, under the account's number.

    By its state alone nothing of the account is served from here on, whatever becomes of the documents.

    Args:
        tx: the transaction.
        account: whom.
        state: LOST, CLOSED or REMOVED.
        ended: why the consent ended, for its record.
        now: the lease clock.
    """
    tx.end_grant(account.account_id, now, ended)  # first: the feed tells when, by the consent's end
    tx.put_account(replace(account, state=state, username="", realname="", failure="", failures=0, retry_at=0))
    tx.drop_listings(account.account_id)
    tx.drop_entry_listings(account.account_id)


def put_off_account(tx: Transaction, account_id: int, words: str, now: Instant, lease: Lease) -> None:
    """Remember that a pass over an account failed, so that it blocks nobody and is seen to age."""
    account = tx.account(account_id)
    if account is not None:
        retry_at = _retry_at(account, now, lease)
        tx.put_account(replace(account, failure=words, failures=account.failures + 1, retry_at=retry_at))


def _retry_at(account: Account, now: Instant, lease: Lease) -> Instant:
    return next_try(now, account.failures + 1, lease.window // 2880, lease.window // 48)


def _before_doubt(account_id: int) -> str:
    return f"before the doubt of {account_id}"


def _doubt(failure: SourceFailure) -> str:
    if isinstance(failure, AccountClosed):
        return "ipernity says the account is closed"
    if isinstance(failure, Refused):
        return "ipernity does not permit reading the account"
    return "ipernity refuses the token"


def owe_entries(
    tx: Transaction,
    entries: Sequence[Entry],
    reason: Callable[[Entry], Reason],
    now: Instant,
    lease: Lease,
    certificate: str,
) -> None:
    """Doom albums, folders and articles, and owe their erasure; an open suspicion becomes that.

    Args:
        tx: the transaction.
        entries: which.
        reason: of each.
        now: the lease clock.
        lease: the thresholds.
        certificate: evidence without content.
    """
    going = [doomed(entry, now) for entry in entries]
    tx.put_entries(going)
    tx.add_removals([owe_entry(entry, reason(entry), now, lease, Stage.CONFIRMED, certificate, now) for entry in going])


def try_again_now(tx: Transaction) -> int:
    """Let removals that failed and wait for their next try be tried at once: whoever asks has mended something.

    Returns:
        How many were waiting.
    """
    open_ones = tx.removals(stages={Stage.CONFIRMED, Stage.INTENDED}, limit=_MANY)
    waiting = [replace(removal, next_try_at=0) for removal in open_ones if removal.next_try_at]
    tx.update_removals(waiting)
    return len(waiting)
