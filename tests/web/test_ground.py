"""What all pages stand on: whose browser it is, which forms are taken, under which name we answer, how often."""

import asyncio
import base64
import functools
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from jinja2 import ChoiceLoader, DictLoader

from ipsync.policy.instants import MINUTE
from ipsync.web import build_app
from ipsync.web.failures import WebFailure
from ipsync.web.forms import LARGEST_FORM_BYTES, read_form
from ipsync.web.headers import Needs, page_policy
from ipsync.web.pages import TEMPLATES, form_page, see_other
from ipsync.web.place import PLACE, Place
from ipsync.web.sessions import KINDS, LASTS, Sessions
from ipsync.web.throttle import THROTTLES, Throttle
from tests.fakes.clock import FakeClock
from tests.web.conftest import START

SECRET = b"cookie key of the tests"
HTTPS = "https://wall.example.org"
FORM_PAGE = (
    '{% extends "base.html" %}{% from "parts.html" import crumb %}{% block main %}{{ crumb(csrf) }}{% endblock %}'
)


@dataclass
class Ground:
    """A server with one page that holds a form, and one that takes it."""

    address: str
    browser: aiohttp.ClientSession
    seen: list = field(default_factory=list)

    async def get(self, path, **headers):
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.browser.get(f"{self.address}{path}", headers=own) as answer:
            return answer.status, await answer.text(), answer.headers

    async def crumb(self):
        return re.search(r'name="crumb" value="([^"]+)"', (await self.get("/form"))[1])[1]

    async def send(self, sent, **headers):
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.browser.post(f"{self.address}/form", data=sent, headers=own, allow_redirects=False) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def ground_of(world, **changes):
    app = build_app(replace(world.parts(), cookie_key=SECRET, **changes))
    seen = []

    async def show(request):
        return form_page(request, "form.html", {"title": "A form"})

    async def take(request):
        seen.append((await read_form(request, "visitor", {"name"})).get("name"))
        return see_other(request, "/form")

    async def limited(request):
        request.app[THROTTLES].admit(request, "test", 3, 100)
        return web.Response(text=request.app[PLACE].check_host(request))

    app.add_routes([web.get("/form", show), web.post("/form", take), web.get("/limited", limited)])
    app[TEMPLATES].loader = ChoiceLoader([DictLoader({"form.html": FORM_PAGE}), app[TEMPLATES].loader])
    async with (
        TestServer(app, host="127.0.0.1") as server,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser,
    ):
        yield Ground(f"http://127.0.0.1:{server.port}", browser, seen)


@pytest.fixture
async def ground(world):
    async with ground_of(world) as found:
        yield found


# Sessions


def asked(**cookies):
    return SimpleNamespace(cookies={name.replace("_", "-"): value for name, value in cookies.items()})


def written(sessions, session):
    answer = web.Response()
    sessions.give(answer, session)
    return next(iter(answer.cookies.values()))


@pytest.fixture
def sessions():
    return Sessions(SECRET, FakeClock(START), Place())


def test_a_session_is_what_was_given_until_it_is_over(sessions):
    session = sessions.new("member", "31337", {"went": "here"})
    request = asked(ipsync_member=written(sessions, session).value)
    assert sessions.read(request, "member") == session
    assert session.account_id == 31337
    sessions._clock.jump(LASTS["member"] - 1)
    assert sessions.read(request, "member") == session
    sessions._clock.jump(1)
    assert sessions.read(request, "member") is None


def test_a_session_that_was_ended_is_over_whoever_kept_its_cookie(sessions):
    session = sessions.new("member", "31337")
    request = asked(ipsync_member=written(sessions, session).value)
    assert sessions.end(session)
    assert not sessions.end(session)
    assert sessions.read(request, "member") is None


def test_all_sessions_of_somebody_end_at_once_and_nobody_elses(sessions):
    begun = [sessions.new("member", "31337"), sessions.new("member", "31338"), sessions.new("operator", "31337")]
    shown = [asked(**{f"ipsync_{session.kind}": written(sessions, session).value}) for session in begun]
    sessions.end_all("member", "31337")
    found = [sessions.read(request, session.kind) for request, session in zip(shown, begun, strict=True)]
    assert found == [None, *begun[1:]]
    sessions._clock.jump(1)
    again = sessions.new("member", "31337")
    assert sessions.read(asked(ipsync_member=written(sessions, again).value), "member") == again
    sessions._clock.jump(LASTS["member"])
    sessions.end_all("operator", "admin")
    assert list(sessions._all_ended) == [("operator", "admin")]  # what every cookie has outlived is forgotten


