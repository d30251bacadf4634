"""An owner asks for a whole account: how soon nothing of it is readable, how long erasing takes beside plain unlink.

Readable is asked the way pages and files are: by the rule that every answer goes through, again and again
while the request is taken in. Erasing is the purge job as the daemon runs it, with all that it records. The plain
way unlinks as many files of the same size in the same tree, removes and syncs the directories, and remembers nothing.
"""

import asyncio
import io
import os
import time
from pathlib import Path

from benchmarks.figures import Figure, Goal
from benchmarks.world import Mirror, Site, folder, run_as_daemon
from ipsync.assembly import Works
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import (
    Document,
    DocumentState,
    Facts,
    Media,
    RemoteFile,
    Rendition,
    RenditionState,
    Safety,
    Visibility,
)
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.ports.catalog import Transaction
from ipsync.telemetry import configure_logging
from ipsync.web.showing import Showcase, may_show

UNREADABLE = Goal(most=1.0, absolute=True)
ACCOUNT = 7
RENDITION = "240"
FILE_BYTES = 1_000
_BATCH = 5_000
_NOWHERE = {"api_url": "http://127.0.0.1:9/api/", "api_key": "key", "secret": "secret", "members": []}


def run(documents: int = 100_000) -> list[Figure]:
    """Measure one request.

    Args:
        documents: how many the account has, of one small file each.
    """
    with folder() as place:
        hidden, owed, erased, plain = run_as_daemon(_measure(place, documents))
    count = f"{documents:,} documents"
    return [
        Figure(f"unreadable after a request for {count}", hidden, "s", 1.0, "what is promised", UNREADABLE),
        Figure("the command returns", owed, "s", hidden, "unreadable"),
        Figure(f"all of it erased: {count}", erased, "s", plain, "plain unlink and directory sync"),
    ]


async def _measure(place: Path, documents: int) -> tuple[float, float, float, float]:
    undo_logging = configure_logging("info", "json", (), io.StringIO())
    mirror = Mirror(place, Site(_NOWHERE), (RENDITION,))
    async with mirror.opened() as works:
        account = works.settings.store.path / str(ACCOUNT)
        for first in range(1, documents + 1, _BATCH):
            batch = range(first, min(first + _BATCH, documents + 1))
            _fill(account, batch)
            await record(works, batch)
        os.sync()
        hidden, owed = await _ask(works, documents)
        began = time.perf_counter()
        gone = 0
        while report := await works.purge.run():
            gone += report.erased
            if gone >= documents or not report.erased:
                break
        erased = time.perf_counter() - began
        if gone != documents or account.exists():
            raise RuntimeError(f"{gone} of {documents} documents were erased")
    peer = place / "plain"
    for first in range(1, documents + 1, _BATCH):
        _fill(peer, range(first, min(first + _BATCH, documents + 1)))
    os.sync()
    began = time.perf_counter()
    _erase_plainly(peer, documents)
    plain = time.perf_counter() - began
    undo_logging()
    return hidden, owed, erased, plain


async def _ask(works: Works, documents: int) -> tuple[float, float]:
    """File the request, and watch the last document meanwhile. Returns seconds until unreadable and until done."""
    showcase = Showcase(works.base.catalog, works.base.stamp)

    async def readable() -> bool:
        held = await showcase.document(documents)
        return held is not None and may_show(held, works.rules, works.base.clock.now())

    if not await readable():
        raise RuntimeError("the document should be readable before")
    began = time.perf_counter()
    filing = asyncio.create_task(works.requests.file(Subject(RequestScope.ACCOUNT, ACCOUNT, ACCOUNT), Words()))
    while await readable():
        # What was read is answered again without waiting while nothing was committed: the request needs its turn.
        await asyncio.sleep(0)
        if filing.done() and await readable():
            filing.result()
            raise RuntimeError("the request was filed, and its document can still be read")
    hidden = time.perf_counter() - began
    await filing
    return hidden, time.perf_counter() - began


def _fill(account: Path, document_ids: range) -> None:
    for document_id in document_ids:
        place = account / str(document_id)
        place.mkdir(mode=0o700, parents=True)
        (place / RENDITION).write_bytes(os.urandom(FILE_BYTES))


def _erase_plainly(account: Path, documents: int) -> None:
    for document_id in range(1, documents + 1):
        place = account / str(document_id)
        (place / RENDITION).unlink()
        place.rmdir()
    _sync(account)
    account.rmdir()
    _sync(account.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


async def record(works: Works, document_ids: range) -> None:
    """Write documents of one account down, each with the row of a small file."""
    now = works.base.clock.now()
    made, files = [], []
    for document_id in document_ids:
        facts = Facts(Media.PHOTO, 1, Safety.EVERYONE, Visibility.PUBLIC, f"Photo {document_id}")
        made.append(Document(document_id, ACCOUNT, facts, DocumentState.LIVE, now, now))
        remote = RemoteFile(RENDITION, f"https://u1.ipernity.com/{document_id}.240.jpg", 240, 160)
        stored = (RenditionState.STORED, FILE_BYTES, os.urandom(32), "image/jpeg", now)
        files.append(Rendition(document_id, ACCOUNT, remote, *stored))

    def put(tx: Transaction) -> None:
        tx.put_account(Account(ACCOUNT, "anna", "Anna", AccountState.ACTIVE, 1, now, now, now))
        tx.add_documents(made)
        tx.put_renditions(files)

    await works.base.catalog.write(put)
