"""`ipsync status`: are we within the law, by how much, and what is left of the budget?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import DONE, FOUND, WRONG, absences, examples, output, session

if TYPE_CHECKING:
    from rich.text import Text

    from ipsync.assembly import Works
    from ipsync.ipernity.gate import GateSnapshot
    from ipsync.jobs.health import Health
    from ipsync.policy.budget import Caps
    from ipsync.policy.lease import Lease
    from ipsync.process import Holder

app = typer.Typer(add_completion=False)

_REFRESH_SECONDS = 2.0
_STAGES = {
    "suspected": "hidden, asked about",
    "confirmed": "to be erased",
    "intended": "being erased",
    "erased": "erased but for the database's log",
}


@dataclass(frozen=True, slots=True)
class _Standing:
    """Everything that status shows, at one instant."""

    health: "Health"
    budget: "GateSnapshot"
    caps: "Caps"
    lease: "Lease"
    holder: "Holder | None"


@app.command(
    epilog=examples(
        "ipsync status",
        "ipsync status --watch",
        "ipsync status --watch --json   # a line every two seconds",
    )
)
def status(
    ctx: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Show what is mirrored, what is being erased, how near the deadlines are, and the request budget.

    Exit code 3 says that something is held which should be gone.
    """
    if watch:
        if not as_json and not output.console().is_terminal:
            output.fail("--watch draws on a terminal", "leave it out, or add --json for a line every 2 s", WRONG)
        output.leave(_watch(ctx, as_json))
    standing = session.work_on(ctx, _look, needs=("state_key",))
    if as_json:
        output.emit_json(_as_json(standing))
    else:
        output.print_facts(_facts(standing))
    if not standing.health.is_lawful:
        output.leave(FOUND)


async def _look(works: "Works") -> _Standing:
    from ipsync.jobs.health import read_health
    from ipsync.process import OneProcessLock

    base = works.base
    health = await read_health(base.catalog, base.clock, works.rules.lease, works.believed_requests_per_hour)
    holder = OneProcessLock(works.settings.database.path).holder()
    return _Standing(health, await works.gate.snapshot(), works.settings.caps(), works.rules.lease, holder)


