"""`ipsync removal`: comply with what an owner asks to have removed, and show how that went."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FAILED, WRONG, absences, examples, output, petitions, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.purge import PurgeReport
    from ipsync.jobs.requests import Expected
    from ipsync.policy.certificates import Certificate
    from ipsync.policy.instants import Instant
    from ipsync.policy.requests import RemovalRequest, Subject, Words

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Comply with owners' requests, and show how that went.",
    epilog=examples(
        "ipsync removal add https://www.ipernity.com/doc/31337/41234567",
        "ipsync removal add 41234567 --contact owner@example.org",
        "ipsync removal add https://www.ipernity.com/album/31337/4711",
        "ipsync removal add --account 31337   # everything of a member",
        "ipsync removal list --open",
        "ipsync removal queue   # who asks without proof",
    ),
)
petitions.add_to(app)

_KEY_ONLY = ("state_key",)
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.1
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
RequestNumber = Annotated[int, typer.Argument(metavar="REQUEST", min=1, help="The number on the receipt.")]


@app.command(
    "add",
    epilog=examples(
        "ipsync removal add 41234567 --dry-run",
        "ipsync removal add https://www.ipernity.com/doc/31337/41234567 --yes",
        "ipsync removal add --account 31337 --contact owner@example.org --yes --json",
    ),
)
def add(
    ctx: typer.Context,
    document: Annotated[
        str | None,
        typer.Argument(
            metavar="DOCUMENT",
            help='A document\'s id, "album 4711", or the link to the page of a document, album, folder or article.',
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT", help="Everything of this member, by user id or, where known, user name."),
    ] = None,
    contact: Annotated[str, typer.Option(metavar="TEXT", help="Where to answer; forgotten after a while.")] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="What to remember; forgotten with the contact.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what an owner asks to have removed: hidden at once, erased, never mirrored again while they wish so.

    What is named need not be mirrored now. Only the copies here go; nothing at ipernity is changed. A request for a
    document stands until it is withdrawn; one for a member until then or until the member authorizes the
    application anew.
    """
    if (document is None) == (account is None):
        output.fail("say what to remove", "a document's id or link, or --account ACCOUNT", WRONG)
    if as_json and not (yes or dry_run):
        output.fail("--json asks nothing", "add --yes to erase, or --dry-run to see what would be", WRONG)
    words = _words(contact, note)

    async def look(works: "Works") -> "Expected":
        return await works.requests.look(await _subject(works, document, account))

    expected = session.work_on(ctx, look, needs=_KEY_ONLY)
    if not as_json:
        output.say(_expectation(expected))
    if dry_run:
        if as_json:
            output.emit_json(_subject_json(expected.subject) | {"held": _held_json(expected)})
        return
    if not as_json and not yes and not output.confirm("Remove it?", without="add --yes"):
        output.complain("Nothing was removed.")
        output.leave(FAILED)
    _file(ctx, expected.subject, words, as_json)


def _words(contact: str, note: str) -> "Words":
    from ipsync.policy.requests import parse_words

    try:
        return parse_words(contact, note)
    except ValueError as wrong:
        output.fail(str(wrong), "", WRONG)


async def _subject(works: "Works", document: str | None, account: str | None) -> "Subject":
    from ipsync.assembly import site_of
    from ipsync.policy.requests import RequestScope, Subject, parse_account, parse_document

    if document is not None:
        try:
            return parse_document(document, site_of(works.settings.api.authorize_url))
        except ValueError as wrong:
            output.fail(f'"{document}": {wrong}', "", WRONG)
    named = parse_account(account or "")
    # A member who was never mirrored is told by the number; who is known here, by the name as well.
    account_id = named or (await session.find_account(works, account or "")).account_id
    return Subject(RequestScope.ACCOUNT, account_id, account_id)


def _file(ctx: typer.Context, subject: "Subject", words: "Words", as_json: bool) -> None:
    async def file(works: "Works") -> "tuple[Instant, RemovalRequest, bool, PurgeReport]":
        taken = await works.requests.file(subject, words)
        with output.progress("erasing"):
            report = await works.purge.run()
        # Only one process cuts the log: beside a daemon it is the daemon, within moments.
        patience = _PATIENCE_SECONDS if report.unscrubbed else 0.0
        request = await _settled(works, taken.request, patience)
        return works.base.clock.now(), request, taken.is_new, report

    now, request, is_new, report = session.work_on(ctx, file, needs=_KEY_ONLY, erases=True)
    if as_json:
        output.emit_json(receipt_json(request) | {"is_new": is_new})
    else:
        if not is_new:
            output.say("This was asked for before, and the request stands:")
        _print_receipt(request, now)
        if request.is_open and report.unscrubbed:
            output.say(f"{session.LOG_IS_CUT_LATER} To see when: ipsync removal show {request.request_id}")
    if report.failed and request.is_open:
        output.fail(
            f"{session.counted(report.failed, 'document')} could not be erased yet; everything named is hidden",
            "look at the disk, then: ipsync purge; a running daemon goes on trying",
        )
    if not request.is_kept_outside:
        output.fail(
            "it is hidden and erased, but the record outside the database cannot be written, so it is not called gone",
            "look at the disk beside the database, then: ipsync purge; a running daemon goes on trying",
        )


