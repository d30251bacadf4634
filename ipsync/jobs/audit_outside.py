"""What an audit sees in the record of tombstones outside the database, against the catalog (F28, I4)."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from ipsync.policy.auditing import Finding, Kind
from ipsync.policy.documents import Document, DocumentState, Tombstone
from ipsync.policy.entries import FIRST_SUBJECT, Entry
from ipsync.policy.instants import Instant
from ipsync.policy.removals import Stage
from ipsync.policy.requests import OutsideTombstone, RequestScope, Subject, kept_outside_for, united
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog, View
from ipsync.ports.requests import TombstoneRecord

_BATCH = 500
_MANY = 20_000


async def look_outside(catalog: Catalog, record: TombstoneRecord, rules: Rules, now: Instant) -> list[Finding]:
    """Compare the record with the catalog, in both directions.

    Args:
        catalog: the durable memory.
        record: what outlives it.
        rules: how long entries are kept.
        now: the lease clock.

    Raises:
        StoreFailure: the record cannot be read.
    """
    since = now - kept_outside_for(rules.lease)
    held = await _held_inside(catalog, since)
    # The record after the catalog: it is written before anything is called gone.
    reading = await asyncio.to_thread(record.read, None)
    found = [Finding(Kind.OUTSIDE_DAMAGED, note=f"{reading.damaged} in all")] if reading.damaged else []
    latest: dict[Subject, OutsideTombstone] = {}
    requests: dict[int, OutsideTombstone] = {}
    for entry in reading.tombstones:
        subject = Subject(entry.subject.scope, entry.subject.subject_id)
        latest[subject] = united(latest.get(subject), entry)
        if entry.request_id:
            requests[entry.request_id] = entry
    found += [Finding(Kind.OUTSIDE_LACKING, document_id=stone.document_id) for stone in held if _lacks(latest, stone)]
    known = await catalog.read(_kept_requests)
    found += [Finding(Kind.OUTSIDE_LACKING, request_id=number) for number in sorted(known - requests.keys())]
    entries = list(latest.values())
    for start in range(0, len(entries), _BATCH):
        found += await catalog.read(partial(_against_catalog, entries=entries[start : start + _BATCH]))
    found += [
        Finding(Kind.OUTSIDE_UNSEEN, request_id=number)
        for number, entry in sorted(requests.items())
        if entry.stands and not await catalog.read(partial(_knows_request, entry=entry))
    ]
    return found


async def _held_inside(catalog: Catalog, since: Instant) -> list[Tombstone]:
    """Tombstones of the catalog that must be in the record: of what was called gone, and recent enough."""
    held: list[Tombstone] = []
    cursor = FIRST_SUBJECT
    while batch := await catalog.read(partial(_tombstones_after, cursor=cursor)):
        cursor, stones = batch
        held += [stone for stone in stones if stone.since >= since and not stone.stands]
    return held


def _tombstones_after(view: View, cursor: int) -> tuple[int, list[Tombstone]] | None:
    stones = view.tombstones_after(cursor, _BATCH)
    if not stones:
        return None
    ids = [stone.document_id for stone in stones]
    under_way = {entry.document_id for entry in view.removals(stages={Stage.ERASED}, document_ids=ids, limit=_MANY)}
    return ids[-1], [stone for stone in stones if stone.document_id not in under_way]


def _lacks(latest: dict[Subject, OutsideTombstone], stone: Tombstone) -> bool:
    known = latest.get(Subject(RequestScope.DOCUMENT, stone.document_id))
    return known is None or known.since < stone.since


def _kept_requests(view: View) -> set[int]:
    """The requests that are on record as written down outside."""
    known: set[int] = set()
    after = 0
    while page := view.removal_requests(after=after, limit=_BATCH):
        after = page[-1].request_id
        known |= {entry.request_id for entry in page if entry.is_kept_outside}
    return known


def _against_catalog(view: View, entries: Sequence[OutsideTombstone]) -> Iterable[Finding]:
    """Documents that are held though the record says they were erased or asked away."""
    of_documents = {
        entry.subject.subject_id: entry for entry in entries if entry.subject.scope is RequestScope.DOCUMENT
    }
    stones = view.tombstones(of_documents)
    found = []
    held: dict[int, Document | Entry] = {**view.documents(of_documents), **view.entries(of_documents)}
    for number, document in held.items():
        entry = of_documents[number]
        is_told_inside = number in stones and stones[number].since >= entry.since
        if document.state is DocumentState.DOOMED or is_told_inside:
            continue
        if document.verified_at <= entry.since:
            found.append(Finding(Kind.TOMBSTONED, document.account_id, number, note="by the record outside"))
    return found


def _knows_request(view: View, entry: OutsideTombstone) -> bool:
    held = view.removal_request(entry.request_id)
    if held is not None and held.received_at == entry.received_at:
        return True
    # The number may have been given again; what it names is what counts.
    return any(request.received_at == entry.received_at for request in view.removal_requests_of(entry.subject))
