"""Albums, folders, articles, profiles: mirrored beside documents, under the same lease and removal rules (design §3).

An entry is named by a subject number, which is negative: documents have positive ids, so that a removal, a tombstone
or a ledger entry of an album can never be taken for one of a document. Values and judgments only.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from ipsync.policy.accounts import CONTENT_AREAS
from ipsync.policy.documents import DocumentState, Tombstone, Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.permission import Bar, KeyUse, PermittedView
from ipsync.policy.removals import OWN_REASONS, Reason, Removal, Scope, Stage


class EntryKind(StrEnum):
    """The kinds of entry; the word is part of routes and commands."""

    ALBUM = "album"
    FOLDER = "folder"
    ARTICLE = "article"
    PROFILE = "profile"  # a member has one, under their own number


CONTENT_KINDS = {
    "albums": EntryKind.ALBUM,
    "folders": EntryKind.FOLDER,
    "articles": EntryKind.ARTICLE,
    "profile": EntryKind.PROFILE,
}
"""The kinds by the words of `mirror.content`."""
CONTENT_WORDS = {kind: word for word, kind in CONTENT_KINDS.items()}
AREAS = {kind: CONTENT_AREAS[word] for word, kind in CONTENT_KINDS.items()}
"""The area of permission that each kind needs (T13)."""

_DIGITS = {EntryKind.ALBUM: 1, EntryKind.FOLDER: 2, EntryKind.ARTICLE: 3, EntryKind.PROFILE: 4}
_KINDS = {digit: kind for kind, digit in _DIGITS.items()}
_RADIX = 8

LARGEST_ENTRY_ID = 2**59 - 1
"""The largest id of which a subject number can be made."""

FIRST_SUBJECT = -(2**63)
"""Below every subject number: where a walk over all of them begins."""

FUTURE: Instant = 2**63 - 1
"""Later than every instant: whatever was verified, was verified before."""

ENTRIES_PER_PAGE = 100
MOST_ENTRY_PAGES = 1000
"""After how many pages a listing of entries is cut off, whatever it claims (F16)."""


def subject_number(kind: EntryKind, entry_id: int) -> int:
    """The number by which removals, tombstones and the ledger name an entry; always negative.

    Raises:
        ValueError: `entry_id` is no id.
    """
    if not 1 <= entry_id <= LARGEST_ENTRY_ID:
        raise ValueError("an entry's id must be an integer from 1 to 2**59 - 1")
    return -(entry_id * _RADIX + _DIGITS[kind])


def is_entry(number: int) -> bool:
    """Whether a subject number names an entry and not a document."""
    return number < 0


def entry_of(number: int) -> tuple[EntryKind, int]:
    """The kind and id that a subject number stands for.

    Raises:
        ValueError: it stands for none.
    """
    entry_id, digit = divmod(-number, _RADIX)
    if number >= 0 or digit not in _KINDS or entry_id < 1:
        raise ValueError("the number names no entry")
    return _KINDS[digit], entry_id


def subject_words(number: int) -> str:
    """A document or entry for people: `document 17`, `album 4711`."""
    if not is_entry(number):
        return f"document {number}"
    try:
        kind, entry_id = entry_of(number)
    except ValueError:
        return "an unknown entry"
    return f"{kind.value} {entry_id}"


def subject_names(number: int) -> dict[str, str | None]:
    """A document or entry for scripts: `kind`, `id`, and `document_id`, which only documents have."""
    if not is_entry(number):
        return {"kind": "document", "id": str(number), "document_id": str(number)}
    kind, entry_id = subject_words(number).rsplit(" ", 1)
    return {"kind": kind, "id": entry_id, "document_id": None}


def subject_field(number: int) -> dict[str, Any]:
    """A document or entry for a log, under a name of its own: `document_id` 17, `album_id` 4711."""
    try:
        kind, entry_id = entry_of(number)
    except ValueError:
        return {"document_id": number}
    return {f"{kind.value}_id": entry_id}


@dataclass(frozen=True, slots=True)
class Content:
    """What only reading an entry itself tells.

    Attributes:
        text: an article's words, plain (`policy.plain_text`); a profile's (`policy.profiles`); of others "".
        members: documents of an album, albums of a folder, documents that an article shows; each once, in their order.
    """

    text: str = field(default="", repr=False)
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """One entry as a listing page, or a question about it alone, named it.

    Attributes:
        levels: at which privacy levels there is something of it to see; an article has one, a profile all.
        cover_id: the document on it, or None.
        content: what only reading it tells elsewhere, where whatever names it tells that too: a profile.
    """

    entry_id: int
    title: str = field(repr=False)
    levels: frozenset[Visibility]
    posted_at: Instant | None = None
    modified_at: Instant | None = None
    cover_id: int | None = None
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One mirrored entry as the catalog holds it.

    Attributes:
        state: as of documents, but never SEALED: an entry that cannot be verified is erased at its deadline.
        verified_at: the SEND time of the page that named it, if its content was read after that (T10).
        seen_at: the send time of the newest page that named it at all.
        hidden_at: since when it is not served, or None while LIVE.
    """

    kind: EntryKind
    entry_id: int
    account_id: int
    title: str = field(repr=False)
    levels: frozenset[Visibility]
    state: DocumentState
    verified_at: Instant
    seen_at: Instant
    mirrored_at: Instant
    content: Content = field(default_factory=Content)
    absent_at: Instant | None = None
    hidden_at: Instant | None = None
    posted_at: Instant | None = None
    modified_at: Instant | None = None
    cover_id: int | None = None

    @property
    def number(self) -> int:
        """Its subject number."""
        return subject_number(self.kind, self.entry_id)


