"""All documents of all members: the seeded ones made when asked for, the changed ones kept.

Every change goes through here, so that documents, streams and addresses of files agree. Who may do what is decided
in `methods/`.
"""

from collections.abc import Iterator

from ipsync.simulator.documents import Document, Original, seeded_document
from ipsync.simulator.members import Member
from ipsync.simulator.seeds import Seeds
from ipsync.simulator.streams import Stream


class Library:
    """The documents of a world.

    Args:
        seeds: the arithmetic of the seeded world.
        members: in the order of their index.
    """

    def __init__(self, seeds: Seeds, members: list[Member]) -> None:
        self._seeds = seeds
        self._members = members
        self._kept: dict[int, Document] = {}
        self._deleted: set[int] = set()
        self._next_id = seeds.first_free_id()
        self._streams = [self._stream(index) for index in range(len(members))]
        self._digests: dict[int, dict[str, int]] = {}

    def _stream(self, owner: int) -> Stream:
        return Stream(lambda: self._seeds.documents_of(owner))

    def stream(self, owner: Member) -> Stream:
        """Return the order of a member's documents."""
        return self._streams[owner.index]

    def get(self, document_id: int) -> Document | None:
        """Return a document to read, or None if there is none; nothing of it may be assigned to."""
        kept = self._kept.get(document_id)
        if kept is not None:
            return kept
        if document_id in self._deleted:
            return None
        number = self._seeds.number(document_id)
        return None if number is None else seeded_document(self._seeds, number, document_id, self._members)

    def edit(self, document: Document, now_seconds: int) -> Document:
        """Return the document to write to, from now on kept, its time of modification set."""
        kept = self._kept.setdefault(document.document_id, document)
        kept.modified_at = now_seconds
        return kept

    def post(self, owner: Member, kind: str, original: Original, share: int, now_seconds: int) -> Document:
        """Return a new document of this member, the newest of all."""
        digest = self._seeds.document_digest(self._next_id)
        document = Document(self._next_id, owner, digest, kind, share, now_seconds, original)
        self._next_id += 1 + digest[31] % 7
        self._kept[document.document_id] = document
        self.stream(owner).add(document.document_id, share, kind)
        self._digests.pop(owner.index, None)
        return document

    def set_share(self, document: Document, share: int, now_seconds: int) -> None:
        """Give a document another privacy level; the addresses of its files change."""
        kept = self.edit(document, now_seconds)
        kept.share = share
        kept.generation += 1
        self._list_anew(kept)

    def replace(self, document: Document, kind: str, original: Original, now_seconds: int) -> None:
        """Give a document another file; the addresses of its files change."""
        kept = self.edit(document, now_seconds)
        kept.kind, kept.original = kind, original
        kept.replaced_at = now_seconds
        kept.generation += 1
        self._list_anew(kept)
        self._digests.pop(kept.owner.index, None)

    def _list_anew(self, document: Document) -> None:
        stream = self.stream(document.owner)
        stream.remove(document.document_id)
        stream.add(document.document_id, document.share, document.kind)

    def delete(self, document: Document) -> None:
        """Remove a document for good."""
        self.stream(document.owner).remove(document.document_id)
        self._deleted.add(document.document_id)
        self._kept.pop(document.document_id, None)
        self._digests.pop(document.owner.index, None)

    def with_md5(self, owner: Member, md5: str) -> Document | None:
        """Return the member's document whose file has this digest, or None."""
        known = self._digests.get(owner.index)
        if known is None:
            known = {one.original.md5(): one.document_id for one in self.documents_of(owner)}
            self._digests[owner.index] = known
        found = known.get(md5)
        return None if found is None else self.get(found)

    def documents_of(self, owner: Member) -> Iterator[Document]:
        """Yield a member's documents, oldest first."""
        for document_id in self.stream(owner).view():
            document = self.get(document_id)
            if document is not None:
                yield document

    def kept_of(self, owner: Member) -> Iterator[Document]:
        """Yield those of a member's documents that were ever changed or uploaded: only these have marks on them."""
        return (document for document in self._kept.values() if document.owner is owner)

    def __iter__(self) -> Iterator[Document]:
        for member in self._members:
            yield from self.documents_of(member)
