"""Albums, folders, articles and profiles: taken in, renewed, hidden, confirmed, erased; and nothing of them is left."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ipsync.jobs.admission import candidates, listed_loads
from ipsync.jobs.audit_entries import look_at_entries, look_at_entry_ages
from ipsync.jobs.leave import Leave
from ipsync.policy.accounts import AccountState
from ipsync.policy.auditing import Finding
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.entries import Entry, EntryKind, subject_number
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.permission import Agreement, KeyUse
from ipsync.policy.profiles import profile_words
from ipsync.policy.removals import Reason, Stage
from ipsync.policy.requests import RequestScope, Subject, Words
from ipsync.policy.rules import Rules
from ipsync.ports.catalog import View
from ipsync.ports.source import Later, Malformed, QuotaReached
from ipsync.reaper import _due
from ipsync.store import FileStore
from tests.jobs.household import RULES, Household

ALL = {"doc": "read", "blog": "read", "profile": "read"}
KINDS = list(EntryKind)
OLGA = 31
MARKS = [f"{word}-mark-{OLGA}" for word in ("album", "folder", "article", "text", "profile", "town")]


@pytest.fixture
def house(households: Callable[..., Household], tmp_path: Path) -> Household:
    """Every kind is mirrored; files lie on a real disk beside the database."""
    rules = replace(RULES, kinds=frozenset(EntryKind), permissions=ALL)
    return households(rules=rules, store=FileStore(tmp_path / "house0" / "content", free_space_floor_bytes=0))


async def gallery(house: Household, account_id: int = OLGA) -> dict[EntryKind, int]:
    """A member with documents, an album of them, a folder of it, and an article; all words are marked."""
    house.source.add_account(account_id)
    ids = house.source.add_documents(account_id, 3)
    album = house.source.add_album(account_id, ids, f"album-mark-{account_id}")
    folder = house.source.add_folder(account_id, [album], f"folder-mark-{account_id}")
    text = f'<p>text-mark-{account_id}<script>alert("script-mark")</script> <a href="/doc/{account_id}/{ids[0]}">x</a>'
    article = house.source.add_article(account_id, text, f"article-mark-{account_id}")
    profile = house.source.add_profile(account_id, f"profile-mark-{account_id}", f"town-mark-{account_id}")
    await house.authorize(account_id, ALL)
    await house.mirror()
    return dict(zip(KINDS, (album, folder, article, profile), strict=True))


def found(house: Household, *marks: str) -> list[tuple[str, str]]:
    """Where marks are, in every byte of every file: database, log, content, records."""
    files = {
        str(path.relative_to(house.folder)): path.read_bytes() for path in house.folder.rglob("*") if path.is_file()
    }
    return [(mark, name) for mark in marks for name, held in files.items() if mark.encode() in held]


def states(house: Household, gallery: dict[EntryKind, int]) -> list[DocumentState | None]:
    return [house.entry_state(kind, entry_id) for kind, entry_id in gallery.items()]


def held(house: Household, gallery: dict[EntryKind, int], kind: EntryKind) -> Entry:
    entry = house.entry(kind, gallery[kind])
    assert entry is not None
    return entry


async def ended(house: Household) -> None:
    await house.confirm()
    await house.grants()
    await house.purge()


async def test_what_a_member_shares_is_taken_in_with_what_it_holds(house: Household) -> None:
    mine = await gallery(house)
    album, folder, article, profile = (held(house, mine, kind) for kind in KINDS)
    assert album.title == f"album-mark-{OLGA}"
    assert set(album.content.members) == set(house.source.documents)
    assert folder.content.members == (mine[EntryKind.ALBUM],)
    assert article.content.text == f"text-mark-{OLGA} x"
    assert article.content.members == (min(house.source.documents),)
    assert (profile.title, profile_words(profile.content.text).town) == (f"profile-mark-{OLGA}", f"town-mark-{OLGA}")
    page = house.source.calls("album.getList")[-1]
    assert album.verified_at == page.sent_at, "the lease counts from when the list was asked for"
    assert found(house, "script-mark") == [], "not even for a moment"


async def test_T06_nothing_is_known_of_what_is_not_in_the_permitted_view(house: Household) -> None:
    house.source.add_account(OLGA)
    shared, private = house.source.add_document(OLGA), house.source.add_document(OLGA, visibility=Visibility.PRIVATE)
    house.source.add_album(OLGA, [private], "secret-album-mark")
    both = house.source.add_album(OLGA, [private, shared])
    house.source.add_folder(OLGA, [701], "secret-folder-mark")
    house.source.add_article(OLGA, "secret-text-mark", "secret-title-mark", Visibility.FRIENDS)
    await house.authorize(OLGA, ALL)
    await house.mirror()
    album = house.entry(EntryKind.ALBUM, both)
    assert album is not None
    assert album.content.members == (shared,), "not even the number of a private document"
    assert found(house, "secret-album-mark", "secret-folder-mark", "secret-text-mark", "secret-title-mark") == []
    assert not house.source.calls("post.get")


@pytest.mark.parametrize("kind", KINDS)
async def test_T10_what_was_deleted_is_hidden_by_the_sweep_confirmed_and_gone(
    house: Household, kind: EntryKind
) -> None:
    mine = await gallery(house)
    del house.source.entries.all[kind, mine[kind]]
    await house.sweep_entries()
    assert house.entry_state(kind, mine[kind]) is DocumentState.SUSPECT
    assert [removal.stage for removal in house.removals(subject_number(kind, mine[kind]))] == [Stage.SUSPECTED]
    await ended(house)
    assert house.entry(kind, mine[kind]) is None
    removal = house.removal(subject_number(kind, mine[kind]))
    assert (removal.stage, removal.reason) == (Stage.GONE, Reason.DELETED)
    marks = [f"{kind.value}-mark-{OLGA}"] + [f"text-mark-{OLGA}"] * (kind is EntryKind.ARTICLE)
    assert found(house, *marks) == []
    # A folder in which nothing is to be seen any more goes with its album.
    going = {kind, EntryKind.FOLDER} if kind is EntryKind.ALBUM else {kind}
    left = [one for one in KINDS if one not in going]
    assert [one for one in KINDS if house.entry_state(one, mine[one])] == left


async def test_T10_an_album_goes_when_nothing_in_it_is_public_any_more(house: Household) -> None:
    mine = await gallery(house)
    for number in house.source.documents:
        house.source.share(number, Visibility.PRIVATE)
    await house.sweep_entries()
    assert states(house, mine) == [DocumentState.SUSPECT] * 2 + [DocumentState.LIVE] * 2
    await ended(house)
    assert house.removal(subject_number(EntryKind.ALBUM, mine[EntryKind.ALBUM])).reason is Reason.UNSHARED
    assert found(house, f"album-mark-{OLGA}", f"folder-mark-{OLGA}") == []


async def test_I10_a_list_cut_in_half_erases_nobody(house: Household) -> None:
    mine = await gallery(house)
    house.source.entries.unlisted = set(mine.values())
    await house.sweep_entries()
    assert set(states(house, mine)) == {DocumentState.SUSPECT}
    house.source.entries.unlisted = set()
    await ended(house)
    assert set(states(house, mine)) == {DocumentState.LIVE}
    assert {removal.stage for removal in house.removals(*(subject_number(*one) for one in mine.items()))} == {
        Stage.WITHDRAWN
    }
    before = [held(house, mine, kind).verified_at for kind in KINDS]
    await house.sweep_entries(force=False)
    after = [held(house, mine, kind).verified_at for kind in KINDS]
    assert all(new > old for old, new in zip(before, after, strict=True)), "a question confirms, a sweep renews"


@pytest.mark.parametrize("failing", [Later, Malformed])
async def test_F10_an_error_is_no_observation_and_the_deadline_decides(house: Household, failing: type[Later]) -> None:
    mine = await gallery(house)
    house.source.fail("*", lambda method: failing(method, "odd"), times=None)
    for _ in range(2):
        house.passes(9 * HOUR)
        await house.sweep_entries()
        await house.expire()
    assert set(states(house, mine)) == {DocumentState.LIVE}
    house.passes(3 * HOUR)
    await house.expire()
    assert set(states(house, mine)) == {DocumentState.STALE}
    house.passes(2 * HOUR)
    await house.expire()
    await house.purge()
    assert set(states(house, mine)) == {None}
    assert found(house, *MARKS) == []


class PowerCut(BaseException):
    """The machine stands still here."""


async def test_F1_I4_an_album_whose_erasing_has_begun_is_shared_too_late(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its deadline nobody has confirmed it: the intent alone, before anything is erased, is irrevocable."""

    async def cut(*_: object) -> None:
        raise PowerCut

    mine = await gallery(house)
    album = EntryKind.ALBUM
    house.source.entries.unlisted = {mine[album]}
    await house.sweep_entries()
    house.passes(23 * HOUR)
    with monkeypatch.context() as patch:
        patch.setattr(house._purge, "_erase", cut)
        with pytest.raises(PowerCut):
            await house._purge.run()
    assert house.removal(subject_number(album, mine[album])).stage is Stage.INTENDED
    assert house.entry_state(album, mine[album]) is DocumentState.DOOMED
    house.source.entries.unlisted = set()
    await house.sweep_entries()
    assert house.entry_state(album, mine[album]) is DocumentState.DOOMED
    await house.purge()
    assert house.entry(album, mine[album]) is None


