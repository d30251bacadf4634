"""`ipsync account`: take members in, look after them, let them go."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FAILED, FOUND, WRONG, absences, examples, members, output, session

if TYPE_CHECKING:
    import asyncio

    from ipsync.assembly import Works
    from ipsync.jobs.accounts import TakenIn
    from ipsync.policy.instants import Instant

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Take members in, look after them, let them go.",
    epilog=examples(
        "ipsync account add            # shows the link at which a member says yes",
        "ipsync account list --json",
        "ipsync account remove 31337   # erases all copies of a member's documents",
    ),
)

_FIRST_POLL_SECONDS = 2.0
_LONGEST_POLL_SECONDS = 15.0
_POLL_GROWTH = 1.15
_KEY_ONLY = ("state_key",)
AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The member's user id or user name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command(
    "add",
    epilog=examples(
        "ipsync account add",
        "ipsync account add --timeout 60 < /dev/null   # nobody presses Enter",
    ),
)
def add(
    ctx: typer.Context,
    as_json: AsJson = False,
    patience: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, max=3600, help="How long to wait for the member.")
    ] = 600,
) -> None:
    """Let a member authorize the application, on ipernity's own page.

    Give the link to the member and wait: ipernity is asked every few seconds, and at once when you press
    Enter. Adding a member again replaces the grant. Ctrl-C gives up, and nobody is taken in.

    With --json the first line is {"authorize_url": ...} and the second is the account.
    """
    taken = session.work_on(ctx, lambda works: _authorize(works, as_json, patience))
    if as_json:
        output.emit_json(members.taken_json(taken), line=True)
        return
    account = taken.account
    output.say(
        f"\n{session.who(account.account_id, account.username)} "
        f"{'authorized the application again; the new grant holds' if taken.again else 'authorized the application'}."
    )
    if taken.excess:
        output.say(
            f"It was granted more than is used: to {members.granted(taken.excess)}. ipsync never uses that; "
            "the member can take it back on ipernity's page of authorized applications."
        )
    if account.state.value == "waiting":
        output.say(
            f"It is {account.failure}. It waits, and is taken in as soon as it fits; "
            "`ipsync plan --what-if budget=N/h` shows what would change."
        )
        return
    output.say("Next: a running daemon mirrors it by itself; without one: ipsync sync")


async def _authorize(works: "Works", as_json: bool, patience_seconds: float) -> "TakenIn":
    import asyncio

    from ipsync.ports.source import FrobUnused, Later, Malformed, QuotaReached

    most = await works.accounts.limit_reached()
    if most is not None:
        output.complain(
            f"An API key that awaits validation is for tests: no more than {session.counted(most, 'account')} "
            "(key.status, T04). They are taken: nobody new can be taken in, only their members can authorize anew."
        )
    url, frob = await works.accounts.begin()
    entered = _watch_enter(asyncio.get_running_loop())
    if as_json:
        output.emit_json({"authorize_url": url}, line=True)
    else:
        output.say(
            f"The member opens this page, signed in at ipernity, and says yes\n"
            f"(it asks for permission to {members.granted(works.rules.permissions)}):\n\n  {url}\n"
        )
        output.say("Waiting. Press Enter when the member has said yes; Ctrl-C gives up.")
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + patience_seconds, _FIRST_POLL_SECONDS
    trouble = "the member did not say yes"
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(pause, deadline - loop.time()))):
                await entered.wait()
        was_told = entered.is_set()
        entered.clear()
        try:
            return await _placed(works, await works.accounts.finish(frob))
        except FrobUnused:
            trouble = "the member did not say yes"
            if was_told and not as_json:
                output.say("ipernity knows of no yes yet; still waiting.")
        except (Later, Malformed, QuotaReached) as failure:
            # The page stays valid: one lost answer must not cost the member another visit.
            trouble = f"ipernity gave no answer ({failure.reason})"
        if loop.time() >= deadline:
            output.fail(
                f"{trouble} within {patience_seconds:g} seconds", "for a fresh link: ipsync account add", FAILED
            )
        # A member may take minutes; what is asked meanwhile counts against the budget (T21).
        pause = min(pause * _POLL_GROWTH, _LONGEST_POLL_SECONDS)


async def _placed(works: "Works", taken: "TakenIn") -> "TakenIn":
    """Learn how large the account is and whether the budget carries it."""
    from dataclasses import replace

    account_id = taken.account.account_id
    await works.look_at_budget()
    await works.admission.measure(account_id)
    await works.admission.run()
    account = await works.base.catalog.read(lambda view: view.account(account_id))
    return taken if account is None else replace(taken, account=account)


def _watch_enter(loop: "asyncio.AbstractEventLoop") -> "asyncio.Event":
    """An event that is set for each line on standard input; the end of input is no line."""
    import asyncio
    import sys
    import threading

    entered = asyncio.Event()

    def read() -> None:
        with suppress(OSError, RuntimeError, ValueError):  # the stream or the loop was closed meanwhile
            while sys.stdin.readline():
                loop.call_soon_threadsafe(entered.set)

    # A daemon thread, since a blocked read on a terminal cannot be ended.
    threading.Thread(target=read, name="standard input", daemon=True).start()
    return entered


@app.command("list", epilog=examples("ipsync account list", "ipsync account list --json"))
def list_accounts(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show all accounts.

    "oldest check" tells when the document that waits longest was last seen at ipernity.
    """

    async def read(works: "Works") -> "tuple[Instant, list[members.Shown]]":
        return works.base.clock.now(), await members.look_at_all(works)

    now, shown = session.work_on(ctx, read, needs=_KEY_ONLY)
    if as_json:
        output.emit_json({"accounts": [entry.as_json() for entry in shown]})
        return
    output.print_table(
        ("id", "member", "state", "served", "hidden", "files", "size", "oldest check"),
        [
            (
                entry.account.account_id,
                entry.account.username or None,
                entry.account.state.value,
                entry.served,
                entry.documents - entry.served,
                entry.figures.stored_files,
                session.size_text(entry.figures.stored_bytes),
                session.ago(entry.figures.oldest_verified_at, now) if entry.served else None,
            )
            for entry in shown
        ],
        empty="No member has authorized the application yet. `ipsync account add` shows the link.",
        elastic="member",
    )
    for entry in shown:
        if entry.account.failure:
            output.say(f"{entry.who}: {entry.account.failure}")


