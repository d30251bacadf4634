"""Files erased per second by the purge job, and by the content store alone, beside plain unlink and directory sync.

The job does what a removal asks for (design §6): intent on record, bytes unlinked and directories synced,
absence seen, personal text overwritten, tombstones left, write-ahead log truncated, each removal logged
and counted. The plain way unlinks the same files and syncs the directories, and remembers nothing.
Both work in turn on the disk of the system's temporary directory. Goal: at least half of the plain speed.
"""

import io
import os
import statistics
import time
from pathlib import Path

from benchmarks import scrubbing, store_erase
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
from ipsync.ports.catalog import Transaction
from ipsync.telemetry import configure_logging

GOAL = Goal(least=0.5)

_NOWHERE = {"api_url": "http://127.0.0.1:9/api/", "api_key": "key", "secret": "secret", "members": []}


def run(
    documents: int = 2_000, rounds: int = 5, store_documents: int = 2_000, database_documents: int = 100_000
) -> list[Figure]:
    """Measure the purge job, then the store alone, then cleaning the database.

    Args:
        documents: how many the job erases in a round, of two files of 20 kB each: one account of several batches.
        rounds: how often job and plain way are measured, in turn; the medians count.
        store_documents: how many the store alone erases, of as many files.
        database_documents: how many a database holds whose pages are cleaned.
    """
    with folder() as place:
        job, plain = run_as_daemon(_measure(place, documents, rounds))
    alone = store_erase.run(store_documents)
    peer = "plain unlink and directory sync"
    return [
        Figure("erased by the purge job", job, "files/s", plain, peer, GOAL),
        Figure("erased by the store alone", alone["store"], "files/s", alone["plain"], peer, GOAL),
        *scrubbing.run(database_documents),
    ]


async def _measure(place: Path, documents: int, rounds: int) -> tuple[float, float]:
    undo_logging = configure_logging("info", "json", (), io.StringIO())
    mirror = Mirror(place, Site(_NOWHERE), store_erase.RENDITIONS)
    plain_account = place / "plain"
    files = documents * len(store_erase.RENDITIONS)
    job, plain = [], []
    async with mirror.opened() as works:
        for account_id in range(1, rounds + 1):
            first = account_id * documents
            await _fill(works, account_id, range(first, first + documents))
            store_erase.fill(plain_account, range(first, first + documents))
            os.sync()
            await works.accounts.remove(account_id)
            began = time.perf_counter()
            report = await works.purge.run()
            job.append(files / (time.perf_counter() - began))
            if report.files != files or report.erased != documents or report.unscrubbed:
                raise RuntimeError(f"not everything was erased: {report}")
            began = time.perf_counter()
            store_erase.erase_plainly(plain_account, range(first, first + documents))
            plain.append(files / (time.perf_counter() - began))
    undo_logging()
    return statistics.median(job), statistics.median(plain)


async def _fill(works: Works, account_id: int, document_ids: range) -> None:
    """An account whose documents are mirrored with their files."""
    now = works.base.clock.now()
    store_erase.fill(works.settings.store.path / str(account_id), document_ids)
    made, files = [], []
    for document_id in document_ids:
        facts = Facts(Media.PHOTO, 1, Safety.EVERYONE, Visibility.PUBLIC, f"Photo {document_id}")
        made.append(Document(document_id, account_id, facts, DocumentState.LIVE, now, now))
        for name in store_erase.RENDITIONS:
            remote = RemoteFile(name, f"https://u1.ipernity.com/{document_id}.{name}.jpg", 240, 160)
            stored = (RenditionState.STORED, store_erase.FILE_BYTES, os.urandom(32), "image/jpeg", now)
            files.append(Rendition(document_id, account_id, remote, *stored))

    def put(tx: Transaction) -> None:
        tx.put_account(Account(account_id, "anna", "Anna", AccountState.ACTIVE, 1, now, now, now))
        tx.add_documents(made)
        tx.put_renditions(files)

    await works.base.catalog.write(put)
