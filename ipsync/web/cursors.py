"""Where a reader of many pages goes on: opaque, bound to the question it came from, and not to be forged."""

import base64
import binascii
import hashlib
import hmac
import struct

from ipsync.policy.changes import Place
from ipsync.web.failures import WebFailure, bad_request

_LAYOUT = struct.Struct(">Bqq")
_VERSION = 1
_CHANGE_LAYOUT = struct.Struct(">Bqqq")
_CHANGE_VERSION = 2
_SEAL_BYTES = 12


class Cursors:
    """Writes and reads cursors, sealed with a key of this installation."""

    def __init__(self, secret: str) -> None:
        """Derive the key from `secret`, so that cursors outlive a restart."""
        self._key = hashlib.sha256(b"ipsync cursor\0" + secret.encode("utf-8", "surrogateescape")).digest()

    def write(self, document_id: int, account_id: int | None) -> str:
        """Give the cursor that goes on after `document_id`, among the documents of `account_id` or of all."""
        place = _LAYOUT.pack(_VERSION, document_id, -1 if account_id is None else account_id)
        return base64.urlsafe_b64encode(place + self._seal(place)).decode().rstrip("=")

    def read(self, text: str, account_id: int | None) -> int:
        """Give the document id to go on after.

        Raises:
            WebFailure: 400, it is not one of ours, or belongs to another question.
        """
        place = self._open(text, _LAYOUT.size)
        version, document_id, owner = _LAYOUT.unpack(place)
        if version != _VERSION or owner != (-1 if account_id is None else account_id):
            raise _refused()
        return int(document_id)

    def write_place(self, place: Place) -> str:
        """Give the cursor that goes on after a change."""
        raw = _CHANGE_LAYOUT.pack(_CHANGE_VERSION, place.sequence, place.document_id, place.at)
        return base64.urlsafe_b64encode(raw + self._seal(raw)).decode().rstrip("=")

    def read_place(self, text: str) -> Place:
        """Give the change to go on after.

        Raises:
            WebFailure: 400, it is not one of ours, or belongs to another question.
        """
        version, sequence, document_id, at = _CHANGE_LAYOUT.unpack(self._open(text, _CHANGE_LAYOUT.size))
        if version != _CHANGE_VERSION:
            raise _refused()
        return Place(sequence, document_id, at)

    def _open(self, text: str, size_bytes: int) -> bytes:
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _refused() from None
        place, seal = raw[:size_bytes], raw[size_bytes:]
        if len(raw) != size_bytes + _SEAL_BYTES or not hmac.compare_digest(seal, self._seal(place)):
            raise _refused()
        return place

    def _seal(self, place: bytes) -> bytes:
        return hmac.digest(self._key, place, "sha256")[:_SEAL_BYTES]


def _refused() -> WebFailure:
    return bad_request("bad-cursor", "This cursor is not one of ours, or belongs to another question; begin anew.")
