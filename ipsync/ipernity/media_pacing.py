"""How fast files may come, and which host must be left alone for a while (T22, F39).

Separate from the budget of API requests, and never touching it: a media host that refuses us must not
cost a verification. Time is the clock of `ports.clock`, so that tests need not wait.
"""

from collections import OrderedDict

from ipsync.policy.instants import HOUR, MILLISECOND, SECOND, Duration, Instant
from ipsync.ports.clock import Clock

LONGEST_PAUSE: Duration = HOUR
"""No host can silence us for longer at once, whatever it asks."""

_FIRST_PAUSE: Duration = 30 * SECOND
_BURST: Duration = 250 * MILLISECOND
_HOSTS_REMEMBERED = 256


class Bandwidth:
    """One limit for all downloads together: bytes wait for their turn, in the order they came."""

    def __init__(self, bytes_per_second: int | None, clock: Clock) -> None:
        """Begin with nothing spent.

        Args:
            bytes_per_second: the limit, or None for none.
            clock: what tells the time.

        Raises:
            ValueError: a limit below one byte a second.
        """
        if bytes_per_second is not None and bytes_per_second < 1:
            raise ValueError("a bandwidth limit is at least one byte a second")
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._free_at: Instant = 0

    def spend(self, size_bytes: int) -> Duration:
        """Account for bytes that came. Returns how long to wait before taking more.

        In any stretch of time no more passes than the limit, a quarter of a second's worth, and one
        chunk of each download.
        """
        if self._bytes_per_second is None:
            return 0
        now = self._clock.now()
        self._free_at = max(self._free_at, now - _BURST) + size_bytes * SECOND // self._bytes_per_second
        return max(0, self._free_at - now)


class Pauses:
    """Hosts that said "not now", each for itself."""

    def __init__(self, clock: Clock) -> None:
        """Begin with no host paused.

        Args:
            clock: what tells the time.
        """
        self._clock = clock
        self._hosts: OrderedDict[str, tuple[Instant, int]] = OrderedDict()

    def left(self, host: str) -> Duration:
        """How long `host` must be left alone yet; 0 when it may be asked."""
        until, _ = self._hosts.get(host, (0, 0))
        return max(0, until - self._clock.now())

    def refused(self, host: str, asked: Duration | None) -> Duration:
        """Pause a host, for as long as it asked, or else longer with each refusal in a row.

        Args:
            host: who refused.
            asked: what its answer named, or None.

        Returns:
            The pause.
        """
        now = self._clock.now()
        until, refusals = self._hosts.pop(host, (0, 0))
        if now >= until:  # several downloads refused together are one refusal
            refusals += 1
        pause = _FIRST_PAUSE << min(refusals - 1, 10) if asked is None else max(0, asked)
        pause = min(pause, LONGEST_PAUSE)
        self._hosts[host] = (max(until, now + pause), refusals)
        while len(self._hosts) > _HOSTS_REMEMBERED:
            self._hosts.popitem(last=False)
        return pause

    def answered(self, host: str) -> None:
        """Forget the refusals of a host that answers again."""
        self._hosts.pop(host, None)
