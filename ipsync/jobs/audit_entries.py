"""What an audit asks about albums, folders and articles: ages, grants, tombstones, obligations.

Plain functions of one consistent reading. Nothing is changed here.
"""

from collections.abc import Iterator

from ipsync.policy.accounts import GRANTED_STATES
from ipsync.policy.auditing import Finding, Kind, tolerance
from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import Entry, EntryKind, entry_bar
from ipsync.policy.instants import Instant
from ipsync.policy.removals import Stage
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import View

_BATCH = 500
_MANY = 1000
_ACTING = (Stage.SUSPECTED, Stage.CONFIRMED, Stage.INTENDED)
_HIDDEN = (DocumentState.SUSPECT, DocumentState.DOOMED)
_UNDOOMED = frozenset(DocumentState) - {DocumentState.DOOMED}


def look_at_entry_ages(view: View, rules: Rules, now: Instant) -> list[Finding]:
    """Entries that are older than somebody should have let them become; the first thousand of each kind of lateness."""
    lease, late = rules.lease, tolerance(rules.lease)
    old: dict[int, Entry] = {}
    for age, states in (
        (lease.gone_age, frozenset(DocumentState)),
        (lease.erase_age + late, _UNDOOMED),
        (lease.serve_age + late, frozenset({DocumentState.LIVE})),
    ):
        found = view.entries_unverified_since(now - age + 1, _MANY, states=states)
        old |= {entry.number: entry for entry in found}
    return [_finding(Kind.ENTRY_OVERDUE, entry) for entry in old.values()]


def look_at_entries(view: View, rules: Rules, now: Instant) -> list[Finding]:
    """Every entry: is it permitted, owed where it is hidden, and not kept though it was erased before?"""
    return [finding for batch in _batches(view) for finding in _of_batch(view, batch, rules, now)]


def forbidden_entries(view: View, rules: Rules, now: Instant) -> list[Entry]:
    """Entries that must not be held: without grant, or erased before and not verified since."""
    return [entry for batch in _batches(view) for entry in _forbidden(view, batch, rules, now)]


def _batches(view: View) -> Iterator[list[Entry]]:
    for kind in EntryKind:
        after = 0
        while batch := view.entries_of(kind, _BATCH, after=after):
            after = batch[-1].entry_id
            yield batch


def _of_batch(view: View, batch: list[Entry], rules: Rules, now: Instant) -> Iterator[Finding]:
    yield from (_finding(Kind.ENTRY_FORBIDDEN, entry) for entry in _forbidden(view, batch, rules, now))
    hidden = {entry.number: entry for entry in batch if entry.state in _HIDDEN}
    for removal in view.removals(stages=_ACTING, document_ids=hidden, limit=2 * _BATCH):
        hidden.pop(removal.document_id, None)
    yield from (_finding(Kind.ENTRY_UNOWED, entry) for entry in hidden.values())


def _forbidden(view: View, batch: list[Entry], rules: Rules, now: Instant) -> list[Entry]:
    stones = view.tombstones([entry.number for entry in batch])
    accounts = {account_id: view.account(account_id) for account_id in {entry.account_id for entry in batch}}
    found = []
    for entry in batch:
        if entry.state in _HIDDEN:
            continue
        account, stone = accounts[entry.account_id], stones.get(entry.number)
        is_granted = account is not None and account.state in GRANTED_STATES
        is_permitted = (
            entry.kind in rules.kinds and entry_bar(rules.view, entry.kind, entry.account_id, entry.levels, now) is None
        )
        if not is_granted or not is_permitted or (stone is not None and entry.verified_at <= stone.since):
            found.append(entry)
    return found


def _finding(kind: Kind, entry: Entry) -> Finding:
    return Finding(kind, entry.account_id, entry.number)
