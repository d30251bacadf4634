"""The tripwire's rules: when it trips, how many are asked about first, what their answers mean, how it ends."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.certificates import Certificate, evidence
from ipsync.policy.documents import Visibility
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.lease import Lease
from ipsync.policy.removals import Removal, Stage
from ipsync.policy.tripwire import (
    REREADS_MOST,
    SAMPLE_LEAST,
    SAMPLE_MOST,
    TRIES_MOST,
    Limits,
    Outcome,
    Phase,
    Resolution,
    Tripwire,
    after_rereading,
    doubted,
    read_sample,
    reread_at,
    resolution_of,
    sample_places,
    sample_size,
    trips,
)
from tests.fakes.catalogs import NOW, a_removal

LEASE = Lease(DAY)
WIRE = Tripwire(account_id=1, certificate_id=1, tripped_at=NOW, missing=90, held=100, first_removal=5, last_removal=94)


@pytest.mark.parametrize(
    ("missing", "held", "tripped"),
    [(50, 100, True), (49, 100, False), (50, 250, False), (51, 250, True), (50, 50, True), (0, 0, False)],
)
def test_F12_it_takes_both_many_and_a_large_share(missing: int, held: int, tripped: bool) -> None:
    assert trips(missing, held, Limits(share=0.2, count=50)) is tripped


def test_F12_unless_told_otherwise_it_takes_fifty_and_more_than_a_fifth() -> None:
    assert [trips(missing, held, Limits()) for missing, held in ((50, 249), (49, 100), (50, 250))] == [
        True,
        False,
        False,
    ]


def test_F12_a_sample_is_5_to_50_and_as_many_as_the_reserve_answers_in_15_minutes() -> None:
    assert [sample_size(10_000, rate, LEASE) for rate in (0, 959, 960, 1039, 1040, 10**6)] == [5, 11, 12, 12, 13, 50]


def test_the_sample_follows_from_the_budget() -> None:
    assert sample_size(10_000, 1000, LEASE) == 12
    assert sample_size(10_000, 10, LEASE) == SAMPLE_LEAST
    assert sample_size(10_000, 10**6, LEASE) == SAMPLE_MOST
    assert sample_size(3, 1000, LEASE) == 3
    # A window of seconds, in a test, asks no more than its budget answers in that time.
    assert sample_size(10_000, 3600, Lease(DAY // 2880)) == SAMPLE_LEAST


@given(st.integers(1, 10**9), st.integers(0, 10**6), st.integers(0, SAMPLE_MOST))
def test_a_sample_is_spread_from_the_first_to_the_last(first: int, span: int, size: int) -> None:
    places = sample_places(first, first + span, size)
    assert len(places) <= size
    assert len(places) == min(size, span + 1) or span + 1 < size
    assert all(first <= place <= first + span for place in places)
    assert places == sorted(set(places))
    if size > 1:
        assert (places[0], places[-1]) == (first, first + span)


def test_the_smallest_samples() -> None:
    assert [sample_places(5, 94, size) for size in (0, 1, 2, 3)] == [[], [5], [5, 94], [5, 49, 94]]


def entries(*pairs: tuple[Stage, int]) -> list[Removal]:
    return [a_removal(number, stage=stage, attempts=tries) for number, (stage, tries) in enumerate(pairs, 1)]


@pytest.mark.parametrize(
    ("sample", "phase"),
    [
        ([(Stage.SUSPECTED, 0)] * 3, Phase.SAMPLING),
        ([(Stage.CONFIRMED, 0), (Stage.SUSPECTED, 0)], Phase.SAMPLING),
        ([(Stage.CONFIRMED, 0), (Stage.GONE, 0)], Phase.CONFIRMING),
        ([(Stage.CONFIRMED, 0), (Stage.SUSPECTED, 0), (Stage.WITHDRAWN, 0)], Phase.REREADING),
        ([(Stage.CONFIRMED, 0), (Stage.SUSPECTED, TRIES_MOST)], Phase.CONFIRMING),
        ([(Stage.CONFIRMED, 0), (Stage.SUSPECTED, TRIES_MOST), (Stage.SUSPECTED, 1)], Phase.SAMPLING),
        ([(Stage.SUSPECTED, TRIES_MOST)] * 2, Phase.SAMPLING),
        ([(Stage.SUSPECTED, 2 * TRIES_MOST)] * 2, Phase.CONFIRMING),
        ([(Stage.CONFIRMED, 0), (Stage.SUSPECTED, 2)], Phase.SAMPLING),
        ([(Stage.CONFIRMED, 0), (Stage.SUSPECTED, 3)], Phase.CONFIRMING),
        ([(Stage.SUSPECTED, 5)] * 2, Phase.SAMPLING),
        ([(Stage.SUSPECTED, 6)] * 2, Phase.CONFIRMING),
        ([], Phase.CONFIRMING),
    ],
)
def test_what_a_sample_says(sample: list[tuple[Stage, int]], phase: Phase) -> None:
    assert read_sample(entries(*sample)) is phase


def test_F12_a_doubted_listing_is_read_again_later_and_not_for_ever() -> None:
    wire, now = replace(WIRE, sample=(5, 50, 94)), NOW
    for reading in range(1, REREADS_MOST + 1):
        wire = doubted(wire, now)
        assert (wire.phase, wire.rereads, wire.doubted_at, wire.sample) == (Phase.REREADING, reading, now, ())
        now += HOUR
    assert wire.rereads == 3
    last = doubted(replace(wire, sample=(5,)), now)
    assert (last.phase, last.sample, last.rereads) == (Phase.CONFIRMING, (), 3)
    assert reread_at(NOW, LEASE) - NOW == 5 * MINUTE


@pytest.mark.parametrize(
    ("completed", "later", "phase"),
    [
        ([NOW + 1], MINUTE, Phase.SAMPLING),
        ([NOW], MINUTE, Phase.REREADING),
        ([NOW + 1, None], MINUTE, Phase.REREADING),
        ([NOW - 1], HOUR - 1, Phase.REREADING),
        ([NOW - 1], HOUR, Phase.CONFIRMING),
        ([NOW + 1, NOW + 2], HOUR, Phase.SAMPLING),
    ],
)
def test_a_listing_that_cannot_be_read_again_loses_its_say(
    completed: list[int | None], later: int, phase: Phase
) -> None:
    assert after_rereading(doubted(WIRE, NOW), completed, NOW + later, LEASE) is phase


def test_a_tripwire_nobody_doubted_waits_for_no_reading() -> None:
    assert after_rereading(WIRE, [1], NOW, LEASE) is Phase.SAMPLING


@pytest.mark.parametrize(
    ("outcome", "resolution"),
    [
        (Outcome(open=1, confirmed=8, by_deadline=3), None),
        (Outcome(confirmed=8), Resolution.CONFIRMED),
        (Outcome(withdrawn=8), Resolution.FALSE_ALARM),
        (Outcome(confirmed=1, withdrawn=7), Resolution.PARTLY),
        (Outcome(confirmed=1, withdrawn=7, by_deadline=1), Resolution.DEADLINE),
        (Outcome(otherwise=8), Resolution.OVERTAKEN),
        (Outcome(otherwise=7, confirmed=1), Resolution.CONFIRMED),
        (Outcome(), Resolution.OVERTAKEN),
    ],
)
def test_it_ends_by_itself_with_a_resolution(outcome: Outcome, resolution: Resolution | None) -> None:
    assert resolution_of(outcome) is resolution


def test_it_begins_with_nothing_known() -> None:
    assert (WIRE.tripwire_id, WIRE.rereads, WIRE.sample, WIRE.phase) == (0, 0, (), Phase.SAMPLING)
    assert Outcome() == Outcome(open=0, confirmed=0, withdrawn=0, by_deadline=0, otherwise=0)


def test_it_holds_questions_only_while_the_listing_is_doubted() -> None:
    held = [phase for phase in Phase if replace(WIRE, phase=phase).holds_questions]
    assert held == [Phase.SAMPLING, Phase.REREADING]


def test_it_concerns_its_own_removals_only() -> None:
    concerned = [number for number in (4, 5, 94, 95) if WIRE.concerns(a_removal(1, 1, removal_id=number))]
    assert concerned == [5, 94]
    assert not WIRE.concerns(a_removal(1, 2, removal_id=5))


def test_F16_a_certificate_says_whether_the_listing_kept_its_word() -> None:
    whole = Certificate(
        account_id=1,
        visibility=Visibility.PUBLIC,
        first_sent_at=NOW,
        last_sent_at=NOW + 1,
        pages=4,
        pages_claimed=4,
        total=310,
        named=310,
        distinct=310,
        held=315,
        missing=5,
    )
    assert whole.is_whole
    assert not replace(whole, named=309).is_whole
    assert not replace(whole, pages=3).is_whole
    assert evidence(4, 310, 309) == "pages=4 total=310 distinct=309"
