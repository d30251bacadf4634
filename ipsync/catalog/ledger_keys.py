"""The keys of the ledger, derived from `state_key`: who signs its heads, and how it names ids without telling them.

A copy of the database alone can neither sign a head nor find out which documents the entries are about.
"""

import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ipsync.policy.instants import Instant
from ipsync.policy.ledger import LedgerHead, digest_of, head_message


class LedgerKeys:
    """Signs and names under one `state_key`."""

    def __init__(self, state_key: bytes) -> None:
        """Derive the keys."""
        self._signer = Ed25519PrivateKey.from_private_bytes(_derive(state_key, b"ipsync ledger signing"))
        self._naming = _derive(state_key, b"ipsync ledger naming")
        self.public = self._signer.public_key().public_bytes_raw().hex()

    def opening(self, kind: str, number: int) -> bytes:
        """What belongs to one id alone and shows that a digest is its own, 32 bytes."""
        return hmac.digest(self._naming, f"{kind} {number}".encode("ascii"), "sha256")

    def digest(self, kind: str, number: int) -> bytes:
        """The digest by which entries name an id, 32 bytes."""
        return digest_of(kind, number, self.opening(kind, number))

    def sign(self, sequence: int, at: Instant, hash_hex: str) -> LedgerHead:
        """Sign the ledger as it stands."""
        signature = self._signer.sign(head_message(sequence, at, hash_hex))
        return LedgerHead(sequence, at, hash_hex, self.public, signature.hex())


def is_signed(head: LedgerHead) -> bool:
    """Whether a head's signature is that of the key it names. Whose key that is, the reader must know."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head.key))
        key.verify(bytes.fromhex(head.signature), head_message(head.sequence, head.at, head.hash))
    except (InvalidSignature, ValueError):
        return False
    return True


def _derive(state_key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(state_key)
