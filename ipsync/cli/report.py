"""`ipsync report`: how the promise was kept over a period, for people and for scripts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, WRONG, examples, output, session

if TYPE_CHECKING:
    from ipsync.assembly import Works
    from ipsync.jobs.report import Report, Times
    from ipsync.policy.distribution import Distribution
    from ipsync.policy.instants import Instant

app = typer.Typer(add_completion=False)

_PERCENTS = (50, 90, 95, 99)


@app.command(
    epilog=examples(
        "ipsync report",
        "ipsync report --since 2026-11-01 --until 2026-12-01 --html november.html",
        "ipsync report --since 7d --json",
    ),
)
def report(
    ctx: typer.Context,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="A day or an instant (UTC), or how long ago: 7d, 36h.")
    ] = "30d",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Likewise, not included. Without it: now.")] = "",
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that needs nothing else.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Tell how removals were carried out: by reason, how long they took, what was left, what went wrong.

    The numbers come from the ledger and from what the daemon counts day by day. No name, id or word of a member or a
    document is in them. Exit with 3 if the promise was broken, or if what proves it does not hold.
    """

    async def gather(works: "Works") -> "tuple[Report, str]":
        now = works.base.clock.now()
        begin, end = _when(since, now), _when(until, now) if until else now
        if begin >= end:
            output.fail("the period ends before it begins", "--since is the earlier one", WRONG)
        with output.progress("reading", await works.reporter.total()) as tell:
            return await works.reporter.run(begin, end, tell), works.settings.operator.application

    told, name = session.work_on(ctx, gather, needs=("state_key",))
    if html is not None:
        _write(html, told, name)
    if as_json:
        output.emit_json(as_values(told))
    else:
        _print(told, html)
    if not told.is_kept:
        output.leave(FOUND)


def _when(text: str, now: "Instant") -> "Instant":
    from datetime import UTC, datetime

    from ipsync.policy.instants import from_unix_seconds, parse_duration

    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        output.fail(f'"{text}" is neither a day nor a duration', "write 2026-11-01, or 30d", WRONG)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return from_unix_seconds(int(moment.timestamp()))


def _write(path: Path, told: "Report", application: str) -> None:
    import ipsync
    from ipsync.reports import render_report

    try:
        path.write_text(render_report(told, application, ipsync.__version__), encoding="utf-8")
    except OSError as error:
        output.fail(f"{path} cannot be written: {error.strerror}", code=WRONG)


def as_values(told: "Report") -> dict[str, Any]:
    """A report for scripts; durations in seconds."""
    requests, ledger = told.requests, told.ledger
    return {
        "since": session.instant_text(told.since),
        "until": session.instant_text(told.until),
        "at": session.instant_text(told.at),
        "kept": told.is_kept,
        "promised": {
            "hide_seconds": _seconds(told.lease.serve_age),
            "erase_seconds": _seconds(told.lease.window),
        },
        "removals": told.removals,
        "by_reason": {
            name: {"removals": count.removals, "files": count.files, "bytes": count.size_bytes}
            for name, count in sorted(told.by_reason.items())
        },
        "times": {
            "withdrawn": _times(told.withdrawn),
            "asked": _times(told.asked),
            "own": _times(told.own),
            "drills": _times(told.drills),
        },
        "slack_seconds_min": _seconds(told.slack),
        "breaches": told.breached,
        "sealed": told.sealed,
        "late": [
            {"entry": entry.entry, "reason": entry.reason, "late_seconds": _seconds(entry.late)}
            for entry in told.breaches
        ],
        "owner_requests": {
            "received": requests.received,
            "open": requests.open,
            "late": requests.late,
            "erase_seconds_max": _seconds(requests.worst),
        },
        "members": {state.value: number for state, number in told.members.items()},
        "consents": {"given": told.consents_given, "ended": told.consents_ended},
        "documents_shown": told.shown,
        "open_removals": told.open_removals,
        "requests_by_day": {_day(day): number for day, number in told.requests_by_day.items()},
        "requests_per_day_cap": told.requests_per_day,
        "incidents_by_day": {_day(day): counts for day, counts in told.incidents_by_day.items()},
        "starts": told.starts,
        "audit": {kind.value: number for kind, number in told.audit.items()},
        "ledger": {
            "whole": ledger.holds,
            "begun_at": session.instant_text(told.begun_at),
            "entries": ledger.entries,
            "heads_compared": ledger.heads_compared,
            "has_heads": ledger.has_heads,
            "findings": list(ledger.findings),
            "removals_untold": ledger.untold,
            "breaks": told.breaks,
            "head": None if ledger.head is None else ledger.head._asdict(),
        },
    }


def _times(times: "Times") -> dict[str, Any]:
    return {
        "removals": len(times.hide),
        "hide_seconds": _spread(times.hide),
        "erase_seconds": _spread(times.erase),
        "act_seconds": _spread(times.act),
    }


def _spread(times: "Distribution") -> dict[str, float | None]:
    percentiles = {f"p{percent}": _seconds(times.percentile(percent)) for percent in _PERCENTS}
    return percentiles | {"max": _seconds(times.worst)}


def _seconds(duration: int | None) -> float | None:
    from ipsync.policy.instants import seconds

    return None if duration is None else seconds(duration)


def _day(instant: "Instant") -> str:
    return str(session.instant_text(instant))[:10]


def _print(told: "Report", html: Path | None) -> None:
    output.say(f"From {session.clock_text(told.since)} to {session.clock_text(told.until)}:")
    output.print_table(
        ("reason", "removals", "files", "bytes"),
        [
            (name, count.removals, count.files, session.size_text(count.size_bytes))
            for name, count in sorted(told.by_reason.items())
        ],
        empty="Nothing had to go.",
    )
    groups = (
        ("withdrawn at ipernity", told.withdrawn),
        ("asked by owners", told.asked),
        ("our own reasons", told.own),
        ("drills", told.drills),
    )
    rows = [
        (name, what, *(_span(values.percentile(percent)) for percent in (50, 95)), _span(values.worst))
        for name, times in groups
        for what, values in (("until hidden", times.hide), ("until erased", times.erase))
        if values
    ]
    if rows:
        output.print_table(("removals", "", "half within", "95 of 100", "longest"), rows)
    requests = sum(told.requests_by_day.values())
    incidents = sum(sum(counts.values()) for counts in told.incidents_by_day.values())
    output.print_facts(
        [
            ("least time left", _span(told.slack)),
            ("breaches", told.breached),
            ("owners' requests", f"{told.requests.received}, {told.requests.late} late"),
            ("requests to ipernity", f"{requests:,}"),
            ("incidents", incidents + told.breaks + sum(told.audit.values())),
            ("ledger", f"{'whole' if told.ledger.holds else 'broken'}, {told.ledger.entries:,} entries"),
        ]
    )
    if html is not None:
        output.say(f"The page is {html}.")
    if not told.is_kept:
        output.complain("Not kept: --html or --json tells what, `ipsync audit` and `ipsync ledger verify` tell more.")


def _span(duration: int | None) -> str | None:
    return None if duration is None else session.span(duration) if duration >= 0 else f"-{session.span(-duration)}"
