"""`ipsync removal`: what people and scripts see of an owner's request (T11)."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipsync.catalog import SqliteCatalog, open_catalog
from ipsync.cli import removal
from ipsync.clock import SystemClock
from ipsync.jobs.purge import Purge
from ipsync.jobs.tombstones import Tombstones
from ipsync.policy.instants import MINUTE
from ipsync.ports.store import ContentKey
from ipsync.process import OneProcessLock
from ipsync.settings import load
from ipsync.store import FileStore
from ipsync.store.tombstones import TombstoneFile, tombstones_file
from ipsync.telemetry import Metrics
from tests.fakes.catalogs import a_document, a_stored_rendition, an_account
from tests.fakes.command_line import Outcome, Terminal
from tests.fakes.configuration import SECRETS, write_configuration

PAGE = "https://www.ipernity.com/doc/1/5/in/album/9?from=mail"


class Mirror:
    """A mirror of three documents of member 1, and one of member 2, with a file each."""

    def __init__(self, folder: Path, cli: Callable[..., Outcome]) -> None:
        self.folder = folder
        self.config = write_configuration(folder)
        self._cli = cli
        assert cli("db", "upgrade", "-c", self.config).code == 0
        self.settings = load(self.config, SECRETS)
        now = SystemClock().now()
        owners = {5: 1, 6: 1, 7: 1, 8: 2}
        catalog = self.open()
        for account_id in (1, 2):
            catalog.write_now(lambda tx, number=account_id: tx.put_account(an_account(number)))
        documents = [
            a_document(number, owner, verified_at=now - MINUTE, mirrored_at=now - MINUTE)
            for number, owner in owners.items()
        ]
        catalog.write_now(lambda tx: tx.add_documents(documents))
        files = [a_stored_rendition(number, account_id=owner, size_bytes=9) for number, owner in owners.items()]
        catalog.write_now(lambda tx: tx.put_renditions(files))
        catalog.close_now()
        store = FileStore(self.settings.store.path, 0)
        for number, owner in owners.items():
            incoming = store.receive(ContentKey(owner, number, "240"))
            incoming.write(b"\xff\xd8content")
            incoming.keep()
        store.close()

    def open(self, *, checkpoints: bool = True) -> SqliteCatalog:
        settings = self.settings
        return open_catalog(
            settings.database.url,
            settings.file.parent,
            settings.secrets.state_key_bytes(),
            checkpoints=checkpoints,
            inline=True,
        )

    def __call__(self, *words: str | Path) -> Outcome:
        return self._cli("removal", *words, "-c", self.config, env=SECRETS)

    def json(self, *words: str) -> dict[str, object]:
        done = self(*words, "--json")
        assert done.code == 0, done.err
        found: dict[str, object] = json.loads(done.out)
        return found

    def on_disk(self) -> list[int]:
        return sorted(int(path.parent.name) for path in self.settings.store.path.rglob("240"))


@pytest.fixture
def mirror(tmp_path: Path, cli: Callable[..., Outcome]) -> Mirror:
    return Mirror(tmp_path, cli)


@pytest.fixture
def beside_a_daemon(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneProcessLock]:
    """Another process holds the daemon's lock; the wait for it is short."""
    monkeypatch.setattr(removal, "_PATIENCE_SECONDS", 0.3)
    lock = OneProcessLock(mirror.settings.database.path)
    assert lock.take("ipsync run")
    yield lock
    lock.release()


def test_T11_a_link_is_enough_and_a_receipt_follows(mirror: Mirror) -> None:
    done = mirror("add", PAGE, "--contact", "olga@example.org", "--yes")
    assert done.code == 0, done.err
    assert "Document 5 of account 1: 1 document, 1 file (9 B)." in done.out
    assert "nothing at ipernity is changed" in done.out
    for line in ("request ", "received ", "hidden ", "deadline ", "gone ", "was held "):
        assert f"\n{line}" in done.out or done.out.startswith(line)
    assert "in 1 d)" in done.out or "in 24 h)" in done.out
    assert "yes: it is not mirrored again" in done.out
    assert "olga" not in done.out + done.err
    assert mirror.on_disk() == [6, 7, 8]


