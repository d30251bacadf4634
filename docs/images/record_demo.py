"""Draw docs/images/demo.svg anew, from a real run of the demo: `.venv/bin/python docs/images/record_demo.py`.

The picture loads nothing from anywhere: Rich would have readers' browsers fetch a font.
"""

import asyncio
import contextlib
import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from ipsync.cli import demo_view
from ipsync.cli.demo_values import Happening, Standing
from ipsync.cli.demonstration import Demonstration

PICTURE = Path(__file__).with_name("demo.svg")
COLUMNS = 92
ROWS = 38
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
THEME = TerminalTheme(
    (24, 26, 31),
    (214, 217, 223),
    [
        (24, 26, 31),
        (229, 107, 111),
        (126, 199, 121),
        (224, 184, 92),
        (106, 159, 232),
        (190, 140, 220),
        (95, 190, 200),
        (214, 217, 223),
    ],
)


async def play(story: Demonstration) -> Standing | None:
    """Play one round; return how things stood last."""
    running = asyncio.create_task(story.run(once=True))
    standing: Standing | None = None
    while not running.done():
        standing = await story.look() or standing
        await asyncio.wait({running}, timeout=0.1)
    await running
    return standing


def main() -> None:
    """Run the demo and write the picture."""
    happenings: list[Happening] = []
    with tempfile.TemporaryDirectory() as folder:
        story = Demonstration(Path(folder), 3, 40, 1, happenings.append, pause_seconds=0.5)
        standing = asyncio.run(play(story))
    console = Console(record=True, file=io.StringIO(), width=COLUMNS, force_terminal=True, color_system="standard")
    console.print(Text("$ ipsync demo --once", style="bold"))
    console.print(
        demo_view.picture(standing, happenings, story.window_seconds, COLUMNS, ROWS, is_ascii=False), highlight=False
    )
    with contextlib.redirect_stdout(io.StringIO()) as summary:
        demo_view.print_summary(story.summary(), story.acts, story.window_seconds)
    for line in summary.getvalue().splitlines():
        console.print(Text(line), highlight=False)
    svg = console.export_svg(title="ipsync demo", theme=THEME)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: Fira Code, monospace", f"font-family: {FONTS}", svg)
    svg = re.sub(r"[ \t]*<!--.*?-->\n", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(?m)[ \t]+$", "", svg)
    PICTURE.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
