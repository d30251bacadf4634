"""Stories of owners who ask to have something removed (T11, I4)."""

import time
from functools import partial
from pathlib import Path

import pytest

from ipsync.jobs.requests import RequestRefusedError, Taken
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.instants import DAY, HOUR, SECOND
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.requests import Ending, RemovalRequest, RequestScope, Subject, Words
from ipsync.ports.catalog import CatalogBroken, CatalogBusy
from ipsync.ports.store import StoreFull
from tests.fakes.catalogs import a_document, a_stored_rendition, an_account
from tests.fakes.processes import files_with
from tests.jobs.household import Household, at_once

NO_WORDS = Words()


def document(document_id: int) -> Subject:
    return Subject(RequestScope.DOCUMENT, document_id)


def account(account_id: int) -> Subject:
    return Subject(RequestScope.ACCOUNT, account_id, account_id)


async def file(house: Household, subject: Subject, words: Words = NO_WORDS) -> Taken:
    house.passes(SECOND)
    return await house.requests.file(subject, words)


def request(house: Household, request_id: int) -> RemovalRequest:
    found = house.catalog.read_now(lambda view: view.removal_request(request_id))
    assert found is not None
    return found


async def test_T11_a_document_is_hidden_at_once_erased_and_stays_away(house: Household) -> None:
    first, second = await house.member(1, documents=2)
    await house.mirror()
    taken = await file(house, document(first))
    assert taken.is_new
    assert house.served() == {second}
    removal = house.removal(first)
    assert (removal.reason, removal.stage) == (Reason.OWNER_REQUEST, Stage.CONFIRMED)
    assert removal.first_unsafe_at == removal.hidden_at == taken.request.received_at == house.clock.now()
    assert taken.request.erase_by == house.clock.now() + DAY
    assert (taken.request.held.documents, taken.request.held.files) == (1, 2)
    assert taken.request.subject.account_id == 1

    await house.purge()
    assert house.on_disk() == {second}
    assert house.document(first) is None
    done = request(house, taken.request.request_id)
    assert done.gone_at == house.removal(first).gone_at == house.clock.now()
    assert done.is_kept_outside

    for _ in range(3):
        house.passes(8 * HOUR)
        await house.mirror()
        assert house.served() == {second}


async def test_T11_what_is_not_mirrored_yet_never_is(house: Household) -> None:
    (known,) = await house.member(1, documents=1)
    await house.mirror()
    coming = house.source.add_documents(1, 1)[0]
    taken = await file(house, document(coming))
    assert taken.request.held.documents == 0
    assert taken.request.gone_at == taken.request.received_at  # nothing was held: done
    await house.mirror()
    assert house.served() == {known}
    assert house.document(coming) is None


async def test_T11_a_page_under_way_brings_nothing_back(house: Household) -> None:
    (held,) = await house.member(1, documents=1)
    coming = house.source.add_documents(1, 1)[0]

    def ask(_: object) -> None:
        house.source.on_call = None
        for subject in (document(held), document(coming)):
            at_once(house.catalog.write(partial(_take, house=house, subject=subject)))

    house.source.on_call = ask
    await house.sync()
    assert house.served() == set()
    assert house.document(coming) is None


def _take(tx, house: Household, subject: Subject) -> Taken:
    from ipsync.jobs.requests import take_in

    return take_in(tx, subject, NO_WORDS, house.clock.now(), house.rules.lease)


async def test_T11_a_whole_account_is_hidden_erased_and_taken_in_no_more(house: Household) -> None:
    asked = await house.member(1, documents=3)
    kept = await house.member(2, documents=1)
    await house.mirror()
    taken = await file(house, account(1))
    assert house.served() == set(kept)
    assert taken.request.held.documents == 3
    assert house.account_state(1) is AccountState.REMOVED
    assert house.catalog.read_now(lambda view: view.grant(1)) is None
    await house.purge()
    assert house.on_disk() == set(kept)
    assert request(house, taken.request.request_id).gone_at == house.clock.now()
    house.source.add_documents(1, 5)
    calls = len(house.source.calls("doc.getList"))
    await house.mirror()
    assert house.served() == set(kept)
    assert all(call.account_id == 2 for call in house.source.calls("doc.getList")[calls:])
    assert not set(asked) & house.on_disk()


