"""The demo's auditor: reads what the mirror serves over HTTP, and what it stores from its files.

It trusts nothing that ipsync says of itself but one thing: that a removal is closed it takes from the
tombstone, since until then the database's log may still hold the words.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path

_TIMEOUT_SECONDS = 10.0
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Auditor:
    """Looks from outside. Every method waits for the network or the disk."""

    def __init__(self, address: str, token: str, folder: Path, content: Path) -> None:
        """Take a stand.

        Args:
            address: where the daemon listens.
            token: opens `/v1` and `/media`.
            folder: everything of the mirror: database, log, files.
            content: the stored files.
        """
        self._address = address
        self._token = token
        self._folder = folder
        self._content = content

    def served(self, account_id: str = "") -> dict[str, bool]:
        """Documents that are served, of one account or of all, and whether their thumbnail is there."""
        served: dict[str, bool] = {}
        query = {"limit": "50"} | ({"account": account_id} if account_id else {})
        cursor = ""
        while True:
            words = urllib.parse.urlencode(query | ({"cursor": cursor} if cursor else {}))
            page = json.loads(self.get(f"/v1/documents?{words}")[1])
            for entry in page["documents"]:
                served[str(entry["document_id"])] = "240" in entry["renditions"]
            if not (cursor := page["next_cursor"] or ""):
                return served

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask the daemon; status and body."""
        request = urllib.request.Request(  # noqa: S310  # reason: the daemon's own address on loopback
            f"{self._address}{path}", headers={"Authorization": f"Bearer {self._token}"}
        )
        try:
            with _direct.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def is_stored(self, account_id: str, document_id: str) -> bool:
        """Whether anything of a document lies in the store."""
        return (self._content / account_id / document_id).exists()

    def stored_file(self, account_id: str, document_id: str, rendition: str) -> bytes | None:
        """A file as it lies in the store; None where there is none."""
        try:
            return (self._content / account_id / document_id / rendition).read_bytes()
        except FileNotFoundError:
            return None

    def copies(self, tokens: Iterable[str]) -> dict[str, int]:
        """In how many files of the mirror each of these words stands."""
        counts = dict.fromkeys(tokens, 0)
        for path in self._folder.rglob("*") if counts else ():
            try:
                content = path.read_bytes() if path.is_file() else b""
            except FileNotFoundError:
                continue  # it was erased while we walked
            for token in counts:
                counts[token] += token.encode() in content
        return counts
