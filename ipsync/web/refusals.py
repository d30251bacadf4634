"""What browsers and programs are refused, told to the log: its kind, once a minute, and nothing of what they sent."""

from aiohttp import web

from ipsync.policy.instants import MINUTE, Instant
from ipsync.ports.clock import Clock
from ipsync.telemetry import Event, get_log
from ipsync.web.failures import WebFailure

_log = get_log(__name__)

_TOLD = frozenset(
    {
        *("another-host", "another-site", "bad-form", "not-a-form", "stale-form", "too-large", "too-many", "too-slow"),
        *("scope-missing", "wrong-admin-token", "stale-authorization", "bad-request"),
    }
)


class Refusals:
    """Counts refusals by kind, so that a flood of them is one line a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quiet_until: dict[str, Instant] = {}
        self._untold: dict[str, int] = {}

    def note(self, failure: WebFailure) -> None:
        """Tell the log, unless this kind was told a moment ago; then it is counted for the next time."""
        if failure.code not in _TOLD:
            return
        count = self._untold[failure.code] = self._untold.get(failure.code, 0) + 1
        now = self._clock.now()
        if now < self._quiet_until.get(failure.code, 0):
            return
        self._quiet_until[failure.code] = now + MINUTE
        self._untold[failure.code] = 0
        _log.warning(Event.WEB_REFUSED, "Something that was asked for was refused.", kind=failure.code, times=count)


REFUSALS = web.AppKey("REFUSALS", Refusals)
