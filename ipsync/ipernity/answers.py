"""From shapes to values: what ipernity's answers mean to ipsync, and whether they answer what was asked.

An answer is used whole or not at all: the first member that does not fit raises `UnfitError`, whose message is ours
and holds nothing of theirs (F35). Where the service may know words that we do not, the reading errs to the safe side:
an unknown safety level counts as for adults only, an unknown kind of media as `other`.
"""

import re
from collections.abc import Iterable, Sequence

from ipsync.ipernity import wire
from ipsync.ipernity.wire import many
from ipsync.policy.accounts import PERMISSION_AREAS, PERMISSION_LEVELS
from ipsync.policy.documents import (
    MEDIA,
    ORIGINAL,
    THUMBNAIL_LABELS,
    Details,
    Facts,
    ListedDocument,
    Media,
    RemoteFile,
    Safety,
    Visibility,
)
from ipsync.policy.instants import SECOND, Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE
from ipsync.policy.plain_text import LONGEST_TEXT
from ipsync.ports.source import Granted, ListingPage, Profile, Seen

_MEDIA = {media.value: media for media in Media}
_SAFETY = {safety.value: safety for safety in Safety}
_LABELS = frozenset(THUMBNAIL_LABELS)
_NO_DATE = ("", "0", "0000-00-00 00:00:00")
LONGEST_LINE = 1000
"""Characters that are kept of a title or a name; fifty of them go into one answer of ours, and into one message."""

_MOST_TAGS = 1000
_is_md5 = re.compile(r"[0-9a-f]{32}").fullmatch


class UnfitError(Exception):
    """The answer is not what was asked, or not what an answer can be. The message is in our words."""


def listing_page(
    answer: wire.ListAnswer,
    *,
    account_id: int,
    visibility: Visibility,
    page: int,
    thumbnail: str | None,
    sent_at: Instant,
) -> ListingPage:
    """Read one page of a listing.

    Args:
        answer: what came.
        account_id: whose documents were asked for.
        visibility: the privacy level that was asked for; the documents are known by it.
        page: the page that was asked for.
        thumbnail: the size that was asked for. Where a picture has it not, the service gives the
            nearest smaller one; that is kept under the name asked for, since there is no better.
        sent_at: when it was asked.

    Raises:
        UnfitError: it is not that page.
    """
    docs = answer.docs
    if docs is None:
        raise UnfitError("there is no list in it")
    found = many(docs.doc)
    if docs.page != page:
        if page <= max(1, docs.pages):
            raise UnfitError("it is another page than was asked for")
        found = []  # beyond the end: some services answer with their last page
    if len(found) > DOCUMENTS_PER_PAGE:
        raise UnfitError("the page names too many documents")
    documents: dict[int, ListedDocument] = {}
    for doc in found:
        document = _listed(doc, account_id, visibility, thumbnail)
        before = documents.setdefault(document.document_id, document)
        if before is not document and before != document:
            raise UnfitError("it says two things of one document")
    return ListingPage(
        account_id=account_id,
        visibility=visibility,
        sent_at=sent_at,
        page=page,
        pages=max(1, docs.pages),
        per_page=docs.per_page,
        total=docs.total,
        documents=tuple(documents.values()),
    )


def _listed(doc: wire.Doc, account_id: int, visibility: Visibility, thumbnail: str | None) -> ListedDocument:
    if doc.owner is not None and doc.owner.user_id != account_id:
        raise UnfitError("it names a document of somebody else")
    files = []
    if thumbnail is not None and doc.thumb is not None and doc.thumb.url:
        files.append(_file(thumbnail, doc.thumb))
    files += _large_files(doc)
    return ListedDocument(doc.doc_id, _facts(doc, visibility), tuple(files))


def seen(answer: wire.DocAnswer, *, account_id: int, document_id: int, sent_at: Instant) -> Seen:
    """Read one document.

    Args:
        answer: what came.
        account_id: whose it should be (F15).
        document_id: which was asked for.
        sent_at: when it was asked.

    Raises:
        UnfitError: it is not that document.
    """
    doc = answer.doc
    if doc is None:
        raise UnfitError("there is no document in it")
    if doc.doc_id != document_id:
        raise UnfitError("it is another document than was asked for")
    owner_id = doc.owner.user_id
    if owner_id != account_id:
        raise UnfitError("it is somebody else's document")
    shown = {str(file.label): file for file in _shown(doc.thumbs)}
    files = [_file(label, shown[label]) for label in THUMBNAIL_LABELS if label in shown]
    tags = [] if doc.tags is None else many(doc.tags.tag)
    words = [(tag.keyword or tag.title or "")[:LONGEST_LINE] for tag in tags[:_MOST_TAGS] if tag.type == "keyword"]
    return Seen(
        document_id=document_id,
        owner_id=owner_id,
        sent_at=sent_at,
        facts=_facts(doc, visibility_of(doc.visibility)),
        details=Details((doc.description or "")[:LONGEST_TEXT], tuple(dict.fromkeys(word for word in words if word))),
        files=(*files, *_large_files(doc)),
    )


def _shown(thumbs: wire.Thumbs | None) -> Iterable[wire.File]:
    return () if thumbs is None else (file for file in many(thumbs.thumb) if file.url)


def visibility_of(shown: wire.Visibility) -> Visibility:
    """The privacy level. `ispublic` decides, and where it is missing `share`, which calls public 5 (or 4)."""
    if shown.ispublic is None:
        if shown.share is None:
            raise UnfitError("it does not say who may see the document")
        return Visibility(min(shown.share, Visibility.PUBLIC))
    if shown.ispublic:
        return Visibility.PUBLIC
    if shown.share is not None and shown.share < Visibility.PUBLIC:
        return Visibility(shown.share)
    friends, family = int(bool(shown.isfriend)), int(bool(shown.isfamily))
    return Visibility(friends * Visibility.FRIENDS + family * Visibility.FAMILY)


