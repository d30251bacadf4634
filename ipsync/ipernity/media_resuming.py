"""Taking a cut download up again without ever joining halves of two different files.

What was received may be continued only if the host proves that it still has the same file: by the
validator it gave with the first half (`If-Range`), and by a range that begins exactly where we stopped.
Without such proof the download begins again. Remembered in memory only; a restart discards all halves.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_REMEMBERED = 4096
_SURE_AFTER_SECONDS = 60
_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})", re.ASCII)
_ETAG = re.compile(r'"[!#-~]{0,200}"', re.ASCII)


@dataclass(frozen=True, slots=True)
class Half:
    """What is known of a download that was cut.

    Attributes:
        received_bytes: how much was written.
        validator: what to send as `If-Range`.
        content_type: as judged by the first bytes.
    """

    received_bytes: int
    validator: str
    content_type: str


class Halves:
    """The cut downloads of this process, by a digest of their address (the address holds a secret)."""

    def __init__(self) -> None:
        """Begin with none."""
        self._halves: OrderedDict[bytes, Half] = OrderedDict()

    def take(self, address: str, received_bytes: int) -> Half | None:
        """Give what is known of a half, once, if it is the one of `received_bytes`; else None."""
        half = self._halves.pop(_digest(address), None)
        return half if half is not None and half.received_bytes == received_bytes else None

    def keep(self, address: str, half: Half) -> None:
        """Remember a half; the oldest is forgotten when there are too many."""
        self._halves[_digest(address)] = half
        while len(self._halves) > _REMEMBERED:
            self._halves.popitem(last=False)


def validator_of(headers: Mapping[str, str]) -> str | None:
    """What can prove later that the file is still the same, or None.

    A strong entity tag can; a date of change only if it lay well before the answer (RFC 9110, 8.8.2.2).

    Args:
        headers: of the answer that brought the first half.
    """
    etag = headers.get("ETag", "")
    if _ETAG.fullmatch(etag):
        return etag
    changed = headers.get("Last-Modified", "")
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(changed)
    except (ValueError, TypeError, OverflowError):
        return None
    return changed if age.total_seconds() >= _SURE_AFTER_SECONDS else None


def rest_of(half: Half, headers: Mapping[str, str]) -> int | None:
    """The size of the whole file by a 206 answer, or None if that is not the rest of this half.

    Args:
        half: what we have; the rest must begin where it stops and reach to the end.
        headers: of the answer.
    """
    match = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if match is None:
        return None
    first, last, total = (int(number) for number in match.groups())
    name = "ETag" if half.validator.startswith('"') else "Last-Modified"
    is_same = headers.get(name, half.validator) == half.validator
    return total if is_same and first == half.received_bytes and first <= last == total - 1 else None


def _digest(address: str) -> bytes:
    return hashlib.sha256(address.encode("utf-8", "surrogatepass")).digest()
