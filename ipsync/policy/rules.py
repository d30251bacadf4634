"""Everything policy that the jobs are given, as one frozen value; a reload gives them another."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ipsync.policy.documents import MEDIA, ORIGINAL, THUMBNAIL_LABELS
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import Duration
from ipsync.policy.lease import Lease
from ipsync.policy.permission import PermittedView
from ipsync.policy.quota import NO_QUOTA, Quota
from ipsync.policy.tripwire import Limits


@dataclass(frozen=True, slots=True)
class TimeToLive:
    """How long each kind of content is kept before it is erased, and fetched anew if still permitted (T09)."""

    metadata: Duration
    thumbnail: Duration
    media: Duration
    original: Duration

    def of_renditions(self) -> tuple[tuple[tuple[str, ...], Duration], ...]:
        """Rendition names with their time to live."""
        return ((THUMBNAIL_LABELS, self.thumbnail), ((MEDIA,), self.media), ((ORIGINAL,), self.original))


@dataclass(frozen=True, slots=True)
class Rules:
    """The configured policy.

    Attributes:
        permissions: what a member is asked for, by area (T13).
        details: whether description and tags are fetched, one request per document.
        accounts_most: how many accounts may be taken in (T04), or None.
        tripwire: how much must be missing at once for the listing to be doubted.
        outage: how long ipernity may be out of reach without a copy being hidden (design §4).
        kinds: which kinds of entry are mirrored beside documents.
        on_demand: whether files are fetched when they are first asked for, and not before.
        quota: how many bytes of files may be kept (F31).
    """

    lease: Lease
    view: PermittedView
    ttl: TimeToLive
    permissions: Mapping[str, str] = field(default_factory=lambda: {"doc": "read"})
    details: bool = False
    accounts_most: int | None = None
    tripwire: Limits = field(default_factory=Limits)
    outage: Duration = 0
    kinds: frozenset[EntryKind] = frozenset()
    on_demand: bool = False
    quota: Quota = NO_QUOTA

    @property
    def essential(self) -> Mapping[str, str]:
        """The permissions without which nothing of an account is mirrored; without others it lacks what needs them."""
        return {area: level for area, level in self.permissions.items() if area == "doc"}