@app.command("show", epilog=examples("ipsync account show 31337", "ipsync account show 31337 --json"))
def show(ctx: typer.Context, name: AccountName, as_json: AsJson = False) -> None:
    """Show one account, with every consent the member ever gave."""

    async def read(works: "Works") -> "tuple[Instant, members.Shown]":
        return works.base.clock.now(), await members.look(works, await session.find_account(works, name))

    now, shown = session.work_on(ctx, read, needs=_KEY_ONLY)
    if as_json:
        output.emit_json(shown.as_json(consents=True))
        return
    account, figures = shown.account, shown.figures
    output.print_facts(
        [
            ("id", account.account_id),
            ("user name", account.username or None),
            ("real name", account.realname or None),
            ("state", f"{account.state.value}: {shown.meaning}"),
            ("trouble", account.failure or "none"),
            ("may", members.granted(shown.permissions) or "nothing"),
            ("granted beyond need", members.granted(shown.excess) or "nothing"),
            ("taken in", session.moment(account.added_at, now)),
            ("grant checked", session.moment(account.checked_at, now)),
            ("oldest check", session.moment(figures.oldest_verified_at, now)),
            ("documents", f"{shown.served} served, {shown.documents - shown.served} hidden"),
            ("files", shown.files),
            ("being removed", session.counted(figures.open_removals, "document")),
            *(("tripwire", absences.tripwire_text(tripwire, now)) for tripwire in shown.tripwires),
        ]
    )
    output.say("")
    output.print_table(
        ("consent", "from", "until", "ended by", "token's fingerprint"),
        [
            (
                entry.consent_epoch,
                session.clock_text(entry.granted_at),
                session.clock_text(entry.ended_at) if entry.ended_at else "it holds",
                entry.ended_reason or None,
                entry.fingerprint[:16],
            )
            for entry in shown.consents
        ],
    )


@app.command("check", epilog=examples("ipsync account check 31337"))
def check(ctx: typer.Context, name: AccountName, as_json: AsJson = False) -> None:
    """Ask ipernity now whether the member's grant still holds.

    Where ipernity says no everything is hidden; where it says so twice, everything is erased. Exit code 3 says
    that the grant does not hold, 1 that ipernity gave no answer.
    """

    async def ask(works: "Works") -> "tuple[members.Shown, str, bool]":
        account = await session.find_account(works, name)
        report = await works.grants.run(account.account_id)
        if report.doubted:
            # One odd answer erases nothing (I10), so it is asked once more.
            again = await works.grants.run(account.account_id)
            if again.ended:
                await works.purge.run()
        is_answered = bool(report.checked or report.doubted or report.ended)
        # Whoever left is known by number only, so it is not looked for by its name.
        now = await session.find_account(works, str(account.account_id))
        return await members.look(works, now), session.who(account.account_id, account.username), is_answered

    shown, who, is_answered = session.work_on(ctx, ask, erases=True)
    account = shown.account
    holds = is_answered and account.state.value in ("active", "paused")
    if as_json:
        output.emit_json(shown.as_json() | {"answered": is_answered})
    elif holds:
        output.say(f"{who}: the grant holds; {account.state.value}.")
    elif is_answered or not shown.permissions:
        output.say(f"{who}: the grant does not hold; {account.state.value}: {shown.meaning}.")
    else:
        output.print_failure(
            f"ipernity did not say whether the grant of {who} holds"
            + (f" ({account.failure})" if account.failure else ""),
            "nothing was changed; `ipsync status` shows the request budget; try again",
        )
    if not holds:
        output.leave(FOUND if is_answered or not shown.permissions else FAILED)


