"""`ipsync reap` beside no daemon, a living one, a hung one, on a full disk, and over a database nobody can read."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ipsync import base
from ipsync.clock import SystemClock
from ipsync.policy.reaping import Keeper
from ipsync.ports.catalog import CatalogNewer
from ipsync.process import REAPED, LastRun, OneProcessLock
from ipsync.reaper import Reaper, ReapReport
from ipsync.settings import load
from tests.fakes.command_line import ROOT, ipsync
from tests.fakes.processes import start_python
from tests.fakes.site import STATE_KEY, LiveSite, SiteMirror, age, change_rows, stocked_mirror
from tests.system.daemons import DaemonProcess, served, state_of, stop_between_writes, until, wait_for

pytestmark = pytest.mark.timeout(120)

HOUR = 3600


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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reaper that waits less for a sign of life, and for a database that another process holds."""
    monkeypatch.setattr("ipsync.reaper.second_look", lambda _lease: 300_000)
    monkeypatch.setattr(base, "open_catalog", partial(base.open_catalog, busy_seconds=0.3))


def reap(mirror: SiteMirror, *options: str) -> tuple[int, dict[str, Any]]:
    """The command, with the one secret it needs."""
    env = {name: mirror.env[name] for name in ("IPSYNC_CONFIG", "IPSYNC_STATE_KEY")}
    done = ipsync("reap", "--json", *options, env=env, timeout_seconds=60)
    assert done.out, done.err
    return done.code, json.loads(done.out)


async def reap_here(mirror: SiteMirror) -> ReapReport:
    env = {name: mirror.env[name] for name in ("IPSYNC_CONFIG", "IPSYNC_STATE_KEY")}
    return await Reaper(load(mirror.config, env, needs=("state_key",))).run()


def asked(mirror: SiteMirror) -> int:
    """How many requests the site has answered."""
    return int(mirror.site.change(lambda world: sum(world.meter.report()["calls"].values())))


