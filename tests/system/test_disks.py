"""The daemon as a real process on a failing disk (F4), a full one (F3), short of descriptors and of memory (F40),
stopped (F8).
"""

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.command_line import ROOT
from tests.fakes.site import ADMIN_TOKEN, LiveSite, SiteMirror, change_rows, stocked_mirror
from tests.system.daemons import DaemonProcess, get, served, state_of, wait_for

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def site() -> Iterator[LiveSite]:
    with LiveSite() as site:
        yield site


@pytest.fixture(scope="module")
def _stock(site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> SiteMirror:
    return stocked_mirror(tmp_path_factory.mktemp("stock") / "mirror", site)


@pytest.fixture
def mirror(_stock: SiteMirror, tmp_path: Path) -> Iterator[SiteMirror]:
    yield _stock.copy_to(tmp_path / "mirror")
    _stock.site.heal()


def everything(mirror: SiteMirror) -> set[str]:
    return set(mirror.site.permitted(0) | mirror.site.permitted(1))


def test_F4_a_daemon_whose_database_cannot_be_written_ends_at_once(mirror: SiteMirror) -> None:
    """The limit on file sizes stands for a disk that fails: the log may not grow any more."""
    with DaemonProcess(mirror) as daemon:
        assert served(daemon.address) == everything(mirror)
        largest = max(daemon.log.stat().st_size, (mirror.folder / "ipsync.db-wal").stat().st_size)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (largest + 60_000, largest + 60_000))

        def has_ended() -> bool:
            if "daemon.stopping" not in daemon.events():
                daemon.process.send_signal(signal.SIGHUP)  # every job is nudged, and recorded
                time.sleep(0.1)
            return daemon.process.poll() is not None

        wait_for(has_ended, "it ends", 60)
        assert daemon.process.returncode == 1
        failed = [record for record in daemon.records() if record["event"] == "daemon.failed"]
        assert len(failed) == 1
        assert "the disk answered an error to the database" in str(failed)

    # Nothing that was said is lost, and nothing half written counts.
    with DaemonProcess(mirror) as again:
        assert served(again.address) == everything(mirror)
        assert again.stop() == 0


FULL = """
set -e
mount -t tmpfs -o size=4m none "$1"
cp -a "$2"/. "$1"/
dd if=/dev/zero of="$1"/ballast bs=1k count=8192 2>/dev/null || true
exec "$3" -m ipsync.cli run
"""


def test_F3_on_a_full_disk_the_daemon_serves_and_erases_and_takes_nothing_in(tmp_path: Path) -> None:
    with LiveSite(seed=9) as site:
        mirror = stocked_mirror(tmp_path / "mirror", site)
        (mirror.folder / "ipsync.db-reserve").write_bytes(bytes(1 << 20))
        # Grants are looked at soon after the start, and not before everything was served.
        change_rows(mirror, f"UPDATE account SET next_check_at = {time.time_ns() // 1000 + 15 * 10**6}")
        place = tmp_path / "full"
        place.mkdir()
        apart = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | mirror.env
        env["IPSYNC_CONFIG"] = str(place / "ipsync.toml")
        log = tmp_path / "daemon.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*apart, "sh", "-c", FULL, "sh", place, mirror.folder, sys.executable], env=env, stderr=output
            )
        try:
            address = wait_for(lambda: ready_at(process, log), "it is ready", 30)
            inside = Path(f"/proc/{process.pid}/root{place}")
            # No more than what was kept in reserve, and was given up for opening the database.
            room = os.statvfs(inside)
            assert room.f_bavail * room.f_frsize < 1 << 20
            assert served(address) == everything(mirror)

            leaving = site.members[0].user_id
            site._control(f"members/{leaving}/revoke", {})
            assert any((inside / "content" / str(leaving)).iterdir())
            wait_for(lambda: served(address) == set(site.permitted(1)) or nudged(process), "it is hidden", 60)
            wait_for(lambda: not (inside / "content" / str(leaving)).exists(), "it is erased", 60)
            assert process.poll() is None
        finally:
            process.kill()
            process.wait(10)


def ready_at(process: "subprocess.Popen[bytes]", log: Path) -> str | None:
    assert process.poll() is None, log.read_text()
    records = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return next((str(record["address"]) for record in records if record["event"] == "daemon.ready"), None)


