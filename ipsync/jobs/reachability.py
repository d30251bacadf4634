"""Reachability: whether ipernity answers anybody, as every job's questions tell; what sealing goes by.

What is seen is kept in memory and written down by the expiry job. Where nothing was asked, nothing is known.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

from ipsync.policy.documents import Visibility
from ipsync.policy.entries import EntryKind
from ipsync.policy.sealing import Outage, Reached, brought_up_to_date
from ipsync.ports.catalog import Transaction
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    EntryPage,
    Granted,
    KeyRefused,
    Lane,
    Later,
    ListingPage,
    Malformed,
    MemberPage,
    Profile,
    QuotaReached,
    Seen,
    SeenEntry,
    Source,
    SourceFailure,
)

T = TypeVar("T")

OUTAGE_NOTE = "outage"


class Reachability:
    """What this process has seen of ipernity's answers."""

    def __init__(self, clock: Clock) -> None:
        """Begin knowing nothing.

        Args:
            clock: the lease clock.
        """
        self._clock = clock
        self.reached = Reached()

    def answered(self) -> None:
        """Tell that somebody was answered, whatever the answer."""
        self.reached = Reached(answered_at=self._clock.now())

    def unanswered(self) -> None:
        """Tell that a question stayed unanswered, or that what came was no answer."""
        if self.reached.unanswered_since is None:
            self.reached = Reached(self.reached.answered_at, self._clock.now())

    def keep(self, tx: Transaction) -> Outage:
        """Bring the record up to date. Returns it."""
        known = Outage.decode(tx.note(OUTAGE_NOTE))
        outage = brought_up_to_date(known, self.reached)
        if outage != known:
            tx.set_note(OUTAGE_NOTE, outage.encode())
        return outage


class WatchedSource:
    """A `ports.source.Source` whose answers are noticed."""

    def __init__(self, source: Source, reachability: Reachability) -> None:
        """Watch a source.

        Args:
            source: ipernity.
            reachability: told of each answer, and of each that did not come.
        """
        self._source = source
        self._reachability = reachability

    async def frob(self) -> str:
        """See `Source.frob`."""
        return await self._watch(self._source.frob())

    def authorize_url(self, permissions: Mapping[str, str], frob: str | None = None) -> str:
        """See `Source.authorize_url`."""
        return self._source.authorize_url(permissions, frob)

    async def exchange(self, frob: str) -> Granted:
        """See `Source.exchange`."""
        return await self._watch(self._source.exchange(frob))

    async def check_grant(self, token: str, lane: Lane = Lane.VERIFICATION) -> Granted:
        """See `Source.check_grant`."""
        return await self._watch(self._source.check_grant(token, lane))

    async def profile(self, account_id: int, token: str, lane: Lane = Lane.VERIFICATION) -> Profile:
        """See `Source.profile`."""
        return await self._watch(self._source.profile(account_id, token, lane))

    async def list_page(
        self,
        account_id: int,
        token: str,
        visibility: Visibility,
        page: int,
        renditions: Sequence[str],
        lane: Lane,
    ) -> ListingPage:
        """See `Source.list_page`."""
        return await self._watch(self._source.list_page(account_id, token, visibility, page, renditions, lane))

    async def document(self, account_id: int, token: str, document_id: int, lane: Lane) -> Seen:
        """See `Source.document`."""
        return await self._watch(self._source.document(account_id, token, document_id, lane))

    async def list_entries(self, kind: EntryKind, account_id: int, token: str, page: int, lane: Lane) -> EntryPage:
        """See `Source.list_entries`."""
        return await self._watch(self._source.list_entries(kind, account_id, token, page, lane))

    async def entry(self, kind: EntryKind, account_id: int, token: str, entry_id: int, lane: Lane) -> SeenEntry:
        """See `Source.entry`."""
        return await self._watch(self._source.entry(kind, account_id, token, entry_id, lane))

    async def entry_members(
        self,
        kind: EntryKind,
        account_id: int,
        token: str,
        entry_id: int,
        visibility: Visibility,
        page: int,
        lane: Lane,
    ) -> MemberPage:
        """See `Source.entry_members`."""
        return await self._watch(self._source.entry_members(kind, account_id, token, entry_id, visibility, page, lane))

    async def _watch(self, asking: Awaitable[T]) -> T:
        try:
            answer = await asking
        except (Later, Malformed):
            self._reachability.unanswered()
            raise
        except (QuotaReached, KeyRefused):
            # The gate may have refused by itself; and a key that is refused is nobody's outage.
            raise
        except SourceFailure:
            self._reachability.answered()
            raise
        self._reachability.answered()
        return answer
