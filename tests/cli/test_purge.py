"""`ipsync purge`: what is due is told before it is done, and is gone after."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ipsync.process import OneProcessLock
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror, age

On = Callable[..., Outcome]


def test_nothing_is_due(on: On, mirror: SiteMirror) -> None:
    assert on(mirror, "purge", "--dry-run").out == "Nothing is due.\n"
    assert on(mirror, "purge").out == "Nothing was due.\n"
    assert json.loads(on(mirror, "purge", "--dry-run", "--json").out) == {"due": []}


def test_T10_what_ran_out_is_told_then_erased(on: On, mirror: SiteMirror) -> None:
    tokens = {entry["token"] for member in (0, 1) for entry in mirror.site.permitted(member).values()}
    age(mirror, 22.5 * 3600)
    stored = len(mirror.files())

    people = on(mirror, "purge", "--dry-run")
    due = json.loads(on(mirror, "purge", "--dry-run", "--json").out)["due"]

    assert people.out.startswith("Due now; nothing was erased.")
    assert "expired" in people.out
    assert re.search(r" in (1\.5 h|\d\d min)$", people.out, re.MULTILINE)
    assert {row["reason"] for row in due} == {"expired"}
    assert {row["document_id"] for row in due} == set(mirror.site.permitted(0) | mirror.site.permitted(1))
    assert len(mirror.files()) == stored

    done = json.loads(on(mirror, "purge", "--json").out)
    assert (done["erased"], done["files"], done["failed"]) == (len(due), stored, 0)
    assert done["waiting_for_log"] is False
    assert set(mirror.copies(tokens).values()) == {0}


def test_T06_what_the_configuration_forbids_now_is_due(on: On, mirror: SiteMirror) -> None:
    permitted = mirror.site.permitted(0) | mirror.site.permitted(1)
    mirror.edit(
        '["cc-by", "cc-by-nc", "cc-by-nd", "cc-by-nc-nd", "cc-by-sa", "cc-by-nc-sa", "copyleft"]', '["cc-by-sa"]'
    )

    due = json.loads(on(mirror, "purge", "--dry-run", "--json").out)["due"]
    done = json.loads(on(mirror, "purge", "--json").out)

    assert {row["reason"] for row in due} == {"policy-change"}
    assert len(due) == done["erased"] > 0
    left = {row["document_id"] for row in json.loads(on(mirror, "documents", "list", "--json").out)["documents"]}
    assert left == set(permitted) - {row["document_id"] for row in due}


def test_T09_files_older_than_their_time_are_due(on: On, mirror: SiteMirror) -> None:
    stored = len(mirror.files())
    mirror.configure('\n[ttl]\nthumbnail = "1s"\n')
    time.sleep(1.1)
    due = json.loads(on(mirror, "purge", "--dry-run", "--json").out)["due"]

    assert {row["scope"] for row in due} == {"files"}
    assert len(due) == stored / 2
    assert " files " in on(mirror, "purge", "--dry-run").out
    assert json.loads(on(mirror, "purge", "--json").out)["files"] == stored / 2


def test_beside_a_daemon(on: On, mirror: SiteMirror) -> None:
    age(mirror, 22.5 * 3600)
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync run")
    try:
        shown = on(mirror, "purge")
    finally:
        lock.release()

    assert shown.code == 0
    assert "The running daemon cuts the database's log" in shown.out
    assert mirror.files() == []
    # The next that holds the lock says gone.
    assert json.loads(on(mirror, "purge", "--json").out)["erased"] > 0


def test_F30_a_planted_link_is_not_followed(on: On, mirror: SiteMirror, tmp_path: Path) -> None:
    age(mirror, 22.5 * 3600)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "240").write_text("not ours")
    victim = mirror.files()[0].parent
    for path in victim.iterdir():
        path.unlink()
    victim.rmdir()
    victim.symlink_to(elsewhere)

    shown = on(mirror, "purge")

    assert shown.code == 0, shown.err
    assert (elsewhere / "240").read_text() == "not ours"
    assert not os.path.lexists(victim)


@pytest.mark.parametrize("words", [("--dry-run",), ()])
def test_needs_no_network_and_no_key(cli: On, mirror: SiteMirror, words: tuple[str, ...]) -> None:
    env = {name: text for name, text in mirror.env.items() if name in ("IPSYNC_CONFIG", "IPSYNC_STATE_KEY")}

    assert cli("purge", *words, env=env).code == 0
