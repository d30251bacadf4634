"""`ipsync sync`: read what members share once, mirror it, erase what is gone."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FAILED, output, session, settings_from

if TYPE_CHECKING:
    from ipsync.assembly import Works

app = typer.Typer(add_completion=False)


@app.command(
    epilog="\n\n".join(
        (
            "Examples:",
            "ipsync sync",
            "ipsync sync --dry-run: what would be taken in, changed, hidden; nothing is",
            "ipsync sync 31337 --json",
        )
    )
)
def sync(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[ACCOUNT]", help="Only this member, by user id or user name.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and print the plan; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Sweep all accounts now: take in, confirm what is missing, erase it, fetch files.

    A running daemon does this by itself; then both share one request budget.
    """
    settings = settings_from(ctx)
    if dry_run:
        rows = session.work_on(settings, lambda works: _rehearse(works, name))
        _print_plan(rows, as_json)
        return
    done = session.work_on(settings, lambda works: _sync(works, name))
    if as_json:
        output.emit_json(done)
    else:
        output.say(
            f"{done['documents_named']} documents on {done['pages']} pages: {done['added']} new, "
            f"{done['changed']} changed, {done['missing']} missing."
        )
        output.say(
            f"{done['removals_confirmed']} removals confirmed, {done['removals_withdrawn']} false alarms, "
            f"{done['erased']} erased; {done['files_fetched']} files fetched "
            f"({session.size_text(done['bytes_fetched'])})."
        )
        for account_id, words in done["failures"].items():
            output.complain(f"account {account_id}: {words}")
    if done["failures"] or done["stopped"]:
        output.leave(FAILED)


async def _account_id(works: "Works", name: str | None) -> int | None:
    return None if name is None else (await session.find_account(works, name)).account_id


async def _sync(works: "Works", name: str | None) -> dict[str, Any]:
    account_id = await _account_id(works, name)
    with output.progress("reading pages") as advance:
        swept = await works.sync.run(account_id, force=True, on_page=lambda _listing, _report: advance(1))
    await works.grants.run()
    confirmed = await works.confirm.run()
    expired = await works.expiry.run()
    await works.details.run()
    with output.progress("fetching files") as advance:
        before = 0

        def on_batch(report: Any) -> None:
            nonlocal before
            advance(report.files - before)
            before = report.files

        fetched = await works.media.run(on_batch)
    purged = await works.purge.run()
    return {
        "pages": swept.pages,
        "sweeps": swept.sweeps,
        "documents_named": swept.named,
        "added": swept.added,
        "changed": swept.changed,
        "renewed": swept.renewed,
        "missing": swept.missing,
        "removals_confirmed": confirmed.confirmed,
        "removals_withdrawn": confirmed.withdrawn,
        "removals_unanswered": confirmed.unanswered,
        "overdue": expired.overdue,
        "erased": purged.erased,
        "files_fetched": fetched.files,
        "bytes_fetched": fetched.size_bytes,
        "files_failed": fetched.failed,
        "failures": {str(key): words for key, words in swept.failures.items()},
        "stopped": swept.stopped,
    }


async def _rehearse(works: "Works", name: str | None) -> list[dict[str, Any]]:
    reports = await works.sync.dry_run(await _account_id(works, name))
    return [
        {
            "account_id": str(account_id),
            "pages": report.pages,
            "documents_named": report.named,
            "would_add": report.added,
            "would_change": report.changed,
            "would_renew": report.renewed,
            "would_hide": report.missing,
        }
        for account_id, report in reports.items()
    ]


def _print_plan(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.emit_json({"accounts": rows})
        return
    output.print_table(
        ("account", "pages", "documents", "new", "changed", "as before", "missing"),
        [tuple(row.values()) for row in rows],
        title="What a sync would do; nothing was changed.",
        empty="No account is active: `ipsync account add` takes one in.",
    )