async def test_what_always_fails_holds_up_no_other(house: Household) -> None:
    mine = await gallery(house)
    house.source.fail("post.getList", lambda method: Malformed(method, "undocumented"), times=None)
    house.passes(11 * HOUR)
    await house.sync()
    report = await house.sweep_entries(force=False)
    assert set(report.failures) == {OLGA}
    assert report.sweeps == 3
    assert house.account(OLGA).failures == 0, "its documents are read as before"
    again = await house.sweep_entries(force=False)
    assert (again.sweeps, again.failures) == (0, {}), "it waits, and nobody else"
    assert house.clock.now() - held(house, mine, EntryKind.ALBUM).verified_at < HOUR


async def test_a_sweep_without_budget_goes_on_where_it_was(house: Household) -> None:
    house.source.add_account(OLGA)
    ids = house.source.add_documents(OLGA, 1)
    albums = [house.source.add_album(OLGA, ids) for _ in range(4)]
    await house.authorize(OLGA, ALL)
    await house.mirror()
    house.passes(11 * HOUR)
    house.source.fail("album.docs.getList", lambda method: QuotaReached(method, "spent"), times=1)
    house.source.on_call = None
    assert (await house.sweep_entries(force=False)).stopped
    asked = len(house.source.calls("album.docs.getList"))
    report = await house.sweep_entries(force=False)
    assert report.sweeps == 4
    assert len(house.source.calls("album.docs.getList")) == asked + len(albums)
    again = await house.sweep_entries(force=False)
    assert (again.sweeps, again.verified) == (0, 0), "all are read again in ten hours, not sooner"


