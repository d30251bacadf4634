"""Hands for the simulator's tests: a clock to move, a signer of calls, a reader of forms."""

from html.parser import HTMLParser
from typing import Any

from ipsync.simulator import World, sign
from ipsync.simulator.methods.uploads import SentFile

NOON = 1_700_000_000_000_000


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)


class Hand:
    """Calls a world as its application does, signed."""

    def __init__(self, world: World, token: str = "") -> None:
        self.world = world
        self.token = token

    def signed(self, method: str, /, **params: Any) -> dict[str, str]:
        full = {name: str(value) for name, value in params.items()}
        full["api_key"] = self.world.api_key
        if self.token:
            full["auth_token"] = self.token
        full["api_sig"] = sign(full, self.world.secret, method)
        return full

    def call(self, method: str, /, *, file: SentFile | None = None, **params: Any) -> dict[str, Any]:
        """Return the whole answer, errors included."""
        return self.world.call(method, self.signed(method, **params), file=file)

    def ok(self, method: str, /, *, file: SentFile | None = None, **params: Any) -> dict[str, Any]:
        """Return an answer that must be good."""
        answer = self.call(method, file=file, **params)
        assert answer["api"]["status"] == "ok", answer
        return answer

    def error(self, method: str, /, **params: Any) -> int:
        """Return the code of an answer that must be an error."""
        answer = self.call(method, **params)
        assert answer["api"]["status"] == "error", answer
        return int(answer["api"]["code"])

    def listed(self, **params: Any) -> list[str]:
        """Return the ids on one page of a listing."""
        return [one["doc_id"] for one in self.ok("doc.getList", **params)["docs"].get("doc", [])]


class FormReader(HTMLParser):
    """Reads the form `fa` and the word of success, and all forms."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.actions: dict[str, str] = {}
        self.classes: list[str] = []
        self.tags: list[str] = []
        self._form = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag == "form":
            self._form = values["name"]
            self.forms[self._form] = {}
            self.actions[self._form] = values["action"]
            assert values["method"].lower() == "post"
        elif tag == "input" and values.get("type") == "hidden":
            self.forms[self._form][values["name"]] = values["value"]
        elif tag == "div":
            self.classes.append(values.get("class", ""))
