"""A mirror of a simulated ipernity with all its jobs, served in this process, and a member's browser before it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any

import aiohttp

from ipsync.assembly import Works, open_base, open_works
from ipsync.policy.accounts import Account
from ipsync.policy.documents import Document
from ipsync.web import WebServer
from ipsync.web_wiring import operator_of, web_parts
from tests.fakes.site import LiveSite, SiteMirror

HTML = "text/html,application/xhtml+xml"


@dataclass
class Seen:
    """What a browser got."""

    status: int
    text: str
    headers: Any
    body: bytes = b""

    @property
    def location(self) -> str:
        return str(self.headers.get("Location", ""))

    @property
    def crumb(self) -> str:
        found = re.search(r'name="crumb" value="([^"]+)"', self.text)
        assert found is not None, self.text
        return found[1]

    @property
    def words(self) -> str:
        spaced = re.sub(r"<(?!/?(bdi|time|a|strong)\b)[^>]*>", " ", self.text)
        return " ".join(unescape(re.sub(r"<[^>]*>", "", spaced)).split())


class Browser:
    """One person's browser: it keeps cookies, and follows redirections only when told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.jar = aiohttp.CookieJar(unsafe=True)
        self.session = aiohttp.ClientSession(cookie_jar=self.jar)

    async def get(self, path: str, **headers: str) -> Seen:
        """Ask for a page of ours, or for a whole address."""
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, fields: Any = None, **headers: str) -> Seen:
        return await self._ask("POST", path, fields or {}, headers)

    async def press(self, page: str, path: str, **fields: str) -> Seen:
        """Open a page and send its form."""
        return await self.post(path, {"crumb": (await self.get(page)).crumb, **fields})

    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.jar}

    async def _ask(self, method: str, path: str, fields: Any, headers: dict[str, str]) -> Seen:
        url = path if path.startswith("http") else f"{self.address}{path}"
        own = {"Accept": HTML} | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, aiohttp.client.URL(url, encoded=True), data=fields, headers=own, allow_redirects=False
        ) as answer:
            body = await answer.read()
            return Seen(answer.status, body.decode("utf-8", "replace"), answer.headers, body)


@dataclass
class Wall:
    """A served mirror."""

    site: LiveSite
    works: Works
    address: str
    nudged: list[str]
    browsers: list[Browser] = field(default_factory=list)

    def browser(self) -> Browser:
        self.browsers.append(Browser(self.address))
        return self.browsers[-1]

    async def say_yes(self, browser: Browser, link: str, member: int, **fields: str) -> str:
        """At ipernity: open the link as this member and allow; give where it leads back to."""
        known = {"Cookie": f"member={self.site.members[member].cookie}"}
        async with aiohttp.ClientSession() as there:
            url = aiohttp.client.URL(link, encoded=True)
            async with there.get(url, headers=known) as answer:
                page = await answer.text()
            hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
            form = {unescape(name): unescape(value) for name, value in hidden} | fields
            async with there.post(url, data=form, headers=known, allow_redirects=False) as answer:
                return str(answer.headers.get("Location", ""))

    async def connect(self, browser: Browser, member: int = 0) -> Seen:
        """The whole way of somebody who connects; give what the callback answered."""
        begun = await browser.press("/connect", "/connect")
        return await browser.get(await self.say_yes(browser, begun.location, member))

    async def sign_in(self, browser: Browser, member: int = 0) -> Seen:
        """The whole way of somebody who signs in."""
        begun = await browser.press("/me", "/me/sign-in", back="me")
        return await browser.get(await self.say_yes(browser, begun.location, member))

    async def signed_in(self, member: int = 0) -> Browser:
        browser = self.browser()
        assert (await self.sign_in(browser, member)).location == "/me"
        return browser

    def id_of(self, member: int) -> int:
        return int(self.site.members[member].user_id)

    async def account(self, member: int = 0) -> Account | None:
        number = self.id_of(member)
        return await self.works.base.catalog.read(lambda view: view.account(number))

    async def documents(self, member: int = 0) -> list[Document]:
        number = self.id_of(member)
        return await self.works.base.catalog.read(lambda view: view.documents_after(0, 1000, account_id=number))

    async def change(self, document: Document, **changes: Any) -> None:
        await self.works.base.catalog.write(lambda tx: tx.update_documents([replace(document, **changes)]))


@asynccontextmanager
async def wall_of(mirror: SiteMirror) -> AsyncIterator[Wall]:
    """Serve a mirror, and have ipernity lead back to it."""
    settings = mirror.settings()
    base = await open_base(settings, is_daemon=True)
    works = open_works(base, settings)
    nudged: list[str] = []

    async def readiness() -> list[str]:
        return []

    operator = operator_of(settings)
    server = WebServer(
        web_parts(base, lambda: works, lambda: operator, settings, readiness, lambda _key: None, nudged.append)
    )
    address = await server.start("127.0.0.1", 0)
    site = mirror.site

    def lead_back(world: Any) -> None:
        world.state.application = replace(world.state.application, callback=f"{address}/connect/callback")

    await asyncio.to_thread(site.change, lead_back)
    wall = Wall(site, works, address, nudged)
    try:
        yield wall
    finally:
        for browser in wall.browsers:
            await browser.session.close()
        await server.stop(1)
        await works.close_clients()
        await base.close()
