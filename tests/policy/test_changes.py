"""Of many changes to one document the last one matters, and the order stays."""

import pytest

from ipsync.policy.changes import Change, ChangeKind, Place, compacted, place_of

APPEARED, CHANGED, HIDDEN, GONE = ChangeKind


def feed(*told: tuple[ChangeKind, int | None]) -> list[Change]:
    """Changes of the account 7, numbered from 1."""
    return [Change(number, kind, document, 7, 1000 + number) for number, (kind, document) in enumerate(told, 1)]


def left(changes: list[Change], limit: int = 50) -> list[tuple[int, ChangeKind, int | None]]:
    return [(change.sequence, change.kind, change.document_id) for change in compacted(changes, limit).changes]


def test_only_the_last_change_of_a_document_remains_where_it_happened() -> None:
    changes = feed((APPEARED, 1), (APPEARED, 2), (HIDDEN, 1), (CHANGED, 2), (GONE, 1), (APPEARED, 3))
    assert left(changes) == [(4, APPEARED, 2), (5, GONE, 1), (6, APPEARED, 3)]


def test_hidden_and_changed_again_is_what_it_says() -> None:
    assert left(feed((HIDDEN, 1), (APPEARED, 1), (CHANGED, 1))) == [(3, APPEARED, 1)]
    assert left(feed((CHANGED, 1), (CHANGED, 1))) == [(2, CHANGED, 1)]


def test_a_whole_account_overtakes_its_documents_but_not_what_is_gone() -> None:
    changes = feed((APPEARED, 1), (GONE, 2), (HIDDEN, None), (APPEARED, 3))
    other = Change(9, APPEARED, 4, 8, 2000)
    assert left([other, *changes]) == [(2, GONE, 2), (3, HIDDEN, None), (4, APPEARED, 3), (9, APPEARED, 4)]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_page_ends_before_the_document_that_does_not_fit(limit: int) -> None:
    changes = feed((APPEARED, 1), (CHANGED, 1), (APPEARED, 2), (HIDDEN, 1), (APPEARED, 3), (APPEARED, 4))
    found = compacted(changes, limit)
    assert len(found.changes) == limit
    assert not found.is_whole
    assert found.until is not None
    rest = compacted([change for change in changes if change.sequence > found.until.sequence], 50)
    assert rest.is_whole
    assert rest.until == changes[-1]
    assert {change.document_id for change in (*found.changes, *rest.changes)} == {1, 2, 3, 4}


def test_nothing_is_whole_and_leads_nowhere() -> None:
    assert compacted([], 50).until is None
    assert compacted([], 50).is_whole


def test_a_place_knows_its_change() -> None:
    (change,) = feed((HIDDEN, None))
    place = place_of(change)
    assert place == Place(1, 0, 1001)
    assert place.fits(change, change)
    assert not place.fits(None, change)
    assert place_of(None) == Place()
    assert Place().fits(None, None)
    assert Place().fits(None, change)
    assert not Place().fits(None, Change(2, HIDDEN, 1, 7, 1))
