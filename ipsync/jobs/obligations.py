"""What several jobs do to the catalog inside a transaction: withdraw a suspicion, doubt or end an account."""

from collections.abc import Collection
from dataclasses import replace

from ipsync.policy.accounts import GRANTED_STATES, Account, AccountState
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason, Stage
from ipsync.ports.catalog import Transaction
from ipsync.ports.source import AccountClosed, SourceFailure


def withdraw_suspicions(tx: Transaction, document_ids: Collection[int]) -> None:
    """End the open suspicions of documents that ipernity named again."""
    open_ones = tx.removals(stages={Stage.SUSPECTED}, document_ids=document_ids, limit=len(document_ids) * 2 + 1)
    tx.update_removals([replace(removal, stage=Stage.WITHDRAWN) for removal in open_ones])


def doubt_account(tx: Transaction, account_id: int, failure: SourceFailure, now: Instant) -> bool:
    """Hide a whole account at once after one answer said its grant is lost or it is closed (T15, F18, F19).

    One odd answer erases nothing (I10): the grants job asks once more, at once.

    Returns:
        Whether the account was served until now.
    """
    account = tx.account(account_id)
    if account is None or account.state not in GRANTED_STATES or account.state is AccountState.DOUBTED:
        return False
    closed = isinstance(failure, AccountClosed)
    words = "ipernity says the account is closed" if closed else "ipernity refuses the token"
    tx.put_account(replace(account, state=AccountState.DOUBTED, next_check_at=now, failure=words))
    return True


def end_account(
    tx: Transaction, account: Account, state: AccountState, reason: Reason, ended: str, now: Instant, lease: Lease
) -> int:
    """Forget the token, hide everything of an account and owe its erasure.

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
    tx.put_account(replace(account, state=state, failure="", failures=0))
    tx.end_grant(account.account_id, now, ended)
    tx.drop_listings(account.account_id)
    return tx.doom_account(account.account_id, reason, now, lease)


def note_failure(tx: Transaction, account_id: int, words: str, retry_at: Instant) -> None:
    """Remember that a pass over an account failed, so that it blocks nobody and is seen to age."""
    account = tx.account(account_id)
    if account is not None:
        tx.put_account(replace(account, failure=words, failures=account.failures + 1, retry_at=retry_at))
