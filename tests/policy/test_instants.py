"""Durations as configurations write them, instants as readers see them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.instants import (
    DAY,
    HOUR,
    MILLISECOND,
    MINUTE,
    SECOND,
    duration_text,
    from_unix_seconds,
    parse_duration,
    rfc3339,
)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", 90 * SECOND),
        ("24h", 24 * HOUR),
        ("30d", 30 * DAY),
        ("1.5h", 90 * MINUTE),
        (" 250 ms", 250 * MILLISECOND),
    ],
)
def test_durations_are_read(text: str, duration: int) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1w", "1h30m", "١h", "1e3s", "0x1s", "9" * 13 + "s"])
def test_other_durations_are_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match=r'e\.g\. "90s", "24h" or "30d"'):
        parse_duration(text)


@given(st.integers(0, 10**9).map(lambda n: n * MILLISECOND))
def test_a_duration_written_is_read_back(duration: int) -> None:
    assert parse_duration(duration_text(duration)) == duration


def test_a_day_is_written_as_hours() -> None:
    assert duration_text(DAY) == "24h"
    assert duration_text(2 * DAY) == "2d"
    assert duration_text(0) == "0s"


@given(st.integers(0, 4_000_000_000_000_000))
def test_F9_an_instant_is_utc_whatever_the_zone(instant: int) -> None:
    written = dt.datetime.fromisoformat(rfc3339(instant))
    assert written.utcoffset() == dt.timedelta(0)
    assert abs(written.timestamp() * SECOND - instant) < 1000 + 1


def test_the_seconds_of_the_api_become_instants() -> None:
    assert from_unix_seconds(1_795_305_600) == 1_795_305_600 * SECOND
    assert rfc3339(from_unix_seconds(0)) == "1970-01-01T00:00:00.000Z"
