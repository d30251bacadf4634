"""From a `Sight` to what the template shows: every value a word or a number, nothing left to decide there."""

from collections.abc import Iterable
from typing import Any

from ipsync.ipernity.gate import GateSnapshot
from ipsync.jobs.drill_watch import DrillNews
from ipsync.jobs.standing import Member, planned_requests
from ipsync.jobs.verdict import ago, verdict, webhook_words
from ipsync.policy.accounts import MEANINGS, AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.incidents import Condition, Incident
from ipsync.policy.instants import Instant, rfc3339
from ipsync.policy.lease import Lease
from ipsync.policy.notices import advice, clock_text, incident_headline, span
from ipsync.policy.removals import Stage
from ipsync.ports.catalog import JobRun
from ipsync.web.privacy import size_words
from ipsync.web.status.plot import histogram
from ipsync.web.status.tower import Sight
from ipsync.web.strangers import short_title

MEMBERS_SHOWN = 20

_STAGES = {
    Stage.SUSPECTED: "hidden, ipernity is asked about it",
    Stage.CONFIRMED: "hidden, to be erased",
    Stage.INTENDED: "being erased",
    Stage.ERASED: "erased but for the database's log",
}
_WINDOWS = {"minute": "a minute", "hour": "an hour", "day": "a day"}
_DRILL = {"shared": "still shown", "hidden": "hidden", "confirmed": "to be erased", "erased": "erased", "gone": "gone"}


def status_values(sight: Sight) -> dict[str, Any]:
    """What the page shows."""
    standing, health = sight.standing, sight.standing.health
    figures = health.figures
    said = verdict(standing, sight.lease)
    live = figures.documents.get(DocumentState.LIVE, 0)
    return {
        "at": clock_text(sight.at),
        "at_exact": rfc3339(sight.at),
        "verdict": said,
        "slack": span(health.slack) if health.slack > 0 else f"{span(-health.slack)} past",
        "served": live,
        "hidden": sum(figures.documents.values()) - live,
        "removing": sum(figures.open_removals.values()),
        "gone": figures.tombstones,
        "files": figures.stored_files,
        "size": size_words(figures.stored_bytes),
        "wanted": figures.wanted_files,
        "wanted_how": "more when they are asked for" if sight.on_demand else "to fetch",
        "incidents": [_incident(entry, sight.at) for entry in standing.incidents],
        "past": [_incident(entry, sight.at) for entry in standing.past],
        "petitions": standing.petitions,
        "requests": standing.requests,
        "plot": histogram(sight.ages, sight.lease) if sight.ages is not None else None,
        "counted": ago(sight.ages.at, sight.at) if sight.ages is not None else "",
        "stages": [(words, figures.open_removals.get(stage, 0)) for stage, words in _STAGES.items()],
        "nearest": clock_text(figures.nearest_erase_by) if figures.nearest_erase_by is not None else "",
        "windows": _windows(sight),
        "budget": _budget_words(sight.budget, sight.at),
        "reading": _reading(sight),
        "members": [member_row(member, sight.at) for member in standing.members[:MEMBERS_SHOWN]],
        "more_members": max(0, len(standing.members) - MEMBERS_SHOWN),
        "number_of_members": len(standing.members),
        "webhooks": [
            (told.webhook.webhook_id, webhook_words(told, sight.at), told.webhook.attempts > 0)
            for told in standing.webhooks
        ],
        "jobs": [_job(run, sight.at) for run in _failed_first(health.job_runs.values())],
        "head": standing.head,
        "head_at": clock_text(standing.head.at) if standing.head is not None else "",
        "drill": drill_values(sight.drill, sight.lease),
    }


def _incident(incident: Incident, now: Instant) -> dict[str, Any]:
    end = incident.resolved_at
    return {
        "number": incident.incident_id,
        "words": incident_headline(incident),
        # Every second part is what one types.
        "advice": [(text, place % 2 == 1) for place, text in enumerate(advice(incident.condition).split("`"))],
        "is_urgent": incident.condition.is_urgent,
        "since": ago(incident.opened_at, now),
        "lasted": "" if end is None else span(end - incident.opened_at),
        "ended": "" if end is None else ago(end, now),
        "account": incident.subject if _is_of_account(incident) else "",
        "is_petition": incident.condition is Condition.PETITION,
    }


