"""`ipsync restore`: put a backup back, so that nothing that was erased comes back with it (F28)."""

from pathlib import Path
from typing import Annotated

import typer

from ipsync.cli import FAILED, WRONG, examples, output, session, settings_from

app = typer.Typer(add_completion=False)


@app.command(epilog=examples("ipsync restore mirror.tar --dry-run", "ipsync restore mirror.tar --replace --yes"))
def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `ipsync backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Erase the database that is there; what it alone knows is lost.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look whether it can be restored.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Put a backup in the place of the database. Stop the daemon first.

    The record of tombstones beside the database stays if there is one, since it knows more. The next start erases
    every file that nobody accounts for, replays tombstones and requests, and reads ipernity anew; until then nothing
    is served.
    """
    from ipsync.backups import BackupUnfitError, put_back, read_backup
    from ipsync.ports.catalog import CatalogFailure
    from ipsync.process import OneProcessLock

    settings = settings_from(ctx, needs=("state_key",))
    session.refuse_other_user(settings)
    try:
        found = read_backup(file)
    except (BackupUnfitError, CatalogFailure, OSError) as wrong:
        output.fail(f"{file}: {wrong}", "give a file that `ipsync backup` wrote", WRONG)
    database = settings.database.path
    if database.exists() and not replace and not dry_run:
        output.fail(f"there is a database at {database}", "add --replace to erase it and put the backup there", WRONG)
    if as_json and not (yes or dry_run):
        output.fail("--json asks nothing", "add --yes, or --dry-run to look only", WRONG)
    if not as_json:
        output.say(
            f"A backup of {found.made_at}: {session.counted(found.accounts, 'account')}, "
            f"{session.counted(found.requests, 'removal request')}, schema {found.revision}."
        )
    if not dry_run:
        if not yes and not output.confirm(f"Put it at {database}?", without="add --yes"):
            output.complain("Nothing was changed.")
            output.leave(FAILED)
        lock = OneProcessLock(database)
        try:
            if not lock.take("ipsync restore"):
                output.fail(f"{lock.holder() or 'another process'} works on {database}", "stop it first")
            put_back(found, settings)
        except (BackupUnfitError, CatalogFailure, OSError) as failure:
            output.fail(str(failure))
        finally:
            lock.release()
    if as_json:
        output.emit_json(found.as_json() | {"restored": not dry_run})
    elif not dry_run:
        output.say("Restored. Start the daemon: it serves nothing before ipernity named it again.")