async def test_T11_a_page_of_the_account_under_way_brings_nothing_back(house: Household) -> None:
    await house.member(1, documents=2)

    def ask(_: object) -> None:
        house.source.on_call = None
        at_once(house.catalog.write(partial(_take, house=house, subject=account(1))))

    house.source.on_call = ask
    await house.sync()
    assert house.held() == {}


async def test_I4_a_new_consent_lifts_a_request_for_the_account_and_none_for_a_document(house: Household) -> None:
    first, second = await house.member(1, documents=2)
    await house.mirror()
    of_document = (await file(house, document(first))).request.request_id
    of_account = (await file(house, account(1))).request.request_id
    await house.purge()
    assert house.on_disk() == set()

    house.passes(HOUR)
    await house.authorize(1)
    await house.mirror()
    assert house.served() == {second}
    lifted = request(house, of_account)
    assert (lifted.stands, lifted.ended_by) == (False, Ending.CONSENT)
    assert request(house, of_document).stands


async def test_I4_who_was_never_known_here_may_still_consent_later(house: Household) -> None:
    taken = await file(house, account(9))
    assert taken.request.gone_at is not None
    (shared,) = await house.member(9, documents=1)
    await house.mirror()
    assert house.served() == {shared}
    assert request(house, taken.request.request_id).ended_by is Ending.CONSENT


async def test_I4_account_remove_is_a_request_for_everything(house: Household) -> None:
    await house.member(1, documents=2)
    await house.mirror()
    assert await house.accounts.remove(1) == 2
    (found,) = house.catalog.read_now(lambda view: view.removal_requests())
    assert (found.subject, found.held.documents, found.stands) == (account(1), 2, True)
    await house.purge()
    assert request(house, found.request_id).gone_at is not None
    assert request(house, found.request_id).is_kept_outside


