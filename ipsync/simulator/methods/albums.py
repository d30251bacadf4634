"""`album.*`: ordered choices of a member's documents."""

from ipsync.simulator.caller import Caller
from ipsync.simulator.containers import Album
from ipsync.simulator.documents import Document
from ipsync.simulator.errors import NOT_FOUND, bad_parameter, not_found
from ipsync.simulator.members import Member
from ipsync.simulator.methods.finding import may_see, open_member, own_album, own_document, visible_album
from ipsync.simulator.methods.listings import chosen
from ipsync.simulator.methods.shapes import Element, flag, thumb, thumb_label, viewer_of, with_list
from ipsync.simulator.params import Params
from ipsync.simulator.state import State

MOST_AT_ONCE = 20
_COVER_SIZE = "240"


def album_link(state: State, album: Album) -> str:
    """Return the address of an album's page."""
    return f"{state.base_url}/album/{album.owner.user_id}/{album.album_id}"


def shown_documents(state: State, album: Album, viewer: Member | None) -> list[Document]:
    """Return the documents of an album that the viewer may see, in its order."""
    found = (state.library.get(one) for one in album.document_ids)
    return [one for one in found if one is not None and may_see(one, viewer)]


def cover(state: State, album: Album, viewer: Member | None, label: str = _COVER_SIZE) -> Element | None:
    """Return the picture on an album, if the viewer may see it."""
    document = state.library.get(album.cover_id) if album.cover_id is not None else None
    if document is None or not may_see(document, viewer):
        return None
    picture = thumb(state, document, label)
    return {"doc_id": str(document.document_id), "w": picture["w"], "h": picture["h"], "url": picture["url"]}


def per_level(documents: list[Document]) -> Element:
    """Return how many documents of each privacy level there are, as albums count them."""
    shares = [document.share for document in documents]
    return {
        "family": str(shares.count(1)),
        "friend": str(shares.count(2)),
        "ff": str(shares.count(3)),
        "public": str(shares.count(4)),
    }


def _dates(album: Album) -> Element:
    return {"created_at": str(album.created_at), "last_update_at": str(album.updated_at)}


def _album(state: State, album: Album, viewer: Member | None, label: str = _COVER_SIZE) -> Element:
    """Return an album with everything known of it."""
    documents = shown_documents(state, album, viewer)
    levels = per_level(documents)
    element: Element = {
        "album_id": str(album.album_id),
        "link": album_link(state, album),
        "title": album.title,
        "thumbsize": label,
        "description": album.description,
        "owner": {"user_id": str(album.owner.user_id), "username": album.owner.username},
        "dates": _dates(album),
        "count": {"docs": str(len(documents)), "visits": "0", "faves": "0", "comments": "0", **levels},
        "visibility": levels,
        "can": {"fave": "0", "comment": flag(viewer is not None), "add_doc": flag(viewer is album.owner)},
        "permissions": {"comment": str(album.perm_comment)},
    }
    if picture := cover(state, album, viewer, label):
        element["cover"] = picture
    return element


def _own_cover(state: State, caller: Caller, params: Params) -> int | None:
    if not params.text("cover_id"):
        return None
    return own_document(state, caller, params.integer("cover_id")).document_id


