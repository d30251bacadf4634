"""`ipsync audit`: every kind of finding is planted, found, mended where it can be, and clean afterwards."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ipsync.assembly import Works
from ipsync.jobs.audit_standing import findings_standing
from ipsync.policy.auditing import Kind
from ipsync.policy.ledger import started
from ipsync.process import OneProcessLock
from tests.fakes.command_line import Outcome
from tests.fakes.site import SiteMirror, age, change_rows

On = Callable[..., Outcome]
HOUR = 3_600_000_000


def _a_document(mirror: SiteMirror) -> str:
    return mirror.files()[0].parent.name


def _file_unknown(mirror: SiteMirror) -> None:
    (mirror.files()[0].parent / "1024").write_bytes(b"nobody knows me")
    (mirror.folder / "content" / "a-title-of-somebody").write_bytes(b"nor me")


def _file_missing(mirror: SiteMirror) -> None:
    mirror.files()[0].unlink()


def _file_changed(mirror: SiteMirror) -> None:
    victim = mirror.files()[0]
    victim.write_bytes(victim.read_bytes() + b"more")


def _file_changed_inside(mirror: SiteMirror) -> None:
    victim = mirror.files()[0]
    content = victim.read_bytes()
    victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _link_planted(mirror: SiteMirror) -> None:
    """F30: a link in the place of a stored file is neither that file nor ours."""
    victim = mirror.files()[0]
    elsewhere = mirror.folder / "elsewhere"
    elsewhere.write_bytes(victim.read_bytes())
    victim.unlink()
    victim.symlink_to(elsewhere)


def _past_deadline(mirror: SiteMirror) -> None:
    age(mirror, 23.5 * 3600)


def _not_doomed(mirror: SiteMirror) -> None:
    age(mirror, 22.5 * 3600)


def _not_hidden(mirror: SiteMirror) -> None:
    age(mirror, 21 * 3600)


def _no_grant(mirror: SiteMirror) -> None:
    change_rows(mirror, f"DELETE FROM account_grant WHERE account_id = {mirror.site.members[0].user_id}")


def _left_behind(mirror: SiteMirror) -> None:
    """An account that ended: its token, and its documents as if nothing had happened."""
    change_rows(mirror, f"UPDATE account SET state = 'lost' WHERE account_id = {mirror.site.members[0].user_id}")


def _not_permitted(mirror: SiteMirror) -> None:
    change_rows(mirror, f"UPDATE document SET license = 0 WHERE document_id = {_a_document(mirror)}")


def _tombstoned(mirror: SiteMirror) -> None:
    number = _a_document(mirror)
    change_rows(
        mirror,
        "INSERT INTO tombstone SELECT document_id, account_id, 'deleted', verified_at + 1, 0 "
        f"FROM document WHERE document_id = {number}",
    )


def _hidden_unowed(mirror: SiteMirror) -> None:
    number = _a_document(mirror)
    change_rows(
        mirror,
        f"UPDATE document SET state = 'doomed', hidden_at = verified_at WHERE document_id = {number}",
    )


def _file_unowed(mirror: SiteMirror) -> None:
    change_rows(mirror, f"UPDATE rendition SET state = 'erasing' WHERE document_id = {_a_document(mirror)}")


def _file_expired(mirror: SiteMirror) -> None:
    change_rows(mirror, f"UPDATE rendition SET stored_at = stored_at - {31 * 24 * HOUR} WHERE rendition = '240'")


def _details_expired(mirror: SiteMirror) -> None:
    change_rows(
        mirror,
        f"UPDATE document SET details_at = verified_at - {31 * 24 * HOUR} WHERE document_id = {_a_document(mirror)}",
    )


def _entries(mirror: SiteMirror) -> None:
    """An album that no setting permits, 21 hours old, and one that somebody hid without a word."""
    member = mirror.site.members[0].user_id
    for number, state, age_hours in ((17, "live", 21), (18, "doomed", 0)):
        change_rows(
            mirror,
            f"INSERT INTO entry SELECT -{number * 8 + 1}, 'album', {number}, {member}, '{state}', 16, "
            f"max(verified_at) - {age_hours * HOUR}, max(verified_at), max(verified_at), NULL, NULL, NULL, NULL, NULL "
            "FROM document",
        )
        change_rows(mirror, f"INSERT INTO entry_text VALUES (-{number * 8 + 1}, 'a title', '', '')")


def _owed(mirror: SiteMirror) -> None:
    """A removal that is confirmed, and a window late."""
    number = int(_a_document(mirror))

    async def ask(works: Works) -> None:
        from ipsync.policy.requests import RequestScope, Subject, Words

        await works.requests.file(Subject(RequestScope.DOCUMENT, number), Words())

    mirror.work(ask)
    change_rows(mirror, f"UPDATE removal SET erase_by = erase_by - {48 * HOUR}")
    change_rows(mirror, f"UPDATE removal_request SET erase_by = erase_by - {48 * HOUR}")


def _request_ignored(mirror: SiteMirror) -> None:
    """A standing request for a document whose tombstone somebody took away, and one for an account brought back."""
    member = mirror.site.members[0].user_id
    rows = "removal_request (scope, subject_id, account_id, received_at, hidden_at, erase_by, held_documents, "
    rows += "held_files, held_bytes, consent_epoch, gone_at, ended_by, is_kept_outside)"
    change_rows(mirror, f"INSERT INTO {rows} VALUES ('document', 4711, 0, 1, 1, 2, 0, 0, 0, 0, 2, '', 0)")
    change_rows(mirror, f"INSERT INTO {rows} VALUES ('account', {member}, {member}, 3, 3, 4, 0, 0, 0, 9, 4, '', 0)")


def _outside_gone(mirror: SiteMirror) -> None:
    """Something was erased, and the record of it outside is gone."""
    number = int(_a_document(mirror))
    _purged(mirror, number)
    (mirror.folder / "ipsync.tombstones").unlink()


def _outside_damaged(mirror: SiteMirror) -> None:
    _purged(mirror, int(_a_document(mirror)))
    record = mirror.folder / "ipsync.tombstones"
    title, *lines = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(title + b"".join(line.replace(b"owner", b"0wner") for line in lines))


def _outside_unseen(mirror: SiteMirror) -> None:
    """A restored database: the record outside tells of a request, the database does not."""
    names = ("ipsync.db", "ipsync.db-heads")
    kept = {name: (mirror.folder / name).read_bytes() for name in names}
    _purged(mirror, int(_a_document(mirror)))
    for left in mirror.folder.glob("ipsync.db-*"):
        left.unlink()
    for name, content in kept.items():
        (mirror.folder / name).write_bytes(content)


def _purged(mirror: SiteMirror, number: int) -> None:
    """An owner's request that was carried out to its end."""

    async def remove(works: Works) -> None:
        from ipsync.policy.requests import RequestScope, Subject, Words

        works.base.catalog._checkpoints = True
        await works.requests.file(Subject(RequestScope.DOCUMENT, number), Words())
        assert (await works.purge.run()).erased == 1

    mirror.work(remove)


