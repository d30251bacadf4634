"""`ipsync sync`: read what members share once, mirror it, erase what is gone."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FAILED, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.media import MediaReport
    from ipsync.jobs.sync_report import SyncReport
    from ipsync.policy.accounts import Account
    from ipsync.policy.listings import Listing

app = typer.Typer(add_completion=False)

_NO_ACCOUNT = "No account is active. `ipsync account add` takes a member in."


@app.command(
    epilog=examples(
        "ipsync sync",
        "ipsync sync --dry-run     # what would be done; nothing is",
        "ipsync sync 31337 --json",
    ),
)
def sync(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="ACCOUNT", help="Only this member, by user id or user name.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and print the plan; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Read what members share now, mirror it, and erase what is gone.

    It takes in what is new, hides what is missing, asks about it, erases it and fetches files. A running
    daemon does this by itself; beside it both share one request budget. Without a daemon nobody looks again
    until you do: run it every few hours, or the leases run out and `ipsync purge` must erase everything.
    """
    if dry_run:
        rows = session.work_on(ctx, lambda works: _rehearse(works, name))
        _print_plan(rows, as_json)
        return
    done = session.work_on(ctx, lambda works: _sync(works, name), erases=True)
    if as_json:
        output.emit_json(done)
    elif not done["accounts"]:
        output.say(_NO_ACCOUNT)
    else:
        _print_done(done)
    if done["failures"] or done["stopped"]:
        output.leave(FAILED)


async def _chosen(works: "Works", name: str | None) -> "list[Account]":
    """The accounts that will be read; complains where one was named that is not read."""
    from ipsync.policy.accounts import AccountState

    if name is None:
        return await works.base.catalog.read(lambda view: view.accounts({AccountState.ACTIVE}))
    account = await session.find_account(works, name)
    if account.state is not AccountState.ACTIVE:
        remedy = "ipsync account add" if account.state is not AccountState.PAUSED else "ipsync account resume"
        output.fail(
            f"{session.who(account.account_id, account.username)} is {account.state.value} and not read",
            f"to have it read again: {remedy}",
        )
    return [account]


async def _sync(works: "Works", name: str | None) -> dict[str, Any]:
    accounts = await _chosen(works, name)
    account_id = accounts[0].account_id if name is not None else None
    # Where the database was put back from a backup, what it forgot is carried out before anything is read (F28).
    await works.tombstones.replay()
    with output.progress("reading pages") as advance:
        pages: dict[tuple[int, int], int] = {}

        def on_page(listing: "Listing", _report: "SyncReport") -> None:
            pages[listing.account_id, listing.visibility] = listing.pages
            advance(1, sum(pages.values()))

        swept = await works.sync.run(account_id, force=True, on_page=on_page)
        entries = await works.entries.run(account_id, force=True)
    with output.progress("asking about what is missing"):
        await works.grants.run()
        confirmed = await works.confirm.run()
        expired = await works.expiry.run()
        await works.details.run()
    wanted = (await works.base.catalog.read(lambda view: view.figures())).wanted_files
    with output.progress("fetching files", wanted) as advance:
        before = 0

        def on_batch(report: "MediaReport") -> None:
            nonlocal before
            advance(report.files + report.failed - before)
            before = report.files + report.failed

        fetched = await works.media.run(on_batch)
    with output.progress("erasing"):
        purged = await works.purge.run()
    return {
        "accounts": len(accounts),
        "pages": swept.pages,
        "sweeps": swept.sweeps,
        "documents_named": swept.named,
        "albums_and_articles_verified": entries.verified,
        "albums_and_articles_missing": entries.missing,
        "added": swept.added,
        "changed": swept.changed,
        "hidden": swept.hidden,
        "renewed": swept.renewed,
        "not_permitted": _not_permitted(swept),
        "missing": swept.missing,
        "removals_confirmed": confirmed.confirmed,
        "removals_withdrawn": confirmed.withdrawn,
        "removals_unanswered": confirmed.unanswered,
        "overdue": expired.overdue,
        "erased": purged.erased,
        "erasing_failed": purged.failed,
        "waiting_for_log": purged.unscrubbed,
        "files_fetched": fetched.files,
        "bytes_fetched": fetched.size_bytes,
        "files_failed": fetched.failed,
        "store_full": fetched.full,
        "accounts_held_up_by_quota": len(fetched.held_up),
        "failures": {str(key): words for key, words in swept.failures.items()},
        "stopped": swept.stopped,
    }


def _not_permitted(report: "SyncReport") -> int:
    """How many of the documents that were named are nothing for us: license, media, safety, or erased for good."""
    return max(0, report.named - report.added - report.changed - report.hidden - report.renewed)


def _print_done(done: dict[str, Any]) -> None:
    output.say(
        f"Read: {session.counted(done['documents_named'], 'document')} on {session.counted(done['pages'], 'page')}: "
        f"{done['added']} new, {done['changed']} changed, {done['renewed']} as before, "
        f"{done['hidden']} no longer permitted, {done['not_permitted']} not permitted here."
    )
    output.say(
        f"Gone: {done['missing']} missing; {done['removals_confirmed']} confirmed, "
        f"{done['removals_withdrawn']} false alarms, {done['erased']} erased."
    )
    failed = f", {done['files_failed']} failed and are tried again later" if done["files_failed"] else ""
    output.say(
        f"Files: {done['files_fetched']} fetched ({session.size_text(done['bytes_fetched'])}){failed}."
        + (" The store is full." if done["store_full"] else "")
    )
    if done["accounts_held_up_by_quota"]:
        waiting = session.counted(done["accounts_held_up_by_quota"], "account")
        output.say(f"A quota is reached: new files of {waiting} wait (ipsync status).")
    if done["waiting_for_log"]:
        output.say(session.LOG_IS_CUT_LATER)
    if done["removals_unanswered"]:
        output.complain(
            f"ipernity did not say what became of {session.counted(done['removals_unanswered'], 'document')}: hidden, "
            "and asked for again."
        )
    for account_id, words in done["failures"].items():
        output.complain(f"account {account_id}: not read to its end: {words}")
    if done["stopped"]:
        output.print_failure(f"stopped early: {done['stopped']}", "run it again later; it goes on where it was")


async def _rehearse(works: "Works", name: str | None) -> list[dict[str, Any]]:
    accounts = {account.account_id: account for account in await _chosen(works, name)}
    with output.progress("reading pages"):
        reports = await works.sync.dry_run(next(iter(accounts)) if name is not None else None)
    return [
        {
            "account_id": str(account_id),
            "username": accounts[account_id].username if account_id in accounts else "",
            "pages": report.pages,
            "documents_named": report.named,
            "would_add": report.added,
            "would_change": report.changed,
            "would_renew": report.renewed,
            "would_hide": report.hidden + report.missing,
            "not_permitted": _not_permitted(report),
        }
        for account_id, report in reports.items()
    ]


def _print_plan(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.emit_json({"accounts": rows})
        return
    output.print_table(
        ("id", "member", "pages", "named", "new", "changed", "as before", "hidden", "not permitted"),
        [tuple(row.values()) for row in rows],
        title="What a sync would do; nothing was changed." if rows else "",
        empty=_NO_ACCOUNT,
        elastic="member",
    )
