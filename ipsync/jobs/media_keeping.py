"""Which arrived files may be kept, and how they are: named, made durable, recorded; or let go without a trace.

Asked twice, when files get their names and when they are recorded: what was permitted when the
download began may be hidden, replaced or gone by now.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ipsync.policy.accounts import SERVED_STATES
from ipsync.policy.documents import Document, Facts, Rendition, RenditionState
from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import Lease, may_serve
from ipsync.policy.permission import bar
from ipsync.policy.planning import next_try
from ipsync.policy.rules import Rules
from ipsync.policy.sweeping import is_new_version
from ipsync.ports.catalog import Transaction, View
from ipsync.ports.source import Fetched
from ipsync.ports.store import ContentKey, ContentStore, Incoming, StoredFile, StoreFailure, StoreFull

UNFINISHED = (RenditionState.WANTED, RenditionState.FAILED)
"""States of files that are still to be fetched."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One file that is asked for, and what was known of its document then."""

    rendition: Rendition
    facts: Facts

    @property
    def key(self) -> ContentKey:
        """Where the file would lie in the store."""
        return key_of(self.rendition)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that came whole, still without a name."""

    asked: Asked
    incoming: Incoming
    fetched: Fetched


@dataclass(frozen=True, slots=True)
class Missed:
    """A file that did not come, and how long its host asked us to wait."""

    asked: Asked
    pause: Duration | None = None


@dataclass(slots=True)
class Kept:
    """What became of arrived files.

    Attributes:
        files: those that have their names, durably.
        broken: those the store could not keep.
        full: whether the store has no room.
    """

    files: list[tuple[Arrived, StoredFile]] = field(default_factory=list)
    broken: list[Asked] = field(default_factory=list)
    full: bool = False


def key_of(rendition: Rendition) -> ContentKey:
    """Where a rendition lies in the store."""
    return ContentKey(rendition.account_id, rendition.document_id, rendition.file.rendition)


def in_turn(renditions: Iterable[Rendition]) -> list[Rendition]:
    """The first file of each account, then the second of each, and so on."""
    numbers: Counter[int] = Counter()
    ranked = []
    for entry in renditions:
        ranked.append((numbers[entry.account_id], entry))
        numbers[entry.account_id] += 1
    return [entry for _, entry in sorted(ranked, key=lambda pair: pair[0])]


def may_keep(document: Document, name: str, rules: Rules, now: Instant) -> bool:
    """Whether this file of a document may be copied and kept at `now`, as far as document and rules say."""
    return (
        name in rules.view.renditions
        and may_serve(rules.lease, document, now)
        and bar(rules.view, document.account_id, document.facts, now) is None
    )


def still_wanted(view: View, asked: Iterable[Asked], rules: Rules, now: Instant) -> dict[ContentKey, Rendition]:
    """Those files that may be kept and are still wanted as they were asked for, as the catalog knows them now.

    Another address or another version means that another file lies there: that one is fetched instead.
    """
    by_key = {entry.key: entry for entry in asked}
    ids = {key.document_id for key in by_key}
    documents = view.documents(ids)
    served = {account.account_id for account in view.accounts(SERVED_STATES)}
    wanted: dict[ContentKey, Rendition] = {}
    for entries in view.renditions(ids, UNFINISHED).values():
        for current in entries:
            entry, document = by_key.get(key_of(current)), documents.get(current.document_id)
            if entry is None or document is None or document.account_id not in served:
                continue
            is_same = current.file.url == entry.rendition.file.url and not is_new_version(entry.facts, document.facts)
            if is_same and may_keep(document, current.file.rendition, rules, now):
                wanted[entry.key] = current
    return wanted


def keep_files(store: ContentStore, arrived: Sequence[Arrived], wanted: Collection[ContentKey]) -> Kept:
    """Give wanted files their names, as one durable group; let go of the others. Blocks: call it in a thread."""
    kept = Kept()
    for item in arrived:
        if item.asked.key not in wanted:
            discard(item.incoming)
            continue
        try:
            kept.files.append((item, item.incoming.keep()))
        except StoreFailure as failure:
            discard(item.incoming)
            kept.full = kept.full or isinstance(failure, StoreFull)
            kept.broken.append(item.asked)
    try:
        store.make_durable([file.key for _, file in kept.files])
    except StoreFailure:
        # Nobody knows what is on the disk: none of them counts as stored (F4).
        kept.broken += [item.asked for item, _ in kept.files]
        erase_quietly(store, [file.key for _, file in kept.files])
        kept.files = []
    return kept


def record(
    tx: Transaction, kept: Sequence[tuple[Arrived, StoredFile]], missed: Sequence[Missed], rules: Rules, now: Instant
) -> list[ContentKey]:
    """Record files that were kept, and when to try again for those that were not.

    Returns:
        Keys of files that may not be kept any more, since something came between; they must go again.
    """
    wanted = still_wanted(tx, [item.asked for item, _ in kept], rules, now)
    tx.put_renditions(
        [_stored(wanted[item.asked.key], item.fetched, file, now) for item, file in kept if item.asked.key in wanted]
    )
    current = {
        key_of(entry): entry
        for entries in tx.renditions({item.asked.key.document_id for item in missed}, UNFINISHED).values()
        for entry in entries
    }
    tx.put_renditions(
        [
            _failed(current[item.asked.key], item.pause, rules.lease, now)
            for item in missed
            if item.asked.key in current and current[item.asked.key].file.url == item.asked.rendition.file.url
        ]
    )
    return [item.asked.key for item, _ in kept if item.asked.key not in wanted]


def put_aside(tx: Transaction, renditions: Sequence[Rendition], later: Instant, rules: Rules) -> None:
    """Look again later at files that may not be fetched now; forget those that are not configured any more."""
    current = tx.renditions({entry.document_id for entry in renditions}, UNFINISHED)
    keys = {key_of(entry) for entry in renditions}
    found = [entry for entries in current.values() for entry in entries if key_of(entry) in keys]
    tx.drop_renditions([key_of(entry) for entry in found if entry.file.rendition not in rules.view.renditions])
    tx.put_renditions(
        [replace(entry, next_try_at=later) for entry in found if entry.file.rendition in rules.view.renditions]
    )


def discard(incoming: Incoming) -> None:
    """Erase what was received; where the disk will not, it is erased at the next start, with all partial downloads."""
    try:
        incoming.discard()
    except StoreFailure:
        incoming.close()


def erase_quietly(store: ContentStore, keys: Sequence[ContentKey]) -> None:
    """Erase files that nobody may know of; where the disk will not, the orphans job finds them."""
    try:
        store.erase_files(keys)
    except StoreFailure:
        return


def _stored(rendition: Rendition, fetched: Fetched, file: StoredFile, now: Instant) -> Rendition:
    return replace(
        rendition,
        state=RenditionState.STORED,
        size_bytes=file.size_bytes,
        digest=file.digest,
        content_type=fetched.content_type,
        stored_at=now,
        attempts=0,
        next_try_at=0,
    )


def _failed(rendition: Rendition, pause: Duration | None, lease: Lease, now: Instant) -> Rendition:
    attempts = rendition.attempts + 1
    later = next_try(now, attempts, lease.window // 1440, lease.window // 4)
    if pause is not None:
        later = max(later, now + pause)
    return replace(rendition, state=RenditionState.FAILED, attempts=attempts, next_try_at=later)
