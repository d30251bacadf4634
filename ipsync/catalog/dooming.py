"""Many documents at once, in statements that each touch all of them: an account goes (T15), or a listing is short."""

from sqlalchemy import Text, bindparam, case, func, literal, null, or_, select, update

from ipsync.catalog.entry_tables import EntryRow
from ipsync.catalog.removals import OWED, REMOVAL, RemovalWriting
from ipsync.catalog.sqlite import insert, one_of
from ipsync.catalog.tables import METADATA, table
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.removals import SEALED, Reason, Scope, Stage

_DOCUMENT = table("document")
_ENTRY = METADATA.tables[EntryRow.__tablename__]

_COUNT = select(func.count()).where(_DOCUMENT.c.account_id == bindparam("of_account"))
_OF_ACCOUNT = (
    # A document that changed hands takes with it what was suspected of it under its owner before.
    or_(
        REMOVAL.c.account_id == bindparam("of_account"),
        REMOVAL.c.document_id.in_(
            select(_DOCUMENT.c.document_id).where(_DOCUMENT.c.account_id == bindparam("of_account"))
        ),
    ),
    REMOVAL.c.scope == Scope.DOCUMENT.value,
)
_CONFIRM_SUSPICIONS = (
    update(REMOVAL)
    .where(*_OF_ACCOUNT, one_of(REMOVAL.c.stage, (Stage.SUSPECTED.value,)))
    .values(
        stage=Stage.CONFIRMED.value,
        reason=bindparam("why"),
        confirmed_at=bindparam("now"),
        attempts=0,
        next_try_at=0,
    )
)
_REMEMBER_REQUEST = update(REMOVAL).where(*_OF_ACCOUNT, one_of(REMOVAL.c.stage, OWED)).values(reason=bindparam("why"))
_HELD = select(REMOVAL.c.document_id).where(*_OF_ACCOUNT, one_of(REMOVAL.c.stage, OWED))
_IS_SEALED = _DOCUMENT.c.state == DocumentState.SEALED.value
_GRACE = case((_IS_SEALED, bindparam("sealed_grace")), else_=0)
_OWED = {
    "document_id": _DOCUMENT.c.document_id,
    "account_id": _DOCUMENT.c.account_id,
    "reason": bindparam("why"),
    "stage": literal(Stage.CONFIRMED.value),
    "scope": literal(Scope.DOCUMENT.value),
    "renditions": literal(""),
    "first_unsafe_at": _DOCUMENT.c.verified_at,
    "detected_at": bindparam("now"),
    "hidden_at": func.coalesce(_DOCUMENT.c.hidden_at, bindparam("now")),
    "erase_from": _DOCUMENT.c.verified_at + bindparam("erase_age") + _GRACE,
    "erase_by": _DOCUMENT.c.verified_at + bindparam("window") + _GRACE,
    "confirmed_at": bindparam("now"),
    "files_erased": literal(0),
    "bytes_erased": literal(0),
    "attempts": literal(0),
    "next_try_at": literal(0),
    "certificate": case((_IS_SEALED, SEALED), else_=""),
}
_OWE = insert(REMOVAL).from_select(
    list(_OWED),
    select(*(value.label(name) for name, value in _OWED.items())).where(
        _DOCUMENT.c.account_id == bindparam("of_account"), _DOCUMENT.c.document_id.not_in(_HELD)
    ),
)
_DOOM = (
    update(_DOCUMENT)
    .where(_DOCUMENT.c.account_id == bindparam("of_account"), _DOCUMENT.c.state != DocumentState.DOOMED.value)
    .values(
        state=DocumentState.DOOMED.value,
        hidden_at=func.coalesce(_DOCUMENT.c.hidden_at, bindparam("now")),
    )
)
_OWED_ENTRY = _OWED | {
    "document_id": _ENTRY.c.number,
    "account_id": _ENTRY.c.account_id,
    "first_unsafe_at": _ENTRY.c.verified_at,
    "hidden_at": func.coalesce(_ENTRY.c.hidden_at, bindparam("now")),
    "erase_from": _ENTRY.c.verified_at + bindparam("erase_age"),
    "erase_by": _ENTRY.c.verified_at + bindparam("window"),
    "certificate": literal(""),
}
_OWE_ENTRIES = insert(REMOVAL).from_select(
    list(_OWED_ENTRY),
    select(*(value.label(name) for name, value in _OWED_ENTRY.items())).where(
        _ENTRY.c.account_id == bindparam("of_account"), _ENTRY.c.number.not_in(_HELD)
    ),
)
_DOOM_ENTRIES = (
    update(_ENTRY)
    .where(_ENTRY.c.account_id == bindparam("of_account"), _ENTRY.c.state != DocumentState.DOOMED.value)
    .values(
        state=DocumentState.DOOMED.value,
        hidden_at=func.coalesce(_ENTRY.c.hidden_at, bindparam("now")),
    )
)
_UNNAMED = (
    _DOCUMENT.c.account_id == bindparam("of_account"),
    one_of(_DOCUMENT.c.state, (DocumentState.LIVE.value, DocumentState.STALE.value, DocumentState.SEALED.value)),
    _DOCUMENT.c.verified_at < bindparam("before"),
    _DOCUMENT.c.visibility == bindparam("of_visibility"),
)
_SUSPECTED = _OWED | {
    "stage": literal(Stage.SUSPECTED.value),
    "detected_at": bindparam("sent_at"),
    "confirmed_at": null(),
    "certificate": case(
        (_IS_SEALED, literal(f"{SEALED}; ") + bindparam("evidence", type_=Text)), else_=bindparam("evidence")
    ),
}
_OWE_UNNAMED = insert(REMOVAL).from_select(
    list(_SUSPECTED),
    select(*(value.label(name) for name, value in _SUSPECTED.items())).where(
        *_UNNAMED, _DOCUMENT.c.document_id.not_in(_HELD)
    ),
)
_HIDE_UNNAMED = (
    update(_DOCUMENT)
    .where(*_UNNAMED)
    .values(
        state=case((_IS_SEALED, DocumentState.SEALED.value), else_=DocumentState.SUSPECT.value),
        absent_at=func.max(func.coalesce(_DOCUMENT.c.absent_at, 0), bindparam("sent_at")),
        hidden_at=func.coalesce(_DOCUMENT.c.hidden_at, bindparam("now")),
    )
)


