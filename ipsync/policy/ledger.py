"""The ledger: what its entries say, how they are written byte by byte, and how each is chained to the one before.

An auditor must be able to check it with code of their own, so the writing is specified in
docs/explanation/ledger.md and never changes. No entry holds content: no title, name, place, address,
and no id either, only digests under a key. Design §6, I8.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from ipsync.policy.accounts import Consent
from ipsync.policy.instants import Instant
from ipsync.policy.permission import Bar
from ipsync.policy.removals import Reason, Removal, Scope

GENESIS = bytes(32)
"""What stands before the first entry."""


class EntryKind(StrEnum):
    """What an entry tells of."""

    BEGUN = "begun"  # the first entry; its certificate names the key that signs
    STARTED = "started"  # a daemon passed its boot gate, under a new epoch
    CONSENT_GIVEN = "consent-given"
    CONSENT_ENDED = "consent-ended"
    GONE = "gone"  # one removal was carried out to its end (I8)
    LEFT = "left"  # the operator ended the use of the mirror; everything had been erased (T24)
    BREAK = "break"  # the ledger did not end where its signed head says, when this was appended


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """Something the ledger shall tell, with ids in clear; the catalog turns it into an entry.

    Attributes:
        at: when it happened, by the lease clock.
        epoch: the fencing epoch of the writer, 0 where there is none.
        consent: the account's consent epoch, for consents.
        removal: the removal's number; a number gets no second entry.
        certificate: the evidence; only words of our own and numbers get into the ledger (`without_content`).
    """

    kind: EntryKind
    at: Instant
    document_id: int | None = None
    account_id: int | None = None
    epoch: int = 0
    consent: int | None = None
    removal: int | None = None
    reason: str | None = None
    scope: str | None = None
    first_unsafe_at: Instant | None = None
    detected_at: Instant | None = None
    hidden_at: Instant | None = None
    confirmed_at: Instant | None = None
    gone_at: Instant | None = None
    erase_by: Instant | None = None
    files: int | None = None
    size_bytes: int | None = None
    certificate: str | None = None


class LedgerEntry(NamedTuple):
    """One entry as it is written; a tuple, since a million of them are read at a time.

    Attributes:
        sequence: 1, 2, 3 and so on, without a gap.
        document: digest of the document's id under a key, 64 hex digits (`digest_of`).
        account: likewise of the account's.
        hash: 64 hex digits, of this entry and everything before (`link`); not part of what is hashed.
    """

    sequence: int
    kind: str
    at: Instant
    document: str | None
    account: str | None
    epoch: int
    consent: int | None
    removal: int | None
    reason: str | None
    scope: str | None
    first_unsafe_at: Instant | None
    detected_at: Instant | None
    hidden_at: Instant | None
    confirmed_at: Instant | None
    gone_at: Instant | None
    erase_by: Instant | None
    files: int | None
    size_bytes: int | None
    certificate: str | None
    hash: str


class LedgerHead(NamedTuple):
    """The signed statement that the ledger's entry `sequence` has this hash, and so everything before is fixed.

    Attributes:
        sequence: of the newest entry.
        at: the instant of that entry.
        hash: of that entry, 64 hex digits.
        key: the Ed25519 public key, 64 hex digits.
        signature: over `head_message`, 128 hex digits.
    """

    sequence: int
    at: Instant
    hash: str
    key: str
    signature: str


def gone(removal: Removal, gone_at: Instant, epoch: int = 0) -> LedgerEvent:
    """Say that a removal was carried out: nothing of it is left.

    Args:
        removal: as it stands, with its counts.
        gone_at: when the last step was done.
        epoch: the fencing epoch of the writer.
    """
    return LedgerEvent(
        kind=EntryKind.GONE,
        at=gone_at,
        document_id=removal.document_id,
        account_id=removal.account_id,
        epoch=epoch,
        removal=removal.removal_id,
        reason=removal.reason.value,
        scope=removal.scope.value,
        first_unsafe_at=removal.first_unsafe_at,
        detected_at=removal.detected_at,
        hidden_at=removal.hidden_at,
        confirmed_at=removal.confirmed_at,
        gone_at=gone_at,
        erase_by=removal.erase_by,
        files=removal.files_erased,
        size_bytes=removal.bytes_erased,
        certificate=removal.certificate,
    )


def started(at: Instant, epoch: int = 0) -> LedgerEvent:
    """Say that a daemon passed its boot gate.

    Args:
        at: when.
        epoch: its fencing epoch.
    """
    return LedgerEvent(EntryKind.STARTED, at, epoch=epoch)


def left(at: Instant, epoch: int = 0) -> LedgerEvent:
    """Say that the operator ended the use of the mirror, and that nothing is held.

    Args:
        at: since when everything is gone.
        epoch: the fencing epoch of the writer.
    """
    return LedgerEvent(EntryKind.LEFT, at, epoch=epoch)


def consent_given(consent: Consent) -> LedgerEvent:
    """Say that a member authorized the application."""
    return LedgerEvent(
        EntryKind.CONSENT_GIVEN, consent.granted_at, account_id=consent.account_id, consent=consent.consent_epoch
    )


def consent_ended(account_id: int, consent_epoch: int, ended_at: Instant, reason: str) -> LedgerEvent:
    """Say that an authorization ended.

    Args:
        account_id: whose.
        consent_epoch: which of theirs.
        ended_at: when.
        reason: `replaced`, `grant-lost`, `account-closed`, `removed`.
    """
    return LedgerEvent(
        EntryKind.CONSENT_ENDED, ended_at, account_id=account_id, consent=consent_epoch, reason=without_content(reason)
    )


_KNOWN_WORDS = frozenset(
    re.findall(
        "[a-z]+",
        " ".join(
            (
                *(bar.value for bar in Bar),
                *(reason.value for reason in Reason),
                *(scope.value for scope in Scope),
                "a account answer asked audit confirmed configuration count deadline details distinct doc drill error",
                "expected first found get getlist given grant hidden id ids key lacking last law listing missing",
                "named none owner page pages policy public removal removed replaced request requested s sampled sealed",
                "sampling sweep swept test tripwire total unreadable user without",
            )
        ).lower(),
    )
)
_UNKNOWN = re.compile(r"[A-Za-z]+|[0-9]{13,}|[^0-9 .,;:=/()'-]+")
_LONGEST_CERTIFICATE = 300


def without_content(text: str) -> str:
    """Let only known words of our own, short numbers and plain punctuation through; the rest becomes `?`.

    Evidence holds no content by its making. The ledger can never be erased, so it does not rely on that.

    Args:
        text: e.g. `pages=4 total=310; doc.get error 1`.
    """
    return _UNKNOWN.sub(lambda found: found[0] if found[0].lower() in _KNOWN_WORDS else "?", text)[
        :_LONGEST_CERTIFICATE
    ]


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring_ascii(value)


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def encode(entry: LedgerEntry) -> bytes:
    """Write an entry byte by byte as it is hashed: JSON in ASCII, all names, in this order, without a space."""
    (
        sequence,
        kind,
        at,
        document,
        account,
        epoch,
        consent,
        removal,
        reason,
        scope,
        first_unsafe_at,
        detected_at,
        hidden_at,
        confirmed_at,
        gone_at,
        erase_by,
        files,
        size_bytes,
        certificate,
        _,
    ) = entry
    return (
        f'{{"sequence":{sequence},"kind":{_text(kind)},"at":{at},"document":{_text(document)},'
        f'"account":{_text(account)},"epoch":{epoch},"consent":{_number(consent)},"removal":{_number(removal)},'
        f'"reason":{_text(reason)},"scope":{_text(scope)},"first_unsafe_at":{_number(first_unsafe_at)},'
        f'"detected_at":{_number(detected_at)},"hidden_at":{_number(hidden_at)},'
        f'"confirmed_at":{_number(confirmed_at)},"gone_at":{_number(gone_at)},"erase_by":{_number(erase_by)},'
        f'"files":{_number(files)},"size_bytes":{_number(size_bytes)},"certificate":{_text(certificate)}}}'
    ).encode("ascii")


def leaf(encoded: bytes) -> bytes:
    """The digest of one entry by itself, 32 bytes; all that a proof shows of the entries between."""
    return hashlib.sha256(encoded).digest()


def link(before: bytes, leaf_digest: bytes) -> bytes:
    """The hash of an entry: SHA-256 over the hash before and the entry's own digest, 32 bytes each."""
    return hashlib.sha256(before + leaf_digest).digest()


def digest_of(kind: str, number: int, opening: bytes) -> bytes:
    """The digest by which an entry names a document or an account: 32 bytes.

    Whoever is given the opening can check it; without it, ids cannot be tried out.

    Args:
        kind: `document` or `account`.
        number: its id at ipernity.
        opening: 32 bytes that belong to this id alone, from the ledger's key.
    """
    return hashlib.sha256(opening + f"{kind} {number}".encode("ascii")).digest()


def head_message(sequence: int, at: Instant, hash_hex: str) -> bytes:
    """The bytes that a head's signature signs."""
    return f"ipsync ledger head 1\n{sequence}\n{at}\n{hash_hex}\n".encode("ascii")
