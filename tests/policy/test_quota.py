"""Quotas in numbers: what has room, who waits, and that no order of files ever exceeds one (F31)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipsync.policy.quota import LARGEST_FILE_BYTES, LARGEST_THUMBNAIL_BYTES, NO_QUOTA, FilesHeld, Filling, Quota

SMALL = Quota(size_most=1000, account_size_most=400, file_size_most=100)


def test_F31_without_a_limit_everything_has_room() -> None:
    holdings = {7: FilesHeld(1 << 60, 5)}
    assert not NO_QUOTA.is_set
    assert not NO_QUOTA.is_reached(holdings)
    assert NO_QUOTA.reached_by(holdings) == NO_QUOTA.held_up(holdings) == frozenset()
    assert Filling(NO_QUOTA, holdings).take(7, 1 << 60)


@pytest.mark.parametrize(("stored", "is_reached"), [(0, False), (300, False), (301, True), (400, True), (900, True)])
def test_F31_a_quota_is_reached_when_the_largest_file_has_no_room(stored: int, is_reached: bool) -> None:
    holdings = {7: FilesHeld(stored, 1), 8: FilesHeld(0, 1)}
    assert SMALL.reached_by(holdings) == SMALL.held_up(holdings) == ({7} if is_reached else set())
    assert not SMALL.is_reached(holdings)


def test_F31_when_all_together_are_full_everybody_waits_who_wants_something() -> None:
    holdings = {7: FilesHeld(400, 3), 8: FilesHeld(400, 0), 9: FilesHeld(101, 1), 10: FilesHeld(0, 2)}
    assert SMALL.is_reached(holdings)
    assert SMALL.held_up(holdings) == {7, 9, 10}


def test_F31_a_file_is_expected_as_large_as_announced_or_as_it_may_be() -> None:
    quota = Quota(account_size_most=1 << 40)
    assert quota.expected_bytes("original", None) == LARGEST_FILE_BYTES
    assert quota.expected_bytes("240", None) == LARGEST_THUMBNAIL_BYTES
    assert quota.expected_bytes("original", 5_000) == 5_000
    assert quota.expected_bytes("original", 1 << 50) == LARGEST_FILE_BYTES
    assert quota.expected_bytes("original", -5) == 0


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 500)), max_size=40),
    st.dictionaries(st.integers(1, 4), st.integers(0, 600).map(FilesHeld), max_size=4),
)
def test_F31_no_order_of_files_exceeds_a_quota(files: list[tuple[int, int]], holdings: dict[int, FilesHeld]) -> None:
    stored = {account_id: holding.size_bytes for account_id, holding in holdings.items()}
    filling = Filling(SMALL, holdings)
    for account_id, size_bytes in files:
        whole = sum(stored.values()) + size_bytes
        fits = whole <= 1000 and stored.get(account_id, 0) + size_bytes <= 400
        assert filling.take(account_id, size_bytes) == fits
        if fits:
            stored[account_id] = stored.get(account_id, 0) + size_bytes
