"""What the commands share: words for people, and what becomes of failures."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from ipsync.cli import session
from ipsync.policy.instants import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Duration
from ipsync.process import OneProcessLock
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror, change_rows

On = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (0, "0 s"),
        (300 * MILLISECOND, "0.3 s"),
        (9 * SECOND, "9 s"),
        (47 * SECOND, "47 s"),
        (99 * SECOND, "99 s"),
        (100 * SECOND, "1.7 min"),
        (180 * SECOND, "3 min"),
        (119 * MINUTE, "119 min"),
        (2 * HOUR, "2 h"),
        (19 * HOUR + 30 * MINUTE, "19.5 h"),
        (24 * HOUR, "24 h"),
        (3 * DAY, "3 d"),
        (400 * DAY, "400 d"),
    ],
)
def test_durations_for_people(duration: Duration, words: str) -> None:
    assert session.span(duration) == words
    assert session.ago(0, duration) == f"{words} ago"
    if duration:
        assert session.ago(duration, 0) == f"in {words}"


def test_instants_and_sizes_for_people() -> None:
    assert session.ago(None, 5) == "never"
    assert session.moment(None, 5) == "-"
    assert session.moment(0, 3 * MINUTE) == "1970-01-01 00:00 UTC (3 min ago)"
    assert [session.size_text(size) for size in (0, 999, 1000, 3_400_000, 7 * 10**13)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "3.4 MB",
        "70.0 TB",
    ]
    assert [session.counted(number, "file") for number in (0, 1, 1204)] == ["0 files", "1 file", "1,204 files"]
    assert session.who(7, "a\nb") == "a\\nb (7)"
    assert session.who(7, "") == "account 7"


def test_another_state_key_is_said(on: On, mirror: SiteMirror, cli: On) -> None:
    other = "ffeeddccbbaa99887766554433221100" * 2
    shown = cli("account", "list", env=mirror.env | {"IPSYNC_STATE_KEY": other})

    assert shown.code == 1
    assert "state_key" in shown.err
    assert other not in shown.err


def test_T03_another_purpose_of_the_key_is_refused(on: On, mirror: SiteMirror) -> None:
    mirror.configure(use="commercial")
    mirror.edit('["cc-by", "cc-by-nc", "cc-by-nd", "cc-by-nc-nd", "cc-by-sa", "cc-by-nc-sa", "copyleft"]', '["cc-by"]')

    shown = on(mirror, "account", "list")

    assert shown.code == 2
    assert "filled under a non-commercial key" in shown.err
    assert "(T03)" in shown.err


def test_a_refused_key_is_said_with_what_to_look_at(on: On, mirror: SiteMirror, cli: On) -> None:
    shown = cli("account", "add", env=mirror.env | {"IPSYNC_API_KEY": "0" * 32})

    assert shown.code == 1
    assert "check api_key, api_secret and key.status" in shown.err


def test_an_ipernity_that_is_not_there(on: On, mirror: SiteMirror) -> None:
    mirror.edit(mirror.site.simulator.api_url, "http://127.0.0.1:9/api/")

    shown = on(mirror, "account", "add")

    assert shown.code == 1
    assert "ipernity at http://127.0.0.1:9/api/ gave no usable answer" in shown.err


def test_a_store_that_is_no_folder(on: On, mirror: SiteMirror) -> None:
    mirror.edit("[web]", '[store]\nurl = "file:taken"\n\n[web]')
    (mirror.folder / "taken").write_text("")

    shown = on(mirror, "account", "list")

    assert shown.code == 1
    assert "Traceback" not in shown.err
    assert "content store" in shown.err


def test_no_schema_is_changed_under_a_daemon(on: On, mirror: SiteMirror) -> None:
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    assert lock.take("ipsync run")
    try:
        assert on(mirror, "db", "upgrade").code == 0
        change_rows(mirror, "UPDATE alembic_version SET version_num = '0001'")
        refused = on(mirror, "db", "upgrade")
    finally:
        lock.release()

    assert refused.code == 1
    assert "`ipsync run` (process " in refused.err
    assert "let it end, or stop it, then upgrade" in refused.err


def test_F24_a_long_reader_is_told_of(on: On, mirror: SiteMirror) -> None:
    with closing(sqlite3.connect(mirror.folder / "ipsync.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM document").fetchone()
        done = json.loads(on(mirror, "account", "remove", mirror.site.members[0].username, "--yes", "--json").out)
        reader.execute("COMMIT")

    assert done["waiting_for_log"] is True
    assert json.loads(on(mirror, "purge", "--json").out)["erased"] == done["documents"]