def _removal_untold(mirror: SiteMirror) -> None:
    change_rows(
        mirror,
        "INSERT INTO removal (document_id, account_id, reason, stage, scope, renditions, first_unsafe_at, detected_at, "
        "hidden_at, erase_from, erase_by, confirmed_at, gone_at, files_erased, bytes_erased, attempts, next_try_at, "
        f"certificate) SELECT 4712, 1, 'deleted', 'gone', 'document', '', at, at, at, at, at + {24 * HOUR}, at, "
        "at + 1, 1, 1, 0, 0, 'doc.get error 1' FROM ledger_entry WHERE sequence = 1",
    )


def _ledger_cut(mirror: SiteMirror) -> None:
    change_rows(mirror, "DROP TRIGGER IF EXISTS ledger_entry_stays")
    change_rows(mirror, "UPDATE ledger_head SET hash = zeroblob(32)")


def _heads_gone(mirror: SiteMirror) -> None:
    (mirror.folder / "ipsync.db-heads").unlink()


def _store_unfit(mirror: SiteMirror) -> None:
    """A daemon was here, and the content folder is that of another day."""

    async def live(works: Works) -> None:
        await works.belonging.renew(1, stopped=True)

    mirror.work(live)
    (mirror.folder / "content" / ".ipsync").write_text("another word")