class AccountDooming(RemovalWriting):
    """The bulk change behind a lost grant, a closed account, a member who leaves."""

    def doom_account(self, account_id: int, reason: Reason, now: Instant, lease: Lease) -> int:
        """Make every document of an account DOOMED and owe a CONFIRMED removal for each, in a few statements.

        `first_unsafe_at` and the deadlines come from each document's own verified_at; open
        suspicions become this removal. Its albums, folders and articles go the same way. Returns how many
        documents are concerned: all the account has.
        """
        self._do(_CONFIRM_SUSPICIONS, of_account=account_id, why=reason.value, now=now)
        if reason is Reason.OWNER_REQUEST:
            self._do(_REMEMBER_REQUEST, of_account=account_id, why=reason.value)
        self._do(
            _OWE,
            of_account=account_id,
            why=reason.value,
            now=now,
            erase_age=lease.erase_age,
            window=lease.window,
            sealed_grace=lease.sealed_grace,
        )
        self._do(_DOOM, of_account=account_id, now=now)
        self._do(
            _OWE_ENTRIES,
            of_account=account_id,
            why=reason.value,
            now=now,
            erase_age=lease.erase_age,
            window=lease.window,
        )
        self._do(_DOOM_ENTRIES, of_account=account_id, now=now)
        row = self._row(_COUNT, of_account=account_id)
        return 0 if row is None else int(row[0])

    def suspect_unnamed(
        self,
        account_id: int,
        visibility: Visibility,
        before: Instant,
        sent_at: Instant,
        now: Instant,
        lease: Lease,
        certificate: str,
    ) -> int:
        """Hide and suspect what a complete sweep did not name; the bulk path of `policy.sweeping.suspect` (F12, F13).

        A document that is owed already stays as it is owed. Returns how many were hidden.
        """
        self._do(
            _OWE_UNNAMED,
            of_account=account_id,
            of_visibility=int(visibility),
            before=before,
            sent_at=sent_at,
            now=now,
            why=Reason.UNSHARED.value,
            evidence=certificate,
            erase_age=lease.erase_age,
            window=lease.window,
            sealed_grace=lease.sealed_grace,
        )
        return self._do(
            _HIDE_UNNAMED,
            of_account=account_id,
            of_visibility=int(visibility),
            before=before,
            sent_at=sent_at,
            now=now,
        )
