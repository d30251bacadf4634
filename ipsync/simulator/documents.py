"""A document, its file, and the sizes and addresses of what is shown of it."""

import hashlib
import time
import zlib
from functools import lru_cache
from typing import NamedTuple, Protocol

from ipsync.simulator import words
from ipsync.simulator.media import jpeg, movie, sound
from ipsync.simulator.media.template import Template
from ipsync.simulator.members import Member
from ipsync.simulator.seeds import LICENSES, Seeds

KINDS = ("photo", "video", "audio", "other")
SHARES = range(5)
PUBLIC = 4
LICENSE_IDS = frozenset(LICENSES)
SAFETY_LEVELS = (1, 2, 3)

SQUARES = {"75x": 75, "250x": 250}
"""Thumb labels that are cropped to a square."""
LONGEST_SIDES = {
    "100": 100, "240": 240, "500": 500, "560": 560, "640": 640, "800": 800, "1024": 1024, "1600": 1600, "2048": 2048,
}  # fmt: skip
"""Thumb labels that keep the proportions, and their longest side in pixels."""
OPEN_TO_ALL = 800
"""Above this many pixels the member decides what others are shown."""
THUMB_LABELS = ("75x", "100", "240", "250x", "500", "560", "640", "800", "1024", "1600", "2048")

_SHAPES = (
    (1024, 768), (768, 1024), (1024, 683), (800, 600), (1280, 853), (640, 480), (1600, 1067), (2048, 1365),
)  # fmt: skip
_COVER = (560, 560)


class Original(Protocol):
    """The file a document was made from."""

    @property
    def extension(self) -> str:
        """Without the dot, as `jpg`."""

    @property
    def width(self) -> int:
        """In pixels; 0 for a sound."""

    @property
    def height(self) -> int:
        """In pixels; 0 for a sound."""

    @property
    def seconds(self) -> int:
        """How long it plays; 0 for a picture."""

    @property
    def size(self) -> int:
        """In bytes."""

    def md5(self) -> str:
        """Return 32 hexadecimal digits."""

    def content(self) -> bytes:
        """Return the file's bytes."""


class SeededFile(NamedTuple):
    """A file that is made when somebody asks."""

    extension: str
    width: int
    height: int
    seconds: int
    template: Template
    token: str

    @property
    def size(self) -> int:
        """In bytes."""
        return self.template.size

    def md5(self) -> str:
        """Return 32 hexadecimal digits."""
        return self.template.md5(self.token)

    def content(self) -> bytes:
        """Return the file's bytes."""
        return self.template.content(self.token)


class UploadedFile(NamedTuple):
    """A file that a member has sent."""

    extension: str
    width: int
    height: int
    seconds: int
    data: bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data)

    def md5(self) -> str:
        """Return 32 hexadecimal digits."""
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()

    def content(self) -> bytes:
        """Return the file's bytes."""
        return self.data


class Note(NamedTuple):
    """A rectangle on a photo with a text."""

    note_id: int
    author: Member
    text: str
    posted_at: int
    box: tuple[int, int, int, int]


class Tag(NamedTuple):
    """A keyword, or a member who is in the picture (`kind` is `keyword` or `member`).

    `added_at` is in seconds since the epoch; 0 if it came with the document.
    """

    kind: str
    tag_id: str
    author_id: int
    text: str
    added_at: int


