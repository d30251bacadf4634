"""F38: no cut, edit, reordering, repetition or rollback of a ledger goes unseen, and each is told where it is."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ipsync.policy.ledger import GENESIS, LedgerEntry, LedgerHead, encode, head_message, leaf, link
from ipsync.policy.ledger_check import LedgerCheck
from ipsync.policy.ledger_lines import read_line, write_line

T = 1_795_000_000_000_000
KEY, OTHER_KEY = "12" * 32, "56" * 32


def sign(sequence: int, hash_hex: str, key: str = KEY) -> LedgerHead:
    """A stand-in for a signature: who has not the key's word cannot make it."""
    made = hashlib.sha512(key.encode() + head_message(sequence, T, hash_hex)).hexdigest()
    return LedgerHead(sequence, T, hash_hex, key, made)


def is_signed(head: LedgerHead) -> bool:
    return head == sign(head.sequence, head.hash, head.key)._replace(at=head.at)


def an_entry(sequence: int, **changes: object) -> LedgerEntry:
    entry = LedgerEntry(
        sequence, "gone" if sequence > 1 else "begun", T + sequence, f"{sequence:064x}", "cd" * 32, 0, None, sequence,
        "deleted", "document", T, T, T, T, T + 1, T + 2, 3, 99, "doc.get error 1", "00" * 32,
    )  # fmt: skip
    return entry._replace(**changes)


def chained(entries: Sequence[LedgerEntry], before: bytes = GENESIS) -> list[LedgerEntry]:
    """The same entries with the hashes they get one behind the other."""
    made = []
    for entry in entries:
        before = link(before, leaf(encode(entry)))
        made.append(entry._replace(hash=before.hex()))
    return made


LEDGER = chained([an_entry(number) for number in range(1, 41)])
HEAD = sign(40, LEDGER[-1].hash)
COPIES = [(f"line {number} of heads", sign(number * 10, LEDGER[number * 10 - 1].hash)) for number in (1, 2, 3, 4)]


def check(
    entries: Sequence[LedgerEntry],
    head: LedgerHead | None = HEAD,
    copies: Sequence[tuple[str, LedgerHead | None]] = COPIES,
    **options: object,
) -> LedgerCheck:
    checked = LedgerCheck(is_signed, KEY, **options)
    checked.expect_heads(copies)
    for entry in entries:
        checked.add(entry)
    checked.end(head)
    return checked


def told(checked: LedgerCheck) -> str:
    return "\n".join(finding.what for finding in checked.findings)


def test_a_whole_ledger_is_whole() -> None:
    checked = check(LEDGER)
    assert (checked.found, checked.entries, checked.heads) == (0, 40, 4)
    assert check([], None, ()).found == 0


def test_a_part_of_it_is_whole_too() -> None:
    checked = check(LEDGER[20:], first=21, before=bytes.fromhex(LEDGER[19].hash))
    assert (checked.found, checked.heads, checked.skipped_heads) == (0, 3, 1)
    assert check(LEDGER[20:], first=21, before=bytes(32)).found > 0


def test_F38_a_ledger_that_ends_too_early() -> None:
    checked = check(LEDGER[:35])
    assert "entries 36 to 40 are missing" in told(checked)
    assert "reached entry 40, and it ends at entry 35" in told(checked)
    assert "entry 40 is missing" in told(check(LEDGER[:39], copies=()))
    assert "entries 1 to 40 are missing" in told(check([]))


@given(st.integers(1, 38), st.integers(1, 3))
def test_F38_entries_cut_out(place: int, many: int) -> None:
    many = min(many, 39 - place)
    checked = check(LEDGER[:place] + LEDGER[place + many :], copies=())
    assert checked.findings[0].sequence == place + 1
    assert "missing" in checked.findings[0].what
    assert checked.found == 1


@given(st.integers(0, 39), st.integers(0, 39))
def test_F38_entries_in_another_order(one: int, other: int) -> None:
    assume(one != other)
    entries = list(LEDGER)
    entries[one], entries[other] = entries[other], entries[one]
    checked = check(entries, copies=())
    assert checked.found
    assert checked.findings[0].sequence == min(one, other) + 1


@given(st.integers(0, 39), st.integers(0, 40))
def test_F38_an_entry_there_twice(which: int, place: int) -> None:
    entries = [*LEDGER[:place], LEDGER[which], *LEDGER[place:]]
    checked = check(entries, copies=())
    assert checked.found
    assert f"entry {which + 1}" in told(checked)


FIELDS = [name for name in LedgerEntry._fields if name not in {"sequence", "hash"}]


