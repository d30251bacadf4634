"""`ipsync status`: are we within the law, by how much, and what is left of the budget?"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import DONE, FOUND, WRONG, absences, examples, output, session
from ipsync.cli.status_lines import Sight, facts_of

if TYPE_CHECKING:
    from ipsync.assembly import Works

app = typer.Typer(add_completion=False)

_REFRESH_SECONDS = 2.0
_AGES_SECONDS = 30


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
        output.print_facts(facts_of(standing))
    if not standing.health.is_lawful:
        output.leave(FOUND)


async def _look(works: "Works", before: Sight | None = None) -> Sight:
    """See how things stand; ages, which take a look at each document, are counted anew after half a minute."""
    from ipsync.jobs.forecasting import forecast_now
    from ipsync.jobs.standing import read_ages, read_standing
    from ipsync.policy.instants import SECOND
    from ipsync.process import OneProcessLock

    base, lease = works.base, works.rules.lease
    whole = await read_standing(base.catalog, base.clock, lease, works.believed_requests_per_hour)
    if before is not None and whole.health.at - before.ages.at < _AGES_SECONDS * SECOND:
        ages = before.ages
    else:
        ages = await read_ages(base.catalog, base.clock, lease)
    holder = OneProcessLock(works.settings.database.path).holder()
    found = await base.catalog.read(lambda view: forecast_now(view, works.rules, works.believed_requests_per_hour))
    return Sight(
        whole,
        ages,
        await works.gate.snapshot(),
        works.settings.caps(),
        lease,
        found,
        holder,
        works.rules.on_demand,
        works.rules.quota,
    )


def _watch(ctx: typer.Context, as_json: bool) -> int:
    """Show it again and again. Ctrl-C is how it ends, so that is no failure."""
    newest: Sight | None = None

    async def watch(works: "Works") -> None:
        import asyncio

        from rich.live import Live

        nonlocal newest
        if as_json:
            while True:
                newest = await _look(works, newest)
                output.emit_json(_as_json(newest), line=True)
                await asyncio.sleep(_REFRESH_SECONDS)
        with Live(console=output.console(), auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                newest = await _look(works, newest)
                shown = output.facts_table(facts_of(newest))
                live.update(output.fitting(shown, "ipsync status"), refresh=True)
                await asyncio.sleep(_REFRESH_SECONDS)

    try:
        session.work_on(ctx, watch, needs=("state_key",))
    except KeyboardInterrupt:
        return FOUND if newest is not None and not newest.health.is_lawful else DONE
    return DONE


def _as_json(standing: Sight) -> dict[str, Any]:
    from ipsync.cli.incidents import incident_json
    from ipsync.jobs.standing import age_bands, planned_requests
    from ipsync.policy.instants import seconds

    health, budget, holder, head = standing.health, standing.budget, standing.holder, standing.whole.head
    found = standing.forecast
    figures, planned = health.figures, planned_requests(health)
    return {
        "at": session.instant_text(health.at),
        "lawful": health.is_lawful,
        "verdict": standing.verdict.headline,
        "grounds": list(standing.verdict.grounds),
        "incidents": [incident_json(incident) for incident in standing.whole.incidents],
        "incidents_over": [incident_json(incident) for incident in standing.whole.past],
        "petitions": standing.whole.petitions,
        "requests": standing.whole.requests,
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
        "wanted_files": 0 if standing.on_demand else figures.wanted_files,
        "on_demand_files": figures.wanted_files if standing.on_demand else 0,
        "quota": _quota_json(standing),
        "ages": [
            {"from_seconds": seconds(band.begin), "documents": band.number, "what": band.words}
            for band in age_bands(standing.ages, standing.lease)
        ],
        "ledger": None
        if head is None
        else {"entries": head.sequence, "at": session.instant_text(head.at), "hash": head.hash},
        "webhooks": _webhooks_json(standing),
        "plan": {
            "pages": found.pages,
            "requests_per_day": round(found.requests_per_day, 1),
            "least_requests_per_day": round(found.least_requests_per_day, 1),
            "utilization": found.utilization,
            "most_utilization": found.most_utilization,
            "worst_wait_seconds": seconds(found.worst_wait),
        },
        "budget": {
            "blocked_until": session.instant_text(budget.blocked_until or None),
            "believed_requests_per_hour": budget.believed_requests_per_hour,
            "windows": {
                window: {"limit": entry.limit, "remaining": entry.remaining, "planned": planned.get(window)}
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


def _quota_json(standing: Sight) -> dict[str, Any]:
    quota = standing.quota
    if quota is None:
        return {"size_most": None, "account_size_most": None, "accounts_held_up": 0}
    return {
        "size_most": quota.size_most,
        "account_size_most": quota.account_size_most,
        "accounts_held_up": len(quota.held_up(standing.health.holdings)),
    }


def _webhooks_json(standing: Sight) -> list[dict[str, Any]]:
    return [
        {
            "webhook_id": str(told.webhook.webhook_id),
            "state": told.webhook.state.value,
            "owed_changes": told.debt.changes,
            "owed_since": session.instant_text(told.debt.oldest_at),
            "trouble": None if told.webhook.trouble is None else told.webhook.trouble.value,
        }
        for told in standing.whole.webhooks
    ]
