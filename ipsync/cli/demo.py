"""`ipsync demo`: watch the whole promise kept in twenty seconds, on a simulated ipernity."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipsync.cli import FOUND, INTERRUPTED, examples, output

if TYPE_CHECKING:
    from rich.console import Console

    from ipsync.cli.demo_values import Happening
    from ipsync.cli.demonstration import Demonstration

app = typer.Typer(add_completion=False)

_REFRESH_SECONDS = 0.2
_PAUSE_SECONDS = 1.5


@app.command(
    epilog=examples(
        "ipsync demo                # goes on until Ctrl-C, then the summary",
        "ipsync demo --once         # one round, about 20 seconds",
        "ipsync demo --once --json  # the last line is the summary, for scripts",
    )
)
def demo(
    once: Annotated[bool, typer.Option("--once", help="One round, then the summary.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print events and the summary as lines of JSON.")] = False,
    members: Annotated[int, typer.Option(metavar="N", min=3, max=10, help="How many members the site has.")] = 3,
    documents: Annotated[
        int, typer.Option(metavar="N", min=10, max=500, help="How many documents each of them has.")
    ] = 40,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same world.")] = 1,
) -> None:
    """Watch ipsync mirror a simulated ipernity, and forget.

    Members authorize the application; the photos they share are mirrored. Then owners hide, delete and
    relicense photos through another program, replace and upload some, and one takes the permission back.
    ipsync is told nothing: it notices, hides, asks once more, and erases. A day is shortened to a minute. It
    needs no configuration and leaves nothing behind.

    At a terminal it plays round after round until Ctrl-C and then sums up; with --once, or where there is no
    terminal, it plays one.

    Exit code 3 says that a deadline was missed or a copy was left, 1 that something did not happen that must.
    """
    import asyncio
    import importlib.util
    import tempfile
    from pathlib import Path

    if importlib.util.find_spec("ipernity") is None:
        output.fail("the demo's owners act through PyIpernity, which is not installed", 'pip install "ipsync[demo]"')
    from ipsync.cli import demo_view
    from ipsync.cli.demo_values import DemoFailedError
    from ipsync.cli.demonstration import Demonstration

    console = output.console()
    once = once or not console.is_terminal
    teller = _Teller(console, as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="ipsync-demo-", ignore_cleanup_errors=True) as folder:
        pause_seconds = _PAUSE_SECONDS if teller.is_live else 0.0
        story = Demonstration(Path(folder), members, documents, seed, teller.tell, pause_seconds)
        try:
            with _without_proxies():
                is_whole = asyncio.run(_play(story, once, teller))
        except DemoFailedError as failure:
            output.fail(str(failure), "run it again; if it happens again, it is a defect worth reporting")
    if not is_whole and (once or not story.rounds):
        if teller.is_live:
            output.complain("Cut short. Nothing is left running.")
        output.leave(INTERRUPTED)
    summary = story.summary()
    if as_json:
        output.say(summary.line())
    else:
        demo_view.print_summary(summary, story.acts, story.window_seconds)
    if summary.breaches or summary.erased != summary.removed:
        output.leave(FOUND)


@contextmanager
def _without_proxies() -> Iterator[None]:
    """PyIpernity asks the environment for a proxy, and everything of the demo is on this machine."""
    names = ("NO_PROXY", "no_proxy")
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update(dict.fromkeys(names, "*"))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ.update(before)


class _Teller:
    """Shows what happens: JSON lines, lines, or a live picture where the terminal is large enough for one."""

    def __init__(self, console: "Console", *, as_json: bool) -> None:
        from ipsync.cli.demo_view import LEAST_COLUMNS, LEAST_ROWS

        self._as_json = as_json
        self._console = console
        self.happenings: list[Happening] = []
        large = console.width >= LEAST_COLUMNS and console.height >= LEAST_ROWS
        self.is_live = not as_json and console.is_terminal and not console.is_dumb_terminal and large

    def tell(self, happening: "Happening") -> None:
        """Take in one line of the story."""
        from ipsync.cli.demo_view import line

        self.happenings.append(happening)
        if self._as_json:
            output.emit_json(_as_json(happening), line=True)
        elif not self.is_live:
            output.say(output.plain(line(happening)))


def _as_json(happening: "Happening") -> dict[str, Any]:
    from dataclasses import asdict

    row = asdict(happening) | {"at_seconds": round(happening.at_seconds, 3)}
    return {name: value for name, value in row.items() if value is not None}


async def _play(story: "Demonstration", once: bool, teller: _Teller) -> bool:
    """Play it and show it. Returns whether it came to its end; Ctrl-C, SIGTERM and SIGHUP cut it short."""
    import asyncio
    import signal
    from contextlib import suppress

    running = asyncio.create_task(story.run(once=once), name="story")
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, running.cancel)
    try:
        if teller.is_live:
            await _draw(story, running, teller, "" if once else "; Ctrl-C sums up")
        with suppress(asyncio.CancelledError):
            await running
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
    return not running.cancelled()


async def _draw(story: "Demonstration", running: Any, teller: _Teller, hint: str) -> None:
    import asyncio

    from rich.live import Live

    from ipsync.cli.demo_view import picture

    console = output.console()
    is_ascii = not console.encoding.startswith("utf")
    standing = None
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            is_last = running.done()
            standing = await story.look() or standing
            drawn = picture(
                standing,
                teller.happenings,
                story.window_seconds,
                console.width,
                console.height,
                is_ascii=is_ascii,
                hint=hint,
            )
            live.update(drawn, refresh=True)
            if is_last:
                return
            await asyncio.wait({running}, timeout=_REFRESH_SECONDS)
