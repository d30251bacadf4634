"""What time alone takes away, and what our own configuration does not permit any more."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ipsync.policy.documents import DocumentState, Media, RenditionState, Safety, Visibility
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.permission import Agreement, KeyUse
from ipsync.policy.removals import Reason, Scope, Stage
from ipsync.policy.rules import TimeToLive
from ipsync.ports.catalog import View
from ipsync.ports.source import Later
from ipsync.ports.store import ContentKey
from tests.jobs.household import Household


async def test_I1_I2_a_lease_ends_serving_at_twenty_hours_and_keeping_at_twenty_two(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    document = house.document(mine[0])
    assert document is not None
    verified_at = document.verified_at
    house.clock.jump(verified_at + 20 * HOUR - 1 - house.clock.now())
    assert house.served() == set(mine)
    assert (await house._expiry.run()).stale == 0
    house.clock.jump(1)
    assert house.served() == set()  # whether a job looked or not
    assert (await house._expiry.run()).stale == 1
    assert house.state(mine[0]) is DocumentState.STALE
    house.clock.jump(2 * HOUR - 1)
    assert (await house._expiry.run()).overdue == 0
    house.clock.jump(1)
    assert (await house._expiry.run()).overdue == 1
    assert house.state(mine[0]) is DocumentState.DOOMED
    removal = house.removal(mine[0])
    assert (removal.reason, removal.stage, removal.certificate) == (Reason.EXPIRED, Stage.CONFIRMED, "deadline")
    # Nobody knows when it was withdrawn: it may have been just after the last verification.
    assert removal.first_unsafe_at == verified_at
    await house.purge()
    assert not house.on_disk()


async def test_a_stale_document_is_renewed_by_a_page_that_names_it(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.passes(21 * HOUR)
    await house.expire()
    assert house.state(mine[0]) is DocumentState.STALE
    await house.sync()
    assert house.served() == set(mine)
    assert not house.open_removals()


async def test_a_stale_document_that_is_missing_is_suspected(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.passes(21 * HOUR)
    await house.expire()
    house.source.delete(mine[0])
    await house.sync()
    assert house.state(mine[0]) is DocumentState.SUSPECT


async def test_a_suspicion_nobody_answered_is_not_merely_old(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.share(mine[0], Visibility.PRIVATE)
    await house.sync()
    house.passes(22 * HOUR)
    await house.expire()
    first, second = house.removal(mine[0]), house.removal(mine[1])
    assert (first.reason, first.certificate) == (Reason.UNSHARED, "pages=1 total=1 distinct=1; deadline")
    assert (second.reason, second.certificate) == (Reason.EXPIRED, "deadline")
    assert len(house.removals(*mine)) == 2


async def test_huge_numbers_run_out_together(house: Household) -> None:
    await house.member(7, 1100)
    await house.sync()
    house.passes(20 * HOUR)
    report = await house._expiry.run()
    assert report.stale == 1100
    house.passes(2 * HOUR)
    report = await house._expiry.run()
    assert report.overdue == 1100


@pytest.mark.parametrize(("name", "field"), [("240", "thumbnail"), ("original", "original")])
async def test_T09_each_kind_of_content_has_its_own_time(house: Household, name: str, field: str) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.configure(replace(house.rules, ttl=replace(house.rules.ttl, **{field: HOUR})))
    house.passes(HOUR)
    await house.expire()
    assert house.served() == set(mine)
    assert house.file_states(mine[0])[name] is RenditionState.ERASING
    removal = house.removal(mine[0])
    assert (removal.reason, removal.scope, removal.renditions) == (Reason.EXPIRED, Scope.FILES, (name,))
    assert removal.first_unsafe_at == removal.detected_at  # it was permitted until now
    await house.purge()
    assert {key.rendition for key in house.keys_on_disk()} == {"240", "original"} - {name}
    assert house.state(mine[0]) is DocumentState.LIVE
    await house.fetch()
    assert len(house.keys_on_disk()) == 2


async def test_T09_of_two_removals_of_one_documents_files_each_frees_its_own(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.configure(replace(house.rules, ttl=replace(house.rules.ttl, thumbnail=HOUR, original=HOUR)))
    house.passes(HOUR)
    await house.expire()
    assert {removal.renditions for removal in house.removals(mine[0])} == {("240",), ("original",)}
    report = await house.purge(batch=1)
    assert (report.erased, report.files) == (2, 2)
    assert not house.keys_on_disk()
    assert set(house.file_states(mine[0]).values()) == {RenditionState.WANTED}


async def test_T09_one_removal_takes_all_expired_files_of_a_document(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    house.configure(replace(house.rules, ttl=TimeToLive(*[HOUR] * 4)))
    house.passes(2 * HOUR)
    await house.expire()
    assert {number: len(house.removals(number)) for number in mine} == dict.fromkeys(mine, 2)  # one a kind
    await house.purge()
    assert not house.keys_on_disk()


async def test_T09_a_time_shorter_than_a_turn_ends(house: Household) -> None:
    await house.member(7, 2)
    house.configure(replace(house.rules, ttl=TimeToLive(*[1] * 4)))
    for _ in range(3):
        await house.tick()
        house.passes(MINUTE)
    assert len(house.media_source.fetched) == 12  # once a turn, and no more


async def test_T09_files_of_what_is_going_anyway_are_not_owed_twice(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.configure(replace(house.rules, ttl=TimeToLive(*[HOUR] * 4)))
    await house.accounts.remove(7)
    house.passes(2 * HOUR)
    await house.expire()
    assert [removal.scope for removal in house.removals(*mine)] == [Scope.DOCUMENT]


async def test_T09_words_past_their_time_are_nowhere_any_more(house: Household) -> None:
    house.configure(replace(house.rules, details=True, ttl=replace(house.rules.ttl, metadata=HOUR)))
    mine = await house.member(7, 1)
    house.source.documents[mine[0]].description = "a description that has its time"
    await house.mirror()
    await house.purge()
    house.passes(HOUR)
    house.source.fail("*", lambda method: Later(method, "down"), None)
    assert (await house._expiry.run()).details == 1
    held = b"".join(path.read_bytes() for path in house.folder.iterdir() if path.is_file())
    assert b"a description that has its time" not in held
    house.source.heal()
    house.passes(HOUR)
    await house.sync()
    await house.details()
    document = house.document(mine[0])
    assert document is not None
    assert document.details.description == "a description that has its time"


async def test_T07_what_an_agreement_allowed_goes_when_it_ends(house: Household) -> None:
    mine = await house.member(7, 2)
    house.source.documents[mine[0]].license = 3
    house.source.documents[mine[1]].license = 1
    until = house.clock.now() + 2 * HOUR
    house.configure_view(use=KeyUse.COMMERCIAL, agreements=(Agreement(7, "letter of May", until),))
    await house.mirror()
    assert house.served() == set(mine)
    house.clock.jump(until - house.clock.now() - 1)
    assert house.served() == set(mine)
    assert await house._expiry.apply_policy() == 0
    house.clock.jump(1)
    assert house.served() == {mine[1]}
    assert await house._expiry.apply_policy() == 1
    await house.purge()
    assert house.on_disk() == {mine[1]}
    assert house.removal(mine[0]).reason is Reason.POLICY_CHANGE


@pytest.mark.parametrize(
    "change",
    [
        {"licenses": frozenset({3})},
        {"media": frozenset({Media.VIDEO})},
        {"safety": frozenset({Safety.ADULTS})},
        {"visibility": frozenset({Visibility.FRIENDS})},
    ],
)
async def test_T06_what_the_configuration_drops_goes_without_asking_anybody(
    house: Household, change: dict[str, frozenset[int]]
) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.fail("*", lambda method: Later(method, "down"), None)
    house.configure_view(**change)
    assert house.served() == set()  # at once, on every page
    assert await house.apply_policy() == 2
    await house.purge()
    assert not house.on_disk()
    assert {removal.reason for removal in house.removals(*mine)} == {Reason.POLICY_CHANGE}
    house.source.heal()
    house.configure_view(**{name: getattr(house.rules.view, name) for name in change} | _wide())
    house.passes(HOUR)
    await house.mirror()
    assert house.served() == set(mine)


def _wide() -> dict[str, object]:
    from tests.jobs.household import RULES

    view = RULES.view
    return {name: getattr(view, name) for name in ("licenses", "media", "safety", "visibility")}


async def test_a_suspicion_that_the_configuration_settles_needs_no_answer(house: Household) -> None:
    mine = await house.member(7, 1)
    await house.mirror()
    house.source.unlisted = set(mine)
    await house.sync()
    house.configure_view(licenses=frozenset({3}))
    await house.apply_policy()
    (removal,) = house.removals(mine[0])
    assert (removal.stage, removal.reason) == (Stage.CONFIRMED, Reason.POLICY_CHANGE)


async def test_files_that_are_not_configured_any_more_go_without_asking_anybody(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.fail("*", lambda method: Later(method, "down"), None)
    house.configure_view(renditions=("240",))
    await house.apply_policy()
    await house.purge()
    assert house.keys_on_disk() == {ContentKey(7, number, "240") for number in mine}
    assert {tuple(house.file_states(number)) for number in mine} == {("240",)}
    house.source.heal()
    house.configure_view(renditions=("240", "original"))
    house.passes(HOUR)
    await house.mirror()
    assert len(house.keys_on_disk()) == 4


async def test_files_newly_configured_are_wanted_of_every_document(house: Household) -> None:
    house.configure_view(renditions=("240",))
    mine = await house.member(7, 150)
    await house.mirror()
    house.configure_view(renditions=("500", "original"))
    await house.sync()
    await house.purge()
    await house.fetch()
    assert {key.rendition for key in house.keys_on_disk()} == {"500", "original"}
    assert len(house.keys_on_disk()) == 2 * len(mine)


async def test_files_configured_in_the_middle_of_a_sweep_are_wanted_by_the_next(house: Household) -> None:
    house.configure_view(renditions=("240",))
    await house.member(7, 150)

    def cut(asked: object) -> None:
        if getattr(asked, "subject", 0) == 2:
            raise Later("doc.getList", "down")

    house.source.on_call = cut
    await house.sync()
    house.source.on_call = None
    house.configure_view(renditions=("240", "original"))
    house.passes(MINUTE)
    await house.sync(force=False)
    assert sum("original" in house.file_states(number) for number in house.held()) == 50
    await house.sync()
    assert sum("original" in house.file_states(number) for number in house.held()) == 150


@pytest.mark.parametrize("state", [DocumentState.SUSPECT, DocumentState.DOOMED])
async def test_what_is_hidden_and_was_never_owed_is_owed_and_goes(house: Household, state: DocumentState) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    document = house.document(mine[0])
    assert document is not None
    house.catalog.write_now(
        lambda tx: tx.update_documents([replace(document, state=state, hidden_at=house.clock.now())])
    )
    assert not house.open_removals()
    assert await house.apply_policy() == 0
    (removal,) = house.open_removals()
    assert removal.stage is (Stage.SUSPECTED if state is DocumentState.SUSPECT else Stage.CONFIRMED)
    house.source.delete(mine[0])
    await house.confirm()
    await house.purge()
    assert house.on_disk() == {mine[1]}
    await house.apply_policy()
    assert not house.open_removals()


async def test_what_is_hidden_and_owed_is_not_owed_twice(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    house.source.replace(mine[0])
    house.source.unlisted = {mine[1]}
    await house.sync()
    house.source.unlisted = set(mine)
    await house.sync()
    before = house.open_removals()
    assert await house.apply_policy() == 0
    assert house.open_removals() == before


async def test_T06_what_changes_its_state_meanwhile_is_barred_all_the_same(house: Household) -> None:
    mine = await house.member(7, 3)
    await house.mirror()
    house.configure_view(licenses=frozenset({3}))
    house.passes(house.rules.lease.serve_age)
    read = house.catalog.read

    async def with_staleness(work: Callable[[View], Any]) -> Any:
        """Let the leases run out behind the first look at everything."""
        house.catalog.read = read
        found = await read(work)
        await house.expire()
        return found

    house.catalog.read = with_staleness
    assert await house._expiry.apply_policy() == 3
    assert {removal.reason for removal in house.removals(*mine)} == {Reason.POLICY_CHANGE}


async def test_many_that_are_hidden_already_are_barred_too(house: Household) -> None:
    mine = await house.member(7, 30)
    await house.mirror()
    house.source.unlisted = set(mine)
    await house.sync()
    assert {house.state(number) for number in mine} == {DocumentState.SUSPECT}
    house.configure_view(licenses=frozenset({3}))
    assert await house.apply_policy() == 30
    assert await house.apply_policy() == 0


async def test_F5_tags_that_only_sqlite_takes_for_a_list_are_found(house: Household) -> None:
    mine = await house.member(7, 2)
    await house.mirror()
    sql = f"UPDATE document_text SET tags = '[\"a\"]' || char(0) || 'x' WHERE document_id = {mine[0]}"
    house.catalog.write_now(lambda tx: tx._connection.exec_driver_sql(sql))
    await house.apply_policy()
    await house.purge()
    assert house.on_disk() == {mine[1]}


async def test_a_large_catalog_is_gone_through_in_batches(house: Household) -> None:
    await house.member(7, 1100)
    await house.sync()
    house.configure_view(licenses=frozenset({3}))
    assert await house.apply_policy() == 1100
    assert await house.apply_policy() == 0


async def test_a_day_without_ipernity_leaves_nothing(house: Household) -> None:
    await house.member(7, 3)
    await house.mirror()
    house.source.fail("*", lambda method: Later(method, "down"), None)
    served, held = [], []
    for _ in range(25):
        await house.tick()
        served.append(bool(house.served()))
        held.append(bool(house.on_disk()))
        house.passes(HOUR - 9 * SECOND)
    assert served == [True] * 20 + [False] * 5
    assert held == [True] * 22 + [False] * 3
    house.source.heal()
    house.passes(DAY)
    await house.tick()
    await house.tick()
    assert len(house.served_files()) == 6
