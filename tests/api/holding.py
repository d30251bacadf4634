"""A crowd in a process of its own: standard library only, so that it costs little beside the server it tries.

Run by `hostile.crowd`: `python tests/api/holding.py ADDRESS CONNECTIONS`.
"""

import asyncio
import contextlib
import json
import sys
import time


async def hold(address: str, wanted: int) -> dict[str, float]:
    """Open so many connections, ask once on each, and close none before all have their answer."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    counts = {"opened": 0, "answered": 0, "put_off": 0, "dropped": 0}
    everyone = asyncio.Event()
    known = 0

    async def one() -> None:
        nonlocal known
        word = "dropped"
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            counts["dropped"] += 1
            known += 1
            return
        counts["opened"] += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 120)
            if head.startswith(b"HTTP/1.1 200"):
                word = "answered"
            elif head.startswith(b"HTTP/1.1 503") and b"Retry-After" in head:
                word = "put_off"
        counts[word] += 1
        known += 1
        if known >= wanted:
            everyone.set()
        await everyone.wait()
        writer.close()

    began = time.monotonic()
    tasks = []
    for number in range(wanted):
        tasks.append(asyncio.create_task(one()))
        if number % 200 == 199:
            await asyncio.sleep(0)
    while known < wanted:  # noqa: ASYNC110  # reason: those that never connected tell nobody
        await asyncio.sleep(0.05)
    seconds = time.monotonic() - began
    everyone.set()
    await asyncio.gather(*tasks)
    return {**counts, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(hold(sys.argv[1], int(sys.argv[2])))))