def value(mirror: SiteMirror, query: str) -> Any:
    with contextlib.closing(sqlite3.connect(f"file:{mirror.folder}/ipsync.db?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchone()[0]


def tokens(mirror: SiteMirror) -> set[str]:
    """A word of each mirrored document that must be nowhere when it is gone."""
    return {entry["token"] for entry in (mirror.site.permitted(0) | mirror.site.permitted(1)).values()}


def silence(mirror: SiteMirror, seconds: int) -> None:
    """Make the newest sign of life so old."""
    mark = SystemClock().mark()
    mark = replace(mark, boottime=max(0, mark.boottime - seconds * 1_000_000))
    change_rows(mirror, f"INSERT OR REPLACE INTO note (name, value) VALUES ('clock', '{mark.encode()}')")


# No daemon


def test_F40_with_few_descriptors_and_little_memory_what_is_overdue_goes(mirror: SiteMirror) -> None:
    """40 descriptors and 600 MB of addresses: much less than a daemon that ran out of either had."""
    age(mirror, 72 * HOUR)
    env = {name: mirror.env[name] for name in ("IPSYNC_CONFIG", "IPSYNC_STATE_KEY")}
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 40 && ulimit -v 600000 && exec "$0" -m ipsync.cli reap --json', sys.executable],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["failure"] is None
    assert mirror.files() == []
    assert set(mirror.copies(tokens(mirror)).values()) == {0}


def test_F29_what_is_overdue_goes_while_no_daemon_runs(mirror: SiteMirror) -> None:
    age(mirror, 72 * HOUR)
    before, held = asked(mirror), len(tokens(mirror))

    code, looked = reap(mirror, "--dry-run")
    assert (code, looked["daemon"], looked["overdue_documents"], looked["erased"]) == (0, "nobody", held, 0)
    assert mirror.files()
    code, done = reap(mirror)

    assert (code, done["daemon"], done["fenced"], done["failure"]) == (3, "nobody", False, None)
    assert done["erased"] == held == value(mirror, "SELECT count(*) FROM tombstone")
    assert mirror.files() == []
    assert set(mirror.copies(tokens(mirror)).values()) == {0}
    assert value(mirror, "SELECT count(*) FROM ledger_entry WHERE kind = 'gone' AND epoch = 1") == held
    code, again = reap(mirror)
    assert (code, again["overdue_documents"], again["due_removals"], again["erased"]) == (0, 0, 0, 0)
    assert asked(mirror) == before


def test_what_is_not_overdue_stays(mirror: SiteMirror) -> None:
    stored = mirror.files()
    looked = LastRun(mirror.folder / "ipsync.db", REAPED)
    reap(mirror, "--dry-run")
    assert looked.at() is None
    code, done = reap(mirror)
    assert (code, done["daemon"], done["late"], done["erased"]) == (0, "nobody", False, 0)
    assert mirror.files() == stored
    # The daemon shows it to Prometheus, so that a silent reaper is noticed.
    assert looked.at() is not None


def test_people_are_told_in_words(mirror: SiteMirror) -> None:
    age(mirror, 23 * HOUR)
    env = {name: mirror.env[name] for name in ("IPSYNC_CONFIG", "IPSYNC_STATE_KEY")}
    count = len(tokens(mirror))
    looked = ipsync("reap", "--dry-run", env=env)
    assert (looked.code, looked.out) == (0, f"No daemon runs.\nThere are {count} documents past their lease.\n")
    done = ipsync("reap", env=env)
    assert done.code == 3
    assert done.out.startswith(f"No daemon runs.\nErased: {count} removals, ")
    nothing = ipsync("reap", env=env)
    assert (nothing.code, nothing.out) == (0, "No daemon runs.\nNothing is overdue.\n")


def test_what_a_dead_daemon_had_erased_but_not_finished_is_finished(mirror: SiteMirror) -> None:
    """Its text still lies in the log, and nothing was called gone."""
    age(mirror, 23 * HOUR)
    assert reap(mirror)[0] == 3
    change_rows(mirror, "UPDATE removal SET stage = 'erased', gone_at = NULL")
    code, done = reap(mirror)
    assert (code, done["erased"]) == (3, len(tokens(mirror)))


# A daemon that lives


def test_F27_a_living_daemon_is_left_alone(mirror: SiteMirror) -> None:
    with DaemonProcess(mirror) as daemon:
        epoch = value(mirror, "SELECT value FROM note WHERE name = 'epoch'")
        code, done = reap(mirror)
        assert (code, done["daemon"], done["process"]) == (0, "alive", daemon.process.pid)
        assert done["silent_seconds"] < 60
        assert value(mirror, "SELECT value FROM note WHERE name = 'epoch'") == epoch
        assert served(daemon.address)
        assert daemon.stop() == 0


async def test_what_a_living_daemon_left_too_long_is_erased_beside_it(mirror: SiteMirror, impatient: None) -> None:
    age(mirror, 23 * HOUR)
    silence(mirror, 0)
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync run")
    try:
        report = await reap_here(mirror)
    finally:
        lock.release()
    assert report.keeper is Keeper.LATE
    assert (report.epoch, mirror.files()) == (0, [])
    # Beside a daemon only that one cuts the log; till then nothing is called gone.
    assert report.erased == 0
    assert report.failure == ""
    assert value(mirror, "SELECT count(*) FROM removal WHERE stage = 'erased'") == len(tokens(mirror))


# A daemon that stands still


async def test_F27_a_hung_daemon_is_fenced_off_and_what_is_overdue_erased(mirror: SiteMirror, impatient: None) -> None:
    with DaemonProcess(mirror) as daemon:
        await until(lambda: value(mirror, "SELECT count(*) FROM job_run") > 3, "it has begun its work")

        await asyncio.to_thread(stop_between_writes, daemon, mirror)
        age(mirror, 23 * HOUR)
        silence(mirror, HOUR)
        report = await reap_here(mirror)
        assert (report.keeper, report.failure) == (Keeper.HUNG, "")
        assert report.holder is not None
        assert report.holder.pid == daemon.process.pid
        assert report.epoch == 2
        assert report.erased == len(tokens(mirror))
        assert mirror.files() == []
        assert set(mirror.copies(tokens(mirror)).values()) == {0}
        before = dump(mirror)

        daemon.process.send_signal(signal.SIGCONT)

        assert daemon.process.wait(30) == 1
    assert dump(mirror) == before
    assert mirror.files() == []
    assert "has taken over the database" in str(daemon.records()[-1])


def dump(mirror: SiteMirror) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{mirror.folder}/ipsync.db?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


async def test_a_hung_daemon_that_has_nothing_overdue_is_left_to_systemd(mirror: SiteMirror, impatient: None) -> None:
    silence(mirror, HOUR)
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync run")
    try:
        report = await reap_here(mirror)
    finally:
        lock.release()
    assert (report.keeper, report.epoch, report.is_remarkable) == (Keeper.HUNG, 0, False)
    assert mirror.files()


STOPPED_IN_A_WRITE = """
import os, signal, sys
from pathlib import Path
from ipsync.catalog import open_catalog
from ipsync.process import OneProcessLock

lock = OneProcessLock(Path(sys.argv[1]) / "ipsync.db")
assert lock.take("ipsync run")
catalog = open_catalog("sqlite:///ipsync.db", Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), inline=True)
catalog.take_epoch_now()
catalog.write_now(lambda tx: (tx.set_note("half", "done"), os.kill(os.getpid(), signal.SIGSTOP)))
"""


async def test_F27_a_process_stopped_in_the_middle_of_a_write_keeps_no_bytes(
    mirror: SiteMirror, impatient: None
) -> None:
    age(mirror, 23 * HOUR)
    silence(mirror, HOUR)
    process = start_python(STOPPED_IN_A_WRITE, mirror.folder, STATE_KEY)
    try:
        wait_for(lambda: state_of(process.pid) == "T", "it is stopped")
        report = await reap_here(mirror)
        assert (report.keeper, report.epoch, report.erased) == (Keeper.HUNG, 0, 0)
        assert mirror.files() == []
        assert report.unlinked > 0
        assert f"End `ipsync run` (process {process.pid})" in report.failure
    finally:
        process.kill()
        process.communicate(timeout=10)
    # With the process gone, the rest follows.
    done = await reap_here(mirror)
    assert (done.keeper, done.failure, done.erased) == (Keeper.NOBODY, "", len(tokens(mirror)))


# A full disk


FULL = """
set -e
mount -t tmpfs -o size=3m none "$1"
cp -a "$2"/. "$1"/
[ "$5" = reserve ] || rm -f "$1"/ipsync.db-reserve
dd if=/dev/zero of="$1"/ballast bs=1k count=8192 2>/dev/null || true
IPSYNC_CONFIG="$1"/ipsync.toml "$3" -m ipsync.cli reap --json || code=$?
find "$1"/content -type f | wc -l
grep -c -r -l -a "$4" "$1" | wc -l || true
echo "${code:-0}"
"""


@pytest.mark.parametrize("room", ["reserve", "none"])
def test_F3_on_a_full_disk_what_is_overdue_goes_all_the_same(mirror: SiteMirror, tmp_path: Path, room: str) -> None:
    """A file system of its own without a free byte: not even opening the database has room."""
    age(mirror, 23 * HOUR)
    (mirror.folder / "ipsync.db-reserve").write_bytes(bytes(1 << 20))
    for path in mirror.files():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 22 * HOUR))
    place = tmp_path / "full"
    place.mkdir()
    apart = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "IPSYNC_STATE_KEY": STATE_KEY}
    done = subprocess.run(
        [*apart, "sh", "-c", FULL, "sh", place, mirror.folder, sys.executable, min(tokens(mirror)), room],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "}" in done.stdout, done.stderr
    told, _, rest = done.stdout.partition("\n}\n")
    report = json.loads(told + "}")
    files, copies, code = rest.split()
    assert (report["failure"], report["erased"], code) == (None, len(tokens(mirror)), "3"), done.stderr
    assert (files, copies) == ("0", "0")


# A database that nobody can read


def test_F5_after_a_step_back_to_an_older_version_files_past_any_lease_go(mirror: SiteMirror) -> None:
    old, young = mirror.files()[:2], mirror.files()[2:]
    for path in old:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 4 * HOUR))
    change_rows(mirror, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(CatalogNewer, match="restore the backup"):
        asyncio.run(Reaper(mirror.settings()).run())

    assert sorted(mirror.files()) == sorted(young)


def damage(mirror: SiteMirror) -> None:
    path = mirror.folder / "ipsync.db"
    content = bytearray(path.read_bytes())
    content[100:8192] = bytes(8092)
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [damage, lambda mirror: (mirror.folder / "ipsync.db").unlink()])
def test_F5_without_a_database_files_past_any_lease_go(mirror: SiteMirror, harm: Callable[[SiteMirror], None]) -> None:
    old, young = mirror.files()[:2], mirror.files()[2:]
    for path in old:
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 3 * HOUR * 10**9 - 10**9))
    harm(mirror)

    code, looked = reap(mirror, "--dry-run")
    assert (code, looked["daemon"]) == (1, None)
    assert len(mirror.files()) == len(old) + len(young)
    code, done = reap(mirror)

    assert (code, done["daemon"], done["files"]) == (1, None, len(old))
    assert sorted(mirror.files()) == sorted(young)
    assert "ipsync db upgrade" in done["failure"] or "restore a backup" in done["failure"]


