"""What a request can be told instead of an answer: a status, a fixed code, a sentence without content."""

from collections.abc import Mapping

from aiohttp import web


class WebFailure(Exception):
    """An answer that is not what was asked for.

    Attributes:
        status: of HTTP.
        code: a fixed word for programs.
        message: a sentence for people; never anything the request or a member said.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        super().__init__(f"{status} {code}")


def not_found() -> WebFailure:
    """The one answer for what is hidden, never known, or not a path of ours: they look the same."""
    return WebFailure(404, "not-found", "There is nothing here.")


def gone() -> WebFailure:
    """What was shown once and is erased for good; of it only the number is left."""
    return WebFailure(410, "gone", "This was erased here. Take it away now.")


def bad_request(code: str, message: str) -> WebFailure:
    """The request itself is wrong; the message says how to mend it."""
    return WebFailure(400, code, message)


def unavailable() -> WebFailure:
    """Something of ours cannot answer now."""
    return WebFailure(503, "unavailable", "This cannot be answered now; try again later.", {"Retry-After": "5"})


_OF_STATUS = {
    400: ("bad-request", "The request is not well formed."),
    404: ("not-found", "There is nothing here."),
    405: ("method-not-allowed", "That cannot be done here."),
    413: ("too-large", "The request is too large."),
    417: ("expectation-failed", "That expectation cannot be met."),
}


def from_http(raised: web.HTTPException) -> WebFailure:
    """Put what aiohttp raised into our words."""
    code, message = _OF_STATUS.get(raised.status, ("refused", "The request cannot be answered."))
    kept = {"Allow": raised.headers["Allow"]} if "Allow" in raised.headers else {}
    return WebFailure(raised.status, code, message, kept)
