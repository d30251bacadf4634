"""What the operator's page costs at 100,000 documents: bytes, and how long a browser waits for them.

A catalog is filled directly, with leases of all ages. A real server with all jobs behind it is asked over a socket:
first when nothing is prepared, then again and again, each time after what was read before has become too old.
"""

import asyncio
import io
import re
import statistics
import time
from pathlib import Path

import aiohttp

from benchmarks.figures import Figure, Goal
from benchmarks.world import Mirror, Site, folder, run_as_daemon
from ipsync.assembly import Works
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import Document, DocumentState, Facts, Media, Safety, Visibility
from ipsync.policy.instants import HOUR, MILLISECOND
from ipsync.ports.catalog import Transaction
from ipsync.telemetry import configure_logging
from ipsync.web import WebServer
from ipsync.web_wiring import operator_of, web_parts

QUICK_ENOUGH = Goal(most=100.0, absolute=True)
SMALL_ENOUGH = Goal(most=50_000.0, absolute=True)
_NOWHERE = {"api_url": "http://127.0.0.1:9/api/", "api_key": "key", "secret": "secret", "members": []}
_STALE_SECONDS = 2.1
_OLDEST = 19 * HOUR


def run(documents: int = 100_000, accounts: int = 50, looks: int = 7) -> list[Figure]:
    """Measure the page.

    Args:
        documents: how many there are in all.
        accounts: whose they are.
        looks: how often it is asked for after the first time.
    """
    with folder() as place:
        first, later, size, counting = run_as_daemon(_measure(place, documents, accounts, looks))
    name = f"status page at {documents:,} documents"
    return [
        Figure(f"{name}, first look", first, "ms", 100.0, "goal", QUICK_ENOUGH),
        Figure(f"{name}, median of {looks}", later, "ms", 100.0, "goal", QUICK_ENOUGH),
        Figure(f"{name}, its size", float(size), "bytes", 50_000.0, "goal", SMALL_ENOUGH),
        Figure("its histogram, counted behind it", counting, "ms", later, "one look at the page"),
    ]


async def _measure(place: Path, documents: int, accounts: int, looks: int) -> tuple[float, float, int, float]:
    undo_logging = configure_logging("info", "json", (), io.StringIO())
    mirror = Mirror(place, Site(_NOWHERE))
    try:
        async with mirror.opened() as works:
            await _fill(works, documents, accounts)
            # As in a daemon, that looks every minute whether a person is needed.
            await works.incidents.run()
            operator = operator_of(works.settings)

            async def readiness() -> list[str]:
                return []

            parts = web_parts(
                works.base,
                lambda: works,
                lambda: operator,
                works.settings,
                readiness,
                lambda _key: None,
                lambda _job: None,
            )
            server = WebServer(parts)
            address = await server.start("127.0.0.1", 0)
            try:
                found = await _look(address, works.settings.secrets.admin_token.reveal(), looks)
            finally:
                await server.stop(1)
            began, now = time.perf_counter(), works.base.clock.now()
            await works.base.catalog.read(lambda view: view.lease_ages(now, HOUR // 2))
            return *found, (time.perf_counter() - began) * 1000
    finally:
        undo_logging()


async def _fill(works: Works, documents: int, accounts: int) -> None:
    now, each = works.base.clock.now(), documents // accounts
    facts = Facts(Media.PHOTO, 1, Safety.EVERYONE, Visibility.PUBLIC, "A measured evening", posted_at=now - HOUR)

    def add(tx: Transaction, account_id: int) -> None:
        tx.put_account(
            Account(account_id, f"member{account_id}", f"Member {account_id}", AccountState.ACTIVE, 1, now, now, now)
        )
        tx.add_documents(
            [
                Document(
                    account_id * 1_000_000 + place,
                    account_id,
                    facts,
                    DocumentState.LIVE,
                    now - place * _OLDEST // each,
                    now - 20 * HOUR,
                )
                for place in range(each)
            ]
        )

    for account_id in range(1, accounts + 1):
        await works.base.catalog.write(lambda tx: add(tx, account_id))  # noqa: B023  # reason: awaited at once


async def _look(address: str, token: str, looks: int) -> tuple[float, float, int]:
    """Sign in as a browser does, and look. Returns milliseconds of the first look, of a later one, and bytes."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(f"{address}/status/sign-in") as answer:
            crumb = re.search(r'name="crumb" value="([^"]+)"', await answer.text())
        if crumb is None:
            raise RuntimeError("the page for signing in has no form")
        form = {"crumb": crumb[1], "token": token}
        async with browser.post(f"{address}/status/sign-in", data=form, allow_redirects=False) as answer:
            if answer.status != 303:
                raise RuntimeError(f"signing in was answered with {answer.status}")
        # A person needs longer than this to paste a token.
        await asyncio.sleep(1)
        times, size = [], 0
        for _ in range(looks + 1):
            began = time.perf_counter_ns()
            async with browser.get(f"{address}/status") as answer:
                page = await answer.text()
            times.append((time.perf_counter_ns() - began) / 1000 / MILLISECOND)
            size = max(size, len(page.encode()))
            if "Leases by age" not in page:
                raise RuntimeError("this is not the status page")
            await asyncio.sleep(_STALE_SECONDS)
    return times[0], statistics.median(times[1:]), size
