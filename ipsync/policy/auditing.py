"""What an audit can find: each kind with how bad it is, what it means, and what mends it.

Values and judgments only. An audit names documents, accounts and removals by number, and never holds a
word or a byte of them: its findings may be handed to anybody.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from ipsync.policy.accounts import GRANTED_STATES, AccountState
from ipsync.policy.documents import Document, DocumentState, Tombstone
from ipsync.policy.instants import Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.permission import bar
from ipsync.policy.rules import Rules

_TOLERANCE_PARTS = 288
_MOST_EXAMPLES = 100


class Severity(StrEnum):
    """How bad it is."""

    BREACH = "breach"  # something is held or could be shown that must not be
    EVIDENCE = "evidence"  # what proves the rest is missing or was altered
    DAMAGE = "damage"  # what is stored is not what is on record; nothing forbidden is shown


BY_EVIDENCE = "nothing in ipsync changes evidence: docs/how-to/answer-an-auditor.md#if-something-is-found"


class Kind(StrEnum):
    """What can be found.

    Attributes:
        severity: how bad it is.
        meaning: a noun phrase for one such thing.
        mending: what `--repair` does about it, or "" where nothing safe can be done.
        remedy: what a person does where `--repair` does nothing.
    """

    severity: Severity
    meaning: str
    mending: str
    remedy: str

    def __new__(cls, name: str, severity: Severity, meaning: str, mending: str, remedy: str = "") -> Self:
        """Make the member a string of its `name`, and keep the rest beside it."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.severity = severity
        member.meaning = meaning
        member.mending = mending
        member.remedy = remedy
        return member

    PAST_DEADLINE = "past-deadline", Severity.BREACH, "document held past the deadline of its lease", "erased"
    NOT_DOOMED = "not-doomed", Severity.BREACH, "document past its lease that nobody is erasing", "erased"
    NOT_HIDDEN = "not-hidden", Severity.BREACH, "document on record as shown though its lease ran out", "hidden"
    NO_GRANT = "no-grant", Severity.BREACH, "account that is held without its member's grant", "hidden and erased"
    TOKEN_KEPT = "token-kept", Severity.BREACH, "token kept though the grant ended", "forgotten"
    NOT_PERMITTED = "not-permitted", Severity.BREACH, "document that the configuration does not permit", "erased"
    TOMBSTONED = "tombstoned", Severity.BREACH, "document that was erased before, or asked away, and is held", "erased"
    HIDDEN_UNOWED = "hidden-unowed", Severity.BREACH, "hidden document whose removal is not on record", "owed or erased"
    FILE_UNOWED = "file-unowed", Severity.BREACH, "file to be erased whose removal is not on record", "erased"
    FILE_UNKNOWN = "file-unknown", Severity.BREACH, "file that no document accounts for", "erased"
    FILE_EXPIRED = "file-expired", Severity.BREACH, "file older than its time to live", "erased"
    DETAILS_EXPIRED = "details-expired", Severity.BREACH, "description older than its time to live", "erased"
    ENTRY_OVERDUE = (
        "entry-overdue",
        Severity.BREACH,
        "album, folder or article shown or kept past its lease",
        "hidden or erased",
    )
    ENTRY_UNOWED = (
        "entry-unowed",
        Severity.BREACH,
        "hidden album, folder or article whose removal is not on record",
        "owed or erased",
    )
    ENTRY_FORBIDDEN = (
        "entry-forbidden",
        Severity.BREACH,
        "album, folder or article held without grant, or although it was erased or is not permitted",
        "erased",
    )
    REMOVAL_OVERDUE = "removal-overdue", Severity.BREACH, "removal that is not done past its deadline", "carried out"
    REQUEST_OVERDUE = "request-overdue", Severity.BREACH, "owner's request that is not done in time", "carried out"
    REQUEST_IGNORED = "request-ignored", Severity.BREACH, "owner's request that stands and is not kept", "kept again"

    STORE_UNFIT = (
        "store-unfit",
        Severity.BREACH,
        "store that does not belong to the database: one of them was put back from a backup",
        "everything hidden until it is named again, and every file read",
    )

    REMOVAL_UNTOLD = "removal-untold", Severity.EVIDENCE, "removal that is gone without a ledger entry", "entered now"
    OUTSIDE_LACKING = (
        "outside-lacking",
        Severity.EVIDENCE,
        "tombstone or request that the record outside the database lacks",
        "written there",
    )
    OUTSIDE_UNSEEN = (
        "outside-unseen",
        Severity.EVIDENCE,
        "request in the record outside that the database does not know",
        "carried out",
    )
    OUTSIDE_DAMAGED = (
        "outside-damaged",
        Severity.EVIDENCE,
        "line of the record outside that nobody can read",
        "written anew from the database",
    )
    LEDGER_BROKEN = "ledger-broken", Severity.EVIDENCE, "finding in the ledger", "", BY_EVIDENCE
    HEADS_MISSING = (
        "heads-missing",
        Severity.EVIDENCE,
        "missing file of copied heads, without which a rollback cannot be seen",
        "",
        "find out who took it away; then: ipsync ledger export --head > DATABASE-heads",
    )

    EPOCH_BEHIND = (
        "epoch-behind",
        Severity.EVIDENCE,
        "epoch of the database that its own ledger is ahead of, so that nobody would be fenced off",
        "",
        "half of a backup was restored, or somebody wrote into the database: restore the whole of the newest backup",
    )

    FILE_MISSING = "file-missing", Severity.DAMAGE, "stored file that is not there", "fetched anew"
    FILE_CHANGED = (
        "file-changed",
        Severity.DAMAGE,
        "stored file that is not what was stored",
        "erased and fetched anew",
    )
    DATABASE_DAMAGED = (
        "database-damaged",
        Severity.DAMAGE,
        "contradiction in the database file",
        "",
        "stop the daemon, keep a copy as evidence, and restore the newest backup: what was erased since stays erased",
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: where it is, by numbers.

    Attributes:
        documents: how many documents of an account are concerned, where that is what is counted.
        note: our own words or numbers; never anything of a document.
    """

    kind: Kind
    account_id: int | None = None
    document_id: int | None = None
    rendition: str | None = None
    removal_id: int | None = None
    request_id: int | None = None
    entry: int | None = None
    documents: int | None = None
    note: str = ""


@dataclass(slots=True)
class Findings:
    """What was found, in counts of each kind, with the first hundred of each by number."""

    counts: Counter[Kind] = field(default_factory=Counter)
    examples: dict[Kind, list[Finding]] = field(default_factory=dict)

    def add(self, found: Iterable[Finding]) -> None:
        """Put findings on record."""
        for finding in found:
            self.counts[finding.kind] += 1
            examples = self.examples.setdefault(finding.kind, [])
            if len(examples) < _MOST_EXAMPLES:
                examples.append(finding)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds that were found, the worst first."""
        return [kind for kind in Kind if self.counts[kind]]

    @property
    def total(self) -> int:
        """How many there are."""
        return self.counts.total()


def tolerance(lease: Lease) -> Duration:
    """How long after its instant a job may still be about to act: five jobs' periods, 5 min of 24 h."""
    return lease.window // _TOLERANCE_PARTS


def judge_age(document: Document, lease: Lease, now: Instant) -> Kind | None:
    """What the age of a held document says of those who should have acted (I1, I2)."""
    age = now - document.verified_at - lease.grace(document.state)
    if age >= lease.gone_age:
        return Kind.PAST_DEADLINE
    if age >= lease.erase_age + tolerance(lease) and document.state is not DocumentState.DOOMED:
        return Kind.NOT_DOOMED
    if age >= lease.serve_age + tolerance(lease) and document.state is DocumentState.LIVE:
        return Kind.NOT_HIDDEN
    return None


def judge_document(
    document: Document,
    tombstone: Tombstone | None,
    rules: Rules,
    now: Instant,
    *,
    is_owed: bool,
) -> list[Kind]:
    """What does not hold of one held document, apart from its age and its account's grant.

    Args:
        document: as the catalog holds it.
        tombstone: of the same number, or None.
        rules: what may be held.
        now: the lease clock.
        is_owed: whether a removal of the whole document is on record and under way.
    """
    is_doomed = document.state is DocumentState.DOOMED
    found: list[Kind] = []
    if not is_doomed and bar(rules.view, document.account_id, document.facts, now) is not None:
        found.append(Kind.NOT_PERMITTED)
    if not is_doomed and tombstone is not None and (tombstone.stands or document.verified_at <= tombstone.since):
        found.append(Kind.TOMBSTONED)
    if document.state in (DocumentState.SUSPECT, DocumentState.DOOMED) and not is_owed:
        found.append(Kind.HIDDEN_UNOWED)
    return found


def is_unlawful(state: AccountState, *, has_token: bool, states: Collection[DocumentState]) -> bool:
    """Whether an account is held without its member's grant (T12, T15).

    Args:
        state: of the account.
        has_token: whether a token is held.
        states: in which documents of it are held.
    """
    if state in GRANTED_STATES:
        return not has_token
    return any(entry is not DocumentState.DOOMED for entry in states)
