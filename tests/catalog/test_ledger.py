"""The ledger on SQLite: one entry per removal, in the same transaction, whatever dies; nothing altered goes unseen."""

import shutil
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from ipsync.assets import asset_folder
from ipsync.catalog import CatalogConflict, SqliteCatalog, open_catalog, upgrade
from ipsync.catalog.heads import HeadsFile, read_heads
from ipsync.catalog.ledger import LedgerReading
from ipsync.catalog.ledger_keys import LedgerKeys, is_signed
from ipsync.catalog.sqlite import writing_engine
from ipsync.jobs.ledger import check_ledger, prove_document
from ipsync.policy.accounts import Consent, Grant
from ipsync.policy.instants import HOUR
from ipsync.policy.ledger import EntryKind, LedgerEntry, LedgerEvent, LedgerHead, gone, started
from ipsync.policy.ledger_check import LedgerCheck
from ipsync.policy.ledger_lines import write_head
from ipsync.policy.removals import Reason, Removal, Stage
from ipsync.ports.catalog import CatalogCorrupt, Transaction
from ipsync.ports.ledger import LedgerDifference
from tests.fakes.catalogs import LEASE, NOW, STATE_KEY, URL, a_document, a_removal, an_account, fresh_catalog
from tests.fakes.processes import files_with, run_python, start_python


def reopened(folder: Path) -> SqliteCatalog:
    return open_catalog(URL, folder, STATE_KEY, inline=True)


def say_gone(tx: Transaction, numbers: range, certificate: str = "doc.get error 1") -> list[Removal]:
    """What the purge worker does at the end: the removals are GONE, and the ledger says so."""
    tx.add_removals([a_removal(number, stage=Stage.ERASED, certificate=certificate) for number in numbers])
    erased = tx.removals(stages={Stage.ERASED}, limit=10_000)
    done = [replace(entry, stage=Stage.GONE, gone_at=NOW + 2 * HOUR) for entry in erased]
    tx.update_removals(done)
    tx.append_ledger([gone(entry, NOW + 2 * HOUR) for entry in done])
    return done


async def checked(catalog: SqliteCatalog, heads: Path | None = None) -> LedgerCheck:
    return await check_ledger(catalog, read_heads(heads) if heads else (), is_signed)


def told(check: LedgerCheck) -> str:
    return "\n".join(finding.what for finding in check.findings)


@pytest.fixture
def filled(catalog: SqliteCatalog) -> SqliteCatalog:
    """Three transactions of ten removals each."""
    for first in (1, 11, 21):
        catalog.write_now(lambda tx, first=first: say_gone(tx, range(first, first + 10)))
    return catalog


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    return tmp_path / "ipsync.db-heads"


# Appending


async def test_I8_each_removal_has_exactly_one_entry(filled: SqliteCatalog, heads: Path) -> None:
    entries = filled.read_now(lambda view: view.ledger_entries(0, 100))
    assert [entry.sequence for entry in entries] == list(range(1, 32))
    assert [entry.kind for entry in entries] == ["begun"] + ["gone"] * 30
    assert sorted(entry.removal for entry in entries[1:]) == list(range(1, 31))
    assert entries[0].certificate == f"key={filled.read_now(lambda view: view.ledger_key())}"
    assert filled.read_now(lambda view: view.ledger_differences(10)) == []
    check = await checked(filled, heads)
    assert (check.found, check.entries, check.heads) == (0, 31, 3)


def test_I8_I11_saying_it_again_appends_nothing(filled: SqliteCatalog, heads: Path) -> None:
    before = heads.read_bytes()
    again = filled.read_now(lambda view: view.removals(stages={Stage.GONE}))
    filled.write_now(lambda tx: tx.append_ledger([gone(entry, NOW + 9 * HOUR) for entry in again]))
    twice = LedgerEvent(EntryKind.GONE, NOW, removal=999)
    filled.write_now(lambda tx: tx.append_ledger([]))
    assert heads.read_bytes() == before
    filled.write_now(lambda tx: tx.append_ledger([twice, twice]))
    assert filled.read_now(lambda view: view.ledger_head()).sequence == 32


