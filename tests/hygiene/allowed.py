"""What the scanner may find: the exceptions, each with its reason and its places."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tests.hygiene.scanner import Finding

_FILE = Path(__file__).with_name("exceptions.toml")


@dataclass(frozen=True, slots=True)
class Exceptions:
    """What may be found, by digest: in which places, and why."""

    places: dict[str, tuple[str, ...]]
    reasons: dict[str, str]

    def left(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings that no exception allows."""
        return [finding for finding in findings if not self._allows(finding)]

    def unused(self, findings: Iterable[Finding]) -> list[str]:
        """Digests of exceptions that allow none of these findings."""
        used = {finding.digest for finding in findings if self._allows(finding)}
        return sorted(self.places.keys() - used)

    def _allows(self, finding: Finding) -> bool:
        return any(fnmatch(finding.place, pattern) for pattern in self.places.get(finding.digest, ()))


def exceptions() -> Exceptions:
    """Read them."""
    entries = tomllib.loads(_FILE.read_text(encoding="utf-8"))["exception"]
    return Exceptions(
        {entry["digest"]: tuple(entry["where"]) for entry in entries},
        {entry["digest"]: entry["reason"] for entry in entries},
    )
