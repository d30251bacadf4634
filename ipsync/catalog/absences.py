"""Absences: certificates of what was read, and tripwires."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, case, func, select, update

from ipsync.catalog.absence_tables import ACTIVE_TRIPWIRES, CertificateRow, TripwireRow
from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import AnyRow, Handle
from ipsync.catalog.removals import REMOVAL, removals_of
from ipsync.catalog.sqlite import by_index, insert
from ipsync.catalog.statements import given
from ipsync.catalog.tables import METADATA, table
from ipsync.policy.certificates import Certificate
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.removals import DEADLINE, Reason, Removal, Stage
from ipsync.policy.tripwire import Outcome, Phase, Resolution, Tripwire

_CERTIFICATE = METADATA.tables[CertificateRow.__tablename__]
_TRIPWIRE = METADATA.tables[TripwireRow.__tablename__]
_DOCUMENT = table("document")
_TALLY = table("tally")

_OF_REMOVAL = (
    by_index(select(_CERTIFICATE), _CERTIFICATE, "certificate_by_account")
    .where(_CERTIFICATE.c.account_id == bindparam("of_account"), _CERTIFICATE.c.first_removal <= bindparam("number"))
    .order_by(_CERTIFICATE.c.first_removal.desc())
    .limit(1)
)
_CONCERNED = (
    REMOVAL.c.account_id == bindparam("of_account"),
    REMOVAL.c.removal_id.between(bindparam("first"), bindparam("last")),
)
_FATE = case(
    (REMOVAL.c.stage == Stage.SUSPECTED.value, "open"),
    (REMOVAL.c.stage == Stage.WITHDRAWN.value, "withdrawn"),
    (REMOVAL.c.certificate.endswith(DEADLINE), "by_deadline"),
    (
        REMOVAL.c.reason.in_([Reason.OWNER_REQUEST.value, Reason.GRANT_LOST.value, Reason.ACCOUNT_CLOSED.value]),
        "otherwise",
    ),
    else_="confirmed",
).label("fate")
_OUTCOME = by_index(select(_FATE, func.count()).where(*_CONCERNED), REMOVAL, "").group_by(_FATE)
_OPEN = by_index(
    select(func.count()).where(
        REMOVAL.c.account_id == bindparam("of_account"),
        REMOVAL.c.stage == Stage.SUSPECTED.value,
        REMOVAL.c.removal_id > bindparam("after"),
    ),
    REMOVAL,
    "removal_by_account",
)
_NEXT_SUSPICION = (
    by_index(select(REMOVAL), REMOVAL, "")
    .where(
        REMOVAL.c.removal_id >= bindparam("place"),
        REMOVAL.c.account_id == bindparam("of_account"),
        REMOVAL.c.stage == Stage.SUSPECTED.value,
    )
    .order_by(REMOVAL.c.removal_id)
    .limit(1)
)
_HELD = select(func.sum(_TALLY.c.number)).where(
    _TALLY.c.kind == "document",
    _TALLY.c.account_id == bindparam("of_account"),
    _TALLY.c.state != DocumentState.DOOMED.value,
)
_VERIFIED = by_index(
    select(func.count()).where(
        _DOCUMENT.c.account_id == bindparam("of_account"),
        _DOCUMENT.c.state == DocumentState.LIVE.value,
        _DOCUMENT.c.verified_at >= bindparam("since"),
        _DOCUMENT.c.visibility == bindparam("of_visibility"),
    ),
    _DOCUMENT,
    "document_by_age",
)
_NEWEST = select(func.max(REMOVAL.c.removal_id))
_ADD_CERTIFICATE, _ADD_TRIPWIRE = insert(_CERTIFICATE), insert(_TRIPWIRE)
_UPDATE_TRIPWIRE = update(_TRIPWIRE).where(_TRIPWIRE.c.tripwire_id == bindparam("of_tripwire"))


@cache
def _certificates(*, of_account: bool, older: bool) -> Select[Any]:
    statement = select(_CERTIFICATE).order_by(_CERTIFICATE.c.certificate_id.desc()).limit(bindparam("most"))
    if of_account:
        statement = statement.where(_CERTIFICATE.c.account_id == bindparam("of_account"))
    if older:
        statement = statement.where(_CERTIFICATE.c.certificate_id < bindparam("before"))
    return statement


@cache
def _tripwires(*, of_account: bool, active_only: bool) -> Select[Any]:
    statement = select(_TRIPWIRE).order_by(_TRIPWIRE.c.tripwire_id.desc()).limit(bindparam("most"))
    if of_account:
        statement = statement.where(_TRIPWIRE.c.account_id == bindparam("of_account"))
    if active_only:
        statement = by_index(statement, _TRIPWIRE, "tripwire_active").where(ACTIVE_TRIPWIRES)
    return statement


class AbsenceReading(Handle):
    """The questions about absences."""

    def certificates(
        self, *, account_id: int | None = None, before: int | None = None, limit: int
    ) -> list[Certificate]:
        """Up to `limit` certificates with numbers below `before`, the newest first."""
        asked = given(of_account=account_id, before=before)
        statement = _certificates(of_account=account_id is not None, older=before is not None)
        with decoding("certificate"):
            return [_certificate(row) for row in self._rows(statement, most=limit, **asked)]

    def certificates_of(self, removals: Collection[Removal]) -> dict[int, Certificate]:
        """By number of the removal, what was read before it arose; removals of other origin are left out."""
        found: dict[int, Certificate] = {}
        with decoding("certificate"):
            for removal in removals:
                row = self._row(_OF_REMOVAL, of_account=removal.account_id, number=removal.removal_id)
                if row is not None and row.last_removal >= removal.removal_id:
                    found[removal.removal_id] = _certificate(row)
        return found

    def tripwires(
        self, *, account_id: int | None = None, active_only: bool = True, limit: int = 1000
    ) -> list[Tripwire]:
        """Up to `limit` tripwires, the newest first."""
        statement = _tripwires(of_account=account_id is not None, active_only=active_only)
        with decoding("tripwire"):
            return [_tripwire(row) for row in self._rows(statement, most=limit, **given(of_account=account_id))]

    def outcome_of(self, tripwire: Tripwire) -> Outcome:
        """What became of the suspicions of a tripwire."""
        rows = self._rows(
            _OUTCOME, of_account=tripwire.account_id, first=tripwire.first_removal, last=tripwire.last_removal
        )
        return Outcome(**{row.fate: row[1] for row in rows})

    def open_suspicions(self, account_id: int, after: int) -> int:
        """How many SUSPECTED removals of an account have numbers above `after`."""
        row = self._row(_OPEN, of_account=account_id, after=after)
        return 0 if row is None else int(row[0])

    def suspicions_at(self, account_id: int, places: Sequence[int]) -> list[Removal]:
        """For each of these numbers, the account's next SUSPECTED removal from there on; each once."""
        rows = [self._row(_NEXT_SUSPICION, of_account=account_id, place=place) for place in places]
        return list({entry.removal_id: entry for entry in removals_of([row for row in rows if row])}.values())

    def held_documents(self, account_id: int) -> int:
        """How many documents of an account are held and not DOOMED."""
        row = self._row(_HELD, of_account=account_id)
        return 0 if row is None else int(row[0] or 0)

    def verified_documents(self, account_id: int, visibility: Visibility, since: Instant) -> int:
        """How many LIVE documents of a listing were verified at `since` or later."""
        row = self._row(_VERIFIED, of_account=account_id, of_visibility=int(visibility), since=since)
        return 0 if row is None else int(row[0])

    def newest_removal(self) -> int:
        """The number of the newest removal of all, 0 when there is none."""
        row = self._row(_NEWEST)
        return 0 if row is None else int(row[0] or 0)


