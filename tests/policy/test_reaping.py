"""When the reaper must act."""

import pytest

from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.lease import Lease
from ipsync.policy.reaping import Keeper, beat_period, keeper_of, longest_silence, longest_unaccounted, second_look

LEASE = Lease(DAY)


@pytest.mark.parametrize(
    ("silence", "is_held", "is_late", "keeper"),
    [
        (SECOND, False, False, Keeper.NOBODY),
        (None, False, True, Keeper.NOBODY),
        (SECOND, True, False, Keeper.ALIVE),
        (15 * MINUTE, True, False, Keeper.ALIVE),
        (15 * MINUTE + 1, True, False, Keeper.HUNG),
        (None, True, False, Keeper.HUNG),
        (SECOND, True, True, Keeper.LATE),
        (HOUR, True, True, Keeper.HUNG),
    ],
)
def test_F27_who_looks_after_the_mirror(silence: int | None, is_held: bool, is_late: bool, keeper: Keeper) -> None:
    assert keeper_of(LEASE, silence, is_held=is_held, is_late=is_late) is keeper


def test_the_times_of_a_day() -> None:
    assert beat_period(LEASE) == 15 * SECOND
    assert longest_silence(LEASE) == 15 * MINUTE
    assert second_look(LEASE) == 31 * SECOND
    assert longest_unaccounted(LEASE) == 3 * HOUR


def test_a_short_window_leaves_time_for_a_sign_of_life() -> None:
    lease = Lease(30 * SECOND)
    assert longest_silence(lease) == 2 * SECOND
    assert beat_period(lease) * 10 < second_look(lease) < longest_silence(lease)


def test_F5_what_nobody_can_account_for_goes_before_its_lease_could_be_over() -> None:
    """Verified just short of S before it was written, it is gone by 23/24 W."""
    assert LEASE.serve_age + longest_unaccounted(LEASE) == LEASE.gone_age
