"""How a call or an authorization link is signed.

The signature is the MD5 of every parameter but `api_sig` and `file`, sorted by name, each name followed by its
value, then the method's name (nothing for a link), then the application's secret.
"""

import hashlib
import hmac
from collections.abc import Mapping

UNSIGNED = frozenset({"api_sig", "file"})


def sign(params: Mapping[str, str], secret: str, method: str = "") -> str:
    """Return the signature of `params` as 32 lower-case hexadecimal digits.

    Args:
        params: the decoded parameters, names to values.
        secret: the application's secret.
        method: the method called; empty for an authorization link.
    """
    text = "".join([f"{name}{params[name]}" for name in sorted(params) if name not in UNSIGNED])
    return hashlib.md5(f"{text}{method}{secret}".encode(), usedforsecurity=False).hexdigest()


def is_signed(params: Mapping[str, str], secret: str, method: str = "") -> bool:
    """Tell whether `params` carry the right `api_sig`."""
    given = params.get("api_sig", "").encode()
    return hmac.compare_digest(given, sign(params, secret, method).encode())
