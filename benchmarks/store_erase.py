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
BATCH_DOCUMENTS = 500
ROUNDS = 3
ACCOUNT_ID = 7


def run(documents: int = 5_000, directory: Path | None = None) -> dict[str, float]:
    """Measure both, in turn, over the same files.

    Args:
        documents: how many, of two files each.
        directory: where to measure; default the system's temporary directory.

    Returns:
        Files per second (medians of three rounds): `store`, `plain` (unlink, and remove and sync the
        directories as cheaply as plain calls can), `plain_each` (unlink, sync every document's
        directory), and `ratio` = store / plain.
    """
    rates: dict[str, list[float]] = {"store": [], "plain": [], "plain_each": []}
    with tempfile.TemporaryDirectory(dir=directory, prefix="ipsync-erase-") as place:
        root = Path(place)
        store = FileStore(root, free_space_floor_bytes=0)
        erasers: dict[str, Callable[[list[int]], None]] = {
            "store": lambda batch: _by_store(store, batch),
            "plain": lambda batch: _plain(root / str(ACCOUNT_ID), batch),
            "plain_each": lambda batch: _plain_each(root / str(ACCOUNT_ID), batch),
        }
        for _ in range(ROUNDS):
            for name, erase in erasers.items():
                rates[name].append(_rate(root, documents, erase))
        store.close()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {**{name: round(rate) for name, rate in medians.items()}, "ratio": medians["store"] / medians["plain"]}


def _rate(root: Path, documents: int, erase: Callable[[list[int]], None]) -> float:
    content = os.urandom(FILE_BYTES)
    account = root / str(ACCOUNT_ID)
    for document in range(1, documents + 1):
        (account / str(document)).mkdir(parents=True)
        for rendition in RENDITIONS:
            (account / str(document) / rendition).write_bytes(content)
    os.sync()
    ids = list(range(1, documents + 1))
    began = time.perf_counter()
    for first in range(0, documents, BATCH_DOCUMENTS):
        erase(ids[first : first + BATCH_DOCUMENTS])
    took = time.perf_counter() - began
    if account.exists() and any(account.rglob("*")):
        raise RuntimeError("files were left: the comparison is void")
    return documents * len(RENDITIONS) / took


def _by_store(store: FileStore, batch: list[int]) -> None:
    store.erase_documents([(ACCOUNT_ID, document) for document in batch])


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