@pytest.mark.parametrize("harm", [damage, lambda mirror: (mirror.folder / "ipsync.db").unlink()])
def test_F5_a_daemon_without_a_database_does_not_start_and_old_files_go(
    mirror: SiteMirror, harm: Callable[[SiteMirror], None]
) -> None:
    old, young = mirror.files()[:2], mirror.files()[2:]
    for path in old:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 4 * HOUR))
    harm(mirror)
    done = ipsync("run", env=mirror.env)
    assert done.code in (1, 2)
    events = [json.loads(line)["event"] for line in done.err.splitlines()]
    assert events[-2:] == ["reaper.unreadable", "boot.refused"]
    assert sorted(mirror.files()) == sorted(young)


def test_F5_another_state_key_is_no_reason_to_erase(mirror: SiteMirror) -> None:
    for path in mirror.files():
        os.utime(path, ns=(0, 0))
    stored = mirror.files()
    env = {"IPSYNC_CONFIG": str(mirror.config), "IPSYNC_STATE_KEY": STATE_KEY[::-1]}
    done = ipsync("reap", env=env)
    assert done.code == 1
    assert "state_key" in done.err
    assert mirror.files() == stored


def test_before_the_first_start_nothing_is_made(mirror: SiteMirror) -> None:
    for path in mirror.folder.glob("ipsync.db*"):
        path.unlink()
    shutil.rmtree(mirror.folder / "content")
    code, done = reap(mirror)
    assert (code, done["files"]) == (1, 0)
    assert not (mirror.folder / "content").exists()
