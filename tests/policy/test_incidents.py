"""What needs a person, when it is new, and when it is over."""

from collections.abc import Sequence
from typing import Any

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.incidents import (
    OTHERS,
    SUBJECTS_MOST,
    Condition,
    Incident,
    Member,
    Room,
    Situation,
    Spending,
    Trouble,
    reconcile,
    settling_time,
    troubles,
)
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND, Duration, Instant
from ipsync.policy.lease import Lease
from ipsync.policy.quota import FilesHeld, Quota
from ipsync.policy.requests import Holding, RequestScope, Subject, new_request
from ipsync.policy.tripwire import Tripwire

NOW: Instant = 1_795_000_000 * SECOND
LEASE = Lease(DAY)


def situation(**changes: Any) -> Situation:
    values: dict[str, Any] = {"now": NOW, "lease": LEASE, "slack": DAY}
    return Situation(**values | changes)


def conditions(**changes: Any) -> list[tuple[Condition, str]]:
    return [(trouble.condition, trouble.subject) for trouble in troubles(situation(**changes))]


def test_where_all_is_well_nobody_is_needed() -> None:
    assert troubles(situation(spending=Spending(1000, left={"hour": 0.5, "day": 1.0}))) == []


@pytest.mark.parametrize(
    ("slack", "expected"),
    [
        (4 * HOUR, []),
        (4 * HOUR - 1, [Condition.SLACK_SHORT]),
        (2 * HOUR, [Condition.SLACK_SHORT]),
        (2 * HOUR - 1, [Condition.SLACK_CRITICAL, Condition.SLACK_SHORT]),
        (0, [Condition.OVERDUE, Condition.SLACK_CRITICAL, Condition.SLACK_SHORT]),
        (-HOUR, [Condition.OVERDUE, Condition.SLACK_CRITICAL, Condition.SLACK_SHORT]),
    ],
)
def test_deadlines_are_told_of_at_four_hours_two_and_none(slack: Duration, expected: list[Condition]) -> None:
    assert [condition for condition, _ in conditions(slack=slack)] == expected


def test_the_fractions_follow_the_window() -> None:
    lease = Lease(24 * MINUTE)
    assert conditions(lease=lease, slack=4 * MINUTE) == []
    assert conditions(lease=lease, slack=3 * MINUTE) == [(Condition.SLACK_SHORT, "")]


def test_what_is_held_too_long_is_counted() -> None:
    assert troubles(situation(overdue=3)) == [Trouble(Condition.OVERDUE, "", 3)]


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        (Member(7, AccountState.ACTIVE, failures=4), None),
        (Member(7, AccountState.ACTIVE, failures=5), Condition.ACCOUNT_FAILING),
        (Member(7, AccountState.PAUSED, failures=9), None),
        (Member(7, AccountState.DOUBTED), None),
        (Member(7, AccountState.WAITING), Condition.NOT_KEPT),
        (Member(7, AccountState.LOST, held=2), Condition.GRANT_LOST),
        (Member(7, AccountState.LOST, ended_at=NOW - DAY + 1), Condition.GRANT_LOST),
        (Member(7, AccountState.LOST, ended_at=NOW - DAY), None),
        (Member(7, AccountState.LOST), None),
        (Member(7, AccountState.CLOSED, held=1), Condition.ACCOUNT_CLOSED),
    ],
)
def test_F18_F20_members_in_trouble(member: Member, expected: Condition | None) -> None:
    assert conditions(members=[member]) == ([] if expected is None else [(expected, "7")])


def test_T11_an_owners_request_is_told_of_even_if_it_was_complied_with_at_once() -> None:
    held = Holding(1, 2, 300)
    asked = new_request(Subject(RequestScope.DOCUMENT, 5, 7), held, 1, NOW, LEASE)

    def found(at: Instant, **changes: Any) -> list[tuple[Condition, str]]:
        from dataclasses import replace

        return conditions(now=at, requests=[replace(asked, request_id=12, **changes)])

    assert found(NOW) == found(NOW + 20 * HOUR) == [(Condition.REQUEST, "12")]
    assert found(NOW + HOUR - 1, gone_at=NOW + SECOND) == [(Condition.REQUEST, "12")]
    assert found(NOW + HOUR, gone_at=NOW + SECOND) == []


def test_T11_petitions_wait_for_a_person() -> None:
    assert conditions(petitions=[3, 12]) == [(Condition.PETITION, "3"), (Condition.PETITION, "12")]


def test_F12_mass_disappearances_of_one_account_are_one_trouble() -> None:
    tripwires = [
        Tripwire(7, 1, NOW, 60, 100, 1, 60),
        Tripwire(7, 2, NOW, 5, 40, 61, 65),
        Tripwire(8, 3, NOW, 70, 70, 66, 135),
    ]
    assert troubles(situation(tripwires=tripwires)) == [
        Trouble(Condition.TRIPWIRE, "7", 65),
        Trouble(Condition.TRIPWIRE, "8", 70),
    ]


