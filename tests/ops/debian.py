"""The Debian package: built twice the same, installed into a clean root, upgraded, taken back, removed, purged."""

import hashlib
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.ops.installed import STATE, Installed
from tests.ops.machine import Machine, cached_package, package, timed, until
from tests.ops.promises import Promise, need

_NEXT = "0.1.1"
_REVISION = "9001"
_SITE = "usr/lib/ipsync/lib/python3.*/site-packages/ipsync"
_MIGRATION = f'''\
"""What the next version might need."""

from alembic import op

from ipsync.catalog.schema import REVISIONS

revision = "{_REVISION}"
down_revision = REVISIONS[-2]
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE next_version (document_id INTEGER PRIMARY KEY, verified_at INTEGER)")
    op.execute("INSERT INTO next_version SELECT document_id, verified_at FROM document")
'''
# What dpkg, systemd and the account tools keep for themselves, whatever is installed.
_RECORDS = re.compile(
    r". (/var/lib/dpkg/|/var/log/|/run/|/tmp|/var/tmp|/var/lib/systemd/|/var/lib/private$"
    r"|/etc/(passwd|shadow|group|gshadow|subuid|subgid)-$|/etc/\.pwd\.lock$|/var/cache/ldconfig/)"
)


def promises() -> Iterator[Promise]:
    """Look at all of it."""
    built = cached_package()
    with tempfile.TemporaryDirectory() as place:
        yield _built_twice(built, Path(place))
        yield _lintian(built)
        later = _next_version(built, Path(place))
        with Machine() as machine:
            before = machine.files()
            ipsync = Installed(machine)
            ipsync.install(built)
            yield from _installed(machine)
            ipsync.begin_simulator()
            ipsync.configure()
            machine.run("systemctl", "start", "ipsync")
            ipsync.take_in()
            until(ipsync.files, "there are files")
            yield from _upgraded(ipsync, later)
            yield from _taken_back(ipsync, built)
            yield from _removed(ipsync)
            yield from _purged(machine, before)


def _built_twice(built: Path, place: Path) -> Promise:
    other = package(place / "again").read_bytes()
    first = built.read_bytes()
    figure = f"sha256 {hashlib.sha256(first).hexdigest()[:16]}, {len(first):,} bytes"
    return Promise("built twice, the package is the same", first == other, figure)


def _lintian(built: Path) -> Promise:
    need({"lintian": "lintian"})
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", str(built)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line[:2] in ("E:", "W:")]
    return Promise("lintian finds no error and no warning", not said and not done.returncode, f"{len(said)} {said[:2]}")


def _next_version(built: Path, place: Path) -> Path:
    """The same package as a later version would be: another number, and one migration more."""
    tree = place / "next"
    subprocess.run(["dpkg-deb", "-R", str(built), str(tree)], check=True)
    [code] = tree.glob(_SITE)
    (code / f"_assets/migrations/versions/{_REVISION}_next.py").write_text(_MIGRATION)
    with (code / "catalog/schema.py").open("a") as file:
        file.write(f'\nREVISIONS = (*REVISIONS, "{_REVISION}")\nHEAD = REVISIONS[-1]\n')
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {_NEXT}", control.read_text(), flags=re.MULTILINE))
    target = place / "next.deb"
    subprocess.run(["dpkg-deb", "-Znone", "-b", str(tree), str(target)], check=True, capture_output=True)
    shutil.rmtree(tree)
    return target


def _installed(machine: Machine) -> Iterator[Promise]:
    version = machine.ask("ipsync", "--version")
    yield Promise("installed in a clean root, it runs", version.startswith("ipsync "), version)
    enabled = machine.ask("systemctl", "is-enabled", "ipsync.service", "ipsync-reaper.timer").split()
    yield Promise("units are there and enabled", enabled == ["enabled", "enabled"], " ".join(enabled))
    user = machine.ask("getent", "passwd", "ipsync")
    yield Promise("it has a user of its own", user.startswith("ipsync:"), user or "none")
    mode = machine.ask("stat", "--format=%a %U", "/etc/ipsync/secrets")
    there = (machine.root / "usr/share/ipsync/ipsync.example.toml").is_file()
    yield Promise("there are a place for secrets and a template", there and mode == "700 root", f"secrets: {mode}")
    pages = list((machine.root / "usr/share/man/man1").glob("ipsync*.1.gz"))
    yield Promise("man pages for every command", len(pages) > 40, f"{len(pages)}")
    completed = machine.ask(
        "bash",
        "-c",
        "source /usr/share/bash-completion/completions/ipsync; COMP_WORDS=(ipsync rem); COMP_CWORD=1; _ipsync; "
        'echo "${COMPREPLY[*]}"',
    )
    yield Promise("bash completes commands", completed == "removal", f"ipsync rem: {completed}")


