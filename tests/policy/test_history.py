"""What is remembered day by day: each hour of requests once, incidents by name, and not for ever."""

import pytest

from ipsync.policy.budget import Spent
from ipsync.policy.history import KEPT_DAYS, History, day_of, read_history
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND

NOW = 1_795_000_000 * SECOND // HOUR * HOUR
TODAY = day_of(NOW)


def hours(*numbers: int) -> list[Spent]:
    """Requests of the hours up to the one that is under way, and counts of other windows, which are not meant."""
    begin = NOW - (len(numbers) - 1) * HOUR
    return [Spent("day", begin + index * HOUR, number) for index, number in enumerate(numbers)] + [
        Spent("hour", NOW - 3 * MINUTE, 999)
    ]


def test_hours_that_are_over_are_counted_once() -> None:
    history = History()
    for _ in range(3):
        history.add_requests(hours(5, 7, 11), NOW + MINUTE)

    assert sum(history.requests.values()) == 12
    assert history.counted_until == NOW
    assert sum(history.requests_by_day(hours(5, 7, 11)).values()) == 23
    history.add_requests(hours(5, 7, 12), NOW + HOUR)
    assert sum(history.requests.values()) == 24


def test_incidents_add_up_by_day() -> None:
    history = History()
    history.add_incidents(NOW, {"clock.stepped": 1})
    history.add_incidents(NOW + 1, {"clock.stepped": 2, "store.full": 1})
    history.add_incidents(NOW, {})

    assert history.incidents == {TODAY: {"clock.stepped": 3, "store.full": 1}}


def test_it_is_written_down_and_read_back_but_for_what_is_too_old() -> None:
    history = History()
    history.add_incidents(NOW, {"store.full": 1})
    history.add_incidents(NOW - (KEPT_DAYS + 1) * DAY, {"store.full": 9})
    history.add_requests(hours(5, 7), NOW)
    again = read_history(history.encode(NOW))

    assert again.incidents == {TODAY: {"store.full": 1}}
    assert (again.requests, again.counted_until) == (history.requests, history.counted_until)


@pytest.mark.parametrize("noted", [None, "", "[]", "{", '{"incidents": 5}', '{"requests": {"x": 1}}', "null"])
def test_what_cannot_be_read_is_empty(noted: str | None) -> None:
    assert read_history(noted) == History()