def nudged(process: "subprocess.Popen[bytes]") -> bool:
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    return False


def test_F40_without_descriptors_nothing_is_answered_wrongly_and_it_recovers(mirror: SiteMirror) -> None:
    with DaemonProcess(mirror) as daemon:
        address = daemon.address
        wait_for(lambda: get(address, "/readyz")[0] == 200, "it is ready")
        before = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        used = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used, before[1]))
        host = urlsplit(address)
        with contextlib.ExitStack() as open_ones:
            for _ in range(5):
                with contextlib.suppress(OSError):
                    open_ones.enter_context(socket.create_connection((host.hostname, host.port), 1))
            time.sleep(0.5)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, before)
        wait_for(lambda: answers(address), "it answers again", 30)
        assert served(address) == everything(mirror)
        assert daemon.stop() == 0


def test_F40_without_memory_nothing_is_answered_wrongly_and_what_has_gone_stays_gone(tmp_path: Path) -> None:
    """What cannot be allocated fails where it is asked for; whoever ends by it starts again as after a kill (F1)."""
    with LiveSite() as site:
        mirror = stocked_mirror(tmp_path / "mirror", site)
        mirror.configure(window="30s")
        with DaemonProcess(mirror) as daemon:
            wait_for(lambda: served(daemon.address) == everything(mirror), "all is served", 60)
            mapped = Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[0]
            before = resource.prlimit(daemon.process.pid, resource.RLIMIT_AS)
            resource.prlimit(daemon.process.pid, resource.RLIMIT_AS, (int(mapped) * resource.getpagesize(), before[1]))
            gone = max(site.permitted(0))
            site.delete(int(gone))
            deleted_at = time.monotonic()
            while (since := time.monotonic() - deleted_at) < 31:
                daemon.process.send_signal(signal.SIGHUP)  # every job is nudged, the settings are read again
                with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):  # no answer
                    shown = served(daemon.address)
                    assert shown <= {*everything(mirror), gone}
                    assert since < 25 or gone not in shown
                if daemon.process.poll() is not None:
                    break
                time.sleep(0.5)
        with DaemonProcess(mirror) as daemon:
            wait_for(lambda: served(daemon.address) == everything(mirror), "it shows what is shared", 60)
        assert not [path for path in mirror.files() if gone in path.name or gone in path.parts]


def answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        return get(address, "/healthz")[0] == 200
    return False


def media_shown(address: str, mirror: SiteMirror) -> list[str]:
    """Addresses of some files that are served now."""
    paths = [f"/media/{path.parts[-2]}/{path.name}" for path in mirror.files()[:8]]
    return [path for path in paths if get(address, path)[0] == 200]


def answer_of(connection: http.client.HTTPConnection) -> tuple[int, bytes] | None:
    """Status and body, or None where the connection was cut: too slow is no answer either (F23)."""
    try:
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (http.client.HTTPException, OSError):
        return None


@pytest.mark.timeout(200)
def test_F8_I1_after_standing_still_for_a_window_the_first_answer_is_of_today(mirror: SiteMirror) -> None:
    """Requests that came while it stood still are the first it sees when it goes on."""
    mirror.configure(window="30s")
    with DaemonProcess(mirror) as daemon:
        shown = wait_for(lambda: media_shown(daemon.address, mirror), "files are served", 100)
        paths = ["/v1/documents?limit=50", *shown]
        daemon.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: state_of(daemon.process.pid) == "T", "it is stopped")
        mirror.site.fault("http_status", ["*"], seconds=150, value=503)
        host = urlsplit(daemon.address)
        waiting = [http.client.HTTPConnection(str(host.hostname), host.port, timeout=30) for _ in paths]
        for connection, path in zip(waiting, paths, strict=True):
            connection.request("GET", path, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        time.sleep(31)

        daemon.process.send_signal(signal.SIGCONT)

        listed, *media = map(answer_of, waiting)
        assert listed is None or json.loads(listed[1])["documents"] == []
        assert {answer[0] for answer in media if answer is not None} <= {404, 410}
        wait_for(lambda: mirror.files() == [], "what is overdue is erased", 20)
        for connection in waiting:
            connection.close()
