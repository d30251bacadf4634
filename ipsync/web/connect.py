"""`/connect`: what would be kept, for how long and for whom, before anybody is sent to ipernity (T12, T13, T14).

All of it is read from the settings in force, by the same words as the privacy page.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web

from ipsync.policy.accounts import GRANTED_STATES, Account, AccountState, Consent, excess_permissions
from ipsync.policy.licenses import LICENSES
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import View
from ipsync.web.authorization import lead_to_ipernity, member_of, name_of
from ipsync.web.failures import unavailable
from ipsync.web.forms import read_form
from ipsync.web.headers import Needs
from ipsync.web.pages import form_page, page_answer, see_other
from ipsync.web.parts import PARTS, WebJobs
from ipsync.web.privacy import DISTRIBUTION, duration_words, kept_words, lease_words, time_words

_AREAS: Mapping[str, tuple[str, str]] = {
    "doc": (
        "your photos, videos and other documents",
        "to find those you share at the privacy levels above, and to notice when you change or withdraw one",
    ),
    "blog": ("your articles", "to find those you share, and to notice when you change or withdraw one"),
    "post": ("your articles", "to find those you share, and to notice when you change or withdraw one"),
    "profile": ("your profile", "to show your names, town and country, and to notice when you change them"),
    "network": ("your contacts", "to know with whom you share"),
}
_LEVELS = {"read": "see", "write": "see and change", "delete": "see, change and delete"}


def routes() -> list[web.RouteDef]:
    """The pages for those who come in."""
    return [
        web.get("/connect", show_connect, name="connect"),
        web.post("/connect", begin, name="connect-begin"),
        web.get("/connect/done", show_done, name="connect-done"),
    ]


def jobs_of(request: web.Request) -> WebJobs:
    """Give what can be had done.

    Raises:
        WebFailure: 503, nothing can.
    """
    jobs = request.app[PARTS].jobs
    if jobs is None:
        raise unavailable()
    return jobs()


def leading_out(request: web.Request) -> Needs:
    """What a page needs whose form ends at ipernity: browsers hold redirections of a form to its policy too."""
    return Needs(forms=True, leads_to=(request.app[PARTS].site_url,))


async def show_connect(request: web.Request) -> web.StreamResponse:
    """`GET /connect`: everything a member should know before."""
    parts, jobs = request.app[PARTS], jobs_of(request)
    rules = parts.rules()
    member = member_of(request)
    known = None if member is None else await parts.catalog.read(lambda view: view.account(member.account_id))
    is_connected = known is not None and known.state in GRANTED_STATES
    return form_page(
        request,
        "connect.html",
        {
            "title": f"Connect · {parts.operator().application}",
            "name": name_of(known),
            "is_connected": is_connected,
            "is_full": not is_connected and await jobs.accounts.limit_reached() is not None,
            "kept": kept_words(rules),
            "licenses": [entry for number, entry in LICENSES.items() if number in rules.view.licenses],
            "times": time_words(rules.ttl),
            "lease": lease_words(rules.lease),
            "distribution": DISTRIBUTION,
            "permissions": [(_LEVELS[level], *_AREAS[area]) for area, level in sorted(rules.permissions.items())],
        },
        needs=leading_out(request),
    )


async def begin(request: web.Request) -> web.StreamResponse:
    """`POST /connect`: on to ipernity."""
    await read_form(request, "visitor")
    return lead_to_ipernity(request, jobs_of(request), "connect", "connect")


async def show_done(request: web.Request) -> web.StreamResponse:
    """`GET /connect/done`: what was granted, and what happens now."""
    parts, member = request.app[PARTS], member_of(request)
    if member is None:
        return see_other(request, "/connect")
    account, consent = await parts.catalog.read(partial(_standing, account_id=member.account_id))
    if account is None or consent is None or account.state not in GRANTED_STATES:
        return see_other(request, "/connect")
    rules = parts.rules()
    granted = {area: level for area, level in consent.permissions.items() if level in _LEVELS}
    return page_answer(
        request,
        "connected.html",
        {
            "title": f"Connected · {parts.operator().application}",
            "name": name_of(account) or str(account.account_id),
            "granted": permission_words(granted),
            "excess": permission_words(excess_permissions(granted, rules.permissions)),
            **standing_words(account, rules),
        },
    )


def _standing(view: View, account_id: int) -> tuple[Account | None, Consent | None]:
    holding = [consent for consent in view.consents(account_id) if consent.ended_at is None]
    return view.account(account_id), holding[-1] if holding else None


def permission_words(permissions: Mapping[str, str]) -> list[str]:
    """Say what permissions allow, each on its own; an area of which nothing is granted is left out."""
    return [
        f"{_LEVELS[level]} {_AREAS[area][0] if area in _AREAS else area}"
        for area, level in sorted(permissions.items())
        if level in _LEVELS
    ]


def standing_words(account: Account, rules: Rules) -> dict[str, Any]:
    """Say how an account stands, for its member: `standing` in a sentence, and whether it `waits`."""
    soon = duration_words(rules.lease.recheck_age)
    words = {
        AccountState.ACTIVE: f"What you share is looked at again and again, each part at least every {soon}.",
        AccountState.WAITING: f"Your account is {account.failure or 'not admitted yet'}. "
        "Nothing is copied until it fits; then it begins by itself.",
        AccountState.DOUBTED: "ipernity said a moment ago that your permission does not hold. Everything is hidden "
        "while it is asked once more.",
        AccountState.PAUSED: "The operator has paused it: nothing new is copied, and what is kept runs out in a day.",
    }
    return {"standing": words.get(account.state, ""), "waits": account.state is AccountState.WAITING}
