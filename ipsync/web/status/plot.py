"""The histogram of leases by age, as numbers a template can draw: pure drawing, nothing is read here.

Drawn on the server as SVG with classes and no style of its own, so that the page's policy stays narrow and the
colors follow the light.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ipsync.jobs.standing import PARTS, Ages, age_bands
from ipsync.policy.instants import Duration
from ipsync.policy.lease import Lease
from ipsync.policy.notices import span

WIDTH, HEIGHT = 520, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 4, 30, 24
_LEAST = 2.5
_GAP = 1.5
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle; `kind` is its class."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An upright line with a word at its top."""

    x: float
    word: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A word below the axis."""

    x: float
    word: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Everything to draw.

    Attributes:
        bands: the same in words: from age to age, how many, what happens there.
    """

    width: int
    height: int
    floor: float
    top: float
    most: int
    bars: Sequence[Bar]
    marks: Sequence[Mark]
    ticks: Sequence[Tick]
    bands: Sequence[tuple[str, int, str]]


def histogram(ages: Ages, lease: Lease) -> Histogram:
    """Lay the ages out.

    Args:
        ages: as counted.
        lease: the thresholds to mark.
    """
    places = range(PARTS + 1)
    most = max((ages.served.get(place, 0) + ages.hidden.get(place, 0) for place in places), default=0)
    floor = float(HEIGHT - _BOTTOM)
    bars: list[Bar] = []
    for place in places:
        base = floor
        for kind, counts in (("served", ages.served), ("hidden", ages.hidden)):
            number = counts.get(place, 0)
            if number:
                tall = max(_LEAST, number / most * (floor - _TOP))
                x = _x(place)
                bars.append(Bar(x, round(base - tall, 1), round(_x(place + 1) - x - _GAP, 1), round(tall, 1), kind))
                base -= tall
    return Histogram(
        WIDTH,
        HEIGHT,
        floor,
        float(_TOP - 8),
        most,
        bars,
        [
            Mark(_at(lease.serve_age, lease), f"hidden from {span(lease.serve_age)}", "end"),
            Mark(_at(lease.window, lease), "the law", "end"),
        ],
        [_tick(lease.window * part // _TICKS, lease) for part in range(_TICKS + 1)],
        [
            (
                f"{span(band.begin) if band.begin else '0'} to {span(band.end)}"
                if band.end
                else f"{span(band.begin)} and more",
                band.number,
                band.words,
            )
            for band in age_bands(ages, lease)
        ],
    )


def _x(place: int) -> float:
    return round(_LEFT + place * (WIDTH - _LEFT - _RIGHT) / (PARTS + 1), 1)


def _at(age: Duration, lease: Lease) -> float:
    return round(_LEFT + age / lease.window * PARTS / (PARTS + 1) * (WIDTH - _LEFT - _RIGHT), 1)


def _tick(age: Duration, lease: Lease) -> Tick:
    word = span(age) if age else "just seen"
    return Tick(_at(age, lease), word, "start" if not age else "end" if age == lease.window else "middle")
