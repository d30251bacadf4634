"""Reading and changing single documents: `doc.get`, `doc.set*`, `doc.delete` and what goes with them."""

from datetime import datetime

from ipsync.simulator.caller import Caller
from ipsync.simulator.documents import LICENSE_IDS, PUBLIC, SAFETY_LEVELS, SHARES, THUMBS, Document
from ipsync.simulator.errors import bad_parameter
from ipsync.simulator.members import Member
from ipsync.simulator.methods import shapes
from ipsync.simulator.methods.finding import own_document, visible_document
from ipsync.simulator.methods.marks import note_element, tag_details
from ipsync.simulator.methods.shapes import Element, flag
from ipsync.simulator.params import Params
from ipsync.simulator.state import State

SHARE_OF_PUBLIC = "5"
"""`doc.get` writes a public document's level differently from everything else."""


def _count(state: State, document: Document) -> Element:
    shelves = state.shelves
    albums = sum(document.document_id in album.document_ids for album in shelves.albums_of(document.owner))
    groups = sum(document.document_id in group.document_ids for group in shelves.groups.values())
    return {**shapes.count(document), "albums": str(albums), "groups": str(groups)}


def _can(document: Document, viewer: Member | None) -> Element:
    known = viewer is not None
    return {
        "fave": flag(known),
        "comment": flag(known and document.perm_comment),
        "tag": flag(known and document.perm_tag),
        "tagme": flag(known and document.perm_tagme),
        "zoom": "1",
        "download": flag(shapes.may_download(document, viewer)),
        "print": "0",
    }


