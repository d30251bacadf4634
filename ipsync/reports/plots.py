"""Plots as values: where the bars, ticks and lines of a small SVG lie. The template draws them.

Numbers only: colors are the page's, so that one plot fits light and dark and paper.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ipsync.policy.distribution import MARKS, Distribution
from ipsync.policy.instants import DAY, MINUTE, SECOND, Duration, Instant
from ipsync.reports.wording import counted, day_words, duration_words

WIDTH = 640
WIDE = 1120
HEIGHT = 260
_RIGHT, _TOP, _BOTTOM = 18, 46, 38
_DIGIT = 12.0
"""About how wide a figure is in the page's own letters."""
_GAP = 1.5
_LEAST_BAR = 2.0
_LONGEST_DAYS = 400


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in the plot's own coordinates, with what it says when asked."""

    x: float
    y: float
    width: float
    height: float
    title: str
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis, with its word."""

    at: float
    word: str


@dataclass(frozen=True, slots=True)
class Line:
    """An upright line that means something: the promise, the median, the longest.

    Attributes:
        anchor: where its word stands: `start` to the right of it, `end` to the left.
        row: how far down its word stands, 0 or 1.
    """

    at: float
    word: str
    kind: str
    anchor: str
    row: int


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything to draw.

    Attributes:
        title: what it shows.
        description: the same as the picture, in a sentence, for who cannot see it.
    """

    name: str
    title: str
    description: str
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    levels: Sequence[Tick]
    lines: Sequence[Line]
    width: int
    left: float
    height: int = HEIGHT
    top: int = _TOP
    floor: int = HEIGHT - _BOTTOM

    @property
    def right(self) -> int:
        """Where the axis ends."""
        return self.width - _RIGHT


