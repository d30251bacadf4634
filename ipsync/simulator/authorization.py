"""The pages on which a member signs in and lets an application in.

They work on values (query, form, cookie) and return values; the server carries them. Nothing a stranger wrote
reaches a page unescaped, and nobody is sent anywhere but to the application's own callback.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode, urlsplit

from ipsync.simulator.documents import PUBLIC, Document
from ipsync.simulator.members import Frob, Member
from ipsync.simulator.methods.finding import may_see
from ipsync.simulator.methods.shapes import media_url, thumb
from ipsync.simulator.signature import is_signed
from ipsync.simulator.state import State
from ipsync.simulator.table import REALMS

AUTHORIZE = "/apps/authorize"
SIGN_IN = "/apps/signin"

_REALM_NAMES = {
    "doc": "photos, videos and other documents",
    "blog": "blog",
    "post": "articles",
    "network": "contacts",
    "profile": "profile",
}
_LEVEL_NAMES = {"none": "nothing of", "read": "see", "write": "see and change", "delete": "see, change and delete"}


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page, or with `location` a redirection; `cookie` is set in the browser."""

    body: str = ""
    status: int = 200
    location: str | None = None
    cookie: str | None = None


class LinkError(Exception):
    """An authorization link that can't be used; the text is for the member."""


@dataclass(frozen=True, slots=True)
class Link:
    """A checked authorization link.

    Args:
        permissions: realm to level asked for.
        frob: of the desktop flow; None: the web flow.
        signature: as it stood in the link.
    """

    permissions: dict[str, str]
    frob: Frob | None
    signature: str


def _page(title: str, content: str, status: int = 200) -> Page:
    body = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>body{font-family:sans-serif;max-width:40em;margin:3em auto;padding:0 1em;line-height:1.5}"
        "button{font-size:1em;padding:.4em 1em;margin:.2em}</style></head>"
        f"<body><p><small>A simulator. No real account is touched here.</small></p>"
        f"<h1>{escape(title)}</h1>{content}</body></html>\n"
    )
    return Page(body, status)


def _failure(text: str, status: int = 400) -> Page:
    return _page("This does not work", f'<div class="error"><p>{escape(text)}</p></div>', status)


def read_link(state: State, query: Mapping[str, str]) -> Link:
    """Check an authorization link.

    Args:
        state: the world.
        query: the decoded parameters of the link.

    Raises:
        LinkError: with what is wrong, for the member to read.
    """
    application = state.application
    if query.get("api_key") != application.api_key:
        raise LinkError("The link names no known application (api_key).")
    if not is_signed(query, application.secret):
        raise LinkError("The signature of the link is wrong (api_sig). Ask the application for a new link.")
    permissions: dict[str, str] = {}
    for name, level in query.items():
        if not name.startswith("perm_"):
            continue
        realm = name.removeprefix("perm_")
        if level not in REALMS.get(realm, ()):
            raise LinkError(f"The link asks for a permission that does not exist ({name}).")
        permissions[realm] = level
    if not any(level != "none" for level in permissions.values()):
        raise LinkError("The link asks for no permission.")
    frob = None
    if "frob" in query:
        frob = state.waiting_frob(query["frob"])
        if frob is None:
            raise LinkError("The frob of the link is unknown, too old or used. Ask the application for a new link.")
    elif application.callback is None:
        raise LinkError("The link has no frob, and the application has no callback address for the web flow.")
    return Link(permissions, frob, query.get("api_sig", ""))


def _crumb(state: State, member: Member, link: Link) -> str:
    return state.page_secret("authorize", member.cookie, link.signature)


def _hidden(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )


def show_authorize(state: State, query: Mapping[str, str], cookie: str, address: str) -> Page:
    """Answer a member who opens an authorization link.

    Args:
        state: the world.
        query: decoded parameters of the link.
        cookie: value of the cookie `member`; empty if there is none.
        address: path and query of this page, where its form is posted to.
    """
    try:
        link = read_link(state, query)
    except LinkError as problem:
        return _failure(str(problem))
    member = state.member_with_cookie(cookie)
    if member is None:
        return _choose(state, address)
    if member.closed:
        return _failure("This account is closed.", 403)
    wanted = "".join(
        f"<li>{_LEVEL_NAMES[level]} your {_REALM_NAMES[realm]}</li>" for realm, level in link.permissions.items()
    )
    fields = {
        "app[api_key]": state.application.api_key,
        "app[api_sig]": link.signature,
        "app[crumb]": _crumb(state, member, link),
    }
    if link.frob:
        fields["app[frob]"] = link.frob.value
    return _page(
        f"Let {state.application.name} in?",
        f"<p>You are signed in as <b>{escape(member.realname)}</b> ({escape(member.username)}). "
        f"{escape(state.application.name)} wants to</p><ul>{wanted}</ul>"
        f'<form name="fa" method="post" action="{escape(address)}">{_hidden(fields)}'
        '<button type="submit">Allow</button><button type="submit" name="deny" value="1">Refuse</button></form>'
        f'<p><a href="{SIGN_IN}?{escape(urlencode({"next": address}))}">Somebody else?</a></p>',
    )


