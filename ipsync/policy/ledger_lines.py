"""The ledger as lines of text: exports and the file of heads, written one way and read back no other.

An auditor's own code reads them too (docs/explanation/ledger.md), so a line that is written otherwise is none of ours,
whatever a lenient reader would make of it. Nothing is judged here: that is `ledger_check`.
"""

import json
from typing import Any, NamedTuple

from ipsync.policy.ledger import LedgerEntry, LedgerHead, encode

FORMAT = "ipsync-ledger-1"
"""The first word of an export: which writing the lines are in."""


def write_line(entry: LedgerEntry) -> bytes:
    """An entry as a line of an export: what is hashed, with the hash put in as the last name."""
    return encode(entry)[:-1] + f',"hash":"{entry.hash}"}}\n'.encode("ascii")


def read_line(line: bytes) -> LedgerEntry:
    """Read a line of an export back.

    Raises:
        ValueError: it is not written exactly as ipsync writes it, whatever a lenient reader would make of it.
    """
    values = _object(line)
    if tuple(values) != LedgerEntry._fields:
        raise ValueError("it has not the names of an entry")
    _demand_types(values, ("sequence", "at", "epoch"), int, optional=False)
    _demand_types(values, ("kind", "hash"), str, optional=False)
    texts = {"document", "account", "reason", "scope", "certificate"}
    _demand_types(values, texts, str, optional=True)
    _demand_types(values, set(values) - texts - {"sequence", "at", "epoch", "kind", "hash"}, int, optional=True)
    entry = LedgerEntry(**values)
    _demand_hex(entry.hash, 64)
    if write_line(entry) != line:
        raise ValueError("it is not written as ipsync writes it")
    return entry


def write_head(head: LedgerHead) -> bytes:
    """A signed head as a line of the file of heads."""
    return (json.dumps(head._asdict(), separators=(",", ":")) + "\n").encode("ascii")


def read_head(line: bytes) -> LedgerHead:
    """Read a signed head back. Its signature is not judged here.

    Raises:
        ValueError: it is not written exactly as ipsync writes it.
    """
    head = head_of(_object(line))
    if write_head(head) != line:
        raise ValueError("it is not written as ipsync writes it")
    return head


def head_of(values: dict[str, Any]) -> LedgerHead:
    """Make a head of decoded JSON.

    Raises:
        ValueError: it is no head.
    """
    if tuple(values) != LedgerHead._fields:
        raise ValueError("it has not the names of a head")
    _demand_types(values, ("sequence", "at"), int, optional=False)
    _demand_types(values, ("hash", "key", "signature"), str, optional=False)
    for name, digits in (("hash", 64), ("key", 64), ("signature", 128)):
        _demand_hex(values[name], digits)
    return LedgerHead(**values)


class LedgerHeader(NamedTuple):
    """The first line of an export.

    Attributes:
        first: the sequence of the first entry that follows.
        before: the hash of the entry before it, 64 hex digits.
        head: the newest signed head; the entries lead up to it.
    """

    first: int
    before: str
    head: LedgerHead


def write_header(header: LedgerHeader) -> bytes:
    """The first line of an export."""
    values = {"format": FORMAT, **header._asdict(), "head": header.head._asdict()}
    return (json.dumps(values, separators=(",", ":")) + "\n").encode("ascii")


def read_header(line: bytes) -> LedgerHeader:
    """Read the first line of an export.

    Raises:
        ValueError: it is none, or of another format.
    """
    values = _object(line)
    if values.pop("format", None) != FORMAT:
        raise ValueError(f"its first line does not say {FORMAT}")
    if tuple(values) != LedgerHeader._fields or not isinstance(values["head"], dict):
        raise ValueError("its first line has not the names of a header")
    _demand_types(values, ("first",), int, optional=False)
    _demand_types(values, ("before",), str, optional=False)
    _demand_hex(values["before"], 64)
    return LedgerHeader(values["first"], values["before"], head_of(values["head"]))


def _object(line: bytes) -> dict[str, Any]:
    # A line of 10,000 brackets must be an answer, not a failure of the reader.
    try:
        values = json.loads(line.decode("ascii"))
    except RecursionError:
        raise ValueError("it is no JSON of ours") from None
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  # reason: for the caller it is one failure
    return values


def _demand_types(values: dict[str, Any], names: Any, kind: type, *, optional: bool) -> None:
    for name in names:
        value = values[name]
        if not (type(value) is kind or (optional and value is None)):
            raise ValueError(f"its {name} is of the wrong kind")


def _demand_hex(text: str, digits: int) -> None:
    if len(text) != digits or set(text) - set("0123456789abcdef"):
        raise ValueError(f"a digest is not {digits} hex digits")
