"""The other side as the jobs see it: ipernity's answers as values, its refusals sorted by what to do next.

Jobs read "gone", "grant lost" or "later", never a status code. Whatever is not one whole, well-typed
answer is a failure and not an observation (F10, F11): nothing is renewed and nothing removed by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from ipsync.policy.documents import Details, Facts, ListedDocument, Media, RemoteFile, Visibility
from ipsync.policy.entries import Content, EntryKind, ListedEntry
from ipsync.policy.instants import Duration, Instant


class Lane(IntEnum):
    """How urgent a request is; the smaller goes first (design §4, order of work)."""

    REMOVAL = 0  # an owner's request
    CONFIRMATION = 1
    VERIFICATION = 2
    LOCATING = 3
    PROBE = 4
    DISCOVERY = 5  # listings of accounts just taken in
    DETAILS = 6
    INTERACTIVE = 7  # an operator's command that waits at a terminal


class SourceFailure(Exception):
    """No observation was made. `method` and `code` say where; no message of theirs is repeated."""

    def __init__(self, method: str, reason: str, code: int | None = None) -> None:
        """Keep the `method` asked, our own words for the `reason`, and ipernity's error `code` if it sent one."""
        self.method = method
        self.reason = reason
        self.code = code
        super().__init__(f"{method}: {reason}" + (f" (error {code})" if code is not None else ""))


class Gone(SourceFailure):
    """Error 1 of a document's own method: it does not exist or may not be seen; the two look the same."""


class Refused(SourceFailure):
    """109, 110: this account does not permit this call. Ask the member, not the API."""


class GrantLost(SourceFailure):
    """107 (and 106): the member revoked the token. Everything of the account goes (T15)."""


class AccountClosed(SourceFailure):
    """108: the account is closed or suspended. Everything of the account goes (T15)."""


class KeyRefused(SourceFailure):
    """100, 101, 104, 105, 111: the application itself is refused. Only the operator can mend it."""


class QuotaReached(SourceFailure):
    """112, 113: the budget gate has stopped; it says itself when it will try again."""


class Later(SourceFailure):
    """5xx, 500-503, network, timeout: try again later."""


class Malformed(SourceFailure):
    """The answer was cut, ill-typed, too large or not theirs (HTML). Rejected whole."""


class FrobUnused(SourceFailure):
    """The member has not answered yet (or the frob is spent): auth.getToken error 2."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What auth.getToken or auth.checkToken told: whose token, and what it permits now."""

    account_id: int
    username: str
    realname: str
    token: str = field(repr=False)
    permissions: Mapping[str, str]
    sent_at: Instant


@dataclass(frozen=True, slots=True)
class Profile:
    """What user.get told of a member: nothing that others do not see."""

    account_id: int
    username: str
    realname: str
    closed: bool
    documents: int | None
    sent_at: Instant
    alias: str = ""
    town: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page of one account's documents at one privacy level, newest first.

    Attributes:
        sent_at: when the request was SENT; the only instant that may renew a lease.
        page: the page asked for, from 1.
        total: as claimed; never a verification.
        documents: what the page named, each id once.
    """

    account_id: int
    visibility: Visibility
    sent_at: Instant
    page: int
    pages: int
    per_page: int
    total: int
    documents: Sequence[ListedDocument]


@dataclass(frozen=True, slots=True)
class Seen:
    """What doc.get told of one document, to its owner.

    Attributes:
        owner_id: who owns it there; a mismatch with the account is a reason to reject (F15).
    """

    document_id: int
    owner_id: int
    sent_at: Instant
    facts: Facts
    details: Details
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One page of one account's albums, folders or articles.

    Attributes:
        sent_at: when the request was SENT; the only instant that may renew a lease.
        total: as claimed; never a verification.
        entries: what the page named, each id once.
    """

    kind: EntryKind
    account_id: int
    sent_at: Instant
    page: int
    pages: int
    total: int
    entries: Sequence[ListedEntry]