class AbsenceWriting(AbsenceReading):
    """The changes to what is kept of absences."""

    def add_certificate(self, certificate: Certificate) -> int:
        """Keep a certificate for good; returns its number."""
        return self._add(
            _ADD_CERTIFICATE,
            account_id=certificate.account_id,
            visibility=int(certificate.visibility),
            first_sent_at=certificate.first_sent_at,
            last_sent_at=certificate.last_sent_at,
            pages=certificate.pages,
            pages_claimed=certificate.pages_claimed,
            total=certificate.total,
            named=certificate.named,
            distinct_ids=certificate.distinct,
            held=certificate.held,
            missing=certificate.missing,
            first_removal=certificate.first_removal,
            last_removal=certificate.last_removal,
        )

    def put_tripwire(self, tripwire: Tripwire) -> int:
        """Insert a tripwire without a number, or replace the one of that number; returns the number."""
        values = _tripwire_values(tripwire)
        if tripwire.tripwire_id:
            self._do(_UPDATE_TRIPWIRE, of_tripwire=tripwire.tripwire_id, **values)
            return tripwire.tripwire_id
        return self._add(_ADD_TRIPWIRE, **values)


def _certificate(row: AnyRow) -> Certificate:
    return Certificate(
        account_id=row.account_id,
        visibility=Visibility(row.visibility),
        first_sent_at=row.first_sent_at,
        last_sent_at=row.last_sent_at,
        pages=row.pages,
        pages_claimed=row.pages_claimed,
        total=row.total,
        named=row.named,
        distinct=row.distinct_ids,
        held=row.held,
        missing=row.missing,
        first_removal=row.first_removal,
        last_removal=row.last_removal,
        certificate_id=row.certificate_id,
    )


def _tripwire(row: AnyRow) -> Tripwire:
    return Tripwire(
        account_id=row.account_id,
        certificate_id=row.certificate_id,
        tripped_at=row.tripped_at,
        missing=row.missing,
        held=row.held,
        first_removal=row.first_removal,
        last_removal=row.last_removal,
        sample=tuple(int(number) for number in row.sample.split()),
        phase=Phase(row.phase),
        rereads=row.rereads,
        doubted_at=row.doubted_at,
        ended_at=row.ended_at,
        resolution=Resolution(row.resolution) if row.resolution else None,
        tripwire_id=row.tripwire_id,
    )


def _tripwire_values(tripwire: Tripwire) -> dict[str, Any]:
    return {
        "account_id": tripwire.account_id,
        "certificate_id": tripwire.certificate_id,
        "tripped_at": tripwire.tripped_at,
        "missing": tripwire.missing,
        "held": tripwire.held,
        "first_removal": tripwire.first_removal,
        "last_removal": tripwire.last_removal,
        "sample": " ".join(map(str, tripwire.sample)),
        "phase": tripwire.phase.value,
        "rereads": tripwire.rereads,
        "doubted_at": tripwire.doubted_at,
        "ended_at": tripwire.ended_at,
        "resolution": tripwire.resolution.value if tripwire.resolution else "",
    }