def _upgraded(ipsync: Installed, later: Path) -> Iterator[Promise]:
    machine = ipsync.machine
    before, pid = ipsync.served(), machine.show("ipsync", "MainPID")
    began = time.monotonic()
    ipsync.install(later)
    until(
        lambda: machine.show("ipsync", "SubState") == ["running"] and ipsync.served() >= before, "all is served again"
    )
    took = time.monotonic() - began
    schema = ipsync.ask_database("SELECT version_num FROM alembic_version")
    kept = ipsync.ask_database("SELECT count(*) FROM next_version")
    good = schema == _REVISION and kept >= len(before) > 0 and machine.show("ipsync", "MainPID") != pid
    figure = f"schema {schema}, {len(before)} documents, {took:.1f} s in all"
    yield Promise("an upgrade migrates, keeps the data and serves", good, figure)
    backups = [path.name for path in (machine.root / STATE).glob("version-*.tar")]
    yield Promise("it made a backup before", len(backups) == 1, ", ".join(backups) or "none")


def _taken_back(ipsync: Installed, built: Path) -> Iterator[Promise]:
    """Something is erased after the upgrade; then the older version comes back, with the backup."""
    machine = ipsync.machine
    [backup] = [f"/var/lib/ipsync/{path.name}" for path in (machine.root / STATE).glob("version-*.tar")]
    before = ipsync.served()
    gone = min(before)
    machine.run("ipsync-as-service", "removal", "add", gone, "--yes")
    until(lambda: not list((machine.root / STATE / "content").glob(f"*/{gone}/*")), "the document is erased")
    ipsync.install(built)
    until(lambda: machine.show("ipsync", "ActiveState") == ["failed"], "the older version refuses")
    code, restarts = machine.show("ipsync", "ExecMainStatus", "NRestarts")
    said = [record["message"] for record in machine.journal("ipsync") if record["event"] == "boot.refused"]
    good = code == "2" and restarts == "0" and bool(said) and "restore the backup" in said[-1]
    yield Promise("an older version refuses a newer database, and says the way back", good, said[-1] if said else code)
    machine.run("ipsync-as-service", "restore", backup, "--replace", "--yes")
    machine.run("systemctl", "reset-failed", "ipsync")
    machine.run("systemctl", "start", "ipsync")
    took = timed(lambda: ipsync.served() >= before - {gone}, "what is still shared is served again")
    back = gone in ipsync.served() or list((machine.root / STATE / "content").glob(f"*/{gone}/*"))
    figure = f"{len(before) - 1} documents after {took:.1f} s; {gone} stays gone"
    yield Promise("the backup brings back all but what was erased since", not back, figure)


def _removed(ipsync: Installed) -> Iterator[Promise]:
    machine = ipsync.machine
    words = ipsync.tokens()
    machine.run("systemctl", "stop", "simulator")
    there = len(ipsync.found(words))
    machine.run("dpkg", "--remove", "ipsync")
    left = ipsync.found(words)
    kept = [path.name for path in (machine.root / STATE).glob("removed-*.tar")]
    figure = f"words of {there} works before, {len(left)} after; kept: {', '.join(kept) or 'no backup'}"
    yield Promise("removed, it leaves no work behind", there > 0 and not left and len(kept) == 1, figure)
    running = machine.ask("systemctl", "is-active", "ipsync.service", "ipsync-reaper.timer").split()
    kept_configuration = (machine.root / "etc/ipsync/ipsync.toml").is_file()
    good = running == ["inactive", "inactive"] and kept_configuration
    yield Promise("nothing runs, the configuration stays", good, " ".join(running))


def _purged(machine: Machine, before: set[str]) -> Iterator[Promise]:
    machine.run("dpkg", "--purge", "ipsync")
    left = sorted(line for line in machine.files() - before if not _RECORDS.match(line))
    lost = sorted(line for line in before - machine.files() if not _RECORDS.match(line))
    user = machine.ask("getent", "passwd", "ipsync")
    figure = f"{len(left)} files more, {len(lost)} fewer {(left + lost)[:4]}; user: {user or 'none'}"
    yield Promise("purged, it leaves nothing", not left and not lost and not user, figure)
