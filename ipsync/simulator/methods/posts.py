"""`post.getList` and `post.get`: articles. Their shapes are not documented; these follow those of documents."""

from ipsync.simulator.caller import Caller
from ipsync.simulator.containers import Post
from ipsync.simulator.documents import PUBLIC
from ipsync.simulator.errors import not_found
from ipsync.simulator.members import Member
from ipsync.simulator.methods.finding import open_member, refuse_if_blocked
from ipsync.simulator.methods.shapes import Element, paging, user, visibility, with_list
from ipsync.simulator.params import Params
from ipsync.simulator.state import State


def _viewer(caller: Caller) -> Member | None:
    return caller.viewer("blog") or caller.viewer("post")


def _may_see(post: Post, viewer: Member | None) -> bool:
    """Tell whether a viewer may see an article; drafts are for their author only."""
    if post.owner.closed or (not post.posted_at and post.owner is not viewer):
        return False
    return bool(post.owner.shares_shown_to(viewer) >> post.share & 1)


def _post(state: State, post: Post) -> Element:
    share = "5" if post.share == PUBLIC else str(post.share)
    return {
        "post_id": str(post.post_id),
        "title": post.title,
        "link": f"{state.base_url}/blog/{post.owner.user_id}/{post.post_id}",
        "dates": {"posted_at": str(post.posted_at), "modified_at": str(post.modified_at)},
        "visibility": {**visibility(post.share), "share": share},
        "count": {"visits": "0", "faves": "0", "comments": "0"},
    }


def get_list(state: State, caller: Caller, params: Params) -> Element:
    """Answer `post.getList`."""
    owner, viewer = open_member(state, caller, params), _viewer(caller)
    posts = [post for post in state.shelves.posts_of(owner) if _may_see(post, viewer)]
    page, per_page = params.page(), params.per_page()
    entries = [_post(state, post) for post in posts[(page - 1) * per_page : page * per_page]]
    return {"posts": with_list(paging(len(posts), page, per_page), "post", entries)}


def get(state: State, caller: Caller, params: Params) -> Element:
    """Answer `post.get`."""
    post = state.shelves.posts.get(params.integer("post_id"))
    if post is None or not _may_see(post, _viewer(caller)):
        raise not_found("post")
    refuse_if_blocked(post.owner, caller)
    return {"post": {**_post(state, post), "owner": user(post.owner), "content": post.text}}


CALLS = {"post.getList": get_list, "post.get": get}