def _facts(doc: wire.Doc, visibility: Visibility) -> Facts:
    dates = doc.dates or _NO_DATES
    geo = doc.geo
    created = dates.created
    return Facts(
        media=_MEDIA.get(doc.media, Media.OTHER),
        license=doc.license,
        safety=_SAFETY.get(doc.safety, Safety.ADULTS),
        visibility=visibility,
        title=(doc.title or "")[:LONGEST_LINE],
        posted_at=dates.posted_at * SECOND if dates.posted_at else None,
        modified_at=dates.modified_at * SECOND if dates.modified_at else None,
        replaced_at=dates.replaced_at * SECOND if dates.replaced_at else None,
        created=None if created is None or created in _NO_DATE else created,
        md5=_md5(doc),
        latitude=None if geo is None else _degrees(geo.lat, 90),
        longitude=None if geo is None else _degrees(geo.lng, 180),
    )


_NO_DATES = wire.Dates()


def _degrees(value: float | str | None, most: int) -> float | None:
    """Degrees, or None where nobody said, or said what no place has."""
    return value if isinstance(value, float) and -most <= value <= most else None


def _md5(doc: wire.Doc) -> str | None:
    found = doc.md5 or (None if doc.original is None else doc.original.md5)
    if not found:
        return None
    found = found.lower()
    if not _is_md5(found):
        raise UnfitError("a digest is none")
    return found


def _large_files(doc: wire.Doc) -> list[RemoteFile]:
    """The playable medium of the most pixels (the first of equals), and the original."""
    files = []
    if doc.medias is not None:
        playable = [_file(MEDIA, file) for file in many(doc.medias.media) if file.url]
        if playable:
            files.append(max(playable, key=lambda file: file.width * file.height))
    if doc.original is not None and doc.original.url:
        files.append(_file(ORIGINAL, doc.original))
    return files


def _file(rendition: str, file: wire.File) -> RemoteFile:
    return RemoteFile(
        rendition,
        file.url,
        file.w or 0,
        file.h or 0,
        file.bytes or None,
    )


def frob(answer: wire.AuthAnswer) -> str:
    """Read a frob.

    Raises:
        UnfitError: there is none.
    """
    if answer.auth is None or not answer.auth.frob:
        raise UnfitError("there is no frob in it")
    return answer.auth.frob


def granted(answer: wire.AuthAnswer, *, token: str | None, sent_at: Instant) -> Granted:
    """Read what a token permits.

    Args:
        answer: what came.
        token: the token that was asked about; None when one was asked for.
        sent_at: when it was asked.

    Raises:
        UnfitError: it names no member, no token, another token, or a permission nobody knows.
    """
    auth = answer.auth
    if auth is None or auth.user is None:
        raise UnfitError("it names no member")
    if token is not None and auth.token not in ("", token):
        raise UnfitError("it is about another token")
    named = token or auth.token
    if not named:
        raise UnfitError("there is no token in it")
    return Granted(
        account_id=auth.user.user_id,
        username=auth.user.username,
        realname=(auth.user.realname or "")[:LONGEST_LINE],
        token=named,
        permissions=_permissions(auth.permissions or auth.perms),
        sent_at=sent_at,
    )


def _permissions(found: wire.Permissions | None) -> dict[str, str]:
    """What is permitted, by area; areas that permit nothing are left out."""
    permitted = {}
    for area in PERMISSION_AREAS:
        level = None if found is None else getattr(found, area)
        if level in (None, "", "0", PERMISSION_LEVELS[0]):
            continue
        if level not in PERMISSION_LEVELS:
            raise UnfitError("it permits what nobody knows")
        permitted[area] = level
    return permitted


def profile(answer: wire.UserAnswer, *, account_id: int, sent_at: Instant) -> Profile:
    """Read a member's profile.

    Args:
        answer: what came.
        account_id: who was asked for.
        sent_at: when it was asked.

    Raises:
        UnfitError: it is somebody else, or nobody.
    """
    user = answer.user
    if user is None or user.user_id != account_id:
        raise UnfitError("it is not the member who was asked for")
    place = user.location or wire.Location()
    return Profile(
        account_id=account_id,
        username=user.username,
        realname=(user.realname or "")[:LONGEST_LINE],
        closed=bool(user.is_closed),
        documents=None if user.count is None else user.count.docs,
        sent_at=sent_at,
        alias=user.alias or "",
        town=place.town or "",
        country=place.country or "",
    )


def extras(renditions: Sequence[str]) -> tuple[str, str | None]:
    """What to ask a listing for, so that one request names, dates and locates everything wanted.

    A listing gives one thumbnail size: of several the first; `doc.get` gives the others.

    Returns:
        The value of `extra`, and the one thumbnail size to ask for or None.

    Raises:
        ValueError: no rendition at all is called so; a mistake of the caller.
    """
    unknown = set(renditions) - _LABELS - {MEDIA, ORIGINAL}
    if unknown:
        raise ValueError(f"no rendition is called {', '.join(sorted(unknown))}")
    asked = ["dates", "md5", "geo"]
    if ORIGINAL in renditions:
        asked.append("original")
    if MEDIA in renditions:
        asked.append("medias")
    return ",".join(asked), next((label for label in renditions if label in _LABELS), None)
