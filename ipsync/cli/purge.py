"""`ipsync purge`: erase what is due, now."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import output, session, settings_from

if TYPE_CHECKING:
    from ipsync.assembly import Works

app = typer.Typer(add_completion=False)


@app.command(epilog="\n\n".join(("Examples:", "ipsync purge --dry-run: what is due, and why", "ipsync purge --json")))
def purge(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what is due; erase nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Erase what is due: confirmed removals, leases and content that ran out. Needs no network."""
    settings = settings_from(ctx, needs=("state_key",))
    if dry_run:
        rows = session.work_on(settings, _plan)
        if as_json:
            output.emit_json({"due": rows})
            return
        output.print_table(
            ("removal", "document", "account", "reason", "stage", "scope", "erase by"),
            [tuple(row.values()) for row in rows],
            title="Due now; nothing was erased." if rows else "",
            empty="Nothing is due.",
        )
        return
    done = session.work_on(settings, _purge)
    if as_json:
        output.emit_json(done)
    else:
        output.say(f"Erased: {done['erased']} removals, {done['files']} files, {session.size_text(done['bytes'])}.")
        if done["waiting_for_log"]:
            output.say("The running daemon clears the database's log within moments; `ipsync status` shows it.")
    if done["failed"]:
        output.fail(f"{done['failed']} removals could not be done", "see the log; they are tried again until they are")
    if done["breaches"]:
        output.complain(f"{done['breaches']} were done later than the law allows")


async def _plan(works: "Works") -> list[dict[str, Any]]:
    return [
        {
            "removal_id": removal.removal_id,
            "document_id": str(removal.document_id),
            "account_id": str(removal.account_id),
            "reason": removal.reason.value,
            "stage": removal.stage.value,
            "scope": removal.scope.value,
            "erase_by": session.instant_text(removal.erase_by),
        }
        for removal in await works.purge.plan()
    ]


async def _purge(works: "Works") -> dict[str, Any]:
    await works.expiry.apply_policy()
    await works.expiry.run()
    with output.progress("erasing"):
        report = await works.purge.run()
    return {
        "erased": report.erased,
        "files": report.files,
        "bytes": report.size_bytes,
        "failed": report.failed,
        "breaches": report.breaches,
        "waiting_for_log": report.unscrubbed,
    }
