"""What commands print: tables and sentences for people, JSON for scripts, complaints on standard error.

Titles and names come from strangers: everything passes `plain` on its way to a terminal, and nothing
is ever taken for markup. Rich is imported when the first table is drawn.
"""

import json
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_ALLOWED_FORMAT_MARKS = "\u200c\u200d"
"""Zero-width joiners: scripts and emoji need them, and they hide nothing."""
_ODD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MOST_COMBINING_MARKS = 4
_GAP = 2
"""Columns between two cells of a table."""
_LEAST_ELASTIC = 12
_LEAST_WRAPPED = 40
_PIPE_WIDTH = 4096
"""Columns where nobody looks at a terminal: nothing is cut or folded in a pipe."""


class _Problem(Protocol):
    """What `print_problems` needs of a `settings.Problem`."""

    @property
    def file(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def is_error(self) -> bool: ...


def plain(value: object, *, lines: bool = False) -> str:
    r"""Turn anything into text that cannot steer a terminal or turn its own direction.

    Control characters, line separators, bidirectional overrides, invisible marks and lone surrogates
    become `\x1b`-like escapes; more than four combining marks in a row are cut.

    Args:
        value: e.g. a title from ipernity.
        lines: keep line breaks; only for text of our own.
    """
    shown: list[str] = []
    combining = 0
    for mark in str(value):
        combining = combining + 1 if unicodedata.combining(mark) else 0
        if combining > _MOST_COMBINING_MARKS:
            continue
        if mark == "\n" and lines:
            shown.append(mark)
        elif unicodedata.category(mark) in _ODD_CATEGORIES and mark not in _ALLOWED_FORMAT_MARKS:
            shown.append(ascii(mark)[1:-1])
        else:
            shown.append(mark)
    return "".join(shown)


def prepare_streams() -> None:
    """Let characters that the terminal's encoding does not have be shown as escapes instead of failing.

    A stream that the caller closed (`>&-`) is as if it led nowhere.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # reason: for good
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def flush() -> bool:
    """Send what was printed; False where nobody reads it any more, in which case all further output is dropped."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        return False
    return True


def console(*, stderr: bool = False) -> "Console":
    """A Rich console that takes nothing for markup, keeps to NO_COLOR and folds nothing in a pipe."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def say(text: str) -> None:
    """Print a sentence, or lines, on standard output, at once: somebody may wait for it in a pipe."""
    sys.stdout.write(_wrapped(plain(text, lines=True), sys.stdout) + "\n")
    sys.stdout.flush()


def confirm(question: str, *, without: str) -> bool:
    """Ask a yes-or-no question on standard error, so that standard output stays what it is.

    Args:
        question: answered by y or yes; everything else is no.
        without: what to do where nobody can answer, e.g. "add --yes".
    """
    sys.stderr.write(f"{plain(question)} [y/N] ")
    sys.stderr.flush()
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        complain("")
        raise
    if not answer:
        complain("")
        fail("nobody answered; nothing was done", without, 2)
    return answer.strip().lower() in ("y", "yes")


def complain(text: str) -> None:
    """Print lines on standard error."""
    sys.stderr.write(_wrapped(plain(text, lines=True), sys.stderr) + "\n")


def _wrapped(text: str, stream: TextIO) -> str:
    """Break long lines between words where somebody reads them; addresses and paths stay whole."""
    if not stream.isatty():
        return text
    columns = shutil.get_terminal_size().columns
    if columns < _LEAST_WRAPPED:
        return text
    return "\n".join(_broken(line, columns) for line in text.split("\n"))


def _broken(line: str, columns: int) -> str:
    if len(line) < columns:
        return line
    indent = line[: len(line) - len(line.lstrip(" "))]
    pieces = textwrap.wrap(
        line.strip(" "),
        columns - 1,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(pieces)


def print_failure(message: str, remedy: str = "") -> None:
    """Print what went wrong, and what to do about it, on standard error."""
    complain(f"ipsync: error: {message}" + (f"\n  -> {remedy}" if remedy else ""))


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    import typer

    raise typer.Exit(code)


def fail(message: str, remedy: str = "", code: int = 1) -> NoReturn:
    """Say what went wrong and what to do about it, on standard error, and end the command.

    Args:
        message: one sentence.
        remedy: what to do, or "".
        code: the exit code: 1 failed, 2 wrong usage or configuration, 3 something found.
    """
    print_failure(message, remedy)
    leave(code)


def print_problems(problems: Iterable[_Problem], *, stderr: bool = True) -> None:
    """Print every problem of a configuration: file, key, reason, remedy."""
    for problem in problems:
        where = f"{problem.file}: {problem.key}" if problem.key else problem.file
        kind = "error" if problem.is_error else "warning"
        (complain if stderr else say)(f"{kind}: {where}: {problem.reason}\n  -> {problem.remedy}")


def emit_json(value: object, *, line: bool = False) -> None:
    """Print a value as JSON on standard output, ASCII only.

    Args:
        value: of dicts, lists, texts, numbers, dataclasses, paths, sets.
        line: on one line, and sent at once, for readers that wait for it.
    """
    text = json.dumps(value, indent=None if line else 2, default=_jsonable)
    sys.stdout.write(text + "\n")
    if line:
        sys.stdout.flush()


def _jsonable(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not for JSON")


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    empty: str = "",
    elastic: str | None = None,
) -> None:
    """Print a table for people. Columns of numbers are set to the right; None shows as "-".

    Args:
        columns: headings.
        rows: one value for each column; they are made harmless here.
        title: a line above.
        empty: what to say where there is no row.
        elastic: the column whose texts are cut where the terminal is too narrow for all; others fold.
    """
    from rich.table import Table
    from rich.text import Text

    every = [tuple(row) for row in rows]
    if not every and empty:
        say(empty)
        return
    cells = [[Text(plain("-" if value is None else value)) for value in row] for row in every]
    if elastic is not None:
        _cut(columns, cells, columns.index(elastic))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(columns):
        numbers = bool(every) and all(_is_number(row[index]) for row in every)
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    if title:
        say(title)
    show(table)


def print_facts(facts: Iterable[tuple[str, object]], *, title: str = "") -> None:
    """Print names and values below each other. None shows as "-".

    Args:
        facts: pairs; a value that is a Rich text keeps its style, everything else is made harmless here.
        title: a line above.
    """
    if title:
        say(title)
    show(facts_table(facts))


def facts_table(facts: Iterable[tuple[str, object]]) -> "RenderableType":
    """What `print_facts` prints, for a live view."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value if isinstance(value, Text) else Text(plain("-" if value is None else value)))
    return table


def fitting(renderable: "RenderableType", elsewhere: str) -> "RenderableType":
    """Cut what is higher than the terminal, and say in the last line how much is missing.

    Args:
        renderable: what is drawn.
        elsewhere: the command that shows all of it.
    """
    from rich.console import Group
    from rich.segment import Segment, Segments
    from rich.text import Text

    screen = console()
    lines = screen.render_lines(renderable, pad=False)
    missing = len(lines) - screen.height + 1
    if missing <= 1:
        return renderable
    kept = [segment for line in lines[:-missing] for segment in (*line, Segment.line())]
    words = f"{_ellipsis()} {missing} more lines: a higher terminal shows them, or {elsewhere}"
    return Group(Segments(kept), Text(words, style="dim", no_wrap=True, overflow="ellipsis"))


def show(renderable: "RenderableType") -> None:
    """Print what Rich can draw; in a pipe without the spaces it fills lines with."""
    screen = console()
    if screen.is_terminal:
        screen.print(renderable)
        return
    with screen.capture() as captured:
        screen.print(renderable)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
    sys.stdout.flush()


def _cut(columns: Sequence[str], rows: "Sequence[list[Text]]", elastic: int) -> None:
    """Cut the texts of one column, so that a row stays a line, but never below what can be read."""
    from rich.cells import cell_len

    screen = console()
    widths = [
        max([cell_len(heading), *(row[index].cell_len for row in rows)])
        for index, heading in enumerate(columns)
        if index != elastic
    ]
    room = max(screen.width - sum(widths) - _GAP * len(widths), cell_len(columns[elastic]), _LEAST_ELASTIC)
    mark = _ellipsis()
    for row in rows:
        text = row[elastic]
        if text.cell_len > room:
            text.truncate(room - len(mark))
            text.rstrip()
            text.append(mark)


def _ellipsis() -> str:
    return "…" if console().encoding.startswith("utf") else "..."


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


class Advance(Protocol):
    """Moves a bar on."""

    def __call__(self, steps: int, total: int | None = None) -> None:
        """Tell how many more steps are done, and how many there are, as soon as that is known."""


def _nowhere(steps: int, total: int | None = None) -> None:
    """Show nothing."""


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Advance]:
    """Show a bar on standard error while long work goes on; nothing where that is no terminal.

    Args:
        label: what is being done.
        total: steps to do, or None where that is not known.

    Yields:
        A function that moves the bar on.
    """
    if not sys.stderr.isatty():
        yield _nowhere
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
        console=console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(plain(label), total=total, count="")
        done, known = 0, total

        def advance(steps: int, total: int | None = None) -> None:
            nonlocal done, known
            done, known = done + steps, total or known
            count = f"{done:,} of {known:,}" if known else f"{done:,}"
            bar.update(task, completed=done, total=known, count=count)

        yield advance