def create(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.create`; a cover that is named becomes the first document."""
    now_seconds = state.now_seconds()
    cover_id = _own_cover(state, caller, params)
    album = Album(
        album_id=state.shelves.next_id(),
        owner=caller.signed_in(),
        title=params.required("title"),
        description=params.text("description"),
        created_at=now_seconds,
        updated_at=now_seconds,
        document_ids=[] if cover_id is None else [cover_id],
        cover_id=cover_id,
        perm_comment=params.choice("perm_comment", range(6), 5),
    )
    state.shelves.albums[album.album_id] = album
    return {"album": _album(state, album, viewer_of(caller))}


def edit(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.edit`."""
    album = own_album(state, caller, params.integer("album_id"))
    cover_id = _own_cover(state, caller, params)
    album.title = params.text("title", album.title) or album.title
    album.description = params.text("description", album.description)
    album.cover_id = album.cover_id if cover_id is None else cover_id
    album.updated_at = state.now_seconds()
    return {"album": _album(state, album, viewer_of(caller))}


def get(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.get`."""
    album = visible_album(state, params)
    return {"album": _album(state, album, viewer_of(caller), thumb_label(params))}


def get_list(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.getList`; albums in which the caller sees nothing are left out unless `empty` or their own."""
    owner, viewer, label = open_member(state, caller, params), viewer_of(caller), thumb_label(params)
    everything = owner is viewer or params.flag("empty")
    albums = [one for one in state.shelves.albums_of(owner) if everything or shown_documents(state, one, viewer)]
    page, per_page = params.page(), params.per_page(100)
    entries = [_album(state, one, viewer, label) for one in albums[(page - 1) * per_page : page * per_page]]
    answer = {
        "total": str(len(albums)),
        "per_page": str(per_page),
        "page": str(page),
        "pages": str(-(-len(albums) // per_page)),
        "count": str(len(entries)),
        "thumbsize": label,
        "can": {"create": flag(owner is viewer)},
    }
    return {"albums": with_list(answer, "album", entries)}


def delete(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.delete`."""
    state.shelves.forget_album(own_album(state, caller, params.integer("album_id")))
    return {}


def set_perms(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.setPerms`."""
    album = own_album(state, caller, params.integer("album_id"))
    album.perm_comment = params.choice("perm_comment", range(6))
    return {}


def order_list(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.orderList`: the albums named come first, in this order."""
    named = [own_album(state, caller, one) for one in params.ids("album_ids")]
    albums = state.shelves.albums
    rest = [album for album in albums.values() if album not in named]
    albums.clear()
    albums.update({album.album_id: album for album in (*named, *rest)})
    return {}


def _own(state: State, caller: Caller, document_id: int) -> bool:
    document = state.library.get(document_id)
    return document is not None and document.owner is caller.signed_in()


def _put(state: State, caller: Caller, album: Album, wanted: list[int]) -> list[Element]:
    """Put documents at the end of an album; return what became of each."""
    entries = []
    for one in wanted:
        entry = {"doc_id": str(one), "added": "0"}
        if not _own(state, caller, one):
            entry["error"] = str(NOT_FOUND)
        elif one not in album.document_ids:
            album.document_ids.append(one)
            entry["added"] = "1"
        entries.append(entry)
    if album.cover_id is None and album.document_ids:
        album.cover_id = album.document_ids[0]
    album.updated_at = state.now_seconds()
    return entries


def _counts(entries: list[Element], done: str) -> Element:
    count = sum(entry[done] == "1" for entry in entries)
    return {done: str(count), "skipped": str(len(entries) - count)}


def add_documents(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.docs.add`."""
    album = own_album(state, caller, params.integer("album_id"))
    entries = _put(state, caller, album, params.ids("doc_id", MOST_AT_ONCE))
    total = {"album_id": str(album.album_id), "total": str(len(album.document_ids))}
    return {"album": {**total, **_counts(entries, "added"), "doc": entries}}


def remove_documents(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.docs.remove`."""
    album = own_album(state, caller, params.integer("album_id"))
    entries = []
    for one in params.ids("doc_id", MOST_AT_ONCE):
        held = one in album.document_ids
        if held:
            album.document_ids.remove(one)
        entries.append({"doc_id": str(one), "removed": flag(held)})
    if album.cover_id not in album.document_ids:
        album.cover_id = album.document_ids[0] if album.document_ids else None
    album.updated_at = state.now_seconds()
    total = {"album_id": str(album.album_id), "total": str(len(album.document_ids))}
    return {"album": {**total, **_counts(entries, "removed"), "doc": entries}}


def set_documents(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.docs.setList`: other documents and another cover."""
    album = own_album(state, caller, params.integer("album_id"))
    wanted, cover_id = params.ids("doc_ids"), params.integer("cover_id")
    if cover_id not in wanted:
        raise bad_parameter("cover_id", "not among doc_ids")
    if not _own(state, caller, cover_id):
        raise not_found("document")
    album.document_ids = []
    entries = _put(state, caller, album, wanted)
    album.cover_id = cover_id
    total = {"album_id": str(album.album_id), "cover_id": str(cover_id), "total": str(len(album.document_ids))}
    return {"album": {**total, **_counts(entries, "added"), "doc": entries}}


def list_documents(state: State, caller: Caller, params: Params) -> Element:
    """Answer `album.docs.getList`, in the order of the album."""
    album = visible_album(state, params)
    element: Element = {
        "album_id": str(album.album_id),
        "docs": chosen(state, caller, params, album.document_ids),
    }
    if picture := cover(state, album, viewer_of(caller)):
        element["cover"] = picture
    return {"album": element}


CALLS = {
    "album.create": create,
    "album.edit": edit,
    "album.get": get,
    "album.getList": get_list,
    "album.delete": delete,
    "album.setPerms": set_perms,
    "album.orderList": order_list,
    "album.docs.add": add_documents,
    "album.docs.remove": remove_documents,
    "album.docs.setList": set_documents,
    "album.docs.getList": list_documents,
}