def get(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.get`."""
    document = visible_document(state, caller, params.integer("doc_id"))
    viewer, extras = shapes.viewer_of(caller), params.names("extra")
    share = SHARE_OF_PUBLIC if document.share == PUBLIC else str(document.share)
    element: Element = {
        "doc_id": str(document.document_id),
        "media": document.kind,
        "license": str(document.license),
        "rotation": "0",
        "title": document.title,
        "safety": str(document.safety),
        "link": shapes.link(state, document),
        "owner": shapes.user(document.owner),
        "description": document.description,
        "dates": shapes.dates(document),
        "visibility": {**shapes.visibility(document.share), "share": share},
        "permissions": {
            "comment": str(document.perm_comment),
            "tag": str(document.perm_tag),
            "tagme": str(document.perm_tagme),
        },
        "count": _count(state, document),
        "can": _can(document, viewer),
        "you": {"isfave": "0", "visits": "0", "last_visit": "0"},
        "thumbs": shapes.thumbs(state, document, viewer),
    }
    if played := shapes.medias(state, document):
        element["medias"] = played
    if shapes.may_download(document, viewer):
        element["original"] = shapes.original(state, document)
    if "geo" in extras and (place := shapes.geo(document)):
        element["geo"] = place
    if "md5" in extras:
        element["md5"] = document.original.md5()
    if "tags" in extras:
        tags = [tag_details(tag) for tag in document.tags]
        element["tags"] = shapes.with_list({"total": str(len(tags))}, "tag", tags)
    if "notes" in extras:
        notes = [note_element(note) for note in document.notes]
        element["notes"] = shapes.with_list({"total": str(len(notes))}, "note", notes)
    return {"doc": element}


def get_medias(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.getMedias`."""
    document = visible_document(state, caller, params.integer("doc_id"))
    viewer = shapes.viewer_of(caller)
    answer: Element = {"thumbs": shapes.thumbs(state, document, viewer)}
    for thumb in answer["thumbs"]["thumb"]:
        thumb["secret"] = document.secret(THUMBS)
    if played := shapes.medias(state, document):
        answer["medias"] = played
    if shapes.may_download(document, viewer):
        answer["original"] = shapes.original(state, document)
    return answer


def get_perms(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.getPerms`."""
    document = visible_document(state, caller, params.integer("doc_id"))
    can = _can(document, shapes.viewer_of(caller))
    return {
        "visibility": shapes.visibility(document.share),
        "permissions": {
            "permcomment": str(document.perm_comment),
            "permtag": str(document.perm_tag),
            "permtagme": str(document.perm_tagme),
        },
        "usage": {f"can{name}": value for name, value in can.items()},
    }


def get_containers(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.getContainers`; here lists without entries stay, as clients of the live API rely on."""
    document = visible_document(state, caller, params.integer("doc_id"))
    one = document.document_id
    held = [album for album in state.shelves.albums_of(document.owner) if one in album.document_ids]
    shown = [group for group in state.shelves.groups.values() if one in group.document_ids]
    cover = shapes.thumb(state, document, "75x")["url"]
    albums = [
        {
            "album_id": str(album.album_id),
            "title": album.title,
            "docs": str(len(album.document_ids)),
            "cover": cover,
            "link": f"{state.base_url}/album/{album.album_id}",
        }
        for album in held
    ]
    groups = [
        {
            "group_id": str(group.group_id),
            "title": group.title,
            "docs": str(len(group.document_ids)),
            "pending": "0",
            "invited": "0",
            "cover": cover,
            "link": f"{state.base_url}/group/{group.group_id}",
        }
        for group in shown
    ]
    return {
        "albums": {"total": str(len(albums)), "album": albums},
        "groups": {
            "total": str(len(groups)),
            "added": str(len(groups)),
            "pending": "0",
            "invited": "0",
            "group": groups,
        },
    }


def check_md5(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.checkMD5`: what was found; an empty list if nothing was."""
    owner = caller.signed_in()
    digests = [name.lower() for name in params.names("md5")]
    if not 1 <= len(digests) <= 20:
        raise bad_parameter("md5", "1 to 20 digests are allowed")
    found = [
        {"md5": digest, "doc_id": str(document.document_id), "found": "1"}
        for digest in digests
        if (document := state.library.with_md5(owner, digest))
    ]
    return {"docs": {"count": str(len(digests)), "found": str(len(found)), "doc": found}}


def set_texts(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.set`."""
    document = own_document(state, caller, params.integer("doc_id"))
    document = state.library.edit(document, state.now_seconds())
    document.title = params.text("title", document.title)
    document.description = params.text("description", document.description)
    return {
        "doc": {
            "doc_id": str(document.document_id),
            "title": document.title,
            "share": str(document.share),
            "description": document.description,
        }
    }


def share_asked(params: Params, default: int) -> int:
    """Return the privacy level that `share`, or else the three flags, ask for; flags not sent are off."""
    if params.text("share"):
        return params.choice("share", SHARES)
    if not any(params.text(name) for name in ("is_public", "is_family", "is_friend")):
        return default
    if params.flag("is_public"):
        return PUBLIC
    return params.flag("is_family") + 2 * params.flag("is_friend")


def set_perms(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.setPerms`; a change of privacy changes the addresses of the document's files."""
    document = own_document(state, caller, params.integer("doc_id"))
    share = share_asked(params, document.share)
    perms = {
        name: params.choice(name, range(6)) for name in ("perm_comment", "perm_tag", "perm_tagme") if params.text(name)
    }
    if share != document.share:
        state.library.set_share(document, share, state.now_seconds())
    document = state.library.edit(document, state.now_seconds())
    for name, value in perms.items():
        setattr(document, name, value)
    return {}


def set_license(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.setLicense`."""
    document = own_document(state, caller, params.integer("doc_id"))
    license_id = params.choice("license", LICENSE_IDS)
    state.library.edit(document, state.now_seconds()).license = license_id
    return {}


def set_safety(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.setSafety`."""
    document = own_document(state, caller, params.integer("doc_id"))
    safety = params.choice("safety", SAFETY_LEVELS)
    state.library.edit(document, state.now_seconds()).safety = safety
    return {}


def place_asked(params: Params) -> tuple[float, float] | None:
    """Return the latitude and longitude that were sent, or None if they were left out or are empty."""
    if not params.text("lat") and not params.text("lng"):
        return None
    return params.number("lat", -90, 90), params.number("lng", -180, 180)


def set_geo(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.setGeo`; without coordinates the place is forgotten."""
    document = own_document(state, caller, params.integer("doc_id"))
    latitude, longitude = place_asked(params) or (None, None)
    document = state.library.edit(document, state.now_seconds())
    document.latitude, document.longitude = latitude, longitude
    return {}


def delete(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.delete`."""
    document = own_document(state, caller, params.integer("doc_id"))
    state.shelves.forget_document(document.document_id, document.owner)
    state.library.delete(document)
    return {}


def created_asked(params: Params) -> str:
    """Return `created_at` as `YYYY-MM-DD HH:MM:SS`, or nothing if it was not sent."""
    text = params.text("created_at")
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise bad_parameter("created_at", "not YYYY-MM-DD HH:MM:SS") from None


CALLS = {
    "doc.get": get,
    "doc.getMedias": get_medias,
    "doc.getPerms": get_perms,
    "doc.getContainers": get_containers,
    "doc.checkMD5": check_md5,
    "doc.set": set_texts,
    "doc.setPerms": set_perms,
    "doc.setLicense": set_license,
    "doc.setSafety": set_safety,
    "doc.setGeo": set_geo,
    "doc.delete": delete,
}
