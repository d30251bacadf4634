"""ipsync installed into a machine from its Debian package, with a simulated ipernity on the machine's loopback."""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from tests.fakes.site import approve
from tests.ops.loopback import get, post
from tests.ops.machine import Machine, until

DOCUMENTS = 12
WINDOW_SECONDS = 120
"""The window of these mirrors; everything derives from it, as from 24 hours."""
CONFIGURATION = Path("etc/ipsync/ipsync.toml")
STATE = Path("var/lib/private/ipsync")
_SIMULATOR = "http://127.0.0.1:8700"
MORE = f"""
[budget]
per_second = 100
per_minute = 6000
per_hour = 360000
per_day = 8000000

[removal]
window = "{WINDOW_SECONDS}s"
"""


class Installed:
    """A machine with ipsync on it, as an operator would set it up."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.address = "http://127.0.0.1:8480"
        self._site: dict[str, Any] = {}

    def install(self, package: Path) -> None:
        """`dpkg -i`, which also checks what the package depends on."""
        shutil.copy(package, self.machine.root / "opt/ipsync.deb")
        self.machine.run("dpkg", "-i", "/opt/ipsync.deb")
        (self.machine.root / "opt/ipsync.deb").unlink()

    def begin_simulator(self) -> None:
        """Start an ipernity of our own on the machine's loopback."""
        self.machine.run(
            "systemd-run",
            "--unit=simulator",
            "--property=StandardOutput=file:/run/simulator.json",
            *("/usr/bin/ipsync", "simulator", "--listen", "127.0.0.1:8700", "--members", "2"),
            *("--documents", str(DOCUMENTS), "--seed", "1", "--control"),
        )
        self._site = json.loads(until(lambda: self.machine.ask("cat", "/run/simulator.json"), "the simulator is ready"))

    def configure(self) -> None:
        """`ipsync init`, as for a service; then a budget and a window that fit a short look."""
        self.machine.run(
            *("ipsync", "init", "--directory", "/etc/ipsync", "--yes", "--accept-terms", "--secrets-from-stdin"),
            *("--application", "Our wall", "--purpose", "Shows the photos of our members"),
            *("--contact", "webmaster@wall.museum", "--api-url", self._site["api_url"]),
            given=f"{self._site['api_key']}\n{self._site['secret']}\n",
        )
        self.write(self.text + MORE)

    @property
    def text(self) -> str:
        """The configuration."""
        return (self.machine.root / CONFIGURATION).read_text()

    def write(self, text: str) -> None:
        """Change the configuration."""
        (self.machine.root / CONFIGURATION).write_text(text)

    def take_in(self) -> None:
        """Have a member authorize the application, and wait until what they share is served."""
        page = "/run/authorize.json"
        self.machine.run(
            *("systemd-run", "--unit=take-in", f"--property=StandardOutput=file:{page}"),
            *("ipsync-as-service", "account", "add", "--json", "--timeout", "120"),
        )
        line = until(lambda: self.machine.ask("head", "-n", "1", page), "there is a link for the member")
        self.machine.loopback.call(approve, json.loads(line)["authorize_url"], self._site["members"][0]["cookie"])
        until(self.served, "what the member shares is served")

    def served(self) -> set[str]:
        """Ids of the documents that the daemon serves; none where it does not answer."""
        token = (self.machine.root / "etc/ipsync/secrets/admin_token").read_text().strip()
        with contextlib.suppress(OSError):
            page = self.machine.loopback.call(get, f"{self.address}/v1/documents?limit=50", token)
            return {entry["document_id"] for entry in json.loads(page)["documents"]}
        return set()

    def request(self, path: str) -> str:
        """What the daemon answers to everybody."""
        return self.machine.loopback.call(get, f"{self.address}{path}")

    def control(self, path: str, body: object, method: str = "POST") -> None:
        """Tell the simulator something."""
        self.machine.loopback.call(post, f"{_SIMULATOR}/_control/{path}", json.dumps(body).encode(), method)

    def tokens(self) -> set[str]:
        """A word of each work there is at ipernity, that stands in its texts and its file, and nowhere else."""
        truth = json.loads(self.machine.loopback.call(get, f"{_SIMULATOR}/_control/truth"))
        return {entry["token"] for entry in truth["documents"]}

    def found(self, words: set[str]) -> set[str]:
        """Which of these words stand anywhere in the service's folder."""
        return words_in(self.machine.root / STATE, words)

    def files(self) -> list[Path]:
        """Stored files of members."""
        return [path for path in (self.machine.root / STATE / "content").glob("*/*/*") if path.is_file()]

    def ask_database(self, question: str) -> Any:
        """The first value of an answer of the database."""
        path = self.machine.root / STATE / "ipsync.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(question).fetchone()[0]


def words_in(folder: Path, words: set[str]) -> set[str]:
    """Which of these words stand anywhere in the files of a folder."""
    held: set[str] = set()
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # it may go meanwhile
            content = path.read_bytes() if path.is_file() else b""
            held |= {word for word in words if word.encode() in content}
    return held
