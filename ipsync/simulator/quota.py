"""How many requests are let through: per address and second or minute (113), per key and hour or day (112)."""

from collections import deque

from ipsync.simulator.clock import DAY, HOUR, MINUTE, SECOND
from ipsync.simulator.errors import ApiError

_LENGTHS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_PER_ADDRESS = frozenset("sm")


class Window:
    """The instants of what was let through within the last `length` microseconds."""

    __slots__ = ("_instants", "length", "limit", "peak")

    def __init__(self, length: int, limit: int | None = None) -> None:
        self.length = length
        self.limit = limit
        self.peak = 0
        self._instants: deque[int] = deque()

    def is_full(self, now: int) -> bool:
        """Tell whether one more would be too many."""
        self._forget(now)
        return self.limit is not None and len(self._instants) >= self.limit

    def add(self, now: int) -> None:
        """Count one."""
        self._forget(now)
        self._instants.append(now)
        self.peak = max(self.peak, len(self._instants))

    def _forget(self, now: int) -> None:
        instants = self._instants
        while instants and instants[0] <= now - self.length:
            instants.popleft()


def parse_rate_limit(spec: str) -> tuple[tuple[int, str], ...]:
    """Return the (count, unit) pairs of a text such as `10/s,600/m,5000/h,50000/d`.

    Raises:
        ValueError: with a sentence that says what is wrong; an empty text means no limits.
    """
    found: dict[str, int] = {}
    for part in (piece.strip() for piece in spec.split(",") if piece.strip()):
        count, slash, unit = part.partition("/")
        if not slash or unit not in _LENGTHS or not (count.isascii() and count.isdigit() and int(count)):
            raise ValueError(f"rate limit {part!r}: write a positive number, a slash and one of s, m, h, d, as in 10/s")
        if unit in found:
            raise ValueError(f"rate limit {part!r}: there is a limit per {unit} already")
        found[unit] = int(count)
    return tuple((count, unit) for unit, count in found.items())


class RateLimits:
    """The limits in force.

    Args:
        spec: as `parse_rate_limit` takes it.
    """

    def __init__(self, spec: str = "") -> None:
        self.spec = spec
        limits = parse_rate_limit(spec)
        self._address_limits = [(_LENGTHS[unit], count) for count, unit in limits if unit in _PER_ADDRESS]
        self._key_windows = [Window(_LENGTHS[unit], count) for count, unit in limits if unit not in _PER_ADDRESS]
        self._address_windows: dict[str, list[Window]] = {}

    def admit(self, address: str, now: int) -> None:
        """Count one request, or refuse it; a refused one is not counted.

        Raises:
            ApiError: 113 for the address, 112 for the key.
        """
        if not self._address_limits and not self._key_windows:
            return
        windows = self._address_windows.get(address)
        if windows is None:
            windows = [Window(length, count) for length, count in self._address_limits]
            self._address_windows[address] = windows
        if any(window.is_full(now) for window in windows):
            raise ApiError(113)
        if any(window.is_full(now) for window in self._key_windows):
            raise ApiError(112)
        for window in (*windows, *self._key_windows):
            window.add(now)
