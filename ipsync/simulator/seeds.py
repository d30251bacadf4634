"""Where the seeded world comes from: everything is computed from the seed and a number, next to nothing is stored.

A document of the seeded world exists as a number from 0 to members x documents - 1. Its id, owner, privacy and
kind are arithmetic on that number, so that a million documents cost no memory and a listing needs only the ids of
its own page. Texts, dates and pictures come from a keyed digest of the document's id.
"""

import hashlib
from collections.abc import Iterator
from mmap import mmap

FIRST_POSTED = 1_356_998_400
"""2013-01-01, in seconds: the seeded documents were posted in the thirteen years from here."""
POSTED_SPAN_SECONDS = 13 * 365 * 86_400

LICENSES = (0, 0, 0, 0, 1, 1, 3, 3, 5, 7, 7, 9, 9, 11, 11, 255)
"""The mix of licenses among seeded documents; picked by four bits of the digest."""

# Of 20 documents in a row 16 are public, and one each is private, for friends, for family, for both.
_SHARES = (4, 0, 4, 4, 4, 4, 2, 4, 4, 4, 4, 1, 4, 4, 4, 4, 3, 4, 4, 4)
# Of 40 documents in a row one is a video and one is a sound.
_KINDS = ("photo",) * 9 + ("video",) + ("photo",) * 13 + ("audio",) + ("photo",) * 16

_FIRST_ID = 20_000_000
_ID_SPAN = 50_000_000
_WIDEST_STEP = 97
_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


class Seeds:
    """The arithmetic of one seeded world.

    Args:
        seed: same seed, same world.
        members: how many members there are, at least 1.
        documents: how many documents each of them has at the start.
    """

    __slots__ = ("_first", "_key", "_salt", "_step", "documents", "md5s", "members", "seed", "total")

    def __init__(self, seed: int, members: int, documents: int) -> None:
        self.seed = seed
        self.members = members
        self.documents = documents
        self.total = members * documents
        # 16 bytes for each document, zeros until somebody asks: the system gives such memory once it is written to.
        self.md5s = mmap(-1, 16 * max(1, self.total))
        self._key = hashlib.blake2b(str(seed).encode(), digest_size=32).digest()
        self._salt = int.from_bytes(self._key[:8], "big")
        self._first = _FIRST_ID + self._salt % 10_000_000
        self._step = max(1, min(_WIDEST_STEP, _ID_SPAN // max(1, self.total)))

    def digest(self, label: str, number: int) -> bytes:
        """Return 32 bytes that depend on the seed, a label and a number only."""
        text = f"{label}:{number}".encode()
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()

    def document_digest(self, document_id: int) -> bytes:
        """Return the 32 bytes from which a document's texts and pictures are made."""
        return hashlib.blake2b(document_id.to_bytes(8, "big"), key=self._key, digest_size=32).digest()

    def document_id(self, number: int) -> int:
        """Return the id of a seeded document; ids grow with the number, as posted times do."""
        step = self._step
        return self._first + number * step + ((number * 2_654_435_761 ^ self._salt) >> 7) % step

    def number(self, document_id: int) -> int | None:
        """Return the number of a seeded document, or None if the id is none of theirs."""
        number = (document_id - self._first) // self._step
        if 0 <= number < self.total and self.document_id(number) == document_id:
            return number
        return None

    def first_free_id(self) -> int:
        """Return an id above all seeded ones, where uploads begin."""
        return self._first + (self.total + 1) * self._step + 100

    def number_at(self, owner: int, ordinal: int) -> int:
        """Return the number of the document that was the owner's `ordinal`-th (from 0)."""
        return ordinal * self.members + (owner - self._turn(ordinal)) % self.members

    def facts(self, number: int) -> tuple[int, int, int, str]:
        """Return owner (index from 0), ordinal among the owner's, privacy level and kind of a seeded document."""
        ordinal, place = divmod(number, self.members)
        owner = (place + self._turn(ordinal)) % self.members
        return owner, ordinal, self.share(owner, ordinal), self.kind(owner, ordinal)

    def share(self, owner: int, ordinal: int) -> int:
        """Return the privacy level (0 to 4) that a seeded document has at the start."""
        return _SHARES[(ordinal + 3 * owner) % len(_SHARES)]

    def kind(self, owner: int, ordinal: int) -> str:
        """Return what a seeded document is: `photo`, `video` or `audio`."""
        return _KINDS[(ordinal + 7 * owner) % len(_KINDS)]

    def documents_of(self, owner: int) -> Iterator[tuple[int, int, str]]:
        """Yield id, privacy level and kind of a member's seeded documents, oldest first."""
        for ordinal in range(self.documents):
            yield (
                self.document_id(self.number_at(owner, ordinal)),
                self.share(owner, ordinal),
                self.kind(owner, ordinal),
            )

    def posted_at(self, number: int) -> int:
        """Return when a seeded document was posted, in seconds since the epoch."""
        return FIRST_POSTED + number * POSTED_SPAN_SECONDS // max(1, self.total)

    def _turn(self, ordinal: int) -> int:
        """Return by how many places the owners of one round of documents are turned."""
        return ((ordinal * _GOLDEN + self._salt & _WORD) >> 40) % self.members
