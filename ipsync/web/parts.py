"""What the web server is given: ports, policy and facts, as values; no handler knows anything else."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog
from ipsync.ports.clock import Clock
from ipsync.ports.store import ContentKey, ContentStore
from ipsync.telemetry import Metrics


@dataclass(frozen=True, slots=True)
class Operator:
    """Who runs the application, as pages tell it (T02, T16, T17).

    Attributes:
        privacy_policy: the operator's own text, in the subset of Markdown of `policy_text`.
        awaiting_validation: the API key is for tests only: nothing is served beyond loopback (T04).
    """

    application: str
    purpose: str
    contact: str
    privacy_policy: str
    awaiting_validation: bool = False


def no_stamp() -> int | None:
    """Say that nobody knows whether something was committed."""
    return None


@dataclass(frozen=True, slots=True)
class WebParts:
    """Everything the handlers work with.

    Attributes:
        rules: gives the policy in force; asked on every answer, so that a reload is felt at once.
        operator: gives the facts on the operator, likewise.
        readiness: gives our own words for what keeps the daemon from being ready; nothing when it is.
        on_damage: told of a stored file that is not what was stored; it is not served.
        stamp: changes with every commit to the catalog; without one, every request reads it.
        admin_token: opens `/v1` and `/media`; "" opens nothing.
        site_url: where members' pages are, without a slash at the end.
    """

    catalog: Catalog
    store: ContentStore
    clock: Clock
    rules: Callable[[], Rules]
    operator: Callable[[], Operator]
    metrics: Metrics
    readiness: Callable[[], Awaitable[Sequence[str]]]
    on_damage: Callable[[ContentKey], None]
    admin_token: str = field(repr=False)
    stamp: Callable[[], int | None] = no_stamp
    site_url: str = "https://www.ipernity.com"


PARTS = web.AppKey("PARTS", WebParts)
