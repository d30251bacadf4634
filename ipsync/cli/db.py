"""`ipsync db`: giving the database the schema of this version, and saying which one it has."""

from typing import TYPE_CHECKING, Annotated

import typer

from ipsync.cli import FOUND, examples, output, settings_from

if TYPE_CHECKING:
    from ipsync.catalog import Upgraded
    from ipsync.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Create or upgrade the database.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog=examples("ipsync db upgrade"))
def upgrade(ctx: typer.Context, json: JsonOption = False) -> None:
    """Create or upgrade the database.

    It gets the schema of this version. May be repeated; stop the daemon before.
    """
    settings = settings_from(ctx, needs=())
    done = bring_up_to_date(settings)
    if json:
        output.emit_json({"database": str(settings.database.path), "before": done.before, "after": done.after})
    elif done.before is None:
        output.say(f"Created {settings.database.path} with schema {done.after}.")
    elif done.before == done.after:
        output.say(f"{settings.database.path} has schema {done.after} already; nothing to do.")
    else:
        output.say(f"Upgraded {settings.database.path} from schema {done.before} to {done.after}.")


def bring_up_to_date(settings: "Settings") -> "Upgraded":
    """Create the database, or give it the schema of this version, unless another process works on it.

    Raises:
        CatalogBusy: one does, and would find another schema than the one it knows.
        CatalogOutdated: a newer ipsync made it.
        CatalogFailure: the file cannot be used.
    """
    from ipsync import catalog
    from ipsync.ports.catalog import CatalogBusy
    from ipsync.process import OneProcessLock

    holder = OneProcessLock(settings.database.path).holder()
    if holder is not None:
        found = catalog.current(settings.database.url, settings.file.parent)
        if found != catalog.head():
            raise CatalogBusy(
                f"{holder} works on {settings.database.path}, which would get another schema: "
                "let it end, or stop it, then upgrade"
            )
    return catalog.upgrade(settings.database.url, settings.file.parent)


@app.command(epilog=examples("ipsync db current || ipsync db upgrade"))
def current(ctx: typer.Context, json: JsonOption = False) -> None:
    """Say which schema the database has.

    And which one this version needs; exit with 3 if they differ.
    """
    settings = settings_from(ctx, needs=())
    from ipsync import catalog

    found, needed = catalog.current(settings.database.url, settings.file.parent), catalog.head()
    if json:
        output.emit_json({"database": str(settings.database.path), "current": found, "needed": needed})
    else:
        state = "no schema yet" if found is None else f"schema {found}"
        output.say(f"{settings.database.path}: {state}; this ipsync needs {needed}.")
    if found != needed:
        if not json:
            output.say("Run: ipsync db upgrade")
        output.leave(FOUND)
