"""Which documents were verified longest ago: the question every deadline begins with.

The index is by account, since a sweep renews an account's documents and a second index would halve
how fast it can; so the oldest of all are merged from the oldest of each account.
"""

import heapq
from bisect import insort
from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select, text

from ipsync.catalog.documents import DOCUMENTS, documents_of
from ipsync.catalog.failures import decoding
from ipsync.catalog.handle import Handle
from ipsync.catalog.sqlite import by_index
from ipsync.catalog.statements import given
from ipsync.catalog.tables import table
from ipsync.policy.documents import Document, DocumentState, Visibility
from ipsync.policy.instants import Duration, Instant

_DOCUMENT = table("document")
_TALLY = table("tally")
_LEAST_CHUNK = 16

_HEADS = select(
    _TALLY.c.account_id,
    _TALLY.c.state,
    select(func.min(_DOCUMENT.c.verified_at))
    .where(_DOCUMENT.c.account_id == _TALLY.c.account_id, _DOCUMENT.c.state == _TALLY.c.state)
    .scalar_subquery()
    .label("oldest"),
).where(_TALLY.c.kind == "document", _TALLY.c.number > 0)
_OLDEST_OF = (
    by_index(DOCUMENTS, _DOCUMENT, "document_by_age")
    .where(
        _DOCUMENT.c.account_id == bindparam("account_id"),
        _DOCUMENT.c.state == bindparam("state"),
        _DOCUMENT.c.verified_at < bindparam("before"),
    )
    .order_by(_DOCUMENT.c.verified_at, _DOCUMENT.c.document_id)
    .limit(bindparam("most"))
    .offset(bindparam("taken"))
)
_AGES = by_index(
    select(
        _DOCUMENT.c.state,
        ((bindparam("now") - _DOCUMENT.c.verified_at) // bindparam("width")).label("place"),
        func.count().label("number"),
    ),
    _DOCUMENT,
    "document_by_age",
).group_by(text("1, 2"))
_OLDEST_OF_LISTING = _OLDEST_OF.where(_DOCUMENT.c.visibility == bindparam("of_visibility"))


@cache
def _heads_in(states: frozenset[DocumentState], *, of_account: bool) -> Select[Any]:
    statement = _HEADS.where(_TALLY.c.state.in_(sorted(state.value for state in states)))
    return statement.where(_TALLY.c.account_id == bindparam("of_account")) if of_account else statement


class AgeReading(Handle):
    """The questions about the age of verifications."""

    def documents_unverified_since(
        self,
        before: Instant,
        limit: int,
        *,
        states: Collection[DocumentState],
        account_id: int | None = None,
        visibility: Visibility | None = None,
    ) -> list[Document]:
        """Up to `limit` documents in these states verified before `before`, oldest verification first."""
        # A head is the oldest verification not looked at yet of one account in one state.
        heads = [head for head in self._heads(states, account_id) if head[0] < before]
        heapq.heapify(heads)
        chunk = max(_LEAST_CHUNK, limit // max(1, len(heads)))
        taken = dict.fromkeys((head[1:] for head in heads), 0)
        found: list[Document] = []
        while heads and (len(found) < limit or found[limit - 1].verified_at > heads[0][0]):
            _, owner, state = heapq.heappop(heads)
            batch = self._oldest_of(visibility, owner, state, before, chunk, taken[owner, state])
            taken[owner, state] += len(batch)
            for document in batch:
                insort(found, document, key=_by_age)
            if len(batch) == chunk:
                heapq.heappush(heads, (batch[-1].verified_at, owner, state))
        return found[:limit]

    def oldest_verification(self, state: DocumentState) -> Instant | None:
        """When the document of this state that was verified longest ago was; None when there is none."""
        return min((head[0] for head in self._heads((state,), None)), default=None)

    def lease_ages(self, now: Instant, width: Duration) -> dict[tuple[DocumentState, int], int]:
        """How many documents are of which age, by state and whole number of `width`. Looks at every document."""
        with decoding("document"):
            return {
                (DocumentState(row.state), max(0, row.place)): row.number
                for row in self._rows(_AGES, now=now, width=width)
            }

    def _heads(self, states: Collection[DocumentState], account_id: int | None) -> list[tuple[Instant, int, str]]:
        statement = _heads_in(frozenset(states), of_account=account_id is not None)
        rows = self._rows(statement, **given(of_account=account_id))
        return [(row.oldest, row.account_id, row.state) for row in rows]

    def _oldest_of(
        self, visibility: Visibility | None, account_id: int, state: str, before: Instant, most: int, taken: int
    ) -> list[Document]:
        asked = {"account_id": account_id, "state": state, "before": before, "most": most, "taken": taken}
        if visibility is None:
            return documents_of(self._rows(_OLDEST_OF, **asked))
        return documents_of(self._rows(_OLDEST_OF_LISTING, of_visibility=int(visibility), **asked))


def _by_age(document: Document) -> tuple[Instant, int]:
    return document.verified_at, document.document_id
