"""What a document is to ipsync: what ipernity said of it, and how sure we are that it still may be kept.

Values only. The states and their order are design §3; who may move between them is `lease.py`.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from ipsync.policy.instants import Instant


class Media(StrEnum):
    """The kinds of document, by ipernity's own words."""

    PHOTO = "photo"
    VIDEO = "video"
    AUDIO = "audio"
    OTHER = "other"


class Visibility(IntEnum):
    """Privacy levels, by the `share` number of lists, search and setPerms (`doc.get` shows public as 5)."""

    PRIVATE = 0
    FAMILY = 1
    FRIENDS = 2
    FRIENDS_AND_FAMILY = 3
    PUBLIC = 4

    @property
    def word(self) -> str:
        """The word configurations and pages use: `public`, `friends-and-family`."""
        return self.name.lower().replace("_", "-")


class Safety(IntEnum):
    """Who a document is for, by its owner's judgment."""

    EVERYONE = 1
    NOT_FOR_ALL = 2
    ADULTS = 3


class DocumentState(StrEnum):
    """Where a mirrored document stands (design §3). Only LIVE is ever served, and only while its lease holds."""

    LIVE = "live"
    SUSPECT = "suspect"  # absent from the permitted view: hidden, waiting for confirmation
    STALE = "stale"  # the lease ran out: hidden, still renewable
    SEALED = "sealed"  # likewise, and kept beyond the deadline since ipernity answers nobody (`policy.sealing`)
    DOOMED = "doomed"  # must be erased; irrevocable


ORIGINAL = "original"
MEDIA = "media"
THUMBNAIL_LABELS = ("75x", "100", "240", "250x", "500", "560", "640", "800", "1024", "1600", "2048")
RENDITIONS = (*THUMBNAIL_LABELS, MEDIA, ORIGINAL)
"""Every rendition name there is. Paths and URLs are made of these words only, never of ipernity's."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a document at ipernity: which rendition it is, and where it lies now.

    Attributes:
        rendition: one of `RENDITIONS`.
        url: the address, which holds a secret; it never reaches a log or a page.
        width: pixels, 0 where unknown.
        height: pixels, 0 where unknown.
        size_bytes: as announced, or None.
    """

    rendition: str
    url: str = field(repr=False)
    width: int = 0
    height: int = 0
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a listing page says of a document, apart from its files. Equal facts mean nothing changed.

    Attributes:
        license: ipernity's license number (see `policy.licenses`).
        posted_at: when it was posted, or None where the extra was not asked for.
        created: the owner's local date text without a zone; never used in arithmetic.
        md5: of the original, lower-case hex, or None.
    """

    media: Media
    license: int
    safety: int
    visibility: Visibility
    title: str = field(repr=False)
    posted_at: Instant | None = None
    modified_at: Instant | None = None
    replaced_at: Instant | None = None
    created: str | None = field(default=None, repr=False)
    md5: str | None = None
    latitude: float | None = field(default=None, repr=False)
    longitude: float | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """One document as one listing page named it.

    Attributes:
        files: those renditions whose address the listing gave.
    """

    document_id: int
    facts: Facts
    files: tuple[RemoteFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Details:
    """What only a request per document tells: the owner's words about it."""

    description: str = field(default="", repr=False)
    tags: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """One mirrored document as the catalog holds it.

    Attributes:
        verified_at: the SEND time of the newest request whose answer named it in the permitted view.
        absent_at: the send time of the newest observation that it was absent, or None.
        hidden_at: since when it is not served, or None while LIVE.
        mirrored_at: when it was first taken in.
        details_at: the send time of the `doc.get` that gave `details`, or None.
    """

    document_id: int
    account_id: int
    facts: Facts
    state: DocumentState
    verified_at: Instant
    mirrored_at: Instant
    absent_at: Instant | None = None
    hidden_at: Instant | None = None
    details: Details = field(default_factory=Details, repr=False)
    details_at: Instant | None = None


class RenditionState(StrEnum):
    """Where one stored file stands. Only STORED is ever served."""

    WANTED = "wanted"
    STORED = "stored"
    ERASING = "erasing"  # an old version or an expired file: hidden, its removal is under way
    FAILED = "failed"  # ipernity answered something that is no such file; tried again at `next_try_at`


@dataclass(frozen=True, slots=True)
class Rendition:
    """One file of a mirrored document, wanted or stored.

    Attributes:
        digest: BLAKE3 of the stored bytes, 32 bytes, or None until stored.
        content_type: by the bytes' own magic, or "" until stored.
        stored_at: when the bytes were fetched; its TTL counts from here (T09).
        attempts: failed fetches in a row.
        next_try_at: not fetched before this.
    """

    document_id: int
    account_id: int
    file: RemoteFile
    state: RenditionState = RenditionState.WANTED
    size_bytes: int = 0
    digest: bytes | None = None
    content_type: str = ""
    stored_at: Instant | None = None
    attempts: int = 0
    next_try_at: Instant = 0


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What keeps an erased document from coming back.

    Attributes:
        since: an observation sent at or before this is about the erased copy and is ignored.
        stands: True for an owner's request: never mirrored again until the request is withdrawn.
    """

    document_id: int
    account_id: int
    reason: str
    since: Instant
    stands: bool = False
