"""Documents verified per CPU second, end to end and for decoding and writing alone.

End to end is the job itself: request budget, real client, real socket, strict reading, comparison with
what is held, one durable transaction a page. The simulator runs in another process, so only our
own CPU time is counted, all threads of it. The bound is what no sweep of this design can leave out: it
reads the bytes of the same pages into values, as strictly (F10, F11), and writes for each page the renewed leases
and how far the sweep has come, in one durable transaction (F2). No socket, no budget, no comparison. Goal: end to
end at least half of that. For information the barest form too: bytes into shapes unchecked, leases renewed,
nothing else.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks import sweep_requests
from benchmarks.figures import Figure, Goal
from benchmarks.world import Mirror, Site, folder, run_as_daemon, site
from ipsync.assembly import Works
from ipsync.ipernity import answers, wire
from ipsync.ipernity.client import understood
from ipsync.ipernity.signing import signed
from ipsync.ipernity.transport import Transport
from ipsync.policy.documents import Document, RenditionState, Visibility
from ipsync.policy.instants import DAY, Instant
from ipsync.policy.listings import DOCUMENTS_PER_PAGE, Listing, PageRecord, pages_of
from ipsync.ports.catalog import Transaction, View
from ipsync.ports.source import ListingPage
from ipsync.ports.store import ContentKey

RENDITIONS = ("240", "original")
GOAL = Goal(least=0.5)

_METHOD = "doc.getList"


@dataclass(frozen=True, slots=True)
class _Page:
    """One page of a listing as it came over the wire."""

    account_id: int
    page: int
    body: bytes

    def read(self, answer: wire.ListAnswer, sent_at: Instant) -> ListingPage:
        return answers.listing_page(
            answer,
            account_id=self.account_id,
            visibility=Visibility.PUBLIC,
            page=self.page,
            thumbnail=RENDITIONS[0],
            sent_at=sent_at,
        )


def run(members: int = 5, documents: int = 20_000, rounds: int = 2) -> list[Figure]:
    """Measure a first sync, and sweeps in which nothing changed beside decoding and writing alone.

    Args:
        members: how many accounts.
        documents: how many public documents each of them has.
        rounds: how often the two are measured, in turn; the medians count.
    """
    with site(members, documents) as simulated, folder() as place:
        return run_as_daemon(_measure(simulated, Mirror(place, simulated, RENDITIONS), rounds))


async def _measure(simulated: Site, mirror: Mirror, rounds: int) -> list[Figure]:
    async with mirror.opened() as works:
        await mirror.authorize(works, simulated.members)
        calls = simulated.calls()
        first = await _rate(lambda: _sweep(works))
        after_first = simulated.calls()
        await _call_files_stored(works)
        pages = await _bodies(simulated, works)
        after_bodies = simulated.calls()
        sweeps, bounds, barest = [], [], []
        for _ in range(rounds):
            sweeps.append(await _rate(lambda: _sweep(works)))
            bounds.append(await _rate(lambda: _decode_and_write(works, pages)))
            barest.append(await _rate(lambda: _renew(works, pages)))
        again = (simulated.calls() - after_bodies).total() // rounds
    count = f"{sum(len(found) for found in simulated.public().values()):,} documents"
    unit, peer = "documents per CPU s", "decode and write alone"
    bound = statistics.median(bounds)
    return [
        sweep_requests.figure("first sync", simulated, (after_first - calls).total()),
        sweep_requests.figure("sweep without changes", simulated, again),
        Figure(f"verified, sweep without changes of {count}", statistics.median(sweeps), unit, bound, peer, GOAL),
        Figure("the same", statistics.median(sweeps), unit, statistics.median(barest), "the barest form of it"),
        Figure(f"taken in, first sync of {count}", first, unit, bound, peer),
    ]


async def _rate(work: Callable[[], Awaitable[int]]) -> float:
    began = time.process_time()
    documents = await work()
    return documents / (time.process_time() - began)


async def _sweep(works: Works) -> int:
    report = await works.sync.run(force=True)
    if report.stopped or report.failures:
        raise RuntimeError(f"the sweep did not end well: {report}")
    return report.named


async def _call_files_stored(works: Works) -> None:
    """As a mirror at rest has it. Fetching is measured elsewhere, and no sweep looks at the bytes."""
    catalog = works.base.catalog
    cursor = 0
    while documents := await catalog.read(partial(_documents_after, cursor=cursor)):
        cursor = documents[-1].document_id
        keys = [ContentKey(one.account_id, one.document_id, name) for one in documents for name in RENDITIONS]

        def store(tx: Transaction, keys: list[ContentKey] = keys) -> None:
            tx.set_rendition_state(keys, RenditionState.STORED)

        await catalog.write(store)


def _documents_after(view: View, cursor: int) -> list[Document]:
    return view.documents_after(cursor, 5_000)


async def _bodies(simulated: Site, works: Works) -> list[_Page]:
    """The pages of all listings, as they come over the wire."""

    def tokens(view: View) -> dict[int, str]:
        grants = [view.grant(account.account_id) for account in view.accounts()]
        return {grant.account_id: grant.token for grant in grants if grant is not None}

    extra, thumbnail = answers.extras(RENDITIONS)
    key, secret = simulated.ready["api_key"], simulated.ready["secret"]
    shared = simulated.public()
    transport = Transport(simulated.ready["api_url"], "measuring", 30)
    pages = []
    for account_id, token in (await works.base.catalog.read(tokens)).items():
        fixed = {"user_id": str(account_id), "share": "4", "per_page": str(DOCUMENTS_PER_PAGE), "extra": extra}
        fixed |= {"thumbsize": thumbnail or "", "api_key": key, "auth_token": token}
        for page in range(1, pages_of(len(shared[account_id])) + 1):
            params = signed(fixed | {"page": str(page)}, secret, _METHOD)
            pages.append(_Page(account_id, page, await transport.post(_METHOD, params)))
    await transport.close()
    return pages


async def _decode_and_write(works: Works, pages: list[_Page]) -> int:
    """Bytes into values, and for each page what must be durable before the next."""
    documents = 0
    for page in pages:
        sent_at = works.base.clock.now()
        answer = understood(_METHOD, page.body, sent_at, wire.LIST, page.read)
        documents += len(answer.documents)
        await works.base.catalog.write(partial(_write, answer=answer))
    return documents


def _write(tx: Transaction, answer: ListingPage) -> None:
    account_id, visibility, sent_at = answer.account_id, answer.visibility, answer.sent_at
    tx.renew([document.document_id for document in answer.documents], sent_at)
    named = len(answer.documents)
    tx.record_page(PageRecord(account_id, visibility, answer.page, sent_at, answer.total, named))
    following = 1 if answer.page >= answer.pages else answer.page + 1
    started = None if following == 1 else sent_at
    # Due again in a year: no sweep but those that are asked for comes between.
    listing = Listing(
        account_id, visibility, answer.total, answer.pages, sent_at + 365 * DAY, started, following, sent_at
    )
    tx.put_listing(listing)


async def _renew(works: Works, pages: list[_Page]) -> int:
    """Bytes into shapes, and the leases renewed."""
    documents = 0
    for page in pages:
        answer: Any = wire.LIST.read(page.body)
        ids = [document.doc_id for document in wire.many(answer.docs.doc)]
        documents += len(ids)
        await works.base.catalog.write(partial(_set_verified, ids=ids, sent_at=works.base.clock.now()))
    return documents


def _set_verified(tx: Transaction, ids: list[int], sent_at: Instant) -> None:
    tx.renew(ids, sent_at)
