"""The daemon: what systemd is told, what starts and what is refused, reload, the end, and nothing old is served."""

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipsync.alone import DaemonRefusedError
from ipsync.assembly import KeyUseChangedError
from ipsync.daemon import Daemon
from ipsync.in_force import Effect, changes_of, in_force_file, read_in_force
from ipsync.jobs.sync import Sync
from ipsync.ports.catalog import CatalogFailure, CatalogOutdated
from ipsync.ports.store import StoreFailure
from ipsync.process import OneProcessLock, ServiceNotifier
from ipsync.settings import load
from ipsync.settings.sections import LICENSE_WORDS
from tests.fakes.command_line import COMMAND, ROOT
from tests.fakes.processes import run_python
from tests.fakes.site import (
    ADMIN_TOKEN,
    STATE_KEY,
    LiveSite,
    SiteMirror,
    age,
    change_rows,
    empty_mirror,
    stocked_mirror,
)
from tests.system.daemons import DaemonProcess, Systemd, daemon_here, free_port, get, served, until, wait_for

pytestmark = pytest.mark.timeout(120)

LICENSES = '["cc-by", "cc-by-nc", "cc-by-nd", "cc-by-nc-nd", "cc-by-sa", "cc-by-nc-sa", "copyleft"]'


@pytest.fixture(scope="module")
def site() -> Iterator[LiveSite]:
    with LiveSite() as site:
        yield site