def test_I8_a_transaction_that_fails_leaves_no_entry_and_no_head(filled: SqliteCatalog, heads: Path) -> None:
    before = (filled.read_now(lambda view: view.ledger_head()), heads.read_bytes())

    def work(tx: Transaction) -> None:
        say_gone(tx, range(31, 41))
        raise LookupError("in the middle")

    with pytest.raises(LookupError):
        filled.write_now(work)
    assert (filled.read_now(lambda view: view.ledger_head()), heads.read_bytes()) == before
    filled.write_now(lambda tx: say_gone(tx, range(31, 41)))
    assert len(filled.read_now(lambda view: view.ledger_entries(0, 100))) == 41


async def test_I8_a_removal_without_its_entry_is_found(filled: SqliteCatalog) -> None:
    filled.write_now(lambda tx: tx.add_removals([a_removal(77, stage=Stage.GONE, gone_at=NOW + 3 * HOUR)]))
    filled.write_now(lambda tx: tx.append_ledger([LedgerEvent(EntryKind.GONE, NOW, removal=4711)]))
    assert filled.read_now(lambda view: view.ledger_differences(10)) == [
        LedgerDifference(31, None),
        LedgerDifference(4711, 32),
    ]
    words = told(await checked(filled))
    assert "removal 31 is gone, and no entry tells of it" in words
    assert "entry 32 tells of removal 4711, which is not gone" in words


def test_what_was_gone_before_the_ledger_began_is_no_difference(catalog: SqliteCatalog) -> None:
    catalog.write_now(lambda tx: tx.add_removals([a_removal(1, stage=Stage.GONE, gone_at=NOW)]))
    assert catalog.read_now(lambda view: (view.ledger_head(), view.ledger_differences(10))) == (None, [])
    catalog.write_now(lambda tx: say_gone(tx, range(2, 3)))
    assert catalog.read_now(lambda view: view.ledger_differences(10)) == []


def test_T12_T15_consents_are_told_with_what_they_are_part_of(catalog: SqliteCatalog) -> None:
    def consent(epoch: int) -> Consent:
        return Consent(1, epoch, f"canary-fingerprint-{epoch}", {"doc": "read"}, NOW + epoch)

    catalog.write_now(lambda tx: tx.put_grant(Grant(1, "canary-token-1"), consent(1)))
    catalog.write_now(lambda tx: tx.put_grant(Grant(1, "canary-token-2"), consent(2)))
    catalog.write_now(lambda tx: tx.end_grant(1, NOW + 9, "removed"))
    catalog.write_now(lambda tx: tx.end_grant(1, NOW + 10, "removed"))
    entries = catalog.read_now(lambda view: view.ledger_entries_of(account_id=1))
    assert [(entry.kind, entry.consent, entry.at, entry.reason) for entry in entries] == [
        ("consent-given", 1, NOW + 1, None),
        ("consent-ended", 1, NOW + 2, "replaced"),
        ("consent-given", 2, NOW + 2, None),
        ("consent-ended", 2, NOW + 9, "removed"),
    ]
    assert catalog.read_now(lambda view: view.ledger_entries_of(account_id=2)) == []
    assert catalog.read_now(lambda view: view.ledger_entries_of()) == []


def test_the_ledger_refuses_to_be_changed_by_mistake(filled: SqliteCatalog) -> None:
    for statement in ("UPDATE ledger_entry SET at = 1", "DELETE FROM ledger_entry WHERE sequence = 3"):
        with pytest.raises(CatalogConflict, match="only ever appended"):
            filled.write_now(lambda tx, statement=statement: tx._connection.exec_driver_sql(statement))


def test_entries_are_found_by_an_index(filled: SqliteCatalog, tmp_path: Path) -> None:
    filled.close_now()
    with closing(sqlite3.connect(tmp_path / "ipsync.db")) as connection:
        for where in ("document = x'00'", "removal IS NOT NULL AND removal = 3", "sequence > 4"):
            plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM ledger_entry WHERE {where}").fetchall()
            assert "SEARCH" in plan[0][3]


# Names without ids


def test_ids_are_named_by_digests_that_only_the_key_makes(filled: SqliteCatalog) -> None:
    keys, other = LedgerKeys(STATE_KEY), LedgerKeys(b"another key")
    assert keys.digest("document", 5) == LedgerKeys(STATE_KEY).digest("document", 5)
    assert len({keys.digest("document", 5), keys.digest("account", 5), other.digest("document", 5)}) == 3
    (entry,) = filled.read_now(lambda view: view.ledger_entries_of(document_id=5))
    assert (entry.document, entry.account) == (keys.digest("document", 5).hex(), keys.digest("account", 1).hex())


