"""What is true of albums, folders and articles without any database: numbers, the permitted view, leases."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.documents import DocumentState, Tombstone, Visibility
from ipsync.policy.entries import (
    LARGEST_ENTRY_ID,
    Content,
    EntryKind,
    ListedEntry,
    entry_bar,
    entry_of,
    is_entry,
    may_return,
    may_serve_entry,
    needs_reading,
    owe_entry,
    speaks_for,
    subject_number,
    subject_words,
    suspected,
    verified,
)
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.lease import Lease
from ipsync.policy.permission import Agreement, Bar, KeyUse, PermittedView
from ipsync.policy.removals import Reason, Stage

LEASE = Lease(DAY)
NOW = 1_795_000_000_000_000
PUBLIC = frozenset({Visibility.PUBLIC})
VIEW = PermittedView(KeyUse.NON_COMMERCIAL, PUBLIC, frozenset(), frozenset(), frozenset(), ())
LISTED = ListedEntry(70, "title", PUBLIC, NOW - DAY, NOW - DAY)
ALBUM = verified(None, EntryKind.ALBUM, 7, LISTED, Content(members=(1, 2)), NOW, NOW)


@given(kind=st.sampled_from(EntryKind), entry_id=st.integers(1, LARGEST_ENTRY_ID))
def test_a_subject_number_is_never_a_documents_and_names_one_entry(kind: EntryKind, entry_id: int) -> None:
    number = subject_number(kind, entry_id)
    assert -(2**63) < number < 0
    assert is_entry(number)
    assert entry_of(number) == (kind, entry_id)
    assert subject_words(number) == f"{kind.value} {entry_id}"


@pytest.mark.parametrize("number", [0, 1, 2**63 - 1, -1, -8, -(8 * 70 + 7), -(8 * 70 + 5)])
def test_what_is_no_subject_number_names_nothing(number: int) -> None:
    with pytest.raises(ValueError, match="no entry"):
        entry_of(number)
    for entry_id in (0, -1, LARGEST_ENTRY_ID + 1):
        with pytest.raises(ValueError, match="id"):
            subject_number(EntryKind.ALBUM, entry_id)
    assert subject_words(17) == "document 17"
    assert subject_words(-1) == "an unknown entry"


def test_T06_what_has_nothing_at_a_mirrored_level_is_barred() -> None:
    for levels in (frozenset[Visibility](), frozenset({Visibility.FRIENDS, Visibility.PRIVATE})):
        assert entry_bar(VIEW, EntryKind.ALBUM, 7, levels, NOW) is Bar.VISIBILITY
    assert entry_bar(VIEW, EntryKind.ALBUM, 7, PUBLIC | {Visibility.PRIVATE}, NOW) is None


def test_T07_an_article_has_no_license_and_a_commercial_key_needs_its_authors_word() -> None:
    commercial = replace(VIEW, use=KeyUse.COMMERCIAL, agreements=(Agreement(7, "letter", NOW),))
    assert entry_bar(commercial, EntryKind.ARTICLE, 7, PUBLIC, NOW - 1) is None
    assert entry_bar(commercial, EntryKind.ARTICLE, 7, PUBLIC, NOW) is Bar.COMMERCE
    assert entry_bar(commercial, EntryKind.ARTICLE, 8, PUBLIC, NOW - 1) is Bar.COMMERCE
    assert entry_bar(commercial, EntryKind.ALBUM, 8, PUBLIC, NOW) is None


def test_I1_it_is_served_strictly_before_twenty_hours_and_only_while_live() -> None:
    assert may_serve_entry(LEASE, ALBUM, NOW + 20 * HOUR - 1)
    assert not may_serve_entry(LEASE, ALBUM, NOW + 20 * HOUR)
    assert not may_serve_entry(LEASE, ALBUM, NOW - 1)
    for state in set(DocumentState) - {DocumentState.LIVE}:
        assert not may_serve_entry(LEASE, replace(ALBUM, state=state), NOW)


def test_F17_an_older_answer_says_nothing() -> None:
    assert speaks_for(ALBUM, NOW, LEASE, NOW)
    assert not speaks_for(ALBUM, NOW - 1, LEASE, NOW)
    absent = replace(ALBUM, absent_at=NOW + 5)
    assert not speaks_for(absent, NOW + 5, LEASE, NOW + 9)
    assert speaks_for(absent, NOW + 6, LEASE, NOW + 9)
    assert not speaks_for(replace(ALBUM, state=DocumentState.DOOMED), NOW + 1, LEASE, NOW + 1)
    assert not speaks_for(ALBUM, NOW + 22 * HOUR, LEASE, NOW + 22 * HOUR), "at the deadline nothing calls it back"


def test_what_an_album_holds_is_read_in_each_sweep_and_an_articles_words_when_they_changed() -> None:
    assert needs_reading(None, LISTED, EntryKind.ALBUM, NOW)
    assert needs_reading(ALBUM, LISTED, EntryKind.ALBUM, NOW + 1)
    assert not needs_reading(ALBUM, LISTED, EntryKind.ALBUM, NOW), "read once in this sweep already"
    article = replace(ALBUM, kind=EntryKind.ARTICLE)
    assert not needs_reading(article, LISTED, EntryKind.ARTICLE, NOW + 1)
    for changed in (
        replace(LISTED, title="other"),
        replace(LISTED, modified_at=NOW),
        replace(LISTED, modified_at=None),
    ):
        assert needs_reading(article, changed, EntryKind.ARTICLE, NOW + 1)
    assert needs_reading(replace(article, modified_at=None), LISTED, EntryKind.ARTICLE, NOW), (
        "nobody says when it changed"
    )


def test_verifying_never_makes_it_older_and_keeps_since_when_it_is_here() -> None:
    again = verified(ALBUM, EntryKind.ALBUM, 7, LISTED, Content(), NOW - 5, NOW + HOUR)
    assert (again.verified_at, again.seen_at, again.mirrored_at) == (NOW, NOW, NOW)
    returned = verified(None, EntryKind.ALBUM, 7, LISTED, Content(), NOW + 1, NOW + 2, Tombstone(1, 7, "deleted", NOW))
    assert returned.absent_at == NOW


def test_I4_a_tombstone_is_stronger_than_older_answers_and_a_standing_one_than_all() -> None:
    stone = Tombstone(subject_number(EntryKind.ALBUM, 70), 7, "deleted", NOW)
    assert may_return(None, NOW)
    assert not may_return(stone, NOW)
    assert may_return(stone, NOW + 1)
    assert not may_return(replace(stone, stands=True), NOW + DAY)


def test_I2_deadlines_follow_from_its_own_verification() -> None:
    [hidden], [removal] = suspected([ALBUM], Reason.UNSHARED, NOW + 5, NOW + 6, LEASE, "missing")
    assert (hidden.state, hidden.absent_at, hidden.hidden_at) == (DocumentState.SUSPECT, NOW + 5, NOW + 6)
    assert (removal.stage, removal.detected_at, removal.hidden_at) == (Stage.SUSPECTED, NOW + 5, NOW + 6)
    assert (removal.first_unsafe_at, removal.erase_from, removal.erase_by) == (NOW, NOW + 22 * HOUR, NOW + DAY)
    assert suspected([replace(ALBUM, state=DocumentState.DOOMED)], Reason.UNSHARED, NOW, NOW, LEASE, "") == ([], [])
    owed = owe_entry(ALBUM, Reason.POLICY_CHANGE, NOW + 9, LEASE, Stage.CONFIRMED, "configuration", NOW + 9)
    assert (owed.first_unsafe_at, owed.confirmed_at) == (NOW + 9, NOW + 9)
    late = owe_entry(ALBUM, Reason.EXPIRED, NOW + 9, LEASE, Stage.CONFIRMED, "deadline", NOW + 9)
    assert late.first_unsafe_at == NOW
