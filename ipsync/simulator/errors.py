"""What the API says when it refuses: one exception, the common codes and their sentences.

Codes 1 to 99 belong to each method; the codes here are common to all of them. A refusal is an ordinary answer
(HTTP 200), so nothing here knows about HTTP.
"""

MESSAGES: dict[int, str] = {
    100: "API key missing",
    101: "API key invalid or disabled",
    102: "Unknown response format",
    103: "Unknown method",
    104: "API signature missing",
    105: "API signature wrong",
    106: "Authentication token missing",
    107: "Authentication token invalid",
    108: "Account closed or suspended",
    109: "You were blocked by this member or group",
    110: "Permission not granted",
    111: "Remote address not allowed",
    112: "Request quota of the application reached",
    113: "Rate limit of this address reached",
    120: "This method must be called by POST",
    121: "Invalid SOAP envelope",
    122: "Invalid XML-RPC method call",
    130: "OAuth: invalid consumer",
    131: "OAuth: invalid token",
    132: "OAuth: invalid signature",
    133: "OAuth: invalid timestamp",
    134: "OAuth: invalid nonce",
    135: "OAuth: unsupported",
    500: "Service error",
    501: "The service is under maintenance",
    503: "Service unavailable",
}

NOT_FOUND = 1
"""A method's own code for a thing that does not exist or may not be seen: the two look the same."""

BAD_PARAMETER = 2
"""A method's own code for a parameter that is missing or makes no sense."""


class ApiError(Exception):
    """A refusal, as the API words it.

    Args:
        code: 1 to 99 are the method's own, the rest are in `MESSAGES`.
        message: what to say; the common sentence of the code if left out.
    """

    def __init__(self, code: int, message: str = "") -> None:
        self.code = code
        self.message = message or MESSAGES.get(code, f"Error {code}")
        super().__init__(f"{self.code}: {self.message}")


def not_found(what: str) -> ApiError:
    """Return error 1 for a thing (`"document"`, `"album"`) that is absent or hidden."""
    return ApiError(NOT_FOUND, f"The {what} was not found or may not be seen")


def bad_parameter(name: str, reason: str = "missing") -> ApiError:
    """Return error 2 for a parameter that cannot be used."""
    return ApiError(BAD_PARAMETER, f"Parameter {name}: {reason}")