def test_the_ledger_of_another_key_is_another_ledger() -> None:
    keys, other = LedgerKeys(STATE_KEY), LedgerKeys(b"another key")
    head = keys.sign(3, NOW, "ab" * 32)
    assert is_signed(head)
    assert keys.public != other.public
    for forged in (
        head._replace(sequence=4), head._replace(at=NOW + 1), head._replace(hash="ac" * 32),
        head._replace(key=other.public), head._replace(signature="00" * 64), head._replace(key="ff" * 32),
        head._replace(signature="zz"),
    ):  # fmt: skip
        assert not is_signed(forged)


def test_I9_no_word_of_a_member_gets_into_the_ledger(catalog: SqliteCatalog, tmp_path: Path) -> None:
    catalog.write_now(lambda tx: tx.put_account(an_account(1, username="canary-name", realname="canary-real")))
    catalog.write_now(lambda tx: tx.put_grant(Grant(1, "canary-token"), Consent(1, 1, "canary-print", {}, NOW)))
    catalog.write_now(lambda tx: tx.add_documents([a_document(9, title="canary-title")]))
    catalog.write_now(lambda tx: say_gone(tx, range(9, 10), "title=canary-title total=4"))
    catalog.write_now(lambda tx: tx.end_grant(1, NOW, "canary-reason"))
    entries = catalog.read_now(lambda view: view.ledger_entries(0, 10))
    assert "canary" not in repr(entries)
    assert [entry.certificate for entry in entries if entry.kind == "gone"] == ["?=?-? total=4"]
    assert files_with(tmp_path, ["canary", "member"])["ipsync.db-heads"] == 0


async def test_T15_the_ledger_outlives_the_account(filled: SqliteCatalog, heads: Path) -> None:
    def leave(tx: Transaction) -> None:
        tx.end_grant(1, NOW, "removed")
        tx.drop_listings(1)
        tx.doom_account(1, Reason.OWNER_REQUEST, NOW, LEASE)
        tx._connection.exec_driver_sql("DELETE FROM account WHERE account_id = 1")

    filled.write_now(leave)
    assert len(filled.read_now(lambda view: view.ledger_entries_of(account_id=1))) == 30
    assert (await checked(filled, heads)).found == 0


# What was altered


def alter(folder: Path, *statements: str) -> None:
    """Change the file as somebody would who can write to it and knows no key."""
    with closing(sqlite3.connect(folder / "ipsync.db", isolation_level=None)) as connection:
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER ledger_entry_{verb}")
        for statement in statements:
            connection.execute(statement)
        for verb in ("update", "delete"):
            connection.execute(
                f"CREATE TRIGGER ledger_entry_{verb} BEFORE {verb.upper()} ON ledger_entry"
                " BEGIN SELECT RAISE(ABORT, 'the ledger is only ever appended to'); END"
            )


ALTERED = {
    "edited": (["UPDATE ledger_entry SET gone_at = gone_at - 3600000000 WHERE sequence = 7"], "entry 7 is not what"),
    "edited kind": (["UPDATE ledger_entry SET kind = 'x' WHERE sequence = 7"], "entry 7 is not what"),
    "edited digest": (["UPDATE ledger_entry SET document = x'00' WHERE sequence = 7"], "entry 7 is not what"),
    "edited hash": (["UPDATE ledger_entry SET hash = zeroblob(32) WHERE sequence = 7"], "entry 7 is not what"),
    "cut inside": (["DELETE FROM ledger_entry WHERE sequence IN (7, 8)"], "entries 7 to 8 are missing"),
    "cut at the end": (["DELETE FROM ledger_entry WHERE sequence > 25"], "entries 26 to 31 are missing"),
    "cut at the beginning": (["DELETE FROM ledger_entry WHERE sequence < 3"], "entries 1 to 2 are missing"),
    "cut wholly": (["DELETE FROM ledger_entry"], "entries 1 to 31 are missing"),
    "two in each other's place": (
        [
            "UPDATE ledger_entry SET removal = NULL WHERE sequence IN (7, 8)",
            "UPDATE ledger_entry SET sequence = 99 WHERE sequence = 7",
            "UPDATE ledger_entry SET sequence = 7 WHERE sequence = 8",
            "UPDATE ledger_entry SET sequence = 8 WHERE sequence = 99",
        ],
        "entry 7 is not what",
    ),
    "an entry repeated": (
        [
            "CREATE TEMP TABLE one AS SELECT * FROM ledger_entry WHERE sequence = 31",
            "UPDATE one SET sequence = 32, removal = NULL",
            "INSERT INTO ledger_entry SELECT * FROM one",
        ],
        "entries after 31 are not signed",
    ),
    "no head": (["DELETE FROM ledger_head"], "no signed head"),
    "another signature": (["UPDATE ledger_head SET signature = zeroblob(64)"], "signature of the newest head is wrong"),
    "another key": (["UPDATE ledger_head SET key = zeroblob(32)"], "signature of the newest head is wrong"),
    "a text for a digest": (["UPDATE ledger_entry SET certificate = 'caf\u00e9' WHERE sequence = 7"], "entry 7"),
    "no ledger at all": (["DELETE FROM ledger_entry", "DELETE FROM ledger_head"], "ends at entry 0"),
}


