"""An owner asks to have something removed: what they name, by when it is gone, and how long it stays away (T11).

A request is honored at once and for what it names alone; nothing that holds other removals back (a
suspicion, a mass disappearance) has a say. While it stands, what it names is not mirrored. A request for one
document stands until it is withdrawn; one for a whole account until then or until the member authorizes the
application anew (I4).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import urlsplit

from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.entries import Entry, owe_entry, subject_words
from ipsync.policy.entries import doomed as doomed_entry
from ipsync.policy.entry_pages import read_entry_name, read_entry_page
from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Reason, Removal, Stage
from ipsync.policy.sweeping import owe_document

CERTIFICATE = "owner's request"
"""The evidence of a removal that an owner asked for; no word of theirs is in it."""

LONGEST_WORDS = 500
"""Characters of a contact or a note that are kept."""

_CONTACT_WINDOWS = 30
_IPERNITY = frozenset({"ipernity.com", "www.ipernity.com"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_PAGE = re.compile(r"/doc/([1-9][0-9]{0,18}|[A-Za-z0-9][A-Za-z0-9._-]{0,63})/([1-9][0-9]{0,18})(?:/in/[!-~]*|/)?")
_LARGEST = 2**63 - 1


class RequestScope(StrEnum):
    """How much a request names."""

    DOCUMENT = "document"
    ACCOUNT = "account"


class Ending(StrEnum):
    """Why a request stands no more."""

    WITHDRAWN = "withdrawn"  # the owner changed their mind
    CONSENT = "consent"  # the member authorized the application anew


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request names.

    Attributes:
        subject_id: the id of the document or the account; of an album, folder, article or profile its subject number,
            which is negative, under the scope of a document (`policy.entries`).
        account_id: the owner's, or 0 where nobody knows it.
    """

    scope: RequestScope
    subject_id: int
    account_id: int = 0

    @property
    def name(self) -> str:
        """What it names, for people: `document 41234567`, `album 4711`, `account 31337`."""
        is_account = self.scope is RequestScope.ACCOUNT
        return f"account {self.subject_id}" if is_account else subject_words(self.subject_id)


@dataclass(frozen=True, slots=True)
class Holding:
    """What of a subject was held when the request came: counts only."""

    documents: int = 0
    files: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RemovalRequest:
    """One request of an owner, and its receipt. It holds no content and no word of the owner.

    Attributes:
        request_id: 0 until the catalog gave it a number.
        received_at: when it was taken in.
        hidden_at: since when nothing of it is served: the instant of the transaction that took it in.
        erase_by: the law's instant, `deadline(received_at)`.
        consent_epoch: of the account when the request came; a newer one lifts a request for an account.
        gone_at: when nothing that was held was left, or None.
        ended_at: since when it stands no more, or None.
        is_kept_outside: whether the record outside the database knows how it stands now.
    """

    subject: Subject
    received_at: Instant
    hidden_at: Instant
    erase_by: Instant
    held: Holding = field(default_factory=Holding)
    consent_epoch: int = 0
    request_id: int = 0
    gone_at: Instant | None = None
    ended_at: Instant | None = None
    ended_by: Ending | None = None
    is_kept_outside: bool = False

    @property
    def stands(self) -> bool:
        """Whether what it names stays away."""
        return self.ended_at is None

    @property
    def is_open(self) -> bool:
        """Whether something of it is still to be erased."""
        return self.gone_at is None


@dataclass(frozen=True, slots=True)
class Words:
    """What an owner told beside the request. Personal: kept apart, and erased (see `words_kept_for`).

    Attributes:
        contact: where to answer, or "".
        note: of the operator or the owner, or "".
    """

    contact: str = field(default="", repr=False)
    note: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OutsideTombstone:
    """A tombstone as it is kept outside the database, so that a restored one resurrects nothing (F28).

    Attributes:
        since: what was verified at or before this instant must not come back by itself.
        stands: whether nothing may bring it back.
        consent_epoch: of a request for an account.
        request_id: of an owner's request, or 0 where nobody asked.
        held: what the request's receipt says.
        ended_by: why a request stands no more, or None.
    """

    subject: Subject
    reason: Reason
    since: Instant
    stands: bool = False
    consent_epoch: int = 0
    request_id: int = 0
    received_at: Instant = 0
    held: Holding = field(default_factory=Holding)
    ended_by: Ending | None = None