def test_work_that_fails_again_and_again() -> None:
    assert conditions(failing_removals=2) == [(Condition.REMOVALS_FAILING, "")]
    assert conditions(jobs={"sync": NOW - HOUR, "media": NOW - HOUR + 1}) == [(Condition.JOB_FAILING, "sync")]


def test_F20_a_budget_that_is_cut_or_spent() -> None:
    cut = Spending(412.4, is_cut=True, left={"hour": 0.05, "day": 0.06})
    assert troubles(situation(spending=cut)) == [
        Trouble(Condition.BUDGET_CUT, "", 412),
        Trouble(Condition.BUDGET_SPENT, "hour"),
    ]


def test_F3_F7_the_machine() -> None:
    rooms = {"store": Room(99, 100), "database": Room(150, 100), "elsewhere": Room(200, 100)}
    assert conditions(rooms=rooms, behind=60 * SECOND + 1) == [
        (Condition.DISK_FULL, "store"),
        (Condition.CLOCK, ""),
        (Condition.DISK_LOW, "database"),
    ]
    assert conditions(behind=60 * SECOND) == []


def test_F31_a_full_account_is_a_trouble_only_if_something_of_it_waits() -> None:
    quota = Quota(size_most=1000, account_size_most=400, file_size_most=100)
    holdings = {7: FilesHeld(350, 2), 8: FilesHeld(400, 0), 9: FilesHeld(0, 3)}
    assert troubles(situation(quota=quota, holdings=holdings)) == [Trouble(Condition.QUOTA, "7", 350)]
    assert troubles(situation(holdings=holdings)) == []
    full = {**holdings, 10: FilesHeld(200, 0)}
    assert troubles(situation(quota=quota, holdings=full)) == [Trouble(Condition.QUOTA, "", 950)]


def test_of_very_many_alike_the_rest_is_one_trouble() -> None:
    waiting = [Member(number, AccountState.WAITING) for number in range(1, 501)]
    found = troubles(situation(members=waiting, overdue=1))
    assert found[0].condition is Condition.OVERDUE
    assert [trouble.subject for trouble in found[1:21]] == [str(number) for number in range(1, SUBJECTS_MOST + 1)]
    assert found[21:] == [Trouble(Condition.NOT_KEPT, OTHERS, 480)]


class Book:
    """Incidents as the catalog keeps them."""

    def __init__(self) -> None:
        self.kept: dict[int, Incident] = {}

    def look(self, now: Instant, *found: Trouble) -> list[Incident]:
        from dataclasses import replace

        standing = [incident for incident in self.kept.values() if incident.is_open]
        changed = [
            replace(incident, incident_id=incident.incident_id or len(self.kept) + place)
            for place, incident in enumerate(reconcile(standing, found, now, LEASE), 1)
        ]
        self.kept |= {incident.incident_id: incident for incident in changed}
        return changed

    def open(self) -> Sequence[str]:
        return [f"{incident.condition} {incident.subject}" for incident in self.kept.values() if incident.is_open]


def test_an_incident_is_opened_once_and_resolved_when_it_ends() -> None:
    book, lost = Book(), Trouble(Condition.GRANT_LOST, "7", 3)
    assert [incident.opened_at for incident in book.look(NOW, lost)] == [NOW]
    assert book.look(NOW + MINUTE, Trouble(Condition.GRANT_LOST, "7", 2)) == []
    assert book.open() == ["grant-lost 7"]
    ended = NOW + HOUR
    assert [incident.absent_at for incident in book.look(ended)] == [ended]
    assert book.look(ended + settling_time(LEASE) - 1) == []
    assert [incident.resolved_at for incident in book.look(ended + settling_time(LEASE))] == [
        ended + settling_time(LEASE)
    ]
    assert book.open() == []
    assert len(book.look(ended + HOUR, lost)) == 1
    assert len(book.kept) == 2


def test_what_comes_and_goes_is_one_incident() -> None:
    book, low = Book(), Trouble(Condition.DISK_LOW, "store", 5)
    at = NOW
    for _ in range(10):
        book.look(at, low)
        book.look(at + MINUTE)
        at += 5 * MINUTE
    assert len(book.kept) == 1
    assert book.open() == ["disk-low store"]


def test_alike_conditions_of_others_are_others() -> None:
    book = Book()
    book.look(NOW, Trouble(Condition.GRANT_LOST, "7"), Trouble(Condition.GRANT_LOST, "8"))
    book.look(NOW + 1, Trouble(Condition.GRANT_LOST, "8"))
    book.look(NOW + 1 + settling_time(LEASE), Trouble(Condition.GRANT_LOST, "8"))
    assert book.open() == ["grant-lost 8"]
