"""The operator's pages: are we within the 24 hours, and how do we know? What to do about it, and doing it.

Behind the admin token, in a session of their own. They show what is counted already and scan nothing; they change only
what a form that was confirmed asks for, through the jobs that would do it anyway.
"""

from aiohttp import web

from ipsync.web.status import acting, deciding, live, page, removing, signing_in

__all__ = ["routes", "set_up"]


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [
        *signing_in.routes(),
        *page.routes(),
        *live.routes(),
        *acting.routes(),
        *removing.routes(),
        *deciding.routes(),
    ]


def set_up(app: web.Application) -> None:
    """Put what the pages share into the application, before it starts."""
    for part in (signing_in, page, live, acting):
        part.set_up(app)
