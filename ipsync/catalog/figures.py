"""The catalog in numbers. The counts are kept by triggers in `tally`, so that asking costs no scan."""

from collections import defaultdict

from sqlalchemy import and_, case, func, select

from ipsync.catalog.ageing import AgeReading
from ipsync.catalog.entry_tables import EntryListingRow
from ipsync.catalog.removals import OPEN, REMOVAL
from ipsync.catalog.renditions import HELD, TO_FETCH
from ipsync.catalog.sqlite import one_of
from ipsync.catalog.tables import METADATA, table
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.quota import FilesHeld, Holdings
from ipsync.policy.removals import OPEN_STAGES
from ipsync.ports.catalog import AccountFigures, Figures

_ACCOUNT = table("account")
_DOCUMENT = table("document")
_LISTING = table("listing")
_TALLY = table("tally")
_ENTRY_LISTING = METADATA.tables[EntryListingRow.__tablename__]

_TALLIES = select(_TALLY)
_SUMS = select(_TALLY.c.kind, _TALLY.c.state, func.sum(_TALLY.c.number), func.sum(_TALLY.c.size_bytes)).group_by(
    _TALLY.c.kind, _TALLY.c.state
)
_FILES = (
    select(
        _TALLY.c.account_id,
        func.sum(case((one_of(_TALLY.c.state, HELD), _TALLY.c.size_bytes), else_=0)).label("size_bytes"),
        func.sum(
            case(
                (
                    and_(one_of(_TALLY.c.state, TO_FETCH), _ACCOUNT.c.state == AccountState.ACTIVE.value),
                    _TALLY.c.number,
                ),
                else_=0,
            )
        ).label("wanted"),
    )
    .join(_ACCOUNT, _ACCOUNT.c.account_id == _TALLY.c.account_id, isouter=True)
    .where(_TALLY.c.kind == "rendition", _TALLY.c.number > 0)
    .group_by(_TALLY.c.account_id)
)
_OLDEST_OF_ACCOUNTS = select(
    _ACCOUNT.c.account_id,
    select(func.min(_DOCUMENT.c.verified_at))
    .where(_DOCUMENT.c.account_id == _ACCOUNT.c.account_id, _DOCUMENT.c.state == DocumentState.LIVE.value)
    .scalar_subquery()
    .label("oldest"),
).order_by(_ACCOUNT.c.account_id)
_NEAREST = [select(func.min(REMOVAL.c.erase_by)).where(REMOVAL.c.stage == stage) for stage in OPEN]
_PAGES = (
    select(func.sum(_LISTING.c.pages))
    .join(_ACCOUNT, _ACCOUNT.c.account_id == _LISTING.c.account_id)
    .where(_ACCOUNT.c.state == AccountState.ACTIVE.value)
)
_ENTRY_REQUESTS = (
    select(func.sum(_ENTRY_LISTING.c.requests))
    .join(_ACCOUNT, _ACCOUNT.c.account_id == _ENTRY_LISTING.c.account_id)
    .where(_ACCOUNT.c.state == AccountState.ACTIVE.value)
)


class FigureReading(AgeReading):
    """The questions that count."""

    def figures(self) -> Figures:
        """The whole catalog in numbers; stored files count until they are erased."""
        count: dict[tuple[str, str], int] = defaultdict(int)
        size: dict[tuple[str, str], int] = defaultdict(int)
        for kind, state, number, size_bytes in self._rows(_SUMS):
            count[kind, state], size[kind, state] = number, size_bytes
        deadlines = [row[0] for statement in _NEAREST for row in self._rows(statement) if row[0] is not None]
        pages = sum(row[0] or 0 for statement in (_PAGES, _ENTRY_REQUESTS) for row in self._rows(statement))
        return Figures(
            documents={state: count["document", state.value] for state in DocumentState},
            tombstones=count["tombstone", ""],
            oldest_verified_at=self.oldest_verification(DocumentState.LIVE),
            open_removals={stage: count["removal", stage.value] for stage in OPEN_STAGES},
            nearest_erase_by=min(deadlines, default=None),
            stored_files=sum(count["rendition", state] for state in HELD),
            stored_bytes=sum(size["rendition", state] for state in HELD),
            wanted_files=sum(count["rendition", state] for state in TO_FETCH),
            listing_pages=pages,
        )

    def holdings(self) -> Holdings:
        """The files of each account in numbers, for its quota; wanted are files of ACTIVE accounts only."""
        return {account_id: FilesHeld(size_bytes, wanted) for account_id, size_bytes, wanted in self._rows(_FILES)}

    def account_figures(self) -> dict[int, AccountFigures]:
        """Each account in numbers."""
        count: dict[tuple[int, str, str], int] = defaultdict(int)
        size: dict[tuple[int, str, str], int] = defaultdict(int)
        for row in self._rows(_TALLIES):
            count[row.account_id, row.kind, row.state] = row.number
            size[row.account_id, row.kind, row.state] = row.size_bytes
        return {
            row.account_id: AccountFigures(
                account_id=row.account_id,
                documents={state: count[row.account_id, "document", state.value] for state in DocumentState},
                stored_files=sum(count[row.account_id, "rendition", state] for state in HELD),
                stored_bytes=sum(size[row.account_id, "rendition", state] for state in HELD),
                oldest_verified_at=row.oldest,
                open_removals=sum(count[row.account_id, "removal", stage] for stage in OPEN),
            )
            for row in self._rows(_OLDEST_OF_ACCOUNTS)
        }