def _choose(state: State, address: str) -> Page:
    buttons = "".join(
        f'<li><button type="submit" name="cookie" value="{escape(member.cookie)}">{escape(member.realname)}</button>'
        f" ({escape(member.username)}, {member.user_id})</li>"
        for member in state.members[:50]
        if not member.closed
    )
    return _page(
        "Who are you?",
        "<p>This is the place of ipernity's own sign-in page. Choose the member you want to be; "
        "a cookie named <code>member</code> will remember it, as your browser's cookie does at ipernity. "
        "No password is asked for.</p>"
        f'<form name="signin" method="post" action="{SIGN_IN}">{_hidden({"next": address})}<ul>{buttons}</ul></form>',
    )


def show_sign_in(state: State, query: Mapping[str, str]) -> Page:
    """Answer with the members to choose from."""
    return _choose(state, query.get("next", "/"))


def post_sign_in(state: State, form: Mapping[str, str]) -> Page:
    """Sign a member in and lead back to the link they came from, never to another site."""
    member = state.member_with_cookie(form.get("cookie", ""))
    if member is None:
        return _failure("There is no such member.")
    target = urlsplit(form.get("next", ""))
    if target.scheme or target.netloc or target.path != AUTHORIZE:
        return Page(status=302, location="/", cookie=member.cookie)
    return Page(status=302, location=f"{AUTHORIZE}?{target.query}", cookie=member.cookie)


def post_authorize(state: State, query: Mapping[str, str], form: Mapping[str, str], cookie: str) -> Page:
    """Answer a member who sent the form of an authorization page: grants, unless they refused.

    The desktop flow ends on a page that says so, the web flow at the application's callback, with a frob.
    """
    try:
        link = read_link(state, query)
    except LinkError as problem:
        return _failure(str(problem))
    member = state.member_with_cookie(cookie)
    if member is None or member.closed:
        return _failure("Nobody is signed in.", 403)
    if form.get("app[crumb]") != _crumb(state, member, link):
        return _failure("This form is not from your own page. Open the link again.", 403)
    callback = state.application.callback
    if form.get("deny"):
        return _page("Refused", '<div class="refused"><p>The application was not let in.</p></div>')
    frob = link.frob or state.new_frob()
    state.approve(frob, member, link.permissions)
    if link.frob is None and callback is not None:
        joint = "&" if urlsplit(callback).query else "?"
        return Page(status=302, location=f"{callback}{joint}{urlencode({'frob': frob.value})}")
    return _page(
        "Done",
        '<div class="ok"><p>The application has been let in. You can close this page and go back to it.</p></div>',
    )


def show_document(state: State, user_id: int, document_id: int) -> Page:
    """Answer with the public page of a document: 404 unless a stranger may see it."""
    document = state.library.get(document_id)
    if document is None or document.owner.user_id != user_id or not may_see(document, None):
        return _page("Not found", "<p>There is no such document, or it is not public.</p>", 404)
    return _page(document.title, _document(state, document))


def _document(state: State, document: Document) -> str:
    picture = thumb(state, document, "500")
    played = document.original.extension
    player = ""
    if document.kind in ("video", "audio"):
        player = f'<p><a href="{escape(media_url(state, document, played, played))}">Play</a></p>'
    return (
        f'<p><img src="{escape(picture["url"])}" width="{picture["w"]}" height="{picture["h"]}" alt=""></p>{player}'
        f"<p>{escape(document.description)}</p>"
        f"<p>By {escape(document.owner.realname)}. License {document.license}.</p>"
    )


def show_home(state: State) -> Page:
    """Answer with what can be seen here: the members and their newest public documents."""
    rows = []
    for member in state.members[:50]:
        if member.closed:
            continue
        newest = state.library.stream(member).view(1 << PUBLIC)[-5:]
        links = " ".join(f'<a href="/doc/{member.user_id}/{one}">{one}</a>' for one in reversed(newest))
        rows.append(f"<li>{escape(member.realname)} ({member.user_id}): {links}</li>")
    return _page("Members", f"<ul>{''.join(rows)}</ul>")