@pytest.mark.parametrize("how", ALTERED)
async def test_F38_what_was_altered_is_told(filled: SqliteCatalog, tmp_path: Path, heads: Path, how: str) -> None:
    statements, words = ALTERED[how]
    filled.close_now()
    alter(tmp_path, *statements)
    catalog = reopened(tmp_path)
    assert words in told(await checked(catalog, heads))
    catalog.close_now()


@pytest.mark.parametrize("how", ["cut at the end", "cut wholly", "an entry repeated", "no head", "another signature"])
async def test_F38_erasing_goes_on_and_what_was_altered_stays_to_be_seen(
    filled: SqliteCatalog, tmp_path: Path, how: str
) -> None:
    filled.close_now()
    alter(tmp_path, *ALTERED[how][0])
    catalog = reopened(tmp_path)
    catalog.write_now(lambda tx: say_gone(tx, range(31, 41)))
    assert "did not end where its signed head said" in told(await checked(catalog))
    assert catalog.read_now(lambda view: view.ledger_head()).sequence >= 42
    catalog.close_now()


@pytest.mark.parametrize("place", range(0, 4096, 97))
async def test_F38_bytes_flipped_in_the_file_are_found(tmp_path: Path, place: int) -> None:
    folder = tmp_path / str(place)
    folder.mkdir()
    catalog = fresh_catalog(folder, inline=True)
    catalog.write_now(lambda tx: say_gone(tx, range(1, 8)))
    page = catalog._writing.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name='ledger_entry'").scalar()
    catalog._writing.rollback()
    catalog.close_now()
    path = folder / "ipsync.db"
    data = bytearray(path.read_bytes())
    offset = (int(page) - 1) * 4096 + place
    before = sqlite_rows(path)
    data[offset] ^= 0x15
    path.write_bytes(data)
    if sqlite_rows(path) == before:  # a byte of free room
        return
    catalog = reopened(folder)
    assert (await checked(catalog, folder / "ipsync.db-heads")).found
    catalog.close_now()


def sqlite_rows(path: Path) -> object:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT * FROM ledger_entry").fetchall()
    except sqlite3.Error as error:
        return str(error)


async def test_F5_a_word_whose_bytes_are_no_text_is_found_at_its_entry(filled: SqliteCatalog, tmp_path: Path) -> None:
    filled.close_now()
    alter(tmp_path, "UPDATE ledger_entry SET kind = CAST(x'ff' AS TEXT) WHERE sequence = 20")
    catalog = reopened(tmp_path)
    check = await checked(catalog, tmp_path / "ipsync.db-heads")
    assert "entry 20 is not what was written" in told(check)
    assert "entry 21" not in told(check)
    catalog.close_now()


