"""The lease clock: never backwards, whatever the wall clock does, across restarts and boots."""

import asyncio
import ctypes
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync import clock
from ipsync.clock import ClockMark, SystemClock, is_synchronized, monotonic_microseconds
from ipsync.policy.instants import DAY, HOUR, MILLISECOND, SECOND


class Machine:
    """A wall clock, a boot-time clock and the name of the boot, to be turned by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.wall = 1_700_000_000 * SECOND
        self.boottime = 5 * HOUR
        self.boot_id = "one boot"
        patch.setattr(clock, "_wall", lambda: self.wall)
        patch.setattr(clock, "_boottime", lambda: self.boottime)
        patch.setattr(clock, "_boot_id", lambda: self.boot_id)

    def passes(self, duration: int) -> None:
        self.wall += duration
        self.boottime += duration

    def reboots(self, off: int) -> None:
        self.wall += off
        self.boottime = 20 * SECOND
        self.boot_id += " and another"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_it_follows_the_wall_clock(machine: Machine) -> None:
    ours = SystemClock()
    assert ours.now() == machine.wall
    machine.passes(HOUR)
    assert ours.now() == machine.wall
    assert ours.behind() == 0


def test_F7_a_wall_clock_set_back_makes_nothing_younger(machine: Machine) -> None:
    ours = SystemClock()
    before = ours.now()
    machine.wall -= 3 * DAY
    assert ours.now() == before
    machine.passes(HOUR)
    assert ours.now() == before + HOUR
    assert ours.behind() == 3 * DAY


def test_F6_a_wall_clock_set_forward_counts_and_setting_it_back_does_not(machine: Machine) -> None:
    ours = SystemClock()
    machine.wall += 365 * DAY
    ahead = ours.now()
    assert ahead == machine.wall
    machine.wall -= 365 * DAY
    machine.passes(SECOND)
    assert ours.now() == ahead + SECOND


def test_F7_a_boot_time_clock_that_jumps_back_makes_nothing_younger(machine: Machine) -> None:
    ours = SystemClock()
    before = ours.now()
    machine.boottime, machine.wall = 0, machine.wall - HOUR
    assert ours.now() == before
    machine.passes(SECOND)
    assert ours.now() == before + SECOND


def test_a_wall_clock_that_goes_on_meanwhile_is_not_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = SystemClock()
    later = count(ours.now() + DAY, HOUR)
    monkeypatch.setattr(clock, "_wall", lambda: next(later))
    assert ours.behind() == 0


def test_F8_suspend_counts(machine: Machine) -> None:
    ours = SystemClock()
    before = ours.now()
    machine.boottime += 30 * HOUR  # the wall clock was not corrected yet
    assert ours.now() == before + 30 * HOUR


def test_F7_a_restart_in_the_same_boot_carries_the_clock_on(machine: Machine) -> None:
    mark = SystemClock().mark()
    machine.passes(HOUR)
    machine.wall -= 2 * DAY
    ours = SystemClock(ClockMark.decode(mark.encode()))
    assert ours.now() == mark.instant + HOUR


def test_F29_another_boot_begins_at_the_wall_clock_but_not_before_the_mark(machine: Machine) -> None:
    mark = SystemClock().mark()
    machine.reboots(off=3 * DAY)
    assert SystemClock(mark).now() == machine.wall
    machine.wall -= 10 * DAY
    assert SystemClock(mark).now() == mark.instant


def test_F29_what_was_verified_under_a_clock_that_ran_ahead_ages_while_the_machine_is_off(machine: Machine) -> None:
    ours = SystemClock()
    machine.wall += 25 * HOUR
    ours.now()
    machine.wall -= 25 * HOUR  # set right again: from here on the lease clock is ahead of it
    machine.passes(HOUR)
    mark = ours.mark()
    machine.reboots(off=30 * HOUR)
    assert SystemClock(ClockMark.decode(mark.encode())).now() == mark.instant + 30 * HOUR


def test_F29_a_wall_clock_that_is_behind_still_tells_how_long_the_machine_was_off(machine: Machine) -> None:
    ours = SystemClock()
    machine.wall -= 3 * HOUR
    mark = ours.mark()
    machine.reboots(off=48 * HOUR)
    assert SystemClock(mark).now() == mark.instant + 48 * HOUR


def test_a_mark_of_an_earlier_version_is_read(machine: Machine) -> None:
    mark = ClockMark.decode(f"{machine.wall + HOUR}/7/another boot")
    assert mark is not None
    assert SystemClock(mark).now() == machine.wall + HOUR


def test_a_boot_time_clock_of_another_boot_is_not_carried_over(machine: Machine) -> None:
    mark = SystemClock().mark()
    machine.reboots(off=0)
    machine.boottime = 100 * DAY  # longer up than at the mark, and still another boot
    assert SystemClock(mark).now() == machine.wall


@pytest.mark.parametrize("name", ["unknown", ""])
def test_without_the_name_of_the_boot_only_wall_clock_and_mark_remain(machine: Machine, name: str) -> None:
    machine.boot_id = name
    mark = SystemClock().mark()
    machine.boottime += 100 * DAY
    machine.wall += HOUR
    assert SystemClock(mark).now() == machine.wall


def test_a_sandbox_without_proc_has_no_name_of_the_boot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "missing")
    mark = SystemClock().mark()
    assert mark.boot_id == "unknown"
    assert SystemClock(mark).now() >= mark.instant


@pytest.mark.parametrize("text", [None, "", "1/2", "1/2/b/4/5", "1/2/b/-4", "a/2/boot", "1/-2/boot", "1/2.5/boot"])
def test_a_mark_that_cannot_be_read_is_none(text: str | None) -> None:
    assert ClockMark.decode(text) is None


@given(
    st.integers(0, 10**17),
    st.integers(0, 10**17),
    st.text(st.characters(exclude_characters="/"), max_size=40),
    st.none() | st.integers(0, 10**17),
)
def test_a_mark_is_read_back_as_it_was_written(instant: int, boottime: int, boot_id: str, wall: int | None) -> None:
    mark = ClockMark(instant, boottime, boot_id, wall)
    assert ClockMark.decode(mark.encode()) == mark


@given(st.lists(st.tuples(st.integers(-DAY, DAY), st.integers(0, DAY), st.booleans()), max_size=20))
def test_F7_it_never_runs_backwards_and_never_slower_than_the_machine(steps: list[tuple[int, int, bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        machine = Machine(patch)
        ours = SystemClock()
        last = ours.now()
        for wall, boottime, restart in steps:
            mark = ours.mark()
            machine.wall += wall
            machine.boottime += boottime
            if restart:
                ours = SystemClock(mark)
            assert ours.now() >= max(last + boottime, machine.wall)
            last = ours.now()


def test_how_long_ago_a_mark_was_made_is_told_by_the_boot_time_clock_alone(machine: Machine) -> None:
    ours = SystemClock()
    mark = ours.mark()
    machine.passes(HOUR)
    machine.wall -= DAY
    assert ours.since(mark) == HOUR
    machine.boottime = 0
    assert ours.since(mark) == 0


def test_of_no_mark_or_one_of_another_boot_nobody_knows_how_long_ago_it_was_made(machine: Machine) -> None:
    mark = SystemClock().mark()
    assert SystemClock().since(None) is None
    machine.reboots(HOUR)
    assert SystemClock().since(mark) is None
    for name in ("", "unknown"):
        machine.boot_id = name
        ours = SystemClock()
        assert ours.since(ours.mark()) is None


def test_the_kernels_clocks_are_given_in_microseconds() -> None:
    ours = SystemClock()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    monotonic, boottime = monotonic_microseconds(), ours.mark().boottime
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert before[0] // 1000 <= monotonic <= after[0] // 1000
    assert before[1] // 1000 <= boottime <= after[1] // 1000


def test_a_wait_that_is_over_already_only_lets_others_go_first() -> None:
    waiting = SystemClock().sleep(-HOUR)
    assert waiting.send(None) is None  # no loop was asked for a timer
    with pytest.raises(StopIteration):
        waiting.send(None)


def test_the_real_clocks_agree_with_the_machine() -> None:
    ours = SystemClock()
    assert abs(ours.now() - int(datetime.now(UTC).timestamp() * SECOND)) < 5 * SECOND
    first = monotonic_microseconds()
    assert monotonic_microseconds() >= first
    mark = ours.mark()
    assert SystemClock(mark).now() >= mark.instant


async def test_it_waits() -> None:
    ours = SystemClock()
    before = ours.now()
    await ours.sleep(20 * MILLISECOND)
    assert ours.now() - before >= 19 * MILLISECOND
    async with asyncio.timeout(1):
        await ours.sleep(-HOUR)


class Kernel:
    """A C library whose kernel gives one answer to the question for the state of its clock."""

    def __init__(self, state: int) -> None:
        self._state = state

    def adjtimex(self, buffer: "ctypes.Array[ctypes.c_char]") -> int:
        assert buffer.raw == bytes(len(buffer)), "anything but zeros would change the clock"
        assert len(buffer) >= 208, "the kernel writes as much"
        return self._state


@pytest.mark.parametrize(("state", "told"), [(-1, None), (0, True), (1, True), (4, True), (5, False)])
def test_only_an_error_of_the_clock_means_that_it_is_not_synchronized(
    monkeypatch: pytest.MonkeyPatch, state: int, told: bool | None
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _library: Kernel(state))
    assert is_synchronized() is told


def test_where_the_kernel_cannot_be_asked_nothing_is_said_of_synchronization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _library: object())
    assert is_synchronized() is None
