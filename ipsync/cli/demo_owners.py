"""The owners in the demo: members of the simulated site who act through a client that is not ours, PyIpernity.

They know ipernity and nothing of ipsync.
"""

import re
import urllib.parse
import urllib.request
from html import unescape
from pathlib import Path
from typing import Any

from ipernity import IpernityAPI

from ipsync.simulator import Simulator

RESERVED_LICENSE = 0
SHARED_LICENSE = 3

_TIMEOUT_SECONDS = 10.0
# Everything is on this machine: no proxy of the environment may be asked for it.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotAcceptedError(Exception):
    """The authorization page did not take a member's yes."""


class Owner:
    """One member, with a browser and a client of their own. Every method waits for the network."""

    def __init__(self, simulator: Simulator, index: int) -> None:
        """Be the member at a place of the simulated site.

        Args:
            simulator: the site.
            index: from 0.
        """
        member = simulator.members[index]
        self.user_id = str(member.user_id)
        self.username = member.username
        self.requests = 0
        self._cookie = member.cookie
        self._simulator = simulator
        self._client: Any = None

    def authorize(self, url: str) -> None:
        """Do what a member does in a browser: open the authorization page and send its form.

        Args:
            url: of the page.

        Raises:
            NotAcceptedError: the page did not take it.
        """
        headers = {"Cookie": f"member={self._cookie}"}
        with _direct.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  # reason: the simulator's own address
            page = answer.read().decode()
        form = page[page.index('name="fa"') :]
        fields = {
            unescape(name): unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
        }
        body = urllib.parse.urlencode(fields).encode()
        with _direct.open(urllib.request.Request(url, body, headers), timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  # reason: as above
            if 'class="ok"' not in answer.read().decode():
                raise NotAcceptedError(f"the authorization page did not accept the yes of {self.username}")

    def open_client(self) -> None:
        """Let PyIpernity in, with permission to change and delete the member's own documents."""
        self._client = IpernityAPI(
            self._simulator.api_key,
            self._simulator.secret,
            url=self._simulator.api_url,
            auth_url_base=self._simulator.authorize_url,
        )
        frob = self._client.auth.getFrob()["auth"]["frob"]
        self.authorize(self._client.auth.auth_url({"doc": "delete"}, frob))
        self._client.auth.getToken(frob)
        self.requests += 2

    def share(self, document_id: str, *, public: bool, friends: bool = False) -> None:
        """Choose who may see a document."""
        self._call("doc.setPerms", doc_id=document_id, is_public=int(public), is_friend=int(friends), is_family=0)

    def license(self, document_id: str, number: int) -> None:
        """Put a document under another license."""
        self._call("doc.setLicense", doc_id=document_id, license=number)

    def delete(self, document_id: str) -> None:
        """Delete a document."""
        self._call("doc.delete", doc_id=document_id)

    def upload(self, picture: Path, title: str) -> str:
        """Upload a public picture; return the new document's id."""
        ticket = self._call("upload.file", file=str(picture), title=title, is_public=1, license=SHARED_LICENSE)[
            "ticket"
        ]
        return str(self._call("upload.checkTickets", tickets=ticket)["tickets"]["ticket"][0]["doc_id"])

    def replace(self, picture: Path, document_id: str) -> None:
        """Put another file in a document's place."""
        self._call("upload.replace", file=str(picture), doc_id=document_id)

    def _call(self, method: str, **arguments: object) -> Any:
        self.requests += 1
        return self._client.call(method, **arguments)