@pytest.fixture(scope="module")
def _stock(site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> SiteMirror:
    return stocked_mirror(tmp_path_factory.mktemp("stock") / "mirror", site)


@pytest.fixture
def mirror(_stock: SiteMirror, tmp_path: Path) -> Iterator[SiteMirror]:
    """A stocked mirror; faults that the test ordered at the site are taken back."""
    yield _stock.copy_to(tmp_path / "mirror")
    _stock.site.heal()


def everything(mirror: SiteMirror) -> set[str]:
    return set(mirror.site.permitted(0) | mirror.site.permitted(1))


# What systemd is told


def test_systemd_is_told_how_it_goes(mirror: SiteMirror, tmp_path: Path) -> None:
    with (
        Systemd(str(tmp_path / "notify")) as systemd,
        DaemonProcess(mirror, {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "600000"}) as daemon,
    ):
        assert systemd.messages[0] == "STATUS=passing the boot gate"
        assert systemd.wait("READY=1").startswith(f"READY=1\nSTATUS=serving at {daemon.address}")
        systemd.wait("WATCHDOG=1", 2)
        gate = [message for message in systemd.messages if message.startswith("STATUS=boot gate: ")]
        assert gate[:2] == ["STATUS=boot gate: beginning a new epoch", "STATUS=boot gate: looking at the clock"]
        assert len(gate) == 8
        # A start that erases a whole mirror must not be cut off.
        assert "EXTEND_TIMEOUT_USEC=120000000" in systemd.messages
        served_line = re.compile(r"STATUS=\d+ documents served, 0 hidden, 0 being removed")
        wait_for(lambda: [text for text in systemd.messages if served_line.match(text)], "it says what is served")

        daemon.process.send_signal(signal.SIGHUP)
        reloading = systemd.wait("RELOADING=1")
        assert int(reloading.partition("MONOTONIC_USEC=")[2]) <= time.monotonic_ns() // 1000
        assert "STATUS=reloaded" in systemd.wait("READY=1", 2)
        beats = systemd.messages.count("WATCHDOG=1")
        systemd.wait("WATCHDOG=1", beats + 1)

        # Nothing secret is where other processes look; nothing is left where a crash would leave it (F35, I9).
        process = Path(f"/proc/{daemon.process.pid}")
        line = process.joinpath("cmdline").read_text()
        assert not [secret for name, secret in mirror.env.items() if name != "IPSYNC_CONFIG" and secret in line]
        assert re.search(r"Max core file size +0 +0 ", process.joinpath("limits").read_text())

        assert daemon.stop() == 0
        assert systemd.wait("STOPPING=1") == "STOPPING=1\nSTATUS=stopping"
        assert daemon.process.stdout is not None
        assert daemon.process.stdout.read() == ""

    text = daemon.log.read_text()
    assert daemon.events()[0] == "daemon.starting"
    assert daemon.events()[-1] == "daemon.stopped"
    assert "daemon.reloaded" in daemon.events()
    assert not [secret for name, secret in mirror.env.items() if name != "IPSYNC_CONFIG" and secret in text]


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_both_kinds_of_sockets_are_spoken_to(kind: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@ipsync-test-{os.getpid()}"
    with Systemd(address) as systemd:
        ServiceNotifier({"NOTIFY_SOCKET": address}).tell("READY=1", "STATUS=ok")
        assert systemd.wait("READY=1") == "READY=1\nSTATUS=ok"


def test_nobody_who_listens_is_no_reason_to_fail(tmp_path: Path) -> None:
    ServiceNotifier({}).tell("READY=1")
    ServiceNotifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).tell("READY=1")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_if_it_is_ours(environ: dict[str, str], seconds: float | None) -> None:
    assert ServiceNotifier(environ).watchdog_seconds == seconds


async def test_jobs_that_stand_still_starve_the_watchdog(mirror: SiteMirror) -> None:
    async with daemon_here(mirror) as here:
        await until(lambda: here.daemon._health, "something is measured")
        assert await here.get("/readyz") == (200, b'{"status":"ready"}')
        assert here.daemon._is_moving

        here.daemon._looked_at -= 1000

        assert not here.daemon._is_moving
        status, body = await here.get("/readyz")
        assert status == 503
        assert json.loads(body)["reasons"] == ["the jobs stand still"]
        # It lives, all the same: systemd decides.
        assert (await here.get("/healthz"))[0] == 200


def test_F35_a_process_of_ours_leaves_no_core() -> None:
    program = (
        "import ctypes, resource\n"
        "from ipsync.process import forbid_core_dumps\n"
        "forbid_core_dumps()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    assert run_python(program).split() == ["0", "0", "0"]


# What is refused


def refusal(mirror: SiteMirror) -> "subprocess.CompletedProcess[str]":
    """Start it where it cannot run."""
    return subprocess.run(
        [*COMMAND, "run"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | mirror.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def refuses(mirror: SiteMirror) -> Exception:
    """The same in this process."""
    with pytest.raises((DaemonRefusedError, CatalogFailure, StoreFailure)) as refused:
        await Daemon(mirror.settings(), mirror.settings, {}, handles_signals=False).run()
    return refused.value


def test_F27_a_second_daemon_is_refused_and_told_who_is_there(mirror: SiteMirror) -> None:
    with DaemonProcess(mirror) as first:
        second = refusal(mirror)
        assert first.process.poll() is None
        assert served(first.address) == everything(mirror)
        assert first.stop(signal.SIGINT) == 0

    assert second.returncode == 1
    assert second.stdout == ""
    # A log of JSON holds nothing else.
    records = [json.loads(line) for line in second.stderr.splitlines()]
    assert [record["event"] for record in records] == ["boot.refused"]
    assert f"another ipsync daemon (process {first.process.pid}) works on" in records[0]["message"]
    assert "database.url" in records[0]["message"]


async def test_F27_a_command_at_work_is_waited_for(mirror: SiteMirror, capsys: pytest.CaptureFixture[str]) -> None:
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync sync")
    asyncio.get_running_loop().call_later(0.4, lock.release)

    async with daemon_here(mirror) as here:
        assert await here.served() == everything(mirror)

    assert f"Waiting for `ipsync sync` (process {os.getpid()}) to end." in capsys.readouterr().err


async def test_F27_a_command_that_does_not_end_is_named(mirror: SiteMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipsync.alone.LOCK_PATIENCE", 300_000)
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync sync")
    try:
        refused = await refuses(mirror)
    finally:
        lock.release()

    assert "`ipsync sync` (process " in str(refused)
    assert "start the daemon when it has ended" in str(refused)


async def test_a_daemon_that_waits_can_be_stopped(mirror: SiteMirror) -> None:
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync sync")
    try:
        daemon = Daemon(mirror.settings(), mirror.settings, {}, handles_signals=False)
        asyncio.get_running_loop().call_later(0.2, daemon.stop)
        assert await asyncio.wait_for(daemon.run(), 5) == 0
    finally:
        lock.release()


def test_a_lock_tells_its_holder_and_forgets_it(tmp_path: Path) -> None:
    first, second = OneProcessLock(tmp_path / "a.db"), OneProcessLock(tmp_path / "a.db")
    assert second.holder() is None
    assert first.take("ipsync run")
    assert not second.take("ipsync sync")
    assert str(second.holder()) == f"`ipsync run` (process {os.getpid()})"
    first.path.write_text("nonsense")
    assert str(second.holder()) == "another process"
    first.release()
    assert second.holder() is None
    assert second.take("ipsync sync")
    second.release()


def test_a_port_in_use_names_the_setting(mirror: SiteMirror) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        mirror.edit('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{other.getsockname()[1]}"\n')
        done = refusal(mirror)

    assert done.returncode == 1
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["event"] == "boot.refused"
    assert re.search(r"cannot listen at 127\.0\.0\.1:\d+ \(.*in use\)", last["message"])
    assert "change web.listen in " in last["message"]


def test_a_database_without_schema_exits_with_2_and_the_remedy(mirror: SiteMirror) -> None:
    (mirror.folder / "ipsync.db").unlink()
    mirror.configure('\n[log]\nformat = "console"\n')

    done = refusal(mirror)

    assert done.returncode == 2
    assert "run `ipsync db upgrade`" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


async def test_what_cannot_be_used_is_refused_clearly(mirror: SiteMirror) -> None:
    mirror.edit("[web]", '[store]\nurl = "file:taken"\n\n[web]')
    (mirror.folder / "taken").write_text("")
    assert isinstance(await refuses(mirror), StoreFailure)

    mirror.configure('\n[database]\nurl = "sqlite:///missing/ipsync.db"\n')
    assert f"there is no folder {mirror.folder}/missing for the database" in str(await refuses(mirror))

    mirror.configure('\n[database]\nurl = "sqlite:///other.db"\n')
    assert isinstance(await refuses(mirror), CatalogOutdated)


async def test_T03_another_purpose_of_the_key_does_not_start(mirror: SiteMirror) -> None:
    mirror.configure(use="commercial")
    mirror.edit(LICENSES, '["cc-by"]')

    refused = await refuses(mirror)

    assert isinstance(refused, KeyUseChangedError)
    assert "(T03)" in str(refused)


async def test_another_state_key_does_not_start(mirror: SiteMirror) -> None:
    settings = load(mirror.config, mirror.env | {"IPSYNC_STATE_KEY": STATE_KEY[::-1]})

    with pytest.raises(CatalogFailure) as refused:
        await Daemon(settings, lambda: settings, {}, handles_signals=False).run()

    assert "state_key" in str(refused.value)


async def test_T04_while_the_key_awaits_validation_only_this_machine_is_answered(mirror: SiteMirror) -> None:
    mirror.configure(status="awaiting-validation")
    async with daemon_here(mirror) as here:
        assert (await here.get("/privacy.json"))[0] == 200
        assert (await here.get("/privacy.json", **{"X-Forwarded-For": "198.51.100.7"}))[0] == 403
        limits = re.findall(rb'ipsync_budget_limit\{window="hour"\} (\S+)', (await here.get("/metrics"))[1])
        assert [float(limit) for limit in limits] == [300.0]


async def test_F5_a_file_in_which_a_bit_flips_is_hidden_and_fetched_anew(mirror: SiteMirror) -> None:
    file = next(path for path in mirror.files() if path.name == "240")
    whole = file.read_bytes()
    path = f"/media/{file.parent.name}/240"
    token = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with daemon_here(mirror) as here:
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert (await here.get(path, **token))[0] == 404

        async def again() -> bool:
            return await here.get(path, **token) == (200, whole)

        await until(again, "what ipernity has is served again")


# The boot gate


def test_T10_nothing_listens_before_what_is_overdue_is_erased(mirror: SiteMirror) -> None:
    age(mirror, 23 * 3600)
    mirror.site.fault("http_status", ["*"], seconds=60, value=503)
    port = free_port()
    mirror.edit('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{port}"')
    stored = mirror.files()
    assert stored
    left: list[int] = []

    def watch() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                left.append(len(mirror.files()))
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    with DaemonProcess(mirror) as daemon:
        watcher.join()
        assert left == [0]
        assert served(daemon.address) == set()
        assert daemon.stop() == 0
    events = daemon.events()
    assert max(index for index, event in enumerate(events) if event == "boot.step") < events.index("web.listening")
    assert events.count("removal.gone") == len(everything(mirror))
    assert events.index("removal.gone") < events.index("web.listening")


def test_a_stop_during_the_boot_gate_is_an_orderly_end(mirror: SiteMirror) -> None:
    age(mirror, 23 * 3600)
    with DaemonProcess(mirror, is_ready=False) as daemon:
        daemon.wait_event("daemon.starting")
        code = daemon.stop()
    assert code == 0
    assert "daemon.stopped" in daemon.events()


# Reload


def test_T06_SIGHUP_takes_over_what_may_change(mirror: SiteMirror) -> None:
    text = mirror.config.read_text()
    with DaemonProcess(mirror) as daemon:
        assert served(daemon.address) == everything(mirror)
        assert "debug" not in {record["level"] for record in daemon.records()}

        # Fewer licenses, another budget, a louder log; a database that stays as it is until a restart.
        mirror.edit(LICENSES, '["cc-by-sa"]')
        mirror.edit("per_hour = 360000", "per_hour = 7200")
        mirror.edit('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:18480"')
        mirror.config.write_text(mirror.config.read_text() + '\n[log]\nlevel = "debug"\n')
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("daemon.reloaded", 2)

        warning = next(record for record in daemon.records() if record["event"] == "daemon.reloaded")
        assert warning["settings"] == "web.listen"
        in_force = wait_for(lambda: read_in_force(mirror.folder / "ipsync.db"), "it is told what is in force")
        left = [(change.key, change.effect) for change in changes_of(in_force, mirror.settings())]
        assert left == [("web.listen", Effect.RESTART)]
        permitted = mirror.site.permitted(0) | mirror.site.permitted(1)
        kept = {identity for identity, entry in permitted.items() if license_word(entry["license"]) == "cc-by-sa"}
        wait_for(lambda: served(daemon.address) == kept, "what is forbidden now is hidden")
        wait_for(
            lambda: {path.name for path in mirror.folder.glob("content/*/*")} == kept,
            "what is forbidden now is erased",
        )
        gone = {entry["token"] for identity, entry in permitted.items() if identity not in kept}
        wait_for(lambda: set(mirror.copies(gone).values()) <= {0}, "no word of it is left")
        told = 'ipsync_removals_total{reason="policy-change"}'
        wait_for(lambda: metrics_of(daemon.address)[told] == len(gone), "all of it is counted")
        assert metrics_of(daemon.address)['ipsync_budget_limit{window="hour"}'] == 7200

        # A wrong configuration is refused as a whole, and the old one holds.
        mirror.config.write_text(text.replace("per_hour = 360000", "per_hour = 999\n[nonsense]\nx = 1"))
        daemon.process.send_signal(signal.SIGHUP)
        refused = daemon.wait_event("daemon.reload-refused")
        assert "nonsense" in refused["problems"]
        assert served(daemon.address) == kept

        # The purpose of the key cannot change while it runs either (T03).
        mirror.configure(use="commercial")
        mirror.edit(LICENSES, '["cc-by"]')
        daemon.process.send_signal(signal.SIGHUP)
        assert "(T03)" in daemon.wait_event("daemon.reload-refused", 2)["problems"]
        assert served(daemon.address) == kept

        # What was permitted again comes back.
        mirror.config.write_text(text)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("daemon.reloaded", 3)
        assert daemon.stop() == 0
    assert not in_force_file(mirror.folder / "ipsync.db").exists()
    assert not [secret for secret in (ADMIN_TOKEN, STATE_KEY) if secret in daemon.log.read_text()]


def license_word(number: int) -> str:
    return next((word for word, known in LICENSE_WORDS.items() if known == int(number)), "")


def metrics_of(address: str) -> dict[str, float]:
    lines = get(address, "/metrics")[1].decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


async def test_the_privacy_page_follows_a_reload(mirror: SiteMirror) -> None:
    async with daemon_here(mirror) as here:
        (mirror.folder / "privacy-policy.md").write_text("# Privacy\n\nNow we say something else.\n")
        mirror.edit('application = "Site wall"', 'application = "Renamed wall"')
        here.daemon.reload()
        await until(lambda: here.daemon._settings.operator.application == "Renamed wall", "it is reloaded")
        page = (await here.get("/privacy"))[1].decode()

    assert "Now we say something else." in page
    assert "Renamed wall" in page


async def test_F20_a_reload_takes_no_budget_that_a_start_refuses(
    mirror: SiteMirror, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in the configuration must not let whole accounts go."""
    async with daemon_here(mirror) as here:
        before = await here.served()
        mirror.config.write_text(re.sub(r"(?m)^(per_\w+) = .*$", r"\1 = 1", mirror.config.read_text()))
        here.daemon.reload()
        await until(lambda: "daemon.reload-refused" in capsys.readouterr().err, "the reload is refused")
        await asyncio.sleep(1)
        assert await here.served() == before == everything(mirror)


async def test_a_policy_that_cannot_be_read_changes_nothing(
    mirror: SiteMirror, capsys: pytest.CaptureFixture[str]
) -> None:
    async with daemon_here(mirror) as here:
        (mirror.folder / "privacy-policy.md").unlink()
        here.daemon.reload()
        await until(lambda: "daemon.reload-refused" in capsys.readouterr().err, "the reload is refused")
        assert await here.served() == everything(mirror)


async def test_a_reload_during_a_sweep_loses_nothing(mirror: SiteMirror) -> None:
    """The sweep under way ends, and every job is nudged again under the new configuration."""
    change_rows(mirror, "UPDATE listing SET next_due_at = 0")
    mirror.site.fault("slow", ["doc.getList"], seconds=60, value=1.0)
    async with daemon_here(mirror) as here:
        before = here.daemon._works
        await until(lambda: "sync" in here.daemon._schedule._running, "a sweep is under way")
        here.daemon.reload()
        here.daemon.reload()
        await until(lambda: here.daemon._works is not before and not here.daemon._reloading, "it is reloaded")
        mirror.site.heal()
        first = here.daemon._works
        await until(lambda: here.daemon._health and here.daemon._health.job_runs.get("sync"), "it sweeps again")
        assert here.daemon._is_moving
        assert await here.served() == everything(mirror)
        assert first is here.daemon._works
        handlers = len(logging.getLogger().handlers)
    # Each reload replaces the log's handler; none is left behind.
    assert len(logging.getLogger().handlers) == handlers - 1


# The end, and trouble on the way


def test_SIGTERM_lets_a_slow_request_end(mirror: SiteMirror) -> None:
    change_rows(mirror, "UPDATE listing SET next_due_at = 0")
    mirror.site.fault("slow", ["doc.getList"], seconds=60, value=1.5)
    with DaemonProcess(mirror) as daemon:
        calls = mirror.site.change(lambda world: sum(world.meter.report()["calls"].values()))
        wait_for(
            lambda: mirror.site.change(lambda world: sum(world.meter.report()["calls"].values())) > calls,
            "it asks for a page",
        )
        assert daemon.stop() == 0
    assert "daemon.stopped" in daemon.events()
    assert not [record for record in daemon.records() if record["level"] in ("error", "critical")]


async def test_a_job_that_fails_stops_no_other(
    mirror: SiteMirror, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours: nothing can be swept, but a member who leaves is erased as ever."""

    async def fails(*_: object, **__: object) -> None:
        raise LookupError("a defect")

    monkeypatch.setattr(Sync, "run", fails)
    async with daemon_here(mirror) as here:
        first = mirror.site.members[0].user_id
        works = here.daemon._current_works()
        await works.accounts.remove(first)
        await until(lambda: not list(mirror.folder.glob(f"content/{first}/*")), "the account is erased")
        assert await here.served() == set(mirror.site.permitted(1))
        await until(lambda: here.daemon._health, "something is measured")
        assert (await here.get("/readyz"))[0] == 200
    failed = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"job.failed"' in line]
    assert {record["job"] for record in failed} == {"sync"}


async def test_it_stops_in_order_and_leaves_nothing_open(mirror: SiteMirror) -> None:
    tasks = len(asyncio.all_tasks())
    async with daemon_here(mirror) as here:
        assert await here.served() == everything(mirror)
    assert len(asyncio.all_tasks()) == tasks
    with pytest.raises(urllib.error.URLError):
        await here.get("/healthz")
    assert not [path for path in open_files() if str(mirror.folder) in path]
    assert OneProcessLock(mirror.folder / "ipsync.db").holder() is None


def open_files() -> list[str]:
    """What this process has open."""
    names: list[str] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(str(descriptor.readlink()))
    return names


async def test_an_empty_mirror_runs(site: LiveSite, tmp_path: Path) -> None:
    async with daemon_here(empty_mirror(tmp_path / "empty", site)) as here:
        assert await here.served() == set()
        await until(lambda: here.daemon._health, "something is measured")
        assert (await here.get("/readyz"))[0] == 200
