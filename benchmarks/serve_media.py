"""Small files served per second by ipsync's web server, beside bare aiohttp FileResponse over the same files.

Ours asks the catalog on every answer, checks a token, the lease and the permitted view, and adds
credit. A client in a process of its own takes all answers and looks that they are whole. Goal: at
least 0.8 of the bare speed. Run: `python -m benchmarks.serve_media [DOCUMENTS] [DIRECTORY]`.
"""

import asyncio
import json
import statistics
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from benchmarks.served import ask, bare, ours, stocked

CONNECTIONS = (32, 1)
SECONDS = 3.0
ROUNDS = 3
Server = Callable[[], AbstractAsyncContextManager[int]]


def run(
    documents: int = 1_000, directory: Path | None = None, seconds: float = SECONDS, rounds: int = ROUNDS
) -> dict[str, float]:
    """Measure both servers, in turn, over the same files.

    Args:
        documents: how many, of one file of 20 kB each; each is asked for several times.
        directory: where to measure; default the system's temporary directory.
        seconds: how long each server is asked, in each round.
        rounds: how often.

    Returns:
        Answers per second (medians over the rounds): `ipsync` and `file_response` with 32 connections,
        `ipsync_single` and `file_response_single` with one, and `ratio`, `ratio_single` between them.
    """
    return asyncio.run(_measure(directory, documents, seconds, rounds))


async def _measure(directory: Path | None, documents: int, seconds: float, rounds: int) -> dict[str, float]:
    rates: dict[tuple[str, int], list[float]] = {}
    async with stocked(documents, directory) as stock:
        servers: dict[str, Server] = {
            "ipsync": lambda: ours(stock),
            "file_response": lambda: bare(stock.place / "content"),
        }
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for name, server in servers.items():
                    async with server() as port:
                        rate = await ask(port, connections, documents, seconds)
                    rates.setdefault((name, connections), []).append(rate)
    found = {
        f"{name}_single" if connections == 1 else name: statistics.median(values)
        for (name, connections), values in rates.items()
    }
    return {
        **{name: round(rate) for name, rate in found.items()},
        "ratio": found["ipsync"] / found["file_response"],
        "ratio_single": found["ipsync_single"] / found["file_response_single"],
    }


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    print(json.dumps(run(count, where)))
