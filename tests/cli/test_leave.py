"""`ipsync leave`: everything goes, with proof; nothing of a title, a name or a token stays in the folder (T24)."""

import asyncio
import contextlib
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Callable

import pytest

from ipsync.assembly import Works
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.process import OneProcessLock
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror, change_rows

On = Callable[..., Outcome]


def tokens_of(mirror: SiteMirror) -> set[str]:
    """What would give away a title, a description or a file, and who the members are."""
    entries = [entry for member in (0, 1) for entry in mirror.site.permitted(member).values()]
    names = {member.username for member in mirror.site.members[:2]}
    return {entry["token"] for entry in entries} | names


def grants(mirror: SiteMirror) -> list[bytes]:
    """The sealed tokens as they lie in the database."""
    with contextlib.closing(sqlite3.connect(mirror.folder / "ipsync.db")) as connection:
        return [row[0] for row in connection.execute("SELECT sealed_token FROM account_grant")]


def test_T24_everything_goes_and_no_mark_is_left(on: On, mirror: SiteMirror) -> None:
    number = int(mirror.files()[0].parent.name)

    async def ask(works: Works) -> None:
        subject = Subject(RequestScope.DOCUMENT, number)
        await works.requests.file(subject, Words("owner-canary@example.org", "note-canary"))

    mirror.work(ask)
    marks = tokens_of(mirror)
    sealed = grants(mirror)
    assert len(sealed) == 2
    assert all(mirror.copies(marks).values())

    done = on(mirror, "leave", "--yes", "--json")

    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["accounts"], told["failed"], told["still_there"]) == (2, 0, 0)
    assert told["removals"] >= told["documents"] > 0
    assert told["left_at"]
    assert mirror.files() == []
    copies = mirror.copies(marks | {"owner-canary@example.org", "note-canary"})
    assert {mark: count for mark, count in copies.items() if count} == {}
    held = b"".join(path.read_bytes() for path in mirror.folder.rglob("*") if path.is_file())
    assert [token for token in sealed if token in held] == []


def test_T24_the_proof_stays(on: On, mirror: SiteMirror) -> None:
    number = int(mirror.files()[0].parent.name)
    done = json.loads(on(mirror, "leave", "--yes", "--json").out)

    assert on(mirror, "ledger", "verify").code == 0
    head = json.loads(on(mirror, "ledger", "export", "--head").out)
    assert head == done["head"]
    proof = json.loads(on(mirror, "ledger", "prove", str(number), "--json").out)
    assert proof["answer"] == "erased"
    account = str(mirror.site.members[0].user_id)
    consents = on(mirror, "ledger", "prove", account, "--account").out
    assert "ended" in consents
    lines = on(mirror, "ledger", "export").out.splitlines()[1:]
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds[-1] == "left"
    assert kinds.count("gone") == done["removals"]
    assert {json.loads(line)["reason"] for line in lines if json.loads(line)["kind"] == "gone"} == {"leave"}
    assert on(mirror, "audit").code == 0


def test_a_dry_run_changes_nothing_and_says_what_stays(on: On, mirror: SiteMirror) -> None:
    before = sorted(mirror.files())
    people = on(mirror, "leave", "--dry-run")
    told = json.loads(on(mirror, "leave", "--dry-run", "--json").out)

    assert people.code == 0
    assert people.out.startswith("2 members, ")
    assert "when members consented" in people.out
    assert "backups of this folder" in people.out
    assert told["files"] == len(before)
    assert {"ipsync.db", "ipsync.toml", "content"} <= {entry["path"].rpartition("/")[2] for entry in told["stays"]}
    assert sorted(mirror.files()) == before


def test_it_asks_first(on: On, mirror: SiteMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(mirror.files())

    assert on(mirror, "leave", "--json").code == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    refused = on(mirror, "leave")
    assert (refused.code, len(mirror.files())) == (1, before)
    assert "Nothing was erased." in refused.err
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    done = on(mirror, "leave")
    assert done.code == 0
    assert "no document, no file, no token is left" in done.out
    assert re.search(r"hash [0-9a-f]{64}", done.out)
    assert mirror.files() == []


def test_not_beside_a_daemon(on: On, mirror: SiteMirror) -> None:
    before = len(mirror.files())
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync run")
    try:
        refused = on(mirror, "leave", "--yes")
    finally:
        lock.release()

    assert refused.code == 1
    assert "`ipsync run`" in refused.err
    assert "stop it first, then run this again" in refused.err
    assert len(mirror.files()) == before


def test_a_mirror_that_was_left_is_not_mirrored_into(on: On, mirror: SiteMirror) -> None:
    assert on(mirror, "leave", "--yes").code == 0

    run = on(mirror, "run")
    assert run.code == 2
    assert "ipsync leave --return" in run.err

    async def come(works: Works) -> None:
        url, frob = await works.accounts.begin()
        await asyncio.to_thread(mirror.site.approve, url, 0)
        await works.accounts.finish(frob)

    with pytest.raises(Exception, match="the operator left this mirror"):
        mirror.work(come)
    again = on(mirror, "leave", "--yes")
    assert again.code == 0
    assert "was left before" in again.out

    assert on(mirror, "leave", "--return").out.startswith("The mirror may be used again.")
    assert json.loads(on(mirror, "leave", "--return", "--json").out) == {"was_left": False}
    mirror.work(come)
    assert on(mirror, "sync").code == 0
    assert mirror.files()


def test_F28_a_restored_database_brings_nobody_back(on: On, mirror: SiteMirror) -> None:
    backup = mirror.folder.parent / "backup.db"
    shutil.copy(mirror.folder / "ipsync.db", backup)
    assert on(mirror, "leave", "--yes").code == 0
    shutil.copy(backup, mirror.folder / "ipsync.db")

    mirror.work(lambda works: works.tombstones.replay())

    states = {row["state"] for row in json.loads(on(mirror, "account", "list", "--json").out)["accounts"]}
    assert states == {"removed"}
    held = json.loads(on(mirror, "documents", "list", "--json").out)["documents"]
    assert {row["state"] for row in held} == {"doomed"}


def test_what_fails_is_told_and_can_be_repeated(on: On, mirror: SiteMirror) -> None:
    change_rows(mirror, "UPDATE account SET state = 'lost' WHERE account_id = (SELECT min(account_id) FROM account)")
    stray = mirror.folder / "content" / "stray"
    stray.write_bytes(b"left by nobody")
    done = on(mirror, "leave", "--yes", "--json")

    assert done.code == 0, done.err
    assert not stray.exists()
    assert json.loads(done.out)["left_at"]
