"""Which documents of a page are held just as the page says: the question that a sweep asks most often.

It compares plain tuples and makes no values of what is held, which would take as long as all the rest of a page.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, literal_column, not_, or_, select

from ipsync.catalog.handle import Handle
from ipsync.catalog.renditions import TO_FETCH
from ipsync.catalog.sqlite import Batch, in_numbers, numbers, one_of, unindexed
from ipsync.catalog.tables import table
from ipsync.policy.documents import DocumentState, Facts, ListedDocument
from ipsync.policy.instants import Instant

_DOCUMENT = table("document")
_TEXT = table("document_text")
_RENDITION = table("rendition")
_TALLY = table("tally")

_FACTS = tuple(Facts.__dataclass_fields__)
_left_to_fetch = (
    select(func.sum(_TALLY.c.number))
    .where(
        one_of(_TALLY.c.kind, ("rendition",)),
        _TALLY.c.account_id == bindparam("counted_of"),
        one_of(_TALLY.c.state, TO_FETCH),
    )
    .scalar_subquery()
)
_has_left_to_fetch = exists().where(
    _RENDITION.c.document_id == _DOCUMENT.c.document_id, one_of(_RENDITION.c.state, TO_FETCH)
)
# A row's number, and everything by which `Facts` may differ, in its order.
_UNCHANGED = Batch(
    select(_DOCUMENT.c.document_id, *((_DOCUMENT.c if name in _DOCUMENT.c else _TEXT.c)[name] for name in _FACTS))
    .join_from(_DOCUMENT, _TEXT, _TEXT.c.document_id == _DOCUMENT.c.document_id)
    .where(
        in_numbers(_DOCUMENT.c.document_id),
        unindexed(_DOCUMENT.c.account_id) == bindparam("account_id"),
        one_of(unindexed(_DOCUMENT.c.state), (DocumentState.LIVE.value,)),
        unindexed(_DOCUMENT.c.verified_at) > bindparam("verified_after"),
        unindexed(_DOCUMENT.c.verified_at) <= bindparam("sent_at"),
        or_(_DOCUMENT.c.absent_at.is_(None), _DOCUMENT.c.absent_at < bindparam("absent_before")),
        # Mostly no file of the account is left to fetch, and none has to be looked for.
        not_(and_(_left_to_fetch > literal_column("0"), _has_left_to_fetch)),
    ),
    ("numbers", "account_id", "verified_after", "sent_at", "absent_before", "counted_of"),
)
_facts_of = attrgetter(*_FACTS)


class ComparisonReading(Handle):
    """The question of a sweep."""

    def unchanged(
        self, account_id: int, listed: Sequence[ListedDocument], sent_at: Instant, verified_after: Instant
    ) -> set[int]:
        """The ids of those listed documents that need a renewal and nothing else; see `ports.comparison`."""
        facts: dict[int, tuple[Any, ...]] = {item.document_id: _facts_of(item.facts) for item in listed}
        asked = numbers(facts), account_id, verified_after, sent_at, sent_at, account_id
        return {row[0] for row in self._tuples(_UNCHANGED, asked) if row[1:] == facts[row[0]]}
