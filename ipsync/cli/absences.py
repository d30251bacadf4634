"""What commands say of absences: tripwires, and what was read before documents were called missing."""

from typing import TYPE_CHECKING, Any

from ipsync.cli import session

if TYPE_CHECKING:
    from ipsync.policy.certificates import Certificate
    from ipsync.policy.instants import Instant
    from ipsync.policy.tripwire import Tripwire

_PHASES = {
    "sampling": "a sample of {sample} is asked about first",
    "rereading": "the sample is shared as before, so the listing is read again",
    "confirming": "each of them is asked about",
}
_RESOLUTIONS = {
    "confirmed": "ipernity confirmed it",
    "false-alarm": "a false alarm: all of them are shared as before",
    "partly": "some are gone, some are shared as before",
    "deadline": "time was up before ipernity answered about all of them",
    "overtaken": "settled by an owner's request, or the end of the account",
}


def tripwire_text(tripwire: "Tripwire", now: "Instant") -> str:
    """A mass disappearance in a sentence."""
    tripped = session.ago(tripwire.tripped_at, now)
    missing = f"{tripwire.missing:,} of {tripwire.held:,} documents went missing at once {tripped}"
    if tripwire.ended_at is not None and tripwire.resolution is not None:
        return f"{missing}; settled {session.ago(tripwire.ended_at, now)}: {_RESOLUTIONS[tripwire.resolution.value]}"
    return f"{missing} and are hidden; {_PHASES[tripwire.phase.value].format(sample=len(tripwire.sample))}"


def tripwire_json(tripwire: "Tripwire") -> dict[str, Any]:
    """The same for scripts."""
    return {
        "account_id": str(tripwire.account_id),
        "sweep": tripwire.certificate_id,
        "tripped_at": session.instant_text(tripwire.tripped_at),
        "missing": tripwire.missing,
        "of": tripwire.held,
        "phase": tripwire.phase.value,
        "sample": len(tripwire.sample),
        "rereads": tripwire.rereads,
        "ended_at": session.instant_text(tripwire.ended_at),
        "resolution": tripwire.resolution.value if tripwire.resolution else None,
    }


def certificate_text(certificate: "Certificate", now: "Instant") -> str:
    """What was read, in a sentence."""
    pages = f"{certificate.pages:,} of {session.counted(certificate.pages_claimed, 'page')}"
    return (
        f"sweep {certificate.certificate_id} ({certificate.visibility.word}): {pages}, "
        f"{certificate.named:,} of {session.counted(certificate.total, 'document')} named, "
        f"{certificate.distinct:,} of ours among them, read {session.moment(certificate.first_sent_at, now)} to "
        f"{session.clock_text(certificate.last_sent_at)}; {certificate.missing:,} of {certificate.held:,} were missing"
    )


def certificate_json(certificate: "Certificate") -> dict[str, Any]:
    """The same for scripts."""
    return {
        "sweep": certificate.certificate_id,
        "account_id": str(certificate.account_id),
        "visibility": certificate.visibility.word,
        "first_request_at": session.instant_text(certificate.first_sent_at),
        "last_request_at": session.instant_text(certificate.last_sent_at),
        "pages": certificate.pages,
        "pages_claimed": certificate.pages_claimed,
        "total_claimed": certificate.total,
        "named": certificate.named,
        "distinct": certificate.distinct,
        "held": certificate.held,
        "missing": certificate.missing,
        "whole": certificate.is_whole,
    }