async def test_T13_who_did_not_grant_articles_has_everything_else_mirrored(house: Household) -> None:
    mine = await gallery(house)
    for permissions in house.source.accounts[OLGA].tokens.values():
        permissions.pop("blog", None)
    await house.sweep_entries()
    assert states(house, mine) == [DocumentState.LIVE] * 2 + [DocumentState.SUSPECT, DocumentState.LIVE]
    await house.grants(OLGA)
    assert house.account_state(OLGA) is AccountState.ACTIVE
    assert house.state(min(house.source.documents)) is DocumentState.LIVE


async def test_T13_a_profile_is_copied_of_those_only_who_permitted_it(house: Household) -> None:
    mine = await gallery(house)
    house.configure(replace(house.rules, permissions={"doc": "read", "blog": "read"}))
    await house.authorize(OLGA, {"doc": "read", "blog": "read"})
    await house.sweep_entries()
    assert states(house, mine) == [DocumentState.LIVE] * 3 + [DocumentState.SUSPECT]
    await ended(house)
    assert house.entry(EntryKind.PROFILE, OLGA) is None
    assert house.removal(subject_number(EntryKind.PROFILE, OLGA)).reason is Reason.GRANT_LOST
    assert found(house, f"profile-mark-{OLGA}", f"town-mark-{OLGA}") == []