def _epoch_behind(mirror: SiteMirror) -> None:
    """Somebody set the epoch back, in the file, after a daemon had put its own into the ledger."""

    async def start(works: Works) -> None:
        for _ in range(9):
            await works.base.catalog.take_epoch()
        now = works.base.clock.now()
        await works.base.catalog.write(lambda tx: tx.append_ledger([started(now)]))

    mirror.work(start)
    change_rows(mirror, "UPDATE note SET value = '0' WHERE name = 'epoch'")


MENDED: list[tuple[Callable[[SiteMirror], None], set[Kind]]] = [
    (_file_unknown, {Kind.FILE_UNKNOWN}),
    (_file_missing, {Kind.FILE_MISSING}),
    (_file_changed, {Kind.FILE_CHANGED}),
    (_link_planted, {Kind.FILE_CHANGED, Kind.FILE_UNKNOWN}),
    (_past_deadline, {Kind.PAST_DEADLINE}),
    (_not_doomed, {Kind.NOT_DOOMED}),
    (_not_hidden, {Kind.NOT_HIDDEN}),
    (_no_grant, {Kind.NO_GRANT}),
    (_left_behind, {Kind.NO_GRANT, Kind.TOKEN_KEPT}),
    (_not_permitted, {Kind.NOT_PERMITTED}),
    (_tombstoned, {Kind.TOMBSTONED, Kind.OUTSIDE_LACKING}),
    (_hidden_unowed, {Kind.HIDDEN_UNOWED}),
    (_file_unowed, {Kind.FILE_UNOWED}),
    (_file_expired, {Kind.FILE_EXPIRED}),
    (_details_expired, {Kind.DETAILS_EXPIRED}),
    (_entries, {Kind.ENTRY_OVERDUE, Kind.ENTRY_UNOWED, Kind.ENTRY_FORBIDDEN}),
    (_owed, {Kind.REMOVAL_OVERDUE, Kind.REQUEST_OVERDUE}),
    (_request_ignored, {Kind.REQUEST_IGNORED}),
    (_outside_gone, {Kind.OUTSIDE_LACKING}),
    (_outside_damaged, {Kind.OUTSIDE_DAMAGED, Kind.OUTSIDE_LACKING}),
    (_outside_unseen, {Kind.OUTSIDE_UNSEEN, Kind.FILE_MISSING, Kind.TOMBSTONED}),
    (_removal_untold, {Kind.REMOVAL_UNTOLD}),
    (_store_unfit, {Kind.STORE_UNFIT}),
]
LEFT: list[tuple[Callable[[SiteMirror], None], set[Kind]]] = [
    (_ledger_cut, {Kind.LEDGER_BROKEN}),
    (_heads_gone, {Kind.HEADS_MISSING}),
    (_epoch_behind, {Kind.EPOCH_BEHIND}),
]


def _kinds(outcome: Outcome) -> set[str]:
    return {finding["kind"] for finding in json.loads(outcome.out)["findings"]}


def _standing(mirror: SiteMirror) -> int:
    async def look(works: Works) -> int:
        return await works.base.catalog.read(findings_standing)

    return mirror.work(look)


def test_a_sound_mirror_is_clean(on: On, mirror: SiteMirror) -> None:
    shown = on(mirror, "audit", "--deep")
    told = json.loads(on(mirror, "audit", "--json").out)

    assert shown.code == 0
    assert shown.out.startswith("Nothing was found: ")
    assert told["clean"] is True
    assert told["looked_at"] == {
        "documents": len({path.parent for path in mirror.files()}),
        "files": len(mirror.files()),
        "ledger_entries": 3,
    }


