"""Instants that have not come: found, and work that was put off to them made due (F6, F7)."""

from functools import cache

from sqlalchemy import Table, Update, bindparam, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement, KeyedColumnElement

from ipsync.catalog.documents import DOCUMENTS, documents_of
from ipsync.catalog.entry_tables import EntryListingRow
from ipsync.catalog.handle import Handle
from ipsync.catalog.plan_tables import PagePlanRow
from ipsync.catalog.removals import OPEN
from ipsync.catalog.renditions import TO_FETCH
from ipsync.catalog.sqlite import by_index, one_of
from ipsync.catalog.tables import METADATA, table
from ipsync.policy.documents import Document, DocumentState
from ipsync.policy.instants import Instant
from ipsync.policy.listings import NOT_AS_A_WHOLE

_DOCUMENT = table("document")
_TALLY = table("tally")

_NEWEST = select(
    _TALLY.c.account_id,
    _TALLY.c.state,
    select(func.max(_DOCUMENT.c.verified_at))
    .where(_DOCUMENT.c.account_id == _TALLY.c.account_id, _DOCUMENT.c.state == _TALLY.c.state)
    .scalar_subquery()
    .label("newest"),
).where(_TALLY.c.kind == "document", _TALLY.c.number > 0, _TALLY.c.state != DocumentState.DOOMED.value)
_AHEAD = (
    by_index(DOCUMENTS, _DOCUMENT, "document_by_age")
    .where(
        _DOCUMENT.c.account_id == bindparam("account_id"),
        _DOCUMENT.c.state == bindparam("state"),
        _DOCUMENT.c.verified_at > bindparam("after"),
    )
    .order_by(_DOCUMENT.c.verified_at)
    .limit(bindparam("most"))
)


def _plans() -> list[tuple[Table, KeyedColumnElement[int], ColumnElement[bool] | None]]:
    listing, account, removal, rendition = (table(name) for name in ("listing", "account", "removal", "rendition"))
    budget, entries = table("budget"), METADATA.tables[EntryListingRow.__tablename__]
    return [
        (listing, listing.c.next_due_at, listing.c.next_due_at < NOT_AS_A_WHOLE),
        (account, account.c.next_check_at, None),
        (account, account.c.retry_at, None),
        (removal, removal.c.next_try_at, one_of(removal.c.stage, OPEN)),
        (rendition, rendition.c.next_try_at, one_of(rendition.c.state, TO_FETCH)),
        (entries, entries.c.next_due_at, None),
        (budget, budget.c.next_slot_at, None),
        (budget, budget.c.blocked_until, None),
    ]


def _reading_again() -> Update:
    """Read the listings as a whole of which the planner believes that pages were read later than now."""
    listing, page = table("listing"), METADATA.tables[PagePlanRow.__tablename__]
    later = (
        select(page.c.page)
        .where(
            page.c.account_id == listing.c.account_id,
            page.c.visibility == listing.c.visibility,
            page.c.read_at > bindparam("instead"),
        )
        .exists()
    )
    return (
        update(listing)
        .where(
            listing.c.next_due_at > bindparam("instead"),
            or_(listing.c.completed_at > bindparam("instead"), later),
        )
        .values(next_due_at=bindparam("instead"))
    )


@cache
def _pulling_back() -> list[Update]:
    return [
        _reading_again(),
        *(
            update(where)
            .where(column > bindparam("horizon"), *([] if condition is None else [condition]))
            .values({column: bindparam("instead")})
            for where, column, condition in _plans()
        ),
    ]


class FutureReading(Handle):
    """The question about what cannot be."""

    def documents_verified_after(self, after: Instant, limit: int) -> list[Document]:
        """Up to `limit` documents in any state but DOOMED whose verification claims to be later than `after`."""
        found: list[Document] = []
        for row in self._rows(_NEWEST):
            if row.newest is not None and row.newest > after and len(found) < limit:
                most = limit - len(found)
                found += documents_of(
                    self._rows(_AHEAD, account_id=row.account_id, state=row.state, after=after, most=most)
                )
        return found


class FutureWriting(FutureReading):
    """The change that keeps a clock that ran ahead from putting work off for years."""

    def pull_back(self, horizon: Instant, now: Instant) -> int:
        """Make due at `now` what is planned for later than `horizon`, and listings read later than now."""
        changed = 0
        for statement in _pulling_back():
            changed += self._do(statement, horizon=horizon, instead=now)
        return changed
