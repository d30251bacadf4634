"""The daemon's own audit: the quick form, now and then, in the log where it finds something.

It reads beside working jobs, so it tells only of what two looks in a row saw: what a job was about to
act on is gone by the second. The whole audit is a command, since it reads everything.
"""

from ipsync.jobs.audit import Audit, as_words
from ipsync.jobs.audit_standing import WATCH, remember_findings
from ipsync.policy.auditing import Finding
from ipsync.ports.catalog import Catalog
from ipsync.telemetry import Event, get_log

_log = get_log(__name__)

_MOST_TOLD = 20


class AuditWatch:
    """The job that looks now and then."""

    def __init__(self, audit: Audit, catalog: Catalog) -> None:
        """Wire the job.

        Args:
            audit: the one who looks.
            catalog: keeps how many findings stand, for incidents.
        """
        self._audit = audit
        self._catalog = catalog
        self._before: set[Finding] | None = None

    async def run(self) -> int:
        """Look once. Returns how many findings stand, seen by this look and the one before."""
        findings = await self._audit.quick()
        seen = {finding for examples in findings.examples.values() for finding in examples}
        is_first, standing = self._before is None, seen & (self._before or set())
        self._before = seen
        # The first look of a process knows of none that stands, and ends none that stood before.
        if not is_first or not seen:
            await remember_findings(self._catalog, WATCH, len(standing))
        for finding in sorted(standing, key=repr)[:_MOST_TOLD]:
            _log.error(
                Event.AUDIT_FOUND,
                "An audit found what should not be; `ipsync audit` tells all and what to do.",
                kind=finding.kind.value,
                severity=finding.kind.severity.value,
                where=", ".join(f"{name} {value}" for name, value in as_words(finding).items()),
            )
        return len(standing)
