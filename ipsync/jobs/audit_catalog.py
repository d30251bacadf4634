"""What an audit asks the catalog: accounts against grants, ages against leases, obligations against deadlines.

Plain functions of one consistent reading. Nothing is changed here.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ipsync.policy.accounts import GRANTED_STATES
from ipsync.policy.auditing import Finding, Kind, is_unlawful, judge_age, judge_document, tolerance
from ipsync.policy.documents import Document, DocumentState, Rendition, RenditionState
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import OPEN_STAGES, Removal, Scope, Stage
from ipsync.policy.requests import RemovalRequest, RequestScope
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import CatalogFailure, View

BATCH = 500
_MANY = 1000
_ACTING = (Stage.SUSPECTED, Stage.CONFIRMED, Stage.INTENDED)
_HIDDEN = (DocumentState.SUSPECT, DocumentState.DOOMED)


@dataclass(frozen=True, slots=True)
class DocumentBatch:
    """What one batch of documents showed.

    Attributes:
        following: where to go on, or None at the end.
        documents: how many were looked at.
        findings: of the catalog alone.
        stored: the files that must be in the store.
    """

    following: int | None
    documents: int
    findings: tuple[Finding, ...]
    stored: tuple[Rendition, ...]


def look_at_accounts(view: View, lease: Lease, now: Instant) -> list[Finding]:
    """Accounts that are held without a grant, and tokens that outlived theirs (T12, T15).

    A request for a whole account hides it at once, and its documents are owed a moment later: until then nothing
    is wrong.
    """
    figures = view.account_figures()
    taken_in = _taken_in_now(view, now - tolerance(lease))
    found: list[Finding] = []
    for account in view.accounts():
        try:
            has_token = view.grant(account.account_id) is not None
        except CatalogFailure:
            has_token = True  # one that does not open is told of by the check of the database
        counts = figures[account.account_id].documents if account.account_id in figures else {}
        states = [state for state, number in counts.items() if number]
        is_wrong = is_unlawful(account.state, has_token=has_token, states=states)
        if is_wrong and account.account_id not in taken_in:
            found.append(Finding(Kind.NO_GRANT, account.account_id, documents=sum(counts.values())))
        if has_token and account.state not in GRANTED_STATES:
            found.append(Finding(Kind.TOKEN_KEPT, account.account_id))
    return found


def look_at_ages(view: View, rules: Rules, now: Instant) -> list[Finding]:
    """Documents that are older than somebody should have let them become; the first thousand of each kind."""
    lease = rules.lease
    sealed = {DocumentState.SEALED}
    held = set(DocumentState) - sealed
    undoomed = held - {DocumentState.DOOMED}
    old: dict[int, Document] = {}
    for age, states in (
        (lease.gone_age, held),
        (lease.erase_age + tolerance(lease) + lease.sealed_grace, sealed),
        (lease.erase_age + tolerance(lease), undoomed),
        (lease.serve_age + tolerance(lease), {DocumentState.LIVE}),
    ):
        found = view.documents_unverified_since(now - age + 1, _MANY, states=states)
        old |= {entry.document_id: entry for entry in found}
    return [finding for entry in old.values() for finding in _of_age(entry, rules, now)]


def look_at_times_to_live(view: View, rules: Rules, now: Instant) -> list[Finding]:
    """Files and descriptions that are older than their time to live (T09); the first thousand of each."""
    late = tolerance(rules.lease)
    found = [
        Finding(Kind.FILE_EXPIRED, entry.account_id, entry.document_id, entry.file.rendition)
        for names, ttl in rules.ttl.of_renditions()
        for entry in view.renditions_stored_before(now - ttl - late, names, _MANY)
    ]
    for document in view.documents_detailed_before(now - rules.ttl.metadata - late, _MANY):
        modified_at = document.facts.modified_at
        # Details that a sweep called outdated a moment ago carry the owner's own date, and are not that old.
        if modified_at is None or document.details_at != modified_at - 1:
            found.append(Finding(Kind.DETAILS_EXPIRED, document.account_id, document.document_id))
    return found


def look_at_removals(view: View, now: Instant) -> list[Finding]:
    """Obligations past the law's instant: removals, and owners' requests; the first thousand of each."""
    found = [
        Finding(Kind.REMOVAL_OVERDUE, entry.account_id, entry.document_id, removal_id=entry.removal_id)
        for entry in view.removals(stages=OPEN_STAGES, limit=_MANY)
        if entry.erase_by < now
    ]
    found += [
        _of_request(Kind.REQUEST_OVERDUE, entry)
        for entry in view.removal_requests(open_only=True, limit=_MANY)
        if entry.erase_by < now
    ]
    return found


def look_at_requests(view: View) -> list[Finding]:
    """Owners' requests that stand and are not kept: nothing would keep what they name away (T11, I4)."""
    return [
        _of_request(Kind.REQUEST_IGNORED, request) for request in standing_requests(view) if is_ignored(view, request)
    ]


