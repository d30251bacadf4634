"""The lines of `ipsync status`, made of one look at everything; what they say is decided elsewhere."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipsync.cli import absences, session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

    from ipsync.ipernity.gate import GateSnapshot
    from ipsync.jobs.health import Health
    from ipsync.jobs.standing import Ages, Standing
    from ipsync.jobs.verdict import Verdict
    from ipsync.policy.budget import Caps
    from ipsync.policy.forecast import Forecast
    from ipsync.policy.lease import Lease
    from ipsync.policy.quota import Quota
    from ipsync.process import Holder

_TROUBLED_SHOWN = 5
_STAGES = {
    "suspected": "hidden, asked about",
    "confirmed": "to be erased",
    "intended": "being erased",
    "erased": "erased but for the database's log",
}


@dataclass(frozen=True, slots=True)
class Sight:
    """Everything that status shows, at one instant: the same that the status page shows."""

    whole: "Standing"
    ages: "Ages"
    budget: "GateSnapshot"
    caps: "Caps"
    lease: "Lease"
    forecast: "Forecast"
    holder: "Holder | None"
    on_demand: bool = False
    quota: "Quota | None" = None

    @property
    def health(self) -> "Health":
        """Deadlines and counts."""
        return self.whole.health

    @property
    def verdict(self) -> "Verdict":
        """The answer, and how we know."""
        from ipsync.jobs.verdict import verdict

        return verdict(self.whole, self.lease)


def facts_of(standing: Sight) -> "list[tuple[str, str | Text]]":
    """What is shown, line by line, the law first."""
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
        *_quota(standing),
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


def _verdict(standing: Sight) -> "Text":
    from rich.text import Text

    styles = {"good": "green", "notice": "yellow", "wrong": "bold red"}
    verdict = standing.verdict
    headline = verdict.headline + ("" if standing.health.is_lawful else " Run: ipsync purge")
    return Text(headline, style=styles[verdict.level.value])


def _needs(standing: Sight) -> "list[tuple[str, str | Text]]":
    from rich.text import Text

    from ipsync.policy.notices import incident_headline

    now = standing.health.at
    told = [
        f"{incident.incident_id}: {incident_headline(incident)} ({session.ago(incident.opened_at, now)})"
        for incident in standing.whole.incidents
    ]
    return [("needs you", Text("\n".join(told), style="yellow"))] if told else []


def _asked(standing: Sight) -> "list[tuple[str, str | Text]]":
    requests, petitions = standing.whole.requests, standing.whole.petitions
    told = [f"{session.counted(requests, 'request')} not complied with in full yet"] if requests else []
    told += [f"{session.counted(petitions, 'petition')} not decided: ipsync removal queue"] if petitions else []
    return [("owners ask", _lines(told))] if told else []


def _webhooks(standing: Sight) -> "list[tuple[str, str | Text]]":
    from ipsync.jobs.verdict import webhook_words

    now = standing.health.at
    told = [f"{one.webhook.webhook_id}: {webhook_words(one, now)}" for one in standing.whole.webhooks]
    return [("webhooks", _lines(told))] if told else []


def _over(standing: Sight) -> "list[tuple[str, str | Text]]":
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


def _accounts(standing: Sight) -> "Text":
    counts = _counts({state.value: number for state, number in standing.health.accounts.items()})
    troubled = [member.account for member in standing.whole.members if member.is_troubled]
    lines = [
        f"{session.who(account.account_id, account.username)}: {account.failure or account.state.value}"
        for account in troubled[:_TROUBLED_SHOWN]
    ]
    more = [f"and {len(troubled) - len(lines)} more: ipsync account list"] if len(troubled) > len(lines) else []
    return _lines([counts or "none yet", *lines, *more])


def _ages(standing: Sight) -> "Text":
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


def _quota(standing: Sight) -> "list[tuple[str, str | Text]]":
    """How many bytes of files may be kept, and who waits; nothing where there is no limit."""
    quota = standing.quota
    if quota is None or not quota.is_set:
        return []
    limits = [
        f"{session.size_text(most)} {of_whom}"
        for most, of_whom in ((quota.size_most, "in all"), (quota.account_size_most, "for each account"))
        if most is not None
    ]
    held_up = len(quota.held_up(standing.health.holdings))
    waits = (
        f". New files of {session.counted(held_up, 'account')} wait until something is erased or [store] allows more"
        if held_up
        else ""
    )
    return [("quota", ", ".join(limits) + waits)]


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


def _budget(standing: Sight) -> "Text":
    from rich.text import Text

    from ipsync.jobs.standing import planned_requests

    health, budget, caps = standing.health, standing.budget, standing.caps
    planned = planned_requests(health)
    parts = [
        f"{entry.remaining:,} of {entry.limit:,} {word} ({planned[window]:,.0f} planned)"
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


def _jobs(standing: Sight) -> "Text":
    from rich.text import Text

    text = Text()
    for run in sorted(standing.health.job_runs.values(), key=lambda entry: -entry.finished_at):
        text.append(", " if text else "")
        text.append(f"{run.job} {session.ago(run.finished_at, standing.health.at)}")
        if run.failure:
            text.append(f" FAILED ({run.failure})", style="red")
    return text or Text("the daemon has not run yet")
