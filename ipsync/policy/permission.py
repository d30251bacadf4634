"""May we copy, keep, show it? One function answers for all three callers (T06, T07).

The permitted view is privacy × license × media × safety. What is not clearly inside is outside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ipsync.policy.documents import Facts, Media, Safety, Visibility
from ipsync.policy.instants import Instant
from ipsync.policy.licenses import LICENSES
from ipsync.policy.removals import Reason


class KeyUse(StrEnum):
    """What the API key was given for; it cannot change (T03)."""

    NON_COMMERCIAL = "non-commercial"
    COMMERCIAL = "commercial"


@dataclass(frozen=True, slots=True)
class Agreement:
    """An owner's separate consent to commercial use (T07).

    Attributes:
        account_id: the owner's ipernity user id.
        reference: where the agreement can be found by an auditor.
        until: it holds before this instant.
    """

    account_id: int
    reference: str
    until: Instant


@dataclass(frozen=True, slots=True)
class PermittedView:
    """What policy allows us to hold, as configured.

    Attributes:
        licenses: license numbers; an unlisted one is not copied.
        renditions: which files of each document are wanted.
    """

    use: KeyUse
    visibility: frozenset[Visibility]
    media: frozenset[Media]
    safety: frozenset[Safety]
    licenses: frozenset[int]
    renditions: tuple[str, ...]
    agreements: tuple[Agreement, ...] = ()


class Bar(StrEnum):
    """What stands in the way, in the order it is asked."""

    VISIBILITY = "its privacy level is not mirrored"
    LICENSE = "its license is not mirrored"
    COMMERCE = "its license forbids commercial use and no agreement with the owner is in force"
    MEDIA = "its kind of media is not mirrored"
    SAFETY = "its safety level is not mirrored"


def bar(view: PermittedView, account_id: int, facts: Facts, now: Instant) -> Bar | None:
    """Say why a document may not be copied, kept or shown at `now`; None means it may.

    Args:
        view: what the configuration allows.
        account_id: its owner.
        facts: what ipernity said of it last.
        now: the instant of the question, since an agreement ends by itself.
    """
    if facts.visibility not in view.visibility:
        return Bar.VISIBILITY
    if facts.license not in view.licenses or facts.license not in LICENSES:
        return Bar.LICENSE
    if view.use is KeyUse.COMMERCIAL and not _commerce_allowed(view.agreements, account_id, facts.license, now):
        return Bar.COMMERCE
    if facts.media not in view.media:
        return Bar.MEDIA
    if facts.safety not in view.safety:
        return Bar.SAFETY
    return None


def _commerce_allowed(agreements: Sequence[Agreement], account_id: int, license_id: int, now: Instant) -> bool:
    if LICENSES[license_id].commercial:
        return True
    return any(entry.account_id == account_id and now < entry.until for entry in agreements)


def reason_for(barred: Bar, before: Facts, after: Facts) -> Reason:
    """Name the removal of a document that left the permitted view.

    Args:
        barred: why it may not be kept now.
        before: what we knew when it was still permitted.
        after: what ipernity says now.

    A bar that the owner's own change does not explain comes from our configuration, or from an
    agreement that ended.
    """
    if barred is Bar.VISIBILITY and after.visibility != before.visibility:
        return Reason.UNSHARED
    if barred in (Bar.LICENSE, Bar.COMMERCE) and after.license != before.license:
        return Reason.RELICENSED
    if barred in (Bar.SAFETY, Bar.MEDIA) and (after.safety, after.media) != (before.safety, before.media):
        return Reason.UNSHARED
    return Reason.POLICY_CHANGE