@app.command("pause", epilog=examples("ipsync account pause 31337"))
def pause(ctx: typer.Context, name: AccountName, as_json: AsJson = False) -> None:
    """Read an account no more.

    Its copies are served while their leases last, then hidden, and erased before the law asks for it.
    """

    async def change(works: "Works") -> "tuple[Instant, Works, members.Shown]":
        account = await session.find_account(works, name)
        return (
            works.base.clock.now(),
            works,
            await members.look(works, await works.accounts.pause(account.account_id)),
        )

    now, works, shown = session.work_on(ctx, change, needs=_KEY_ONLY)
    if as_json:
        output.emit_json(shown.as_json())
        return
    output.say(f"{shown.who} is paused: it is not read any more.")
    oldest, lease = shown.figures.oldest_verified_at, works.rules.lease
    if oldest is not None and shown.served:
        output.say(
            f"Its {session.counted(shown.documents, 'document')} begin to be hidden "
            f"{session.ago(lease.serve_until(oldest), now)} and erased {session.ago(lease.erase_from(oldest), now)}."
        )
    output.say(f"To read it again: ipsync account resume {shown.account.account_id}")


@app.command("resume", epilog=examples("ipsync account resume 31337"))
def resume(ctx: typer.Context, name: AccountName, as_json: AsJson = False) -> None:
    """Read a paused account again."""

    async def change(works: "Works") -> "members.Shown":
        account = await session.find_account(works, name)
        return await members.look(works, await works.accounts.resume(account.account_id))

    shown = session.work_on(ctx, change, needs=_KEY_ONLY)
    if as_json:
        output.emit_json(shown.as_json())
    else:
        output.say(f"{shown.who} is read again.")


@app.command(
    "remove",
    epilog=examples(
        "ipsync account remove 31337 --dry-run",
        "ipsync account remove 31337",
        "ipsync account remove 31337 --yes --json",
    ),
)
def remove(
    ctx: typer.Context,
    name: AccountName,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
) -> None:
    """Let a member go: hide everything at once, forget the token, erase all copies.

    Only the copies here go. Nothing at ipernity is changed or deleted. The record of the member's consent
    stays.
    """
    if as_json and not (yes or dry_run):
        output.fail("--json asks nothing", "add --yes to erase, or --dry-run to see what would be", WRONG)

    async def look(works: "Works") -> "members.Shown":
        return await members.look(works, await session.find_account(works, name))

    shown = session.work_on(ctx, look, needs=_KEY_ONLY)
    account = shown.account
    who = shown.who
    if not as_json:
        output.say(
            f"{who}: {session.counted(shown.documents, 'document')}, "
            f"{session.counted(shown.figures.stored_files, 'file')} "
            f"({session.size_text(shown.figures.stored_bytes)}).\n"
            "Only these copies go; nothing at ipernity is changed."
        )
    if dry_run:
        if as_json:
            counts = {"documents": shown.documents, "files": shown.figures.stored_files}
            output.emit_json({"account_id": str(account.account_id), **counts})
        return
    if not yes and not output.confirm("Erase all copies of this member's documents?", without="add --yes"):
        output.complain("Nothing was erased.")
        output.leave(FAILED)
    _let_go(ctx, account.account_id, who, as_json)


def _let_go(ctx: typer.Context, account_id: int, who: str, as_json: bool) -> None:
    async def let_go(works: "Works") -> dict[str, Any]:
        owed = await works.accounts.remove(account_id)
        with output.progress("erasing"):
            report = await works.purge.run()
        return {
            "account_id": str(account_id),
            "documents": owed,
            "files_erased": report.files,
            "bytes_erased": report.size_bytes,
            "failed": report.failed,
            "waiting_for_log": report.unscrubbed,
        }

    done = session.work_on(ctx, let_go, needs=_KEY_ONLY, erases=True)
    if as_json:
        output.emit_json(done)
    else:
        output.say(
            f"{who} is removed. Erased: {session.counted(done['documents'], 'document')}, "
            f"{session.counted(done['files_erased'], 'file')} ({session.size_text(done['bytes_erased'])})."
        )
        if done["waiting_for_log"]:
            output.say(session.LOG_IS_CUT_LATER)
    if done["failed"]:
        output.fail(
            f"{session.counted(done['failed'], 'document')} could not be erased yet",
            "look at the disk, then: ipsync purge; a running daemon goes on trying",
        )
