"""Files erased per second by the content store, beside plain unlink with directory sync over the same files.

The store also measures what it erases, never follows a link, and looks afterwards. Goal: at least
half of the plain speed. Run: `python benchmarks/store_erase.py [DOCUMENTS] [DIRECTORY]`; the directory
should lie on the disk that is asked about (on a tmpfs a sync costs nothing).
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ipsync.store import FileStore

RENDITIONS = ("240", "original")
FILE_BYTES = 20_000
BATCH_DOCUMENTS = 250
NAMES = ("store", "plain", "plain_each")


def run(documents: int = 5_000, directory: Path | None = None) -> dict[str, float]:
    """Measure all ways in turn, batch by batch over the same kind of files, so that a busy disk meets each.

    Args:
        documents: how many for each way, of two files each.
        directory: where to measure; default the system's temporary directory.

    Returns:
        Files per second (medians over batches): `store`, `plain` (unlink, then remove and sync the
        directories as cheaply as plain calls can), `plain_each` (unlink, sync every document's
        directory), and `ratio` = store / plain.
    """
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory(dir=directory, prefix="ipsync-erase-") as place:
        root = Path(place)
        store = FileStore(root, free_space_floor_bytes=0)
        accounts = {name: root / str(number) for number, name in enumerate(NAMES, 1)}
        erasers: dict[str, Callable[[list[int]], None]] = {
            "store": lambda batch: _by_store(store, int(accounts["store"].name), batch),
            "plain": lambda batch: _plain(accounts["plain"], batch),
            "plain_each": lambda batch: _plain_each(accounts["plain_each"], batch),
        }
        for account in accounts.values():
            fill(account, range(1, documents + 1))
        os.sync()
        for turn, first in enumerate(range(1, documents + 1, BATCH_DOCUMENTS)):
            batch = list(range(first, min(first + BATCH_DOCUMENTS, documents + 1)))
            for name in (*NAMES[turn % 3 :], *NAMES[: turn % 3]):
                began = time.perf_counter()
                erasers[name](batch)
                seconds[name].append((time.perf_counter() - began) / len(batch))
        store.close()
        if any(account.exists() and any(account.iterdir()) for account in accounts.values()):
            raise RuntimeError("files were left: the comparison is void")
    rates = {name: len(RENDITIONS) / statistics.median(taken) for name, taken in seconds.items()}
    return {**{name: round(rate) for name, rate in rates.items()}, "ratio": round(rates["store"] / rates["plain"], 3)}


def fill(account: Path, documents: range) -> None:
    """Make the files of these documents, all alike, in the directory of an account."""
    content = os.urandom(FILE_BYTES)
    for document in documents:
        (account / str(document)).mkdir(parents=True)
        for rendition in RENDITIONS:
            (account / str(document) / rendition).write_bytes(content)


def _by_store(store: FileStore, account_id: int, batch: list[int]) -> None:
    store.erase_documents([(account_id, document) for document in batch])


def erase_plainly(account: Path, documents: range) -> None:
    """Erase the files of these documents as cheaply as plain calls can, a batch at a time."""
    for first in range(documents.start, documents.stop, BATCH_DOCUMENTS):
        _plain(account, list(range(first, min(first + BATCH_DOCUMENTS, documents.stop))))


def _plain(account: Path, batch: list[int]) -> None:
    place = os.open(account, os.O_RDONLY | os.O_DIRECTORY)
    for document in batch:
        for rendition in RENDITIONS:
            os.unlink(f"{document}/{rendition}", dir_fd=place)
        os.rmdir(f"{document}", dir_fd=place)
    os.fsync(place)
    os.close(place)


def _plain_each(account: Path, batch: list[int]) -> None:
    place = os.open(account, os.O_RDONLY | os.O_DIRECTORY)
    for document in batch:
        for rendition in RENDITIONS:
            os.unlink(f"{document}/{rendition}", dir_fd=place)
        below = os.open(f"{document}", os.O_RDONLY | os.O_DIRECTORY, dir_fd=place)
        os.fsync(below)
        os.close(below)
        os.rmdir(f"{document}", dir_fd=place)
    os.fsync(place)
    os.close(place)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    print(json.dumps(run(count, where)))