@dataclass(frozen=True, slots=True)
class EntryListing:
    """One account's list of entries of one kind, and its sweep.

    Attributes:
        total: entries it claimed last; never a verification.
        requests: what one sweep takes: pages of the list, and readings of what it names. Counted in admission.
        counted: requests of the sweep under way.
        completed_at: the send time of the first page of the newest complete sweep.
    """

    account_id: int
    kind: EntryKind
    total: int = 0
    requests: int = 1
    counted: int = 0
    next_due_at: Instant = 0
    sweep_started_at: Instant | None = None
    next_page: int = 1
    completed_at: Instant | None = None


def entry_bar(
    view: PermittedView, kind: EntryKind, account_id: int, levels: Collection[Visibility], now: Instant
) -> Bar | None:
    """Say why an entry may not be copied, kept or shown at `now`; None means it may (T06, T07).

    An article bears no license: a commercial key needs an agreement with its author. What an album or folder holds is
    judged document by document. A profile is no work, and has every level.

    Args:
        view: what the configuration allows.
        kind: which kind.
        account_id: its owner.
        levels: at which privacy levels there is anything of it to see.
        now: the instant of the question, since an agreement ends by itself.
    """
    if view.visibility.isdisjoint(levels):
        return Bar.VISIBILITY
    if kind is EntryKind.ARTICLE and view.use is KeyUse.COMMERCIAL:
        agreed = (entry.account_id == account_id and now < entry.until for entry in view.agreements)
        return None if any(agreed) else Bar.COMMERCE
    return None


def may_serve_entry(lease: Lease, entry: Entry, now: Instant) -> bool:
    """Whether an entry may be shown at `now`: LIVE, and its lease holds. Asked on every answer."""
    return entry.state is DocumentState.LIVE and lease.holds(entry.verified_at, now)


def may_return(tombstone: Tombstone | None, sent_at: Instant) -> bool:
    """Whether an entry that was erased may come back by an answer to a request sent at `sent_at`."""
    return tombstone is None or (not tombstone.stands and sent_at > tombstone.since)


def speaks_for(entry: Entry, sent_at: Instant, lease: Lease, now: Instant) -> bool:
    """Whether an answer may speak for a held entry: it is news (F17), and the copy is not past its deadline."""
    if entry.state is DocumentState.DOOMED or now - entry.verified_at >= lease.erase_age:
        return False
    if sent_at < entry.seen_at:
        return False
    return entry.absent_at is None or sent_at > entry.absent_at


