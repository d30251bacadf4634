"""A document, its file, and the sizes and addresses of what is shown of it."""

import hashlib
import time
import zlib
from functools import lru_cache
from mmap import mmap
from typing import NamedTuple, Protocol

from ipsync.simulator import words
from ipsync.simulator.media import jpeg, movie, sound
from ipsync.simulator.media.template import Template
from ipsync.simulator.members import Member
from ipsync.simulator.seeds import LICENSES, Seeds

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
    (1024, 768), (768, 1024), (1024, 683), (800, 600), (640, 480), (800, 533), (600, 800), (640, 427),
    (1024, 768), (768, 1024), (1280, 853), (800, 600), (640, 480), (1600, 1067), (480, 640), (2048, 1365),
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


_UNKNOWN_MD5 = bytes(16)


class SeededFile(NamedTuple):
    """A file that is made when somebody asks.

    Its digest is all that is remembered of it, in the place of its document's number: listings ask for nothing
    else of a file, but for a hundred of them at once.
    """

    extension: str
    width: int
    height: int
    seconds: int
    template: Template
    token: str
    number: int
    known_md5s: mmap

    @property
    def size(self) -> int:
        """In bytes."""
        return self.template.size

    def md5(self) -> str:
        """Return 32 hexadecimal digits."""
        place = 16 * self.number
        md5 = self.known_md5s[place : place + 16]
        if md5 == _UNKNOWN_MD5:
            md5 = self.template.md5(self.token)
            self.known_md5s[place : place + 16] = md5
        return md5.hex()

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


_MADE_BEFORE_POSTING = 5_400


@lru_cache(maxsize=8192)
def _date(days: int) -> str:
    """Return the date so many days after 1970-01-01."""
    return time.strftime("%Y-%m-%d", time.gmtime(days * 86_400))


def token_of(digest: bytes) -> str:
    """Return the token of the document with this digest."""
    return f"tok-{digest[:8].hex()}"


class Document:
    """A photo, video, sound or other file of a member.

    Times are seconds since the epoch, as the API gives them. `generation` counts what made the addresses of its
    files change: each change of privacy and each new file.
    """

    # What most documents have in common stands here, so that making one for a listing sets little more than its own.
    license = 0
    safety = 1
    title = ""
    description = ""
    filename = ""
    replaced_at = 0
    comment_at = 0
    generation = 0
    latitude: float | None = None
    longitude: float | None = None
    visits = 0
    faves = 0
    comments = 0
    tags: tuple[Tag, ...] = ()
    notes: tuple[Note, ...] = ()
    perm_comment = 5
    perm_tag = 3
    perm_tagme = 3
    _created = ""

    def __init__(
        self, document_id: int, owner: Member, digest: bytes, kind: str, share: int, posted_at: int, original: Original
    ) -> None:
        self.document_id = document_id
        self.owner = owner
        self.digest = digest
        self.kind = kind
        self.share = share
        self.posted_at = self.modified_at = posted_at
        self.original = original

    @property
    def token(self) -> str:
        """What can be found in its texts and pictures, and nowhere else."""
        return token_of(self.digest)

    @property
    def created(self) -> str:
        """When it was made: `YYYY-MM-DD HH:MM:SS`, local, without a zone."""
        if self._created:
            return self._created
        days, second = divmod(self.posted_at - _MADE_BEFORE_POSTING, 86_400)
        return f"{_date(days)} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"

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

    def secret(self, place: int) -> str:
        """Return the eight digits in the names of its files, at `THUMBS` or `ORIGINAL`."""
        return f"{zlib.crc32(self.digest[place : place + 4], self.generation):08x}"


THUMBS, ORIGINAL = 16, 20
"""Two places in the digest: who knows the address of a thumb does not know that of the original."""


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


@lru_cache(maxsize=1024)
def _blueprint(kind: str, scene: int, shape: int) -> tuple[str, int, int, int, Template]:
    """Return all of a seeded file but its token: extension, width, height, seconds, template."""
    if kind == "video":
        return "mp4", movie.WIDTH, movie.HEIGHT, movie.SECONDS, movie.film(scene)
    if kind == "audio":
        return "wav", 0, 0, sound.SECONDS, sound.tone(scene)
    width, height = _SHAPES[shape]
    return "jpg", width, height, 0, jpeg.picture(width, height, scene)


@lru_cache(maxsize=4096)
def _seeded_tags(pick: int, author_id: int) -> tuple[Tag, ...]:
    """Return none to three keywords; `pick` is a byte."""
    found = {words.KEYWORDS[(pick >> 2) * step % len(words.KEYWORDS)] for step in range(1, pick % 4 + 1)}
    return tuple(Tag("keyword", word, author_id, word, 0) for word in sorted(found))


def seeded_document(seeds: Seeds, number: int, document_id: int, members: list[Member]) -> Document:
    """Return a document of the seeded world as it was at the start."""
    digest = seeds.document_digest(document_id)
    index, ordinal, share, kind = seeds.facts(number)
    owner, token = members[index], token_of(digest)
    file = SeededFile(*_blueprint(kind, digest[13] % jpeg.SCENES, digest[12] % len(_SHAPES)), token, number, seeds.md5s)
    document = Document(document_id, owner, digest, kind, share, seeds.posted_at(number), file)
    place, latitude, longitude = words.PLACES[digest[10] % 16]
    subject = words.SUBJECTS[digest[9] % 32]
    document.title = f"{words.ADJECTIVES[digest[8] % 32]} {subject}, {place} {token}"
    document.description = f"{words.SENTENCES[digest[14] % 8]} {token}"
    document.filename = f"{subject}-{ordinal + 1:05d}.{file.extension}"
    document.license = LICENSES[digest[11] % 16]
    document.tags = _seeded_tags(digest[31], owner.user_id)
    document.visits = digest[24] + digest[25]
    document.faves = digest[26] % 12
    if digest[27] % 8 > 4:
        document.comments = digest[27] % 8 - 4
        document.comment_at = document.posted_at + 60 * digest[28]
    if digest[15] % 2:
        document.latitude = latitude + (digest[29] - 128) / 4000
        document.longitude = longitude + (digest[30] - 128) / 4000
    return document