def deadline(received_at: Instant, lease: Lease) -> Instant:
    """By when a request must be complied with: a window after it came, whatever any lease says (T11)."""
    return received_at + lease.window


def new_request(
    subject: Subject, held: Holding, consent_epoch: int, now: Instant, lease: Lease, due: Instant | None = None
) -> RemovalRequest:
    """A request that came now, with everything it names hidden by the same transaction.

    Args:
        subject: what it names.
        held: what of it is held.
        consent_epoch: of the account, or 0.
        now: the lease clock.
        lease: the thresholds.
        due: an earlier deadline, where somebody asked before without proof (`policy.petitions`).
    """
    law = deadline(now, lease)
    return RemovalRequest(
        subject=subject,
        received_at=now,
        hidden_at=now,
        erase_by=law if due is None else min(law, due),
        held=held,
        consent_epoch=consent_epoch,
    )


def owe_request(document: Document, now: Instant, lease: Lease, due: Instant | None = None) -> tuple[Document, Removal]:
    """Doom a document because its owner asked, and owe its erasure: certain, and unsafe from now on.

    Two laws hold: that of the request, and that of the last verification, after which the owner may have
    withdrawn it at ipernity as well. The earlier one is the removal's; a lease that ran out long ago
    (a sealed copy) does not make a new request late.

    Args:
        document: in whatever state.
        now: the lease clock, when the request came.
        lease: the thresholds.
        due: an earlier deadline of the request, or None.
    """
    hidden_at = document.hidden_at if document.hidden_at is not None else now
    doomed = replace(document, state=DocumentState.DOOMED, hidden_at=hidden_at)
    owed = owe_document(doomed, Reason.OWNER_REQUEST, now, lease, Stage.CONFIRMED, CERTIFICATE)
    return doomed, _due(owed, now, lease, due)


def owe_entry_request(entry: Entry, now: Instant, lease: Lease, due: Instant | None = None) -> tuple[Entry, Removal]:
    """The same for an album, a folder, an article or a profile; arguments as of `owe_request`."""
    gone = doomed_entry(entry, now)
    owed = owe_entry(gone, Reason.OWNER_REQUEST, now, lease, Stage.CONFIRMED, CERTIFICATE, now)
    return gone, _due(owed, now, lease, due)


def _due(owed: Removal, now: Instant, lease: Lease, due: Instant | None) -> Removal:
    by_lease = owed.erase_by
    by_request = deadline(now, lease) if due is None else min(due, deadline(now, lease))
    return replace(owed, erase_by=min(by_lease, by_request) if now < by_lease else by_request)


def withdrawn(request: RemovalRequest, now: Instant) -> RemovalRequest:
    """The request as it is after its owner changed their mind. What is doomed goes all the same."""
    return _ended(request, now, Ending.WITHDRAWN)


def lifted(request: RemovalRequest, consent_epoch: int, now: Instant) -> RemovalRequest:
    """The request as it is after its member authorized the application under `consent_epoch`.

    Only a newer consent lifts, and only a request for the whole account: who asked for one document asked
    for that one, whatever else they permit (I4).
    """
    if request.subject.scope is not RequestScope.ACCOUNT or consent_epoch <= request.consent_epoch:
        return request
    return _ended(request, now, Ending.CONSENT)


def _ended(request: RemovalRequest, now: Instant, ending: Ending) -> RemovalRequest:
    if not request.stands:
        return request
    return replace(request, ended_at=now, ended_by=ending, is_kept_outside=False)


def words_kept_for(lease: Lease) -> Duration:
    """How long contact and note are kept after everything was gone: 30 windows, so that the owner can be answered."""
    return _CONTACT_WINDOWS * lease.window


def kept_outside_for(lease: Lease) -> Duration:
    """How long a tombstone that does not stand is kept outside the database.

    A copy verified before it is past its lease after one window, and erased for that reason alone; the rest is
    room for clocks that went wrong together with the database.
    """
    return _CONTACT_WINDOWS * lease.window


def outside_of(request: RemovalRequest) -> OutsideTombstone:
    """What is kept outside the database of a request, as it stands now."""
    return OutsideTombstone(
        subject=request.subject,
        reason=Reason.OWNER_REQUEST,
        since=request.received_at if request.ended_at is None else request.ended_at,
        stands=request.stands,
        consent_epoch=request.consent_epoch,
        request_id=request.request_id,
        received_at=request.received_at,
        held=request.held,
        ended_by=request.ended_by,
    )