async def _settled(works: "Works", request: "RemovalRequest", patience_seconds: float) -> "RemovalRequest":
    """The request once everything is gone, or as it is when patience is over."""
    import asyncio

    loop, number = asyncio.get_running_loop(), request.request_id
    deadline = loop.time() + patience_seconds
    while True:
        latest = await works.base.catalog.read(lambda view: view.removal_request(number)) or request
        if not latest.is_open or loop.time() >= deadline:
            return latest
        await asyncio.sleep(_LOOK_SECONDS)


@app.command("list", epilog=examples("ipsync removal list --open", "ipsync removal list --json"))
def list_requests(
    ctx: typer.Context,
    open_only: Annotated[bool, typer.Option("--open", help="Only requests of which something is still held.")] = False,
    after: Annotated[int, typer.Option(metavar="REQUEST", min=0, help="Only above this, for the next page.")] = 0,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show owners' requests, by number.

    "deadline" is the law's: a day after a request came. "stands" tells whether what it names is still kept away.
    """

    async def read(works: "Works") -> "tuple[Instant, list[RemovalRequest]]":
        found = await works.base.catalog.read(
            lambda view: view.removal_requests(open_only=open_only, after=after, limit=limit)
        )
        return works.base.clock.now(), found

    now, found = session.work_on(ctx, read, needs=_KEY_ONLY)
    following = str(found[-1].request_id) if len(found) == limit else None
    if as_json:
        output.emit_json({"requests": [receipt_json(request) for request in found], "next_after": following})
        return
    output.print_table(
        ("request", "what", "received", "deadline", "gone", "was held", "stands"),
        [
            (
                request.request_id,
                request.subject.name,
                session.moment(request.received_at, now),
                session.ago(request.erase_by, now) if request.is_open else None,
                session.moment(request.gone_at, now) if request.gone_at else "not yet",
                session.counted(request.held.documents, "document"),
                "yes" if request.stands else _ending(request),
            )
            for request in found
        ],
        empty="No request is open." if open_only else "No owner has asked for anything to be removed.",
    )
    if following is not None:
        output.say(f"There may be more: --after {following}")


@app.command("show", epilog=examples("ipsync removal show 12", "ipsync removal show 12 --json"))
def show(ctx: typer.Context, number: RequestNumber, as_json: AsJson = False) -> None:
    """Show one request: its receipt, and what is still remembered of contact and note."""

    async def read(works: "Works") -> "tuple[Instant, RemovalRequest | None, Words | None]":
        request, words = await works.base.catalog.read(
            lambda view: (view.removal_request(number), view.request_words([number]).get(number))
        )
        return works.base.clock.now(), request, words

    now, request, words = session.work_on(ctx, read, needs=_KEY_ONLY)
    if request is None:
        output.fail(f"there is no request {number}", "`ipsync removal list` shows all")
    if as_json:
        told = {"contact": words.contact if words else "", "note": words.note if words else ""}
        output.emit_json(receipt_json(request) | told)
        return
    _print_receipt(request, now, words)


@app.command("withdraw", epilog=examples("ipsync removal withdraw 12"))
def withdraw(ctx: typer.Context, number: RequestNumber, as_json: AsJson = False) -> None:
    """End a request because its owner changed their mind.

    A document comes back with the next sweep, if it is still shared. A member comes back by authorizing the
    application again.
    """

    async def end(works: "Works") -> "tuple[Instant, RemovalRequest]":
        from ipsync.jobs.requests import RequestRefusedError

        try:
            ended = await works.requests.withdraw(number)
        except RequestRefusedError as refused:
            output.fail(str(refused))
        return works.base.clock.now(), ended

    now, ended = session.work_on(ctx, end, needs=_KEY_ONLY)
    if as_json:
        output.emit_json(receipt_json(ended))
        return
    _print_receipt(ended, now)
    if ended.subject.scope.value == "document":
        output.say("It may come back with the next sweep, if its owner still shares it.")
    else:
        output.say("To mirror the member again, they authorize the application: ipsync account add")


@app.command("sweeps", epilog=examples("ipsync removal sweeps", "ipsync removal sweeps --account 31337 --json"))
def sweeps(
    ctx: typer.Context,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only this member, by user id or user name.")
    ] = None,
    before: Annotated[
        int | None, typer.Option(metavar="SWEEP", min=1, help="Only older than this, for the next page.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the readings that found documents missing: what was read, how much of it, and when.

    This is the evidence behind removals that no owner asked for. The newest come first.
    """

    async def read(works: "Works") -> "tuple[Instant, list[Certificate]]":
        account_id = None if account is None else (await session.find_account(works, account)).account_id
        found = await works.base.catalog.read(
            lambda view: view.certificates(account_id=account_id, before=before, limit=limit)
        )
        return works.base.clock.now(), found

    now, found = session.work_on(ctx, read, needs=_KEY_ONLY)
    following = found[-1].certificate_id if len(found) == limit else None
    if as_json:
        told = [absences.certificate_json(certificate) for certificate in found]
        output.emit_json({"sweeps": told, "next_before": following})
        return
    output.print_table(
        ("sweep", "account", "listing", "read", "pages", "named", "of ours", "missing"),
        [
            (
                entry.certificate_id,
                entry.account_id,
                entry.visibility.word,
                session.moment(entry.last_sent_at, now),
                f"{entry.pages:,} of {entry.pages_claimed:,}",
                f"{entry.named:,} of {entry.total:,}",
                entry.distinct,
                f"{entry.missing:,} of {entry.held:,}",
            )
            for entry in found
        ],
        empty="No sweep has found a document missing.",
    )
    if following is not None:
        output.say(f"There may be more: --before {following}")


def receipt_json(request: "RemovalRequest") -> dict[str, Any]:
    """A request's receipt, for scripts. It holds no word of the owner."""
    return {
        "request_id": str(request.request_id),
        **_subject_json(request.subject),
        "received_at": session.instant_text(request.received_at),
        "hidden_at": session.instant_text(request.hidden_at),
        "deadline": session.instant_text(request.erase_by),
        "gone_at": session.instant_text(request.gone_at),
        "held": {
            "documents": request.held.documents,
            "files": request.held.files,
            "bytes": request.held.size_bytes,
        },
        "stands": request.stands,
        "ended_at": session.instant_text(request.ended_at),
        "ended_by": request.ended_by.value if request.ended_by else None,
        "recorded_outside": request.is_kept_outside,
    }


def _subject_json(subject: "Subject") -> dict[str, Any]:
    from ipsync.policy.entries import subject_names

    is_account = subject.scope.value == "account"
    named = {"kind": "account", "id": str(subject.subject_id), "document_id": None}
    return {
        "scope": subject.scope.value,
        **(named if is_account else subject_names(subject.subject_id)),
        "account_id": str(subject.account_id) if subject.account_id else None,
    }


def _held_json(expected: "Expected") -> dict[str, Any]:
    held = expected.held
    return {"documents": held.documents, "files": held.files, "bytes": held.size_bytes}


def _expectation(expected: "Expected") -> str:
    subject, held = expected.subject, expected.held
    name = subject.name
    of = f" of account {subject.account_id}" if subject.account_id and subject.scope.value == "document" else ""
    if not held.documents:
        return f"{name.capitalize()}{of} is not mirrored here. It never will be while the request stands."
    return (
        f"{name.capitalize()}{of}: {session.counted(held.documents, 'document')}, "
        f"{session.counted(held.files, 'file')} ({session.size_text(held.size_bytes)}).\n"
        "Only these copies go; nothing at ipernity is changed."
    )


def _print_receipt(request: "RemovalRequest", now: "Instant", words: "Words | None" = None) -> None:
    held = request.held
    files = f"{session.counted(held.files, 'file')} ({session.size_text(held.size_bytes)})"
    facts: Sequence[tuple[str, object]] = [
        ("request", request.request_id),
        ("for", request.subject.name),
        ("received", session.moment(request.received_at, now)),
        ("hidden", session.moment(request.hidden_at, now)),
        ("deadline", session.moment(request.erase_by, now)),
        ("gone", session.moment(request.gone_at, now) if request.gone_at is not None else "not yet"),
        ("was held", f"{session.counted(held.documents, 'document')}, {files}"),
        ("stands", "yes: it is not mirrored again" if request.stands else f"no: {_ending(request)}"),
        *([] if words is None else [("contact", words.contact or None), ("note", words.note or None)]),
    ]
    output.print_facts(facts)


def _ending(request: "RemovalRequest") -> str:
    return "withdrawn" if request.ended_by is not None and request.ended_by.value == "withdrawn" else "new consent"
