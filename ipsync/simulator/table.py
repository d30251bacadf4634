"""What each of the API's methods asks of a call: the facts of `table.json`, read once.

The table names every method the service lists, those that the simulator does not answer included.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LEVELS = ("none", "read", "write", "delete")
"""What a member can grant, each including those before."""

REALMS: dict[str, tuple[str, ...]] = {
    "doc": LEVELS,
    "blog": LEVELS,
    "post": LEVELS,
    "network": LEVELS,
    "profile": LEVELS[:3],
}
"""What permissions are about, and what can be granted there."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One documented parameter of a method."""

    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class Method:
    """How a method must be called.

    Args:
        name: as `doc.getList`.
        title: what it is for, in a few words.
        post: whether it must be called by POST.
        sign: whether it must be signed.
        token: whether it needs a member's token.
        permissions: realm to the level the token must grant.
        parameters: the documented ones; None where only the method's existence is known.
    """

    name: str
    title: str
    post: bool
    sign: bool
    token: bool
    permissions: dict[str, str]
    parameters: tuple[Parameter, ...] | None

    @property
    def service(self) -> str:
        """The first part of the name, as `doc`."""
        return self.name.partition(".")[0]


def _read(name: str, facts: dict[str, Any]) -> Method:
    needs = facts["needs"]
    known = facts["parameters"]
    parameters = known and tuple(Parameter(key, bool(value.get("required"))) for key, value in known.items())
    return Method(
        name=name,
        title=facts["title"],
        post="post" in needs,
        sign="sign" in needs,
        token="token" in needs,
        permissions=facts["permissions"],
        parameters=None if known is None else tuple(parameters or ()),
    )


@cache
def methods() -> dict[str, Method]:
    """Return every method by its name, in alphabetical order."""
    text = files("ipsync.simulator").joinpath("table.json").read_text(encoding="utf-8")
    return {name: _read(name, facts) for name, facts in json.loads(text).items()}