async def test_a_profile_that_changed_is_taken_over_and_the_old_words_are_gone(house: Household) -> None:
    mine = await gallery(house)
    house.source.entries.all[EntryKind.PROFILE, OLGA].source = "Gent"
    await house.sweep_entries()
    assert profile_words(held(house, mine, EntryKind.PROFILE).content.text).town == "Gent"
    await house.catalog.scrub()
    assert found(house, f"town-mark-{OLGA}") == []


async def test_T07_an_article_of_a_commercial_key_needs_an_agreement(house: Household) -> None:
    agreement = Agreement(OLGA, "letter of 3 May", house.clock.now() + DAY)
    house.configure_view(use=KeyUse.COMMERCIAL, agreements=(agreement,))
    mine = await gallery(house)
    assert house.entry_state(EntryKind.ARTICLE, mine[EntryKind.ARTICLE]) is DocumentState.LIVE
    house.configure_view(agreements=())
    await house.apply_policy()
    await house.purge()
    assert house.entry(EntryKind.ARTICLE, mine[EntryKind.ARTICLE]) is None
    assert house.entry_state(EntryKind.ALBUM, mine[EntryKind.ALBUM]) is DocumentState.LIVE


async def revoked(house: Household) -> None:
    house.source.revoke(OLGA)
    await house.sync()
    await house.grants()


async def closed(house: Household) -> None:
    house.source.close_account(OLGA)
    await house.sweep_entries()
    await house.grants()


async def removed(house: Household) -> None:
    await house.accounts.remove(OLGA)


async def requested(house: Household) -> None:
    await house.requests.file(Subject(RequestScope.ACCOUNT, OLGA, OLGA), Words())


async def unconfigured(house: Household) -> None:
    house.configure(replace(house.rules, kinds=frozenset()))
    await house.apply_policy()


async def aged(house: Household) -> None:
    house.passes(23 * HOUR)
    await house.expire()


async def left(house: Household) -> None:
    leave = Leave(house.catalog, house.store, house.tombstones, house._purge, house._orphans, house.clock, house.rules)
    report = await leave.run()
    assert report.held == 0
    assert report.left_at is not None


