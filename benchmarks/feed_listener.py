"""Many readers of a stream of events, in a process of their own: when did the last of them hear?

Arguments: port, sockets, path, token. Prints `ready` when all streams have begun, then, for each mark written to
its standard input, one line: by this machine's monotonic clock, when the first, the middle and the last reader had
heard an event with that mark in it. Imports nothing of ipsync.
"""

import asyncio
import sys
import time


class Reader(asyncio.Protocol):
    """One socket."""

    def __init__(self, heard: "Heard", request: bytes) -> None:
        self._heard = heard
        self._request = request
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Look for the mark, which may be cut in two."""
        kept = self._rest + data
        self._heard.look(self, kept)
        self._rest = kept[-64:]


class Heard:
    """Who has heard the mark that is waited for, and when."""

    def __init__(self, sockets: int) -> None:
        self.sockets = sockets
        self.mark = b"retry:"
        self.at: dict[Reader, float] = {}
        self.done = asyncio.Event()

    def look(self, reader: Reader, text: bytes) -> None:
        """Note that a reader heard the mark, if it did."""
        if self.mark in text and reader not in self.at:
            self.at[reader] = time.monotonic()
            if len(self.at) == self.sockets:
                self.done.set()


async def main(port: int, sockets: int, path: str, token: str) -> None:
    """Listen until the standard input ends."""
    heard = Heard(sockets)
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    request = f"{head}Accept: text/event-stream\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    for _ in range(sockets):
        await loop.create_connection(lambda: Reader(heard, request), "127.0.0.1", port)
    await heard.done.wait()
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print("ready", flush=True)
    while mark := (await commands.readline()).strip():
        heard.done.clear()
        heard.at.clear()
        heard.mark = mark
        print("listening", flush=True)
        await heard.done.wait()
        found = sorted(heard.at.values())
        print(found[0], found[len(found) // 2], found[-1], flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
