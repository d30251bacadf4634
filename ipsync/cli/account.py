"""`ipsync account`: take members in, look after them, let them go."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FAILED, output, session, settings_from

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.accounts import TakenIn
    from ipsync.policy.accounts import Account
    from ipsync.settings import Settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Take members in, look after them, let them go.",
    epilog="\n\n".join(
        (
            "Examples:",
            "ipsync account add: shows the link at which a member authorizes the application",
            "ipsync account list --json",
            "ipsync account remove 31337: erases all copies of a member's documents",
        )
    ),
)

_POLL_SECONDS = 3.0
AccountName = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The member's user id or user name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("add")
def add(
    ctx: typer.Context,
    as_json: AsJson = False,
    patience: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="How long to wait for the member.")
    ] = 600,
) -> None:
    """Let a member authorize the application, on ipernity's own page.

    Give the link to the member. When the member has said yes, press Enter, or wait: it is asked for every
    few seconds. Adding a member again replaces the grant. With --json the first line is
    {"authorize_url": ...} and the last is the account.
    """
    settings = settings_from(ctx)
    taken = session.work_on(settings, lambda works: _authorize(works, settings, as_json, patience))
    if as_json:
        output.emit_json(_taken_json(taken), line=True)
        return
    account = taken.account
    output.say(f"{'Authorized again' if taken.again else 'Authorized'}: {account.username} ({account.account_id}).")
    if taken.excess:
        words = ", ".join(f"{area}: {level}" for area, level in sorted(taken.excess.items()))
        output.say(f"The token grants more than is needed ({words}). It works, but less would do: see ipernity's page.")
    output.say("Next: `ipsync sync` mirrors it now; a running daemon does so by itself.")


async def _authorize(works: "Works", settings: "Settings", as_json: bool, patience: float) -> "TakenIn":
    import asyncio

    from ipsync.ports.source import FrobUnused

    url, frob = await works.accounts.begin()
    entered = _watch_enter(asyncio.get_running_loop())
    if as_json:
        output.emit_json({"authorize_url": url}, line=True)
    else:
        areas = ", ".join(f"{area}: {level}" for area, level in sorted(settings.permissions.items()))
        output.say(f"The member opens this page and says yes (asked for: {areas}):\n\n  {url}\n")
        output.say("Then press Enter here, or wait.")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await entered.wait()
        entered.clear()
        with suppress(FrobUnused):
            return await works.accounts.finish(frob)
        if loop.time() > deadline:
            output.fail(
                f"the member did not authorize the application within {patience:g} seconds",
                "run `ipsync account add` again for a fresh link",
                FAILED,
            )


def _watch_enter(loop: Any) -> Any:
    """An event that is set for each line on standard input; the end of input is no line."""
    import asyncio
    import sys
    import threading

    entered = asyncio.Event()

    def read() -> None:
        for _line in sys.stdin:
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(entered.set)

    # A daemon thread, since a blocked read on a terminal cannot be ended.
    threading.Thread(target=read, name="standard input", daemon=True).start()
    return entered


@app.command("list")
def list_accounts(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show all accounts."""

    async def read(works: "Works") -> list[dict[str, Any]]:
        accounts = await works.base.catalog.read(lambda view: view.accounts())
        return [await _describe(works, account) for account in accounts]

    rows = session.work_on(settings_from(ctx, needs=("state_key",)), read)
    if as_json:
        output.emit_json({"accounts": rows})
        return
    output.print_table(
        ("id", "member", "state", "documents", "hidden", "files", "size", "last verified", "trouble"),
        [
            (
                row["account_id"],
                row["username"],
                row["state"],
                row["documents"].get("live", 0),
                sum(number for state, number in row["documents"].items() if state != "live"),
                row["stored_files"],
                session.size_text(row["stored_bytes"]),
                row["oldest_verified_at"],
                row["failure"] or None,
            )
            for row in rows
        ],
        empty="No member has authorized the application yet: `ipsync account add` shows the link.",
    )


@app.command("show")
def show(ctx: typer.Context, name: AccountName, as_json: AsJson = False) -> None:
    """Show one account, with every consent the member ever gave."""

    async def read(works: "Works") -> dict[str, Any]:
        account = await session.find_account(works, name)
        return await _describe(works, account, consents=True)

    row = session.work_on(settings_from(ctx, needs=("state_key",)), read)
    if as_json:
        output.emit_json(row)
        return
    consents = row.pop("consents")
    output.print_table(("", ""), [(key.replace("_", " "), _word(value)) for key, value in row.items()])
    output.print_table(
        ("consent", "granted", "ended", "why", "permissions", "token fingerprint"),
        [
            (
                entry["consent_epoch"],
                entry["granted_at"],
                entry["ended_at"],
                entry["ended_reason"] or None,
                _word(entry["permissions"]),
                entry["fingerprint"],
            )
            for entry in consents
        ],
    )


@app.command("check")
def check(ctx: typer.Context, name: AccountName, as_json: AsJson = False) -> None:
    """Ask ipernity now whether the member's grant still holds. Twice no, and everything is erased."""

    async def ask(works: "Works") -> dict[str, Any]:
        account = await session.find_account(works, name)
        await works.grants.run(account.account_id)
        report = await works.grants.run(account.account_id) if await _is_doubted(works, account) else None
        if report is not None and report.ended:
            await works.purge.run()
        return await _describe(works, await session.find_account(works, name))

    row = session.work_on(settings_from(ctx), ask)
    if as_json:
        output.emit_json(row)
    else:
        trouble = f" ({row['failure']})" if row["failure"] else ""
        output.say(f"{row['username']} ({row['account_id']}) is {row['state']}{trouble}.")


