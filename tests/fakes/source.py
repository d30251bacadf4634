"""An ipernity in memory: a world that tests arrange, change and break, behind `ports.source.Source`.

It passes the same contract suite as the real client on the simulator (`tests/contracts/test_source.py`).
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from ipsync.policy.documents import (
    MEDIA,
    ORIGINAL,
    THUMBNAIL_LABELS,
    Details,
    Facts,
    ListedDocument,
    Media,
    RemoteFile,
    Safety,
    Visibility,
)
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import SECOND, Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, pages_of
from ipsync.ports.clock import Clock
from ipsync.ports.source import (
    AccountClosed,
    EntryPage,
    FrobUnused,
    Gone,
    Granted,
    GrantLost,
    Lane,
    ListingPage,
    Malformed,
    MemberPage,
    Profile,
    Seen,
    SeenEntry,
    SourceFailure,
)
from tests.fakes.entries import MEMBERS, METHODS, FakeEntries, demand_area

Failing = Callable[[str], SourceFailure]


@dataclass
class FakeDocument:
    """One document there; a test may change any field (`modified_at` with it, if that is the story)."""

    document_id: int
    account_id: int
    visibility: Visibility
    title: str
    license: int
    safety: Safety
    media: Media
    posted_at: Instant
    modified_at: Instant
    replaced_at: Instant | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    version: int = 1
    latitude: float | None = None
    longitude: float | None = None

    @property
    def facts(self) -> Facts:
        secret = f"{self.document_id}.{self.version}"
        return Facts(
            media=self.media,
            license=self.license,
            safety=self.safety,
            visibility=self.visibility,
            title=self.title,
            posted_at=self.posted_at,
            modified_at=self.modified_at,
            replaced_at=self.replaced_at,
            created="2024-05-01 12:00:00",
            md5=hashlib.md5(secret.encode()).hexdigest(),
            latitude=self.latitude,
            longitude=self.longitude,
        )

    def file(self, rendition: str) -> RemoteFile:
        side = 2048 if rendition in (ORIGINAL, MEDIA) else int(rendition.rstrip("x"))
        address = f"https://u1.ipernity.com/{self.document_id}.v{self.version}.s{int(self.visibility)}.{rendition}"
        size = 10_000 + self.document_id % 1000 if rendition == ORIGINAL else None
        return RemoteFile(rendition, address, side, side * 3 // 4, size)

    def has(self, rendition: str) -> bool:
        return rendition != MEDIA or self.media in (Media.VIDEO, Media.AUDIO)


@dataclass
class FakeAccount:
    """One member."""

    account_id: int
    username: str
    realname: str
    closed: bool = False
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One call that was made.

    Attributes:
        subject: the page of a listing, the document of doc.get, else 0.
    """

    method: str
    lane: Lane
    sent_at: Instant
    account_id: int = 0
    visibility: Visibility | None = None
    subject: int = 0


