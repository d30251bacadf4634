"""`ipsync ledger`: the tamper-evident record of removals, checked, exported, and asked about one document."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, WRONG, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.ledger import Answer
    from ipsync.policy.ledger import LedgerEntry, LedgerHead
    from ipsync.policy.ledger_check import LedgerCheck

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Check, export and ask the record of removals.",
    epilog=examples(
        "ipsync ledger verify",
        "ipsync ledger export --output ledger.jsonl",
        "ipsync ledger prove 41234567",
    ),
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
HeadsOption = Annotated[
    Path | None,
    typer.Option("--heads", metavar="FILE", help="Copies of signed heads. Without it: the file beside the database."),
]
_LONGEST_LINE_BYTES = 1 << 16


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"


@app.command(
    epilog=examples(
        "ipsync ledger verify",
        "ipsync ledger verify --heads /mnt/elsewhere/heads",
        "ipsync ledger verify ledger.jsonl --key 5f0c...  # needs no database and no configuration",
    ),
)
def verify(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="An export; without it, the database.")] = None,
    heads: HeadsOption = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="The public key you know; of an export, else the one it names counts."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for any cut, edit, reordering, repetition or rollback.

    Exit with 3 if something is found. Copies of heads that were kept elsewhere prove most: whoever can write to
    the database and to the file beside it cannot reach them.
    """
    if heads is not None and not heads.is_file():
        output.fail(f"there is no file {heads}", code=WRONG)
    if file is not None:
        check, head = _check_file(file, heads, key)
    else:
        check, head = session.work_on(ctx, partial(_check_database, heads=heads), needs=("state_key",))
        if key is not None and head is not None and head.key != key:
            check.say(None, "the ledger is signed by another key than the one given")
    if as_json:
        output.emit_json(_check_as_json(check, head))
    else:
        _print_check(check, head)
    if check.found:
        output.leave(FOUND)


@app.command(
    epilog=examples(
        "ipsync ledger export --output ledger.jsonl",
        "ipsync ledger export --since 2026-11-01 > november.jsonl",
        "ipsync ledger export --head >> heads  # the signed head alone, to be kept elsewhere",
    ),
)
def export(
    ctx: typer.Context,
    since: Annotated[
        str, typer.Option(metavar="SINCE", help="From this entry's number, or from this day or instant (UTC) on.")
    ] = "1",
    written_as: Annotated[Format, typer.Option("--format", help="One line of JSON each.")] = Format.JSONL,
    file: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Without it: here.")] = None,
    head_only: Annotated[bool, typer.Option("--head", help="Only the newest signed head.")] = False,
) -> None:
    """Write the ledger out for an auditor.

    First a line with the public key and the signed head, then a line for each entry. It holds no content and no id.
    """
    first = _since(since)
    session.work_on(ctx, partial(_export, first=first, file=file, head_only=head_only), needs=("state_key",))


@app.command(
    epilog=examples(
        "ipsync ledger prove 41234567", "ipsync ledger prove album/4711", "ipsync ledger prove 31337 --account --json"
    ),
)
def prove(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="DOCUMENT", help='The document\'s id at ipernity, or "album 4711" and the like.')
    ],
    is_account: Annotated[bool, typer.Option("--account", help="The number is a member's user id.")] = False,
    heads: HeadsOption = None,
    as_json: AsJson = False,
) -> None:
    """Answer "did you erase mine, and when?".

    With --json also the evidence: the entry, what leads from it to a signed head, and what shows that it is about
    this document.
    """
    from ipsync.cli import ledger_answers

    number = _number(what, is_account=is_account)
    if is_account:
        told = session.work_on(ctx, partial(_account_history, account_id=number), needs=("state_key",))
        if as_json:
            output.emit_json(ledger_answers.account_as_json(number, *told))
        else:
            ledger_answers.print_account(number, *told)
        return
    answer, lease = session.work_on(ctx, partial(_ask, document_id=number, heads=heads), needs=("state_key",))
    if as_json:
        output.emit_json(ledger_answers.as_json(answer, lease))
    else:
        ledger_answers.print_answer(answer, lease)


def _number(what: str, *, is_account: bool) -> int:
    """What the ledger is asked for: a document's or member's id, or the number of an entry."""
    from ipsync.policy.entry_pages import read_entry_name

    number = None if is_account else read_entry_name(what.strip())
    if number is None and (not what.isdecimal() or not 1 <= int(what) < 2**63):
        output.fail(f'"{what}" names nothing', 'give an id, or "album 4711"', WRONG)
    return int(what) if number is None else number


def _beside(works: "Works") -> Path:
    from ipsync.catalog.location import heads_file

    return heads_file(works.settings.database.path)


async def _check_database(works: "Works", heads: Path | None) -> "tuple[LedgerCheck, LedgerHead | None]":
    from ipsync.catalog.heads import read_heads
    from ipsync.catalog.ledger_keys import is_signed
    from ipsync.jobs.ledger import check_ledger

    catalog = works.base.catalog
    path = _beside(works) if heads is None else heads
    copies = list(read_heads(path)) if path.is_file() else None
    before = await catalog.read(lambda view: view.ledger_head())
    with output.progress("checking", None if before is None else before.sequence) as tell:
        check = await check_ledger(catalog, copies or (), is_signed, tell)
    if copies is None and before is not None:
        check.say(None, f"{path} is missing: without copies of heads, a cut or an older database cannot be seen")
    return check, await catalog.read(lambda view: view.ledger_head())


