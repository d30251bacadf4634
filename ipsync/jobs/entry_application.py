"""What is learned of albums, folders and articles, each in one transaction: renew, take in, hide (design §3, T10).

Nothing is asked here, and nothing erased. A page renews only what it names, and only where the content that is held
is known to be that of the page or of a later moment.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from ipsync.jobs.obligations import withdraw_suspicions
from ipsync.policy.accounts import Account, AccountState, Grant
from ipsync.policy.documents import DocumentState
from ipsync.policy.entries import (
    AREAS,
    Content,
    Entry,
    EntryKind,
    EntryListing,
    ListedEntry,
    entry_bar,
    may_return,
    needs_reading,
    speaks_for,
    subject_number,
    suspected,
    verified,
)
from ipsync.policy.instants import Instant
from ipsync.policy.removals import Reason
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Transaction, View
from ipsync.ports.source import EntryPage

_MANY = 100_000
_HELD = (DocumentState.LIVE, DocumentState.STALE)


@dataclass(frozen=True, slots=True)
class EntryTurn:
    """A list of entries being swept, with what is needed to read it."""

    account: Account
    grant: Grant
    listing: EntryListing

    @property
    def is_first(self) -> bool:
        """Whether this list was never swept to its end: it is discovered, not verified."""
        return self.listing.completed_at is None


@dataclass(slots=True)
class AppliedEntries:
    """What one page of entries did.

    Attributes:
        turn: the same list, its sweep begun.
        wanting: what must be read before the page verifies it; what is held already comes first.
        known: ids of `wanting` that are held.
        renewed: how many were verified by the page.
        hidden: how many were hidden because the page names them outside the permitted view.
    """

    turn: EntryTurn
    wanting: list[ListedEntry] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    renewed: int = 0
    hidden: int = 0


def entry_turns(tx: Transaction, rules: Rules, now: Instant, account_id: int | None, *, force: bool) -> list[EntryTurn]:
    """The lists whose turn it is, those with leases to renew first. Each gets a row of its own from now on.

    What a member's grant does not permit is not read; what is held of it is hidden.

    Args:
        tx: the transaction.
        rules: which kinds are mirrored.
        now: the lease clock.
        account_id: only of this account.
        force: due or not.
    """
    found: list[EntryTurn] = []
    kept: dict[int, list[EntryListing]] = {}
    for listing in tx.entry_listings(account_id):
        kept.setdefault(listing.account_id, []).append(listing)
    for account in tx.accounts({AccountState.ACTIVE}):
        if account_id not in (None, account.account_id):
            continue
        grant = tx.grant(account.account_id)
        wanted = {kind for kind in rules.kinds if grant is not None and AREAS[kind] in grant.permissions}
        present = {listing.kind: listing for listing in kept.get(account.account_id, ())}
        if present.keys() - wanted:
            tx.drop_entry_listings(account.account_id, keep=wanted)
        for kind in rules.kinds - wanted:
            hide_kind(tx, account.account_id, kind, rules, now, "grant lacking")
        for kind in sorted(wanted):
            listing = present.get(kind) or EntryListing(account.account_id, kind)
            if kind not in present:
                tx.put_entry_listing(listing)
            is_due = listing.sweep_started_at is not None or listing.next_due_at <= now
            if grant is not None and (force or (is_due and account.retry_at <= now)):
                found.append(EntryTurn(account, grant, _fresh(listing, rules, now)))
    return sorted(found, key=lambda turn: (turn.account.failures > 0, turn.is_first, turn.listing.completed_at or 0))


def _fresh(listing: EntryListing, rules: Rules, now: Instant) -> EntryListing:
    """Begin a sweep anew that was interrupted so long ago that nothing it named is served any more."""
    started = listing.sweep_started_at
    if started is not None and now - started >= rules.lease.serve_age:
        return replace(listing, sweep_started_at=None, next_page=1, counted=0)
    return listing


def still_asked(view: View, asked: Account) -> bool:
    """Whether an answer still counts: the account is read, by the grant with which it was asked."""
    account = view.account(asked.account_id)
    return account is not None and account.state is AccountState.ACTIVE and account.consent_epoch == asked.consent_epoch


def apply_entry_page(
    tx: Transaction, turn: EntryTurn, answer: EntryPage, rules: Rules, now: Instant
) -> AppliedEntries | None:
    """Carry out what one page means, short of what must be read first.

    Args:
        tx: the transaction.
        turn: the list, before this page.
        answer: the page.
        rules: what may be held.
        now: the lease clock.

    Returns:
        None where the answer counts for nothing any more.
    """
    if not still_asked(tx, turn.account):
        return None
    account_id, kind, sent_at = turn.account.account_id, answer.kind, answer.sent_at
    started = turn.listing.sweep_started_at
    listing = replace(
        turn.listing,
        total=answer.total,
        sweep_started_at=sent_at if started is None else started,
        counted=turn.listing.counted + 1,
    )
    applied = AppliedEntries(replace(turn, listing=listing))
    numbers = {listed.entry_id: subject_number(kind, listed.entry_id) for listed in answer.entries}
    held = tx.entries(numbers.values())
    stones = tx.tombstones([number for number in numbers.values() if number not in held])
    changed: list[Entry] = []
    barred: list[Entry] = []
    for listed in answer.entries:
        number = numbers[listed.entry_id]
        entry = held.get(number)
        if entry is None:
            is_permitted = entry_bar(rules.view, kind, account_id, listed.levels, now) is None
            if is_permitted and may_return(stones.get(number), sent_at):
                applied.wanting.append(listed)
        elif entry.account_id == account_id and speaks_for(entry, sent_at, rules.lease, now):
            if entry_bar(rules.view, kind, account_id, listed.levels, now) is not None:
                barred.append(replace(entry, seen_at=sent_at))
            elif needs_reading(entry, listed, kind, sent_at if started is None else started):
                applied.wanting.append(listed)
                applied.known.add(listed.entry_id)
                changed.append(replace(entry, seen_at=sent_at))
            else:
                applied.renewed += 1
                changed.append(verified(entry, kind, account_id, listed, entry.content, sent_at, now))
    tx.put_entries(changed)
    _withdraw(tx, held, changed)
    applied.hidden = len(barred)
    _suspect(tx, barred, Reason.UNSHARED, sent_at, rules, now, "named in the listing without permission")
    tx.put_entry_listing(listing)
    applied.wanting.sort(key=lambda listed: listed.entry_id not in applied.known)
    return applied


def _withdraw(tx: Transaction, before: dict[int, Entry], after: Sequence[Entry]) -> None:
    again = [
        entry.number
        for entry in after
        if entry.state is DocumentState.LIVE and before[entry.number].state is DocumentState.SUSPECT
    ]
    if again:
        withdraw_suspicions(tx, again)


def keep_entry(
    tx: Transaction,
    turn: EntryTurn,
    listed: ListedEntry,
    content: Content,
    sent_at: Instant,
    rules: Rules,
    now: Instant,
) -> bool:
    """Take in, or renew, one entry whose content was read after the page that named it.

    Args:
        tx: the transaction.
        turn: its list.
        listed: what the page said.
        content: what was read.
        sent_at: the send time of the page.
        rules: what may be held.
        now: the lease clock.

    Returns:
        Whether it counted.
    """
    if not still_asked(tx, turn.account):
        return False
    kind, account_id = turn.listing.kind, turn.account.account_id
    number = subject_number(kind, listed.entry_id)
    held = tx.entries([number])
    entry, stone = held.get(number), tx.tombstones([number]).get(number)
    if entry is None and not may_return(stone, sent_at):
        return False
    if entry is not None and (entry.account_id != account_id or not speaks_for(entry, sent_at, rules.lease, now)):
        return False
    if kind is EntryKind.FOLDER:
        content = replace(content, members=_known_albums(tx, account_id, content.members))
    if entry is None and stone is not None:
        tx.drop_tombstones([number])
    taken = verified(entry, kind, account_id, listed, content, sent_at, now, stone)
    tx.put_entries([taken])
    _withdraw(tx, held, [taken] if entry is not None else [])
    return True


def _known_albums(view: View, account_id: int, album_ids: Sequence[int]) -> tuple[int, ...]:
    """Of a folder's albums those that are mirrored: of the others not even a number is kept."""
    known = view.entries([subject_number(EntryKind.ALBUM, one) for one in album_ids])
    return tuple(
        one
        for one in album_ids
        if (album := known.get(subject_number(EntryKind.ALBUM, one))) is not None and album.account_id == account_id
    )


