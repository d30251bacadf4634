"""A small gallery on top of an ipsync mirror: one page of pictures that takes away what it must, as soon as it is told.

    export IPSYNC_URL=http://127.0.0.1:8480 IPSYNC_TOKEN=$(ipsync token create --name gallery \
        --scope documents --scope media --scope changes)
    python gallery.py            # http://127.0.0.1:8490

What an application owes is all here: owner, license and page at ipernity stand beside each picture; the change feed
says what goes; what could not be asked about goes when its `serve_until` has passed; nothing is kept on a disk.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import aiohttp
from aiohttp import web

SHOWN = 50
THUMBNAIL = "240"
EVERY_SECONDS = 2.0
RENEW_BEFORE = timedelta(minutes=10)
BACK = '<p>Works of <a href="https://www.ipernity.com">ipernity</a> members</p><h1>Gallery</h1>'
POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
HANDED_ON = ("Cache-Control", "ETag", "Content-Type")
STYLE = "body{font:16px sans-serif;margin:2em}figure{display:inline-block;margin:1em;width:15em;vertical-align:top}"


class Mirror:
    """What ipsync shows now, as this application knows it."""

    def __init__(self, url: str, token: str) -> None:
        self.session = aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"})
        self.documents: dict[str, dict[str, Any]] = {}
        self.cursor: str | None = None

    async def get(self, path: str, **query: str) -> tuple[int, Any]:
        async with self.session.get(path, params=query) as answer:
            return answer.status, await answer.json()

    async def follow(self) -> None:
        """Hear of changes for ever; while the mirror cannot be asked, what is shown ends by itself."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, KeyError, ValueError):
                await self.update()
            await asyncio.sleep(EVERY_SECONDS)

    async def update(self) -> None:
        if self.cursor is None:
            await self.begin()
        more = True
        while more:
            status, answer = await self.get("/v1/changes", since=self.cursor or "")
            if status == 410:  # away for too long: the feed does not reach back that far
                return await self.begin()
            for change in answer["changes"]:
                self.take(change)
            self.cursor, more = answer["next_cursor"], answer["more"]
        return await self.renew()

    async def begin(self) -> None:
        """Read everything anew: first where the feed stands, so that nothing falls between."""
        _, feed = await self.get("/v1/changes", since="now")
        found: dict[str, dict[str, Any]] = {}
        further: dict[str, str] | None = {}
        while further is not None:
            _, page = await self.get("/v1/documents", **further)
            found |= {entry["document_id"]: entry for entry in page["documents"]}
            further = page["next_cursor"] and {"cursor": page["next_cursor"]}
        self.documents, self.cursor = found, feed["next_cursor"]

    def take(self, change: dict[str, Any]) -> None:
        number = change.get("document_id", "")  # albums and articles have none
        if "document" in change:  # appeared or changed
            self.documents[number] = change["document"]
        elif number is None:  # everything of a member
            owner = change["account_id"]
            self.documents = {key: kept for key, kept in self.documents.items() if kept["account_id"] != owner}
        else:
            self.documents.pop(number, None)

    async def renew(self) -> None:
        """Ask again for what would end soon: it has been verified since, or it goes."""
        soon = datetime.now(UTC) + RENEW_BEFORE
        for number in [key for key, kept in self.documents.items() if until(kept) < soon][:SHOWN]:
            status, answer = await self.get(f"/v1/documents/{number}")
            if status == 200:
                self.documents[number] = answer
            elif status in (404, 410):
                self.documents.pop(number, None)

    def showable(self) -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        newest = sorted(self.documents.values(), key=lambda kept: int(kept["document_id"]), reverse=True)
        return [kept for kept in newest if until(kept) > now and THUMBNAIL in kept["renditions"]][:SHOWN]


def until(document: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(document["serve_until"])


MIRROR = web.AppKey("MIRROR", Mirror)


async def page(request: web.Request) -> web.Response:
    figures = "".join(
        f'<figure><a href="{escape(kept["link"])}"><img src="/picture/{kept["document_id"]}" alt=""></a>'
        f'<figcaption><bdi>{escape(kept["title"])}</bdi><br>by <a href="{escape(kept["owner"]["link"])}"><bdi>'
        f'{escape(kept["owner"]["name"])}</bdi></a>, <a rel="license" href="{escape(kept["license"]["link"])}">'
        f"{escape(kept['license']['name'])}</a></figcaption></figure>"
        for kept in request.app[MIRROR].showable()
    )
    text = f'<!doctype html><meta charset="utf-8"><title>Gallery</title><style>{STYLE}</style>{BACK}{figures}'
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return web.Response(text=text, content_type="text/html", headers=headers)


async def picture(request: web.Request) -> web.Response:
    # Handed on with the lease that came with it; never kept.
    mirror, number = request.app[MIRROR], request.match_info["number"]
    if number not in {kept["document_id"] for kept in mirror.showable()}:
        raise web.HTTPNotFound
    async with mirror.session.get(f"/media/{number}/{THUMBNAIL}") as answer:
        headers = {name: answer.headers[name] for name in HANDED_ON if name in answer.headers}
        return web.Response(status=answer.status, body=await answer.read(), headers=headers)


def gallery(url: str, token: str) -> web.Application:
    async def live(app: web.Application) -> AsyncIterator[None]:
        app[MIRROR] = Mirror(url, token)
        following = asyncio.create_task(app[MIRROR].follow())
        yield
        following.cancel()
        await app[MIRROR].session.close()

    app = web.Application()
    app.cleanup_ctx.append(live)
    app.add_routes([web.get("/", page), web.get(r"/picture/{number:\d+}", picture)])
    return app


if __name__ == "__main__":
    if not os.environ.get("IPSYNC_TOKEN"):
        sys.exit("set IPSYNC_URL and IPSYNC_TOKEN: see the top of this file")
    address = os.environ.get("IPSYNC_URL", "http://127.0.0.1:8480")
    web.run_app(gallery(address, os.environ["IPSYNC_TOKEN"]), host="127.0.0.1", port=8490)
