"""Quotas: how many bytes of files may be kept, of one account and in all (F31).

Pure arithmetic on what is stored. A quota holds back only what is new: nothing here is a reason to hide, to erase, or
to verify less. How large a file is is known when it has come, so while no room is left for one of the largest
size nothing is begun: no quota is ever exceeded, and nothing is downloaded only to be thrown away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from ipsync.policy.documents import THUMBNAIL_LABELS

LARGEST_FILE_BYTES = 105 << 20
"""100 MiB and 5 %: no larger file is taken in (F31)."""

LARGEST_THUMBNAIL_BYTES = 21 << 20
"""Likewise of images of reduced size."""


@dataclass(frozen=True, slots=True)
class FilesHeld:
    """The files of one account.

    Attributes:
        size_bytes: of those that are stored, and of those that are being erased and not gone yet.
        wanted_files: still to be fetched; 0 for an account of which nothing is fetched.
    """

    size_bytes: int = 0
    wanted_files: int = 0


Holdings = Mapping[int, FilesHeld]
"""By account id; accounts without any files are left out."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How much may be kept.

    Attributes:
        size_most: bytes of files in all; None means no limit.
        account_size_most: bytes of files of each account; None means no limit.
        file_size_most: the largest size in bytes that a file may have. Smaller in tests only.
    """

    size_most: int | None = None
    account_size_most: int | None = None
    file_size_most: int = LARGEST_FILE_BYTES

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return self.size_most is not None or self.account_size_most is not None

    def expected_bytes(self, rendition: str, announced_bytes: int | None) -> int:
        """How much room to keep for a file before it has come: its announced size, else the most it may have.

        Args:
            rendition: its name.
            announced_bytes: what the listing said, which may be wrong; or None.
        """
        most = self.file_size_most
        if rendition in THUMBNAIL_LABELS:
            most = min(most, LARGEST_THUMBNAIL_BYTES)
        return most if announced_bytes is None else max(0, min(most, announced_bytes))

    def is_reached(self, holdings: Holdings) -> bool:
        """Whether there is no room in all for one more file of the largest size."""
        return _left(self.size_most, _sum(holdings)) < self.file_size_most

    def reached_by(self, holdings: Holdings) -> frozenset[int]:
        """The accounts that have no room for one more file of the largest size, by themselves."""
        return frozenset(
            account_id
            for account_id, holding in holdings.items()
            if _left(self.account_size_most, holding.size_bytes) < self.file_size_most
        )

    def held_up(self, holdings: Holdings) -> frozenset[int]:
        """The accounts of which files wait because a quota is reached, their own or that of all."""
        reached = holdings.keys() if self.is_reached(holdings) else self.reached_by(holdings)
        return frozenset(account_id for account_id in reached if holdings[account_id].wanted_files)


NO_QUOTA = Quota()
"""No limit."""


class Filling:
    """What may still be taken in, counted down file by file."""

    def __init__(self, quota: Quota, holdings: Holdings) -> None:
        """Begin with what is stored.

        Args:
            quota: the limits.
            holdings: what is there.
        """
        self._quota = quota
        self._holdings = holdings
        self._left = _left(quota.size_most, _sum(holdings))
        self._left_of: dict[int, float] = {}

    def take(self, account_id: int, size_bytes: int) -> bool:
        """Take room for a file, if it fits. Returns whether it does; if not, nothing is taken.

        Args:
            account_id: whose file.
            size_bytes: its size.
        """
        left = self._left_of.get(account_id)
        if left is None:
            stored = self._holdings.get(account_id, FilesHeld()).size_bytes
            left = _left(self._quota.account_size_most, stored)
        if size_bytes > min(left, self._left):
            return False
        self._left_of[account_id] = left - size_bytes
        self._left -= size_bytes
        return True


def _left(most: int | None, stored: int) -> float:
    return inf if most is None else most - stored


def _sum(holdings: Holdings) -> int:
    return sum(holding.size_bytes for holding in holdings.values())