@pytest.mark.parametrize(("plant", "kinds"), MENDED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_was_planted_is_found_mended_and_clean(
    on: On, mirror: SiteMirror, plant: Callable[[SiteMirror], None], kinds: set[Kind]
) -> None:
    plant(mirror)
    before = sorted(mirror.files())

    found = on(mirror, "audit", "--json")
    rehearsed = on(mirror, "audit", "--repair", "--dry-run")
    assert (found.code, rehearsed.code) == (3, 3)
    assert _kinds(found) == {kind.value for kind in kinds}
    assert rehearsed.out.endswith("Nothing was changed.\n")
    assert sorted(mirror.files()) == before
    assert _standing(mirror) == json.loads(found.out)["found"], "an incident, until an audit finds nothing"

    mended = on(mirror, "audit", "--repair", "--json")
    assert mended.code == 0, mended.out + mended.err
    assert {entry["kind"] for entry in json.loads(mended.out)["mended"]} == {kind.value for kind in kinds}
    assert on(mirror, "audit", "--deep").out.startswith("Nothing was found")
    assert _standing(mirror) == 0
    assert on(mirror, "ledger", "verify").code == 0


def test_a_changed_byte_is_seen_by_the_deep_audit_alone(on: On, mirror: SiteMirror) -> None:
    _file_changed_inside(mirror)

    assert on(mirror, "audit").code == 0
    assert _kinds(on(mirror, "audit", "--deep", "--json")) == {Kind.FILE_CHANGED.value}
    assert on(mirror, "audit", "--deep", "--repair").code == 0
    assert on(mirror, "audit", "--deep").code == 0
    # It is wanted again, and fetched by the next sync.
    stored = len(mirror.files())
    on(mirror, "sync")
    assert len(mirror.files()) == stored + 1


@pytest.mark.parametrize(("plant", "kinds"), LEFT, ids=lambda value: getattr(value, "__name__", ""))
def test_F38_evidence_is_never_mended(
    on: On, mirror: SiteMirror, plant: Callable[[SiteMirror], None], kinds: set[Kind]
) -> None:
    plant(mirror)
    shown = on(mirror, "audit", "--repair", "--json")

    assert shown.code == 3
    told = json.loads(shown.out)
    assert {finding["kind"] for finding in told["left"]} == {kind.value for kind in kinds}
    assert told["mended"] == []


def test_I8_an_entry_of_a_removal_that_is_not_gone_is_found(on: On, mirror: SiteMirror) -> None:
    _purged(mirror, int(_a_document(mirror)))
    change_rows(mirror, "UPDATE removal SET stage = 'withdrawn'")

    assert _kinds(on(mirror, "audit", "--json")) == {Kind.LEDGER_BROKEN.value}


def test_F5_a_damaged_database_is_told(on: On, mirror: SiteMirror) -> None:
    change_rows(mirror, "UPDATE account_grant SET sealed_token = zeroblob(60)")
    shown = on(mirror, "audit", "--json")

    assert shown.code == 3
    assert Kind.DATABASE_DAMAGED.value in _kinds(shown)


def test_every_kind_is_planted_somewhere() -> None:
    planted = {kind for _, kinds in (*MENDED, *LEFT) for kind in kinds}

    assert set(Kind) - planted == {Kind.DATABASE_DAMAGED}


def test_findings_hold_numbers_and_no_content(on: On, mirror: SiteMirror) -> None:
    _file_unknown(mirror)
    shown = on(mirror, "audit").out + on(mirror, "audit", "--json").out

    assert _a_document(mirror) in shown
    assert "a-title-of-somebody" not in shown
    assert "not named by ipsync" in shown


def test_beside_a_daemon_it_only_looks(on: On, mirror: SiteMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipsync.cli.audit._BESIDE_SECONDS", 0.01)
    _file_unknown(mirror)
    lock = OneProcessLock(mirror.folder / "ipsync.db")
    monkeypatch.setattr("ipsync.cli.session.os.getpid", lambda: 1)
    assert lock.take("ipsync run")
    try:
        looked, refused = on(mirror, "audit"), on(mirror, "audit", "--repair")
    finally:
        lock.release()

    assert looked.code == 3
    assert refused.code == 1
    assert "`ipsync run`" in refused.err
    assert "stop it first" in refused.err


def test_dry_run_goes_with_repair(on: On, mirror: SiteMirror) -> None:
    assert on(mirror, "audit", "--dry-run").code == 2


def test_needs_no_network_and_no_key(cli: On, mirror: SiteMirror, tmp_path: Path) -> None:
    env = {name: text for name, text in mirror.env.items() if name in ("IPSYNC_CONFIG", "IPSYNC_STATE_KEY")}

    assert cli("audit", "--repair", env=env).code == 0
