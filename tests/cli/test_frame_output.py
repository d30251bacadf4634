"""What is printed: harmless whatever strangers wrote, readable in pipes, JSON that scripts can rely on."""

import dataclasses
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipsync.cli import output


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]8;;http://evil\x07link", "\\x1b]8;;http://evil\\x07link"),
        ("a\rb\nc\td", "a\\rb\\nc\\td"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\u200bzero\ufeff", "\\u200bzero\\ufeff"),
        ("\x9b31m", "\\x9b31m"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("[bold]x[/bold] :smile:", "[bold]x[/bold] :smile:"),
        ("Grüße 日本 👩\u200d🚀", "Grüße 日本 👩\u200d🚀"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 4),
        (None, "None"),
        (7, "7"),
    ],
)
def test_plain_neutralizes_what_steers_a_terminal(hostile: object, shown: str) -> None:
    assert output.plain(hostile) == shown


@given(st.text(max_size=50))
def test_plain_leaves_no_control_of_any_kind(text: str) -> None:
    shown = output.plain(text)

    assert all(unicodedata.category(mark) not in ("Cc", "Cs", "Zl", "Zp") for mark in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def test_a_table_shows_hostile_titles_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("id", "title"), [(1, "[red]a[/red]\x1b[2J"), (2000, "\u202eb\nc"), (None, "x" * 300)])

    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines] == [
        "  id  title",
        "   1  [red]a[/red]\\x1b[2J",
        "2000  \\u202eb\\nc",
        "   -  " + "x" * 300,
    ]


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("id",), [], empty="No documents yet.")

    assert capsys.readouterr().out == "No documents yet.\n"


def test_json_is_ascii_and_knows_our_values(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclasses.dataclass
    class Thing:
        name: str

    output.emit_json({"a": Thing("\u202eü"), "b": Path("/x"), "c": {3, 1}, "d": None}, line=True)
    printed = capsys.readouterr().out

    assert printed.isascii()
    assert printed.count("\n") == 1
    assert json.loads(printed) == {"a": {"name": "\u202eü"}, "b": "/x", "c": [1, 3], "d": None}
    with pytest.raises(TypeError):
        output.emit_json(object())


def test_a_failure_names_message_remedy_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    with pytest.raises(typer.Exit) as ended:
        output.fail("it broke", "mend it", 3)

    assert ended.value.exit_code == 3
    assert capsys.readouterr() == ("", "ipsync: error: it broke\n  -> mend it\n")


def test_progress_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("erasing", 3) as advance:
        advance(3)

    assert capsys.readouterr() == ("", "")