def plot_durations(name: str, title: str, times: Distribution, promise: Duration, promise_word: str) -> Plot:
    """Draw how long things took, on a logarithmic scale up to the promise and beyond.

    Args:
        name: a word that is unique on the page.
        title: what it shows.
        times: the durations.
        promise: by when they had to be over.
        promise_word: what that is called.
    """
    bins = times.bins(promise, _shortest(promise), max(promise * 5 // 4, (times.worst or 0) + 1))
    shortest = bins[0].begin
    levels = _levels(max((entry.number for entry in bins), default=0))
    left = _left(levels)
    scale = _Logarithm(shortest, bins[-1].end, left)
    bars = []
    for entry in bins:
        if not entry.number:
            continue
        begin, end = scale.place(entry.begin), scale.place(entry.end)
        between = f"{duration_words(entry.begin)} to {duration_words(entry.end)}"
        bar = _bar(begin, end, entry.number, levels[-1], f"{between}: {entry.number:,}")
        bars.append(replace(bar, is_late=entry.begin > promise))
    lines = [_line(scale, promise, f"{promise_word} {duration_words(promise)}", "promise", 0)]
    if times:
        lines.append(
            _line(scale, times.percentile(50) or 0, f"half within {duration_words(times.percentile(50))}", "at", 1)
        )
    within = times.within(promise)
    description = (
        f"{counted(len(times), 'removal')}. Half took at most {duration_words(times.percentile(50))}, "
        f"95 of 100 at most {duration_words(times.percentile(95))}, the longest {duration_words(times.worst)}. "
        f"{within:,} of {len(times):,} within {duration_words(promise)}."
    )
    marks = _marks(shortest, bins[-1].end)
    ticks = [Tick(scale.place(mark), duration_words(mark)) for mark in marks]
    marked = [_level(number, levels[-1]) for number in levels]
    return Plot(name, title, description, bars, ticks, marked, lines, WIDTH, left)


def plot_days(
    name: str, title: str, days: Mapping[Instant, int], since: Instant, until: Instant, cap: int
) -> Plot | None:
    """Draw a number for each day of a period, against the cap of a day; None where the period is too long to draw.

    Args:
        name: a word that is unique on the page.
        title: what it shows.
        days: numbers by the instant at which the day begins.
        since: the period's begin.
        until: its end.
        cap: the most that is allowed on a day.
    """
    first, last = since - since % DAY, max(since, until - 1) - max(since, until - 1) % DAY
    number_of_days = (last - first) // DAY + 1
    if number_of_days > _LONGEST_DAYS:
        return None
    most = max(days.values(), default=0)
    levels = _levels(max(most, cap if most * 3 > cap else 0))
    left = _left(levels)
    room = (WIDE - _RIGHT - left) / number_of_days
    bars = []
    for index in range(number_of_days):
        number = days.get(first + index * DAY, 0)
        if number:
            begin = left + index * room
            day = day_words(first + index * DAY)
            bars.append(_bar(begin, begin + room, number, levels[-1], f"{day}: {number:,}"))
    step = max(1, math.ceil(number_of_days / 10))
    ticks = [
        Tick(round(left + (index + 0.5) * room, 2), day_words(first + index * DAY)[5:])
        for index in range(0, number_of_days, step)
    ]
    total = sum(days.values())
    busiest = f" The most on one day were {most:,}; {cap:,} were allowed." if most else ""
    description = f"{total:,} requests in {counted(number_of_days, 'day')}.{busiest}"
    marked = [_level(number, levels[-1]) for number in levels]
    return Plot(name, title, description, bars, ticks, marked, (), WIDE, left)


class _Logarithm:
    """Places durations between the left and the right edge."""

    def __init__(self, shortest: Duration, longest: Duration, left: float) -> None:
        self._shortest = shortest
        self._span = math.log(longest / shortest)
        self._left = left

    @property
    def middle(self) -> float:
        """Half-way between the edges."""
        return (self._left + WIDTH - _RIGHT) / 2

    def place(self, duration: Duration) -> float:
        part = math.log(max(duration, self._shortest) / self._shortest) / self._span
        return round(self._left + min(1.0, part) * (WIDTH - _RIGHT - self._left), 2)


def _shortest(promise: Duration) -> Duration:
    """Where the scale begins: a second, so that plots can be compared; less where the promise itself is short."""
    return SECOND if promise >= 10 * MINUTE else max(1, promise // 1000)


def _marks(shortest: Duration, longest: Duration) -> list[Duration]:
    found = [mark for mark in MARKS if shortest <= mark <= longest]
    if len(found) >= 3:
        return found
    tens = [10**power for power in range(3, 12)]
    return [mark for mark in tens if shortest <= mark <= longest]


def _levels(most: int) -> list[int]:
    """Whole numbers for the upright axis, 0 first, up to at least `most`: at most five of them, round ones."""
    step = 1
    while most > 4 * step:
        step = step * 2 if str(step)[0] in "15" else step * 5 // 2
    return [step * index for index in range(max(1, math.ceil(most / step)) + 1)]


def _left(levels: Sequence[int]) -> float:
    """Where the axis begins: behind the longest of its words."""
    return 14 + _DIGIT * len(f"{levels[-1]:,}")


def _level(number: int, highest: int) -> Tick:
    return Tick(_height_of(number, highest), f"{number:,}")


def _height_of(number: int, highest: int) -> float:
    floor = HEIGHT - _BOTTOM
    return round(floor - number / highest * (floor - _TOP), 2)


def _bar(begin: float, end: float, number: int, highest: int, title: str) -> Bar:
    y = _height_of(number, highest)
    floor = HEIGHT - _BOTTOM
    # What happened once among thousands must still be seen.
    y = min(y, floor - _LEAST_BAR)
    return Bar(round(begin + _GAP / 2, 2), y, round(max(0.5, end - begin - _GAP), 2), round(floor - y, 2), title)


def _line(scale: _Logarithm, at: Duration, word: str, kind: str, row: int) -> Line:
    place = scale.place(at)
    anchor = "start" if place < scale.middle else "end"
    return Line(place, word, kind, anchor, row)
