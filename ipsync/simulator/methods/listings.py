"""Lists of documents: `doc.getList`, `doc.search`, and the listing that albums and groups share with them.

A page is cut from the listing as it stands at the moment of the call, so that pages shift while they are read.
"""

from array import array
from collections.abc import Callable, Iterable
from heapq import merge

from ipsync.simulator.caller import Caller
from ipsync.simulator.documents import LICENSE_IDS, PUBLIC, SAFETY_LEVELS, SHARES, Document
from ipsync.simulator.errors import bad_parameter, not_found
from ipsync.simulator.members import Member
from ipsync.simulator.methods.finding import may_see, open_member, visible_group
from ipsync.simulator.methods.shapes import Element, listed, paging, thumb_label, viewer_of, with_list
from ipsync.simulator.params import Params
from ipsync.simulator.state import State
from ipsync.simulator.streams import ALL_KINDS, KINDS, newest

Ids = "array[int] | list[int]"
Test = Callable[[Document], bool]

_SORTS = ("posted-desc", "posted-asc", "created-desc", "created-asc")


def shown_shares(owner: Member, viewer: Member | None, params: Params) -> int:
    """Return the privacy levels, as bits, that a listing of the owner's documents shows.

    `share` picks one of the levels for the owner; anybody else who names one gets the public documents if that is
    the one they named, and none otherwise.
    """
    shown = owner.shares_shown_to(viewer)
    if "share" in params and params.text("share"):
        share = params.choice("share", SHARES)
        shown &= 1 << share
        if viewer is not owner:
            shown &= 1 << PUBLIC
    return shown


def kinds_asked(params: Params) -> int:
    """Return the kinds of documents, as bits, that `media` lets through."""
    names = params.names("media")
    if not names or "all" in names:
        return ALL_KINDS
    try:
        return sum({1 << KINDS.index(name) for name in names})
    except ValueError:
        raise bad_parameter("media", "no such kind") from None


def safe_enough(params: Params) -> Test | None:
    """Return the test that `safesurf` (the highest safety level shown) asks for, or None."""
    if not params.text("safesurf"):
        return None
    most = params.choice("safesurf", (0, *SAFETY_LEVELS)) or max(SAFETY_LEVELS)
    return lambda document: document.safety <= most


def page_of(state: State, caller: Caller, params: Params, ids: list[int], total: int, per_page: int) -> Element:
    """Return the list element for the documents of one page, in this order."""
    viewer, extras, label = viewer_of(caller), frozenset(params.names("extra")), thumb_label(params)
    library = state.library
    entries = [listed(state, one, viewer, extras, label) for one in map(library.get, ids) if one is not None]
    return with_list(paging(total, params.page(), per_page), "doc", entries)


def _passing(state: State, ids: Iterable[int], tests: list[Test]) -> list[int]:
    return [one for one in ids if (shown := state.library.get(one)) and all(test(shown) for test in tests)]


def get_list(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.getList`."""
    owner = open_member(state, caller, params)
    view: array[int] | list[int] = state.library.stream(owner).view(
        shown_shares(owner, viewer_of(caller), params), kinds_asked(params)
    )
    if test := safe_enough(params):
        view = _passing(state, view, [test])
    per_page = params.per_page()
    return {"docs": page_of(state, caller, params, newest(view, params.page(), per_page), len(view), per_page)}


def _tests(state: State, caller: Caller, params: Params) -> list[Test]:
    """Return the tests that the parameters of `doc.search` ask for, but for owner, privacy and kind."""
    tests: list[Test] = []
    if test := safe_enough(params):
        tests.append(test)
    if text := params.text("text").lower():
        tests.append(lambda one: text in one.title.lower() or text in one.description.lower())
    if tags := {tag.lower() for tag in params.names("tags")}:
        tests.append(lambda one: tags <= {tag.text.lower() for tag in one.tags})
    if names := params.names("license"):
        wanted = {int(name) for name in names if name.isascii() and name.isdigit()}
        if not wanted <= LICENSE_IDS or len(wanted) != len(names):
            raise bad_parameter("license", "no such license")
        tests.append(lambda one: one.license in wanted)
    if params.text("posted_min"):
        earliest = params.integer("posted_min")
        tests.append(lambda one: one.posted_at >= earliest)
    if params.text("posted_max"):
        latest = params.integer("posted_max")
        tests.append(lambda one: one.posted_at <= latest)
    if params.text("album_id"):
        album = state.shelves.albums.get(params.integer("album_id"))
        if album is None:
            raise not_found("album")
        held = frozenset(album.document_ids)
        tests.append(lambda one: one.document_id in held)
    if params.text("group_id"):
        shown = frozenset(visible_group(state, caller, params).document_ids)
        tests.append(lambda one: one.document_id in shown)
    return tests


def search(state: State, caller: Caller, params: Params) -> Element:
    """Answer `doc.search`; without `user_id` it looks through everybody's documents."""
    viewer, kinds = viewer_of(caller), kinds_asked(params)
    if params.text("user_id"):
        owners = [open_member(state, caller, params)]
    else:
        blocked = caller.member.user_id if caller.member else 0
        owners = [one for one in state.members if not one.closed and blocked not in one.blocked]
    views = [state.library.stream(one).view(shown_shares(one, viewer, params), kinds) for one in owners]
    ids: array[int] | list[int] = views[0] if len(views) == 1 else list(merge(*views))
    if tests := _tests(state, caller, params):
        ids = _passing(state, ids, tests)
    sort = params.text("sort", _SORTS[0]) or _SORTS[0]
    if sort not in _SORTS:
        raise bad_parameter("sort", "no such order")
    if sort.startswith("created"):
        ids = sorted(ids, key=lambda one: shown.created if (shown := state.library.get(one)) else "")
    if sort.endswith("asc"):
        ids = list(reversed(ids))
    per_page = params.per_page()
    return {"docs": page_of(state, caller, params, newest(ids, params.page(), per_page), len(ids), per_page)}


def chosen(state: State, caller: Caller, params: Params, ids: list[int], owner: Member | None = None) -> Element:
    """Return the list element for what the caller may see of a hand-made list (an album, a group), in its order."""
    viewer, kinds = viewer_of(caller), kinds_asked(params)
    tests: list[Test] = [lambda one: may_see(one, viewer)]
    if kinds != ALL_KINDS:
        tests.append(lambda one: bool(kinds >> KINDS.index(one.kind) & 1))
    if test := safe_enough(params):
        tests.append(test)
    if params.text("share"):
        share = params.choice("share", SHARES)
        tests.append(lambda one: one.share == share and (share == PUBLIC or one.owner is viewer))
    if owner is not None:
        tests.append(lambda one: one.owner is owner)
    shown = _passing(state, ids, tests)
    per_page = params.per_page()
    first = (params.page() - 1) * per_page
    return page_of(state, caller, params, shown[first : first + per_page], len(shown), per_page)


CALLS = {"doc.getList": get_list, "doc.search": search}
