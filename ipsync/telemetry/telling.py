"""The metrics of what applications are told: streams that are open, webhooks and what they are owed.

A webhook is known by its number; no address of anybody's ever becomes a label.
"""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from ipsync.policy.instants import Duration, seconds

DELIVERIES = ("delivered", "later", "refused", "ended")


class TellingMetrics:
    """How those who follow the feed are served."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Declare them in `registry`."""
        self._streams = Gauge("ipsync_change_streams", "Open streams of changes.", registry=registry)
        self._debt = Gauge(
            "ipsync_webhook_debt", "Changes that a webhook has not taken yet.", ["webhook"], registry=registry
        )
        self._oldest = Gauge(
            "ipsync_webhook_oldest_debt_seconds",
            "Age of the oldest change that a webhook has not taken yet.",
            ["webhook"],
            registry=registry,
        )
        self._deliveries = Counter(
            "ipsync_webhook_deliveries_total",
            "Attempts to deliver changes to webhooks.",
            ["outcome"],
            registry=registry,
        )
        for outcome in DELIVERIES:
            self._deliveries.labels(outcome)

    def set_change_streams(self, number: int) -> None:
        """Show how many streams are open."""
        self._streams.set(number)

    def set_webhooks(self, debts: Mapping[int, tuple[int, Duration]]) -> None:
        """Show what each webhook is owed, by its number: how many changes, and the age of the oldest."""
        self._debt.clear()
        self._oldest.clear()
        for number, (changes, age) in debts.items():
            self._debt.labels(str(int(number))).set(changes)
            self._oldest.labels(str(int(number))).set(max(0.0, seconds(age)))

    def count_delivery(self, outcome: str) -> None:
        """Count an attempt, by its outcome (one of `DELIVERIES`)."""
        self._deliveries.labels(outcome if outcome in DELIVERIES else "other").inc()
