"""`ipsync demo`: watch the whole promise kept in two minutes, on a simulated ipernity."""

from collections import deque
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ipsync.cli import FOUND, output, session

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ipsync.cli.demonstration import Demonstration, Summary
    from ipsync.jobs.health import Health

app = typer.Typer(add_completion=False)

Events: TypeAlias = deque[tuple[float, str, str]]

_EVENTS_SHOWN = 14
_REFRESH_SECONDS = 0.25


@app.command(
    epilog="\n\n".join(
        ("Examples:", "ipsync demo --once", "ipsync demo --once --json: the last line is the summary, for scripts")
    )
)
def demo(
    once: Annotated[bool, typer.Option("--once", help="Let the owners act once, then stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print events and the summary as lines of JSON.")] = False,
    members: Annotated[int, typer.Option(min=3, max=20, help="How many members the simulated site has.")] = 3,
    documents: Annotated[int, typer.Option(min=10, max=2000, help="How many documents each of them has.")] = 40,
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 1,
) -> None:
    """Watch ipsync mirror a simulated ipernity, and forget.

    Members authorize the application; their shared photos are mirrored. Then owners hide, delete and
    relicense photos through another client, and one takes the permission back. ipsync is told nothing: it
    notices, hides, confirms and erases. A day is shortened to a minute. It leaves nothing running.

    Exit code 3 says that a deadline was missed, 1 that something did not happen that must.
    """
    import asyncio
    import importlib.util
    import tempfile
    from pathlib import Path

    if importlib.util.find_spec("ipernity") is None:
        output.fail("the demo's owners act through PyIpernity, which is not installed", 'pip install "ipsync[demo]"')
    from ipsync.cli.demonstration import DemoFailedError, Demonstration

    is_live = not as_json and output.console().is_terminal
    events: Events = deque(maxlen=_EVENTS_SHOWN)

    def tell(at_seconds: float, who: str, what: str) -> None:
        events.append((at_seconds, who, what))
        if as_json:
            output.emit_json({"seconds": round(at_seconds, 2), "who": who, "what": what}, line=True)
        elif not is_live:
            output.say(f"{at_seconds:6.1f} s  {who:>10}  {what}")

    with tempfile.TemporaryDirectory(prefix="ipsync-demo-") as folder:
        story = Demonstration(Path(folder), members, documents, seed, tell)
        try:
            summary = asyncio.run(_play(story, 1 if once else 3, events, is_live))
        except DemoFailedError as failure:
            output.fail(str(failure), "run it again; if it happens again, it is a defect worth reporting")
        copies = sum(story.copies_left().values())
        ways = _ways(story)
    if as_json:
        output.say(summary.line())
    else:
        _print_summary(summary, ways, copies, story)
    if summary.breaches or summary.erased != summary.removed:
        output.leave(FOUND)


async def _play(story: "Demonstration", rounds: int, events: "Events", is_live: bool) -> "Summary":
    import asyncio

    if not is_live:
        return await story.run(rounds)
    from rich.live import Live

    running = asyncio.create_task(story.run(rounds))
    with Live(console=output.console(), auto_refresh=False, transient=True) as live:
        while not running.done():
            live.update(_picture(story, await story.look(), events), refresh=True)
            await asyncio.wait({running}, timeout=_REFRESH_SECONDS)
    return await running


def _picture(story: "Demonstration", health: "Health | None", events: "Events") -> "RenderableType":
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    from ipsync.policy.documents import DocumentState

    figures = Table.grid(padding=(0, 3))
    if health is not None:
        documents = health.figures.documents
        cells = {
            "mirrored": (documents.get(DocumentState.LIVE, 0), "green"),
            "hidden": (sum(documents.values()) - documents.get(DocumentState.LIVE, 0), "yellow"),
            "erased": (health.figures.tombstones, "red"),
            "files": (health.figures.stored_files, "cyan"),
            "API requests": (story.requests, "magenta"),
        }
        figures.add_row(*(Text(f"{name} {number}", style=color) for name, (number, color) in cells.items()))
        figures.add_row(
            Text(f"{session.span(health.slack)} to the nearest deadline", style="bold"),
            Text(f"{story.elapsed_seconds:.0f} s of a day of {story.window_seconds:.0f} s", style="dim"),
        )
    log = Table.grid(padding=(0, 2))
    for at, who, what in events:
        log.add_row(Text(f"{at:6.1f} s", style="dim"), Text(output.plain(who), style="bold"), Text(output.plain(what)))
    return Panel(Group(figures, Text(), log), title="ipsync demo", subtitle="a day shortened to a minute", width=100)


def _ways(story: "Demonstration") -> list[tuple[str, int, float, float]]:
    rows: list[tuple[str, int, float, float]] = []
    for way in dict.fromkeys(entry.way for entry in story.withdrawals):
        mine = [entry for entry in story.withdrawals if entry.way == way]
        hide = max(entry.hidden_after or float("inf") for entry in mine)
        erase = max(entry.erased_after or float("inf") for entry in mine)
        rows.append((way, len(mine), round(hide, 1), round(erase, 1)))
    return rows


def _print_summary(
    summary: "Summary", ways: list[tuple[str, int, float, float]], copies: int, story: "Demonstration"
) -> None:
    window = story.window_seconds
    output.print_table(
        ("what owners did", "documents", "hidden within s", "erased within s"),
        ways,
        title=f"{summary.mirrored} documents were mirrored; then {summary.removed} were taken away.",
    )
    output.say(
        f"\nErased: {summary.erased} of {summary.removed}. Copies left anywhere: {copies}. "
        f"Deadlines missed: {summary.breaches}.\n"
        f"The law in this demo: hidden within {window * 20 / 24:.0f} s, erased within {window:.0f} s "
        f"(20 and 24 hours of a day shortened to {window:.0f} s).\n"
        f"API requests: {summary.requests}; no mirror of this size and time can do with fewer than "
        f"{summary.requests_lower_bound} (the demo looks far more often, to show it soon)."
    )
