"""`ipsync backup`: keep what would not come back by itself, and nothing that must be able to go."""

from pathlib import Path
from typing import Annotated

import typer

from ipsync.cli import FAILED, WRONG, examples, output, session, settings_from

app = typer.Typer(add_completion=False)


@app.command(epilog=examples("ipsync backup /var/backups/ipsync-2026-11-22.tar", "ipsync backup mirror.tar --json"))
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not exist yet.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Write what a mirror cannot fetch again: consents, sealed grants, requests, tombstones, ledger, budget.

    No work, no title, no name and no file of a member is in it, so it may be kept for as long as you like. It may be
    made beside a running daemon. The state_key is not in it either: without it nobody can use the grants.
    """
    from ipsync.backups import write_backup
    from ipsync.ports.catalog import CatalogFailure

    settings = settings_from(ctx, needs=())
    session.refuse_other_user(settings)
    try:
        done = write_backup(settings, file)
    except FileExistsError:
        output.fail(f"{file} exists already", "choose another name; an old backup is never overwritten", WRONG)
    except CatalogFailure as failure:
        output.fail(str(failure), "", FAILED)
    if as_json:
        output.emit_json(done.as_json())
        return
    entries = f"{done.ledger_entries:,} ledger {'entry' if done.ledger_entries == 1 else 'entries'}"
    output.say(
        f"Wrote {file} ({session.size_text(done.size_bytes)}): {session.counted(done.accounts, 'account')}, "
        f"{session.counted(done.requests, 'removal request')}, {entries}."
    )
    output.say("Keep state_key apart from it: both are needed to restore.")