def test_every_session_has_144_random_bits_of_its_own(sessions):
    words = {sessions.new("member", "31337").session_id for _ in range(1000)}
    assert len(words) == 1000
    assert {len(base64.urlsafe_b64decode(word)) * 8 for word in words} == {144}
    # Random in every place: no bit is the same in all of them.
    numbers = [int.from_bytes(base64.urlsafe_b64decode(word)) for word in words]
    assert functools.reduce(int.__and__, numbers) == 0
    assert functools.reduce(int.__or__, numbers) == 2**144 - 1


def test_forged_cookies_are_nobodys(sessions):
    text = written(sessions, sessions.new("member", "31337")).value
    body, _, seal = text.partition(".")
    others = Sessions(b"another key", sessions._clock, Place())
    for forged in (
        "", ".", body, f"{body}.", f".{seal}", f"{body}.{seal[:-1]}", f"{body[:-2]}AA.{seal}", f"{text}.x", "é" * 40,
        "x" * 3000, written(others, others.new("member", "31337")).value, "a.b.c", "\udcff.\udcff",
    ):  # fmt: skip
        assert sessions.read(asked(ipsync_member=forged), "member") is None, forged


@pytest.mark.parametrize("kind", KINDS)
def test_a_cookie_of_one_kind_is_none_of_another(sessions, kind):
    text = written(sessions, sessions.new(kind, "31337")).value
    for other in KINDS:
        found = sessions.read(asked(**{f"ipsync_{other}": text}), other)
        assert (found is not None) == (other == kind)


@pytest.mark.parametrize(
    ("public_url", "name", "path", "secure"),
    [
        ("", "ipsync-member", "/", False),
        (HTTPS, "__Host-ipsync-member", "/", True),
        (f"{HTTPS}/mirror", "__Secure-ipsync-member", "/mirror", True),
    ],
)
def test_cookies_are_kept_from_scripts_other_sites_and_plain_http(public_url, name, path, secure):
    sessions = Sessions(SECRET, FakeClock(START), Place(public_url))
    cookie = written(sessions, sessions.new("member", "1"))
    assert (cookie.key, cookie["path"], cookie["secure"]) == (name, path, secure)
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
    assert int(cookie["max-age"]) == LASTS["member"] // 1_000_000


def test_a_flood_of_ended_sessions_stays_bounded(sessions, monkeypatch):
    monkeypatch.setattr("ipsync.web.sessions._ENDED_MOST", 10)
    member = sessions.new("member", "7")
    assert sessions.end(member)
    last = [sessions.new("flow") for _ in range(50)]
    assert all(sessions.end(session) for session in last)
    assert len(sessions._ended["flow"]) == 10
    assert not sessions.end(last[-1])
    assert not sessions.end(member)  # a flood of what anybody can begin brings no member's session back


async def test_a_session_that_was_signed_out_stays_over_after_a_restart(world):
    parts = world.parts()
    first = Sessions(parts.cookie_key, FakeClock(START), Place())
    session = first.new("operator", "admin")
    stolen = asked(ipsync_operator=written(first, session).value)
    assert first.read(stolen, "operator") == session
    first.end(session)
    again = Sessions(world.parts().cookie_key, FakeClock(START), Place())
    assert again.read(stolen, "operator") is None


# Forms


async def test_a_form_that_was_shown_is_taken(ground):
    crumb = await ground.crumb()
    assert (await ground.send({"crumb": crumb, "name": " Zoë "}))[0] == 303
    assert ground.seen == ["Zoë"]
    origin = {"Origin": ground.address, "Sec_Fetch_Site": "same-origin"}
    assert (await ground.send({"crumb": crumb, "name": "2"}, **origin))[0] == 303
    assert (await ground.send({"crumb": crumb}, Origin="null", Sec_Fetch_Site="same-origin"))[0] == 303