def test_T11_json_for_scripts(mirror: Mirror) -> None:
    receipt = mirror.json("add", "5", "--yes", "--note", "by mail")
    assert receipt["request_id"] == "1"
    assert (receipt["scope"], receipt["document_id"], receipt["account_id"]) == ("document", "5", "1")
    assert receipt["held"] == {"documents": 1, "files": 1, "bytes": 9}
    assert (receipt["is_new"], receipt["stands"], receipt["recorded_outside"]) == (True, True, True)
    assert receipt["gone_at"] is not None
    assert receipt["received_at"] == receipt["hidden_at"] < receipt["deadline"]
    assert "note" not in receipt

    listed = mirror.json("list")
    assert listed == {"requests": [{name: receipt[name] for name in receipt if name != "is_new"}], "next_after": None}
    assert mirror.json("list", "--open") == {"requests": [], "next_after": None}
    shown = mirror.json("show", "1")
    assert shown == listed["requests"][0] | {"contact": "", "note": "by mail"}  # type: ignore[index]  # reason: JSON
    assert mirror.json("add", "5", "--yes")["is_new"] is False


def test_T11_a_whole_account(mirror: Mirror) -> None:
    receipt = mirror.json("add", "--account", "member1", "--yes")
    assert (receipt["scope"], receipt["document_id"], receipt["account_id"]) == ("account", None, "1")
    assert receipt["held"] == {"documents": 3, "files": 3, "bytes": 27}
    assert receipt["gone_at"] is not None
    assert mirror.on_disk() == [8]


def test_T11_what_is_not_mirrored_may_be_named_as_well(mirror: Mirror) -> None:
    done = mirror("add", "999", "--yes")
    assert (done.code, "is not mirrored here. It never will be" in done.out) == (0, True)
    receipt = mirror.json("add", "--account", "4711", "--yes")
    assert receipt["held"] == {"documents": 0, "files": 0, "bytes": 0}
    assert receipt["gone_at"] >= receipt["received_at"]


