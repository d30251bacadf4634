"""`ipsync leave`: erase everything, with proof, and end the use of the API (T24)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FAILED, WRONG, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.leave import Expected, LeaveReport
    from ipsync.settings import Settings

app = typer.Typer(add_completion=False)

_KEY_ONLY = ("state_key",)


@app.command(
    epilog=examples(
        "ipsync leave --dry-run",
        "ipsync leave",
        "ipsync leave --yes --json > left.json  # the proof, to be kept",
        "ipsync leave --return                  # let it be used again",
    ),
)
def leave(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased, and what stays.")] = False,
    come_back: Annotated[
        bool, typer.Option("--return", help="Let a mirror that was left be used again; what is gone stays gone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Erase every copy, forget every token, and end the use of the API.

    Every member is let go and everything of them erased as always: unlinked, looked after, overwritten, entered in
    the ledger. What stays holds no content: the records of consent, and the proof. Afterwards `ipsync run` refuses
    to start until you say --return. Nothing at ipernity is changed. No daemon may run meanwhile.
    """
    if come_back:
        _return(ctx, as_json)
        return
    if as_json and not (yes or dry_run):
        output.fail("--json asks nothing", "add --yes to erase, or --dry-run to see what would be", WRONG)
    expected, staying = session.work_on(ctx, _look, needs=_KEY_ONLY)
    if not as_json:
        _print_expected(expected)
    if dry_run:
        if as_json:
            output.emit_json(_expected_json(expected) | {"stays": staying})
        else:
            _print_staying(staying)
        return
    if not as_json and not yes and not output.confirm("Erase everything?", without="add --yes"):
        output.complain("Nothing was erased.")
        output.leave(FAILED)
    done, staying = session.work_on(ctx, _leave, needs=_KEY_ONLY, alone=True)
    if as_json:
        output.emit_json(_expected_json(expected) | _done_json(done) | {"stays": staying})
    else:
        _print_done(done, staying)
    if done.left_at is None:
        output.fail(
            f"{session.counted(done.failed, 'removal')} could not be done; {done.held:,} things are still there"
            if done.failed or done.held
            else "a reader keeps the database's log from being cut",
            "everything is hidden, and every token forgotten; look at the disk, then run it again",
        )


async def _look(works: "Works") -> "tuple[Expected, list[dict[str, str]]]":
    return await works.leave.look(), _staying(works.settings)


async def _leave(works: "Works") -> "tuple[LeaveReport, list[dict[str, str]]]":
    with output.progress("erasing"):
        done = await works.leave.run()
    # Those who follow hear that all of it is hidden and gone; whoever does not take it now hears it nevermore.
    while (await works.telling.webhooks.run()).messages:
        pass
    return done, _staying(works.settings)


def _return(ctx: typer.Context, as_json: bool) -> None:
    async def lift(works: "Works") -> bool:
        return await works.leave.come_back()

    was_left = session.work_on(ctx, lift, needs=_KEY_ONLY, alone=True)
    if as_json:
        output.emit_json({"was_left": was_left})
    elif was_left:
        output.say("The mirror may be used again. It is empty: members authorize the application anew.")
    else:
        output.say("It had not been left; nothing was changed.")


def _staying(settings: "Settings") -> list[dict[str, str]]:
    """What is on the disk after leaving, and why: files that are there now."""
    from ipsync.catalog.location import heads_file, reserve_file, writer_lock_file
    from ipsync.process import OneProcessLock
    from ipsync.store.tombstones import tombstones_file

    database = settings.database.path
    records = "that and until when members consented, that and when each copy was erased, by number; no content"
    known: list[tuple[Path, str]] = [
        (database, f"{records}. Keep it as long as somebody may ask"),
        (heads_file(database), "signed heads of the ledger: the proof that nothing in it was changed later"),
        (tombstones_file(database), "numbers of what was erased, so that no backup brings it back"),
        (reserve_file(database), "room kept for a full disk; it holds nothing"),
        (writer_lock_file(database), "a lock; it holds nothing"),
        (OneProcessLock(database).path, "a lock; it holds nothing"),
        (settings.store.path, "the folder of stored files, empty"),
        (settings.file, "your configuration"),
        (settings.operator.privacy_policy, "your privacy policy"),
    ]
    return [{"path": str(path), "why": why} for path, why in known if path.exists()]


def _expected_json(expected: "Expected") -> dict[str, Any]:
    return {
        "accounts": expected.accounts,
        "documents": expected.documents,
        "files": expected.files,
        "bytes": expected.size_bytes,
    }


def _done_json(done: "LeaveReport") -> dict[str, Any]:
    return {
        "removals": done.erased,
        "files_erased": done.files,
        "bytes_erased": done.size_bytes,
        "failed": done.failed,
        "still_there": done.held,
        "left_at": session.instant_text(done.left_at),
        "head": None if done.head is None else done.head._asdict(),
    }


def _print_expected(expected: "Expected") -> None:
    if expected.left_at:
        output.say(f"This mirror was left before: {expected.left_at}.")
    output.say(
        f"{session.counted(expected.accounts, 'member')}, {session.counted(expected.documents, 'document')}, "
        f"{session.counted(expected.files, 'file')} ({session.size_text(expected.size_bytes)}).\n"
        "All copies and all tokens go, for good. Nothing at ipernity is changed."
    )


def _print_staying(staying: list[dict[str, str]]) -> None:
    output.print_table(("stays on the disk", "why"), [(entry["path"], entry["why"]) for entry in staying])
    output.say(
        "What ipsync cannot reach is yours to end: backups of this folder, copies that applications made, logs, the\n"
        "secrets (state_key last: without it nobody can check the ledger's digests), and the API key at ipernity."
    )


def _print_done(done: "LeaveReport", staying: list[dict[str, str]]) -> None:
    output.say(
        f"Erased: {session.counted(done.erased, 'removal')}, {session.counted(done.files, 'file')}, "
        f"{session.size_text(done.size_bytes)}."
    )
    if done.left_at is None:
        return
    output.say(
        f"Looked after it: no document, no file, no token is left. Gone since {session.instant_text(done.left_at)}."
    )
    if done.head is not None:
        output.say(
            f"Last head of the ledger: entry {done.head.sequence}, hash {done.head.hash}\nKey: {done.head.key}\n"
            "`ipsync ledger export --head` prints it signed: give it to whoever shall be able to check it."
        )
    _print_staying(staying)
    output.say("`ipsync run` refuses to start from now on. To use the mirror again: ipsync leave --return")
