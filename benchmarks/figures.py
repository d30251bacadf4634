"""What a measurement says: a value, what it is measured against, and whether the goal is met."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for what is compared: `most` or `least`, whichever is given.

    Attributes:
        absolute: whether the value itself is held against the goal, and not its ratio.
    """

    most: float | None = None
    least: float | None = None
    absolute: bool = False

    def __str__(self) -> str:
        sign, bound = ("≤", self.most) if self.most is not None else ("≥", self.least)
        return f"{sign} {bound:g}"

    def is_met(self, value: float) -> bool:
        """Whether a value keeps to the goal."""
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        measured: the value.
        unit: of the value and of what it is held against.
        against: the bound or the peer's value, from the same run.
        peer: what that is.
        goal: for the ratio, or for the value itself; None where the figure only informs.
        allowance: what the goal forgives beyond the ratio, e.g. one request per account.
    """

    name: str
    measured: float
    unit: str
    against: float
    peer: str
    goal: Goal | None = None
    allowance: float = 0

    @property
    def ratio(self) -> float | None:
        """The value over what it is held against, or None where that is 0."""
        return self.measured / self.against if self.against else None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        if self.goal.absolute:
            return self.goal.is_met(self.measured)
        return self.against > 0 and self.goal.is_met((self.measured - self.allowance) / self.against)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        goal = None if self.goal is None else asdict(self.goal)
        return asdict(self) | {"goal": goal, "ratio": self.ratio, "met": self.is_met}

    def cells(self) -> tuple[str, ...]:
        """For people: name, measured, bound or peer, ratio, goal, met or not."""
        ratio = self.ratio
        words = {None: "", True: "met", False: "NOT MET"}
        goal = "" if self.goal is None else f"{'' if self.goal.absolute else 'ratio '}{self.goal}"
        if self.goal is not None and self.goal.absolute:
            goal += f" {self.unit}"
        if self.allowance:
            goal += f" + {self.allowance:g}"
        return (
            self.name,
            f"{_number(self.measured)} {self.unit}".rstrip(),
            f"{_number(self.against)} {self.unit}".rstrip() + f": {self.peer}",
            "" if ratio is None else f"{ratio:.3g}",
            goal.rstrip(),
            words[self.is_met],
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
