"""`ipsync backup` and `ipsync restore`: nothing of a work is in a backup, and nothing that was erased comes back."""

import json
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import ipsync.catalog.work
from ipsync.catalog.backup import KEPT
from ipsync.catalog.tables import METADATA
from ipsync.process import OneProcessLock
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror

EMPTIED = {
    "document", "document_text", "rendition", "tally", "page_record", "page_plan", "listing_plan", "job_run", "change",
    "petition_words", "removal_request_words", "notification", "entry", "entry_text", "entry_listing",
    "webhook", "webhook_delivery",
}  # fmt: skip
"""What comes back by reading ipernity, or must not be kept for longer than its own term."""

On = Callable[..., Outcome]


@pytest.fixture
def backup(mirror: SiteMirror, on: On, tmp_path: Path) -> Path:
    made = on(mirror, "backup", str(tmp_path / "mirror.tar"))
    assert made.code == 0, made.err
    return tmp_path / "mirror.tar"


def rows(database: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(statement).fetchall()


def test_every_table_was_thought_about() -> None:
    assert ipsync.catalog.work
    tables = set(METADATA.tables)
    assert tables - KEPT - EMPTIED == set(), "say in catalog/backup.py whether a backup may hold it"


def test_F28_T10_no_text_name_or_address_of_any_work_is_in_a_backup(mirror: SiteMirror, backup: Path) -> None:
    content = backup.read_bytes()
    names = rows(mirror.folder / "ipsync.db", "SELECT username FROM account")
    urls = rows(mirror.folder / "ipsync.db", "SELECT url FROM rendition")
    titles = rows(mirror.folder / "ipsync.db", "SELECT title FROM document_text")
    assert len(names) > 1
    assert len(urls) > 10
    for (word,) in (*names, *urls, *titles):
        assert str(word).encode() not in content
    assert backup.stat().st_mode & 0o077 == 0
    assert not list(backup.parent.glob(".ipsync-backup-*"))


def test_what_does_not_come_back_by_itself_is_in_it(mirror: SiteMirror, backup: Path, tmp_path: Path) -> None:
    with tarfile.open(backup) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    for table in ("account", "consent", "account_grant", "ledger_entry", "removal_request", "tombstone"):
        kept = rows(tmp_path / "out" / "ipsync.db", f"SELECT count(*) FROM {table}")
        assert kept == rows(mirror.folder / "ipsync.db", f"SELECT count(*) FROM {table}"), table


def test_F28_a_restored_mirror_serves_nothing_reads_anew_and_forgets_no_request(
    mirror: SiteMirror, on: On, tmp_path: Path
) -> None:
    first, second = (
        str(row[0]) for row in rows(mirror.folder / "ipsync.db", "SELECT document_id FROM document LIMIT 2")
    )
    before = len(mirror.files())
    assert on(mirror, "removal", "add", first, "--yes").code == 0
    assert on(mirror, "backup", str(tmp_path / "mirror.tar")).code == 0
    # After the backup another owner asks; the backup does not know it, the record beside the database does.
    assert on(mirror, "removal", "add", second, "--yes").code == 0
    assert len(mirror.files()) < before

    done = on(mirror, "restore", str(tmp_path / "mirror.tar"), "--replace", "--yes")
    assert done.code == 0, done.err
    assert rows(mirror.folder / "ipsync.db", "SELECT count(*) FROM document") == [(0,)]
    assert json.loads(on(mirror, "documents", "list", "--json").out)["documents"] == []

    assert on(mirror, "sync").code == 0
    held = {str(row[0]) for row in rows(mirror.folder / "ipsync.db", "SELECT document_id FROM document")}
    assert len(held) > 10
    assert not held & {first, second}
    assert {entry["subject_id"] if "subject_id" in entry else entry["document_id"] for entry in json.loads(
        on(mirror, "removal", "list", "--json").out
    )["requests"]} == {first, second}  # fmt: skip


def test_an_old_backup_is_never_overwritten(mirror: SiteMirror, on: On, backup: Path) -> None:
    whole = backup.read_bytes()
    again = on(mirror, "backup", str(backup))
    assert again.code == 2
    assert "exists already" in again.err
    assert backup.read_bytes() == whole


def test_a_database_that_is_there_is_not_erased_unasked(mirror: SiteMirror, on: On, backup: Path) -> None:
    before = (mirror.folder / "ipsync.db").read_bytes()
    refused = on(mirror, "restore", str(backup), "--yes")
    assert refused.code == 2
    assert "--replace" in refused.err
    looked = on(mirror, "restore", str(backup), "--dry-run", "--json")
    assert looked.code == 0
    assert json.loads(looked.out)["restored"] is False
    assert (mirror.folder / "ipsync.db").read_bytes() == before


def test_beside_a_daemon_nothing_is_restored(mirror: SiteMirror, on: On, backup: Path) -> None:
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync run")
    try:
        assert on(mirror, "restore", str(backup), "--replace", "--yes").code == 1
    finally:
        lock.release()


def test_under_another_state_key_what_is_there_stays(mirror: SiteMirror, cli: On, backup: Path) -> None:
    before = (mirror.folder / "ipsync.db").read_bytes()
    env = mirror.env | {"IPSYNC_STATE_KEY": "0123456789abcdef" * 4}
    refused = cli("restore", str(backup), "--replace", "--yes", env=env)
    assert refused.code == 1, refused.err
    assert "state_key" in refused.err
    assert (mirror.folder / "ipsync.db").read_bytes() == before


def damaged(content: bytes) -> bytes:
    place = content.index(b"SQLite format 3") + 5000
    return content[:place] + b"\xff\xff\xff\xff" + content[place + 4 :]


@pytest.mark.parametrize(
    "harm", [damaged, lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"PK\x03\x04" * 1000]
)
def test_what_is_no_whole_backup_is_refused_and_nothing_changes(
    mirror: SiteMirror, on: On, backup: Path, harm: Callable[[bytes], bytes]
) -> None:
    backup.write_bytes(harm(backup.read_bytes()))
    before = (mirror.folder / "ipsync.db").read_bytes()
    refused = on(mirror, "restore", str(backup), "--replace", "--yes")
    assert refused.code == 2
    assert "Traceback" not in refused.err
    assert (mirror.folder / "ipsync.db").read_bytes() == before


def test_a_tar_that_climbs_is_refused(mirror: SiteMirror, on: On, tmp_path: Path) -> None:
    evil = tmp_path / "evil.tar"
    (tmp_path / "x").write_text("x")
    with tarfile.open(evil, "w") as tar:
        tar.add(tmp_path / "x", arcname="../../x")
    refused = on(mirror, "restore", str(evil), "--replace", "--yes")
    assert refused.code == 2
    assert "holds what no backup" in refused.err
