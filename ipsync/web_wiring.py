"""What the web server is given: the works of the assembly, as the pages, the API and the operator's desk see them.

Decides nothing, like `assembly`.
"""

from collections.abc import Awaitable, Callable, Sequence

from ipsync.assembly import Works, site_of
from ipsync.base import Base
from ipsync.ports.store import ContentKey
from ipsync.settings import Settings
from ipsync.settings.web_section import ACCEL_HEADERS, ACCEL_PREFIX, X_ACCEL
from ipsync.web import Accel, Operator, WebJobs, WebParts


def operator_of(settings: Settings) -> Operator:
    """Who operates the application, with the words of the privacy policy as they are now.

    Raises:
        OSError: the policy cannot be read.
        UnicodeDecodeError: it is no text.
    """
    operator = settings.operator
    return Operator(
        application=operator.application,
        purpose=operator.purpose,
        contact=operator.contact,
        privacy_policy=operator.privacy_policy.read_text(encoding="utf-8"),
        awaiting_validation=settings.is_testing,
    )


def web_parts(
    base: Base,
    works: Callable[[], Works],
    operator: Callable[[], Operator],
    settings: Settings,
    readiness: Callable[[], Awaitable[Sequence[str]]],
    on_damage: Callable[[ContentKey], None],
    nudge: Callable[[str], None],
) -> WebParts:
    """What the web server is given.

    Args:
        base: database, files, clock, metrics.
        works: gives the works in force, since a reload replaces them.
        operator: gives who operates it, likewise.
        settings: the admin token, and where members' pages are.
        readiness: what keeps the daemon from being ready.
        on_damage: told of stored files that are not what was stored.
        nudge: has a job of this name run soon.
    """
    return WebParts(
        catalog=base.catalog,
        store=base.store,
        clock=base.clock,
        rules=lambda: works().rules,
        operator=operator,
        metrics=base.metrics,
        readiness=readiness,
        on_damage=on_damage,
        admin_token=settings.secrets.admin_token.reveal(),
        stamp=base.stamp,
        site_url=site_of(settings.api.authorize_url),
        public_url=settings.web.public_url,
        front_servers=settings.web.front_servers,
        accel=accel_of(settings),
        on_demand=lambda key: works().on_demand.fetch(key),
        jobs=lambda: _web_jobs(works(), nudge),
        desk=lambda: works().desk(nudge),
    )


def _web_jobs(works: Works, nudge: Callable[[str], None]) -> WebJobs:
    return WebJobs(
        accounts=works.accounts,
        admission=works.admission,
        requests=works.requests,
        petitions=works.petitions,
        nudge=nudge,
    )


def accel_of(settings: Settings) -> Accel | None:
    """By which header and path a front server is told to send a file; None where we send it ourselves."""
    header = ACCEL_HEADERS[settings.web.accel]
    if not header:
        return None
    usual = ACCEL_PREFIX if settings.web.accel == X_ACCEL else f"{settings.store.path}/"
    return Accel(header, settings.web.accel_prefix or usual)