async def test_F5_entries_that_cannot_be_read_are_told_beside_what_was_found_before(
    filled: SqliteCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.close_now()
    alter(tmp_path, "UPDATE ledger_entry SET files = 8 WHERE sequence = 3")
    catalog = reopened(tmp_path)
    read = LedgerReading.ledger_entries

    def failing(view: LedgerReading, after: int, limit: int) -> list[LedgerEntry]:
        if after < 20 <= after + limit:
            raise CatalogCorrupt("a page of the file is damaged")
        return read(view, after, limit)

    monkeypatch.setattr(LedgerReading, "ledger_entries", failing)
    check = await checked(catalog, tmp_path / "ipsync.db-heads")
    assert "entry 3 is not what was written" in told(check)
    assert "behind entry 19 the ledger cannot be read: a page of the file is damaged" in told(check)
    catalog.close_now()


# Copies of heads, and databases put back


async def test_F28_F38_an_older_database_put_back_is_found(filled: SqliteCatalog, tmp_path: Path, heads: Path) -> None:
    filled.close_now()
    kept = tmp_path / "backup.db"
    shutil.copy(tmp_path / "ipsync.db", kept)
    catalog = reopened(tmp_path)
    catalog.write_now(lambda tx: say_gone(tx, range(31, 41)))
    catalog.close_now()

    shutil.copy(kept, tmp_path / "ipsync.db")
    catalog = reopened(tmp_path)
    assert "reached entry 41, and it ends at entry 31" in told(await checked(catalog, heads))
    # It goes on and grows beyond what was lost: still seen.
    catalog.write_now(lambda tx: say_gone(tx, range(51, 71)))
    assert "holds another entry 41" in told(await checked(catalog, heads))
    assert (await checked(catalog)).found == 0  # the database alone cannot know
    catalog.close_now()


def test_a_head_that_was_not_copied_is_copied_at_the_next_opening(filled: SqliteCatalog, heads: Path) -> None:
    filled.close_now()
    lines = heads.read_bytes().splitlines(keepends=True)
    heads.write_bytes(b"".join(lines[:2]))
    reopened(heads.parent).close_now()
    assert heads.read_bytes() == b"".join(lines)
    reopened(heads.parent).close_now()
    assert heads.read_bytes() == b"".join(lines)


def test_a_missing_file_of_heads_is_not_made_by_looking(filled: SqliteCatalog, heads: Path) -> None:
    filled.close_now()
    heads.unlink()
    catalog = reopened(heads.parent)
    assert not heads.exists()
    catalog.write_now(lambda tx: tx.append_ledger([started(NOW, 2)]))
    assert [head.sequence for _, head in read_heads(heads) if head] == [32]
    catalog.close_now()


def test_what_a_power_cut_left_of_a_head_never_counted(filled: SqliteCatalog, heads: Path) -> None:
    with heads.open("ab") as file:
        file.write(b'{"sequence":32,"at":17950')
    assert len(list(read_heads(heads))) == 3
    filled.write_now(lambda tx: tx.append_ledger([started(NOW, 2)]))
    assert [head.sequence for _, head in read_heads(heads) if head] == [11, 21, 31, 32]
    assert heads.stat().st_mode & 0o777 == 0o600


def test_F3_heads_that_cannot_be_written_hold_nothing_up(filled: SqliteCatalog, heads: Path) -> None:
    heads.unlink()
    heads.mkdir()
    filled.write_now(lambda tx: say_gone(tx, range(31, 41)))
    assert filled.read_now(lambda view: view.ledger_head()).sequence == 41
    assert any("ipsync.db-heads" in words for words in filled.check_now())
    heads.rmdir()
    filled.write_now(lambda tx: say_gone(tx, range(41, 43)))
    assert filled.check_now() == []
    assert [head.sequence for _, head in read_heads(heads) if head] == [43]


def test_odd_files_of_heads_are_no_failure(tmp_path: Path) -> None:
    file = HeadsFile(tmp_path / "ipsync.db")
    assert file.last() is None
    path = tmp_path / "ipsync.db-heads"
    for data in (b"", b"garbage\n", b"no end"):
        path.write_bytes(data)
        assert file.last() is None
    good = write_head(LedgerHead(1, NOW, "ab" * 32, "cd" * 32, "ef" * 64))
    path.write_bytes(b"garbage\n" + good)
    assert [head is None for _, head in read_heads(path)] == [True, False]


# Answers


async def test_the_answer_about_a_document(filled: SqliteCatalog, heads: Path) -> None:
    copies = [head for _, head in read_heads(heads) if head]
    answer = await prove_document(filled, 15, copies, NOW + 9 * HOUR)
    (evidence,) = answer.evidence
    assert (evidence.entry.removal, evidence.head.sequence, len(evidence.path)) == (15, 21, 5)
    assert answer.begun_at == NOW + 2 * HOUR
    newest = await prove_document(filled, 15, [], NOW + 9 * HOUR)
    assert (newest.evidence[0].head.sequence, len(newest.evidence[0].path)) == (31, 15)
    assert (await prove_document(filled, 4711, copies, NOW)).evidence == ()


# Crashes and processes

APPEND = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from ipsync.catalog import open_catalog
from ipsync.policy.ledger import gone
from ipsync.policy.removals import Stage
from tests.fakes.catalogs import NOW, STATE_KEY, URL, a_removal
catalog = open_catalog(URL, Path(sys.argv[1]), STATE_KEY, inline=True, checkpoints=False, busy_seconds=30)
first, times, dies = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
if dies == "before copying":
    catalog._copy_head = lambda head: os.kill(os.getpid(), signal.SIGKILL)
def work(tx):
    tx.add_removals([a_removal(first + turn * 10 + n, stage=Stage.ERASED) for n in range(10)])
    erased = tx.removals(stages={Stage.ERASED})
    done = [replace(entry, stage=Stage.GONE, gone_at=NOW) for entry in erased]
    if dies == "before appending":
        os.kill(os.getpid(), signal.SIGKILL)
    tx.update_removals(done)
    tx.append_ledger([gone(entry, NOW) for entry in done])
    if dies == "before the commit":
        os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
for turn in range(times):
    catalog.write_now(work)
catalog.close_now()
print("done", flush=True)
"""


@pytest.mark.parametrize("dies", ["before appending", "before the commit", "before copying"])
async def test_F1_I8_a_kill_at_any_step_leaves_a_whole_ledger(tmp_path: Path, heads: Path, dies: str) -> None:
    fresh_catalog(tmp_path, inline=True).close_now()
    run_python(APPEND, tmp_path, "1", "1", "never")
    process = start_python(APPEND, tmp_path, "11", "1", dies)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    catalog = reopened(tmp_path)
    check = await checked(catalog, heads)
    assert (check.findings, check.entries) == ([], 21 if dies == "before copying" else 11)
    catalog.close_now()
    run_python(APPEND, tmp_path, "21", "1", "never")
    catalog = reopened(tmp_path)
    assert (await checked(catalog, heads)).findings == []
    assert catalog.read_now(lambda view: view.removals(stages={Stage.ERASED})) == []
    catalog.close_now()


async def test_I8_two_processes_append_to_one_chain(tmp_path: Path, heads: Path) -> None:
    fresh_catalog(tmp_path, inline=True).close_now()
    processes = [start_python(APPEND, tmp_path, str(first), "20", "never") for first in (1, 1001)]
    for process in processes:
        output, complaint = process.communicate(timeout=90)
        assert output.split() == ["ready", "done"], complaint
    catalog = reopened(tmp_path)
    check = await checked(catalog, heads)
    assert (check.findings, check.entries, check.heads) == ([], 401, 40)
    catalog.close_now()


# The migration


def at_revision(folder: Path, revision: str) -> None:
    with writing_engine(folder / "ipsync.db", 5, create=True).connect() as connection, connection.begin():
        configuration = Config(attributes={"connection": connection})
        configuration.set_main_option("script_location", str(asset_folder("migrations")))
        command.upgrade(configuration, revision)


async def test_a_filled_database_gets_its_ledger(tmp_path: Path) -> None:
    at_revision(tmp_path, "0002")
    (tmp_path / "ipsync.db").chmod(0o600)
    with closing(sqlite3.connect(tmp_path / "ipsync.db", isolation_level=None)) as connection:
        columns = "document_id, account_id, reason, stage, scope, renditions, first_unsafe_at, detected_at, hidden_at"
        more = "erase_from, erase_by, gone_at, files_erased, bytes_erased, attempts, next_try_at, certificate"
        connection.executemany(
            f"INSERT INTO removal ({columns}, {more}) VALUES (?, 1, 'deleted', ?, 'document', '', 1, 2, 3, 4, 5, ?, 0,"
            " 0, 0, 0, '')",
            [(1, "gone", NOW), (2, "erased", None)],
        )
    upgrade(URL, tmp_path)
    catalog = reopened(tmp_path)
    assert catalog.read_now(lambda view: view.ledger_head()) is None
    catalog.write_now(lambda tx: say_gone(tx, range(3, 4)))
    entries = catalog.read_now(lambda view: view.ledger_entries(0, 10))
    assert [entry.removal for entry in entries] == [None, 2, 3]
    assert (await checked(catalog, tmp_path / "ipsync.db-heads")).found == 0
    catalog.close_now()
