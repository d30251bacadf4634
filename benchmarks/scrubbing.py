"""What it costs to clean the database's pages of erased text (ADR 0012), with many documents in it.

All pages are looked at once after a start, which is held against reading the file from end to end. After that
it is only those that were written since, which is held against all.
"""

import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial

from benchmarks.figures import Figure
from benchmarks.world import folder
from ipsync.catalog import open_catalog, upgrade
from ipsync.catalog.scrubbing import Scrubber
from ipsync.policy.accounts import Account, AccountState
from ipsync.policy.documents import (
    Details,
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

_URL = "sqlite:///ipsync.db"
_BATCH = 2_000
_READ_BYTES = 1 << 20
_NOW = 1_795_000_000_000_000


def run(documents: int = 100_000, rounds: int = 5, removals: int = 20) -> list[Figure]:
    """Measure on a database of `documents` with words and two files each.

    Args:
        documents: in the database.
        rounds: how often; the medians count.
        removals: at random places, in each round.
    """
    with folder() as place:
        upgrade(_URL, place)
        path = place / "ipsync.db"
        # Closed last: closing any descriptor of the file drops the locks of SQLite's connections.
        descriptor = os.open(path, os.O_RDONLY)
        scrubber = Scrubber(path)
        catalog = open_catalog(_URL, place, os.urandom(32), inline=True)
        for first in range(1, documents + 1, _BATCH):
            catalog.write_now(partial(_fill, document_ids=range(first, min(first + _BATCH, documents + 1))))
        catalog.scrub_now()
        going = random.Random(documents).sample(range(1, documents + 1), removals * rounds)
        plain, whole, some = [], [], []
        for turn in range(rounds):
            scrubber.note(alone=False)  # so that it looks at everything
            plain.append(_milliseconds(partial(_read, descriptor)))
            whole.append(_milliseconds(scrubber.scrub))
            catalog.write_now(partial(_forget, document_ids=going[turn * removals : (turn + 1) * removals]))
            scrubber.note(alone=True)
            catalog.scrub_now()
            some.append(_milliseconds(scrubber.scrub))
        held = f"{documents:,} documents, {path.stat().st_size / 1e6:.0f} MB"
        catalog.close_now()
        scrubber.close()
        os.close(descriptor)
    every = statistics.median(whole)
    return [
        Figure(f"all pages looked at ({held})", every, "ms", statistics.median(plain), "reading the file"),
        Figure(f"pages looked at after {removals} removals", statistics.median(some), "ms", every, "all pages"),
    ]


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _read(descriptor: int) -> None:
    offset = 0
    while found := os.pread(descriptor, _READ_BYTES, offset):
        offset += len(found)


def _forget(tx: Transaction, document_ids: list[int]) -> None:
    tx.forget_documents(document_ids)


def _fill(tx: Transaction, document_ids: range) -> None:
    tx.put_account(Account(1, "anna", "Anna", AccountState.ACTIVE, 1, _NOW, _NOW, _NOW))
    files = []
    made = []
    for document_id in document_ids:
        facts = Facts(Media.PHOTO, 1, Safety.EVERYONE, Visibility.PUBLIC, f"A photo of a heron, number {document_id}")
        details = Details("Seen from the hide, in the morning. " * (document_id % 30), ("heron", "morning"))
        made.append(Document(document_id, 1, facts, DocumentState.LIVE, _NOW, _NOW, details=details, details_at=_NOW))
        for name in ("240", "original"):
            remote = RemoteFile(name, f"https://u1.ipernity.com/{document_id}.{name}.jpg", 240, 160)
            files.append(
                Rendition(document_id, 1, remote, RenditionState.STORED, 20_000, bytes(32), "image/jpeg", _NOW)
            )
    tx.add_documents(made)
    tx.put_renditions(files)
