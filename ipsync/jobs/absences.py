"""Absences: hide what a complete sweep did not name, keep on what grounds, and doubt the listing if it is too much.

Inside one transaction: what is missing is hidden in the same moment in which it is on record why (design §4, F12, F13).
"""

from dataclasses import dataclass, replace

from ipsync.policy.certificates import Certificate, evidence
from ipsync.policy.documents import DocumentState
from ipsync.policy.instants import Instant
from ipsync.policy.listings import Listing
from ipsync.policy.rules import Rules
from ipsync.policy.tripwire import Phase, Tripwire, sample_places, sample_size, trips
from ipsync.ports.catalog import Transaction
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_MISSABLE = {DocumentState.LIVE, DocumentState.STALE, DocumentState.SEALED}


@dataclass(frozen=True, slots=True)
class Absence:
    """What a sweep found to be missing.

    Attributes:
        missing: documents hidden.
        unread: pages that could not be read; then nothing is called missing.
        tripwire: the one that tripped now, or None.
    """

    missing: int = 0
    unread: int = 0
    tripwire: Tripwire | None = None


def hide_missing(
    tx: Transaction,
    listing: Listing,
    started: Instant,
    sent_at: Instant,
    rules: Rules,
    requests_per_hour: float,
    now: Instant,
) -> Absence:
    """Hide and suspect what a complete sweep did not name, with a certificate, and trip the wire if it is too much.

    Args:
        tx: the transaction.
        listing: after its last page, with what it claimed last; `next_page` is the first page that was not read.
        started: the send time of the sweep's first page.
        sent_at: the send time of its last page.
        rules: the thresholds and the tripwire's limits.
        requests_per_hour: what the budget is believed to allow.
        now: the lease clock.
    """
    account_id, visibility = listing.account_id, listing.visibility
    if not tx.documents_unverified_since(started, 1, states=_MISSABLE, account_id=account_id, visibility=visibility):
        return Absence()
    pages = [
        record
        for record in tx.page_records(account_id, visibility)
        if record.page < listing.next_page and record.sent_at >= started
    ]
    unread = listing.next_page - 1 - len(pages)
    if unread > 0:
        return Absence(unread=unread)
    held, distinct = tx.held_documents(account_id), tx.verified_documents(account_id, visibility, started)
    before = tx.newest_removal()
    told = evidence(len(pages), listing.total, distinct)
    missing = tx.suspect_unnamed(account_id, visibility, started, sent_at, now, rules.lease, told)
    newest = tx.newest_removal()
    if newest == before:
        return Absence(missing)
    certificate = Certificate(
        account_id=account_id,
        visibility=visibility,
        first_sent_at=started,
        last_sent_at=sent_at,
        pages=len(pages),
        pages_claimed=listing.pages,
        total=listing.total,
        named=sum(record.named for record in pages),
        distinct=distinct,
        held=held,
        missing=missing,
        first_removal=before + 1,
        last_removal=newest,
    )
    return Absence(missing, tripwire=certify(tx, certificate, rules, requests_per_hour, now))


def certify(
    tx: Transaction, certificate: Certificate, rules: Rules, requests_per_hour: float, now: Instant
) -> Tripwire | None:
    """Keep the certificate of documents that were just suspected, and trip the wire if it is too much at once.

    Args:
        tx: the transaction that suspected them.
        certificate: what was read before.
        rules: the thresholds and the tripwire's limits.
        requests_per_hour: what the budget is believed to allow.
        now: the lease clock.

    Returns:
        The tripwire that tripped now; None where it did not, or had tripped before and takes these in.
    """
    number = tx.add_certificate(certificate)
    active = tx.tripwires(account_id=certificate.account_id)
    for tripwire in active:
        if tripwire.holds_questions:
            tx.put_tripwire(
                replace(
                    tripwire,
                    missing=tripwire.missing + certificate.missing,
                    last_removal=certificate.last_removal,
                )
            )
            return None
    after = max((tripwire.last_removal for tripwire in active), default=0)
    missing = tx.open_suspicions(certificate.account_id, after)
    if not trips(missing, certificate.held, rules.tripwire):
        return None
    first = tx.suspicions_at(certificate.account_id, [after + 1])[0].removal_id
    tripwire = Tripwire(
        account_id=certificate.account_id,
        certificate_id=number,
        tripped_at=now,
        missing=missing,
        held=certificate.held,
        first_removal=first,
        last_removal=certificate.last_removal,
    )
    tripwire = sampled(tx, tripwire, missing, rules, requests_per_hour)
    return replace(tripwire, tripwire_id=tx.put_tripwire(tripwire))


def sampled(tx: Transaction, tripwire: Tripwire, missing: int, rules: Rules, requests_per_hour: float) -> Tripwire:
    """The tripwire in its sampling phase, with the sample chosen.

    Args:
        tx: the transaction.
        tripwire: whose suspicions are asked about.
        missing: how many of them are open.
        rules: the thresholds.
        requests_per_hour: what the budget is believed to allow; it decides the size of the sample.
    """
    size = sample_size(missing, requests_per_hour, rules.lease)
    places = sample_places(tripwire.first_removal, tripwire.last_removal, size)
    sample = tx.suspicions_at(tripwire.account_id, places)
    return replace(tripwire, phase=Phase.SAMPLING, sample=tuple(entry.removal_id for entry in sample))


def tell_absence(listing: Listing, absence: Absence) -> None:
    """Log what was hidden, and whether that was too much at once.

    Args:
        listing: that did not name it.
        absence: what `hide_missing` gave, now that it is committed.
    """
    if absence.unread:
        _log.warning(
            Event.SYNC_INCOMPLETE,
            "Pages of a listing could not be read: what they name is not verified, and nothing is called missing.",
            account_id=listing.account_id,
            visibility=listing.visibility.word,
            pages=absence.unread,
        )
    if absence.missing:
        _log.warning(
            Event.SYNC_SUSPECTED,
            "Documents are absent from their listing and were hidden.",
            account_id=listing.account_id,
            visibility=listing.visibility.word,
            documents=absence.missing,
        )
    if absence.tripwire is not None:
        _log.error(
            Event.SYNC_TRIPWIRE,
            "Too much is missing at once: it is hidden, and a sample is asked about before the rest.",
            account_id=listing.account_id,
            documents=absence.tripwire.missing,
            of=absence.tripwire.held,
            sample=len(absence.tripwire.sample),
        )
