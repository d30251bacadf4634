"""The report as a page: which tables and plots it has, and in what words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ipsync.jobs.report import Report, Times
from ipsync.policy.distribution import Distribution
from ipsync.policy.instants import Duration
from ipsync.policy.removals import Reason
from ipsync.reports.plots import Plot, plot_days, plot_durations
from ipsync.reports.wording import counted, day_words, duration_words, instant_words, share_words, size_words
from ipsync.telemetry import Event

_HERE = Path(__file__).parent

_WITHDRAWN_WORDS = (
    "Unshared, deleted, relicensed, replaced; grants revoked, accounts closed. ipsync has to find out. Counted from "
    "the last moment at which the document surely was shared, so the truth is shorter."
)
_EVENTS = {event.value: event for event in Event}
_REASONS = {
    Reason.UNSHARED: "left the mirrored privacy levels, kinds or safety levels",
    Reason.DELETED: "deleted by its owner",
    Reason.RELICENSED: "given a license that is not permitted",
    Reason.REPLACED: "replaced: the old version went",
    Reason.GRANT_LOST: "the member revoked the grant",
    Reason.ACCOUNT_CLOSED: "the member's account was closed",
    Reason.OWNER_REQUEST: "its owner asked",
    Reason.EXPIRED: "its time to live or its lease ran out",
    Reason.POLICY_CHANGE: "our own configuration changed",
    Reason.LEAVE: "the operator left",
    Reason.DRILL: "a rehearsal, no owner's wish",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that is seen first."""

    name: str
    value: str
    note: str
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class TimesRow:
    """How long one group took, as a row."""

    group: str
    what: str
    number: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Section:
    """A pair of plots about one group."""

    heading: str
    lead: str
    plots: Sequence[Plot]


def render_report(report: Report, application: str, version: str) -> str:
    """Write a report as one HTML document that needs nothing else.

    Args:
        report: what was gathered.
        application: whose it is, as configured; escaped here.
        version: of ipsync.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration_words, "instant": instant_words, "day": day_words, "size": size_words}
    cap = report.requests_per_day
    return environment.get_template("report.html").render(
        report=report,
        application=application,
        version=version,
        style=(_HERE / "templates" / "report.css").read_text(encoding="utf-8"),
        verdict=_verdict(report),
        tiles=_tiles(report),
        sections=_sections(report),
        reasons=[(name, _REASONS.get(Reason(name), ""), count) for name, count in sorted(report.by_reason.items())],
        times=_times(report),
        requests_plot=plot_days(
            "requests", "Requests to ipernity, by day", report.requests_by_day, report.since, report.until, cap
        ),
        incidents=[
            (day, _EVENTS[event], number)
            for day, counts in report.incidents_by_day.items()
            for event, number in sorted(counts.items())
            if event in _EVENTS
        ],
        counted=counted,
    )


def _verdict(report: Report) -> str:
    if report.is_kept:
        if not report.removals:
            return "Nothing had to go in this period, and nothing was found that should have."
        every = "the one removal was" if report.removals == 1 else f"all {report.removals:,} removals were"
        return (
            f"Kept: {every} done in time, nothing is held that should be gone, and the ledger that proves it is whole."
        )
    wrong = []
    if report.breached:
        chosen = f', {report.sealed:,} of them by the choice of removal.unverified = "seal"' if report.sealed else ""
        wrong.append(f"{counted(report.breached, 'removal')} came later than the law allows{chosen}")
    if report.requests.late:
        wrong.append(f"{counted(report.requests.late, 'request')} of owners came, or is coming, late")
    if report.audit:
        wrong.append(f"an audit finds {counted(sum(report.audit.values()), 'thing')} that should not be")
    if not report.ledger.holds:
        wrong.append("the ledger does not hold")
    return f"Not kept: {'; '.join(wrong)}."


def _tiles(report: Report) -> list[Tile]:
    lease = report.lease
    everything = [report.withdrawn, report.asked, report.own]
    hide = max((times.hide.worst for times in everything if times.hide.worst is not None), default=None)
    erase = max((times.erase.worst for times in everything if times.erase.worst is not None), default=None)
    requests = sum(report.requests_by_day.values())
    busiest = max(report.requests_by_day.values(), default=0)
    return [
        Tile(
            "removals",
            f"{report.removals:,}",
            f"{counted(report.breached, 'breach').replace('breachs', 'breaches')}",
            bool(report.breached),
        ),
        Tile(
            "longest until hidden",
            duration_words(hide),
            f"promised: {duration_words(lease.serve_age)}",
            hide is not None and hide > lease.serve_age,
        ),
        Tile(
            "longest until erased",
            duration_words(erase),
            f"the law: {duration_words(lease.window)}",
            erase is not None and erase > lease.window,
        ),
        Tile(
            "least time left",
            duration_words(report.slack),
            "before the law's instant",
            report.slack is not None and report.slack < 0,
        ),
        Tile("requests", f"{requests:,}", f"busiest day: {share_words(busiest, report.requests_per_day)} of the cap"),
        Tile(
            "ledger",
            "whole" if report.ledger.holds else "broken",
            f"{report.ledger.entries:,} entries, {counted(report.ledger.heads_compared, 'head')} compared",
            not report.ledger.holds,
        ),
    ]


def _sections(report: Report) -> list[Section]:
    serve, window = report.lease.serve_age, report.lease.window
    groups = (
        (
            "withdrawn",
            "What members withdrew at ipernity",
            _WITHDRAWN_WORDS,
            report.withdrawn,
        ),
        (
            "asked",
            "What owners asked to have removed",
            "Counted from the moment at which the request was taken in.",
            report.asked,
        ),
        (
            "drills",
            "Drills",
            "Rehearsals on single documents, done for real and measured the same way. No owner wished them gone.",
            report.drills,
        ),
    )
    return [
        Section(
            heading,
            lead,
            (
                plot_durations(f"{name}-hide", "Time until hidden", times.hide, serve, "promised"),
                plot_durations(f"{name}-erase", "Time until erased", times.erase, window, "the law"),
            ),
        )
        for name, heading, lead, times in groups
        if times.hide
    ]


def _times(report: Report) -> list[TimesRow]:
    groups: tuple[tuple[str, Times], ...] = (
        ("withdrawn at ipernity", report.withdrawn),
        ("asked by owners", report.asked),
        ("our own reasons", report.own),
        ("drills", report.drills),
    )
    return [
        TimesRow(group, what, len(values), [_cell(value) for value in _percentiles(values)])
        for group, times in groups
        for what, values in (
            ("until hidden", times.hide),
            ("until erased", times.erase),
            # What arises here is known at once.
            ("from knowing to hidden", times.act if times in (report.withdrawn, report.drills) else Distribution(())),
        )
        if values
    ]


def _percentiles(times: Distribution) -> list[Duration | None]:
    return [*(times.percentile(percent) for percent in (50, 90, 95, 99)), times.worst]


def _cell(value: Duration | None) -> str:
    return duration_words(value)