def test_a_dry_run_changes_nothing(mirror: Mirror) -> None:
    assert mirror.json("add", PAGE, "--dry-run") == {
        "scope": "document",
        "kind": "document",
        "id": "5",
        "document_id": "5",
        "account_id": "1",
        "held": {"documents": 1, "files": 1, "bytes": 9},
    }
    assert mirror("add", "--account", "1", "--dry-run").code == 0
    assert mirror.json("list")["requests"] == []
    assert mirror.on_disk() == [5, 6, 7, 8]
    assert not tombstones_file(mirror.settings.database.path).exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say what to remove"),
        (("5", "--account", "1"), "say what to remove"),
        (("5", "--json"), "--json asks nothing"),
        (("https://evil.test/doc/1/5", "--yes"), "another site"),
        (("five", "--yes"), "names no document"),
        (("5", "--yes", "--note", "x" * 501), "note is longer"),
    ],
)
def test_wrong_usage_is_said_and_does_nothing(mirror: Mirror, words: tuple[str, ...], says: str) -> None:
    done = mirror("add", *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert mirror.on_disk() == [5, 6, 7, 8]


def test_of_an_unknown_account_nothing_is_removed(mirror: Mirror) -> None:
    done = mirror("add", "--account", "nobody", "--yes")
    assert (done.code, done.out) == (1, "")
    assert 'no account "nobody"' in done.err
    assert mirror.on_disk() == [5, 6, 7, 8]


def test_it_asks_and_a_no_changes_nothing(mirror: Mirror) -> None:
    with Terminal("removal", "add", "5", "-c", mirror.config, env=SECRETS) as terminal:
        terminal.expect("Remove it? [y/N]")
        terminal.type("no")
        assert terminal.end().code == 1
    assert mirror.on_disk() == [5, 6, 7, 8]


def test_the_list_for_people(mirror: Mirror) -> None:
    assert mirror("list").out.strip() == "No owner has asked for anything to be removed."
    assert mirror("list", "--open").out.strip() == "No request is open."
    for number in ("5", "6", "999"):
        mirror("add", number, "--yes")
    mirror("withdraw", "2")
    shown = mirror("list").out
    assert [line.split()[0] for line in shown.splitlines()] == ["request", "1", "2", "3"]
    assert "document 5" in shown
    assert shown.count("withdrawn") == 1
    page = mirror("list", "--limit", "2").out
    assert "There may be more: --after 2" in page
    assert mirror.json("list", "--after", "2", "--limit", "5")["requests"][0]["request_id"] == "3"  # type: ignore[index]  # reason: JSON


def test_contact_and_note_are_shown_to_the_operator_only_where_asked(mirror: Mirror) -> None:
    mirror("add", "5", "--yes", "--contact", "olga@example.org", "--note", "by mail")
    assert "olga" not in mirror("list").out + json.dumps(mirror.json("list"))
    shown = mirror("show", "1").out
    assert "olga@example.org" in shown
    assert "by mail" in shown


def test_withdrawing(mirror: Mirror) -> None:
    mirror("add", "5", "--yes")
    mirror("add", "--account", "2", "--yes")
    assert "may come back with the next sweep" in mirror("withdraw", "1").out
    ended = mirror.json("withdraw", "2")
    assert (ended["stands"], ended["ended_by"]) == (False, "withdrawn")
    again = mirror("withdraw", "1")
    assert (again.code, "stands no more" in again.err) == (1, True)
    assert mirror("withdraw", "9").code == 1
    assert mirror("show", "9").code == 1
    assert "no: withdrawn" in mirror("show", "1").out


def test_beside_a_daemon_it_is_hidden_and_erased_and_the_daemon_says_gone(
    mirror: Mirror, beside_a_daemon: OneProcessLock
) -> None:
    done = mirror("add", "5", "--yes")
    assert done.code == 0, done.err
    assert "The running daemon cuts the database's log within moments" in done.out
    assert "ipsync removal show 1" in done.out
    assert mirror.on_disk() == [6, 7, 8]
    assert mirror.json("show", "1")["gone_at"] is None
    assert len(mirror.json("list", "--open")["requests"]) == 1  # type: ignore[arg-type]  # reason: JSON

    asyncio.run(as_the_daemon(mirror))
    assert mirror.json("show", "1")["gone_at"] is not None


async def as_the_daemon(mirror: Mirror) -> None:
    catalog, store = mirror.open(), FileStore(mirror.settings.store.path, 0)
    clock, rules = SystemClock(), mirror.settings.rules()
    record = TombstoneFile(tombstones_file(mirror.settings.database.path))
    tombstones = Tombstones(catalog, record, clock, rules)
    await Purge(catalog, store, asyncio.Lock(), clock, rules, Metrics(), tombstones).run()
    await catalog.close()
    store.close()


def test_F4_a_record_that_cannot_be_written_is_told(mirror: Mirror) -> None:
    tombstones_file(mirror.settings.database.path).write_text("Dear diary.\n")
    done = mirror("add", "5", "--yes", "--contact", "olga@example.org")
    assert done.code == 1
    assert "the record outside the database cannot be written, so it is not called gone" in done.err
    assert "gone" in done.out
    assert mirror.on_disk() == [6, 7, 8]
    with sqlite3.connect(mirror.settings.database.path) as connection:
        assert connection.execute("SELECT state FROM document WHERE document_id = 5").fetchall() == []
    connection.close()


def test_T11_no_word_of_the_owner_stays_in_a_log(mirror: Mirror) -> None:
    done = mirror("add", "5", "--yes", "--contact", "canary-contact", "--note", "canary-note")
    assert "canary" not in done.out + done.err
    held = [path for path in mirror.folder.rglob("*") if path.is_file() and b"canary-contact" in path.read_bytes()]
    assert {path.name for path in held} <= {"ipsync.db", "ipsync.db-wal"}