async def _is_doubted(works: "Works", account: "Account") -> bool:
    from ipsync.policy.accounts import AccountState

    now = await works.base.catalog.read(lambda view: view.account(account.account_id))
    return now is not None and now.state is AccountState.DOUBTED


@app.command("pause")
def pause(ctx: typer.Context, name: AccountName, as_json: AsJson = False) -> None:
    """Read an account no more. Its copies are hidden after 20/24 of the window and erased by its end."""

    async def change(works: "Works") -> dict[str, Any]:
        account = await session.find_account(works, name)
        return await _describe(works, await works.accounts.pause(account.account_id))

    row = session.work_on(settings_from(ctx, needs=("state_key",)), change)
    if as_json:
        output.emit_json(row)
    else:
        output.say(
            f"{row['username']} is paused. Without `ipsync account resume` its copies are erased at their deadline."
        )


@app.command("resume")
def resume(ctx: typer.Context, name: AccountName, as_json: AsJson = False) -> None:
    """Read a paused account again."""

    async def change(works: "Works") -> dict[str, Any]:
        account = await session.find_account(works, name)
        return await _describe(works, await works.accounts.resume(account.account_id))

    row = session.work_on(settings_from(ctx, needs=("state_key",)), change)
    if as_json:
        output.emit_json(row)
    else:
        output.say(f"{row['username']} is read again.")


@app.command("remove")
def remove(
    ctx: typer.Context,
    name: AccountName,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
) -> None:
    """Let a member go: hide everything at once, forget the token, erase all copies.

    Only the copies here go. Nothing at ipernity is changed or deleted.
    """
    settings = settings_from(ctx, needs=("state_key",))

    async def look(works: "Works") -> dict[str, Any]:
        return await _describe(works, await session.find_account(works, name))

    row = session.work_on(settings, look)
    documents = sum(row["documents"].values())
    if not as_json:
        output.say(
            f"{row['username']} ({row['account_id']}): {documents} documents, {row['stored_files']} files, "
            f"{session.size_text(row['stored_bytes'])}. Only these copies go; nothing at ipernity is touched."
        )
    if dry_run:
        if as_json:
            output.emit_json({"account_id": row["account_id"], "documents": documents, "files": row["stored_files"]})
        return
    if not yes and not typer.confirm("Erase all copies of this member's documents?"):
        output.leave(FAILED)

    async def let_go(works: "Works") -> dict[str, Any]:
        owed = await works.accounts.remove(int(row["account_id"]))
        report = await works.purge.run()
        return {
            "account_id": row["account_id"],
            "documents": owed,
            "files_erased": report.files,
            "bytes_erased": report.size_bytes,
            "failed": report.failed,
            "waiting_for_log": report.unscrubbed,
        }

    with output.progress("erasing"):
        done = session.work_on(settings, let_go)
    if as_json:
        output.emit_json(done)
    else:
        output.say(f"Erased: {done['documents']} documents, {done['files_erased']} files.")
        if done["failed"]:
            output.say(f"{done['failed']} could not be erased yet; the daemon goes on trying.")
        if done["waiting_for_log"]:
            output.say("The running daemon clears the database's log within moments; `ipsync status` shows it.")
    if done["failed"]:
        output.leave(FAILED)


async def _describe(works: "Works", account: "Account", *, consents: bool = False) -> dict[str, Any]:
    from ipsync.policy.accounts import excess_permissions

    view_figures = await works.base.catalog.read(lambda view: view.account_figures())
    history = await works.base.catalog.read(lambda view: view.consents(account.account_id))
    figures = view_figures.get(account.account_id)
    granted = dict(history[-1].permissions) if history and history[-1].ended_at is None else {}
    row: dict[str, Any] = {
        "account_id": str(account.account_id),
        "username": account.username,
        "realname": account.realname,
        "state": account.state.value,
        "consent_epoch": account.consent_epoch,
        "permissions": granted,
        "excess_permissions": excess_permissions(granted, works.rules.permissions),
        "added_at": session.instant_text(account.added_at),
        "checked_at": session.instant_text(account.checked_at),
        "documents": {state.value: number for state, number in figures.documents.items()} if figures else {},
        "stored_files": figures.stored_files if figures else 0,
        "stored_bytes": figures.stored_bytes if figures else 0,
        "oldest_verified_at": session.instant_text(figures.oldest_verified_at) if figures else None,
        "open_removals": figures.open_removals if figures else 0,
        "failure": account.failure,
    }
    if consents:
        row["consents"] = [
            {
                "consent_epoch": entry.consent_epoch,
                "granted_at": session.instant_text(entry.granted_at),
                "ended_at": session.instant_text(entry.ended_at),
                "ended_reason": entry.ended_reason,
                "permissions": dict(entry.permissions),
                "fingerprint": entry.fingerprint,
            }
            for entry in history
        ]
    return row


def _taken_json(taken: "TakenIn") -> dict[str, Any]:
    account = taken.account
    return {
        "account_id": str(account.account_id),
        "username": account.username,
        "realname": account.realname,
        "state": account.state.value,
        "consent_epoch": account.consent_epoch,
        "permissions": dict(taken.permissions),
        "excess_permissions": dict(taken.excess),
    }


def _word(value: object) -> str | None:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {word}" for key, word in sorted(value.items())) or None
    return None if value in (None, "") else str(value)
