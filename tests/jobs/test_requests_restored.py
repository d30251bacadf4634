"""A backup is put back, of the database, of the content, or of both: nothing that is gone comes back (F28, I4)."""

import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.catalog import open_catalog
from ipsync.jobs.requests import hide
from ipsync.jobs.tombstones import NOTE, ReplayReport
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import Visibility
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.requests import (
    Ending,
    OutsideTombstone,
    RemovalRequest,
    RequestScope,
    Subject,
    Words,
    withdrawn,
)
from ipsync.ports.requests import Span
from ipsync.store import FileStore
from tests.fakes.catalogs import STATE_KEY, URL
from tests.jobs.household import RULES, Household

NO_WORDS = Words()


class Restorable(Household):
    """A household on real files, that can be copied, put back and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.content = folder / "content"
        super().__init__(folder, store=FileStore(self.content, 0))

    def stop(self) -> None:
        self.catalog.close_now()
        self.store.close()  # type: ignore[attr-defined]  # reason: a store on files

    def begin(self) -> None:
        self.catalog = open_catalog(URL, self.folder, STATE_KEY, inline=True)
        self.store = FileStore(self.content, 0)
        self.configure(RULES)

    def back_up(self, to: Path) -> None:
        """Copy database and content, as `cp ipsync.db* content/` does."""
        self.stop()
        to.mkdir()
        for file in self.folder.glob("ipsync.db*"):
            shutil.copy(file, to)
        shutil.copytree(self.content, to / "content")
        self.begin()

    def put_back(self, backup: Path, *, database: bool = True, content: bool = True) -> None:
        """Replace what there is by the copy."""
        self.stop()
        if database:
            for file in self.folder.glob("ipsync.db*"):
                file.unlink()
            for file in backup.glob("ipsync.db*"):
                shutil.copy(file, self.folder)
        if content:
            shutil.rmtree(self.content)
            shutil.copytree(backup / "content", self.content)
        self.begin()

    async def boot(self) -> ReplayReport:
        """What the boot gate does before anybody is served; see `jobs.boot`."""
        self.store.discard_incoming()
        report = await self.tombstones.replay()
        await self._expiry.apply_policy()
        await self._expiry.run()
        await self._purge.run()
        await self._orphans.run()
        return report

    async def ask(self, subject: Subject) -> RemovalRequest:
        self.passes(SECOND)
        return (await self.requests.file(subject, NO_WORDS)).request

    def request(self, request_id: int) -> RemovalRequest:
        found = self.catalog.read_now(lambda view: view.removal_request(request_id))
        assert found is not None
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Restorable]:
    opened = Restorable(tmp_path / "house")
    yield opened
    opened.stop()


def document(document_id: int) -> Subject:
    return Subject(RequestScope.DOCUMENT, document_id)


def account(account_id: int) -> Subject:
    return Subject(RequestScope.ACCOUNT, account_id, account_id)


RESTORED = [(True, True), (True, False), (False, True)]
RESTORED_NAMES = ["both", "database", "content"]


@pytest.mark.parametrize("after", [HOUR, 30 * HOUR], ids=["1h", "30h"])
@pytest.mark.parametrize(("database", "content"), RESTORED, ids=RESTORED_NAMES)
async def test_F28_I4_nothing_that_is_gone_comes_back(
    house: Restorable, tmp_path: Path, database: bool, content: bool, after: int
) -> None:
    hidden, deleted, asked, kept = await house.member(1, documents=4)
    of_account = await house.member(2, documents=3)
    await house.mirror()
    house.back_up(tmp_path / "backup")

    house.source.share(hidden, Visibility.PRIVATE)
    house.source.delete(deleted)
    await house.sync()
    await house.confirm()
    first, second = await house.ask(document(asked)), await house.ask(account(2))
    await house.purge()
    assert house.on_disk() == {kept}

    house.passes(after)
    house.put_back(tmp_path / "backup", database=database, content=content)
    report = await house.boot()

    assert report.was_restored == database
    gone = {hidden, deleted, asked, *of_account}
    # After 30 hours the leases are over too: then nothing at all is left.
    served = {kept} if after < 20 * HOUR else set()
    assert house.served() == served
    assert not gone & house.served()
    assert not gone & house.on_disk()
    assert not gone & house.held().keys()
    assert house.account_state(2) is AccountState.REMOVED
    for number in (first.request_id, second.request_id):
        assert (house.request(number).stands, house.request(number).is_open) == (True, False)
    assert house.request(first.request_id).received_at == first.received_at
    assert house.open_removals() == []

    # What is permitted comes back by a verification of its own; what an owner asked away does not.
    house.source.share(hidden, Visibility.PUBLIC)
    house.passes(SECOND)
    await house.mirror()
    assert house.served() == {kept, hidden}
    assert house.on_disk() == {kept, hidden}
    assert (await house.boot()).doomed == 0
    assert house.served() == {kept, hidden}


async def test_F28_what_came_back_lawfully_before_the_restart_stays(house: Restorable, tmp_path: Path) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    house.source.share(shared, Visibility.PRIVATE)
    await house.sync()
    await house.confirm()
    await house.purge()
    house.source.share(shared, Visibility.PUBLIC)
    await house.mirror()
    house.back_up(tmp_path / "backup")
    # Even a record that is read from its beginning dooms nothing that was verified since.
    house.catalog.write_now(lambda tx: tx.set_note(NOTE, "of another record"))
    report = await house.boot()
    assert (report.records, report.doomed) == (1, 0)
    assert house.served() == {shared}


async def test_I4_a_withdrawal_and_a_consent_survive_a_restored_backup(house: Restorable, tmp_path: Path) -> None:
    (first,) = await house.member(1, documents=1)
    (second,) = await house.member(2, documents=1)
    await house.mirror()
    of_document, of_account = await house.ask(document(first)), await house.ask(account(2))
    house.back_up(tmp_path / "backup")
    await house.purge()
    await house.requests.withdraw(of_document.request_id)
    house.passes(SECOND)
    await house.authorize(2)
    await house.requests.run()
    house.put_back(tmp_path / "backup")
    await house.boot()
    assert house.request(of_document.request_id).ended_by is Ending.WITHDRAWN
    assert house.request(of_account.request_id).ended_by is Ending.CONSENT
    assert house.on_disk() == set()
    # The grant of the backup is the old one; the member has to say yes once more, and then it counts.
    await house.authorize(2)
    await house.mirror()
    assert house.served() == {first, second}


async def test_F28_I4_who_left_while_nothing_of_theirs_was_held_stays_away(house: Restorable, tmp_path: Path) -> None:
    """Nothing is erased then, so no purge writes it down outside; found by a simulated story of sixty days."""
    await house.member(7, 3)
    await house.sync()
    house.passes(2 * DAY)  # ipernity was out of reach: everything went
    await house.expire()
    await house.purge()
    house.back_up(tmp_path / "backup")
    await house.accounts.remove(7)
    house.passes(6 * HOUR)

    house.put_back(tmp_path / "backup", content=False)
    assert (await house.boot()).ended == 1
    assert house.account_state(7) is AccountState.REMOVED
    await house.mirror()
    assert not house.held()


async def test_F28_I4_what_a_command_took_in_stands_outside_within_a_minute(house: Restorable, tmp_path: Path) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.back_up(tmp_path / "backup")
    subject = Subject(RequestScope.DOCUMENT, mine[0], 7)
    await hide(house.catalog, subject, NO_WORDS, house.clock.now(), RULES.lease)  # and it died right after
    await house.requests.complete()

    house.put_back(tmp_path / "backup")
    await house.boot()
    assert mine[0] not in house.served()


async def test_I4_a_backup_from_before_the_member_was_known(house: Restorable, tmp_path: Path) -> None:
    house.back_up(tmp_path / "backup")
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    asked = await house.ask(account(1))
    await house.purge()
    house.put_back(tmp_path / "backup")
    report = await house.boot()
    assert (report.requests, report.doomed) == (1, 0)
    assert house.request(asked.request_id).stands
    # A consent after the request is newer, although the catalog has forgotten the earlier ones.
    await house.authorize(1)
    assert house.account(1).consent_epoch == 2
    await house.mirror()
    assert house.served() == {shared}
    house.catalog.write_now(lambda tx: tx.set_note(NOTE, "of another record"))
    await house.boot()
    assert house.served() == {shared}


async def test_F28_numbers_on_receipts_are_not_given_twice(house: Restorable, tmp_path: Path) -> None:
    house.back_up(tmp_path / "backup")
    first = await house.ask(document(5))
    house.put_back(tmp_path / "backup")
    # Nobody booted: a command is the first to open the restored database.
    second = await house.ask(document(6))
    assert (first.request_id, second.request_id) == (1, 2)
    assert house.request(1).subject == document(5)


async def test_F28_a_number_given_twice_loses_no_request(house: Restorable, tmp_path: Path) -> None:
    house.back_up(tmp_path / "backup")
    await house.ask(document(5))
    house.put_back(tmp_path / "backup")
    hidden = house.outside.path.rename(tmp_path / "elsewhere")
    await house.ask(document(6))
    hidden.rename(house.outside.path)
    await house.boot()
    found = house.catalog.read_now(lambda view: view.removal_requests())
    assert [entry.subject.subject_id for entry in found] == [6, 5]
    stones = house.catalog.read_now(lambda view: view.tombstones([5, 6]))
    assert all(stone.stands for stone in stones.values())


@pytest.mark.parametrize("loss", ["missing", "older"])
async def test_F28_a_lost_record_is_written_again_from_the_catalog(
    house: Restorable, tmp_path: Path, loss: str
) -> None:
    first, second, third = await house.member(1, documents=3)
    await house.mirror()
    house.source.delete(first)
    await house.sync()
    await house.confirm()
    await house.purge()
    older = house.outside.path.read_bytes()
    await house.ask(document(second))
    await house.purge()
    if loss == "missing":
        house.outside.path.unlink()
    else:
        house.outside.path.write_bytes(older)
    report = await house.boot()
    assert (report.exported, report.doomed) == (2 if loss == "missing" else 1, 0)
    assert house.served() == {third}
    kept = {entry.subject.subject_id: entry.stands for entry in house.outside.read().tombstones}
    assert kept == {first: False, second: True}
    assert (await house.boot()).exported == 0


async def test_F1_a_crash_between_hiding_and_recording_is_made_good(
    house: Restorable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    house.back_up(tmp_path / "backup")

    class Killed(BaseException):
        pass

    def killed(_: object) -> None:
        raise Killed

    monkeypatch.setattr(house.outside, "append", killed)
    with pytest.raises(Killed):
        await house.ask(document(shared))
    monkeypatch.undo()
    house.stop()
    house.begin()
    await house.boot()
    assert house.on_disk() == set()
    house.passes(HOUR)
    house.put_back(tmp_path / "backup")
    await house.boot()
    assert house.served() == set()
    assert house.on_disk() == set()
    assert house.request(1).stands


async def test_F38_damage_to_the_record_is_told(house: Restorable) -> None:
    await house.ask(document(5))
    house.outside.path.write_bytes(house.outside.path.read_bytes() + b"what nobody wrote\n")
    report = await house.tombstones.replay()
    assert report.damaged == 1


async def test_I11_replaying_again_changes_nothing(house: Restorable, tmp_path: Path) -> None:
    (shared, other) = await house.member(1, documents=2)
    await house.mirror()
    house.back_up(tmp_path / "backup")
    await house.ask(document(shared))
    await house.purge()
    house.put_back(tmp_path / "backup")
    first = await house.tombstones.replay()
    house.catalog.write_now(lambda tx: tx.set_note(NOTE, "of another record"))
    second = await house.tombstones.replay()
    assert (first.doomed, first.requests, second.requests) == (1, 1, 0)
    assert [entry.stage for entry in house.removals(shared)] == [Stage.CONFIRMED]
    await house.boot()
    assert house.served() == {other}
    assert house.request(1).gone_at is not None
    assert house.clock.now() - house.request(1).received_at < DAY


async def test_I4_a_consent_after_the_request_holds_but_older_copies_go(house: Restorable, tmp_path: Path) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    house.back_up(tmp_path / "backup")
    asked = await house.ask(account(1))
    await house.purge()
    await house.authorize(1)
    await house.requests.run()
    house.put_back(tmp_path / "backup")
    report = await house.boot()
    assert (report.ended, report.doomed) == (0, 1)
    assert house.account_state(1) is AccountState.ACTIVE
    assert house.request(asked.request_id).ended_by is Ending.CONSENT
    assert house.on_disk() == set()
    await house.mirror()
    assert house.served() == {shared}


async def test_I4_a_newer_consent_outranks_a_record_that_does_not_know_it(house: Restorable) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.authorize(1)
    await house.mirror()
    older = OutsideTombstone(
        account(1), Reason.OWNER_REQUEST, house.clock.now() - DAY, stands=True, consent_epoch=1, request_id=3
    )
    house.outside.append([older])
    report = await house.boot()
    assert (report.ended, report.doomed) == (0, 0)
    assert house.served() == {shared}


async def test_a_request_that_ends_while_it_is_written_down_is_written_again(
    house: Restorable, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await house.ask(document(5))
    house.catalog.write_now(lambda tx: tx.put_removal_request(replace(asked, is_kept_outside=False)))
    append = house.outside.append

    def meanwhile(tombstones: Sequence[OutsideTombstone]) -> Span:
        monkeypatch.undo()
        house.catalog.write_now(
            lambda tx: tx.put_removal_request(withdrawn(replace(asked, is_kept_outside=False), house.clock.now()))
        )
        return append(tombstones)

    monkeypatch.setattr(house.outside, "append", meanwhile)
    await house.tombstones.keep()
    assert not house.request(asked.request_id).is_kept_outside
    await house.tombstones.keep()
    assert house.request(asked.request_id).is_kept_outside
    assert [entry.stands for entry in house.outside.read().tombstones] == [True, True, False]
