"""The elements that answers are made of: what a document, an album or a member looks like on the wire.

Every value is a string; a list without entries leaves its member out. Whether the caller may see the thing at all
has been decided before anything here is called.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from ipsync.simulator.caller import Caller
from ipsync.simulator.documents import (
    LONGEST_SIDES,
    OPEN_TO_ALL,
    ORIGINAL,
    SQUARES,
    THUMBS,
    Document,
    thumb_sizes,
)
from ipsync.simulator.errors import bad_parameter
from ipsync.simulator.members import Member
from ipsync.simulator.params import Params
from ipsync.simulator.state import State

Element = dict[str, Any]

DEFAULT_THUMB = "75x"


def flag(value: object) -> str:
    """Return `1` or `0`."""
    return "1" if value else "0"


def media_url(state: State, document: Document, label: str, extension: str) -> str:
    """Return the address of one of a document's files; it holds until the document's privacy changes."""
    secret = document.secret(ORIGINAL if label == "original" else THUMBS)
    one = document.document_id
    return f"{state.base_url}/media/{one % 1000:03d}/{one}.{secret}.{label}.{extension}"


def link(state: State, document: Document) -> str:
    """Return the address of a document's page."""
    return f"{state.base_url}/doc/{document.owner.user_id}/{document.document_id}"


def thumb_label(params: Params) -> str:
    """Return the thumb size that a call asks for."""
    label = params.text("thumbsize", DEFAULT_THUMB) or DEFAULT_THUMB
    if label not in LONGEST_SIDES and label not in SQUARES:
        raise bad_parameter("thumbsize", "no such size")
    return label


@lru_cache(maxsize=4096)
def _fitting(shape: tuple[int, int], label: str) -> tuple[str, str, str]:
    """Return label, width and height of the size asked for, or of the largest below it that the picture has."""
    sizes = thumb_sizes(*shape)
    if label not in sizes:
        wanted = LONGEST_SIDES.get(label, 75)
        smaller = [one for one in sizes if LONGEST_SIDES.get(one, wanted + 1) <= wanted]
        label = smaller[-1] if smaller else "75x"
    width, height = sizes[label]
    return label, str(width), str(height)


def thumb(state: State, document: Document, label: str) -> Element:
    """Return a document's thumb of this size, or of the next smaller one there is."""
    label, width, height = _fitting(document.shape, label)
    return {"label": label, "ext": "jpg", "w": width, "h": height, "url": media_url(state, document, label, "jpg")}


def thumbs(state: State, document: Document, viewer: Member | None) -> Element:
    """Return all thumbs that this viewer is shown."""
    most = 2048 if viewer is document.owner else max(OPEN_TO_ALL, document.owner.largest_thumb)
    sizes = thumb_sizes(*document.shape)
    return {"thumb": [thumb(state, document, label) for label in sizes if LONGEST_SIDES.get(label, 0) <= most]}


def medias(state: State, document: Document) -> Element | None:
    """Return what can be played of a document, or None if it is nothing to play."""
    if document.kind not in ("video", "audio"):
        return None
    original = document.original
    element = {
        "label": original.extension,
        "ext": original.extension,
        "w": str(original.width),
        "h": str(original.height),
        "lenght": str(original.seconds),
        "url": media_url(state, document, original.extension, original.extension),
    }
    return {"media": [element]}


def may_download(document: Document, viewer: Member | None) -> bool:
    """Tell whether the viewer may have the original."""
    return viewer is document.owner or document.owner.download


def original(state: State, document: Document) -> Element:
    """Return the file a document was made from."""
    file = document.original
    element = {
        "ext": file.extension,
        "w": str(file.width),
        "h": str(file.height),
        "filename": document.filename,
        "bytes": str(file.size),
        "url": media_url(state, document, "original", file.extension),
    }
    if file.seconds:
        element["length"] = str(file.seconds)
    return element


def dates(document: Document) -> Element:
    """Return when a document was made, posted and changed."""
    element = {
        "posted_at": str(document.posted_at),
        "created": document.created,
        "modified_at": str(document.modified_at),
    }
    if document.replaced_at:
        element["replaced_at"] = str(document.replaced_at)
    if document.comment_at:
        element["comment_at"] = str(document.comment_at)
    return element


def count(document: Document) -> Element:
    """Return how often a document was looked at, liked and so on."""
    return {
        "visits": str(document.visits),
        "faves": str(document.faves),
        "comments": str(document.comments),
        "notes": str(len(document.notes)),
        "tags": str(len(document.tags)),
    }


def geo(document: Document) -> Element | None:
    """Return where a document was made, or None if nobody said."""
    if document.latitude is None or document.longitude is None:
        return None
    return {"lat": f"{document.latitude:.6f}", "lng": f"{document.longitude:.6f}"}


def listed(state: State, document: Document, viewer: Member | None, extras: Collection[str], label: str) -> Element:
    """Return a document as lists show it.

    Args:
        state: the world.
        document: what to show.
        viewer: who looks; None: an anonymous visitor.
        extras: names from the parameter `extra`; unknown ones are ignored.
        label: the thumb size asked for.
    """
    element: Element = {
        "doc_id": str(document.document_id),
        "media": document.kind,
        "license": str(document.license),
        "title": document.title,
        "safety": str(document.safety),
        "thumb": thumb(state, document, label),
    }
    if not extras:
        return element
    if "owner" in extras:
        element["owner"] = {"user_id": str(document.owner.user_id), "username": document.owner.username}
    if "dates" in extras:
        element["dates"] = dates(document)
    if "count" in extras:
        element["count"] = count(document)
    if "geo" in extras and (place := geo(document)):
        element["geo"] = place
    if "medias" in extras and (played := medias(state, document)):
        element["medias"] = played
    if "original" in extras and may_download(document, viewer):
        element["original"] = original(state, document)
    if "md5" in extras:
        element["md5"] = document.original.md5()
    if "link" in extras:
        element["link"] = link(state, document)
    return element


def visibility(share: int) -> Element:
    """Return who sees a thing, as flags."""
    return {"ispublic": flag(share == 4), "isfriend": flag(share in (2, 3)), "isfamily": flag(share in (1, 3))}


def user(member: Member) -> Element:
    """Return a member in the short form that answers about tokens carry."""
    return {"user_id": str(member.user_id), "username": member.username, "realname": member.realname}


def paging(total: int, page: int, per_page: int) -> Element:
    """Return how many things there are and which page of them this is."""
    return {
        "total": str(total),
        "per_page": str(per_page),
        "page": str(page),
        "pages": str(-(-total // per_page)),
    }


def with_list(element: Element, name: str, entries: list[Element]) -> Element:
    """Return the element with its list; without entries the member is left out."""
    if entries:
        element[name] = entries
    return element


def viewer_of(caller: Caller) -> Member | None:
    """Return the member through whose eyes documents are seen."""
    return caller.viewer("doc")
