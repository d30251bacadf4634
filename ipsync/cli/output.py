"""What commands print: tables and sentences for people, JSON for scripts, complaints on standard error.

Titles and names come from strangers: everything passes `plain` on its way to a terminal, and nothing
is ever taken for markup. Rich is imported when the first table is drawn.
"""

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from rich.console import Console

_ALLOWED_FORMAT_MARKS = "\u200c\u200d"
"""Zero-width joiners: scripts and emoji need them, and they hide nothing."""
_ODD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MOST_COMBINING_MARKS = 4
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
    """Let characters that the terminal's encoding does not have be shown as escapes instead of failing."""
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
    """Print a sentence, or lines, on standard output."""
    sys.stdout.write(plain(text, lines=True) + "\n")


def complain(text: str) -> None:
    """Print lines on standard error."""
    sys.stderr.write(plain(text, lines=True) + "\n")


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


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", empty: str = "") -> None:
    """Print a table for people. Columns of numbers are set to the right; None shows as "-".

    Args:
        columns: headings.
        rows: one value for each column; they are made harmless here.
        title: a line above.
        empty: what to say where there is no row.
    """
    from rich.table import Table
    from rich.text import Text

    every = [tuple(row) for row in rows]
    if not every and empty:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", title=title or None, title_justify="left")
    for index, heading in enumerate(columns):
        numbers = bool(every) and all(_is_number(row[index]) for row in every)
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for row in every:
        table.add_row(*(Text(plain("-" if value is None else value)) for value in row))
    console().print(table)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while long work goes on; nothing where that is no terminal.

    Args:
        label: what is being done.
        total: steps to do, or None where that is not known.

    Yields:
        A function that is told how many more steps are done.
    """
    if not sys.stderr.isatty():
        yield lambda _steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(plain(label), total=total)
        yield lambda steps: bar.advance(task, steps)
