"""A member's request for everything that is held of them now, document by document, who goes on being connected.

One transaction: whatever happens afterwards, every one of them is hidden, owed to erasure, and stays away (I4).
"""

from ipsync.policy.documents import Document, RenditionState, Tombstone
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason
from ipsync.policy.requests import Holding, RequestScope, Subject, new_request
from ipsync.ports.catalog import Transaction

_AT_ONCE = 5000
_HELD = (RenditionState.STORED, RenditionState.ERASING)


def ask_for_every_document(tx: Transaction, account_id: int, now: Instant, lease: Lease) -> int:
    """Hide every document of an account, owe its erasure, and put a request for each on record.

    Args:
        tx: the transaction.
        account_id: whose.
        now: the lease clock.
        lease: the thresholds.

    Returns:
        For how many documents; one that its owner asked for before is not counted.
    """
    asked, after = 0, 0
    while found := tx.documents_after(after, _AT_ONCE, account_id=account_id):
        after = found[-1].document_id
        asked += _ask(tx, found, now, lease)
    tx.doom_account_by_request(account_id, now, lease)
    return asked


def _ask(tx: Transaction, documents: list[Document], now: Instant, lease: Lease) -> int:
    ids = [document.document_id for document in documents]
    standing = {number for number, tombstone in tx.tombstones(ids).items() if tombstone.stands}
    files = tx.renditions(ids, states=_HELD)
    fresh = [document for document in documents if document.document_id not in standing]
    for document in fresh:
        held = files.get(document.document_id, [])
        holding = Holding(documents=1, files=len(held), size_bytes=sum(entry.size_bytes for entry in held))
        subject = Subject(RequestScope.DOCUMENT, document.document_id, document.account_id)
        tx.put_removal_request(new_request(subject, holding, 0, now, lease))
    # They stand from now on: no page that is under way can take them in.
    reason = Reason.OWNER_REQUEST.value
    tx.put_tombstones(Tombstone(entry.document_id, entry.account_id, reason, now, stands=True) for entry in fresh)
    return len(fresh)
