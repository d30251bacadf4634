"""How a call proves that it comes from the application: ipernity's MD5 signature.

MD5 is the service's choice, not ours; nothing else here relies on it. The secret goes in and never comes out.
"""

import hashlib
from collections.abc import Mapping
from urllib.parse import urlencode


def signature(params: Mapping[str, str], secret: str, method: str = "") -> str:
    """Sign a call, or with no `method` an address of the authorization page.

    Args:
        params: every parameter that is sent, by name, with its value not URL-encoded.
        secret: the application's.
        method: the API method.

    Returns:
        32 lower-case hex digits, to be sent as `api_sig`.
    """
    text = "".join([name + params[name] for name in sorted(params)])
    return hashlib.md5(f"{text}{method}{secret}".encode(), usedforsecurity=False).hexdigest()


def signed(params: Mapping[str, str], secret: str, method: str = "") -> dict[str, str]:
    """The same parameters with their `api_sig`."""
    return {**params, "api_sig": signature(params, secret, method)}


def signed_link(address: str, params: Mapping[str, str], secret: str) -> str:
    """An address with signed parameters, for a browser."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode(signed(params, secret))}"
