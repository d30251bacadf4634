"""Media served per second by ipsync, beside bare aiohttp FileResponse over the same files: see `serve_media`."""

from benchmarks import serve_media
from benchmarks.figures import Figure, Goal

GOAL = Goal(least=0.8)


def run(documents: int = 1_000, seconds: float = 2.0, rounds: int = 3) -> list[Figure]:
    """Measure with many connections, and with one.

    Args:
        documents: how many files, of 20 kB each.
        seconds: how long each server is asked, in each round.
        rounds: how often; the medians count.
    """
    found = serve_media.run(documents, seconds=seconds, rounds=rounds)
    peer = "bare FileResponse"
    many = f"media served, {max(serve_media.CONNECTIONS)} connections"
    return [
        Figure(many, found["ipsync"], "files/s", found["file_response"], peer, GOAL),
        Figure(
            "media served, one connection", found["ipsync_single"], "files/s", found["file_response_single"], peer, GOAL
        ),
    ]
