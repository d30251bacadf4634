"""Tokens at rest: sealed with AES-256-GCM, recognized by a keyed digest (T05).

Both keys are derived from `state_key`, which lives outside the database, so that a copy of the
database alone opens nothing. Nothing here is ever written to a message.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ipsync.catalog.ledger_keys import LedgerKeys
from ipsync.ports.catalog import CatalogCorrupt, StateKeyWrong

_VERSION = b"\x01"
_NONCE_BYTES = 12
_WRONG_KEY = (
    "the database was made with another state_key: give back the former state_key, "
    "or begin a new database and have the members authorize again"
)


class Sealing:
    """Seals, opens and fingerprints tokens under one `state_key`."""

    def __init__(self, state_key: bytes) -> None:
        """Derive the keys.

        Raises:
            ValueError: `state_key` is empty.
        """
        if not state_key:
            raise ValueError("state_key is empty")
        self._cipher = AESGCM(_derive(state_key, b"ipsync token sealing"))
        self._digest_key = _derive(state_key, b"ipsync token fingerprint")
        self._read_token_key = _derive(state_key, b"ipsync read token")
        self.ledger = LedgerKeys(state_key)
        self._proof = _derive(state_key, b"ipsync state_key proof").hex()

    def seal(self, account_id: int, token: str) -> bytes:
        """Seal a token so that it opens for this account only."""
        return self.seal_text(_bound_to(account_id), token)

    def open(self, account_id: int, sealed: bytes) -> str:
        """Open what `seal` made.

        Raises:
            CatalogCorrupt: it was sealed under another key, for another account, or was altered.
        """
        return self.open_text(_bound_to(account_id), sealed)

    def seal_text(self, purpose: bytes, text: str) -> bytes:
        """Seal a text so that it opens for this purpose only."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), purpose)

    def open_text(self, purpose: bytes, sealed: bytes) -> str:
        """Open what `seal_text` made.

        Raises:
            CatalogCorrupt: it was sealed under another key, for another purpose, or was altered.
        """
        nonce, box = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _VERSION or len(nonce) < _NONCE_BYTES:
            raise CatalogCorrupt(_WRONG_KEY)
        try:
            return self._cipher.decrypt(nonce, box, purpose).decode()
        except (InvalidTag, UnicodeDecodeError) as error:
            raise CatalogCorrupt(_WRONG_KEY) from error

    def fingerprint(self, token: str) -> str:
        """A keyed digest of a token, 32 hex digits: recognizes it, and does not help to find it out."""
        return hmac.new(self._digest_key, token.encode(), hashlib.sha256).hexdigest()[:32]

    def read_token_digest(self, text: str) -> bytes:
        """A keyed digest by which a read token is recognized, 32 bytes; nobody finds one out from it, or from time."""
        return hmac.digest(self._read_token_key, text.encode("utf-8", "surrogateescape"), "sha256")

    @property
    def proof(self) -> str:
        """A word by which the same `state_key` is recognized later; says nothing of the key."""
        return self._proof

    def check(self, proof: str) -> None:
        """Compare with the word an earlier opening left.

        Raises:
            StateKeyWrong: it was another `state_key`.
        """
        if not hmac.compare_digest(proof.encode(), self._proof.encode()):
            raise StateKeyWrong(_WRONG_KEY)


def _derive(state_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(state_key)


def _bound_to(account_id: int) -> bytes:
    return b"ipsync account %d" % account_id