@given(st.integers(0, 39), st.sampled_from(FIELDS))
def test_F38_an_entry_edited(which: int, field: str) -> None:
    before = getattr(LEDGER[which], field)
    after = "edited" if isinstance(before, str) else (before or 0) + 1
    entries = list(LEDGER)
    entries[which] = entries[which]._replace(**{field: after})
    checked = check(entries, copies=())
    assert checked.findings[0].sequence == which + 1
    assert "not what was written" in checked.findings[0].what


@given(st.integers(0, 39))
def test_F38_a_hash_edited_is_told_of_that_entry_alone(which: int) -> None:
    entries = list(LEDGER)
    entries[which] = entries[which]._replace(hash="77" * 32)
    checked = check(entries, copies=())
    assert {finding.sequence for finding in checked.findings} == {which + 1}


@given(st.integers(0, 39), st.data())
def test_F38_a_line_with_any_other_byte(which: int, data: st.DataObject) -> None:
    line = write_line(LEDGER[which])
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255))
    altered = line[:place] + bytes([byte]) + line[place + 1 :]
    assume(altered != line)
    checked = LedgerCheck(is_signed, KEY)
    for entry in (*LEDGER[:which], None, *LEDGER[which + 1 :]):
        try:
            checked.add(read_line(altered) if entry is None else entry)
        except ValueError:
            checked.say(None, "a line is no entry")
    checked.end(HEAD)
    assert checked.found


@given(st.integers(0, 38))
def test_F38_a_ledger_written_anew_from_somewhere_on(which: int) -> None:
    """Whoever can write to the database can chain anew, but not sign."""
    edited = [LEDGER[which]._replace(reason="edited"), *LEDGER[which + 1 :]]
    before = bytes.fromhex(LEDGER[which - 1].hash) if which else GENESIS
    forged = LEDGER[:which] + chained(edited, before)
    assert "written anew" in told(check(forged, copies=()))
    forger = sign(40, forged[-1].hash, OTHER_KEY)
    assert "signature of the newest head is wrong" in told(check(forged, forger, copies=()))
    # The copies elsewhere find even an operator who signs anew with the right key.
    insider = check(forged, sign(40, forged[-1].hash))
    assert insider.found == 4 - which // 10
    assert "was replaced" in told(insider)


def test_F38_what_was_appended_without_the_key() -> None:
    longer = [*LEDGER, *chained([an_entry(41)], bytes.fromhex(LEDGER[-1].hash))]
    assert "entries after 40 are not signed" in told(check(longer))


def test_F38_an_older_database_put_back() -> None:
    older = LEDGER[:20]
    assert "reached entry 40, and it ends at entry 20" in told(check(older, sign(20, older[-1].hash)))


def test_F38_an_older_database_that_went_on() -> None:
    went_on = LEDGER[:20] + chained(
        [an_entry(n, removal=n + 100) for n in range(21, 60)], bytes.fromhex(LEDGER[19].hash)
    )
    checked = check(went_on, sign(59, went_on[-1].hash))
    assert [finding.sequence for finding in checked.findings] == [30, 40]
    assert "older database" in told(checked)


def test_wrong_signatures_wherever_they_are() -> None:
    wrong = HEAD._replace(signature="00" * 64)
    assert "signature of the newest head" in told(check(LEDGER, wrong))
    assert "line 9" in told(check(LEDGER, copies=[("line 9", wrong)]))
    assert "line 9 is no signed head" in told(check(LEDGER, copies=[("line 9", None)]))
    assert "line 9" in told(check(LEDGER, copies=[("line 9", sign(40, HEAD.hash, OTHER_KEY))]))
    assert "no signed head" in told(check(LEDGER, None, ()))


def test_a_break_and_an_unknown_kind_are_told() -> None:
    odd = chained([an_entry(1), an_entry(2, kind="break"), an_entry(3, kind="of the future")])
    checked = check(odd, sign(3, odd[-1].hash), ())
    assert [finding.sequence for finding in checked.findings] == [2, 3]
    assert "did not end where" in checked.findings[0].what


def test_findings_are_counted_and_not_all_kept() -> None:
    edited = [entry._replace(reason="edited") for entry in chained([an_entry(n) for n in range(1, 301)])]
    checked = check(edited, sign(300, edited[-1].hash), ())
    assert (checked.found, len(checked.findings)) == (300, 100)


@pytest.mark.parametrize("key", [None, KEY])
def test_the_key_that_counts(key: str | None) -> None:
    checked = LedgerCheck(is_signed, key)
    for entry in LEDGER:
        checked.add(entry)
    checked.end(sign(40, LEDGER[-1].hash, OTHER_KEY))
    assert checked.found == (0 if key is None else 1)