@dataclass(frozen=True, slots=True)
class SeenEntry:
    """What a question about one entry alone told, to its owner; the content of articles only."""

    kind: EntryKind
    listed: ListedEntry
    content: Content
    sent_at: Instant


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of what an album or a folder holds: documents, or albums, in their order."""

    sent_at: Instant
    page: int
    pages: int
    members: tuple[int, ...]


class Source(Protocol):
    """ipernity, one method per call that ipsync makes. Every request passes the one budget gate.

    Every method may raise any `SourceFailure`; those a caller must tell apart are named.
    """

    async def frob(self) -> str:
        """Begin a desktop authorization (auth.getFrob)."""
        ...

    def authorize_url(self, permissions: Mapping[str, str], frob: str | None = None) -> str:
        """The signed address of ipernity's own authorization page (T14); without a frob, the web flow."""
        ...

    async def exchange(self, frob: str) -> Granted:
        """Turn a frob the member approved into a token (auth.getToken).

        Raises:
            FrobUnused: not approved yet, or already used.
        """
        ...

    async def check_grant(self, token: str, lane: Lane = Lane.VERIFICATION) -> Granted:
        """Ask what a token permits now (auth.checkToken).

        Raises:
            GrantLost: revoked.
            AccountClosed: closed or suspended.
        """
        ...

    async def profile(self, account_id: int, token: str, lane: Lane = Lane.VERIFICATION) -> Profile:
        """Ask for the member's name and whether the account is closed (user.get)."""
        ...

    async def list_page(
        self,
        account_id: int,
        token: str,
        visibility: Visibility,
        page: int,
        renditions: Sequence[str],
        lane: Lane,
    ) -> ListingPage:
        """Read one page of at most 100 documents of the permitted view (doc.getList with `share`).

        Args:
            account_id: the owner.
            token: the owner's.
            visibility: the privacy level to list.
            page: from 1.
            renditions: which files' addresses to ask for; at most one thumbnail label.
            lane: how urgent.
        """
        ...

    async def document(self, account_id: int, token: str, document_id: int, lane: Lane) -> Seen:
        """Ask for one document by its owner's token (doc.get).

        Raises:
            Gone: it does not exist, or may not be seen.
        """
        ...

    async def list_entries(self, kind: EntryKind, account_id: int, token: str, page: int, lane: Lane) -> EntryPage:
        """Read one page of at most 100 of the owner's entries (album, folder, post.getList; user.get)."""
        ...

    async def entry(self, kind: EntryKind, account_id: int, token: str, entry_id: int, lane: Lane) -> SeenEntry:
        """Ask for one entry by its owner's token (album.get, folder.get, post.get, user.get).

        Raises:
            Gone: it does not exist, or may not be seen.
        """
        ...

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
        """Read one page of what an album or folder holds (album.docs.getList, folder.albums.getList).

        Args:
            kind: ALBUM or FOLDER.
            account_id: whose.
            token: the owner's.
            entry_id: which.
            visibility: of an album only the documents at this privacy level; a folder has no levels of its own.
            page: from 1.
            lane: how urgent.

        Raises:
            Gone: it does not exist, or may not be seen.
        """
        ...


class MediaFailure(Exception):
    """A file could not be had. The message holds no address, since addresses hold secrets."""


class MediaGone(MediaFailure):
    """403, 404, 410: the address is no longer good; the next listing gives another."""


class MediaLater(MediaFailure):
    """Network, 429, 5xx, timeout: try again. `pause` in microseconds if the host named one."""

    def __init__(self, reason: str, pause: Duration | None = None) -> None:
        """Keep our words for the `reason`, and how long the host asked us to wait."""
        self.pause = pause
        super().__init__(reason)


class MediaRejected(MediaFailure):
    """Forbidden host, foreign redirect, private address, over the cap, or no media at all (F31-F34)."""


class MediaSink(Protocol):
    """Where the bytes of one download go (see `ports.store.Incoming`)."""

    @property
    def received_bytes(self) -> int:
        """How much is there already, when a cut download is taken up again."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        ...

    def restart(self) -> None:
        """Throw away what was received: the host would not resume."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A finished download.

    Attributes:
        content_type: judged by the bytes' magic, never by the host's header.
        size_bytes: of the whole file.
    """

    content_type: str
    size_bytes: int


class MediaSource(Protocol):
    """The hosts that keep the files. No API request, no budget, limits of their own (design §5)."""

    async def fetch(self, file: RemoteFile, sink: MediaSink, kind: Media | None = None) -> Fetched:
        """Download one file into `sink`, resuming after `sink.received_bytes`.

        Args:
            file: which one, and where.
            sink: where the bytes go.
            kind: of its document, so that an error told with HTTP 200 is not taken for a file; None if unknown.

        Raises:
            MediaGone: the address is dead.
            MediaLater: worth another try.
            MediaRejected: not to be stored, now or ever, at this address.
        """
        ...
