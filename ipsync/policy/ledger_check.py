"""Does a ledger hold? Entry by entry, in one pass, whatever it was read from (F38).

Says of every cut, edit, reordering, repetition and rollback where it is. Never raises for what it is
shown: whoever altered it may have written anything.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ipsync.policy.ledger import GENESIS, EntryKind, LedgerEntry, LedgerHead, encode, leaf, link

_MOST_FINDINGS = 100
_KINDS = frozenset(kind.value for kind in EntryKind)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold.

    Attributes:
        sequence: of the entry concerned, or None.
        what: a sentence.
    """

    sequence: int | None
    what: str


class LedgerCheck:
    """One pass over a ledger, or over a part of it.

    Attributes:
        entries: how many were looked at.
        heads: how many copies of heads fitted.
        findings: what does not hold, the first hundred; `found` counts all.
    """

    def __init__(
        self,
        is_signed: Callable[[LedgerHead], bool],
        key: str | None = None,
        first: int = 1,
        before: bytes = GENESIS,
    ) -> None:
        """Begin.

        Args:
            is_signed: whether a head's signature is that of its key.
            key: the only key that counts, 64 hex digits; None takes that of the ledger's own head.
            first: the sequence of the first entry that will come.
            before: the hash of the entry before it.
        """
        self._is_signed = is_signed
        self._key = key
        self._first = self._expected = first
        self._before: tuple[bytes, ...] = (before,)
        self._copies: dict[int, list[tuple[str, str]]] = {}
        self._unplaced: set[int] = set()
        self.entries = 0
        self.heads = 0
        self.skipped_heads = 0
        self.found = 0
        self.findings: list[Finding] = []

    @property
    def last(self) -> int:
        """The sequence of the furthest entry that was looked at."""
        return self._expected - 1

    def say(self, sequence: int | None, what: str) -> None:
        """Put a finding on record."""
        self.found += 1
        if len(self.findings) < _MOST_FINDINGS:
            self.findings.append(Finding(sequence, what))

    def expect_heads(self, heads: Iterable[tuple[str, LedgerHead | None]]) -> None:
        """Name the copies of heads that the ledger must agree with, before the first entry.

        Args:
            heads: each with words for where it is written; None where that line is no head.
        """
        for where, head in heads:
            if head is None:
                self.say(None, f"{where} is no signed head of a ledger")
            elif not self._is_ours(head):
                self.say(head.sequence, f"{where}: the signature of the head of entry {head.sequence} is wrong")
            elif head.sequence < self._first - 1:
                self.skipped_heads += 1
            else:
                self._copies.setdefault(head.sequence, []).append((head.hash, where))
        self._compare(self._first - 1, self._before[0].hex())

    def add(self, entry: LedgerEntry) -> None:
        """Look at the next entry."""
        self.entries += 1
        sequence = entry.sequence
        if sequence < self._expected:
            twice = sequence not in self._unplaced
            self._unplaced.discard(sequence)
            self.say(
                sequence,
                f"entry {sequence} stands behind entry {self._expected - 1}: "
                + ("it is there twice" if twice else "the order was changed"),
            )
            return
        digest = bytes.fromhex(entry.hash)
        computed = leaf(encode(entry))
        candidates = [link(before, computed) for before in self._before]
        if sequence > self._expected:
            self._say_missing(self._expected, sequence - 1)
            # What stood before is not known, so nothing can be said of this entry but that the next fits it.
            self._before = (digest,)
        elif digest in candidates:
            self._before = (digest,)
        else:
            self.say(sequence, f"entry {sequence} is not what was written, or what stood before it is not")
            self._before = (digest, *candidates[:1])
        self._judge(entry)
        self._expected = sequence + 1
        self._compare(sequence, entry.hash)

    def end(self, head: LedgerHead | None) -> None:
        """Look at the end.

        Args:
            head: the newest signed head that goes with these entries; None where there is none.
        """
        last = self._expected - 1
        if head is None:
            if self.entries:
                self.say(None, "the ledger has entries, and no signed head")
        else:
            self._end_at(head, last)
        beyond = {sequence: copies for sequence, copies in self._copies.items() if sequence > last}
        if beyond:
            furthest = max(beyond)
            self.say(
                furthest,
                f"{beyond[furthest][0][1]} proves that the ledger reached entry {furthest}, and it ends at entry "
                f"{last}: it was cut, or an older database was put in its place",
            )

    def _end_at(self, head: LedgerHead, last: int) -> None:
        if not self._is_ours(head):
            self.say(head.sequence, "the signature of the newest head is wrong: entries may have been put in its reach")
        if head.sequence > last:
            self._say_missing(last + 1, head.sequence)
        elif head.sequence < last:
            self.say(last, f"entries after {head.sequence} are not signed: they were appended by somebody else")
        elif head.hash not in {digest.hex() for digest in self._before}:
            self.say(last, f"entry {last} is not the one that was signed: the ledger was written anew")

    def _is_ours(self, head: LedgerHead) -> bool:
        return (self._key is None or head.key == self._key) and self._is_signed(head)

    def _judge(self, entry: LedgerEntry) -> None:
        if entry.kind not in _KINDS:
            self.say(entry.sequence, f"entry {entry.sequence} is of a kind that this version does not know")
        elif entry.kind == EntryKind.BREAK:
            self.say(
                entry.sequence,
                f"when entry {entry.sequence} was appended, the ledger did not end where its signed head said: "
                "entries before it were cut, replaced or added",
            )

    def _say_missing(self, first: int, last: int) -> None:
        if last - first < _MOST_FINDINGS:
            self._unplaced.update(range(first, last + 1))
        what = f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
        self.say(first, what)

    def _compare(self, sequence: int, hash_hex: str) -> None:
        for expected, where in self._copies.pop(sequence, ()):
            if expected == hash_hex:
                self.heads += 1
            else:
                self.say(
                    sequence,
                    f"{where} holds another entry {sequence}: that one, or one before it, was replaced, or an older "
                    "database was put in place and went on",
                )
