"""The parameters of one call, read with the errors the API gives for bad ones."""

from collections.abc import Collection, Mapping

from ipsync.simulator.errors import bad_parameter

PER_PAGE_MAX = 100
_TRUE = frozenset({"1", "true", "yes", "on"})


class Params:
    """Typed reading of a call's parameters; every method raises `ApiError` 2 for a value it can't use."""

    __slots__ = ("raw",)

    def __init__(self, raw: Mapping[str, str]) -> None:
        self.raw = raw

    def __contains__(self, name: str) -> bool:
        return name in self.raw

    def text(self, name: str, default: str = "") -> str:
        """Return the value as it came."""
        return self.raw.get(name, default)

    def required(self, name: str) -> str:
        """Return a value that must be there and not be empty."""
        value = self.raw.get(name, "")
        if not value:
            raise bad_parameter(name)
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a decimal number; `default` if it was not sent (None: it must be)."""
        value = self.raw.get(name, "")
        if not value and default is not None:
            return default
        return _number(name, self.required(name))

    def number(self, name: str, low: float, high: float) -> float:
        """Return a decimal fraction between two bounds."""
        try:
            value = float(self.required(name))
        except ValueError:
            raise bad_parameter(name, "not a number") from None
        if not low <= value <= high:
            raise bad_parameter(name, f"not between {low} and {high}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """Return whether `1` was sent (or `default` if nothing was)."""
        value = self.raw.get(name, "")
        return value.lower() in _TRUE if value else default

    def choice(self, name: str, allowed: Collection[int], default: int | None = None) -> int:
        """Return a number that is one of `allowed`."""
        value = self.integer(name, default)
        if value not in allowed and name in self.raw:
            raise bad_parameter(name, "not one of the allowed values")
        return value

    def names(self, name: str) -> list[str]:
        """Return a comma-separated list without its blanks."""
        value = self.raw.get(name, "")
        return [part for part in (piece.strip() for piece in value.split(",")) if part] if value else []

    def ids(self, name: str, most: int = 0) -> list[int]:
        """Return a comma-separated list of ids, at least one; more than `most` (if given) is an error."""
        self.required(name)
        found = [_number(name, part) for part in self.names(name)]
        if most and len(found) > most:
            raise bad_parameter(name, f"more than {most}")
        return found

    def page(self) -> int:
        """Return which page is asked for, from 1."""
        return max(1, self.integer("page", 1))

    def per_page(self, default: int = 20) -> int:
        """Return how many things a page holds; what is more than the maximum becomes the maximum."""
        return min(PER_PAGE_MAX, max(1, self.integer("per_page", default)))


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise bad_parameter(name, "not a number")
    return int(value)
