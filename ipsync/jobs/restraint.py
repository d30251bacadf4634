"""Restraint: where ipernity refuses the application itself, or answers nobody, jobs ask seldom (T21).

In memory only: what is owed is in the catalog, and a restart may ask once more.
"""

from collections.abc import MutableSequence
from typing import TypeVar

from ipsync.policy.instants import Instant
from ipsync.policy.lease import Lease
from ipsync.policy.planning import next_try
from ipsync.ports.source import KeyRefused, Later, Malformed, QuotaReached, SourceFailure

_UNANSWERED_AT_MOST = 3


T = TypeVar("T")


def next_in_turn(waiting: MutableSequence[T], *, after_failure: bool) -> T:
    """Take the next of those that wait: the first; after a failure one from their middle.

    Neighbors fail together: documents of one account, pages of one listing. If ipernity answers, asking elsewhere
    shows it, and what always fails does not use up the patience that the others need.

    Args:
        waiting: in the order of urgency; the one that is returned is taken out.
        after_failure: whether the last question failed.
    """
    return waiting.pop(len(waiting) // 2 if after_failure else 0)


class Restraint:
    """How one job holds back. Pauses double from 30 s to half an hour (at W = 24 h), until an answer comes."""

    def __init__(self, lease: Lease) -> None:
        """Begin without any pause.

        Args:
            lease: whose window the pauses follow.
        """
        self._first = lease.window // 2880
        self._longest = lease.window // 48
        self._until: Instant = 0
        self._pauses = 0
        self._unanswered = 0

    def holds(self, now: Instant) -> bool:
        """Whether nothing should be asked at `now`."""
        return now < self._until

    def answered(self) -> None:
        """Tell that an answer came."""
        self._pauses = self._unanswered = 0

    def failed(self, failure: SourceFailure, now: Instant) -> bool:
        """Tell of a failure. Returns whether others may still be asked in this run.

        A spent budget needs no pause of ours: the gate says itself when it goes on. What is about
        one account or document says that ipernity answers.

        Args:
            failure: what happened.
            now: the lease clock.
        """
        if isinstance(failure, QuotaReached):
            return False
        if isinstance(failure, KeyRefused):
            self.pause(now)
            return False
        if not isinstance(failure, (Later, Malformed)):
            self.answered()
            return True
        self._unanswered += 1
        # After a pause one failure more is enough: nothing has changed.
        if self._unanswered < _UNANSWERED_AT_MOST and not self._pauses:
            return True
        self.pause(now)
        return False

    def pause(self, now: Instant) -> None:
        """Hold back, twice as long as the last time."""
        self._pauses += 1
        self._until = next_try(now, self._pauses, self._first, self._longest)