async def test_a_form_without_its_session_is_refused(ground):
    crumb = await ground.crumb()
    cookies = {cookie.key: cookie.value for cookie in ground.browser.cookie_jar}
    for sent in ({"name": "x"}, {"crumb": "", "name": "x"}, {"crumb": crumb[:-1]}, {"crumb": crumb + "A"}):
        assert (await ground.send(sent))[0] == 403
    ground.browser.cookie_jar.clear()
    assert (await ground.send({"crumb": crumb, "name": "x"}))[0] == 403
    # Another browser's crumb does not fit this one's cookie.
    other = await ground.crumb()
    assert other != crumb
    assert (await ground.send({"crumb": crumb, "name": "x"}))[0] == 403
    ground.browser.cookie_jar.clear()
    ground.browser.cookie_jar.update_cookies({"ipsync-visitor": cookies["ipsync-visitor"] + "x"})
    assert (await ground.send({"crumb": crumb, "name": "x"}))[0] == 403
    assert ground.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "not an origin"},
    ],
)
async def test_a_form_from_another_site_is_refused(ground, headers):
    assert (await ground.send({"crumb": await ground.crumb(), "name": "x"}, **headers))[0] == 403
    assert ground.seen == []


@pytest.mark.parametrize(
    ("body", "type_", "status"),
    [
        (b"x=" + b"a" * LARGEST_FORM_BYTES, "application/x-www-form-urlencoded", 413),
        (b"x=1", "application/json", 415),
        (b"x=1", "multipart/form-data; boundary=x", 415),
        (b"x=%ff", "application/x-www-form-urlencoded", 400),
        (b"x=\xff", "application/x-www-form-urlencoded", 400),
        (b"x=1&x=2", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"f%d=1" % number for number in range(100)), "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 403),
    ],
)
async def test_a_body_that_is_no_form_of_ours_is_refused(ground, body, type_, status):
    assert (await ground.send(body, Content_Type=type_))[0] == status


async def test_a_field_nobody_asked_for_is_refused(ground):
    assert (await ground.send({"crumb": await ground.crumb(), "admin": "1"}))[0] == 400


async def test_F23_a_form_that_never_ends_is_cut(ground, monkeypatch):
    monkeypatch.setattr("ipsync.web.forms._BODY_SECONDS", 0.2)
    begun = asyncio.Event()

    async def body():
        yield b"name="
        await begun.wait()

    assert (await ground.send(body(), Content_Type="application/x-www-form-urlencoded"))[0] == 408


async def test_F23_a_form_without_end_is_cut(ground):
    async def endless():
        while True:
            yield b"x" * 8192

    try:
        status, _ = await ground.send(endless(), Content_Type="application/x-www-form-urlencoded")
    except aiohttp.ClientError:
        # The connection ended before the answer was read.
        status = 413
    assert status == 413


async def test_only_forms_have_bodies(shown, client):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await client.get("/privacy", method=method)).status == 405


# Under which name


async def test_host_header_games_are_refused(ground):
    port = ground.address.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
        assert (await ground.get("/limited", Host=host))[0] in (200, 429)
    for host in ("evil.example", "127.0.0.1", f"127.0.0.1:{port}.evil.example", f"evil.example:{port}", "127.0.0.1:1",
                 f"127.0.0.1:{port}@evil.example", "", f"127.0.0.1:{port}, evil.example"):  # fmt: skip
        status, text, _ = await ground.get("/form", Host=host)
        assert (status, "evil" in text) == (421, False), host


async def test_addresses_of_ours_come_from_the_configuration(world):
    async with ground_of(world, public_url=f"{HTTPS}/mirror") as ground:
        for host in ("wall.example.org", "wall.example.org:443", "WALL.example.org"):
            found = await ground.get("/limited", Host=host, X_Forwarded_Host="evil.example")
            assert found[:2] == (200, host.lower())
        assert (await ground.send({}, Host="wall.example.org", Origin="https://other.example.org"))[0] == 403
        assert (await ground.get("/limited", Host="wall.example.org.evil.example"))[0] == 421
        _, text, headers = await ground.get("/form")
        assert 'href="/mirror/static/style.css' in text
        assert 'href="/mirror/privacy"' in text
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert headers["Set-Cookie"].startswith("__Secure-ipsync-visitor=")
        for answer in ((await ground.get("/privacy.json")), (await ground.get("/nowhere"))):
            assert answer[2]["Strict-Transport-Security"]


