"""ipernity as it would answer if the owner of one document had taken it back: the source of a drill.

Every question goes on to the real source but the one about that document, which is answered as
ipernity answers for what does not exist. A listing that names it is given without it. While no drill is
on, every answer passes as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ipsync.policy.documents import Visibility
from ipsync.policy.drills import NOTE, Drill, read_drill
from ipsync.policy.entries import EntryKind
from ipsync.ports.catalog import Catalog
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    EntryPage,
    Gone,
    Granted,
    Lane,
    ListingPage,
    MemberPage,
    Profile,
    Seen,
    SeenEntry,
    Source,
)


class DrillSource:
    """`ports.source.Source`, behind which a drill may be on."""

    def __init__(self, source: Source, catalog: Catalog, clock: Clock) -> None:
        """Stand before `source`.

        Args:
            source: ipernity.
            catalog: remembers the drill, so that a daemon sees what a command began.
            clock: the lease clock, by which a drill ends.
        """
        self._source = source
        self._catalog = catalog
        self._clock = clock

    async def _drill(self, account_id: int) -> Drill | None:
        drill = read_drill(await self._catalog.read(lambda view: view.note(NOTE)))
        is_meant = drill is not None and drill.account_id == account_id and drill.is_on(self._clock.now())
        return drill if is_meant else None

    async def frob(self) -> str:
        """Begin a desktop authorization."""
        return await self._source.frob()

    def authorize_url(self, permissions: Mapping[str, str], frob: str | None = None) -> str:
        """The signed address of ipernity's own authorization page."""
        return self._source.authorize_url(permissions, frob)

    async def exchange(self, frob: str) -> Granted:
        """Turn a frob the member approved into a token."""
        return await self._source.exchange(frob)

    async def check_grant(self, token: str, lane: Lane = Lane.VERIFICATION) -> Granted:
        """Ask what a token permits now."""
        return await self._source.check_grant(token, lane)

    async def profile(self, account_id: int, token: str, lane: Lane = Lane.VERIFICATION) -> Profile:
        """Ask for the member's name and whether the account is closed."""
        return await self._source.profile(account_id, token, lane)

    async def list_page(
        self,
        account_id: int,
        token: str,
        visibility: Visibility,
        page: int,
        renditions: Sequence[str],
        lane: Lane,
    ) -> ListingPage:
        """Read one page; without the document of a drill, and with a total that is one less."""
        drill = await self._drill(account_id)
        answer = await self._source.list_page(account_id, token, visibility, page, renditions, lane)
        if drill is None or drill.visibility is not visibility:
            return answer
        left = [entry for entry in answer.documents if entry.document_id != drill.document_id]
        # Pages keep their number: a shorter listing would leave other documents out.
        return replace(answer, documents=left, total=max(0, answer.total - 1))

    async def document(self, account_id: int, token: str, document_id: int, lane: Lane) -> Seen:
        """Ask for one document.

        Raises:
            Gone: it does not exist, or a drill says so; then nothing is sent.
        """
        drill = await self._drill(account_id)
        if drill is not None and drill.document_id == document_id:
            raise Gone("doc.get", "a drill", 1)
        return await self._source.document(account_id, token, document_id, lane)

    async def list_entries(self, kind: EntryKind, account_id: int, token: str, page: int, lane: Lane) -> EntryPage:
        """Read one page of entries; a drill is about a document."""
        return await self._source.list_entries(kind, account_id, token, page, lane)

    async def entry(self, kind: EntryKind, account_id: int, token: str, entry_id: int, lane: Lane) -> SeenEntry:
        """Ask for one entry."""
        return await self._source.entry(kind, account_id, token, entry_id, lane)

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
        """Read one page of what an album or folder holds."""
        return await self._source.entry_members(kind, account_id, token, entry_id, visibility, page, lane)
