"""What may be asked of ipernity, and when: the arithmetic of the request budget (T21, design §5).

State in, decision out. The gate in `ipernity/` keeps the state durable and waits; here it is decided.
"""

from dataclasses import dataclass

from ipsync.policy.instants import Instant


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests counted in one bucket of one window.

    Attributes:
        window: `minute`, `hour` or `day`.
        bucket_at: where the bucket begins.
    """

    window: str
    bucket_at: Instant
    requests: int


@dataclass(frozen=True, slots=True)
class RealRate:
    """The lowest rate ipernity really allowed on one day, remembered for a week (112, 113)."""

    day_at: Instant
    requests_per_hour: float


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Everything the budget must remember across restarts and share between processes.

    Attributes:
        next_slot_at: the next free send slot; slots are handed out in order, spaced by the per-second cap.
        spent: counts per window.
        blocked_until: after 112/113 nothing is sent before this instant.
        backoff_step: refusals in a row; 0 when the gate is open.
        rate_factor: the share of the configured caps that is in use, 0 < f ≤ 1; falls fast, recovers slowly.
        recovered_at: when `rate_factor` was last raised.
        real_rates: the lowest real rates of the last 7 days.
    """

    next_slot_at: Instant = 0
    spent: tuple[Spent, ...] = ()
    blocked_until: Instant = 0
    backoff_step: int = 0
    rate_factor: float = 1.0
    recovered_at: Instant = 0
    real_rates: tuple[RealRate, ...] = ()
