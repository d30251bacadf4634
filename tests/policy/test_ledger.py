"""How an entry is written, byte by byte: vectors that must never change, and what is refused when it is read back."""

import hashlib
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.policy import ledger
from ipsync.policy.accounts import Consent
from ipsync.policy.instants import HOUR, SECOND
from ipsync.policy.ledger import (
    GENESIS,
    EntryKind,
    LedgerEntry,
    LedgerHead,
    digest_of,
    encode,
    head_message,
    leaf,
    link,
    without_content,
)
from ipsync.policy.ledger_lines import (
    LedgerHeader,
    read_head,
    read_header,
    read_line,
    write_head,
    write_header,
    write_line,
)
from ipsync.policy.permission import Bar
from ipsync.policy.removals import Reason, Removal, Scope, Stage

T = 1_795_000_000 * SECOND
ENTRY = LedgerEntry(
    2, "gone", T, "ab" * 32, "cd" * 32, 7, None, 41, "deleted", "document", T - 5, T - 4, T - 3, None, T, T + HOUR, 3,
    1_234_567, "pages=4 total=310; doc.get error 1", "00" * 32,
)  # fmt: skip
WRITTEN = (
    b'{"sequence":2,"kind":"gone","at":1795000000000000,"document":"'
    + b"ab" * 32
    + b'","account":"'
    + b"cd" * 32
    + b'",'
    b'"epoch":7,"consent":null,"removal":41,"reason":"deleted","scope":"document","first_unsafe_at":1794999999999995,'
    b'"detected_at":1794999999999996,"hidden_at":1794999999999997,"confirmed_at":null,"gone_at":1795000000000000,'
    b'"erase_by":1795003600000000,"files":3,"size_bytes":1234567,"certificate":"pages=4 total=310; doc.get error 1"}'
)
HEAD = LedgerHead(2, T, "ef" * 32, "12" * 32, "34" * 64)

texts = st.none() | st.text(max_size=20)
numbers = st.none() | st.integers(-(2**63), 2**63 - 1)
digests = st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex)
entries = st.builds(
    LedgerEntry,
    sequence=st.integers(1, 2**63 - 1), kind=st.text(max_size=20), at=st.integers(-(2**63), 2**63 - 1),
    document=digests, account=digests, epoch=st.integers(0, 2**31), consent=numbers, removal=numbers, reason=texts,
    scope=texts, first_unsafe_at=numbers, detected_at=numbers, hidden_at=numbers, confirmed_at=numbers,
    gone_at=numbers, erase_by=numbers, files=numbers, size_bytes=numbers, certificate=texts,
    hash=st.binary(min_size=32, max_size=32).map(bytes.hex),
)  # fmt: skip


def test_the_vector_of_an_entry() -> None:
    assert encode(ENTRY) == WRITTEN
    assert leaf(WRITTEN).hex() == hashlib.sha256(WRITTEN).hexdigest()
    assert leaf(WRITTEN).hex() == "172eae1961369008b9ddb7bf3a9ec185cdc5f9ecc090e4a3781b4db0855aeb28"
    assert link(GENESIS, leaf(WRITTEN)).hex() == "e7e899ac923d280555988082cec34ff0dc0a67d0371a0ef0fce62fa4b8211275"


def test_the_vector_of_a_digest_and_of_a_head() -> None:
    assert (
        digest_of("document", 41234567, bytes(range(32))).hex()
        == "19ff7d310732eb406598afd8bbc548151d07726ef6ae1e6f1f0f06e370339007"
    )
    assert head_message(2, T, "ef" * 32) == b"ipsync ledger head 1\n2\n1795000000000000\n" + b"ef" * 32 + b"\n"
    assert write_head(HEAD) == (
        b'{"sequence":2,"at":1795000000000000,"hash":"' + b"ef" * 32 + b'","key":"' + b"12" * 32
        + b'","signature":"' + b"34" * 64 + b'"}\n'
    )  # fmt: skip


def test_a_line_is_the_entry_with_its_hash_last() -> None:
    line = write_line(ENTRY._replace(hash="9a" * 32))
    assert line == WRITTEN[:-1] + b',"hash":"' + b"9a" * 32 + b'"}\n'
    assert line[:-76] + b"}" == WRITTEN


@given(entries)
def test_what_is_written_is_read_back_and_is_plain_json(entry: LedgerEntry) -> None:
    line = write_line(entry)
    assert read_line(line) == entry
    assert line.isascii()
    assert line.count(b"\n") == 1
    values = json.loads(line)
    assert values.pop("hash") == entry.hash
    # What the documentation promises to auditors: a plain JSON library writes the same bytes.
    assert json.dumps(values, separators=(",", ":")).encode() == encode(entry)


@given(entries, entries)
def test_two_entries_are_never_written_alike(one: LedgerEntry, other: LedgerEntry) -> None:
    assert (encode(one) == encode(other)) == (one[:-1] == other[:-1])


LINE = write_line(ENTRY._replace(hash="9a" * 32))
HEADER = write_header(LedgerHeader(1, "00" * 32, HEAD))


@given(st.integers(0, len(LINE) - 1), st.integers(0, 255))
def test_F38_a_line_with_another_byte_is_another_entry_or_none(place: int, byte: int) -> None:
    altered = LINE[:place] + bytes([byte]) + LINE[place + 1 :]
    if altered == LINE:
        return
    with suppress(ValueError):
        assert read_line(altered) != read_line(LINE)


