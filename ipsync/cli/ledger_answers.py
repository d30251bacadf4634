"""What `ipsync ledger prove` says, in sentences for people and in JSON with the evidence."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ipsync.cli import output, session

if TYPE_CHECKING:
    from ipsync.jobs.ledger import Answer, Evidence
    from ipsync.policy.instants import Instant
    from ipsync.policy.lease import Lease
    from ipsync.policy.ledger import LedgerEntry


def is_in_time(entry: "LedgerEntry") -> bool:
    """Whether a removal was done by the law's instant; the deadline of a sealed copy is later than the law's."""
    return (
        not is_sealed(entry)
        and entry.gone_at is not None
        and entry.erase_by is not None
        and entry.gone_at <= entry.erase_by
    )


def is_sealed(entry: "LedgerEntry") -> bool:
    """Whether what was erased had been kept beyond the law's time by `removal.unverified = "seal"`."""
    return entry.certificate is not None and entry.certificate.startswith("sealed")


def verdict(answer: "Answer") -> str:
    """One word: `held`, `being-erased`, `erased`, `erased-before-ledger`, `never-held`."""
    if any(removal.scope == "document" for removal in answer.owed):
        return "being-erased"
    if answer.document is not None:
        return "held"
    if any(evidence.entry.scope == "document" for evidence in answer.evidence):
        return "erased"
    return "never-held" if answer.gone_untold is None else "erased-before-ledger"


def sentences(answer: "Answer", lease: "Lease") -> list[str]:
    """The answer in plain words."""
    from ipsync.policy.entries import subject_words

    name, now = subject_words(answer.document_id), answer.now
    said = [_erased(evidence.entry, name, now) for evidence in answer.evidence]
    for removal in answer.owed:
        what = f"The {name.partition(' ')[0]} is" if removal.scope == "document" else "Some files of it are"
        said.append(
            f"{what} being erased ({removal.reason.value}): hidden since {session.moment(removal.hidden_at, now)}, "
            f"gone by {session.moment(removal.erase_by, now)} at the latest."
        )
    word = verdict(answer)
    if word == "held" and answer.document is not None:
        verified_at = answer.document.verified_at
        said.append(
            f"A copy of {name} is held. Its owner was last seen to share it "
            f"{session.moment(verified_at, now)}; unless that is seen again it is not shown after "
            f"{session.moment(lease.serve_until(verified_at), now)} and erased by "
            f"{session.moment(lease.erase_by(verified_at), now)}."
        )
    elif word == "erased-before-ledger" and answer.gone_untold is not None:
        said.append(
            f"{name.capitalize()} was erased {session.moment(answer.gone_untold.gone_at, now)} "
            f"({answer.gone_untold.reason.value}), before the ledger began: the database remembers it, and no entry "
            "proves it."
        )
    elif word == "never-held":
        since = "it has not begun" if answer.begun_at is None else f"begun {session.moment(answer.begun_at, now)}"
        said.append(f"No copy of {name} is held, and nothing in the ledger ({since}) tells of one.")
    if answer.tombstone is not None and answer.tombstone.stands:
        said.append("Its owner asked for its removal: it is not mirrored again while that stands.")
    return said


def _erased(entry: "LedgerEntry", name: str, now: "Instant") -> str:
    what = f"{name.capitalize()} was" if entry.scope == "document" else f"Files of {name} were"
    since = entry.first_unsafe_at if entry.first_unsafe_at is not None else entry.at
    asked = entry.reason == "owner-request"
    # What was asked for has the deadline of its lease, which is the earlier one.
    whose = "its lease's" if asked else "the law's"
    law = "" if entry.erase_by is None else f" {whose} {session.span(entry.erase_by - since)}"
    inside = "inside" if is_in_time(entry) else "NOT inside"
    if is_sealed(entry):
        inside, law = "NOT inside", " the law's time: it was sealed, i.e. kept hidden while ipernity answered nobody"
    return (
        f"{what} erased {session.moment(entry.gone_at, now)}: {entry.reason}, "
        f"{session.counted(entry.files or 0, 'file')}, {session.size_text(entry.size_bytes or 0)}. That is "
        f"{session.span((entry.gone_at or entry.at) - since)} after "
        f"{'its owner asked for it' if asked else 'it was last known to be shared'}, {inside}{law}. "
        f"Entry {entry.sequence} of the ledger says so."
    )


