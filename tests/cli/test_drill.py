"""`ipsync drill`: a withdrawal rehearsed for real, measured, and undone by the next answer."""

import asyncio
import json
import sqlite3
from collections.abc import Callable

from ipsync.assembly import Works
from ipsync.cli import drill as drill_command
from ipsync.policy.requests import RequestScope, Subject, Words
from tests.fakes.command_line import Outcome, ipsync
from tests.fakes.site import SiteMirror, change_rows
from tests.system.daemons import daemon_here

On = Callable[..., Outcome]


def test_what_it_would_take_is_told_and_nothing_changed(on: On, mirror: SiteMirror) -> None:
    before = sorted(mirror.files())
    told = json.loads(on(mirror, "drill", "--dry-run", "--json").out)

    assert told["document_id"] in mirror.site.permitted(0) | mirror.site.permitted(1)
    assert told["beside"] is None
    assert told["document_id"] in on(mirror, "drill", "--dry-run").out
    assert sorted(mirror.files()) == before
    assert on(mirror, "status").code == 0


def test_a_drill_hides_confirms_erases_and_mirrors_again(on: On, mirror: SiteMirror) -> None:
    asked = mirror.site.simulator.world
    before = {path: path.read_bytes() for path in mirror.files()}
    chosen = json.loads(on(mirror, "drill", "--dry-run", "--json").out)["document_id"]

    done = on(mirror, "drill", "--json")

    assert done.code == 0, done.out + done.err
    told = json.loads(done.out)
    assert told["document_id"] == chosen
    assert (told["in_time"], told["gone"], told["mirrored_again"]) == (True, True, True)
    assert (told["files"], told["files_left"], told["text_left"], told["traces_in"]) == (2, 0, False, [])
    assert 0 <= told["hide_seconds"] <= told["erase_seconds"] < 60
    assert told["promised"] == {"hide_seconds": 72000.0, "erase_seconds": 86400.0}
    assert {path: path.read_bytes() for path in mirror.files()} == before
    assert asked.truth  # nothing at the site was changed: it still shares what it shared
    assert chosen in mirror.site.permitted()


def test_the_ledger_says_that_it_was_a_drill(on: On, mirror: SiteMirror) -> None:
    told = json.loads(on(mirror, "drill", "--json").out)

    assert told["marked_as_drill"] is True
    lines = [json.loads(line) for line in on(mirror, "ledger", "export").out.splitlines()[1:]]
    (entry,) = [line for line in lines if line["sequence"] == told["ledger_entry"]]
    assert (entry["kind"], entry["reason"]) == ("gone", "drill")
    assert entry["certificate"].endswith("doc.get error 1; drill")
    assert told["document_id"] not in json.dumps(entry)
    assert on(mirror, "ledger", "verify").code == 0
    assert on(mirror, "audit", "--deep").code == 0


def test_a_named_document_is_taken_and_others_stay(on: On, mirror: SiteMirror) -> None:
    number = max({path.parent.name for path in mirror.files()})
    shown = on(mirror, "drill", number)

    assert shown.code == 0, shown.err
    assert f"{number} of account" in shown.out
    assert "(promised: 20 h)" in shown.out
    assert "as a drill" in shown.out
    removed = {row[0] for row in rows(mirror, "SELECT DISTINCT document_id FROM removal")}
    assert removed == {int(number)}


def test_what_cannot_be_taken_is_told(on: On, mirror: SiteMirror) -> None:
    unknown = on(mirror, "drill", "4711")
    assert unknown.code == 1
    assert "is not mirrored" in unknown.err
    assert on(mirror, "drill", "--patient").code == 2
    change_rows(mirror, "UPDATE document SET state = 'stale'")
    hidden = on(mirror, "drill", mirror.files()[0].parent.name)
    assert hidden.code == 1
    assert "not shown now" in hidden.err
    assert on(mirror, "drill").code == 1


def test_one_drill_at_a_time_and_one_that_was_cut_off_ends_by_itself(on: On, mirror: SiteMirror) -> None:
    number = int(mirror.files()[0].parent.name)

    async def begin(works: Works) -> None:
        await works.drill.begin(await works.drill.choose(number))

    mirror.work(begin)
    refused = on(mirror, "drill")
    assert refused.code == 1
    assert "wait until it has ended" in refused.err

    change_rows(mirror, "UPDATE note SET value = replace(value, '\"until\": ', '\"until\": -') WHERE name = 'drill'")
    assert on(mirror, "drill").code == 0


def test_T11_an_owners_request_during_a_drill_is_no_drill(on: On, mirror: SiteMirror) -> None:
    number = int(mirror.files()[0].parent.name)

    async def begin(works: Works) -> None:
        await works.drill.begin(await works.drill.choose(number))
        await works.requests.file(Subject(RequestScope.DOCUMENT, number), Words())

    mirror.work(begin)
    assert on(mirror, "purge").code == 0

    assert rows(mirror, "SELECT reason FROM removal") == [("owner-request",)]


def test_exit_3_when_ipernity_does_not_answer(on: On, mirror: SiteMirror) -> None:
    before = mirror.files()
    mirror.site.fault("http_status", ["doc.getList"], value=503)
    try:
        shown = on(mirror, "drill")
    finally:
        mirror.site.heal()

    assert shown.code == 3
    assert "It took longer than promised: it came as far as: shared." in shown.err
    assert mirror.files() == before
    assert rows(mirror, "SELECT value FROM note WHERE name = 'drill'") == [("",)]


def test_what_is_left_in_the_database_is_seen(mirror: SiteMirror) -> None:
    title = next(iter(mirror.site.permitted(0).values()))["token"].encode()
    database = mirror.folder / "ipsync.db"

    assert drill_command._traces(database, [title]) == ["ipsync.db"]
    assert drill_command._traces(database, [b"nobody wrote this"]) == []


async def test_beside_a_daemon_the_daemon_goes_through_with_it(own_mirror: SiteMirror) -> None:
    own_mirror.edit('window = "24h"', 'window = "120s"')
    before = sorted(own_mirror.files())
    async with daemon_here(own_mirror) as daemon:
        drill = await asyncio.to_thread(ipsync, "drill", "--json", env=own_mirror.env)
        told = json.loads(drill.out)
        assert drill.code == 0, drill.out + drill.err
        assert told["beside"].startswith("`ipsync run`")
        assert (told["in_time"], told["gone"], told["mirrored_again"]) == (True, True, True)
        assert told["traces_in"] == []
        assert told["document_id"] in await daemon.served()
    assert sorted(own_mirror.files()) == before


def rows(mirror: SiteMirror, statement: str) -> list[tuple[object, ...]]:
    """What a query finds; nobody may have the database open."""
    connection = sqlite3.connect(mirror.folder / "ipsync.db")
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