def suspect_entry(tx: Transaction, turn: EntryTurn, entry_id: int, sent_at: Instant, rules: Rules, now: Instant) -> int:
    """Hide an entry that a page named and that, asked for, is not there. Returns how many that were."""
    if not still_asked(tx, turn.account):
        return 0
    held = [
        entry
        for entry in tx.entries([subject_number(turn.listing.kind, entry_id)]).values()
        if entry.state in _HELD and entry.account_id == turn.account.account_id and sent_at >= entry.verified_at
    ]
    return _suspect(tx, held, Reason.DELETED, sent_at, rules, now, "get error 1")


def complete_entries(
    tx: Transaction, turn: EntryTurn, sent_at: Instant, rules: Rules, now: Instant, *, unread: bool
) -> tuple[EntryListing, int]:
    """Hide what no page of a complete sweep named, all at once, and plan the next sweep.

    Args:
        tx: the transaction.
        turn: the list after its last page.
        sent_at: of the last page.
        rules: what may be held, and for how long.
        now: the lease clock.
        unread: whether something that was named could not be read: it is asked for again soon.

    Returns:
        The list, no sweep under way, and how many entries were hidden.
    """
    listing = turn.listing
    started = sent_at if listing.sweep_started_at is None else listing.sweep_started_at
    if not still_asked(tx, turn.account):
        return replace(listing, sweep_started_at=None, next_page=1), 0
    missing = tx.entries_unseen_since(listing.kind, listing.account_id, started, _MANY)
    evidence = f"pages={listing.next_page} total={listing.total} missing"
    hidden = _suspect(tx, missing, Reason.UNSHARED, sent_at, rules, now, evidence)
    age = rules.lease.recheck_age
    following = replace(
        listing,
        requests=max(1, listing.counted),
        counted=0,
        sweep_started_at=None,
        next_page=1,
        completed_at=started,
        next_due_at=started + (age // 4 if unread else age),
    )
    tx.put_entry_listing(following)
    return following, hidden


def hide_kind(tx: Transaction, account_id: int, kind: EntryKind, rules: Rules, now: Instant, evidence: str) -> int:
    """Hide all entries of a kind that the member's grant does not permit to read (any more). Returns how many."""
    held = tx.entries_of(kind, _MANY, account_id=account_id, states=_HELD)
    return _suspect(tx, held, Reason.GRANT_LOST, now, rules, now, evidence)


def _suspect(
    tx: Transaction, entries: Collection[Entry], reason: Reason, sent_at: Instant, rules: Rules, now: Instant, why: str
) -> int:
    hidden, removals = suspected(list(entries), reason, sent_at, now, rules.lease, why)
    tx.put_entries(hidden)
    tx.add_removals(removals)
    return len(hidden)
