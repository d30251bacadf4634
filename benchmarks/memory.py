"""Memory of the real daemon with many documents, and how soon it is ready after a restart.

The daemon reads all listings and then fetches thumbnails. The kernel tells the most memory it ever held
(VmHWM), in MB of 10^6 bytes: once while it fetches, and once after a restart, when every job is nudged
and store and catalog are compared from end to end. Beside it: what the same daemon holds with an empty
catalog, which is the interpreter and the libraries. Goal: at most 150 MB. A restart counts from the
start of the process to the moment the boot gate was passed and the web server answers; beside it the
same with an empty catalog. Goal: at most 5 s.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, Goal
from benchmarks.processes import Child
from benchmarks.world import Mirror, folder, site
from ipsync.policy.documents import DocumentState

PEAK = Goal(most=150, absolute=True)
READY = Goal(most=5, absolute=True)
PATIENCE_SECONDS = 600.0


def run(
    members: int = 5, documents: int = 20_000, fetching_seconds: float = 12, settling_seconds: float = 12
) -> list[Figure]:
    """Measure a daemon from its first sync to its second start.

    Args:
        members: how many accounts.
        documents: how many public documents each of them has.
        fetching_seconds: how long it fetches thumbnails before it is measured.
        settling_seconds: how long it works after the restart before it is measured.
    """
    with site(members, documents) as simulated, folder() as place:
        empty_mb, empty_seconds, empty_cpu = _again(Mirror(_below(place, "empty"), simulated), 1)
        mirror = Mirror(_below(place, "full"), simulated, ("240",))
        mirror.authorize_now(simulated.members)
        total = sum(len(found) for found in simulated.public().values())
        first_mb, stored = _first(mirror, total, fetching_seconds)
        again_mb, seconds, cpu = _again(mirror, settling_seconds)
    size, idle = f"{total:,} documents", "the same, empty"
    return [
        Figure(f"peak memory, first sync of {size}, {stored:,} files fetched", first_mb, "MB", empty_mb, idle, PEAK),
        Figure(f"peak memory after a restart with {size}", again_mb, "MB", empty_mb, idle, PEAK),
        Figure(f"restart with {size}", seconds, "s", empty_seconds, idle, READY),
        Figure("the same", cpu, "CPU s", empty_cpu, idle),
    ]


def _below(place: Path, name: str) -> Path:
    found = place / name
    found.mkdir()
    return found


@contextmanager
def _daemon(mirror: Mirror) -> Iterator[Child]:
    daemon = mirror.start("run")
    try:
        yield daemon
    finally:
        daemon.kill()


def _first(mirror: Mirror, total: int, fetching_seconds: float) -> tuple[float, int]:
    """The peak memory of the first sync, and how many files were fetched until then."""
    with _daemon(mirror) as daemon, mirror.watched() as catalog:

        def is_mirrored() -> bool:
            documents = catalog.read_now(lambda view: view.figures()).documents
            return documents.get(DocumentState.LIVE, 0) >= total

        daemon.wait_until(is_mirrored, PATIENCE_SECONDS, "everything is mirrored")
        daemon.let_work(fetching_seconds)
        return daemon.peak_mb(), catalog.read_now(lambda view: view.figures()).stored_files


def _again(mirror: Mirror, settling_seconds: float) -> tuple[float, float, float]:
    """The peak memory some time after a start, and the seconds to ready, by the wall and of the CPU."""
    with _daemon(mirror) as daemon:
        seconds, cpu_seconds = daemon.wait_event("daemon.ready", PATIENCE_SECONDS), daemon.cpu_seconds()
        daemon.let_work(settling_seconds)
        return daemon.peak_mb(), seconds, cpu_seconds
