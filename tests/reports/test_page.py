"""The page of a report: whole, escaped, readable by who cannot see it, in light and dark and on paper."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ipsync.jobs.report import Breach, LedgerFigures, ReasonCount, Report, RequestFigures, Times
from ipsync.policy.accounts import AccountState
from ipsync.policy.auditing import Kind
from ipsync.policy.distribution import Distribution
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.lease import Lease
from ipsync.policy.ledger import LedgerHead
from ipsync.ports.catalog import Figures
from ipsync.reports import page, render_report
from ipsync.reports.plots import plot_days, plot_durations
from ipsync.reports.wording import counted, duration_words, share_words, size_words

NOW = 1_795_000_000 * SECOND
EVIL = '<script>alert("x")</script>&"\''
_VOID = frozenset({"meta", "br", "link", "img"})


def some(*durations: int) -> Times:
    """Times of a group: hidden after these, erased a minute later, noticed a second before."""
    return Times(
        Distribution(durations), Distribution(duration + MINUTE for duration in durations), Distribution([SECOND])
    )


NONE = Times(Distribution(()), Distribution(()), Distribution(()))
REPORT = Report(
    at=NOW,
    since=NOW - 30 * DAY,
    until=NOW,
    lease=Lease(DAY),
    begun_at=NOW - 60 * DAY,
    by_reason={"deleted": ReasonCount(3, 6, 12_345_678), "drill": ReasonCount(1, 2, 5)},
    withdrawn=some(MINUTE, HOUR, 4 * HOUR),
    asked=NONE,
    own=NONE,
    drills=some(MINUTE),
    slack=2 * HOUR,
    breached=0,
    sealed=0,
    breaches=(),
    requests=RequestFigures(0, 0, 0, None),
    ledger=LedgerFigures(LedgerHead(5, NOW, "a" * 64, "b" * 64, "c" * 128), 5, 2, True, (), 0, 0),
    figures=Figures({}, 0, None, {}, None, 4, 1000, 0, 1),
    members={AccountState.ACTIVE: 2},
    consents_given=1,
    consents_ended=0,
    starts=1,
    breaks=0,
    requests_by_day={NOW // DAY * DAY: 812},
    requests_per_day=20_000,
    incidents_by_day={},
    audit={},
)


class _Page(HTMLParser):
    """A reader that minds closing tags and remembers what it saw."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def drawn(report: Report = REPORT, application: str = "Wall") -> _Page:
    return _Page(render_report(report, application, "9.9"))


def test_it_is_one_whole_document() -> None:
    shown = drawn()

    assert shown.open == []
    assert shown.all("html") == [{"lang": "en"}]
    assert len(shown.all("h1")) == 1
    assert "Kept: all 3 removals were done in time" in shown.text
    assert "4 of 4" not in shown.text
    for words in ("deleted", "12.3\N{NO-BREAK SPACE}MB", "812", "a" * 64, "What this proves", "9.9"):
        assert words in shown.text


def test_it_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    text = render_report(REPORT, "Wall", "1")

    assert not re.search(r"<(script|link|img|iframe|object|embed|form)\b", text)
    assert not re.search(r"\s(src|href|on\w+|action)=", text)
    assert not re.search(r"url\(|@import|https?:", text)
    assert "default-src 'none'" in text


def test_F33_what_comes_from_outside_is_escaped() -> None:
    broken = replace(REPORT.ledger, findings=(EVIL,), found=1)
    text = render_report(replace(REPORT, ledger=broken), EVIL, "1")

    assert "<script" not in text
    assert _Page(text).text.count(EVIL) >= 3


def test_who_cannot_see_it_is_told_the_same() -> None:
    shown = drawn()
    named = {attributes.get("id") for _, attributes in shown.seen}

    plots = shown.all("svg")
    assert len(plots) == 5
    for plot in plots:
        assert plot["role"] == "img"
        assert set(str(plot["aria-labelledby"]).split()) <= named
    assert len(shown.all("desc")) == 5
    assert len(shown.all("table")) == len(shown.all("caption")) == 2
    assert all(cell.get("scope") in ("row", "col") for cell in shown.all("th"))
    ids = [attributes["id"] for _, attributes in shown.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "3 removals. Half took at most 1\N{NO-BREAK SPACE}h" in shown.text


def test_it_holds_no_number_of_anybody() -> None:
    """Nothing that is given to it could: counts, instants, our own words, and the ledger's head."""
    assert not [name for name in Report.__slots__ if "id" in name.split("_")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"breached": 1, "breaches": (Breach(4, "deleted", HOUR),), "slack": -HOUR}, "1 removal came later"),
        ({"breached": 2, "sealed": 1}, "2 removals came later than the law allows, 1 of them by the choice"),
        ({"audit": {Kind.FILE_UNKNOWN: 2}}, "an audit finds 2 things"),
        ({"requests": RequestFigures(1, 1, 1, None)}, "1 request of owners"),
        ({"ledger": replace(REPORT.ledger, untold=1)}, "the ledger does not hold"),
    ],
)
def test_what_was_not_kept_is_said_first(changes: dict[str, object], words: str) -> None:
    report = replace(REPORT, **changes)  # type: ignore[arg-type]  # reason: names are checked by replace
    shown = drawn(report)

    assert not report.is_kept
    assert "Not kept: " in shown.text
    assert words in shown.text
    assert any("bad" in str(attributes.get("class")) for attributes in shown.all("p"))


