"""What every answer carries, whatever it holds (F33, F37): nothing is guessed, framed, or kept by default."""

from collections.abc import MutableMapping

SERVER = "ipsync"
NO_STORE = "private, no-store"
CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_DEFAULTS = (
    ("Cache-Control", NO_STORE),
    ("Content-Security-Policy", CONTENT_POLICY),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)


def protect(headers: MutableMapping[str, str]) -> None:
    """Add what `headers` does not say itself."""
    # aiohttp has named itself and its version here already: nobody's business.
    headers["Server"] = SERVER
    for name, value in _DEFAULTS:
        if name not in headers:
            headers[name] = value