def _watch(ctx: typer.Context, as_json: bool) -> int:
    """Show it again and again. Ctrl-C is how it ends, so that is no failure."""
    newest: _Standing | None = None

    async def watch(works: "Works") -> None:
        import asyncio

        from rich.live import Live

        nonlocal newest
        if as_json:
            while True:
                newest = await _look(works)
                output.emit_json(_as_json(newest), line=True)
                await asyncio.sleep(_REFRESH_SECONDS)
        with Live(console=output.console(), auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                newest = await _look(works)
                live.update(output.facts_table(_facts(newest)), refresh=True)
                await asyncio.sleep(_REFRESH_SECONDS)

    try:
        session.work_on(ctx, watch, needs=("state_key",))
    except KeyboardInterrupt:
        return FOUND if newest is not None and not newest.health.is_lawful else DONE
    return DONE


def _as_json(standing: _Standing) -> dict[str, Any]:
    from ipsync.policy.instants import seconds

    health, budget, holder = standing.health, standing.budget, standing.holder
    figures = health.figures
    return {
        "at": session.instant_text(health.at),
        "lawful": health.is_lawful,
        "slack_seconds": seconds(health.slack),
        "oldest_lease_age_seconds": seconds(health.oldest_age),
        "overdue_documents": health.overdue,
        "working": None if holder is None else {"pid": holder.pid, "command": holder.command},
        "accounts": {state.value: number for state, number in health.accounts.items()},
        "documents": {state.value: number for state, number in figures.documents.items()},
        "tombstones": figures.tombstones,
        "sealed_until": session.instant_text(health.sealed_until),
        "tripwires": [absences.tripwire_json(tripwire) for tripwire in health.tripwires],
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


def _facts(standing: _Standing) -> "list[tuple[str, str | Text]]":
    health, lease = standing.health, standing.lease
    figures, plan = health.figures, health.plan
    return [
        ("within the law", _verdict(health)),
        ("at work", _at_work(standing.holder)),
        ("accounts", _counts({state.value: number for state, number in health.accounts.items()}) or "none yet"),
        ("documents", _documents(health)),
        (
            "oldest check",
            f"{session.span(health.oldest_age)} ago; served until {session.span(lease.serve_age)}, erased by "
            f"{session.span(lease.window)}"
            if figures.oldest_verified_at is not None
            else "-",
        ),
        (
            "being removed",
            _counts({_STAGES[stage.value]: number for stage, number in figures.open_removals.items()}) or "nothing",
        ),
        *_sealed(health),
        *_tripwires(health),
        ("gone for good", session.counted(figures.tombstones, "document")),
        (
            "files",
            (
                f"{figures.stored_files:,} stored ({session.size_text(figures.stored_bytes)}), "
                f"{figures.wanted_files:,} to fetch"
            ),
        ),
        (
            "sweeps",
            f"{session.counted(plan.pages, 'page')} every {session.span(plan.period)}: {plan.requests_per_hour:.0f} "
            f"requests an hour. The leases alone need {_percent(plan.utilization)} of the budget"
            if plan.pages
            else "nothing to read yet",
        ),
        ("requests left", _budget(standing)),
        ("jobs", _jobs(standing)),
    ]


def _verdict(health: "Health") -> "Text":
    from rich.text import Text

    if health.is_lawful:
        return Text(f"yes; {session.span(health.slack)} to the nearest deadline", style="green")
    held = f"{session.counted(health.overdue, 'document')} held that should be gone" if health.overdue else "overdue"
    return Text(f"NO: {held}. Run: ipsync purge", style="bold red")


def _at_work(holder: "Holder | None") -> "str | Text":
    from rich.text import Text

    from ipsync.daemon import COMMAND

    if holder is None:
        return Text("nothing: `ipsync run` starts the daemon", style="yellow")
    return f"the daemon (process {holder.pid})" if holder.command == COMMAND else str(holder)


def _documents(health: "Health") -> str:
    from ipsync.policy.documents import DocumentState

    counts = dict(health.figures.documents)
    served = counts.pop(DocumentState.LIVE, 0)
    hidden = _counts({state.value: number for state, number in counts.items()})
    return f"{served:,} served" + (f"; hidden: {hidden}" if hidden else "")


def _sealed(health: "Health") -> "list[tuple[str, str | Text]]":
    from rich.text import Text

    from ipsync.policy.documents import DocumentState

    if health.sealed_until is None:
        return []
    number = session.counted(health.figures.documents.get(DocumentState.SEALED, 0), "document")
    told = (
        f"{number}, hidden: ipernity answers nobody, and removal.unverified keeps them beyond the law's time;\n"
        f"the first is erased {session.ago(health.sealed_until, health.at)} unless it is verified before"
    )
    return [("sealed", Text(told, style="bold red"))]


def _tripwires(health: "Health") -> "list[tuple[str, str | Text]]":
    from rich.text import Text

    told = [f"account {entry.account_id}: {absences.tripwire_text(entry, health.at)}" for entry in health.tripwires]
    return [("tripwire", Text("\n".join(told), style="yellow"))] if told else []


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)


def _percent(share: float) -> str:
    return "less than 0.1 %" if 0 < share < 0.001 else f"{share * 100:.1f} %"


def _budget(standing: _Standing) -> "Text":
    from rich.text import Text

    health, budget, caps = standing.health, standing.budget, standing.caps
    parts = [
        f"{entry.remaining:,} of {entry.limit:,} {word}"
        for window, word in (("minute", "this minute"), ("hour", "this hour"), ("day", "today"))
        if (entry := budget.allowances.get(window)) is not None
    ]
    # What is left of a second is over before it is read.
    text = Text(f"{', '.join(parts)}; never more than {caps.per_second:g} a second")
    if budget.blocked_until > health.at:
        text.append(
            f"\nipernity's quota is reached; asked again {session.ago(budget.blocked_until, health.at)}",
            style="bold red",
        )
    elif budget.rate_factor < 1:
        text.append(f"\nslowed to {budget.rate_factor:.0%} after ipernity's quota was reached", style="yellow")
    return text


def _jobs(standing: _Standing) -> "Text":
    from rich.text import Text

    text = Text()
    for run in sorted(standing.health.job_runs.values(), key=lambda entry: -entry.finished_at):
        text.append(", " if text else "")
        text.append(f"{run.job} {session.ago(run.finished_at, standing.health.at)}")
        if run.failure:
            text.append(f" FAILED ({run.failure})", style="red")
    return text or Text("the daemon has not run yet")
