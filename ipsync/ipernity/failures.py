"""ipernity's error codes, sorted by what a job does next (F10, F18, F19, F20).

A code that is not known here is "later", never a removal. The words are ours: nothing of what ipernity wrote becomes
part of a failure, since it may hold a member's text (F35).
"""

from ipsync.ports.source import (
    AccountClosed,
    FrobUnused,
    Gone,
    GrantLost,
    KeyRefused,
    Later,
    Malformed,
    QuotaReached,
    Refused,
    SourceFailure,
)

QUOTA_CODES = (112, 113)

_OWN: dict[tuple[str, int], tuple[type[SourceFailure], str]] = {
    ("doc.get", 1): (Gone, "the document does not exist, or may not be seen"),
    **{
        (method, 1): (Gone, "the entry does not exist, or may not be seen")
        for method in ("album.get", "folder.get", "post.get", "album.docs.getList", "folder.albums.getList")
    },
    ("auth.getToken", 1): (FrobUnused, "the authorization was not confirmed yet, or was used before"),
    ("auth.getToken", 2): (FrobUnused, "the authorization was not confirmed yet, or was used before"),
}

_COMMON: dict[int, tuple[type[SourceFailure], str]] = {
    100: (KeyRefused, "ipernity says the API key is missing"),
    101: (KeyRefused, "ipernity does not accept the API key"),
    104: (KeyRefused, "ipernity says the signature is missing"),
    105: (KeyRefused, "ipernity does not accept the signature; check the API secret"),
    106: (GrantLost, "ipernity says the token is missing"),
    107: (GrantLost, "the member has revoked the token"),
    108: (AccountClosed, "the account is closed or suspended"),
    109: (Refused, "the member has blocked the application's user"),
    110: (Refused, "the member has not granted this permission"),
    111: (KeyRefused, "ipernity does not accept calls from this machine's address"),
    112: (QuotaReached, "the application's quota of requests is used up"),
    113: (QuotaReached, "this machine's address has reached its rate limit"),
    500: (Later, "ipernity reports an error of its own"),
    501: (Later, "ipernity is being maintained"),
    503: (Later, "ipernity is not available"),
}

_NOT_UNDERSTOOD = frozenset((102, 103, 120, 121, 122, *range(130, 136)))

OUTCOMES: dict[type[SourceFailure], str] = {
    Gone: "gone",
    Refused: "refused",
    GrantLost: "grant-lost",
    AccountClosed: "account-closed",
    KeyRefused: "key-refused",
    QuotaReached: "quota",
    Later: "later",
    Malformed: "malformed",
    FrobUnused: "frob-unused",
}
"""The word for each kind of failure, for metrics; an answer is `ok`."""

ANSWERS = (Gone, Refused, GrantLost, AccountClosed, KeyRefused, FrobUnused)
"""Failures that are ipernity's considered word: whoever says them does not refuse to talk."""


def failure_of(method: str, code: int) -> SourceFailure:
    """What an error `code` of a `method` means to whoever asked."""
    kind, reason = _OWN.get((method, code)) or _COMMON.get(code) or (Later, "an error that we do not know")
    if code in _NOT_UNDERSTOOD:
        kind, reason = Malformed, "ipernity did not understand the call"
    return kind(method, reason, code)
