"""What every answer carries, whatever it holds (F33, F37): nothing is guessed, framed, or kept by default."""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

SERVER = "ipsync"
NO_STORE = "private, no-store"
CONTENT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""`base-uri` and `form-action` do not follow from `default-src`."""

YEAR_OF_HTTPS = "max-age=31536000"


_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a page loads or does beyond showing words; everything else is forbidden to it.

    Attributes:
        forms: it holds forms that are sent to us.
        leads_to: other sites where a form of it may end by our redirection, e.g. ipernity's own page.
        images: it shows pictures of ours.
        scripts: it runs scripts of ours from `/static`, and listens to us.
    """

    forms: bool = False
    leads_to: tuple[str, ...] = ()
    images: bool = False
    scripts: bool = False


def page_policy(needs: Needs) -> str:
    """Write the content security policy of a page: nothing inline, nothing from elsewhere."""
    rules = ["default-src 'none'", "style-src 'self'"]
    rules += ["img-src 'self'"] if needs.images else []
    rules += ["script-src 'self'", "connect-src 'self'"] if needs.scripts else []
    actions = " ".join(("'self'", *needs.leads_to)) if needs.forms else "'none'"
    rules += ["base-uri 'none'", f"form-action {actions}", "frame-ancestors 'none'"]
    return "; ".join(rules)


_DEFAULTS = (
    ("Cache-Control", NO_STORE),
    ("Content-Security-Policy", CONTENT_POLICY),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)


def protect(headers: MutableMapping[str, str], *, is_encrypted: bool = False) -> None:
    """Add what `headers` does not say itself.

    Args:
        headers: of an answer.
        is_encrypted: whether members reach us by https; then browsers are told to come no other way.
    """
    # aiohttp has named itself and its version here already: nobody's business.
    headers["Server"] = SERVER
    if is_encrypted:
        headers["Strict-Transport-Security"] = YEAR_OF_HTTPS
    for name, value in _DEFAULTS:
        if name not in headers:
            headers[name] = value


def head_of(status: str, headers: Mapping[str, str]) -> bytes:
    """Write the head of an answer (RFC 9112 §2), but the empty line at its end.

    Args:
        status: number and phrase.
        headers: of the answer.

    Raises:
        ValueError: a header holds a control character, and would become two.
    """
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    if any(_CONTROLS.search(line) for line in lines):
        raise ValueError("a header holds a control character")
    return "".join(f"{line}\r\n" for line in lines).encode()
