"""How the demo looks: a live picture at a terminal, lines in a pipe, a summary at the end. It measures nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ipsync.cli import output, session

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from ipsync.cli.demo_values import Act, Happening, MemberStanding, Standing, Summary

LEAST_COLUMNS = 60
LEAST_ROWS = 18
_MOST_COLUMNS = 110
_NAME_COLUMNS = 14
_FRAME_ROWS = 2
_HOURS_TO_HIDE = 20
_HOURS_TO_ERASE = 24
_STYLES = {
    "hidden": "yellow",
    "erased": "red",
    "replaced": "red",
    "mirrored": "green",
    "appeared": "green",
    "act": "cyan",
    "authorized": "cyan",
}


def line(happening: "Happening") -> str:
    """One line of the story where no picture is drawn."""
    return f"{happening.at_seconds:6.1f} s  {happening.who:>{_NAME_COLUMNS}}  {happening.what}"


def picture(
    standing: "Standing | None",
    happenings: "Sequence[Happening]",
    window_seconds: float,
    columns: int,
    rows: int,
    *,
    is_ascii: bool,
    hint: str = "",
) -> "RenderableType":
    """Draw how things stand, and what happened last.

    Args:
        standing: or None before anything runs.
        happenings: all so far.
        window_seconds: the law, shortened.
        columns: of the terminal.
        rows: of the terminal.
        is_ascii: whether it shows ASCII only.
        hint: what can be done, for the lower edge.
    """
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    width = min(columns, _MOST_COLUMNS)
    parts: list[RenderableType] = []
    if standing is not None:
        parts = [
            _members(standing.members, width, is_ascii=is_ascii),
            Text(),
            *_gauges(standing, window_seconds, is_ascii=is_ascii),
            Text(),
        ]
    used = len(standing.members) + 5 if standing is not None else 0
    room = max(1, rows - used - _FRAME_ROWS - 1)
    parts += [_told(happening, width - 4) for happening in happenings[-room:]]
    minutes = 86_400 / window_seconds / 60
    return Panel(
        Group(*parts),
        title="ipsync demo: mirror, notice, hide, erase",
        subtitle=f"a day shortened to {window_seconds:.0f} s: 1 s here is {minutes:.0f} min{hint}",
        width=width,
        height=min(rows - 1, used + len(happenings[-room:]) + _FRAME_ROWS) if standing is None else None,
    )


def _members(members: "Sequence[MemberStanding]", width: int, *, is_ascii: bool) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("member", no_wrap=True, max_width=_NAME_COLUMNS, overflow="ellipsis")
    for heading, style in (("shares", ""), ("served", "green"), ("hidden", "yellow"), ("erased", "red")):
        table.add_column(heading, justify="right", style=style)
    table.add_column("in the mirror", no_wrap=True)
    cells = max(8, width - _NAME_COLUMNS - 42)
    most = max(1, *(member.served + member.hidden + member.erased for member in members))
    for member in members:
        bar = Text()
        for number, style, mark in (
            (member.served, "green", "#" if is_ascii else "█"),
            (member.hidden, "yellow", "?" if is_ascii else "▒"),
            (member.erased, "red", "." if is_ascii else "·"),
        ):
            bar.append(mark * round(number * cells / most), style=style)
        numbers = (member.shares, member.served, member.hidden, member.erased)
        table.add_row(output.plain(member.username), *map(str, numbers), bar)
    return table


def _gauges(standing: "Standing", window_seconds: float, *, is_ascii: bool) -> "list[Text]":
    from ipsync.policy.instants import seconds

    spent = standing.minute.limit - standing.minute.remaining
    slack = max(0.0, seconds(standing.health.slack))
    return [
        _gauge(
            "requests",
            spent / standing.minute.limit,
            f"{standing.requests} sent; {standing.minute.remaining} of {standing.minute.limit} left this minute",
            "magenta",
            is_ascii=is_ascii,
        ),
        _gauge(
            "deadline",
            slack / window_seconds,
            f"{slack:.0f} of {window_seconds:.0f} s left until something must be gone",
            "green" if standing.health.is_lawful else "bold red",
            is_ascii=is_ascii,
        ),
    ]


def _gauge(name: str, share: float, words: str, style: str, *, is_ascii: bool) -> "Text":
    from rich.text import Text

    cells = 14
    full = max(0, min(cells, round(share * cells)))
    on, off = ("#", "-") if is_ascii else ("█", "░")
    text = Text(f"{name:<10}", style="bold", no_wrap=True, overflow="ellipsis")
    text.append(on * full, style=style)
    text.append(off * (cells - full), style="dim")
    return text.append(f"  {words}", style="not bold")


def _told(happening: "Happening", width: int) -> "Text":
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{happening.at_seconds:5.1f} s  ", style="dim")
    text.append(f"{output.plain(happening.who)[:_NAME_COLUMNS]:<{_NAME_COLUMNS}}  ", style="bold")
    text.append(output.plain(happening.what), style=_STYLES.get(happening.event, ""))
    text.truncate(width, overflow="ellipsis")
    return text


def print_summary(summary: "Summary", acts: "Sequence[Act]", window_seconds: float) -> None:
    """Say what was promised, and what was measured.

    Args:
        summary: the figures.
        acts: what owners took away.
        window_seconds: the law, shortened.
    """
    done = [act for act in acts if act.erased_after is not None]
    ways = {way: [act for act in done if act.way == way] for way in dict.fromkeys(act.way for act in done)}
    output.say("")
    output.print_table(
        ("what owners did", "photos", "hidden after", "erased after", "copies left"),
        [
            (
                way,
                sum(len(act.withdrawals) for act in mine),
                f"{max(act.hidden_after or 0.0 for act in mine):.1f} s",
                f"{max(act.erased_after or 0.0 for act in mine):.1f} s",
                sum(entry.copies for act in mine for entry in act.withdrawals),
            )
            for way, mine in ways.items()
        ],
        title=f"{session.counted(summary.mirrored, 'photo')} were mirrored; {summary.removed} were taken away:",
    )
    hide, erase = window_seconds * _HOURS_TO_HIDE / 24, window_seconds * _HOURS_TO_ERASE / 24
    output.say(
        f"\nErased: {summary.erased} of {summary.removed}. Deadlines missed: {summary.breaches}.\n"
        f"The law, shortened: hidden within {hide:.0f} s, erased within {erase:.0f} s "
        f"({_HOURS_TO_HIDE} and {_HOURS_TO_ERASE} hours of a real day).\n"
        f"API requests: {summary.requests}. No mirror could do with fewer than {summary.requests_lower_bound}; "
        "the demo looks far more often, to show it soon."
    )
