"""Pages of an SQLite file, found by walking its trees as sqlite.org/fileformat2.html describes them."""

import os
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

CANARY = b"canary-in-a-gap"


def gaps(data: bytes, roots: list[int]) -> dict[int, tuple[int, int]]:
    """Where the unused gap of each b-tree page lies: number of the page → offsets in the file."""
    found: dict[int, tuple[int, int]] = {}
    for number, kind, header, cells, start in _walk(data, [1, *roots]):
        content = struct.unpack_from(">H", data, header + 5)[0] or 65_536
        found[number] = (header + (8 if kind in (10, 13) else 12) + 2 * cells, start + content)
    return found


def _walk(data: bytes, numbers: list[int]) -> Iterator[tuple[int, int, int, int, int]]:
    size_bytes = struct.unpack_from(">H", data, 16)[0]
    size_bytes = 65_536 if size_bytes == 1 else size_bytes
    while numbers:
        number = numbers.pop()
        start = (number - 1) * size_bytes
        header = start + (100 if number == 1 else 0)
        kind, cells = data[header], struct.unpack_from(">H", data, header + 3)[0]
        assert kind in (2, 5, 10, 13), f"page {number} is in a tree and no tree's page"
        yield number, kind, header, cells, start
        if kind in (2, 5):
            for place in struct.unpack_from(f">{cells}H", data, header + 12):
                numbers.append(struct.unpack_from(">I", data, start + place)[0])
            numbers.append(struct.unpack_from(">I", data, header + 8)[0])


def roots_of(connection: sqlite3.Connection) -> list[int]:
    """The first page of each tree."""
    return [row[0] for row in connection.execute("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")]


def plant(path: Path) -> dict[int, tuple[int, int]]:
    """Fill every gap with canaries, of a database that this process has not open; returns where."""
    connection = sqlite3.connect(path)
    roots = roots_of(connection)
    connection.close()
    return plant_in(os.open(path, os.O_RDWR), roots)


def plant_in(descriptor: int, roots: list[int], only: set[int] | None = None) -> dict[int, tuple[int, int]]:
    """As `plant`, by a descriptor that stays open."""
    found = gaps(whole(descriptor), roots)
    planted = {number: place for number, place in found.items() if only is None or number in only}
    for begin, end in planted.values():
        length = end - begin
        os.pwrite(descriptor, (CANARY * (length // len(CANARY) + 1))[:length], begin)
    return planted


def whole(descriptor: int) -> bytes:
    """Everything in the file."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
