"""What the web server is given: ports, policy, facts and the jobs it may have done; no handler knows anything else."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from ipsync.jobs.accounts import Accounts
from ipsync.jobs.admission import Admission
from ipsync.jobs.petitions import Petitions
from ipsync.jobs.requests import Requests
from ipsync.policy.instants import Duration
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import Catalog
from ipsync.ports.clock import Clock
from ipsync.ports.store import ContentKey, ContentStore
from ipsync.telemetry import Metrics
from ipsync.web.desk import Desk


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


@dataclass(frozen=True, slots=True)
class WebJobs:
    """What members and owners can have done through pages.

    Attributes:
        accounts: lets members in and go.
        admission: decides whom the budget can look after.
        requests: takes in what owners ask.
        petitions: takes in what anybody asks without proof.
        nudge: has a job of this name run soon.
    """

    accounts: Accounts
    admission: Admission
    requests: Requests
    petitions: Petitions
    nudge: Callable[[str], None]


def no_stamp() -> int | None:
    """Say that nobody knows whether something was committed."""
    return None


@dataclass(frozen=True, slots=True)
class Accel:
    """How a server in front is told to send a file.

    Attributes:
        header: the name, X-Accel-Redirect or X-Sendfile.
        prefix: what stands before `account/document/rendition`, with a slash at its end.
    """

    header: str
    prefix: str


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
        public_url: under which members reach us, without a slash at the end; "" while only this machine does.
        front_servers: addresses and networks of servers in front, beside those on this machine.
        cookie_key: signs the cookies of sessions; random, so that all of them end with the process, those that were
            signed out and kept by somebody too.
        jobs: gives what can be had done, in force now; None where pages only show.
        accel: by whom files are sent, if not by us.
        on_demand: has a file fetched, and gives after how long to ask again; 0 to look at once. Asked only where
            the rules say that files are fetched on demand.
        desk: gives what the operator can see and have done; None where there is no status page.
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
    public_url: str = ""
    front_servers: tuple[str, ...] = ()
    cookie_key: bytes = field(repr=False, default_factory=lambda: secrets.token_bytes(32))
    jobs: Callable[[], WebJobs] | None = None
    accel: Accel | None = None
    on_demand: Callable[[ContentKey], Awaitable[Duration]] | None = None
    desk: Callable[[], Desk] | None = None


PARTS = web.AppKey("PARTS", WebParts)
