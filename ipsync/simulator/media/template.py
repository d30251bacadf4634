"""A file with a gap for the token of the document it belongs to."""

import hashlib
from collections.abc import Callable

TOKEN_LENGTH = 20
"""How many ASCII characters every token has: `tok-` and 16 hexadecimal digits."""


class Template:
    """The bytes before and after the token, and the digest of those before.

    Args:
        head: all bytes before the chunk that holds the token.
        tail: all bytes after it.
        wrap: makes the chunk, of the same length for every token.
    """

    __slots__ = ("_digest", "head", "size", "tail", "wrap")

    def __init__(self, head: bytes, tail: bytes, wrap: Callable[[bytes], bytes]) -> None:
        self.head = head
        self.tail = tail
        self.wrap = wrap
        self.size = len(head) + len(wrap(b"0" * TOKEN_LENGTH)) + len(tail)
        self._digest = hashlib.md5(head, usedforsecurity=False)

    def content(self, token: str) -> bytes:
        """Return the whole file of the document with this token."""
        return self.head + self.wrap(token.encode()) + self.tail

    def md5(self, token: str) -> bytes:
        """Return the MD5 of `content(token)`, 16 bytes, without building it."""
        digest = self._digest.copy()
        digest.update(self.wrap(token.encode()) + self.tail)
        return digest.digest()
