"""`ipsync status`: are we within the law, by how much, and what is left of the budget?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import DONE, FOUND, WRONG, absences, examples, output, session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

    from ipsync.assembly import Works
    from ipsync.ipernity.gate import GateSnapshot
    from ipsync.jobs.health import Health
    from ipsync.jobs.standing import Ages, Standing
    from ipsync.jobs.verdict import Verdict
    from ipsync.policy.budget import Caps
    from ipsync.policy.forecast import Forecast
    from ipsync.policy.lease import Lease
    from ipsync.process import Holder

app = typer.Typer(add_completion=False)

_REFRESH_SECONDS = 2.0
_AGES_SECONDS = 30
_TROUBLED_SHOWN = 5
_STAGES = {
    "suspected": "hidden, asked about",
    "confirmed": "to be erased",
    "intended": "being erased",
    "erased": "erased but for the database's log",
}


@dataclass(frozen=True, slots=True)
class _Standing:
    """Everything that status shows, at one instant: the same that the status page shows."""

    whole: "Standing"
    ages: "Ages"
    budget: "GateSnapshot"
    caps: "Caps"
    lease: "Lease"
    forecast: "Forecast"
    holder: "Holder | None"
    on_demand: bool = False

    @property
    def health(self) -> "Health":
        """Deadlines and counts."""
        return self.whole.health

    @property
    def verdict(self) -> "Verdict":
        """The answer, and how we know."""
        from ipsync.jobs.verdict import verdict

        return verdict(self.whole, self.lease)


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


async def _look(works: "Works", before: _Standing | None = None) -> _Standing:
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
    return _Standing(
        whole, ages, await works.gate.snapshot(), works.settings.caps(), lease, found, holder, works.rules.on_demand
    )


def _watch(ctx: typer.Context, as_json: bool) -> int:
    """Show it again and again. Ctrl-C is how it ends, so that is no failure."""
    newest: _Standing | None = None

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
                live.update(output.facts_table(_facts(newest)), refresh=True)
                await asyncio.sleep(_REFRESH_SECONDS)

    try:
        session.work_on(ctx, watch, needs=("state_key",))
    except KeyboardInterrupt:
        return FOUND if newest is not None and not newest.health.is_lawful else DONE
    return DONE


def _as_json(standing: _Standing) -> dict[str, Any]:
    from ipsync.cli.incidents import incident_json
    from ipsync.jobs.standing import age_bands
    from ipsync.policy.instants import seconds

    health, budget, holder, head = standing.health, standing.budget, standing.holder, standing.whole.head
    found = standing.forecast
    figures = health.figures
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
        "ages": [
            {"from_seconds": seconds(band.begin), "documents": band.number, "what": band.words}
            for band in age_bands(standing.ages, standing.lease)
        ],
        "ledger": None
        if head is None
        else {"entries": head.sequence, "at": session.instant_text(head.at), "hash": head.hash},
        "webhooks": [
            {
                "webhook_id": str(told.webhook.webhook_id),
                "state": told.webhook.state.value,
                "owed_changes": told.debt.changes,
                "owed_since": session.instant_text(told.debt.oldest_at),
                "trouble": None if told.webhook.trouble is None else told.webhook.trouble.value,
            }
            for told in standing.whole.webhooks
        ],
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
    health = standing.health
    figures, found, head = health.figures, standing.forecast, standing.whole.head
    return [
        ("within the law", _verdict(standing)),
        ("how we know", _lines(standing.verdict.grounds)),
        *_needs(standing),
        ("at work", _at_work(standing.holder)),
        ("accounts", _accounts(standing)),
        ("documents", _documents(health)),
        ("leases by age", _ages(standing)),
        (
            "being removed",
            _counts({_STAGES[stage.value]: number for stage, number in figures.open_removals.items()}) or "nothing",
        ),
        *_asked(standing),
        *_sealed(health),
        *_tripwires(health),
        ("gone for good", session.counted(figures.tombstones, "document")),
        (
            "files",
            (
                f"{figures.stored_files:,} stored ({session.size_text(figures.stored_bytes)}), "
                f"{figures.wanted_files:,} {'more when they are asked for' if standing.on_demand else 'to fetch'}"
            ),
        ),
        (
            "read within",
            f"{session.span(found.worst_wait)}: {session.counted(found.pages, 'page')}, {found.requests_per_day:,.0f} "
            f"requests a day. Leases use {_percent(found.utilization)} of the budget; accounts are admitted up to "
            f"{found.most_utilization:.0%}"
            if found.pages
            else "nothing to read yet",
        ),
        ("requests left", _budget(standing)),
        ("jobs", _jobs(standing)),
        *_webhooks(standing),
        *_over(standing),
        ("ledger", "not begun" if head is None else f"{head.sequence:,} entries; head {head.hash[:16]}"),
    ]


def _verdict(standing: _Standing) -> "Text":
    from rich.text import Text

    styles = {"good": "green", "notice": "yellow", "wrong": "bold red"}
    verdict = standing.verdict
    headline = verdict.headline + ("" if standing.health.is_lawful else " Run: ipsync purge")
    return Text(headline, style=styles[verdict.level.value])


def _needs(standing: _Standing) -> "list[tuple[str, str | Text]]":
    from rich.text import Text

    from ipsync.policy.notices import incident_headline

    now = standing.health.at
    told = [
        f"{incident.incident_id}: {incident_headline(incident)} ({session.ago(incident.opened_at, now)})"
        for incident in standing.whole.incidents
    ]
    return [("needs you", Text("\n".join(told), style="yellow"))] if told else []


def _asked(standing: _Standing) -> "list[tuple[str, str | Text]]":
    requests, petitions = standing.whole.requests, standing.whole.petitions
    told = [f"{session.counted(requests, 'request')} not complied with in full yet"] if requests else []
    told += [f"{session.counted(petitions, 'petition')} not decided: ipsync removal queue"] if petitions else []
    return [("owners ask", _lines(told))] if told else []


def _webhooks(standing: _Standing) -> "list[tuple[str, str | Text]]":
    from ipsync.jobs.verdict import webhook_words

    now = standing.health.at
    told = [f"{one.webhook.webhook_id}: {webhook_words(one, now)}" for one in standing.whole.webhooks]
    return [("webhooks", _lines(told))] if told else []


def _over(standing: _Standing) -> "list[tuple[str, str | Text]]":
    """Incidents that ended lately."""
    from ipsync.policy.notices import incident_headline

    told = [
        f"{incident_headline(incident)} (ended {session.ago(incident.resolved_at, standing.health.at)})"
        for incident in standing.whole.past
        if incident.resolved_at is not None
    ]
    return [("lately over", _lines(told))] if told else []


def _lines(lines: "Iterable[str]") -> "Text":
    from rich.text import Text

    return Text("\n".join(lines))


def _accounts(standing: _Standing) -> "Text":
    counts = _counts({state.value: number for state, number in standing.health.accounts.items()})
    troubled = [member.account for member in standing.whole.members if member.is_troubled]
    lines = [
        f"{session.who(account.account_id, account.username)}: {account.failure or account.state.value}"
        for account in troubled[:_TROUBLED_SHOWN]
    ]
    more = [f"and {len(troubled) - len(lines)} more: ipsync account list"] if len(troubled) > len(lines) else []
    return _lines([counts or "none yet", *lines, *more])


def _ages(standing: _Standing) -> "Text":
    """Leases by age, as the histogram of the page says it in words."""
    from ipsync.jobs.standing import age_bands

    told = [
        f"{band.number:,} {_since(band.begin, band.end)} ({band.words})"
        for band in age_bands(standing.ages, standing.lease)
        if band.number
    ]
    return _lines(told or ["nothing is held"])


def _since(begin: int, end: int | None) -> str:
    if end is None:
        return f"more than {session.span(begin)} ago"
    return f"{session.span(begin)} to {session.span(end)} ago" if begin else f"less than {session.span(end)} ago"


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