def needs_reading(entry: Entry | None, listed: ListedEntry, kind: EntryKind, sweep_started_at: Instant) -> bool:
    """Whether an entry's content must be read before the page that named it counts as a verification.

    What an album or a folder holds changes without a word about it in its listing, so it is read in every sweep,
    once. An article's words are read again when its owner changed it; till then the old ones get no older lease. A
    profile comes with its words: each answer is taken over.
    """
    if entry is None or kind is EntryKind.PROFILE:
        return True
    if kind is EntryKind.ARTICLE:
        return entry.modified_at is None or (entry.modified_at, entry.title) != (listed.modified_at, listed.title)
    return entry.verified_at < sweep_started_at


def verified(
    entry: Entry | None,
    kind: EntryKind,
    account_id: int,
    listed: ListedEntry,
    content: Content,
    sent_at: Instant,
    now: Instant,
    tombstone: Tombstone | None = None,
) -> Entry:
    """The entry as it is now, LIVE, verified by the page sent at `sent_at`.

    Args:
        entry: as it is held, or None.
        kind: which kind.
        account_id: whose.
        listed: what the page said.
        content: what was read after the page.
        sent_at: of the page.
        now: the lease clock.
        tombstone: of the erased entry that comes back, or None.
    """
    return Entry(
        kind=kind,
        entry_id=listed.entry_id,
        account_id=account_id,
        title=listed.title,
        levels=listed.levels,
        state=DocumentState.LIVE,
        verified_at=sent_at if entry is None else max(entry.verified_at, sent_at),
        seen_at=sent_at if entry is None else max(entry.seen_at, sent_at),
        mirrored_at=now if entry is None else entry.mirrored_at,
        content=content,
        absent_at=(tombstone.since if tombstone else None) if entry is None else entry.absent_at,
        posted_at=listed.posted_at,
        modified_at=listed.modified_at,
        cover_id=listed.cover_id,
    )


def owe_entry(
    entry: Entry, reason: Reason, now: Instant, lease: Lease, stage: Stage, certificate: str, detected_at: Instant
) -> Removal:
    """The obligation to erase an entry; deadlines follow from its own verification (design §3).

    Args:
        entry: which.
        reason: why.
        now: the lease clock.
        lease: the thresholds.
        stage: SUSPECTED or CONFIRMED.
        certificate: evidence without content.
        detected_at: when it was learned; the send time of the telling request where there is one.
    """
    return Removal(
        document_id=entry.number,
        account_id=entry.account_id,
        reason=reason,
        stage=stage,
        scope=Scope.DOCUMENT,
        first_unsafe_at=now if reason in OWN_REASONS and reason is not Reason.EXPIRED else entry.verified_at,
        detected_at=detected_at,
        hidden_at=now if entry.hidden_at is None else entry.hidden_at,
        erase_from=lease.erase_from(entry.verified_at),
        erase_by=lease.erase_by(entry.verified_at),
        confirmed_at=now if stage is Stage.CONFIRMED else None,
        certificate=certificate,
    )


def suspected(
    entries: Sequence[Entry], reason: Reason, sent_at: Instant, now: Instant, lease: Lease, certificate: str
) -> tuple[list[Entry], list[Removal]]:
    """Entries as SUSPECT, hidden, and the removals that await ipernity's word or the deadline."""
    hidden = [
        replace(
            entry,
            state=DocumentState.SUSPECT,
            absent_at=max(entry.absent_at or 0, sent_at),
            hidden_at=now if entry.hidden_at is None else entry.hidden_at,
        )
        for entry in entries
        if entry.state is not DocumentState.DOOMED
    ]
    return hidden, [owe_entry(entry, reason, now, lease, Stage.SUSPECTED, certificate, sent_at) for entry in hidden]


def doomed(entry: Entry, now: Instant) -> Entry:
    """The entry as DOOMED: hidden, irrevocably."""
    return replace(entry, state=DocumentState.DOOMED, hidden_at=now if entry.hidden_at is None else entry.hidden_at)


def seen_again(entry: Entry, listed: ListedEntry, sent_at: Instant) -> Entry:
    """A suspected entry that ipernity showed by itself: LIVE, as old as its newest verification; a sweep renews it."""
    return replace(
        entry,
        state=DocumentState.LIVE,
        levels=listed.levels,
        seen_at=max(entry.seen_at, sent_at),
        hidden_at=None,
    )