def _is_of_account(incident: Incident) -> bool:
    of_accounts = (
        Condition.GRANT_LOST,
        Condition.ACCOUNT_CLOSED,
        Condition.ACCOUNT_FAILING,
        Condition.NOT_KEPT,
        Condition.QUOTA,
        Condition.TRIPWIRE,
    )
    return incident.condition in of_accounts and incident.subject.isdigit()


def _windows(sight: Sight) -> list[dict[str, Any]]:
    rows = []
    for name, planned in planned_requests(sight.standing.health).items():
        allowance = sight.budget.allowances.get(name)
        if allowance is not None:
            rows.append(
                {
                    "words": _WINDOWS[name],
                    "limit": allowance.limit,
                    "spent": allowance.limit - allowance.remaining,
                    "left": allowance.remaining,
                    "planned": _rounded(planned),
                    "spent_share": _percent(allowance.limit - allowance.remaining, allowance.limit),
                    "planned_share": _percent(planned, allowance.limit),
                }
            )
    return rows


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, 100 * part / max(1.0, whole)), 1)


def _rounded(number: float) -> str:
    return f"{number:,.1f}" if number < 10 else f"{number:,.0f}"


def _budget_words(budget: GateSnapshot, now: Instant) -> str:
    if budget.blocked_until > now:
        return f"ipernity's quota is reached: nothing is sent for {span(budget.blocked_until - now)}."
    if budget.rate_factor < 1:
        return f"Slowed to {budget.rate_factor:.0%} after ipernity's quota was reached; the pace comes back by itself."
    return ""


def _reading(sight: Sight) -> str:
    plan = sight.standing.health.plan
    if not plan.pages:
        return "There is nothing to read yet."
    pages = f"{plan.pages:,} page{'' if plan.pages == 1 else 's'}"
    return (
        f"{pages} of listings, each read every {span(plan.period)}. The leases alone need "
        f"{'less than 0.1%' if plan.utilization < 0.001 else f'{plan.utilization:.1%}'} of what the budget allows."
    )


def member_row(member: Member, now: Instant) -> dict[str, Any]:
    """One account, in a line or on a page of its own."""
    account = member.account
    oldest = member.figures.oldest_verified_at
    return {
        "number": account.account_id,
        "name": short_title(account.username),
        "state": account.state.value,
        "meaning": MEANINGS[account.state],
        "reason": account.failure,
        "is_troubled": member.is_troubled,
        "served": member.served,
        "hidden": member.hidden,
        "files": member.figures.stored_files,
        "size": size_words(member.figures.stored_bytes),
        "removing": member.figures.open_removals,
        "oldest": ago(oldest, now) if oldest is not None and member.served else "",
        "checked": ago(account.checked_at, now),
        "may_pause": account.state is AccountState.ACTIVE,
        "may_resume": account.state is AccountState.PAUSED,
        "may_check": account.state
        in (AccountState.ACTIVE, AccountState.PAUSED, AccountState.DOUBTED, AccountState.WAITING),
    }


def _failed_first(runs: Iterable[JobRun]) -> list[JobRun]:
    """Else by name, so that nothing jumps about while somebody reads."""
    return sorted(runs, key=lambda run: (not run.failure, run.job))


def _job(run: JobRun, now: Instant) -> dict[str, Any]:
    return {
        "job": run.job,
        "failure": run.failure,
        "ended": ago(run.finished_at, now),
        "well": "never" if run.succeeded_at is None else ago(run.succeeded_at, now),
    }


def drill_values(news: DrillNews | None, lease: Lease) -> dict[str, Any] | None:
    """How a drill goes, or None where there was none in this process."""
    if news is None:
        return None
    hidden, gone = news.hidden_after, news.gone_after
    return {
        "document": news.drill.document_id,
        "account": news.drill.account_id,
        "began": clock_text(news.drill.began_at),
        "stage": _DRILL.get(news.state.stage, news.state.stage),
        "hidden": "" if hidden is None else span(hidden),
        "gone": "" if gone is None else span(gone),
        "promised_hidden": span(lease.serve_age),
        "promised_gone": span(lease.window),
        "files_left": news.state.files_left,
        "entry": news.state.entry,
        "is_over": news.is_over,
        "is_back": news.is_back,
        "is_in_time": news.is_in_time(lease),
        "failure": news.failure,
    }