def print_answer(answer: "Answer", lease: "Lease") -> None:
    """Print the answer for people."""
    for sentence in sentences(answer, lease):
        output.say(sentence)
    for evidence in answer.evidence:
        entry, now = evidence.entry, answer.now
        output.print_facts(
            [
                ("entry", entry.sequence),
                (
                    "asked for" if entry.reason == "owner-request" else "last known to be shared",
                    session.moment(entry.first_unsafe_at, now),
                ),
                ("noticed", session.moment(entry.detected_at, now)),
                ("hidden", session.moment(entry.hidden_at, now)),
                ("confirmed", session.moment(entry.confirmed_at, now)),
                ("gone", session.moment(entry.gone_at, now)),
                ("by law", session.moment(entry.erase_by, now)),
                ("evidence", entry.certificate or None),
                ("hash", entry.hash),
                ("signed by head", f"{evidence.head.sequence}, {len(evidence.path)} entries on"),
            ]
        )
    if answer.evidence:
        output.say("With --json: what an auditor needs to check this without trusting us.")


def as_json(answer: "Answer", lease: "Lease") -> dict[str, Any]:
    """The answer for scripts, with the evidence."""
    from ipsync.policy.entries import subject_names

    document = answer.document
    return {
        **subject_names(answer.document_id),
        "answer": verdict(answer),
        "sentences": sentences(answer, lease),
        "held": None
        if document is None
        else {
            "state": document.state.value,
            "verified_at": session.instant_text(document.verified_at),
            "serve_until": session.instant_text(lease.serve_until(document.verified_at)),
            "erase_by": session.instant_text(lease.erase_by(document.verified_at)),
        },
        "being_erased": [
            {
                "reason": removal.reason.value,
                "scope": removal.scope.value,
                "hidden_at": session.instant_text(removal.hidden_at),
                "erase_by": session.instant_text(removal.erase_by),
            }
            for removal in answer.owed
        ],
        "erased": [_evidence_as_json(evidence, answer) for evidence in answer.evidence],
    }


def _evidence_as_json(evidence: "Evidence", answer: "Answer") -> dict[str, Any]:
    from ipsync.policy.instants import seconds

    entry = evidence.entry
    since = entry.first_unsafe_at if entry.first_unsafe_at is not None else entry.at
    return {
        "reason": entry.reason,
        "scope": entry.scope,
        "first_unsafe_at": session.instant_text(entry.first_unsafe_at),
        "detected_at": session.instant_text(entry.detected_at),
        "hidden_at": session.instant_text(entry.hidden_at),
        "confirmed_at": session.instant_text(entry.confirmed_at),
        "gone_at": session.instant_text(entry.gone_at),
        "erase_by": session.instant_text(entry.erase_by),
        "gone_after_seconds": seconds((entry.gone_at or entry.at) - since),
        "in_time": is_in_time(entry),
        "evidence": {
            "subject": f"document {answer.document_id}",
            "opening": answer.opening.hex(),
            "entry": entry._asdict(),
            "before": evidence.before,
            "path": list(evidence.path),
            "head": evidence.head._asdict(),
        },
    }


def account_as_json(account_id: int, entries: "Sequence[LedgerEntry]", opening: str, now: "Instant") -> dict[str, Any]:
    """What the ledger tells of a member, for scripts."""
    return {
        "account_id": str(account_id),
        "at": session.instant_text(now),
        "opening": opening,
        "consents": [
            {
                "entry": entry.sequence,
                "kind": entry.kind,
                "consent": entry.consent,
                "at": session.instant_text(entry.at),
                "reason": entry.reason,
            }
            for entry in entries
            if entry.consent is not None
        ],
        "erased": _counts(entries),
        "late": sum(not is_in_time(entry) for entry in _removals(entries)),
    }


def print_account(account_id: int, entries: "Sequence[LedgerEntry]", _opening: str, now: "Instant") -> None:
    """Print what the ledger tells of a member."""
    if not entries:
        output.say(f"Nothing in the ledger tells of account {account_id}.")
        return
    for entry in entries:
        if entry.kind == "consent-given":
            output.say(f"Entry {entry.sequence}: they authorized the application {session.moment(entry.at, now)}.")
        elif entry.kind == "consent-ended":
            output.say(
                f"Entry {entry.sequence}: that authorization ended {session.moment(entry.at, now)} ({entry.reason})."
            )
    output.print_table(
        ("reason", "erased"), sorted(_counts(entries).items()), empty="Nothing of theirs was erased since it began."
    )
    late = sum(not is_in_time(entry) for entry in _removals(entries))
    if _counts(entries):
        output.say("All inside the law's time." if not late else f"{late} later than the law allows.")


def _removals(entries: "Sequence[LedgerEntry]") -> "list[LedgerEntry]":
    return [entry for entry in entries if entry.kind == "gone"]


def _counts(entries: "Sequence[LedgerEntry]") -> dict[str, int]:
    return dict(Counter(entry.reason or "" for entry in _removals(entries)))
