"""Every case of ranges and conditions, put to a real nginx in front of the real server."""

import contextlib
import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from benchmarks.nginx import fronted
from ipsync.web import Accel
from tests.api.serving import CASED, CONTENT, reachable
from tests.web.media_cases import CASES, Case

_PUBLIC = "https://mirror.example.org"


def misanswered(folder: Path) -> list[str]:
    """Put every case of ranges and conditions to nginx in front of the real server; gives what was answered wrongly."""
    wrong: list[str] = []
    accel = Accel("X-Accel-Redirect", "/_content/")
    with (
        reachable(folder, accel=accel, public_url=_PUBLIC) as api,
        fronted(folder, api.address, folder / "content") as address,
    ):
        front = Front(address, api.token)
        first = front.ask("GET", {})
        tag = first.headers["ETag"]
        for case in CASES:
            headers = {name: value.replace("TAG", tag) for name, value in case.headers.items()}
            answer = front.ask(case.method, headers)
            wrong += [f"{case.name}: {words}" for words in _wrong(case, answer, tag)]
        wrong += [
            f"{path} is open"
            for path in ("/_content/9/6000/240", "/_content/../ipsync.db", "/_content/")
            if front.ask("GET", {}, path).status not in (400, 404)
        ]
        # Whoever says another address each time is still one visitor: sixty pages a minute, and no more.
        claimed = [{"Host": "mirror.example.org", "X-Forwarded-For": f"192.0.2.{number}"} for number in range(61)]
        told = [front.ask("GET", headers, f"/removals/{'A' * 32}").status for headers in claimed]
        wrong += [] if told[-1] == 429 else [f"a forged address is believed: {told[-1]}"]
        unknown = Front(address, "nobody").ask("GET", {})
        wrong += [] if unknown.status == 401 else [f"without a token: {unknown.status}"]
    return wrong


def _wrong(case: Case, answer: "Told", tag: str) -> Iterator[str]:
    if case.alone and answer.status in (200, 206, 416):
        return  # a server in front answers these in its own right way
    if answer.status != case.status:
        yield f"{answer.status} instead of {case.status}"
    if case.status == 206 and case.part is not None and answer.body != CONTENT[case.part[0] : case.part[1] + 1]:
        yield "another part"
    if case.status == 200 and case.method == "GET" and answer.body != CONTENT:
        yield "not the whole file"
    if case.status in (200, 206, 304):
        for name, told in (("ETag", tag), ("Cache-Control", "private, max-age=300")):
            if answer.headers.get(name) != told:
                yield f"{name} is {answer.headers.get(name)}"
        if 'rel="license"' not in (answer.headers.get("Link") or ""):
            yield "no license"
    if "X-Accel-Redirect" in answer.headers:
        yield "the inner path got out"


@dataclass(frozen=True, slots=True)
class Told:
    """One answer."""

    status: int
    headers: Message
    body: bytes


class Front:
    """A reader of the cases' file."""

    def __init__(self, address: str, token: str) -> None:
        self._host = address.removeprefix("http://")
        self._token = token

    def ask(self, method: str, headers: Mapping[str, str], path: str = f"/media/{CASED}/240") -> Told:
        """Ask once."""
        with contextlib.closing(http.client.HTTPConnection(self._host, timeout=10)) as connection:
            connection.request(method, path, headers={"Authorization": f"Bearer {self._token}", **headers})
            answer = connection.getresponse()
            return Told(answer.status, answer.headers, answer.read())
