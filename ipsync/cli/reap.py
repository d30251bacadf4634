"""`ipsync reap`: erase what is overdue where no daemon does it. Meant for a timer; needs no network."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, WRONG, examples, frame_of, output, session, settings_from

if TYPE_CHECKING:
    from ipsync.reaper import ReapReport

app = typer.Typer(add_completion=False)

_KEEPERS = {
    "nobody": "No daemon runs.",
    "alive": "The daemon lives and does its work.",
    "late": "The daemon lives, and yet something is held that should be gone.",
    "hung": "{holder} holds the daemon's lock and stands still.",
}


@app.command(
    epilog=examples(
        "ipsync reap --dry-run  # does the daemon live, and what is overdue?",
        "ipsync reap",
        "systemctl enable --now ipsync-reaper.timer  # every quarter of an hour, by itself",
    ),
)
def reap(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look; erase nothing, fence nobody.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Erase what is overdue where no daemon does it.

    A daemon that lives is left alone. Where none runs, what is due is erased. One that holds its lock and
    stands still while something is overdue is fenced off: it writes nothing more, and ends when it goes on. On a
    full disk files go first. Where the database cannot be read, files go that may be past their lease.

    It needs the database, the store and state_key; no network and no key of the API.

    Exit code 3: something had to be erased, or a daemon was fenced off. 1: not all could be done.
    """
    from ipsync.ports.catalog import CatalogFailure, CatalogOutdated
    from ipsync.ports.store import StoreFailure
    from ipsync.process import forbid_core_dumps
    from ipsync.reaper import Reaper
    from ipsync.telemetry import configure_logging

    forbid_core_dumps()
    settings = settings_from(ctx, needs=("state_key",))
    session.refuse_other_user(settings)
    secrets = [secret.reveal() for secret in settings.secrets.all() if secret]
    undo = configure_logging("info" if frame_of(ctx).debug else "critical", "console", secrets)
    try:
        report = asyncio.run(Reaper(settings).run(dry_run=dry_run))
    except CatalogOutdated as failure:
        output.fail(str(failure), "", WRONG)
    except (CatalogFailure, StoreFailure) as failure:
        output.fail(str(failure))
    finally:
        undo()
    if as_json:
        output.emit_json(_as_json(report, dry_run=dry_run))
    else:
        _tell(report, dry_run=dry_run)
    if report.failure:
        output.fail(report.failure)
    if report.is_remarkable:
        output.leave(FOUND)


def _as_json(report: "ReapReport", *, dry_run: bool) -> dict[str, Any]:
    from ipsync.policy.instants import seconds

    due = report.due
    return {
        "daemon": None if report.keeper is None else report.keeper.value,
        "process": report.holder.pid or None if report.holder else None,
        "silent_seconds": None if report.silence is None else seconds(report.silence),
        "dry_run": dry_run,
        "overdue_documents": None if due is None else due.documents,
        "due_removals": None if due is None else due.removals,
        "late": None if due is None else due.is_late,
        "fenced": report.keeper is not None and report.keeper.value == "hung" and bool(report.epoch),
        "epoch": report.epoch or None,
        "erased": report.erased,
        "files": report.files + report.unlinked,
        "bytes": report.size_bytes,
        "breaches": report.breaches,
        "failure": report.failure or None,
    }


def _tell(report: "ReapReport", *, dry_run: bool) -> None:
    if report.keeper is not None:
        words = _KEEPERS[report.keeper.value].format(holder=report.holder)
        output.say(words[:1].upper() + words[1:])
    if report.due is not None and (dry_run or not report.is_remarkable):
        due = report.due
        parts = [
            session.counted(due.documents, "document") + " past their lease" if due.documents else "",
            session.counted(due.removals, "removal") + " due" if due.removals else "",
        ]
        found = " and ".join(part for part in parts if part)
        output.say(f"There are {found}." if found else "Nothing is overdue.")
    if report.epoch:
        output.say(f"It was fenced off: epoch {report.epoch} began, and it writes nothing more.")
    if report.is_remarkable:
        output.say(
            f"Erased: {session.counted(report.erased, 'removal')}, "
            f"{session.counted(report.files + report.unlinked, 'file')}, {session.size_text(report.size_bytes)}."
        )
    if report.breaches:
        output.complain(f"{session.counted(report.breaches, 'removal')} came later than the law allows.")