class Document:
    """A photo, video, sound or other file of a member.

    Times are seconds since the epoch, as the API gives them. `generation` counts what made the addresses of its
    files change: each change of privacy and each new file.
    """

    __slots__ = (
        "_created", "comment_at", "comments", "description", "digest", "document_id", "faves", "filename",
        "generation", "kind", "latitude", "license", "longitude", "modified_at", "notes", "original", "owner",
        "perm_comment", "perm_tag", "perm_tagme", "posted_at", "replaced_at", "safety", "share", "tags", "title",
        "token", "visits",
    )  # fmt: skip

    def __init__(
        self, document_id: int, owner: Member, digest: bytes, kind: str, share: int, posted_at: int, original: Original
    ) -> None:
        self.document_id = document_id
        self.owner = owner
        self.digest = digest
        self.kind = kind
        self.share = share
        self.posted_at = posted_at
        self.original = original
        self.token = "tok-" + digest[:8].hex()
        self.license = 0
        self.safety = 1
        self.title = ""
        self.description = ""
        self.filename = ""
        self.modified_at = posted_at
        self.replaced_at = 0
        self.comment_at = 0
        self._created = ""
        self.generation = 0
        self.latitude: float | None = None
        self.longitude: float | None = None
        self.visits = 0
        self.faves = 0
        self.comments = 0
        self.tags: tuple[Tag, ...] = ()
        self.notes: tuple[Note, ...] = ()
        self.perm_comment = 5
        self.perm_tag = 3
        self.perm_tagme = 3

    @property
    def created(self) -> str:
        """When it was made: `YYYY-MM-DD HH:MM:SS`, local, without a zone."""
        return self._created or time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(self.posted_at - 5_400))

    @created.setter
    def created(self, text: str) -> None:
        self._created = text

    @property
    def scene(self) -> int:
        """Which landscape its pictures show."""
        return self.digest[13] % jpeg.SCENES

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the picture from which its thumbs are made."""
        original = self.original
        return (original.width, original.height) if original.width else _COVER

    def secret(self, place: int = 16) -> str:
        """Return the eight digits in the names of its files; those of the original are at place 20."""
        generation = self.generation.to_bytes(4, "big")
        return f"{zlib.crc32(self.digest[place : place + 4] + generation):08x}"


ORIGINAL = 20
"""The place of the original's secret: who knows the address of a thumb does not know this one."""


@lru_cache(maxsize=4096)
def thumb_sizes(width: int, height: int) -> dict[str, tuple[int, int]]:
    """Return the thumbs of a picture: label to width and height, none larger than the picture."""
    longest, shortest = max(width, height), min(width, height)
    sizes = {}
    for label in THUMB_LABELS:
        if label in SQUARES:
            side = min(SQUARES[label], shortest) if label == "75x" else SQUARES[label]
            if side <= shortest:
                sizes[label] = (side, side)
        elif LONGEST_SIDES[label] <= longest:
            side = LONGEST_SIDES[label]
            sizes[label] = (max(1, width * side // longest), max(1, height * side // longest))
    return sizes


def thumb_content(document: Document, label: str) -> bytes | None:
    """Return the JPEG of a document's thumb, or None if it has no such size."""
    size = thumb_sizes(*document.shape).get(label)
    return size and jpeg.picture(*size, document.scene).content(document.token)


def _seeded_file(kind: str, digest: bytes, token: str) -> SeededFile:
    scene = digest[13] % jpeg.SCENES
    if kind == "video":
        return SeededFile("mp4", movie.WIDTH, movie.HEIGHT, movie.SECONDS, movie.film(scene), token)
    if kind == "audio":
        return SeededFile("wav", 0, 0, sound.SECONDS, sound.tone(scene), token)
    width, height = _SHAPES[digest[12] % len(_SHAPES)]
    return SeededFile("jpg", width, height, 0, jpeg.picture(width, height, scene), token)


@lru_cache(maxsize=4096)
def _seeded_tags(pick: int, author_id: int) -> tuple[Tag, ...]:
    """Return none to three keywords; `pick` is a byte."""
    found = {words.KEYWORDS[(pick >> 2) * step % len(words.KEYWORDS)] for step in range(1, pick % 4 + 1)}
    return tuple(Tag("keyword", word, author_id, word, 0) for word in sorted(found))


def seeded_document(seeds: Seeds, number: int, document_id: int, owner: Member) -> Document:
    """Return a document of the seeded world as it was at the start."""
    digest = seeds.document_digest(document_id)
    kind = seeds.kind(number)
    token = "tok-" + digest[:8].hex()
    share, posted_at = seeds.share(number), seeds.posted_at(number)
    document = Document(document_id, owner, digest, kind, share, posted_at, _seeded_file(kind, digest, token))
    place, latitude, longitude = words.PLACES[digest[10] % 16]
    subject = words.SUBJECTS[digest[9] % 32]
    document.title = f"{words.ADJECTIVES[digest[8] % 32]} {subject}, {place} {token}"
    document.description = f"{words.SENTENCES[digest[14] % 8]} {token}"
    document.filename = f"{subject}-{seeds.ordinal(number) + 1:05d}.{document.original.extension}"
    document.license = LICENSES[digest[11] % 16]
    document.tags = _seeded_tags(digest[31], owner.user_id)
    document.visits = digest[24] + digest[25]
    document.faves = digest[26] % 12
    document.comments = max(0, digest[27] % 8 - 4)
    if document.comments:
        document.comment_at = document.posted_at + 60 * digest[28]
    if digest[15] % 2:
        document.latitude = latitude + (digest[29] - 128) / 4000
        document.longitude = longitude + (digest[30] - 128) / 4000
    return document
