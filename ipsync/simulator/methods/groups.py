"""`group.*`: documents that members show to each other."""

from ipsync.simulator.caller import Caller
from ipsync.simulator.containers import Group
from ipsync.simulator.documents import PUBLIC
from ipsync.simulator.errors import NOT_FOUND, ApiError, not_found
from ipsync.simulator.members import Member
from ipsync.simulator.methods.albums import MOST_AT_ONCE
from ipsync.simulator.methods.finding import open_member, visible_group
from ipsync.simulator.methods.listings import chosen
from ipsync.simulator.methods.shapes import Element, flag, paging, with_list
from ipsync.simulator.params import Params
from ipsync.simulator.state import State


def _group(state: State, group: Group, member: Member | None) -> Element:
    inside = member is not None and member.user_id in group.member_ids
    element: Element = {
        "title": group.title,
        "lang": "en",
        "link": f"{state.base_url}/group/{group.group_id}",
        "icon": f"{state.base_url}/media/icon/{group.admin.user_id}.jpg",
        "visibility": {"ispublic": "1", "docs": "5", "topics": "0"},
        "dates": {"created_at": str(group.created_at), "last_doc_at": str(group.last_document_at or group.created_at)},
        "count": {"members": str(len(group.member_ids)), "docs": str(len(group.document_ids)), "topics": "0"},
    }
    if member is not None:
        element["you"] = {
            "isadmin": flag(member is group.admin),
            "ismoderator": flag(member is group.admin),
            "ismember": flag(inside),
            "docs": "0",
            "joined_at": str(group.created_at if inside else 0),
            "visited_at": "0",
        }
    return element


def get(state: State, caller: Caller, params: Params) -> Element:
    """Answer `group.get`."""
    group = visible_group(state, caller, params)
    member = caller.member
    inside = member is not None and member.user_id in group.member_ids
    accepts = {f"accept_{kind}": "1" for kind in ("photo", "audio", "video", "other")}
    return {
        "group": {
            "id": str(group.group_id),
            **_group(state, group, member),
            "description": group.description,
            "quota": {"moderated": "0", "max": "0", "period": "day", "left": "0"},
            "can": {"add_doc": flag(inside), "add_topic": "0", **accepts},
        }
    }


def get_list(state: State, caller: Caller, params: Params) -> Element:
    """Answer `group.getList`: the groups of a member; the name stands in `content` as well as in `title`."""
    groups = state.shelves.groups_of(open_member(state, caller, params))
    page, per_page = params.page(), params.per_page(100)
    entries = [
        {"group_id": str(one.group_id), **_group(state, one, caller.member), "content": one.title}
        for one in groups[(page - 1) * per_page : page * per_page]
    ]
    answer = {**paging(len(groups), page, per_page), "count": str(len(entries)), "thumbsize": "75x"}
    return {"groups": with_list(answer, "group", entries)}


def list_documents(state: State, caller: Caller, params: Params) -> Element:
    """Answer `group.docs.getList`, what was added last first."""
    group = visible_group(state, caller, params)
    owner = None
    if params.text("user_id"):
        owner = state.member_called(params.text("user_id"))
        if owner is None:
            raise not_found("member")
    newest_first = list(reversed(group.document_ids))
    docs = chosen(state, caller, params, newest_first, owner)
    return {"group": {"group_id": str(group.group_id), "docs": docs}}


def _member_of(group: Group, caller: Caller) -> Member:
    member = caller.signed_in()
    if member.user_id not in group.member_ids:
        raise ApiError(109)
    return member


def add_documents(state: State, caller: Caller, params: Params) -> Element:
    """Answer `group.docs.add`: a member's own public documents only."""
    group = visible_group(state, caller, params)
    member = _member_of(group, caller)
    entries = []
    for one in params.ids("doc_id", MOST_AT_ONCE):
        document = state.library.get(one)
        entry = {"doc_id": str(one), "added": "0", "pending": "0"}
        if document is None or document.owner is not member:
            entry["error"] = str(NOT_FOUND)
        elif document.share != PUBLIC:
            entry["error"] = "2"
        elif one not in group.document_ids:
            group.document_ids.append(one)
            group.last_document_at = state.now_seconds()
            entry["added"] = "1"
        entries.append(entry)
    added = sum(entry["added"] == "1" for entry in entries)
    return {
        "group": {
            "group_id": str(group.group_id),
            "total": str(len(group.document_ids)),
            "added": str(added),
            "skipped": str(len(entries) - added),
            "pending": "0",
            "doc": entries,
        }
    }


def remove_documents(state: State, caller: Caller, params: Params) -> Element:
    """Answer `group.docs.remove`; the live API calls the list `docs` here, so it does here too."""
    group = visible_group(state, caller, params)
    member = _member_of(group, caller)
    entries = []
    for one in params.ids("doc_id", MOST_AT_ONCE):
        document = state.library.get(one)
        held = one in group.document_ids and document is not None
        if document is not None and held and member in (document.owner, group.admin):
            group.document_ids.remove(one)
        else:
            held = False
        entries.append({"doc_id": str(one), "removed": flag(held)})
    removed = sum(entry["removed"] == "1" for entry in entries)
    return {
        "group": {
            "group_id": str(group.group_id),
            "total": str(len(group.document_ids)),
            "removed": str(removed),
            "skipped": str(len(entries) - removed),
            "docs": entries,
        }
    }


CALLS = {
    "group.get": get,
    "group.getList": get_list,
    "group.docs.getList": list_documents,
    "group.docs.add": add_documents,
    "group.docs.remove": remove_documents,
}
