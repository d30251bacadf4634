"""What is told of removals that are gone: each is counted, and logged by itself or with others of its kind.

It names numbers and our own words only, and erases nothing: by then nothing is left to name.
"""

from collections.abc import Callable, Sequence

from ipsync.policy.entries import subject_field
from ipsync.policy.instants import Instant, seconds
from ipsync.policy.removals import Removal, is_breach
from ipsync.telemetry import Event, Metrics, get_log

_log = get_log(__name__)

_LOGGED_EACH = 20
"""Removals that are gone at once, up to which each is logged by itself."""


def tell_gone(gone: Sequence[Removal], gone_at: Instant, metrics: Metrics) -> None:
    """Count what is gone, from the last moment at which it surely was permitted, and log it.

    Where much went at once it is logged by account and reason; the ledger names each. A broken promise is
    never one of many.

    Args:
        gone: as they stood before the last step, with their counts.
        gone_at: when it was done.
        metrics: what is counted.
    """
    several: dict[tuple[int, str], list[Removal]] = {}
    for removal in gone:
        since, late = removal.first_unsafe_at, is_breach(removal, gone_at)
        hidden_after, erased_after = removal.hidden_at - since, gone_at - since
        metrics.count_removal(removal.removal_id, removal.reason.value, hidden_after, erased_after, breach=late)
        if late or len(gone) <= _LOGGED_EACH:
            _log_one(removal, gone_at, late=late)
        else:
            several.setdefault((removal.account_id, removal.reason.value), []).append(removal)
    for (account_id, reason), removals in several.items():
        _log.info(
            Event.REMOVAL_GONE,
            "Nothing of them is left.",
            account_id=account_id,
            reason=reason,
            removals=len(removals),
            files=sum(removal.files_erased for removal in removals),
            hidden_after_seconds=seconds(max(entry.hidden_at - entry.first_unsafe_at for entry in removals)),
            erased_after_seconds=seconds(gone_at - min(entry.first_unsafe_at for entry in removals)),
        )


def _log_one(removal: Removal, gone_at: Instant, *, late: bool) -> None:
    since = removal.first_unsafe_at
    tell: Callable[..., None] = _log.critical if late else _log.info
    tell(
        Event.REMOVAL_BREACH if late else Event.REMOVAL_GONE,
        "It was erased later than the law allows." if late else "Nothing of it is left.",
        account_id=removal.account_id,
        **subject_field(removal.document_id),
        reason=removal.reason.value,
        files=removal.files_erased,
        hidden_after_seconds=seconds(removal.hidden_at - since),
        erased_after_seconds=seconds(gone_at - since),
    )