def _check_file(path: Path, heads: Path | None, key: str | None) -> "tuple[LedgerCheck, LedgerHead | None]":
    from ipsync.catalog.heads import read_heads
    from ipsync.catalog.ledger_keys import is_signed
    from ipsync.policy.ledger_check import LedgerCheck
    from ipsync.policy.ledger_lines import read_header, read_line

    with _opened_for_reading(path) as lines:
        try:
            header = read_header(next(lines, b""))
        except ValueError as wrong:
            output.fail(f"{path} is no export of a ledger: {wrong}", "`ipsync ledger export` makes one", WRONG)
        check = LedgerCheck(is_signed, key or header.head.key, header.first, bytes.fromhex(header.before))
        check.expect_heads(read_heads(heads) if heads else ())
        with output.progress("checking", header.head.sequence - header.first + 1) as tell:
            for number, line in enumerate(lines, 2):
                try:
                    entry = read_line(line)
                except ValueError as wrong:
                    check.say(None, f"line {number} is no entry of a ledger: {wrong}")
                    continue
                check.add(entry)
                tell(1)
        check.end(header.head)
    return check, header.head


@contextmanager
def _opened_for_reading(path: Path) -> Iterator[Iterator[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        output.fail(f"{path} cannot be read: {error.strerror}", code=WRONG)
    with file:
        yield iter(partial(file.readline, _LONGEST_LINE_BYTES), b"")


def _check_as_json(check: "LedgerCheck", head: "LedgerHead | None") -> dict[str, Any]:
    return {
        "whole": not check.found,
        "entries": check.entries,
        "heads_compared": check.heads,
        "found": check.found,
        "findings": [{"entry": finding.sequence, "what": finding.what} for finding in check.findings],
        "head": None if head is None else head._asdict(),
    }


def _print_check(check: "LedgerCheck", head: "LedgerHead | None") -> None:
    for finding in check.findings:
        output.complain(finding.what)
    if check.found > len(check.findings):
        output.complain(f"... and {check.found - len(check.findings):,} more.")
    if head is None and not check.found:
        output.say("The ledger has not begun: nothing was erased, and nobody was taken in.")
        return
    state = f"{session.counted(check.found, 'finding')}" if check.found else "It is whole"
    output.say(
        f"{state}: {check.entries:,} {'entry' if check.entries == 1 else 'entries'}, "
        f"{session.counted(check.heads, 'head')} compared."
    )
    if head is not None:
        output.say(f"Newest head: entry {head.sequence}, hash {head.hash}\nKey: {head.key}")


def _since(text: str) -> "int | str":
    """An entry's number as a number; a day or an instant as it is, once it is known to be one."""
    from datetime import datetime

    if text.isdecimal() and len(text) < 8:
        return max(1, int(text))
    try:
        datetime.fromisoformat(text)
    except ValueError:
        output.fail(f'"{text}" is neither the number of an entry nor a day', "write 17, or 2026-11-01", WRONG)
    return text


async def _export(works: "Works", first: "int | str", file: Path | None, head_only: bool) -> None:
    from ipsync.jobs.ledger import hash_before, pages
    from ipsync.policy.ledger_lines import LedgerHeader, write_head, write_header, write_line

    catalog = works.base.catalog
    head = await catalog.read(lambda view: view.ledger_head())
    if head is None:
        output.fail("the ledger has not begun: nothing was erased, and nobody was taken in")
    if isinstance(first, str):
        at = _instant(first)
        found = await catalog.read(lambda view: view.ledger_since(at))
        first = head.sequence + 1 if found is None else found
    first = min(first, head.sequence + 1)
    with _opened_for_writing(file) as write:
        if head_only:
            write(write_head(head))
            return
        write(write_header(LedgerHeader(first, await hash_before(catalog, first), head)))
        with output.progress("writing", head.sequence - first + 1) as tell:
            async for page in pages(catalog, first - 1, head):
                write(b"".join(map(write_line, page)))
                tell(len(page))
    if file is not None:
        output.say(f"Wrote entries {first} to {head.sequence} to {file}; the public key is {head.key}.")


def _instant(text: str) -> int:
    from datetime import UTC, datetime

    from ipsync.policy.instants import from_unix_seconds

    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return from_unix_seconds(int(moment.timestamp()))


@contextmanager
def _opened_for_writing(path: Path | None) -> "Iterator[Callable[[bytes], object]]":
    if path is None:
        sys.stdout.flush()
        binary: IO[bytes] | None = getattr(sys.stdout, "buffer", None)
        yield (lambda data: sys.stdout.write(data.decode("ascii"))) if binary is None else binary.write
        return
    try:
        file = path.open("wb")
    except OSError as error:
        output.fail(f"{path} cannot be written: {error.strerror}", code=WRONG)
    with file:
        yield file.write


async def _ask(works: "Works", document_id: int, heads: Path | None) -> "tuple[Answer, Any]":
    from ipsync.catalog.heads import read_heads
    from ipsync.catalog.ledger_keys import is_signed
    from ipsync.jobs.ledger import prove_document

    path = _beside(works) if heads is None else heads
    key = await works.base.catalog.read(lambda view: view.ledger_key())
    copies = [head for _, head in read_heads(path) if head is not None] if path.is_file() else []
    ours = sorted(head for head in copies if head.key == key)
    answer = await prove_document(works.base.catalog, document_id, ours, works.base.clock.now())
    for evidence in answer.evidence:
        if not is_signed(evidence.head):
            output.complain("A copy of a head has a wrong signature: see `ipsync ledger verify`.")
    return answer, works.rules.lease


async def _account_history(works: "Works", account_id: int) -> "tuple[list[LedgerEntry], str, int]":
    entries, opening = await works.base.catalog.read(
        lambda view: (
            view.ledger_entries_of(account_id=account_id, limit=1_000_000),
            view.ledger_opening("account", account_id).hex(),
        )
    )
    return entries, opening, works.base.clock.now()
