"""What is wrong with a configuration, said so that it can be mended: file, key, reason, remedy.

Nothing here holds a value of a secret, and no message quotes more than a short piece of what was read.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """Whether ipsync refuses to work with it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    Attributes:
        file: where it stands (a path), or what stands for the file (`environment`).
        key: the dotted name of the setting, e.g. `removal.window`; "" where the file as a whole is meant.
        reason: what is wrong with it, without a period.
        remedy: what to do, without a period.
    """

    file: str
    key: str
    reason: str
    remedy: str
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Whether ipsync refuses to work with it."""
        return self.severity is Severity.ERROR

    def as_json(self) -> dict[str, str]:
        """The same for machines."""
        return {name: str(value) for name, value in asdict(self).items()}

    def __str__(self) -> str:
        """One line: `ipsync.toml: removal.window: is 25h; …`."""
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: {self.reason} ({self.remedy})"


class SettingsInvalid(Exception):
    """The configuration cannot be used. `problems` holds all that is odd, `errors` what is wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep all `problems`, errors first."""
        self.problems = tuple(sorted(problems, key=lambda problem: not problem.is_error))
        self.errors = tuple(problem for problem in self.problems if problem.is_error)
        super().__init__("\n".join(str(problem) for problem in self.errors))


class Unfit(ValueError):
    """A value that cannot be used. Raised by the readers; becomes a `Problem` where file and key are known."""

    def __init__(self, reason: str, remedy: str) -> None:
        """Keep the `reason` and the `remedy`."""
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason} ({remedy})")


def shown(value: Any) -> str:
    """Quote a piece of a wrong value for a message: short, on one line, with odd characters escaped."""
    text = ascii(value) if not isinstance(value, str) else '"' + ascii(value)[1:-1] + '"'
    return text if len(text) <= 60 else text[:57] + "..."