def test_late_removals_have_rows_and_another_color() -> None:
    late = replace(REPORT, breached=1, breaches=(Breach(4, "deleted", 2 * HOUR),), withdrawn=some(25 * HOUR))
    shown = drawn(late)

    assert "2\N{NO-BREAK SPACE}h" in shown.text
    assert [entry for entry in shown.all("rect") if "late" in str(entry["class"])]


def test_incidents_are_told_in_words() -> None:
    shown = drawn(replace(REPORT, incidents_by_day={NOW // DAY * DAY: {"clock.stepped": 2, "unheard.of": 1}}, breaks=1))

    assert "the wall clock disagrees" in shown.text
    assert "unheard.of" not in shown.text
    assert "ledger: break" in shown.text


def test_an_empty_period_is_a_page_too() -> None:
    empty = replace(REPORT, by_reason={}, withdrawn=NONE, drills=NONE, slack=None, requests_by_day={})
    shown = drawn(empty)

    assert "Nothing had to go in this period" in shown.text
    assert shown.all("svg") == []


def test_no_bar_lies_outside_its_plot() -> None:
    times = Distribution([0, 1, MINUTE, 19 * HOUR, 20 * HOUR, 90 * DAY])
    plot = plot_durations("x", "X", times, 20 * HOUR, "promised")

    assert sum(bar.is_late for bar in plot.bars) == 1
    for bar in plot.bars:
        assert plot.left <= bar.x < bar.x + bar.width <= plot.right
        assert plot.top <= bar.y <= bar.y + bar.height <= plot.floor + 0.01
    assert all(plot.left <= tick.at <= plot.right for tick in plot.ticks)


def test_a_period_too_long_to_draw_is_not_drawn() -> None:
    assert plot_days("x", "X", {}, NOW - 5000 * DAY, NOW, 1) is None
    one = plot_days("x", "X", {NOW // DAY * DAY: 3}, NOW - 1, NOW, 1000)
    assert one is not None
    assert [bar.title[-3:] for bar in one.bars] == [": 3"]


def test_words() -> None:
    spans = [
        duration_words(value).replace("\N{NO-BREAK SPACE}", " ") for value in (0, 5000, 90 * SECOND, 3 * DAY, -HOUR)
    ]
    assert spans == ["0 s", "5 ms", "1.5 min", "3 d", "−1 h"]
    assert duration_words(None) == "–"
    assert (counted(1, "file"), counted(1204, "file")) == ("1 file", "1,204 files")
    assert share_words(1, 300).replace("\N{NO-BREAK SPACE}", " ") == "0.3 %"
    assert size_words(3_400_000).endswith("MB")


def _colors(block: str) -> dict[str, tuple[float, float, float]]:
    found = re.findall(r"--([a-z-]+): #([0-9a-f]{6});", block)
    return {name: (int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)) for name, code in found}


def _light(color: tuple[float, float, float]) -> float:
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    brighter, darker = sorted((_light(one), _light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_contrast_is_enough_in_light_dark_and_print() -> None:
    """WCAG 2.1: 4.5 for text, 3 for what is drawn."""
    style = (Path(page.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{([^}]*)\}", style)
    assert len(blocks) == 3
    for block in blocks:
        colors = _colors(block)
        for text in ("ink", "soft", "promise", "bad", "median"):
            assert _contrast(colors[text], colors["panel"]) >= 4.5, text
            assert _contrast(colors[text], colors["paper"]) >= 4.5, text
        assert _contrast(colors["ink"], colors["good-paper"]) >= 4.5
        assert _contrast(colors["ink"], colors["bad-paper"]) >= 4.5
        assert _contrast(colors["bar"], colors["panel"]) >= 3
        assert _contrast(colors["promise"], colors["panel"]) >= 3