class FakeSource:
    """Implements `ports.source.Source`.

    Attributes:
        accounts, documents: the world, by id; change it at will.
        entries: its albums, folders and articles.
        asked: every call, in order.
        unlisted: documents that no listing names although they are there: lost by paging, cut off, forgotten.
        claimed_total: what listings claim instead of the truth, by account.
        on_call: called before each answer, e.g. to change the world between two pages.
    """

    def __init__(self, clock: Clock) -> None:
        self.accounts: dict[int, FakeAccount] = {}
        self.documents: dict[int, FakeDocument] = {}
        self.entries = FakeEntries(
            lambda number: self.documents[number].visibility if number in self.documents else None
        )
        self.asked: list[Asked] = []
        self.unlisted: set[int] = set()
        self.claimed_total: dict[int, int] = {}
        self.on_call: Callable[[Asked], None] | None = None
        self._clock = clock
        self._numbers = count(1)
        self._newest_id = 1000
        self._frobs: dict[str, tuple[int, dict[str, str]] | None] = {}
        self._failing: dict[str, deque[Failing]] = {}
        self._always_failing: dict[str, Failing] = {}

    # arranging the world

    def add_account(self, account_id: int, permissions: Mapping[str, str] | None = None) -> str:
        """A new member who granted `permissions` (default: doc=read). Returns the token."""
        self.accounts[account_id] = FakeAccount(account_id, f"member{account_id}", f"Member {account_id}")
        return self.grant(account_id, permissions)

    def grant(self, account_id: int, permissions: Mapping[str, str] | None = None) -> str:
        """Another token of a member."""
        token = f"{account_id}-token-{next(self._numbers)}"
        self.accounts[account_id].tokens[token] = dict({"doc": "read"} if permissions is None else permissions)
        return token

    def add_document(
        self,
        account_id: int,
        document_id: int | None = None,
        *,
        visibility: Visibility = Visibility.PUBLIC,
        license: int = 1,  # noqa: A002  # reason: the word of Facts
        media: Media = Media.PHOTO,
        safety: Safety = Safety.EVERYONE,
        title: str | None = None,
        description: str = "",
        tags: tuple[str, ...] = (),
    ) -> int:
        """A new document, the newest of its owner. Returns its id."""
        if document_id is None:
            # ipernity gives no number twice, not even that of a document that is gone.
            document_id = self._newest_id + 1
        self._newest_id = max(self._newest_id, document_id)
        now = self._clock.now() // SECOND * SECOND
        self.documents[document_id] = FakeDocument(
            document_id,
            account_id,
            visibility,
            f"Document {document_id}" if title is None else title,
            license,
            safety,
            media,
            now,
            now,
            description=description,
            tags=tags,
        )
        return document_id

    def add_documents(self, account_id: int, number: int, *, visibility: Visibility = Visibility.PUBLIC) -> list[int]:
        """Several documents, oldest first."""
        return [self.add_document(account_id, visibility=visibility) for _ in range(number)]

    def add_album(self, account_id: int, members: Sequence[int], title: str = "An album") -> int:
        """A new album of these documents. Returns its id."""
        return self.entries.add(EntryKind.ALBUM, account_id, title, self._clock.now(), members=list(members))

    def add_folder(self, account_id: int, members: Sequence[int], title: str = "A folder") -> int:
        """A new folder of these albums. Returns its id."""
        return self.entries.add(EntryKind.FOLDER, account_id, title, self._clock.now(), members=list(members))

    def add_article(
        self, account_id: int, source: str, title: str = "An article", visibility: Visibility = Visibility.PUBLIC
    ) -> int:
        """A new article with this HTML. Returns its id."""
        return self.entries.add(
            EntryKind.ARTICLE, account_id, title, self._clock.now(), source=source, visibility=visibility
        )

    def add_profile(self, account_id: int, title: str, town: str = "Annecy") -> int:
        """What a member tells of themselves. Returns its id, which is theirs."""
        return self.entries.add(EntryKind.PROFILE, account_id, title, self._clock.now(), source=town)

    def share(self, document_id: int, visibility: Visibility) -> None:
        """The owner changes who may see it; its addresses change."""
        self._touched(document_id).visibility = visibility

    def relicense(self, document_id: int, license_id: int) -> None:
        """The owner gives it another license."""
        self._touched(document_id).license = license_id

    def replace(self, document_id: int) -> None:
        """The owner replaces its file."""
        document = self._touched(document_id)
        document.version += 1
        document.replaced_at = document.modified_at

    def delete(self, document_id: int) -> None:
        """The owner deletes it."""
        del self.documents[document_id]

    def revoke(self, account_id: int) -> None:
        """The member takes every token back."""
        self.accounts[account_id].tokens.clear()

    def close_account(self, account_id: int) -> None:
        """The account is closed; its tokens answer 108."""
        self.accounts[account_id].closed = True

    def approve(self, frob: str, account_id: int, permissions: Mapping[str, str]) -> None:
        """The member says yes on the authorization page."""
        self._frobs[frob] = (account_id, dict(permissions))

    def fail(self, method: str, failing: Failing, times: int | None = 1) -> None:
        """Let the next calls of `method` (or `*`: of any) raise what `failing(method)` gives; None: all until `heal`.

        A failure class may be given by `lambda method: Later(method, "down")`.
        """
        if times is None:
            self._always_failing[method] = failing
        else:
            self._failing.setdefault(method, deque()).extend([failing] * times)

    def heal(self) -> None:
        """Nothing fails any more."""
        self._failing.clear()
        self._always_failing.clear()

    def calls(self, method: str) -> list[Asked]:
        """The calls of one method."""
        return [asked for asked in self.asked if asked.method == method]

    # the port

    async def frob(self) -> str:
        self._called("auth.getFrob", Lane.INTERACTIVE)
        frob = f"frob-{next(self._numbers)}"
        self._frobs[frob] = None
        return frob

    def authorize_url(self, permissions: Mapping[str, str], frob: str | None = None) -> str:
        words = [f"perm_{area}={level}" for area, level in permissions.items()]
        return "https://www.ipernity.com/apps/authorize?api_key=fake&" + "&".join(
            [*words, *([f"frob={frob}"] if frob else []), "api_sig=fake"]
        )

    async def exchange(self, frob: str) -> Granted:
        sent_at = self._called("auth.getToken", Lane.INTERACTIVE)
        approved = self._frobs.get(frob)
        if approved is None:
            raise FrobUnused("auth.getToken", "not confirmed yet, or used before", 2)
        del self._frobs[frob]
        account_id, permissions = approved
        return self._granted(self.grant(account_id, permissions), sent_at)

    async def check_grant(self, token: str, lane: Lane = Lane.VERIFICATION) -> Granted:
        sent_at = self._called("auth.checkToken", lane)
        self._member("auth.checkToken", token)
        return self._granted(token, sent_at)

    async def profile(self, account_id: int, token: str, lane: Lane = Lane.VERIFICATION) -> Profile:
        sent_at = self._called("user.get", lane, account_id)
        self._member("user.get", token)
        account = self.accounts[account_id]
        return Profile(
            account_id,
            account.username,
            account.realname,
            account.closed,
            sum(document.account_id == account_id for document in self.documents.values()),
            sent_at,
        )

    async def list_page(
        self,
        account_id: int,
        token: str,
        visibility: Visibility,
        page: int,
        renditions: Sequence[str],
        lane: Lane,
    ) -> ListingPage:
        labels = [rendition for rendition in renditions if rendition in THUMBNAIL_LABELS]
        renditions = [rendition for rendition in renditions if rendition not in labels[1:]]
        sent_at = self._called("doc.getList", lane, account_id, visibility, page)
        self._member("doc.getList", token)
        shown = [
            document
            for document in self.documents.values()
            if (document.account_id, document.visibility) == (account_id, visibility)
            and document.document_id not in self.unlisted
        ]
        shown.sort(key=lambda document: (document.posted_at, document.document_id), reverse=True)
        total = self.claimed_total.get(account_id, len(shown))
        first = (page - 1) * DOCUMENTS_PER_PAGE
        return ListingPage(
            account_id,
            visibility,
            sent_at,
            page,
            pages_of(total),
            DOCUMENTS_PER_PAGE,
            total,
            tuple(
                ListedDocument(
                    document.document_id,
                    document.facts,
                    tuple(document.file(rendition) for rendition in renditions if document.has(rendition)),
                )
                for document in shown[first : first + DOCUMENTS_PER_PAGE]
            ),
        )

    async def document(self, account_id: int, token: str, document_id: int, lane: Lane) -> Seen:
        sent_at = self._called("doc.get", lane, account_id, subject=document_id)
        viewer = self._member("doc.get", token)
        document = self.documents.get(document_id)
        if document is None or (
            document.account_id != viewer.account_id and document.visibility is not Visibility.PUBLIC
        ):
            raise Gone("doc.get", "the document does not exist, or may not be seen", 1)
        if document.account_id != account_id:
            raise Malformed("doc.get", "it is somebody else's document")
        renditions = (*THUMBNAIL_LABELS[:7], MEDIA, ORIGINAL)
        return Seen(
            document_id,
            document.account_id,
            sent_at,
            document.facts,
            Details(document.description, document.tags),
            tuple(document.file(rendition) for rendition in renditions if document.has(rendition)),
        )

    async def list_entries(self, kind: EntryKind, account_id: int, token: str, page: int, lane: Lane) -> EntryPage:
        method = METHODS[kind][0]
        sent_at = self._called(method, lane, account_id, subject=page)
        demand_area(kind, self._member(method, token).tokens[token])
        return self.entries.page(kind, account_id, page, sent_at)

    async def entry(self, kind: EntryKind, account_id: int, token: str, entry_id: int, lane: Lane) -> SeenEntry:
        method = METHODS[kind][1]
        sent_at = self._called(method, lane, account_id, subject=entry_id)
        demand_area(kind, self._member(method, token).tokens[token])
        return self.entries.seen(kind, account_id, entry_id, sent_at)

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
        sent_at = self._called(MEMBERS[kind], lane, account_id, visibility, subject=entry_id)
        self._member(MEMBERS[kind], token)
        return self.entries.members(kind, account_id, entry_id, visibility, page, sent_at)

    # within

    def _touched(self, document_id: int) -> FakeDocument:
        document = self.documents[document_id]
        document.modified_at = max(self._clock.now() // SECOND * SECOND, document.modified_at + SECOND)
        return document

    def _granted(self, token: str, sent_at: Instant) -> Granted:
        account = self._member("auth.checkToken", token)
        return Granted(account.account_id, account.username, account.realname, token, account.tokens[token], sent_at)

    def _member(self, method: str, token: str) -> FakeAccount:
        for account in self.accounts.values():
            if token in account.tokens:
                if account.closed:
                    raise AccountClosed(method, "the account is closed or suspended", 108)
                return account
        raise GrantLost(method, "the member has revoked the token", 107)

    def _called(
        self,
        method: str,
        lane: Lane,
        account_id: int = 0,
        visibility: Visibility | None = None,
        subject: int = 0,
    ) -> Instant:
        asked = Asked(method, lane, self._clock.now(), account_id, visibility, subject)
        self.asked.append(asked)
        if self.on_call is not None:
            self.on_call(asked)
        for name in (method, "*"):
            if waiting := self._failing.get(name):
                raise waiting.popleft()(method)
            if name in self._always_failing:
                raise self._always_failing[name](method)
        return asked.sent_at