def standing_requests(view: View) -> Iterator[RemovalRequest]:
    """Every request that stands, by number."""
    after = 0
    while page := view.removal_requests(after=after, limit=BATCH):
        after = page[-1].request_id
        yield from (entry for entry in page if entry.stands)


def is_ignored(view: View, request: RemovalRequest) -> bool:
    """Whether what a standing request names could be mirrored."""
    subject = request.subject
    if subject.scope is RequestScope.DOCUMENT:
        tombstone = view.tombstones([subject.subject_id]).get(subject.subject_id)
        return tombstone is None or not tombstone.stands
    account = view.account(subject.subject_id)
    return account is not None and account.state in GRANTED_STATES and account.consent_epoch <= request.consent_epoch


def look_at_documents(view: View, rules: Rules, now: Instant, cursor: int) -> DocumentBatch:
    """Look at the next documents, and at what is on record about them."""
    documents = view.documents_after(cursor, BATCH)
    ids = [entry.document_id for entry in documents]
    tombstones = view.tombstones(ids)
    files = view.renditions(ids, (RenditionState.STORED, RenditionState.ERASING))
    asked = [entry.document_id for entry in documents if entry.state in _HIDDEN or _is_going(files, entry.document_id)]
    owed = _owed(view, asked)
    found: list[Finding] = []
    for document in documents:
        number = document.document_id
        removals = owed.get(number, ())
        is_owed = any(entry.scope is Scope.DOCUMENT for entry in removals)
        found += _of_age(document, rules, now)
        kinds = judge_document(document, tombstones.get(number), rules, now, is_owed=is_owed)
        found += [Finding(kind, document.account_id, number) for kind in kinds]
        if not is_owed and document.state is not DocumentState.DOOMED:
            found += unowed_files(files.get(number, ()), removals)
    return DocumentBatch(
        following=ids[-1] if ids else None,
        documents=len(ids),
        findings=tuple(found),
        stored=tuple(entry for held in files.values() for entry in held if entry.state is RenditionState.STORED),
    )


def unowed_files(held: Collection[Rendition], removals: Collection[Removal]) -> list[Finding]:
    """Files that are to be erased, and that no removal names."""
    named = {name for entry in removals for name in entry.renditions}
    return [
        Finding(Kind.FILE_UNOWED, entry.account_id, entry.document_id, entry.file.rendition)
        for entry in held
        if entry.state is RenditionState.ERASING and entry.file.rendition not in named
    ]


def _taken_in_now(view: View, since: Instant) -> set[int]:
    """Accounts for which an owner's request came since then and is open."""
    return {
        entry.subject.subject_id
        for entry in view.removal_requests(open_only=True, limit=_MANY)
        if entry.subject.scope is RequestScope.ACCOUNT and entry.received_at >= since
    }


def _of_age(document: Document, rules: Rules, now: Instant) -> list[Finding]:
    kind = judge_age(document, rules.lease, now)
    return [] if kind is None else [Finding(kind, document.account_id, document.document_id)]


def _of_request(kind: Kind, request: RemovalRequest) -> Finding:
    subject = request.subject
    document_id = subject.subject_id if subject.scope is RequestScope.DOCUMENT else None
    return Finding(kind, subject.account_id or None, document_id, request_id=request.request_id)


def _is_going(files: Mapping[int, Collection[Rendition]], document_id: int) -> bool:
    return any(entry.state is RenditionState.ERASING for entry in files.get(document_id, ()))


def _owed(view: View, document_ids: Collection[int]) -> dict[int, list[Removal]]:
    owed: dict[int, list[Removal]] = {}
    if document_ids:
        for removal in view.removals(stages=_ACTING, document_ids=document_ids, limit=BATCH * _MANY):
            owed.setdefault(removal.document_id, []).append(removal)
    return owed