@pytest.mark.parametrize("act", [revoked, closed, removed, requested, unconfigured, aged, left])
async def test_T10_T11_T15_of_albums_folders_and_articles_nothing_is_left_anywhere(
    house: Household, act: Callable[[Household], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    mine = await gallery(house)
    marks = MARKS
    assert {mark for mark, _ in found(house, *marks)} == set(marks)
    with caplog.at_level(logging.DEBUG):
        await act(house)
        await house.purge()
    await house.requests.complete()
    assert set(states(house, mine)) == {None}
    assert found(house, *marks) == []
    assert not any(mark in record.getMessage() + str(record.__dict__) for mark in marks for record in caplog.records)
    removals = [house.removal(subject_number(*one)) for one in mine.items()]
    assert {removal.stage for removal in removals} == {Stage.GONE}
    assert house.catalog.read_now(lambda view: view.ledger_differences(10)) == [], "each has its entry (I8)"
    assert all(request.gone_at for request in house.catalog.read_now(lambda view: view.removal_requests()))


@pytest.mark.parametrize("kind", KINDS)
async def test_T11_I4_one_of_them_is_removed_on_request_and_stays_away(house: Household, kind: EntryKind) -> None:
    mine = await gallery(house)
    number = subject_number(kind, mine[kind])
    subject = Subject(RequestScope.DOCUMENT, number)
    assert (await house.requests.look(subject)).subject.account_id == OLGA
    taken = await house.requests.file(subject, Words())
    assert (taken.documents, taken.request.held.documents) == (1, 1)
    assert house.served_entries() == {subject_number(*one) for one in mine.items()} - {number}, "by the answer itself"
    assert house.served() == set(house.source.documents), "the documents in it are not asked for"
    removal = house.removal(number)
    assert (removal.reason, removal.stage) == (Reason.OWNER_REQUEST, Stage.CONFIRMED)
    await house.purge()
    assert house.entry(kind, mine[kind]) is None
    await house.mirror()
    assert house.entry(kind, mine[kind]) is None, "it is named by its list, and stays away"
    await house.authorize(OLGA, ALL)
    await house.mirror()
    assert house.entry(kind, mine[kind]) is None, "a new consent lifts no request for one"
    request = house.catalog.read_now(lambda view: view.removal_request(taken.request.request_id))
    assert request is not None
    assert request.gone_at
    assert request.is_kept_outside
    house.passes(HOUR)
    await house.requests.withdraw(taken.request.request_id)
    house.passes(HOUR)
    await house.mirror()
    assert house.entry_state(kind, mine[kind]) is DocumentState.LIVE


async def test_T11_F28_an_album_that_was_asked_for_is_not_brought_back_by_an_older_database(
    house: Household, households: Callable[..., Household]
) -> None:
    mine = await gallery(house)
    number = subject_number(EntryKind.ALBUM, mine[EntryKind.ALBUM])
    backup = (house.folder / "ipsync.db").read_bytes(), (house.folder / "ipsync.db-wal").read_bytes()
    await house.requests.file(Subject(RequestScope.DOCUMENT, number), Words())
    await house.purge()
    restored = households(rules=house.rules)
    restored.catalog.close_now()
    for name, held in zip(("ipsync.db", "ipsync.db-wal"), backup, strict=True):
        (restored.folder / name).write_bytes(held)
    (restored.folder / "ipsync.tombstones").write_bytes((house.folder / "ipsync.tombstones").read_bytes())
    restored.reopen()
    await restored.tombstones.replay()
    assert restored.entry_state(EntryKind.ALBUM, mine[EntryKind.ALBUM]) is DocumentState.DOOMED
    [request] = restored.catalog.read_now(lambda view: view.removal_requests())
    assert (request.subject.name, request.stands) == (f"album {mine[EntryKind.ALBUM]}", True)


async def test_I4_F28_a_restored_database_brings_no_album_back(
    house: Household, households: Callable[..., Household]
) -> None:
    mine = await gallery(house)
    backup = (house.folder / "ipsync.db").read_bytes(), (house.folder / "ipsync.db-wal").read_bytes()
    del house.source.entries.all[EntryKind.ALBUM, mine[EntryKind.ALBUM]]
    await house.sweep_entries()
    await ended(house)
    restored = households(rules=house.rules)
    restored.catalog.close_now()
    for name, held in zip(("ipsync.db", "ipsync.db-wal"), backup, strict=True):
        (restored.folder / name).write_bytes(held)
    (restored.folder / "ipsync.tombstones").write_bytes((house.folder / "ipsync.tombstones").read_bytes())
    restored.reopen()
    assert restored.entry_state(EntryKind.ALBUM, mine[EntryKind.ALBUM]) is DocumentState.LIVE
    restored.clock.jump(house.clock.now() - restored.clock.now())
    report = await restored.tombstones.replay()
    assert report.doomed == 2, "the folder went with its only album"
    assert restored.entry_state(EntryKind.ALBUM, mine[EntryKind.ALBUM]) is DocumentState.DOOMED
    await restored.purge()
    assert found(restored, f"album-mark-{OLGA}") == []


async def test_what_was_erased_comes_back_only_by_a_newer_answer(house: Household) -> None:
    mine = await gallery(house)
    album = mine[EntryKind.ALBUM]
    house.source.entries.unlisted = {album}
    house.source.fail("album.get", lambda method: Later(method, "down"), times=None)
    await house.sweep_entries()
    house.passes(23 * HOUR)
    await house.expire()
    await house.purge()
    assert house.entry(EntryKind.ALBUM, album) is None
    house.source.entries.unlisted = set()
    house.source.heal()
    await house.sweep_entries()
    assert house.entry_state(EntryKind.ALBUM, album) is DocumentState.LIVE
    house.source.on_call = lambda asked: None
    stone = house.catalog.read_now(lambda view: view.tombstones([subject_number(EntryKind.ALBUM, album)]))
    assert stone == {}


async def test_words_that_were_changed_replace_the_old_ones_and_age_until_they_are_read(house: Household) -> None:
    mine = await gallery(house)
    article = house.source.entries.all[EntryKind.ARTICLE, mine[EntryKind.ARTICLE]]
    before = held(house, mine, EntryKind.ARTICLE)
    article.source, article.modified_at = "other words", article.modified_at + HOUR
    house.source.fail("post.get", lambda method: Later(method, "down"), times=1)
    await house.sweep_entries()
    listed = house.source.calls("post.getList")[-1]
    assert held(house, mine, EntryKind.ARTICLE) == replace(before, seen_at=listed.sent_at), "it got no younger"
    await house.sweep_entries()
    assert held(house, mine, EntryKind.ARTICLE).content.text == "other words"
    await house.catalog.scrub()
    assert found(house, f"text-mark-{OLGA}") == []


async def test_the_audit_tells_of_entries_that_should_not_be(house: Household) -> None:
    mine = await gallery(house)
    now = house.clock.now()

    def kinds(look: Callable[[View, Rules, int], list[Finding]], at: int) -> list[str]:
        return sorted(str(entry.kind) for entry in house.catalog.read_now(lambda view: look(view, house.rules, at)))

    assert kinds(look_at_entries, now) == kinds(look_at_entry_ages, now) == []
    assert kinds(look_at_entry_ages, now + 21 * HOUR) == ["entry-overdue"] * 4
    album = held(house, mine, EntryKind.ALBUM)
    house.catalog.write_now(lambda tx: tx.put_entries([replace(album, state=DocumentState.DOOMED)]))
    house.catalog.write_now(lambda tx: tx.put_account(replace(house.account(OLGA), state=AccountState.LOST)))
    assert kinds(look_at_entries, now) == ["entry-forbidden"] * 3 + ["entry-unowed"]


async def test_F6_a_verification_of_the_future_counts_as_overdue(house: Household) -> None:
    mine = await gallery(house)
    album = held(house, mine, EntryKind.ALBUM)
    house.catalog.write_now(lambda tx: tx.put_entries([replace(album, verified_at=house.clock.now() + DAY)]))
    await house.expire()
    assert house.entry_state(EntryKind.ALBUM, mine[EntryKind.ALBUM]) is DocumentState.DOOMED
    await house.purge()
    assert house.entry(EntryKind.ALBUM, mine[EntryKind.ALBUM]) is None


async def test_T11_who_asks_for_all_copies_to_go_gets_no_album_back_until_they_consent_anew(house: Household) -> None:
    mine = await gallery(house)
    await house.requests.file_all(OLGA)
    assert set(states(house, mine)) == {DocumentState.DOOMED}
    await house.purge()
    await house.sweep_entries()
    assert set(states(house, mine)) == {None}
    written = (house.folder / "ipsync.tombstones").read_text()
    numbers = [subject_number(*one) for one in mine.items()]
    assert all(f'"id":{number},' in written for number in numbers)
    assert written.count('"stands":true') >= len(numbers), "a restored database does not bring them back either"
    await house.authorize(OLGA, ALL)
    await house.sweep_entries()
    assert house.entry_state(EntryKind.ARTICLE, mine[EntryKind.ARTICLE]) is DocumentState.LIVE


async def test_T21_what_their_sweep_takes_is_planned_and_admitted_like_pages(house: Household) -> None:
    await gallery(house)
    wanted = house.rules.view.visibility
    [candidate] = house.catalog.read_now(lambda view: candidates(view, wanted))
    # A page of documents; list and album; list and folder; list and article; profile.
    assert candidate.pages == 1 + 2 + 2 + 2 + 1
    assert house.catalog.read_now(lambda view: view.figures()).listing_pages == candidate.pages
    assert sum(load.pages for load in house.catalog.read_now(lambda view: listed_loads(view, wanted))) == 8
    house.passes(11 * HOUR)
    await house.sweep_entries(force=False)
    assert house.catalog.read_now(lambda view: view.figures()).listing_pages == 7, "its words had not changed"


async def test_I2_the_reaper_sees_that_they_are_overdue(house: Household) -> None:
    await gallery(house)
    now = house.clock.now() + 22 * HOUR
    due = house.catalog.read_now(lambda view: _due(view, now, house.rules.lease))
    assert due.documents == len(house.source.documents) + len(KINDS)
    assert not due.is_late
    for document_id in list(house.source.documents):
        house.catalog.write_now(lambda tx, gone=document_id: tx.forget_documents([gone]))  # type: ignore[misc]  # reason: bound at once
    assert house.catalog.read_now(lambda view: _due(view, now + HOUR, house.rules.lease)).is_late
