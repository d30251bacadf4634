"""When a document is owed to be erased twice: which obligation stands. Pure."""

from dataclasses import replace

from ipsync.policy.removals import OPEN_STAGES, Reason, Removal, Stage


def stronger(held: Removal, added: Removal) -> Removal:
    """Unite an open removal with another of the same document: nothing gets weaker, nothing later.

    The later stage and the earlier instants stand. The reason is that of the confirmed one; between
    two confirmed ones the first keeps its word, but an owner's request is always remembered as one,
    since its tombstone stands (T11).

    Args:
        held: the open one in the catalog; its number, tries and counts remain.
        added: the new one, open too.
    """
    telling = added if _outranks(added, held) else held
    other = held if telling is added else added
    stage = max(held.stage, added.stage, key=OPEN_STAGES.index)
    advanced = stage is not held.stage
    return replace(
        held,
        reason=telling.reason,
        stage=stage,
        first_unsafe_at=min(held.first_unsafe_at, added.first_unsafe_at),
        detected_at=min(held.detected_at, added.detected_at),
        hidden_at=min(held.hidden_at, added.hidden_at),
        erase_from=min(held.erase_from, added.erase_from),
        erase_by=min(held.erase_by, added.erase_by),
        confirmed_at=min((at for at in (held.confirmed_at, added.confirmed_at) if at is not None), default=None),
        attempts=added.attempts if advanced else held.attempts,
        next_try_at=added.next_try_at if advanced else held.next_try_at,
        certificate=telling.certificate or other.certificate,
    )


def _outranks(added: Removal, held: Removal) -> bool:
    if added.stage is Stage.SUSPECTED:
        return False
    if held.stage is Stage.SUSPECTED:
        return True
    return added.reason is Reason.OWNER_REQUEST and held.reason is not Reason.OWNER_REQUEST
