"""A reader in a process of its own: asks for files at random and prints how many whole ones came a second.

Standard library only, so that it costs little beside the server that is measured. Run by `serve_media`.
"""

import asyncio
import random
import sys
import time
from typing import NamedTuple

WARM_SECONDS = 1.0


class Asked(NamedTuple):
    """What is asked for.

    Attributes:
        path: with `{}` where the number of the document goes.
        size_bytes: of every file; 0 where the answer itself says it.
    """

    path: str
    token: str
    documents: int
    size_bytes: int


class Reader(asyncio.Protocol):
    """Asks for one file after the other on one connection, and looks that each arrives whole."""

    def __init__(self, asked: Asked, seed: int) -> None:
        self.answers = 0
        self.faults = 0
        self._asked = asked
        self._random = random.Random(seed)
        self._received = bytearray()
        self._wanted = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment]  # reason: a stream's transport
        self._request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it: nobody was to end this."""
        self.faults += 1

    def data_received(self, data: bytes) -> None:
        """Gather an answer, and ask again when it is whole."""
        self._received += data
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            self.faults += not self._received.startswith(b"HTTP/1.1 200 ")
            self._wanted = end + 4 + (self._asked.size_bytes or self._told_size(end))
        if len(self._received) >= self._wanted:
            self.faults += len(self._received) != self._wanted
            self.answers += 1
            self._received.clear()
            self._wanted = 0
            self._request()

    def _told_size(self, end: int) -> int:
        for line in bytes(self._received[:end]).lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return int(line.partition(b":")[2])
        return 0

    def _request(self) -> None:
        path = self._asked.path.format(self._random.randint(1, self._asked.documents))
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._asked.token}\r\n\r\n"
        self._transport.write(head.encode())


async def read(port: int, connections: int, asked: Asked, seconds: float) -> float:
    """Read for some `seconds` on so many `connections`; returns answers per second."""
    loop = asyncio.get_running_loop()
    readers = [Reader(asked, seed) for seed in range(connections)]
    for reader in readers:
        await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)  # type: ignore[misc]  # reason: its default argument
    await asyncio.sleep(WARM_SECONDS)
    before, began = sum(reader.answers for reader in readers), time.perf_counter()
    await asyncio.sleep(seconds)
    rate = (sum(reader.answers for reader in readers) - before) / (time.perf_counter() - began)
    if any(reader.faults for reader in readers):
        sys.exit("an answer was not whole")
    return rate


if __name__ == "__main__":
    port, connections, documents, path, token, size_bytes, seconds = sys.argv[1:]
    wanted = Asked(path, token, int(documents), int(size_bytes))
    print(asyncio.run(read(int(port), int(connections), wanted, float(seconds))))
