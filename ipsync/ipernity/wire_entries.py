"""The shapes of ipernity's answers about albums, folders and articles, decoded strictly (F10, F11).

As in `wire`: what differs from these makes the answer no observation. The shapes of `post.*` are not documented;
they are taken to be those of documents, and an answer that is none of these mirrors nothing.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from ipsync.ipernity import wire
from ipsync.policy.entries import ENTRIES_PER_PAGE, LARGEST_ENTRY_ID

EntryId: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_ENTRY_ID)]
Amount: TypeAlias = wire.Total | Literal[""] | None
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=10_000_000)]
PerPage: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=ENTRIES_PER_PAGE)]


class Amounts(msgspec.Struct, gc=False):
    """How much of an album or folder is to be seen at each privacy level."""

    docs: Amount = None
    family: Amount = None
    friend: Amount = None
    friends: Amount = None
    ff: Amount = None
    public: Amount = None


class Times(msgspec.Struct, gc=False):
    """When an entry was made, posted, changed; unix seconds."""

    created_at: wire.Second = None
    last_update_at: wire.Second = None
    posted_at: wire.Second = None
    modified_at: wire.Second = None


class Cover(msgspec.Struct, gc=False):
    """The document on an album."""

    doc_id: wire.Id | Literal[""] | None = None


class Container(msgspec.Struct, gc=False):
    """An album or a folder, wherever it is named."""

    album_id: EntryId | None = None
    folder_id: EntryId | None = None
    title: str | None = None
    owner: wire.Owner | None = None
    dates: Times | None = None
    count: Amounts | None = None
    visibility: Amounts | None = None
    cover: Cover | Literal[""] | None = None


class Containers(msgspec.Struct, gc=False):
    """One page of albums or folders."""

    total: wire.Total
    page: wire.Total
    per_page: PerPage = ENTRIES_PER_PAGE
    album: list[Container] | Container = []
    folder: list[Container] | Container = []


class Post(msgspec.Struct, gc=False):
    """An article as lists name it."""

    post_id: EntryId
    visibility: wire.Visibility
    title: str | None = None
    dates: Times | None = None
    owner: wire.Owner | None = None


class FullPost(Post, kw_only=True, gc=False):
    """An article as `post.get` shows it."""

    content: Text | None = None


class Posts(msgspec.Struct, gc=False):
    """One page of articles."""

    total: wire.Total
    page: wire.Total
    per_page: PerPage = ENTRIES_PER_PAGE
    post: list[Post] | Post = []


class Named(msgspec.Struct, gc=False):
    """A document or an album as the list of what holds it names it."""

    doc_id: wire.Id | None = None
    album_id: EntryId | None = None


class NamedPage(msgspec.Struct, gc=False):
    """One page of what an album or folder holds."""

    total: wire.Total
    page: wire.Total
    per_page: PerPage = ENTRIES_PER_PAGE
    doc: list[Named] | Named = []
    album: list[Named] | Named = []


class Holder(msgspec.Struct, gc=False):
    """An album or folder with a page of what it holds."""

    album_id: EntryId | None = None
    folder_id: EntryId | None = None
    docs: NamedPage | None = None
    albums: NamedPage | None = None


class AlbumsAnswer(wire.Envelope, gc=False):
    """Of album.getList."""

    albums: Containers | None = None


class FoldersAnswer(wire.Envelope, gc=False):
    """Of folder.getList."""

    folders: Containers | None = None


class PostsAnswer(wire.Envelope, gc=False):
    """Of post.getList."""

    posts: Posts | None = None


class ContainerAnswer(wire.Envelope, gc=False):
    """Of album.get and folder.get."""

    album: Container | None = None
    folder: Container | None = None


class PostAnswer(wire.Envelope, gc=False):
    """Of post.get."""

    post: FullPost | None = None


class HolderAnswer(wire.Envelope, gc=False):
    """Of album.docs.getList and folder.albums.getList."""

    album: Holder | None = None
    folder: Holder | None = None


ALBUMS = wire.Shape(AlbumsAnswer)
FOLDERS = wire.Shape(FoldersAnswer)
POSTS = wire.Shape(PostsAnswer)
CONTAINER = wire.Shape(ContainerAnswer)
POST = wire.Shape(PostAnswer)
HOLDER = wire.Shape(HolderAnswer)
