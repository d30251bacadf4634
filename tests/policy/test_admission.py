"""Admission and shedding: who can be looked after on which budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.admission import Candidate, Capacity, decide, overload
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.lease import Lease
from ipsync.policy.planner.orders import LEASE_SHARE

LEASE = Lease(DAY)


def capacity(requests_per_hour: float, outage_hours: float = 10) -> Capacity:
    return Capacity(requests_per_hour, LEASE, round(outage_hours * HOUR))


def an_account(
    account_id: int, pages: int, *, settled: bool = True, waiting: bool = False, use: float = 50.0
) -> Candidate:
    return Candidate(account_id, pages, settled, waiting, use, since=account_id)


def test_half_the_budget_is_kept_for_an_outage_of_ten_hours() -> None:
    """Design §4: U ≤ 0.5, which is a thousand documents for each request an hour that verifies."""
    of = capacity(1000 / LEASE_SHARE)
    assert of.most_utilization == 0.5
    assert of.most_pages == 10_000
    assert of.utilization(10_000) == pytest.approx(0.5)
    assert of.sustained_pages == 20_000
    assert of.requests_needed(10_000) == pytest.approx(1000 / LEASE_SHARE, abs=1)


def test_without_room_for_an_outage_no_budget_is_enough() -> None:
    none = capacity(10**6, outage_hours=20)
    assert none.most_pages == 0
    assert none.requests_needed(1) is None
    refused = decide([an_account(1, 1, settled=False)], none).refused[1]
    assert refused.words() == (
        "not admitted, because its 1 page beside 0 of others are more than the budget verifies: "
        "removal.outage leaves no budget for any account"
    )


def test_a_new_account_that_does_not_fit_is_refused_with_what_it_would_need() -> None:
    of = capacity(100 / LEASE_SHARE)  # 1,000 pages
    decision = decide([an_account(1, 900), an_account(2, 200, settled=False), an_account(3, 90, settled=False)], of)
    assert decision.pages == 990
    assert set(decision.refused) == {2}
    words = decision.refused[2].words()
    assert words.startswith("not admitted, because its 200 pages beside 990 of others")
    needed = decision.refused[2].needed_per_hour
    assert needed is not None
    assert f"{needed:,} requests an hour in the long run, and 108 are allowed" in words
    enough = capacity(needed)
    assert not decide([an_account(1, 990), an_account(2, 200, settled=False)], enough).refused


def test_who_is_here_stays_while_leases_can_be_kept() -> None:
    of = capacity(100 / LEASE_SHARE)
    assert not decide([an_account(1, 1_990)], of).refused
    assert decide([an_account(1, 2_010)], of).refused[1].words().startswith("not kept")


def test_the_least_used_goes_first_and_a_large_one_keeps_no_small_one_out() -> None:
    of = capacity(100 / LEASE_SHARE)
    everyone = [an_account(1, 800, use=1), an_account(2, 900, use=90), an_account(3, 900, use=80), an_account(4, 50)]
    decision = decide(everyone, of)
    assert set(decision.refused) == {1}
    assert decision.pages == 1_850


def test_who_waits_is_admitted_again_when_the_budget_has_recovered_not_before() -> None:
    here, gone = an_account(1, 900), an_account(2, 300, waiting=True)
    new = an_account(3, 300, settled=False, waiting=True, use=100)
    low = decide([here, gone, new], capacity(100 / LEASE_SHARE))
    assert (set(low.refused), low.admitted) == ({2, 3}, ())
    better = decide([here, gone, new], capacity(120 / LEASE_SHARE))
    assert (set(better.refused), better.admitted) == ({3}, (2,))
    assert decide([here, gone, new], capacity(150 / LEASE_SHARE)).admitted == (2, 3)


@pytest.mark.parametrize("left", [0.1, 0.5, 0.9])
def test_F20_of_what_a_cut_quota_can_keep_nearly_all_is_kept(left: float) -> None:
    accounts = [an_account(number, 1 + number * 7919 % 60, use=number * 31 % 97) for number in range(400)]
    pages = sum(one.pages for one in accounts)
    before = capacity(pages / 20 / LEASE_SHARE)
    assert not decide(accounts, before).refused
    cut = capacity(before.requests_per_hour * left)
    decision = decide(accounts, cut)
    assert decision.pages >= 0.95 * cut.verifications_per_hour * 20
    assert cut.utilization(decision.pages) <= 1.000_001
    kept = [one.use for one in accounts if one.account_id not in decision.refused]
    gone = [one.use for one in accounts if one.account_id in decision.refused]
    assert sum(kept) / len(kept) > sum(gone) / len(gone)


@given(
    st.lists(st.tuples(st.integers(1, 500), st.booleans(), st.booleans(), st.floats(0, 100)), max_size=12),
    st.floats(0.0, 200),
)
def test_whatever_is_decided_fits_and_is_decided_again(
    given_accounts: list[tuple[int, bool, bool, float]], requests_per_hour: float
) -> None:
    accounts = [
        an_account(number, pages, settled=settled, waiting=waiting, use=use)
        for number, (pages, settled, waiting, use) in enumerate(given_accounts)
    ]
    of = capacity(requests_per_hour)
    first = decide(accounts, of)
    assert first.pages <= of.sustained_pages
    after = [
        Candidate(one.account_id, one.pages, one.is_settled, one.account_id in first.refused, one.use, one.since)
        for one in accounts
    ]
    # Nobody who was admitted goes at the next look.
    again = decide(after, of)
    assert set(again.refused) <= set(first.refused)


def test_a_configuration_that_cannot_work_is_told_with_numbers() -> None:
    of = capacity(100)
    assert overload(of.sustained_pages, of) is None
    found = overload(of.sustained_pages + 200, of)
    assert found is not None
    assert found.worst_hours > 20
    assert overload(found.pages, capacity(found.needed_per_hour)) is None
