"""The shapes of ipernity's answers, decoded strictly (F10, F11).

Numbers come as texts or as numbers, lists of one element may come without the list, empty lists are left out, and
members we do not know are ignored. Everything else that differs makes the answer no observation at all. What the
members mean is `answers`; nothing here decides.
"""

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

import msgspec

from ipsync.policy.listings import DOCUMENTS_PER_PAGE

LATEST = 253_402_300_799
"""The last second of the year 9999; later ones no date text can name."""

# Numbers are read leniently as msgspec understands it: 12, "12", and also "12.0" and "1.2e1", which say the same; not
# true, "true", " 12", "012", "12.5" or "". Where the service sends "" for nothing, that is named beside the number.
Id: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Total: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=100_000_000)]
Level: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Flag: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1)] | Literal[""]
Code: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | Literal[""]
Side: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | Literal[""] | None
Size: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)] | Literal[""] | None
Second: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=LATEST)] | Literal[""] | None
Degree: TypeAlias = float | Literal[""] | None
Address: TypeAlias = Annotated[str, msgspec.Meta(max_length=4096)]
Word: TypeAlias = Annotated[str, msgspec.Meta(max_length=256)]

T = TypeVar("T")


# `gc=False`: trees without cycles, and many of them; the garbage collector need not walk through each page.
class Api(msgspec.Struct, gc=False):
    """How the call went."""

    status: Literal["ok", "error"]
    code: Code = ""


class Envelope(msgspec.Struct, gc=False):
    """What every answer has; all there is to an error."""

    api: Api


class File(msgspec.Struct, gc=False):
    """A thumbnail, a playable medium or an original, as far as we need it."""

    url: Address = ""
    label: Word | int = ""
    w: Side = None
    h: Side = None
    bytes: Size = None
    md5: Word | None = None


class Thumbs(msgspec.Struct, gc=False):
    """All thumbnails of a document."""

    thumb: list[File] | File = []


class Medias(msgspec.Struct, gc=False):
    """Everything of a document that plays."""

    media: list[File] | File = []


class Dates(msgspec.Struct, gc=False):
    """When a document was posted, changed, replaced (unix seconds) and made (its owner's local text)."""

    posted_at: Second = None
    modified_at: Second = None
    replaced_at: Second = None
    created: Word | None = None


class Geo(msgspec.Struct, gc=False):
    """Where a document was made, in degrees."""

    lat: Degree = None
    lng: Degree = None


class Owner(msgspec.Struct, gc=False):
    """Whose document it is."""

    user_id: Id


class Doc(msgspec.Struct, gc=False):
    """A document as lists name it."""

    doc_id: Id
    media: Word
    license: Level
    safety: Level
    title: str | None = None
    dates: Dates | None = None
    md5: Word | None = None
    thumb: File | None = None
    original: File | None = None
    medias: Medias | None = None
    geo: Geo | None = None
    owner: Owner | None = None


class Docs(msgspec.Struct, gc=False):
    """One page of a list."""

    total: Total
    page: Total
    pages: Total
    per_page: Annotated[int, msgspec.Meta(ge=1, le=DOCUMENTS_PER_PAGE)] = DOCUMENTS_PER_PAGE
    doc: list[Doc] | Doc = []


class Visibility(msgspec.Struct, gc=False):
    """Who may see a document."""

    ispublic: Flag | None = None
    isfriend: Flag | None = None
    isfamily: Flag | None = None
    share: Annotated[int, msgspec.Meta(ge=0, le=5)] | None = None


class Tag(msgspec.Struct, gc=False):
    """One word a document is tagged with."""

    keyword: str | None = None
    title: str | None = None
    type: Word = "keyword"


class Tags(msgspec.Struct, gc=False):
    """All tags."""

    tag: list[Tag] | Tag = []


class FullDoc(Doc, kw_only=True, gc=False):
    """A document as `doc.get` shows it."""

    owner: Owner
    visibility: Visibility
    description: str | None = None
    thumbs: Thumbs | None = None
    tags: Tags | None = None


class Permissions(msgspec.Struct, gc=False):
    """What a token permits, by area."""

    doc: Word | None = None
    blog: Word | None = None
    post: Word | None = None
    network: Word | None = None
    profile: Word | None = None


class User(msgspec.Struct, gc=False):
    """Whose token it is."""

    user_id: Id
    username: Word = ""
    realname: str | None = None


class Auth(msgspec.Struct, gc=False):
    """What the auth methods tell; `perms` is documented, `permissions` is sent."""

    frob: Word = ""
    token: Word = ""
    permissions: Permissions | None = None
    perms: Permissions | None = None
    user: User | None = None


class Count(msgspec.Struct, gc=False):
    """How much a member has."""

    docs: Total | None = None


class Location(msgspec.Struct, gc=False):
    """Where a member says they live; the coordinates beside it are never read."""

    country: str | None = None
    town: str | None = None


class FullUser(User, gc=False):
    """A member as `user.get` shows them."""

    is_closed: Flag = 0
    alias: str | None = None
    location: Location | Literal[""] | None = None
    count: Count | None = None


class ListAnswer(Envelope, gc=False):
    """Of doc.getList."""

    docs: Docs | None = None


class DocAnswer(Envelope, gc=False):
    """Of doc.get."""

    doc: FullDoc | None = None


class AuthAnswer(Envelope, gc=False):
    """Of auth.getFrob, auth.getToken and auth.checkToken."""

    auth: Auth | None = None


class UserAnswer(Envelope, gc=False):
    """Of user.get."""

    user: FullUser | None = None


A = TypeVar("A", bound=Envelope)


class Shape(Generic[A]):
    """Reads answers of one shape."""

    def __init__(self, answer: type[A]) -> None:
        """Prepare to read answers of this type."""
        self._decoder = msgspec.json.Decoder(answer, strict=False)

    def read(self, body: bytes) -> A | None:
        """Decode a whole body; None if it has not this shape."""
        return _decoded(self._decoder, body)


def envelope(body: bytes) -> Envelope | None:
    """Decode only what every answer has; None if not even that is there."""
    return _decoded(_ENVELOPE, body)


def _decoded(decoder: msgspec.json.Decoder[A], body: bytes) -> A | None:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


_ENVELOPE = msgspec.json.Decoder(Envelope, strict=False)

LIST = Shape(ListAnswer)
DOC = Shape(DocAnswer)
AUTH = Shape(AuthAnswer)
USER = Shape(UserAnswer)


def many(found: list[T] | T) -> list[T]:
    """A list, whether the wire had one or only its single element."""
    return found if isinstance(found, list) else [found]