async def test_T10_an_account_without_documents_is_called_gone_when_its_name_is(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.source.add_account(1)
    house.source.accounts[1].realname = "Realname Mark"
    await house.authorize(1)

    async def held_back() -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(house.catalog, "scrub", held_back)
        number = (await file(house, account(1))).request.request_id
        await house.requests.complete()
        assert request(house, number).gone_at is None
    await house.requests.complete()
    assert request(house, number).gone_at == house.clock.now()
    assert not [path for path in house.folder.rglob("*") if path.is_file() and b"Realname Mark" in path.read_bytes()]


async def test_a_withdrawn_request_lets_the_document_come_back(house: Household) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    number = (await file(house, document(shared))).request.request_id
    await house.purge()
    ended = await house.requests.withdraw(number)
    assert (ended.stands, ended.ended_by) == (False, Ending.WITHDRAWN)
    await house.mirror()
    assert house.served() == {shared}
    assert house.on_disk() == {shared}


async def test_a_request_withdrawn_before_the_erasing_is_erased_all_the_same_and_comes_back(house: Household) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    number = (await file(house, document(shared))).request.request_id
    await house.requests.withdraw(number)
    await house.sync()
    assert house.state(shared) is DocumentState.DOOMED
    await house.purge()
    assert request(house, number).gone_at is not None
    await house.mirror()
    assert house.served() == {shared}


async def test_a_withdrawn_request_for_an_account_waits_for_its_member(house: Household) -> None:
    mine = await house.member(1, documents=1)
    await house.mirror()
    number = (await file(house, account(1))).request.request_id
    house.passes(SECOND)
    ended = await house.requests.withdraw(number)
    assert (ended.stands, ended.ended_by) == (False, Ending.WITHDRAWN)
    await house.purge()
    house.passes(SECOND)
    await house.mirror()
    assert house.served() == set()
    await house.authorize(1)
    house.passes(SECOND)
    await house.mirror()
    assert house.served() == set(mine)


async def test_what_cannot_be_withdrawn_is_said(house: Household) -> None:
    with pytest.raises(RequestRefusedError, match="no request 7"):
        await house.requests.withdraw(7)
    number = (await file(house, document(5))).request.request_id
    await house.requests.withdraw(number)
    with pytest.raises(RequestRefusedError, match="stands no more"):
        await house.requests.withdraw(number)
    again = await file(house, document(5))
    assert (again.is_new, again.request.request_id) == (True, number + 1)


async def test_the_same_request_is_taken_in_once(house: Household) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    first = await file(house, document(shared), Words("olga@example.org"))
    second = await file(house, document(shared), Words("olga@example.net"))
    assert (first.is_new, second.is_new) == (True, False)
    assert second.request.request_id == first.request.request_id
    assert (await house.requests.look(document(shared))).standing == second.request
    words = house.catalog.read_now(lambda view: view.request_words([first.request.request_id]))
    assert words == {first.request.request_id: Words("olga@example.net")}


@pytest.mark.parametrize("stage", ["suspected", "confirmed", "erased"])
async def test_T11_a_request_overtakes_a_removal_under_way(house: Household, stage: str) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    house.source.share(shared, Visibility.PRIVATE)
    await house.sync()
    if stage != "suspected":
        await house.confirm()
    if stage == "erased":
        await house.purge()
    taken = await file(house, document(shared))
    await house.purge()
    assert house.on_disk() == set()
    assert request(house, taken.request.request_id).gone_at is not None
    assert house.removal(shared).reason is (Reason.UNSHARED if stage == "erased" else Reason.OWNER_REQUEST)
    house.source.share(shared, Visibility.PUBLIC)
    house.passes(HOUR)
    await house.mirror()
    assert house.served() == set()


async def test_T11_what_holds_other_removals_back_does_not_hold_this_one(house: Household) -> None:
    """Everything goes missing at once and waits for confirmation; the request does not wait with it."""
    shared = await house.member(1, documents=20)
    await house.mirror()
    house.source.unlisted |= set(shared)
    await house.sync()
    await file(house, document(shared[0]))
    await house.purge()
    assert house.on_disk() == set(shared[1:])


async def test_T11_a_store_that_fails_is_told_and_the_request_stays_open(house: Household) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    house.store.broken = True  # type: ignore[attr-defined]  # reason: the store is the one in memory
    taken = await file(house, document(shared))
    report = await house.purge()
    assert report.failed == 1
    assert house.served() == set()
    assert request(house, taken.request.request_id).is_open
    assert house.catalog.read_now(lambda view: view.removal_requests(open_only=True))
    house.store.broken = False  # type: ignore[attr-defined]  # reason: the store is the one in memory
    house.passes(HOUR)
    await house.purge()
    assert not request(house, taken.request.request_id).is_open


async def test_F3_without_room_for_the_record_it_is_hidden_and_not_called_gone(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()

    def full(_: object) -> None:
        raise StoreFull("no room")

    monkeypatch.setattr(house.outside, "append", full)
    taken = await file(house, document(shared))
    assert not taken.request.is_kept_outside
    assert house.served() == set()
    report = await house.purge()
    assert (report.erased, report.unrecorded) == (0, True)
    assert house.on_disk() == set()
    assert house.removal(shared).stage is Stage.ERASED
    assert request(house, taken.request.request_id).is_open

    monkeypatch.undo()
    report = await house.purge()
    assert (report.erased, report.unrecorded) == (1, False)
    done = request(house, taken.request.request_id)
    assert (done.is_open, done.is_kept_outside) == (False, True)


async def test_T11_the_words_of_an_owner_are_nowhere_a_month_after(house: Household, tmp_path: Path) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    words = Words("canary-contact-of-the-owner", "canary-note-of-the-owner")
    await file(house, document(shared), words)
    canaries = [words.contact, words.note]
    await house.purge()
    assert sum(files_with(tmp_path, canaries).values()) > 0  # kept, so that the owner can be answered
    house.passes(29 * DAY)
    assert await house.requests.run() == 0
    house.passes(DAY + SECOND)
    assert await house.requests.run() == 1
    assert sum(files_with(tmp_path, canaries).values()) == 0
    assert await house.requests.run() == 0
    assert house.catalog.read_now(lambda view: view.removal_request(1)) is not None  # the receipt stays


async def test_F24_words_in_a_log_that_a_reader_holds_back_are_left_to_the_next_purge(
    house: Household, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await file(house, document(5), Words("canary-contact-of-the-owner"))
    house.passes(31 * DAY)

    async def held_back() -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(house.catalog, "scrub", held_back)
        assert await house.requests.run() == 1
    assert "A reader holds back the log's truncation; the next purge does it." in caplog.messages


async def test_the_record_outside_holds_no_word_of_anybody(house: Household) -> None:
    (shared,) = await house.member(1, documents=1)
    await house.mirror()
    await file(house, document(shared), Words("canary-contact", "canary-note"))
    await house.purge()
    text = house.outside.path.read_text()
    assert str(shared) in text
    held = house.source.documents[shared]
    assert not [word for word in ("canary", held.title, "member", "ipernity.com") if word and word in text]


async def test_the_record_outside_is_kept_short(house: Household) -> None:
    shared = await house.member(1, documents=1100)
    await house.sync()
    house.source.documents.clear()
    await house.sync()
    house.passes(23 * HOUR)
    assert (await house.purge()).erased == 1100
    kept = await file(house, document(shared[0]))
    size_bytes = house.outside.path.stat().st_size
    house.passes(31 * DAY)
    await house.requests.run()
    assert house.outside.path.stat().st_size < size_bytes / 100
    assert [entry.request_id for entry in house.outside.read().tombstones] == [kept.request.request_id]
    assert (await house.tombstones.replay()).records == 0


@pytest.mark.parametrize("number", [10_000])
async def test_T11_however_many_documents_an_account_has_all_are_unreadable_after_one_short_transaction(
    house: Household, number: int
) -> None:
    """The times are printed, not judged; `pytest -s` shows them."""
    now = house.clock.now()

    def fill(tx) -> None:
        tx.put_account(an_account(1))
        documents = [a_document(each, verified_at=now - HOUR, mirrored_at=now - DAY) for each in range(1, number + 1)]
        tx.add_documents(documents)
        tx.put_renditions([a_stored_rendition(entry.document_id) for entry in documents])

    house.catalog.write_now(fill)
    assert len(house.served()) == number
    began = time.perf_counter()
    written: list[tuple[float, int]] = []
    whole = house.catalog.write_now

    def write(work):
        nonlocal began
        done = whole(work)
        at = time.perf_counter()
        written.append((at - began, len(house.served())))
        began += time.perf_counter() - at  # looking is not hiding
        return done

    house.catalog.write_now = write  # type: ignore[method-assign]  # reason: to look between two transactions
    taken = await house.requests.file(account(1), NO_WORDS)
    filed = time.perf_counter() - began
    house.catalog.write_now = whole  # type: ignore[method-assign]  # reason: as it was
    _, (unreadable, left), *_ = written[REPLAYED - 1 :]
    assert left == 0
    assert house.served() == set()
    assert (taken.request.held.documents, taken.request.held.size_bytes) == (number, number * 1000)
    began = time.perf_counter()
    report = await house.purge()
    erased = time.perf_counter() - began
    assert report.erased == number
    assert request(house, 1).gone_at is not None
    print(f"\n{number} documents of one owner: unreadable after {unreadable:.3f} s, all owed after {filed:.3f} s, ")
    print(f"called gone {erased:.1f} s later")


REPLAYED = 2
"""Transactions by which a request first looks what the record outside the database knows."""


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("before", [True, False])
async def test_T11_I3_a_crash_while_an_account_is_taken_in_leaves_it_readable_or_owed(
    house: Household, at: int, before: bool
) -> None:
    mine = await house.member(1, documents=3)
    kept = await house.member(2, documents=1)
    await house.mirror()
    house.passes(SECOND)
    asked_at = house.clock.now()
    with house.crashing(REPLAYED + at, before=before):
        await house.requests.file(account(1), NO_WORDS)
    if (at, before) == (1, True):
        assert house.served() == {*mine, *kept}  # nothing happened, and nobody was told that it did
        return
    assert house.served() == set(kept)
    house.passes(SECOND)
    assert await house.requests.complete() == ((at, before) in ((1, False), (2, True)))
    assert {house.state(number) for number in mine} == {DocumentState.DOOMED}
    for number in mine:
        removal = house.removal(number)
        assert (removal.reason, removal.stage) == (Reason.OWNER_REQUEST, Stage.CONFIRMED)
        assert removal.first_unsafe_at == removal.detected_at == removal.hidden_at == asked_at
    assert await house.requests.complete() == 0
    await house.purge()
    assert house.on_disk() == set(kept)
    assert request(house, 1).gone_at == house.clock.now()


async def test_T11_I4_a_new_consent_after_a_crash_begins_with_nothing(house: Household) -> None:
    mine = await house.member(1, documents=2)
    await house.mirror()
    house.passes(SECOND)
    with house.crashing(REPLAYED + 1, before=False):
        await house.requests.file(account(1), NO_WORDS)
    house.passes(SECOND)
    await house.authorize(1)
    assert house.served() == set()
    assert {house.state(number) for number in mine} == {DocumentState.DOOMED}
    await house.purge()
    assert house.on_disk() == set()
    assert request(house, 1).gone_at == house.clock.now()
    house.passes(SECOND)
    await house.mirror()
    assert house.served() == set(mine)
    assert await house.requests.complete() == 0


async def test_T11_an_account_is_hidden_also_when_what_is_owed_cannot_be_written_yet(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await house.member(1, documents=2)
    await house.mirror()
    house.passes(SECOND)

    def busy(*_: object, **__: object) -> None:
        raise CatalogBusy("another process holds the database")

    with monkeypatch.context() as patch:
        patch.setattr("ipsync.jobs.requests.owe_account", busy)
        taken = await house.requests.file(account(1), NO_WORDS)
    assert taken.is_new
    assert taken.request.hidden_at == house.clock.now()
    assert house.served() == set()
    assert await house.requests.complete() == 1
    assert {house.state(number) for number in mine} == {DocumentState.DOOMED}


async def test_F4_a_disk_that_fails_then_is_not_passed_over(house: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.member(1, documents=2)
    await house.mirror()

    def broken(*_: object, **__: object) -> None:
        raise CatalogBroken("fsync failed")

    monkeypatch.setattr("ipsync.jobs.requests.owe_account", broken)
    with pytest.raises(CatalogBroken):
        await house.requests.file(account(1), NO_WORDS)
    assert house.served() == set()


async def test_T11_I4_who_asks_for_all_copies_goes_on_being_connected(house: Household) -> None:
    mine, others = await house.member(1, documents=3), await house.member(2, documents=2)
    await house.mirror()
    await file(house, document(mine[0]))
    house.passes(SECOND)
    assert await house.requests.file_all(1) == 2
    assert house.served() == set(others)
    await house.tick()
    assert house.on_disk() == set(others)
    assert house.account_state(1) is AccountState.ACTIVE
    assert all(request(house, number).gone_at for number in (1, 2, 3))
    # What comes later is copied; what was asked for is not, whatever is read.
    new = house.source.add_document(1)
    house.passes(HOUR)
    await house.mirror()
    assert house.served() == {*others, new}
    assert await house.requests.file_all(1) == 1
    # Each can be taken back by itself.
    await house.requests.withdraw(2)
    house.passes(HOUR)
    await house.mirror()
    assert house.served() == {*others, mine[1]}


async def test_F28_all_copies_stay_away_though_an_older_database_is_put_back(house: Household) -> None:
    mine = await house.member(1, documents=2)
    await house.mirror()
    house.passes(SECOND)
    await house.requests.file_all(1)
    outside = house.outside.read()
    assert {(entry.subject.subject_id, entry.stands) for entry in outside.tombstones} == {(one, True) for one in mine}
