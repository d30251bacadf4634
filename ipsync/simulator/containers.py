"""What holds documents (albums, folders, groups), and the articles that members write."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ipsync.simulator import words
from ipsync.simulator.documents import token_of
from ipsync.simulator.library import Library
from ipsync.simulator.members import Member
from ipsync.simulator.seeds import Seeds

_ALBUM_DOCUMENTS = 12


@dataclass(slots=True)
class Album:
    """An ordered choice of a member's documents. Times are seconds since the epoch."""

    album_id: int
    owner: Member
    title: str
    description: str
    created_at: int
    updated_at: int
    document_ids: list[int] = field(default_factory=list)
    cover_id: int | None = None
    perm_comment: int = 5


@dataclass(slots=True)
class Folder:
    """An ordered choice of a member's albums."""

    folder_id: int
    owner: Member
    title: str
    description: str
    created_at: int
    updated_at: int
    album_ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """Members who show documents to each other; `document_ids` are in the order of adding."""

    group_id: int
    title: str
    description: str
    created_at: int
    admin: Member
    member_ids: set[int] = field(default_factory=set)
    document_ids: list[int] = field(default_factory=list)
    blocked: set[int] = field(default_factory=set)
    last_document_at: int = 0


@dataclass(slots=True)
class Post:
    """An article; `posted_at` is 0 while it is a draft."""

    post_id: int
    owner: Member
    title: str
    text: str
    share: int
    posted_at: int
    modified_at: int


class Shelves:
    """The albums, folders, groups and articles of a world; each member's in the order they are listed."""

    def __init__(self) -> None:
        self.albums: dict[int, Album] = {}
        self.folders: dict[int, Folder] = {}
        self.groups: dict[int, Group] = {}
        self.posts: dict[int, Post] = {}
        self._last_id = 600_000

    def next_id(self) -> int:
        """Return an id that nothing here has had."""
        self._last_id += 7
        return self._last_id

    def albums_of(self, owner: Member) -> list[Album]:
        """Return a member's albums in their order."""
        return [album for album in self.albums.values() if album.owner is owner]

    def folders_of(self, owner: Member) -> list[Folder]:
        """Return a member's folders in their order."""
        return [folder for folder in self.folders.values() if folder.owner is owner]

    def groups_of(self, member: Member) -> list[Group]:
        """Return the groups that a member belongs to."""
        return [group for group in self.groups.values() if member.user_id in group.member_ids]

    def posts_of(self, owner: Member) -> list[Post]:
        """Return a member's articles, newest first."""
        own = [post for post in self.posts.values() if post.owner is owner]
        return sorted(own, key=lambda post: (post.posted_at, post.post_id), reverse=True)

    def truth(self, kind: str) -> Iterator[dict[str, str | int]]:
        """Yield what every album, folder or article is right now, with its words; closed accounts have none."""
        held: dict[str, list[Album] | list[Folder] | list[Post]] = {
            "album": list(self.albums.values()),
            "folder": list(self.folders.values()),
            "article": list(self.posts.values()),
        }
        for one in held[kind]:
            if not one.owner.closed:
                number = getattr(one, "post_id" if isinstance(one, Post) else f"{kind}_id")
                told: dict[str, str | int] = {f"{kind}_id": str(number), "owner_id": str(one.owner.user_id)}
                told["title"] = one.title
                yield told | {"share": one.share, "posted_at": one.posted_at} if isinstance(one, Post) else told

    def forget_document(self, document_id: int, owner: Member) -> None:
        """Take a deleted document out of everything that holds it."""
        holders: list[Album | Group] = [*self.albums_of(owner), *self.groups.values()]
        for holder in holders:
            if document_id in holder.document_ids:
                holder.document_ids.remove(document_id)
        for album in self.albums_of(owner):
            if album.cover_id == document_id:
                album.cover_id = album.document_ids[0] if album.document_ids else None

    def forget_album(self, album: Album) -> None:
        """Delete an album; its documents stay."""
        del self.albums[album.album_id]
        for folder in self.folders_of(album.owner):
            if album.album_id in folder.album_ids:
                folder.album_ids.remove(album.album_id)


def _seed_albums(shelves: Shelves, seeds: Seeds, member: Member) -> list[Album]:
    albums = []
    for place in range(min(3, seeds.documents)):
        ordinals = range(place, seeds.documents, 3)[:_ALBUM_DOCUMENTS]
        chosen = [seeds.document_id(seeds.number_at(member.index, ordinal)) for ordinal in ordinals]
        keyword = words.KEYWORDS[seeds.digest("album", member.index)[place] % len(words.KEYWORDS)]
        at = member.joined_at + (place + 1) * 86_400
        token = token_of(seeds.digest(f"album{place}", member.index))
        album = Album(
            album_id=shelves.next_id(),
            owner=member,
            title=f"{keyword.capitalize()} {place + 1} {token}",
            description=f"What {member.realname} keeps under {keyword}. {token}",
            created_at=at,
            updated_at=at,
            document_ids=chosen,
            cover_id=chosen[0],
        )
        shelves.albums[album.album_id] = album
        albums.append(album)
    return albums


def _seed_folder(shelves: Shelves, seeds: Seeds, member: Member, albums: list[Album]) -> None:
    token = token_of(seeds.digest("folder", member.index))
    folder = Folder(
        folder_id=shelves.next_id(),
        owner=member,
        title=f"Travels {token}",
        description=f"Albums of {member.realname}. {token}",
        created_at=member.joined_at,
        updated_at=member.joined_at,
        album_ids=[album.album_id for album in albums[:2]],
    )
    shelves.folders[folder.folder_id] = folder


def _seed_posts(shelves: Shelves, seeds: Seeds, member: Member) -> None:
    for place, share in enumerate((4, 4, 0, 4)):
        digest = seeds.digest(f"post{place}", member.index)
        at = 0 if place == 3 else member.joined_at + place * 8_640_000
        post = Post(
            post_id=shelves.next_id(),
            owner=member,
            title=f"{words.ADJECTIVES[digest[0] % 32]} {words.SUBJECTS[digest[1] % 32]} {token_of(digest)}",
            text=f"<p>{words.SENTENCES[digest[2] % 8]}</p><p>{words.SENTENCES[digest[3] % 8]} {token_of(digest)}</p>",
            share=share,
            posted_at=at,
            modified_at=at,
        )
        shelves.posts[post.post_id] = post


def seeded_shelves(seeds: Seeds, members: list[Member], library: Library) -> Shelves:
    """Return what a seeded world holds: three albums, a folder and four articles each, one group for all."""
    shelves = Shelves()
    group = Group(
        group_id=shelves.next_id(),
        title="Light & Shadow",
        description="For pictures in which the light does the work.",
        created_at=1_170_288_000,
        admin=members[0],
        member_ids={member.user_id for member in members},
    )
    shelves.groups[group.group_id] = group
    for member in members:
        albums = _seed_albums(shelves, seeds, member)
        _seed_folder(shelves, seeds, member, albums)
        _seed_posts(shelves, seeds, member)
        for album in albums[:1]:
            public = [one for one in album.document_ids[:3] if (shown := library.get(one)) and shown.share == 4]
            group.document_ids.extend(public)
    return shelves
