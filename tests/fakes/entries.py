"""The albums, folders and articles of `tests.fakes.source.FakeSource`, and how it answers about them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ipsync.policy.documents import Visibility
from ipsync.policy.entries import ENTRIES_PER_PAGE, Content, EntryKind, ListedEntry
from ipsync.policy.instants import SECOND, Instant
from ipsync.policy.listings import pages_of
from ipsync.policy.plain_text import plain_text, shown_documents
from ipsync.policy.profiles import ProfileWords
from ipsync.ports.source import EntryPage, Gone, MemberPage, Refused, SeenEntry

METHODS = {
    EntryKind.ALBUM: ("album.getList", "album.get"),
    EntryKind.FOLDER: ("folder.getList", "folder.get"),
    EntryKind.ARTICLE: ("post.getList", "post.get"),
    EntryKind.PROFILE: ("user.get", "user.get"),
}
MEMBERS = {EntryKind.ALBUM: "album.docs.getList", EntryKind.FOLDER: "folder.albums.getList"}


@dataclass
class FakeEntry:
    """One album, folder or article there; a test may change any field.

    Attributes:
        members: documents of an album, albums of a folder.
        source: of an article its HTML, of a profile the town.
        visibility: of an article; what is in an album or folder decides who sees that.
    """

    kind: EntryKind
    entry_id: int
    account_id: int
    title: str
    posted_at: Instant
    modified_at: Instant
    members: list[int] = field(default_factory=list)
    source: str = ""
    visibility: Visibility = Visibility.PUBLIC


class FakeEntries:
    """All of them, by kind and id.

    Attributes:
        unlisted: what no listing names although it is there.
        visibility_of: who may see a document, or None where there is none.
    """

    def __init__(self, visibility_of: Callable[[int], Visibility | None]) -> None:
        self.all: dict[tuple[EntryKind, int], FakeEntry] = {}
        self.unlisted: set[int] = set()
        self._visibility_of = visibility_of
        self._last_id = 700

    def add(self, kind: EntryKind, account_id: int, title: str, now: Instant, **changes: object) -> int:
        """A new entry. Returns its id; a profile's is its member's."""
        self._last_id += kind is not EntryKind.PROFILE
        entry_id = account_id if kind is EntryKind.PROFILE else self._last_id
        now = now // SECOND * SECOND
        entry = FakeEntry(kind, entry_id, account_id, title, now, now)
        for name, value in changes.items():
            setattr(entry, name, value)
        self.all[kind, entry_id] = entry
        return entry_id

    def page(self, kind: EntryKind, account_id: int, page: int, sent_at: Instant) -> EntryPage:
        shown = [
            entry
            for entry in self.all.values()
            if (entry.kind, entry.account_id) == (kind, account_id) and entry.entry_id not in self.unlisted
        ]
        shown.sort(key=lambda entry: entry.entry_id, reverse=True)
        first = (page - 1) * ENTRIES_PER_PAGE
        entries = [self._listed(entry) for entry in shown[first : first + ENTRIES_PER_PAGE]]
        return EntryPage(kind, account_id, sent_at, page, pages_of(len(shown)), len(shown), entries)

    def seen(self, kind: EntryKind, account_id: int, entry_id: int, sent_at: Instant) -> SeenEntry:
        entry = self._find(METHODS[kind][1], kind, account_id, entry_id)
        source, listed = entry.source, self._listed(entry)
        content = listed.content or Content(plain_text(source), shown_documents(source))
        return SeenEntry(kind, listed, content, sent_at)

    def members(
        self, kind: EntryKind, account_id: int, entry_id: int, visibility: Visibility, page: int, sent_at: Instant
    ) -> MemberPage:
        entry = self._find(MEMBERS[kind], kind, account_id, entry_id)
        found = entry.members
        if kind is EntryKind.ALBUM:
            found = [number for number in found if self._visibility_of(number) is visibility]
        first = (page - 1) * ENTRIES_PER_PAGE
        return MemberPage(sent_at, page, pages_of(len(found)), tuple(found[first : first + ENTRIES_PER_PAGE]))

    def _find(self, method: str, kind: EntryKind, account_id: int, entry_id: int) -> FakeEntry:
        entry = self.all.get((kind, entry_id))
        if entry is None or entry.account_id != account_id:
            raise Gone(method, "the entry does not exist, or may not be seen", 1)
        return entry

    def _listed(self, entry: FakeEntry) -> ListedEntry:
        if entry.kind is EntryKind.PROFILE:
            words = ProfileWords(f"Member {entry.account_id}", alias=entry.title, town=entry.source)
            return ListedEntry(entry.entry_id, entry.title, frozenset(Visibility), content=Content(words.as_text()))
        levels = {entry.visibility}
        if entry.kind is not EntryKind.ARTICLE:
            albums = [entry] if entry.kind is EntryKind.ALBUM else []
            if entry.kind is EntryKind.FOLDER:
                albums = [self.all[EntryKind.ALBUM, one] for one in entry.members if (EntryKind.ALBUM, one) in self.all]
            found = (self._visibility_of(number) for album in albums for number in album.members)
            levels = {level for level in found if level is not None}
        cover = entry.members[0] if entry.kind is EntryKind.ALBUM and entry.members else None
        return ListedEntry(
            entry.entry_id, entry.title, frozenset(levels), entry.posted_at, entry.modified_at, cover_id=cover
        )


def demand_area(kind: EntryKind, permissions: Mapping[str, str]) -> None:
    """Refuse as ipernity does where the token does not permit it: articles need `blog`; a profile nothing."""
    if kind is EntryKind.ARTICLE and "blog" not in permissions:
        raise Refused("post.getList", "the member has not granted this permission", 110)
