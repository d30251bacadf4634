"""Finding the thing a call names, or refusing as if it did not exist."""

from ipsync.simulator.caller import Caller
from ipsync.simulator.containers import Album, Folder, Group
from ipsync.simulator.documents import Document
from ipsync.simulator.errors import ApiError, not_found
from ipsync.simulator.members import Member
from ipsync.simulator.params import Params
from ipsync.simulator.state import State


def may_see(document: Document, viewer: Member | None) -> bool:
    """Tell whether a viewer (None: an anonymous visitor) may see a document."""
    owner = document.owner
    return not owner.closed and bool(owner.shares_shown_to(viewer) >> document.share & 1)


def refuse_if_blocked(owner: Member, caller: Caller) -> None:
    """Raise error 109 if the owner has blocked the caller."""
    if caller.member is not None and caller.member.user_id in owner.blocked:
        raise ApiError(109)


def visible_document(state: State, caller: Caller, document_id: int) -> Document:
    """Return a document that the caller may see.

    Raises:
        ApiError: 1 if there is none or it is hidden from the caller; 109 if its owner has blocked them.
    """
    document = state.library.get(document_id)
    if document is None or not may_see(document, caller.viewer("doc")):
        raise not_found("document")
    refuse_if_blocked(document.owner, caller)
    return document


def own_document(state: State, caller: Caller, document_id: int) -> Document:
    """Return one of the caller's documents, or raise error 1."""
    document = state.library.get(document_id)
    if document is None or document.owner is not caller.signed_in():
        raise not_found("document")
    return document


def named_member(state: State, caller: Caller, params: Params) -> Member:
    """Return the member that `user_id` names, by id or name; the caller if it was left out.

    Raises:
        ApiError: 1 if there is no such member; 109 if they have blocked the caller.
    """
    name = params.text("user_id")
    if not name and caller.member is not None:
        return caller.member
    member = state.member_called(params.required("user_id"))
    if member is None:
        raise not_found("member")
    refuse_if_blocked(member, caller)
    return member


def open_member(state: State, caller: Caller, params: Params) -> Member:
    """Return the member that `user_id` names, refusing with error 1 if the account is closed."""
    member = named_member(state, caller, params)
    if member.closed:
        raise not_found("member")
    return member


def visible_album(state: State, params: Params) -> Album:
    """Return the album that `album_id` names, or raise error 1."""
    album = state.shelves.albums.get(params.integer("album_id"))
    if album is None or album.owner.closed:
        raise not_found("album")
    return album


def own_album(state: State, caller: Caller, album_id: int) -> Album:
    """Return one of the caller's albums, or raise error 1."""
    album = state.shelves.albums.get(album_id)
    if album is None or album.owner is not caller.signed_in():
        raise not_found("album")
    return album


def visible_folder(state: State, params: Params) -> Folder:
    """Return the folder that `folder_id` names, or raise error 1."""
    folder = state.shelves.folders.get(params.integer("folder_id"))
    if folder is None or folder.owner.closed:
        raise not_found("folder")
    return folder


def own_folder(state: State, caller: Caller, folder_id: int) -> Folder:
    """Return one of the caller's folders, or raise error 1."""
    folder = state.shelves.folders.get(folder_id)
    if folder is None or folder.owner is not caller.signed_in():
        raise not_found("folder")
    return folder


def visible_group(state: State, caller: Caller, params: Params) -> Group:
    """Return the group that `group_id` names.

    Raises:
        ApiError: 1 if there is none; 109 if the group has blocked the caller.
    """
    group = state.shelves.groups.get(params.integer("group_id"))
    if group is None:
        raise not_found("group")
    if caller.member is not None and caller.member.user_id in group.blocked:
        raise ApiError(109)
    return group