def request_of(record: OutsideTombstone, lease: Lease) -> RemovalRequest:
    """The request that a record outside the database tells of, for a database that lost it."""
    return RemovalRequest(
        subject=record.subject,
        received_at=record.received_at,
        hidden_at=record.received_at,
        erase_by=deadline(record.received_at, lease),
        held=record.held,
        consent_epoch=record.consent_epoch,
        request_id=record.request_id,
        ended_at=None if record.stands else record.since,
        ended_by=record.ended_by,
        is_kept_outside=True,
    )


def united(before: OutsideTombstone | None, after: OutsideTombstone) -> OutsideTombstone:
    """Two records of one subject as one, in the order in which they were written: the later instant, and what stands.

    Only a request can begin or end to stand. What was merely erased says nothing of that.

    Args:
        before: what earlier records come to, or None.
        after: the next record.
    """
    if before is None:
        return after
    telling = after if after.request_id or not before.request_id else before
    stands = after.stands if after.request_id else before.stands or after.stands
    return replace(telling, since=max(before.since, after.since), stands=stands)


def parse_document(text: str, site_url: str) -> Subject:
    """Read what an owner gives to name a document or an entry: its number, or the link to its page. Nothing is fetched.

    Args:
        text: `41234567`, or `https://www.ipernity.com/doc/<user>/41234567` with a user id or an alias; followed by
            `/in/...`, a query or a fragment where they copied it so. Of others `album 4711`, or the link to the page of
            an album, a folder or an article.
        site_url: the site that is configured; its pages are understood beside ipernity's own.

    Raises:
        ValueError: it names no document; the message says what does.
    """
    given = text.strip()
    if _NUMBER.fullmatch(given):
        return Subject(RequestScope.DOCUMENT, _checked(given))
    if (number := read_entry_name(given)) is not None:
        return Subject(RequestScope.DOCUMENT, number)
    path = _path_on_site(given, _origins(site_url))
    if (entry := read_entry_page(path)) is not None:
        return Subject(RequestScope.DOCUMENT, entry[0], _owner(entry[1]))
    found = _PAGE.fullmatch(path)
    if found is None:
        raise ValueError(_HINT)
    owner, digits = found.groups()
    return Subject(RequestScope.DOCUMENT, _checked(digits), _owner(owner))


def _owner(given: str) -> int:
    return _checked(given) if _NUMBER.fullmatch(given) else 0


def parse_account(text: str) -> int:
    """Read an account's number; 0 where the text is none."""
    given = text.strip()
    return int(given) if _NUMBER.fullmatch(given) and int(given) <= _LARGEST else 0


_HINT = (
    "this names no document: give its number, or the link to its page, e.g. https://www.ipernity.com/doc/31337/41234567"
)


def _path_on_site(link: str, origins: Collection[tuple[str, int]]) -> str:
    # urlsplit drops line breaks and takes whatever else it finds: only plain characters get that far.
    if not re.fullmatch(r"[!-\[\]-~]{1,2000}", link):
        raise ValueError(_HINT)
    try:
        parts = urlsplit(link)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ValueError(_HINT) from None
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc:
        raise ValueError(_HINT)
    host = parts.hostname or ""
    is_ipernity = host in _IPERNITY and port == _DEFAULT_PORTS[parts.scheme]
    if not is_ipernity and (host, port) not in origins:
        raise ValueError(f"this is a page of another site: {_HINT.partition(': ')[2]}")
    return parts.path


def _origins(site_url: str) -> list[tuple[str, int]]:
    site = urlsplit(site_url)
    if site.hostname is None or site.scheme not in _DEFAULT_PORTS:
        return []
    if site.port is not None:
        return [(site.hostname, site.port)]
    # Members copy links with and without the s.
    return [(site.hostname, port) for port in _DEFAULT_PORTS.values()]


def _checked(digits: str) -> int:
    number = int(digits)
    if number > _LARGEST:
        raise ValueError(_HINT)
    return number


def parse_words(contact: str, note: str) -> Words:
    """What was told beside a request, on one line each and not longer than is kept.

    Raises:
        ValueError: it is longer.
    """
    for name, text in (("contact", contact), ("note", note)):
        if len(text) > LONGEST_WORDS:
            raise ValueError(f"the {name} is longer than {LONGEST_WORDS} characters: keep only what is needed")
    return Words(" ".join(contact.split()), " ".join(note.split()))
