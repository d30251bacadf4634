"""How fast files come, and pauses of hosts (T22, F39), on a clock that need not be waited for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.ipernity.media_pacing import LONGEST_PAUSE, Bandwidth, Pauses
from ipsync.policy.instants import MINUTE, SECOND
from tests.fakes.clock import FakeClock


def test_without_a_limit_nothing_waits() -> None:
    assert Bandwidth(None, FakeClock()).spend(1 << 40) == 0


def test_a_limit_below_a_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        Bandwidth(0, FakeClock())


@given(
    bytes_per_second=st.integers(1_000, 10_000_000),
    chunks=st.lists(st.tuples(st.integers(1, 65_536), st.integers(0, 3 * SECOND)), min_size=1, max_size=60),
)
def test_T22_no_stretch_of_time_carries_more_than_the_limit(
    bytes_per_second: int, chunks: list[tuple[int, int]]
) -> None:
    clock = FakeClock()
    bandwidth = Bandwidth(bytes_per_second, clock)
    passed: list[tuple[int, int]] = []
    for size_bytes, idle in chunks:
        clock.jump(idle)
        passed.append((clock.now(), size_bytes))
        clock.jump(bandwidth.spend(size_bytes))
    for first in range(len(passed)):
        carried = 0
        for at, size_bytes in passed[first:]:
            # All chunks but the newest had to be waited for.
            allowed = bytes_per_second * ((at - passed[first][0]) / SECOND + 0.25) + 1 + len(passed)
            assert carried <= allowed
            carried += size_bytes


def test_T22_downloads_share_one_limit() -> None:
    clock = FakeClock()
    bandwidth = Bandwidth(1_000_000, clock)
    waits = [bandwidth.spend(500_000) for _ in range(4)]
    assert waits == [SECOND // 4, SECOND * 3 // 4, SECOND * 5 // 4, SECOND * 7 // 4]


def test_F39_a_host_is_paused_for_as_long_as_it_asks_and_no_other() -> None:
    clock = FakeClock()
    pauses = Pauses(clock)
    assert pauses.refused("u1", 90 * SECOND) == 90 * SECOND
    assert (pauses.left("u1"), pauses.left("u2")) == (90 * SECOND, 0)
    clock.jump(89 * SECOND)
    assert pauses.left("u1") == SECOND
    clock.jump(SECOND)
    assert pauses.left("u1") == 0


def test_F39_without_a_word_from_the_host_pauses_grow_with_each_refusal() -> None:
    clock = FakeClock()
    pauses = Pauses(clock)
    seen = []
    for _ in range(9):
        seen.append(pauses.refused("u1", None))
        clock.jump(seen[-1])
    assert seen[:4] == [30 * SECOND, MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert seen[-1] == LONGEST_PAUSE
    pauses.answered("u1")
    assert pauses.refused("u1", None) == 30 * SECOND


def test_F39_downloads_refused_together_are_one_refusal() -> None:
    clock = FakeClock()
    pauses = Pauses(clock)
    assert {pauses.refused("u1", None) for _ in range(8)} == {30 * SECOND}
    assert pauses.left("u1") == 30 * SECOND


def test_F39_no_host_silences_us_for_ever_and_a_short_word_does_not_shorten_a_long_one() -> None:
    pauses = Pauses(FakeClock())
    assert pauses.refused("u1", 1000 * LONGEST_PAUSE) == LONGEST_PAUSE
    pauses.refused("u1", SECOND)
    assert pauses.left("u1") == LONGEST_PAUSE
    assert pauses.refused("u2", -SECOND) == 0


def test_F39_hosts_are_not_remembered_without_end() -> None:
    pauses = Pauses(FakeClock())
    for number in range(10_000):
        pauses.refused(f"u{number}", SECOND)
    assert len(pauses._hosts) <= 256
