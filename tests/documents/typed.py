"""Every command line that README, tutorial and how-to have the reader type, and how a test runs it.

`HERE` runs in the tests' own process on a stocked mirror (make test), `PROCESS` in a shell beside a running daemon
(make ops PARTS=docs, which runs the first kind too), `STORY` as part of the tutorial's story there. What can be run
in none of these ways says why.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.documents.reading import documents, name_of
from tests.fakes.site import SiteMirror

_FENCE = re.compile(r"^( *)```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_PLACES = ("README.md", "docs/tutorial/", "docs/how-to/")


class Run(StrEnum):
    """How a command line is run."""

    HERE = "here"
    PROCESS = "process"
    STORY = "story"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Line:
    """A command line that a document shows, its comment left out."""

    document: str
    text: str


@dataclass(frozen=True, slots=True)
class How:
    """How the lines that begin like `pattern` are run.

    Attributes:
        pattern: a regular expression, from the beginning of the line.
        codes: how it may end, where it is run.
        reason: why it is not run here; a test that it names exists.
        document: only in documents whose name begins so.
        seconds: what runs on is ended after so long.
    """

    pattern: str
    run: Run
    codes: tuple[int, ...] = (0,)
    reason: str = ""
    document: str = ""
    seconds: int = 0


_PERSON = "a person answers at ipernity's page: the tutorial's story does it"
_MACHINE = "changes the machine's own services or packages; tests/documents/test_reaper_units.py reads the units"
_INSTALL = "installs from a package index: make ops PARTS=packages installs the wheel"
_FRONT = "needs a front server with a name: tests/web/test_sending.py plays nginx"

HOW = (
    How(r"make demo$", Run.ELSEWHERE, reason="make ops PARTS=packages runs the demo out of the wheel"),
    How(r"make test$", Run.ELSEWHERE, reason="it runs this"),
    How("", Run.STORY, document="docs/tutorial/first-mirror.md"),
    How(r"ipsync init", Run.ELSEWHERE, reason="asks questions: tests/cli/test_init.py answers them at a terminal"),
    How(r"ipsync account (add|list|remove)", Run.ELSEWHERE, reason=_PERSON, document="README.md"),
    How(r"ipsync account add", Run.ELSEWHERE, reason=_PERSON),
    How(r"ipsync db upgrade", Run.HERE),
    How(r"ipsync --version", Run.HERE),
    How(r"ipsync run", Run.PROCESS, seconds=15),
    How(r"ipsync config check --running", Run.PROCESS),
    How(r"ipsync config check", Run.HERE),
    How(r"(sudo )?(systemctl|journalctl|adduser|apt-get|ln -s|systemd-analyze)", Run.ELSEWHERE, reason=_MACHINE),
    How(r"python3 -m venv /opt|/opt/ipsync/bin/pip", Run.ELSEWHERE, reason=_INSTALL),
    How(r"make deb$|dpkg |ipsync-as-service ", Run.ELSEWHERE, reason="make ops PARTS=debian does it in a container"),
    How(r"ipsync assets install", Run.HERE),
    How(r"curl .*https://mirror\.example\.org", Run.ELSEWHERE, reason=_FRONT),
    How(r"ipsync (status|reap) ?--(watch)", Run.PROCESS, seconds=8),
    How(r"ipsync status", Run.HERE),
    How(r"ipsync reap --dry-run", Run.HERE),
    How(r"ipsync plan", Run.HERE),
    How(r"ipsync sync", Run.HERE),
    How(r"ipsync (audit|report)", Run.PROCESS),
    How(r"ipsync ledger verify --heads /mnt", Run.PROCESS),
    How(r"ipsync ledger verify ledger\.jsonl", Run.PROCESS),
    How(r"ipsync ledger prove", Run.PROCESS, codes=(0, 3)),
    How(r"ipsync ledger (verify|export)", Run.HERE),
    How(r"python verify_ledger\.py", Run.PROCESS),
    How(r"mv ipsync\.db-heads", Run.PROCESS),
    How(r"ipsync drill --dry-run", Run.HERE),
    How(r"ipsync drill", Run.PROCESS),
    How(r"ipsync backup", Run.HERE),
    How(r"ipsync restore", Run.HERE),
    How(r"ipsync leave", Run.HERE),
    How(r"ipsync removal queue", Run.HERE),
    How(
        r"ipsync removal (grant|decline)", Run.ELSEWHERE, reason="needs a petition: tests/cli/test_petitions.py has one"
    ),
    How(r"ipsync removal", Run.HERE),
    How(r"ipsync incidents list", Run.HERE, codes=(0, 3)),
    How(r"ipsync incidents show", Run.ELSEWHERE, reason="needs an incident: tests/cli/test_incidents.py has one"),
    How(r"ipsync notify test", Run.ELSEWHERE, reason="needs a mail server: tests/cli/test_incidents.py has listeners"),
    How(r"echo \"whsec_", Run.PROCESS),
    How(r"ipsync webhook (add|test)", Run.ELSEWHERE, reason="needs a receiver: tests/cli/test_webhook.py has one"),
    How(r"ipsync webhook list", Run.HERE),
    How(r"ipsync (token create|documents)", Run.HERE),
    How(r"ipsync (albums|folders|articles|profiles)", Run.ELSEWHERE, reason="tests/cli/test_entries.py mirrors some"),
    How(r"curl .*v1/albums", Run.ELSEWHERE, reason="tests/web/test_entries.py mirrors some"),
    How(r"export (URL|TOKEN)=", Run.ELSEWHERE, reason="the reader's own address and token; the test has its own"),
    How(r"curl -sN", Run.PROCESS, seconds=3),
    How(r"ipsync simulator", Run.PROCESS, seconds=6),
    How(r"curl ", Run.PROCESS),
    How(r"podman", Run.ELSEWHERE, reason="needs an image: make ops PARTS=container builds and runs it"),
)


def lines() -> list[Line]:
    """Every command line of every shell block of these documents, in their order."""
    found = []
    for path in documents():
        name = name_of(path)
        if name.startswith(_PLACES):
            found += [Line(name, text) for text in _lines_of(path)]
    return found


def how(line: Line) -> How | None:
    """The first way that fits; None where nobody thought of it."""
    for way in HOW:
        if line.document.startswith(way.document) and re.match(way.pattern, plain(line.text)):
            return way
    return None


def plain(text: str) -> str:
    """A command of ours as if it lay on the path."""
    return re.sub(r"(?<!\S)(?:/opt/ipsync/bin|\.venv/bin)/ipsync", "ipsync", text)


def substituted(text: str, actual: dict[str, str]) -> str:
    """A line as it is typed here: what stands for the reader's own numbers and places replaced."""
    text = plain(text)
    for word, value in actual.items():
        text = text.replace(word, value)
    return text


def answered(text: str) -> str:
    """The line with the yes that a person would give when asked."""
    asks = re.match(r"ipsync (removal add|leave(?! --return))", text)
    return f"{text} --yes" if asks and "--dry-run" not in text else text


def actual_of(mirror: SiteMirror, folder: Path) -> dict[str, str]:
    """What the reader's own numbers and places are here."""
    first, *_, last = sorted(mirror.site.permitted(0), key=int)
    return {
        "41234567": first,
        "1001": last,
        "show 12": "show 1",
        "withdraw 12": "withdraw 1",
        "31337": str(mirror.site.members[0].user_id),
        "/var/backups": str(folder),
        "/usr/local": str(folder / "usr"),
    }


def _lines_of(path: Path) -> list[str]:
    found = []
    for block in _FENCE.finditer(path.read_text(encoding="utf-8")):
        joined = re.sub(r"\\\n\s*", "", block[2])
        stripped = (re.sub(r"\s+# .*$", "", line).strip() for line in joined.splitlines())
        found += [line for line in stripped if line and not line.startswith("#")]
    return found
