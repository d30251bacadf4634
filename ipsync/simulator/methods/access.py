"""`auth.*`, `test.*`, `user.get` and `account.getQuota`."""

from ipsync.simulator.caller import Caller
from ipsync.simulator.errors import ApiError, bad_parameter
from ipsync.simulator.members import Token
from ipsync.simulator.methods.finding import named_member
from ipsync.simulator.methods.shapes import Element, flag, user
from ipsync.simulator.params import Params
from ipsync.simulator.state import State
from ipsync.simulator.table import REALMS

_PER_MEGABYTE = 1_000_000
_MEGABYTES = {"photo": 50, "audio": 100, "video": 500, "other": 100}


def get_frob(state: State, caller: Caller, params: Params) -> Element:
    """Answer `auth.getFrob`."""
    return {"auth": {"frob": state.new_frob().value}}


def _token(token: Token) -> Element:
    permissions = {realm: token.permissions.get(realm, "none") for realm in REALMS}
    return {"auth": {"token": token.value, "permissions": permissions, "user": user(token.member)}}


def get_token(state: State, caller: Caller, params: Params) -> Element:
    """Answer `auth.getToken`: error 1 without a frob, 2 for one that is unknown, too old, used or not approved."""
    frob = params.text("frob")
    if not frob:
        raise ApiError(1, "The frob is missing")
    token = state.redeem(frob)
    if token is None:
        raise ApiError(2, "The frob is invalid, was not approved yet or was used before")
    if token.member.closed:
        raise ApiError(108)
    return _token(token)


def check_token(state: State, caller: Caller, params: Params) -> Element:
    """Answer `auth.checkToken`."""
    caller.signed_in()
    return _token(caller.token) if caller.token else {}


def echo(state: State, caller: Caller, params: Params) -> Element:
    """Answer `test.echo`."""
    if "echo" not in params:
        raise bad_parameter("echo")
    return {"echo": params.text("echo")}


def hello(state: State, caller: Caller, params: Params) -> Element:
    """Answer `test.hello`."""
    return {"hello": "hello world!"}


def get_user(state: State, caller: Caller, params: Params) -> Element:
    """Answer `user.get`; a closed account still answers, and says so."""
    member = named_member(state, caller, params)
    viewer = caller.viewer("doc")
    shown = 0 if member.closed else len(state.library.stream(member).view(member.shares_shown_to(viewer)))
    posts = [post for post in state.shelves.posts_of(member) if post.posted_at and post.share == 4]
    network = member.friends | member.family
    element = {
        **user(member),
        "is_pro": flag(member.is_pro),
        "is_online": "0",
        "is_closed": flag(member.closed),
        "alias": member.alias,
        "icon": f"{state.base_url}/media/icon/{member.user_id}.jpg",
        "link": f"{state.base_url}/home/{member.user_id}",
        "location": dict(member.location),
        "count": {
            "docs": str(shown),
            "posts": str(0 if member.closed else len(posts)),
            "network": str(len(network)),
        },
    }
    mine = caller.viewer("network")
    if mine is not None and mine is not member:
        element["relation"] = {
            "isfamily": flag(member.user_id in mine.family),
            "isfriend": flag(member.user_id in mine.friends),
            "iscontact": flag(member.user_id in mine.friends | mine.family),
            "revfamily": flag(mine.user_id in member.family),
            "revfriend": flag(mine.user_id in member.friends),
            "revcontact": flag(mine.user_id in network),
        }
    return {"user": element}


def _amount(size: int, percent: int) -> Element:
    return {
        "bytes": str(size),
        "kb": str(size // 1_000),
        "mb": str(size // _PER_MEGABYTE),
        "percent": str(percent),
        "seconds": "0",
    }


def get_quota(state: State, caller: Caller, params: Params) -> Element:
    """Answer `account.getQuota`: everybody's upload is unlimited."""
    member = caller.signed_in()
    used = sum(upload.size for upload in state.uploads.values() if upload.owner is member and upload.document_id)
    largest = {
        kind: {"bytes": str(size * _PER_MEGABYTE), "kb": str(size * 1_000), "mb": str(size)}
        for kind, size in _MEGABYTES.items()
    }
    albums = len(state.shelves.albums_of(member))
    return {
        "quota": {
            "user_id": str(member.user_id),
            "is_pro": flag(member.is_pro),
            "upload": {"unlimited": "1", "max": _amount(0, 0), "used": _amount(used, 0), "left": _amount(0, 100)},
            "maxfilesize": largest,
            "albums": {"max": "5000", "created": str(albums), "left": str(5000 - albums)},
        }
    }


CALLS = {
    "auth.getFrob": get_frob,
    "auth.getToken": get_token,
    "auth.checkToken": check_token,
    "test.echo": echo,
    "test.hello": hello,
    "user.get": get_user,
    "account.getQuota": get_quota,
}
