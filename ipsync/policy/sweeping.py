"""What one page of a listing means for what we hold: a plan as a value, before anything is done (design §3, §4).

Dry run, job, log and test see the same object. Only a page that NAMES a document renews its lease;
`total` and other pages never do (F16).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ipsync.policy.documents import (
    Details,
    Document,
    DocumentState,
    Facts,
    ListedDocument,
    Rendition,
    RenditionState,
    Tombstone,
)
from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import Lease, observation_applies
from ipsync.policy.permission import PermittedView, bar, reason_for
from ipsync.policy.removals import DEADLINE, OWN_REASONS, SEALED, Reason, Removal, Scope, Stage


@dataclass(frozen=True, slots=True)
class Held:
    """What the catalog holds of the documents a page names.

    Attributes:
        documents: by id.
        tombstones: by id.
        renditions: every file of a document, by its id; for documents that are not in here, files are not compared.
        same: ids of which the facts are known to be as the page says, so that they need not be compared again.
        unchanged: ids that are permitted and held just as the page says, and need a renewal and nothing else. They
            need not be in `documents`.
    """

    documents: Mapping[int, Document]
    tombstones: Mapping[int, Tombstone]
    renditions: Mapping[int, Sequence[Rendition]]
    same: Collection[int] = ()
    unchanged: Collection[int] = ()


@dataclass(slots=True)
class PagePlan:
    """What is to be done after one page.

    Attributes:
        renewed: ids of LIVE documents whose facts are as before.
        added: documents not held so far.
        updated: documents to be written anew: new facts, or a state that changed.
        renditions: files to be put: new, with a new address, or to be erased first.
        removals: obligations that arise; a document hidden by one is in `updated` too.
        withdrawn: ids whose open suspicion is over.
        returned: ids whose tombstone goes, since they came back.
        ignored: ids that say nothing now: outside the view, standing tombstone, older answer, another's document,
            a copy that is past its deadline.
        foreign: those of the ignored that we hold for another account (F15).
    """

    renewed: list[int] = field(default_factory=list)
    added: list[Document] = field(default_factory=list)
    updated: list[Document] = field(default_factory=list)
    renditions: list[Rendition] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)


def plan_page(
    account_id: int,
    sent_at: Instant,
    listed: Iterable[ListedDocument],
    held: Held,
    view: PermittedView,
    lease: Lease,
    now: Instant,
) -> PagePlan:
    """Compare what a page named with what is held.

    Args:
        account_id: whose listing it is.
        sent_at: when the page was asked for; the only instant that can renew a lease.
        listed: the documents it named.
        held: what the catalog holds of them.
        view: what policy allows.
        lease: the thresholds.
        now: the lease clock.
    """
    plan = PagePlan()
    # A page is a set (F15): what it names twice counts once.
    for document_id, item in {item.document_id: item for item in listed}.items():
        if document_id in held.unchanged:
            plan.renewed.append(document_id)
            continue
        document = held.documents.get(document_id)
        if document is None:
            if not _take_in(plan, account_id, sent_at, item, held, view, now):
                plan.ignored.append(document_id)
        elif document.account_id != account_id:
            plan.ignored.append(document_id)
            plan.foreign.append(document_id)
        elif not renews(document, sent_at, lease, now):
            plan.ignored.append(document_id)
        else:
            _compare(plan, sent_at, item, document, held, view, lease, now)
    return plan


def renews(document: Document, sent_at: Instant, lease: Lease, now: Instant) -> bool:
    """Whether an answer may speak for a document: it is news (F17), and the copy is not past its deadline.

    At the age at which erasing starts nothing calls a copy back, whether or not a job has looked at it yet.
    """
    if now - document.verified_at >= lease.erase_age + lease.grace(document.state):
        return False
    return sent_at >= document.verified_at and observation_applies(document, sent_at)


def _take_in(
    plan: PagePlan,
    account_id: int,
    sent_at: Instant,
    item: ListedDocument,
    held: Held,
    view: PermittedView,
    now: Instant,
) -> bool:
    if bar(view, account_id, item.facts, now) is not None:
        return False
    tombstone = held.tombstones.get(item.document_id)
    if tombstone is not None:
        if tombstone.stands or sent_at <= tombstone.since:
            return False
        plan.returned.append(item.document_id)
    plan.added.append(
        Document(
            document_id=item.document_id,
            account_id=account_id,
            facts=item.facts,
            state=DocumentState.LIVE,
            verified_at=sent_at,
            mirrored_at=now,
            absent_at=tombstone.since if tombstone else None,
        )
    )
    plan.renditions += [
        Rendition(item.document_id, account_id, file) for file in item.files if file.rendition in view.renditions
    ]
    return True


def _compare(
    plan: PagePlan,
    sent_at: Instant,
    item: ListedDocument,
    document: Document,
    held: Held,
    view: PermittedView,
    lease: Lease,
    now: Instant,
) -> None:
    barred = bar(view, document.account_id, item.facts, now)
    if barred is not None:
        reason = reason_for(barred, document.facts, item.facts)
        hidden, removal = suspect(document, reason, sent_at, now, lease)
        plan.updated.append(hidden)
        plan.removals.append(removal)
        return
    if document.state in (DocumentState.SUSPECT, DocumentState.SEALED):
        plan.withdrawn.append(document.document_id)
    is_same = item.document_id in held.same or item.facts == document.facts
    if is_same and document.state is DocumentState.LIVE:
        plan.renewed.append(document.document_id)
    else:
        plan.updated.append(
            replace(
                _with_details_outdated(document, item.facts),
                facts=item.facts,
                state=DocumentState.LIVE,
                verified_at=sent_at,
                hidden_at=None,
            )
        )
    files = held.renditions.get(item.document_id)
    if files is not None:
        _compare_files(plan, item, document, files, view, lease, now)


def _with_details_outdated(document: Document, after: Facts) -> Document:
    """The document, its details older than what changed, so that they are asked for anew.

    By ipernity's own dates: our clock may be ahead of theirs. A new version's details go at once,
    since addresses of its files came with them.
    """
    details_at = document.details_at
    if details_at is None:
        return document
    if is_new_version(document.facts, after):
        return replace(document, details=Details(), details_at=None)
    if after.modified_at is not None and after.modified_at != document.facts.modified_at:
        return replace(document, details_at=min(details_at, after.modified_at - 1))
    return document


def _compare_files(
    plan: PagePlan,
    item: ListedDocument,
    document: Document,
    files: Sequence[Rendition],
    view: PermittedView,
    lease: Lease,
    now: Instant,
) -> None:
    new_version = is_new_version(document.facts, item.facts)
    known = {rendition.file.rendition: rendition for rendition in files}
    told = {file.rendition: file for file in item.files if file.rendition in view.renditions}
    unwanted = {name for name, entry in known.items() if name not in view.renditions and not _is_going(entry)}
    outdated: set[str] = set()
    for name, file in told.items():
        rendition = known.get(name)
        if rendition is None:
            plan.renditions.append(Rendition(item.document_id, document.account_id, file))
        elif new_version and rendition.state is RenditionState.STORED:
            outdated.add(name)
            plan.renditions.append(replace(rendition, file=file, state=RenditionState.ERASING))
        elif rendition.file.url != file.url:
            # A new address is worth a try at once; the stored bytes are still the same version.
            plan.renditions.append(replace(rendition, file=file, attempts=0, next_try_at=0))
    if new_version:
        # Their addresses are the old version's: without one, the row goes with the bytes (see `jobs.purge`).
        untold = known.keys() - told.keys() - unwanted
        outdated |= {name for name in untold if not _is_going(known[name])}
        plan.renditions += [_without_address(known[name]) for name in sorted(untold)]
    if outdated:
        plan.removals.append(owe_files(document, outdated, Reason.REPLACED, now, lease))
    if unwanted:
        plan.removals.append(owe_files(document, unwanted, Reason.POLICY_CHANGE, now, lease))
        plan.renditions += [replace(known[name], state=RenditionState.ERASING) for name in sorted(unwanted)]


def plan_new_version(
    item: ListedDocument,
    document: Document,
    files: Sequence[Rendition],
    view: PermittedView,
    lease: Lease,
    now: Instant,
) -> PagePlan | None:
    """What an answer about a single document means for its files: None where it shows the version we have.

    Whoever renews a lease by such an answer has to ask this: where listings leave a document out, and only
    questions about it are answered, nothing else would ever tell that its file was replaced.

    Args:
        item: what the answer said. What it left out proves nothing.
        document: as it was before.
        files: all we know of it.
        view: what policy allows.
        lease: the thresholds.
        now: the lease clock.

    Returns:
        The document with the facts of its new version, what happens to its files, and what is owed for it.
    """
    if item.facts.replaced_at is None:
        item = replace(item, facts=replace(item.facts, replaced_at=document.facts.replaced_at))
    if not is_new_version(document.facts, item.facts):
        return None
    plan = PagePlan(updated=[replace(_with_details_outdated(document, item.facts), facts=item.facts)])
    _compare_files(plan, item, document, files, view, lease, now)
    return plan


def _is_going(rendition: Rendition) -> bool:
    return rendition.state is RenditionState.ERASING


def _without_address(rendition: Rendition) -> Rendition:
    return replace(rendition, file=replace(rendition.file, url=""), state=RenditionState.ERASING)


def is_new_version(before: Facts, after: Facts) -> bool:
    """Whether the owner put another file in the document's place.

    A digest that is not told on one side proves nothing; then only `replaced_at` speaks.
    """
    if before.replaced_at != after.replaced_at:
        return True
    return before.md5 is not None and after.md5 is not None and before.md5 != after.md5


def suspect(
    document: Document, reason: Reason, sent_at: Instant, now: Instant, lease: Lease, certificate: str = ""
) -> tuple[Document, Removal]:
    """Hide a document and owe its removal.

    What our own configuration forbids needs nobody's confirmation; anything ipernity said only once
    does, so that no single odd answer erases (I10).

    Args:
        document: LIVE, STALE or SUSPECT already.
        reason: as far as it is known.
        sent_at: the send time of the telling request.
        now: the lease clock.
        lease: the thresholds.
        certificate: the evidence, without content.
    """
    certain = reason in OWN_REASONS
    # A sealed copy is hidden already, and past the deadline of others: it waits for confirmation as it is.
    suspected = DocumentState.SEALED if document.state is DocumentState.SEALED else DocumentState.SUSPECT
    hidden = replace(
        document,
        state=DocumentState.DOOMED if certain else suspected,
        absent_at=max(sent_at, document.absent_at or 0),
        hidden_at=document.hidden_at if document.hidden_at is not None else now,
    )
    if document.state is DocumentState.SEALED:
        certificate = f"{SEALED}; {certificate}" if certificate else SEALED
    stage = Stage.CONFIRMED if certain else Stage.SUSPECTED
    removal = _owe(hidden, reason, now, lease, stage, certificate, lease.grace(document.state))
    return hidden, removal if certain else replace(removal, detected_at=sent_at)


def overdue(document: Document, now: Instant, lease: Lease) -> tuple[Document, Removal]:
    """Doom a document at the deadline: whatever ipernity would say, it goes (I2).

    Nothing is known but its last verification; from then on it may have been withdrawn.
    """
    doomed = doom(document, now)
    is_sealed = document.state is DocumentState.SEALED
    evidence = f"{SEALED}; {DEADLINE}" if is_sealed else DEADLINE
    owed = _owe(doomed, Reason.EXPIRED, now, lease, Stage.CONFIRMED, evidence, lease.grace(document.state))
    return doomed, replace(owed, first_unsafe_at=document.verified_at)


def doom(document: Document, now: Instant) -> Document:
    """The document as DOOMED: hidden, and nothing calls it back."""
    hidden_at = document.hidden_at if document.hidden_at is not None else now
    return replace(document, state=DocumentState.DOOMED, hidden_at=hidden_at)


def owe_document(
    document: Document, reason: Reason, now: Instant, lease: Lease, stage: Stage, certificate: str = ""
) -> Removal:
    """The obligation to erase a whole document, with the deadlines of its own last verification."""
    return _owe(document, reason, now, lease, stage, certificate, lease.grace(document.state))


def _owe(
    document: Document, reason: Reason, now: Instant, lease: Lease, stage: Stage, certificate: str, grace: Duration
) -> Removal:
    return Removal(
        document_id=document.document_id,
        account_id=document.account_id,
        reason=reason,
        stage=stage,
        scope=Scope.DOCUMENT,
        first_unsafe_at=now if reason in OWN_REASONS else document.verified_at,
        detected_at=now,
        hidden_at=document.hidden_at if document.hidden_at is not None else now,
        erase_from=lease.erase_from(document.verified_at) + grace,
        erase_by=lease.erase_by(document.verified_at) + grace,
        confirmed_at=None if stage is Stage.SUSPECTED else now,
        certificate=certificate,
    )


def owe_files(document: Document, renditions: Collection[str], reason: Reason, now: Instant, lease: Lease) -> Removal:
    """The obligation to erase some files of a document that itself may stay."""
    return replace(
        owe_document(document, reason, now, lease, Stage.CONFIRMED),
        scope=Scope.FILES,
        renditions=tuple(sorted(renditions)),
        hidden_at=now,
    )
