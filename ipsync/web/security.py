"""`/.well-known/security.txt` (RFC 9116): where somebody who found a hole writes to, discreetly (T23)."""

from aiohttp import web

from ipsync.policy.instants import DAY, rfc3339
from ipsync.web.parts import PARTS
from ipsync.web.place import PLACE
from ipsync.web.privacy import contact_link

_GOOD_FOR = 180 * DAY
_KEPT_SECONDS = 86_400


async def security_txt(request: web.Request) -> web.StreamResponse:
    """`GET /.well-known/security.txt`."""
    parts = request.app[PARTS]
    contact = parts.operator().contact
    root = request.app[PLACE].public_url
    # The format wants an address; a contact that is none stands on the privacy page.
    reach = contact_link(contact) or (f"{root}/privacy" if root else "")
    expires = parts.clock.now() // DAY * DAY + _GOOD_FOR
    lines = ["# Flaws in the privacy of members are handled discreetly: please write here first."]
    lines += [f"Contact: {_plain(reach)}"] if reach else [f"# Contact: {_plain(contact)}"]
    lines += [f"Expires: {rfc3339(expires)[:10]}T00:00:00Z", "Preferred-Languages: en"]
    lines += [f"Canonical: {root}/.well-known/security.txt", f"Policy: {root}/privacy"] if root else []
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": f"public, max-age={_KEPT_SECONDS}"}
    return web.Response(body="".join(f"{line}\n" for line in lines).encode(), headers=headers)


def _plain(text: str) -> str:
    """One line, whatever the operator wrote."""
    return " ".join(text.split())


def routes() -> list[web.RouteDef]:
    """What this face answers."""
    return [web.get("/.well-known/security.txt", security_txt, name="static-security")]
