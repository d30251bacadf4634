"""`folder.*`: ordered choices of a member's albums."""

from ipsync.simulator.caller import Caller
from ipsync.simulator.containers import Album, Folder
from ipsync.simulator.documents import Document
from ipsync.simulator.members import Member
from ipsync.simulator.methods.albums import MOST_AT_ONCE, cover, per_level, shown_documents
from ipsync.simulator.methods.finding import open_member, own_album, own_folder, visible_folder
from ipsync.simulator.methods.shapes import Element, flag, paging, thumb, thumb_label, viewer_of, with_list
from ipsync.simulator.params import Params
from ipsync.simulator.state import State


def _albums(state: State, folder: Folder) -> list[Album]:
    found = (state.shelves.albums.get(one) for one in folder.album_ids)
    return [album for album in found if album is not None]


def _shown(state: State, folder: Folder, viewer: Member | None) -> list[Album]:
    """Return the albums of a folder in which the viewer sees anything; the owner sees the empty ones too."""
    albums = _albums(state, folder)
    return [one for one in albums if viewer is folder.owner or shown_documents(state, one, viewer)]


def _folder(state: State, folder: Folder, viewer: Member | None, label: str = "240") -> Element:
    albums = _shown(state, folder, viewer)
    documents: list[Document] = [one for album in albums for one in shown_documents(state, album, viewer)]
    levels = per_level(documents)
    element: Element = {
        "folder_id": str(folder.folder_id),
        "link": f"{state.base_url}/folder/{folder.owner.user_id}/{folder.folder_id}",
        "title": folder.title,
        "description": folder.description,
        "dates": {"created_at": str(folder.created_at), "last_update_at": str(folder.updated_at)},
        "count": {"albums": str(len(albums)), **levels},
        "visibility": levels,
        "owner": {"user_id": str(folder.owner.user_id), "alias": folder.owner.alias},
    }
    for album in albums:
        if picture := cover(state, album, viewer, label):
            element["cover"] = {"label": label, **picture}
            break
    return element


def create(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.create`."""
    now_seconds = state.now_seconds()
    folder = Folder(
        folder_id=state.shelves.next_id(),
        owner=caller.signed_in(),
        title=params.required("title"),
        description=params.text("description"),
        created_at=now_seconds,
        updated_at=now_seconds,
    )
    state.shelves.folders[folder.folder_id] = folder
    return {"folder": _folder(state, folder, viewer_of(caller))}


def edit(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.edit`."""
    folder = own_folder(state, caller, params.integer("folder_id"))
    folder.title = params.text("title", folder.title) or folder.title
    folder.description = params.text("description", folder.description)
    folder.updated_at = state.now_seconds()
    return {"folder": _folder(state, folder, viewer_of(caller))}


def get(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.get`."""
    return {"folder": _folder(state, visible_folder(state, params), viewer_of(caller), thumb_label(params))}


def get_list(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.getList`."""
    owner, viewer, label = open_member(state, caller, params), viewer_of(caller), thumb_label(params)
    everything = owner is viewer or params.flag("empty")
    folders = [one for one in state.shelves.folders_of(owner) if everything or _shown(state, one, viewer)]
    page, per_page = params.page(), params.per_page(100)
    entries = [_folder(state, one, viewer, label) for one in folders[(page - 1) * per_page : page * per_page]]
    answer = {
        **paging(len(folders), page, per_page),
        "count": str(len(entries)),
        "thumbsize": label,
        "can": {"create": flag(owner is viewer)},
    }
    return {"folders": with_list(answer, "folder", entries)}


def delete(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.delete`."""
    del state.shelves.folders[own_folder(state, caller, params.integer("folder_id")).folder_id]
    return {}


def order_list(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.orderList`: the folders named come first, in this order."""
    named = [own_folder(state, caller, one) for one in params.ids("folder_ids")]
    folders = state.shelves.folders
    rest = [folder for folder in folders.values() if folder not in named]
    folders.clear()
    folders.update({folder.folder_id: folder for folder in (*named, *rest)})
    return {}


def _result(folder: Folder, entries: list[Element], done: str) -> Element:
    count = sum(entry[done] == "1" for entry in entries)
    return {
        "folder": {
            "folder_id": str(folder.folder_id),
            "total": str(len(folder.album_ids)),
            done: str(count),
            "skipped": str(len(entries) - count),
            "album": entries,
        }
    }


def add_albums(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.albums.add`."""
    folder = own_folder(state, caller, params.integer("folder_id"))
    albums = [own_album(state, caller, one) for one in params.ids("album_id", MOST_AT_ONCE)]
    entries = []
    for album in albums:
        new = album.album_id not in folder.album_ids
        if new:
            folder.album_ids.append(album.album_id)
        entries.append({"album_id": str(album.album_id), "added": flag(new)})
    folder.updated_at = state.now_seconds()
    return _result(folder, entries, "added")


def remove_albums(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.albums.remove`."""
    folder = own_folder(state, caller, params.integer("folder_id"))
    entries = []
    for one in params.ids("album_id", MOST_AT_ONCE):
        held = one in folder.album_ids
        if held:
            folder.album_ids.remove(one)
        entries.append({"album_id": str(one), "removed": flag(held)})
    folder.updated_at = state.now_seconds()
    return _result(folder, entries, "removed")


def _entry(state: State, album: Album, viewer: Member | None, label: str) -> Element:
    element: Element = {"album_id": str(album.album_id), "title": album.title}
    document = state.library.get(album.cover_id) if album.cover_id is not None else None
    if document is not None and cover(state, album, viewer):
        element["thumb"] = thumb(state, document, label)
    return element


def list_albums(state: State, caller: Caller, params: Params) -> Element:
    """Answer `folder.albums.getList`, in the order of the folder."""
    folder, viewer, label = visible_folder(state, params), viewer_of(caller), thumb_label(params)
    albums = _shown(state, folder, viewer)
    page, per_page = params.page(), params.per_page()
    entries = [_entry(state, one, viewer, label) for one in albums[(page - 1) * per_page : page * per_page]]
    answer = with_list(paging(len(albums), page, per_page), "album", entries)
    return {"folder": {"folder_id": str(folder.folder_id), "albums": answer}}


CALLS = {
    "folder.create": create,
    "folder.edit": edit,
    "folder.get": get,
    "folder.getList": get_list,
    "folder.delete": delete,
    "folder.orderList": order_list,
    "folder.albums.add": add_albums,
    "folder.albums.remove": remove_albums,
    "folder.albums.getList": list_albums,
}
