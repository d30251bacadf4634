"""Owners' requests: what names a document, which law holds, what ends a request (T11, I4)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.entries import Content, EntryKind, ListedEntry, verified
from ipsync.policy.instants import DAY, HOUR, MINUTE
from ipsync.policy.removals import Reason, Stage, is_breach, is_due
from ipsync.policy.requests import (
    Ending,
    Holding,
    OutsideTombstone,
    RemovalRequest,
    RequestScope,
    Subject,
    deadline,
    kept_outside_for,
    lifted,
    new_request,
    outside_of,
    owe_entry_request,
    owe_request,
    parse_account,
    parse_document,
    parse_words,
    request_of,
    united,
    withdrawn,
    words_kept_for,
)
from tests.fakes.catalogs import LEASE, NOW, a_document

SITE = "https://www.ipernity.com"
DOCUMENT = Subject(RequestScope.DOCUMENT, 5, 1)
ACCOUNT = Subject(RequestScope.ACCOUNT, 1, 1)


@pytest.mark.parametrize(
    ("given_text", "account_id"),
    [
        ("41234567", 0),
        (" 41234567\n", 0),
        ("https://www.ipernity.com/doc/31337/41234567", 31337),
        ("http://www.ipernity.com/doc/31337/41234567", 31337),
        ("https://ipernity.com/doc/31337/41234567/", 31337),
        ("https://WWW.Ipernity.com/doc/31337/41234567", 31337),
        ("https://www.ipernity.com:443/doc/31337/41234567", 31337),
        ("http://www.ipernity.com:80/doc/31337/41234567", 31337),
        ("https://www.ipernity.com/doc/31337/41234567/in/album/99", 31337),
        ("https://www.ipernity.com/doc/31337/41234567/in/favorites?x=1#comments", 31337),
        ("https://www.ipernity.com/doc/olga.dubois/41234567?from=mail", 0),
    ],
)
def test_T11_a_document_is_named_by_its_number_or_its_page(given_text: str, account_id: int) -> None:
    assert parse_document(given_text, SITE) == Subject(RequestScope.DOCUMENT, 41234567, account_id)


@pytest.mark.parametrize(
    ("given_text", "name", "account_id"),
    [
        ("album 70", "album 70", 0),
        ("folder/71", "folder 71", 0),
        ("article 72", "article 72", 0),
        (" profile 7 ", "profile 7", 0),
        ("https://www.ipernity.com/album/7/70", "album 70", 7),
        ("https://www.ipernity.com/doc/7/album/70/", "album 70", 7),
        ("https://www.ipernity.com/doc/olga.dubois/folder/71", "folder 71", 0),
        ("http://www.ipernity.com/blog/olga.dubois/72?from=mail", "article 72", 0),
    ],
)
def test_T11_an_album_or_article_is_named_in_words_or_by_its_page(given_text: str, name: str, account_id: int) -> None:
    subject = parse_document(given_text, SITE)
    assert (subject.name, subject.account_id) == (name, account_id)
    assert subject.subject_id < 0
    assert (DOCUMENT.name, ACCOUNT.name) == ("document 5", "account 1")


def test_the_configured_site_is_understood_as_well() -> None:
    expected = Subject(RequestScope.DOCUMENT, 7, 3)
    assert parse_document("http://127.0.0.1:8700/doc/3/7", "http://127.0.0.1:8700") == expected
    assert parse_document("http://mirror.test/doc/3/7", "https://mirror.test") == expected
    assert parse_document("https://www.ipernity.com/doc/3/7", "no address at all") == expected
    with pytest.raises(ValueError, match="another site"):
        parse_document("http://127.0.0.1:8701/doc/3/7", "http://127.0.0.1:8700")


@pytest.mark.parametrize("site", ["ftp://mirror.test", "no address at all", ""])
def test_a_site_that_has_no_pages_adds_none(site: str) -> None:
    with pytest.raises(ValueError, match="another site"):
        parse_document("http://mirror.test/doc/3/7", site)


def test_the_largest_number_there_is_names_a_document() -> None:
    assert parse_document(str(2**63 - 1), SITE).subject_id == 2**63 - 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-5",
        "041",
        "5.0",
        "٤٢",
        str(2**63),
        "www.ipernity.com/doc/3/7",
        "ftp://www.ipernity.com/doc/3/7",
        "javascript:alert(1)//www.ipernity.com/doc/3/7",
        "https://www.ipernity.com/doc/3/7/8",
        "https://www.ipernity.com/doc/3/",
        "https://www.ipernity.com/doc/3/07",
        "https://www.ipernity.com/doc/3/٧",
        "https://www.ipernity.com/doc/3/7%20",
        "https://www.ipernity.com/doc/../7",
        "https://www.ipernity.com/home/3",
        "https://www.ipernity.com//doc/3/7",
        "https://www.ipernity.com/album/3",
        "https://www.ipernity.com/doc/3/blog/7",
        f"https://www.ipernity.com/album/3/{2**60}",
        "https://evil.test/album/3/7",
        "album -7",
        f"album {2**60}",
        "document 7",
        "https://www.ipernity.com/x/doc/3/7",
        "https://www.ipernity.com.evil.test/doc/3/7",
        "https://evil.test/https://www.ipernity.com/doc/3/7",
        "https://www.ipernity.com@evil.test/doc/3/7",
        "https://evil.test\\@www.ipernity.com/doc/3/7",
        "https://u:p@www.ipernity.com/doc/3/7",
        "https://www.ipernity.com:8080/doc/3/7",
        "https://www.ipernity.com:99999/doc/3/7",
        "https://[::1/doc/3/7",
        "https://www.ipernity.com/doc/3/\n7",
        f"https://www.ipernity.com/doc/{2**63}/7",
        "https://www.ipernity.com/doc/3/7/in/" + "x" * 3000,
    ],
)
def test_what_names_no_document_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"link to its page"):
        parse_document(text, SITE)


@given(st.text())
def test_anything_is_a_document_or_refused(text: str) -> None:
    try:
        found = parse_document(text, SITE)
    except ValueError:
        return
    assert -(2**63) < found.subject_id < 2**63
    assert 0 <= found.account_id < 2**63


def test_an_account_is_named_by_its_number() -> None:
    assert [parse_account(text) for text in (" 31337 ", "olga", "0", "", str(2**63), str(2**63 - 1))] == [
        31337,
        0,
        0,
        0,
        0,
        2**63 - 1,
    ]


def test_words_are_put_on_one_line_and_not_kept_without_end() -> None:
    words = parse_words("  olga@example.org ", "by mail,\n\tsee folder 3")
    assert (words.contact, words.note) == ("olga@example.org", "by mail, see folder 3")
    assert "olga" not in repr(words)
    assert "folder" not in repr(words)
    assert parse_words("x" * 500, "y" * 500).note == "y" * 500
    with pytest.raises(ValueError, match="note is longer"):
        parse_words("", "x" * 501)


def test_T11_the_law_of_a_request_counts_from_its_receipt_whatever_the_lease() -> None:
    request = new_request(DOCUMENT, Holding(1, 2, 3000), 0, NOW, LEASE)
    assert (request.received_at, request.hidden_at, request.erase_by) == (NOW, NOW, NOW + DAY)
    assert deadline(NOW, LEASE) == NOW + DAY
    assert request.stands
    assert request.is_open
    assert not request.is_kept_outside


@pytest.mark.parametrize(("due", "erase_by"), [(NOW + HOUR, NOW + HOUR), (NOW + 2 * DAY, NOW + DAY)])
def test_T11_who_asked_before_without_proof_waits_no_longer_for_that(due: int, erase_by: int) -> None:
    assert new_request(DOCUMENT, Holding(1, 2, 3000), 0, NOW, LEASE, due=due).erase_by == erase_by


def test_what_was_not_told_is_nothing() -> None:
    assert Holding() == Holding(documents=0, files=0, size_bytes=0)
    request = RemovalRequest(DOCUMENT, NOW, NOW, NOW + DAY)
    assert (request.held, request.consent_epoch, request.request_id) == (Holding(), 0, 0)
    stone = OutsideTombstone(DOCUMENT, Reason.UNSHARED, NOW)
    assert (stone.held, stone.consent_epoch, stone.request_id, stone.received_at) == (Holding(), 0, 0, 0)


@pytest.mark.parametrize("state", DocumentState)
def test_T11_what_an_owner_asked_for_is_doomed_and_due_at_once(state: DocumentState) -> None:
    document = a_document(5, state=state, verified_at=NOW - HOUR)
    doomed, removal = owe_request(document, NOW, LEASE)
    assert (doomed.state, doomed.hidden_at) == (DocumentState.DOOMED, NOW)
    assert (removal.reason, removal.stage) == (Reason.OWNER_REQUEST, Stage.CONFIRMED)
    assert (removal.first_unsafe_at, removal.detected_at, removal.confirmed_at) == (NOW, NOW, NOW)
    assert is_due(removal, NOW)


def test_T11_an_album_is_doomed_and_due_by_the_earlier_law() -> None:
    seen = ListedEntry(70, "title", frozenset({Visibility.PUBLIC}))
    album = verified(None, EntryKind.ALBUM, 7, seen, Content(), NOW - HOUR, NOW)
    doomed, removal = owe_entry_request(album, NOW, LEASE)
    assert (doomed.state, doomed.hidden_at) == (DocumentState.DOOMED, NOW)
    assert (removal.document_id, removal.reason, removal.stage) == (album.number, Reason.OWNER_REQUEST, Stage.CONFIRMED)
    assert removal.first_unsafe_at == removal.hidden_at == NOW
    assert removal.erase_by == LEASE.erase_by(NOW - HOUR) < deadline(NOW, LEASE)
    assert owe_entry_request(album, NOW, LEASE, due=NOW + HOUR)[1].erase_by == NOW + HOUR


def test_T11_of_two_laws_the_earlier_holds() -> None:
    _, removal = owe_request(a_document(5, verified_at=NOW - 19 * HOUR), NOW, LEASE)
    assert removal.erase_by == NOW + 5 * HOUR
    # Verified in the very moment: both are the same.
    _, removal = owe_request(a_document(5, verified_at=NOW), NOW, LEASE)
    assert removal.erase_by == NOW + DAY
    assert not is_breach(removal, NOW + DAY)
    assert is_breach(removal, NOW + DAY + 1)


def test_T11_a_lease_that_is_long_over_makes_no_new_request_late() -> None:
    for age in (DAY, 3 * DAY):
        _, removal = owe_request(a_document(5, verified_at=NOW - age), NOW, LEASE)
        assert removal.erase_by == NOW + DAY
    _, removal = owe_request(a_document(5, verified_at=NOW - DAY + 1), NOW, LEASE)
    assert removal.erase_by == NOW + 1


def test_what_was_hidden_before_stays_hidden_since_then() -> None:
    doomed, removal = owe_request(a_document(5, state=DocumentState.SUSPECT, hidden_at=NOW - MINUTE), NOW, LEASE)
    assert doomed.hidden_at == removal.hidden_at == NOW - MINUTE


def test_I4_only_a_newer_consent_lifts_and_only_a_request_for_the_account() -> None:
    of_account = replace(new_request(ACCOUNT, Holding(), 3, NOW, LEASE), is_kept_outside=True)
    assert lifted(of_account, 2, NOW + 1) == of_account
    assert lifted(of_account, 3, NOW + 1) == of_account
    ended = lifted(of_account, 4, NOW + 1)
    assert (ended.stands, ended.ended_at, ended.ended_by) == (False, NOW + 1, Ending.CONSENT)
    assert not ended.is_kept_outside  # the end has to be written down too
    of_document = new_request(DOCUMENT, Holding(), 0, NOW, LEASE)
    assert lifted(of_document, 99, NOW + 1) == of_document


def test_a_request_ends_once() -> None:
    ended = withdrawn(new_request(DOCUMENT, Holding(), 0, NOW, LEASE), NOW + 1)
    assert (ended.ended_at, ended.ended_by) == (NOW + 1, Ending.WITHDRAWN)
    assert withdrawn(ended, NOW + 2) == ended


def test_words_are_kept_a_month_at_a_window_of_a_day() -> None:
    assert words_kept_for(LEASE) == 30 * DAY


def test_F28_the_record_outside_remembers_longer_than_any_lease_lasts() -> None:
    assert kept_outside_for(LEASE) == 30 * DAY


def test_F28_a_request_survives_in_the_record_outside() -> None:
    request = replace(new_request(ACCOUNT, Holding(9, 8, 7), 3, NOW, LEASE), request_id=12, is_kept_outside=True)
    assert request_of(outside_of(request), LEASE) == request
    ended = replace(withdrawn(request, NOW + HOUR), is_kept_outside=True)
    assert request_of(outside_of(ended), LEASE) == ended


def test_F28_only_requests_decide_what_stands() -> None:
    erased = OutsideTombstone(DOCUMENT, Reason.UNSHARED, NOW)
    asked = OutsideTombstone(DOCUMENT, Reason.OWNER_REQUEST, NOW + 1, stands=True, request_id=1)
    over = replace(asked, since=NOW + 3, stands=False, ended_by=Ending.WITHDRAWN)
    later = replace(erased, since=NOW + 2)

    assert united(None, erased) == erased
    assert united(erased, asked) == asked
    assert united(asked, later) == replace(asked, since=NOW + 2)
    assert united(united(asked, later), over) == over
    assert united(over, later) == over
    assert united(over, replace(asked, since=NOW + 4)).stands
    assert united(erased, later) == later
    assert united(erased, replace(later, reason=Reason.DELETED)).reason is Reason.DELETED


def test_F28_a_record_that_stands_is_never_lost_even_if_nobody_knows_whose_request_it_was() -> None:
    erased = OutsideTombstone(DOCUMENT, Reason.UNSHARED, NOW)
    unnumbered = replace(erased, since=NOW + 1, stands=True)
    over = OutsideTombstone(DOCUMENT, Reason.OWNER_REQUEST, NOW, request_id=1, ended_by=Ending.WITHDRAWN)
    assert united(erased, unnumbered).stands
    assert united(over, unnumbered).stands
    assert united(unnumbered, erased).stands
