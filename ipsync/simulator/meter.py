"""What the service remembers of how it was used: for tests that check a client's manners."""

from collections import Counter
from typing import Any

from ipsync.simulator.clock import MINUTE, SECOND
from ipsync.simulator.quota import Window


class Meter:
    """Counts of calls, refusals and files, and the most calls in any second and any minute."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._media = 0
        self._second = Window(SECOND)
        self._minute = Window(MINUTE)

    def called(self, method: str, now: int) -> None:
        """Count a call of the API, answered or not."""
        self._calls[method] += 1
        self._second.add(now)
        self._minute.add(now)

    def rejected(self, code: int) -> None:
        """Count an error that was answered."""
        self._rejected[str(code)] += 1

    def served(self) -> None:
        """Count a request for a file."""
        self._media += 1

    def report(self) -> dict[str, Any]:
        """Return everything counted since the start."""
        return {
            "calls": dict(sorted(self._calls.items())),
            "rejected": dict(sorted(self._rejected.items())),
            "media": self._media,
            "peak_per_second": self._second.peak,
            "peak_per_minute": self._minute.peak,
        }