@pytest.mark.parametrize(
    "altered",
    [
        b"",
        b"\n",
        b"null\n",
        b"[" * 100_000,
        LINE[:-1],
        LINE + b"\n",
        b" " + LINE,
        LINE.replace(b'"epoch":7', b'"epoch":07'),
        LINE.replace(b'"epoch":7', b'"epoch":7.0'),
        LINE.replace(b'"epoch":7', b'"epoch":true'),
        LINE.replace(b'"epoch":7', b'"epoch":"7"'),
        LINE.replace(b'"epoch":7', b'"epoch":null'),
        LINE.replace(b'"epoch":7', b'"epoch":7,"epoch":7'),
        LINE.replace(b'"epoch":7', b'"Epoch":7'),
        LINE.replace(b'"consent":null,', b""),
        LINE.replace(b"deleted", b"d\\u0065leted"),
        LINE.replace(b"deleted", "gel\u00f6scht".encode()),
        LINE.replace(b"9a9a", b"9A9a", 1),
        LINE.replace(b"9a9a", b"9a", 1),
    ],
)
def test_F38_what_is_written_otherwise_is_refused(altered: bytes) -> None:
    with pytest.raises(ValueError, match=r"^\S"):
        read_line(altered)


@given(st.integers(0, len(HEADER) - 1), st.integers(0, 255))
def test_a_header_with_another_byte_is_another_header_or_none(place: int, byte: int) -> None:
    altered = HEADER[:place] + bytes([byte]) + HEADER[place + 1 :]
    with suppress(ValueError):
        assert altered == HEADER or read_header(altered) != read_header(HEADER)


@pytest.mark.parametrize(
    "altered",
    [b"{}\n", HEADER.replace(b"ledger-1", b"ledger-2"), HEADER.replace(b'"first":1', b'"first":"1"'), b"garbage",
     HEADER.replace(b'"head":{', b'"head":[{').replace(b"}}", b"}]}")],
)  # fmt: skip
def test_what_is_no_header_is_refused(altered: bytes) -> None:
    with pytest.raises(ValueError, match=r"^\S"):
        read_header(altered)
    assert read_header(HEADER) == LedgerHeader(1, "00" * 32, HEAD)


@pytest.mark.parametrize(
    "altered", [b"{}\n", write_head(HEAD)[:-1], write_head(HEAD).replace(b"3434", b"34", 1), b" " + write_head(HEAD)]
)
def test_what_is_no_head_is_refused(altered: bytes) -> None:
    with pytest.raises(ValueError, match=r"^\S"):
        read_head(altered)
    assert read_head(write_head(HEAD)) == HEAD


# What entries tell of


def a_removal(**changes: Any) -> Removal:
    values: dict[str, Any] = {
        "document_id": 5, "account_id": 6, "reason": Reason.DELETED, "stage": Stage.ERASED, "scope": Scope.DOCUMENT,
        "first_unsafe_at": T - 5, "detected_at": T - 4, "hidden_at": T - 3, "erase_from": T + 1, "erase_by": T + 9,
        "removal_id": 41, "confirmed_at": T - 2, "files_erased": 3, "bytes_erased": 99, "certificate": "deadline",
    }  # fmt: skip
    return Removal(**values | changes)


def test_a_removal_becomes_an_event_with_all_its_times() -> None:
    event = ledger.gone(a_removal(), T, epoch=3)
    assert (event.kind, event.at, event.gone_at, event.epoch) == (EntryKind.GONE, T, T, 3)
    assert (event.document_id, event.account_id, event.removal) == (5, 6, 41)
    assert (event.first_unsafe_at, event.detected_at, event.hidden_at, event.confirmed_at, event.erase_by) == (
        T - 5, T - 4, T - 3, T - 2, T + 9,
    )  # fmt: skip
    assert (event.files, event.size_bytes, event.reason, event.scope) == (3, 99, "deleted", "document")


def test_consents_and_starts_become_events() -> None:
    consent = Consent(6, 2, "canary-fingerprint", {"doc": "read"}, T)
    assert ledger.consent_given(consent) == ledger.LedgerEvent(EntryKind.CONSENT_GIVEN, T, account_id=6, consent=2)
    ended = ledger.consent_ended(6, 2, T, "grant-lost")
    assert (ended.kind, ended.reason, ended.consent) == (EntryKind.CONSENT_ENDED, "grant-lost", 2)
    assert ledger.started(T, 4) == ledger.LedgerEvent(EntryKind.STARTED, T, epoch=4)


# No content


@pytest.mark.parametrize(
    "evidence",
    [
        "pages=4 total=310 distinct=310",
        "doc.get error 1",
        "deadline",
        "configuration",
        "owner's request",
        "found hidden without a removal",
        "doc.get",
        "pages=12 total=1187; deadline",
        *(f"doc.get: {bar.value}" for bar in Bar),
        *(reason.value for reason in Reason),
    ],
)
def test_the_evidence_there_is_passes_whole(evidence: str) -> None:
    assert without_content(evidence) == evidence


@pytest.mark.parametrize(
    ("evidence", "left"),
    [
        ("title=Grandmother's birthday", "?=?'s ?"),
        ("doc.get error 1 for canary", "doc.get error 1 ? ?"),
        ("https://cdn.ipernity.com/1/2.5ec7e7.jpg", "?://?.?.?/1/2.5?7?7.?"),
        ("\N{GREEK SMALL LETTER OMEGA}<b>\n", "?"),
        ("5999999999999999999", "?"),
    ],
)
def test_no_other_word_gets_into_the_ledger(evidence: str, left: str) -> None:
    assert without_content(evidence).replace("??", "?").replace("??", "?") == left


@given(st.text())
def test_content_is_never_let_through(text: str) -> None:
    let_through = without_content(text)
    assert len(let_through) <= 300
    assert let_through.isascii()
    assert "canary" not in without_content(f"canary{text}")
    assert without_content(let_through.replace("?", "")) == let_through.replace("?", "")[:300]
