"""`ipsync status`: are we within the law, by how much, and what is left of the budget?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, output, session, settings_from

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ipsync.assembly import Works
    from ipsync.ipernity.gate import GateSnapshot
    from ipsync.jobs.health import Health

app = typer.Typer(add_completion=False)

_REFRESH_SECONDS = 2.0


@app.command(epilog="\n\n".join(("Examples:", "ipsync status", "ipsync status --watch", "ipsync status --json")))
def status(
    ctx: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show what is mirrored, what is being erased, how near the deadlines are, and the request budget.

    Exit code 3 says that something is held which should be gone.
    """
    settings = settings_from(ctx, needs=("state_key",))
    if watch and not as_json:
        session.work_on(settings, _watch)
        return
    health, budget = session.work_on(settings, _look)
    if as_json:
        output.emit_json(_as_json(health, budget))
    else:
        output.console().print(_as_table(health, budget))
    if not health.is_lawful:
        output.leave(FOUND)


async def _look(works: "Works") -> "tuple[Health, GateSnapshot]":
    from ipsync.jobs.health import read_health

    base = works.base
    health = await read_health(base.catalog, base.clock, works.rules.lease, works.believed_requests_per_hour)
    return health, await works.gate.snapshot()


async def _watch(works: "Works") -> None:
    import asyncio

    from rich.live import Live

    with Live(console=output.console(), screen=False, auto_refresh=False) as live:
        while True:
            live.update(_as_table(*await _look(works)), refresh=True)
            await asyncio.sleep(_REFRESH_SECONDS)


def _as_json(health: "Health", budget: "GateSnapshot") -> dict[str, Any]:
    from ipsync.policy.instants import seconds

    figures = health.figures
    return {
        "at": session.instant_text(health.at),
        "lawful": health.is_lawful,
        "slack_seconds": seconds(health.slack),
        "oldest_lease_age_seconds": seconds(health.oldest_age),
        "overdue_documents": health.overdue,
        "accounts": {state.value: number for state, number in health.accounts.items()},
        "documents": {state.value: number for state, number in figures.documents.items()},
        "tombstones": figures.tombstones,
        "open_removals": {stage.value: number for stage, number in figures.open_removals.items()},
        "stored_files": figures.stored_files,
        "stored_bytes": figures.stored_bytes,
        "wanted_files": figures.wanted_files,
        "sweep": {
            "pages": health.plan.pages,
            "period_seconds": seconds(health.plan.period),
            "requests_per_hour": health.plan.requests_per_hour,
            "utilization": health.plan.utilization,
        },
        "budget": {
            "blocked_until": session.instant_text(budget.blocked_until or None),
            "believed_requests_per_hour": budget.believed_requests_per_hour,
            "windows": {
                window: {"limit": entry.limit, "remaining": entry.remaining}
                for window, entry in budget.allowances.items()
            },
        },
        "jobs": {
            run.job: {
                "finished_at": session.instant_text(run.finished_at),
                "succeeded_at": session.instant_text(run.succeeded_at),
                "failure": run.failure,
            }
            for run in health.job_runs.values()
        },
    }


def _as_table(health: "Health", budget: "GateSnapshot") -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    figures = health.figures
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    verdict = (
        Text(f"yes; {session.span(health.slack)} to the nearest deadline", style="green")
        if health.is_lawful
        else Text(f"NO: {health.overdue} documents are held that should be gone", style="bold red")
    )
    rows: list[tuple[str, Text]] = [
        ("within the law", verdict),
        ("accounts", _counts({state.value: number for state, number in health.accounts.items()}) or Text("none yet")),
        ("documents", _counts({state.value: number for state, number in figures.documents.items()})),
        ("oldest lease", Text(session.span(health.oldest_age))),
        ("being removed", _counts({stage.value: number for stage, number in figures.open_removals.items()})),
        ("remembered as gone", Text(str(figures.tombstones))),
        (
            "files",
            Text(
                f"{figures.stored_files} stored ({session.size_text(figures.stored_bytes)}), "
                f"{figures.wanted_files} to fetch"
            ),
        ),
        (
            "sweeps",
            Text(
                f"{health.plan.pages} pages every {session.span(health.plan.period)}: "
                f"{health.plan.requests_per_hour:.1f} requests an hour; "
                f"leases need {health.plan.utilization:.1%} of the budget"
            ),
        ),
        ("budget left", _budget(health, budget)),
        ("jobs", _jobs(health)),
    ]
    for label, text in rows:
        table.add_row(label, text)
    return table


def _counts(counts: dict[str, int]) -> Any:
    from rich.text import Text

    shown = {name: number for name, number in counts.items() if number}
    return Text(", ".join(f"{number} {name}" for name, number in shown.items()) or "none")


def _budget(health: "Health", budget: "GateSnapshot") -> Any:
    from rich.text import Text

    left = ", ".join(f"{entry.remaining}/{entry.limit} a {window}" for window, entry in budget.allowances.items())
    text = Text(left)
    if budget.blocked_until > health.at:
        text.append(f"\nstopped by ipernity for {session.span(budget.blocked_until - health.at)}", style="bold red")
    return text


def _jobs(health: "Health") -> Any:
    from rich.text import Text

    text = Text()
    for run in sorted(health.job_runs.values(), key=lambda entry: entry.job):
        if text:
            text.append("\n")
        text.append(f"{run.job} {session.ago(run.finished_at, health.at)}")
        if run.failure:
            text.append(f" failed: {run.failure}", style="red")
    return text or Text("none has run yet: `ipsync run` starts the daemon")