async def test_https_is_not_promised_where_there_is_none(ground):
    for path in ("/form", "/privacy", "/nowhere"):
        assert "Strict-Transport-Security" not in (await ground.get(path))[2]


# How often


async def test_T22_an_address_has_its_share_of_a_minute_and_is_not_kept(ground, world):
    assert [(await ground.get("/limited"))[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    _, _, headers = await ground.get("/limited")
    assert 1 <= int(headers["Retry-After"]) <= 60
    world.clock.jump(MINUTE)
    assert (await ground.get("/limited"))[0] == 200


def test_T22_digests_of_addresses_change_every_minute():
    clock = FakeClock(START)
    throttle = Throttle(clock, per_address=2, in_all=5)
    for _ in range(2):
        throttle.admit("192.0.2.1")
    with pytest.raises(WebFailure):
        throttle.admit("192.0.2.1")
    before = set(throttle._counts)
    assert b"192.0.2.1" not in b"".join(before)
    clock.jump(MINUTE)
    throttle.admit("192.0.2.1")
    assert throttle.remembered == 1
    assert before.isdisjoint(throttle._counts)


def test_a_flood_from_many_addresses_is_bounded():
    throttle = Throttle(FakeClock(START), per_address=2, in_all=5)
    for number in range(5):
        throttle.admit(f"192.0.2.{number}")
    with pytest.raises(WebFailure) as refused:
        throttle.admit("192.0.2.99")
    assert refused.value.status == 429
    assert throttle.remembered == 5


@pytest.mark.parametrize(
    ("public_url", "peer", "forwarded", "counted"),
    [
        ("", "127.0.0.1", ["192.0.2.7"], "127.0.0.1"),
        (HTTPS, "127.0.0.1", ["198.51.100.1, 192.0.2.7"], "192.0.2.7"),
        (HTTPS, "127.0.0.1", ["198.51.100.1", "192.0.2.7"], "192.0.2.7"),
        (HTTPS, "198.51.100.9", ["192.0.2.7"], "198.51.100.9"),
        (HTTPS, "::1", ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        (HTTPS, "127.0.0.1", ["<script>"], ""),
        (HTTPS, "::ffff:198.51.100.9", [], "198.51.100.9"),
    ],
)
def test_a_front_server_of_this_machine_is_believed_whom_it_stands_for(public_url, peer, forwarded, counted):
    assert Place(public_url).visitor(asking(peer, forwarded)) == counted


def asking(peer: str, forwarded: list[str]) -> Any:
    return SimpleNamespace(remote=peer, headers=SimpleNamespace(getall=lambda _name, _default: forwarded))


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("172.18.0.1", "192.0.2.7"),
        ("::ffff:172.18.0.1", "192.0.2.7"),
        ("172.18.0.2", "172.18.0.2"),
        ("fd00::5", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.7"),
    ],
)
def test_front_servers_elsewhere_are_believed_when_they_are_configured(peer, counted):
    place = Place(HTTPS, ("172.18.0.1/32", "fd00::/64"))
    assert place.visitor(asking(peer, ["203.0.113.1, 192.0.2.7"])) == counted
    assert Place("", ("172.18.0.1/32",)).visitor(asking("172.18.0.1", ["192.0.2.7"])) == "172.18.0.1"


# What pages may do


def test_a_page_is_allowed_what_it_needs_and_no_more():
    plain = page_policy(Needs())
    assert plain == "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert "form-action 'self';" in page_policy(Needs(forms=True))
    assert "form-action 'self' https://www.ipernity.com;" in page_policy(
        Needs(forms=True, leads_to=("https://www.ipernity.com",))
    )
    everything = page_policy(Needs(forms=True, images=True, scripts=True))
    for rule in ("img-src 'self'", "script-src 'self'", "connect-src 'self'"):
        assert rule in everything
        assert rule not in plain
    assert "unsafe" not in everything
