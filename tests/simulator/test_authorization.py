"""A member lets an application in, by the page and its form, as clients of the real page do."""

from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest

from ipsync.simulator import Simulator, sign
from tests.simulator.hands import FormReader, Hand

Fields = dict[str, str]


def _link(simulator: Simulator, **params: str) -> str:
    full = {"api_key": simulator.api_key, **params}
    full["api_sig"] = sign(full, simulator.secret)
    return f"{simulator.authorize_url}?{urlencode(full)}"


def _browser(simulator: Simulator, member: int | None = 0) -> aiohttp.ClientSession:
    cookies = {} if member is None else {"member": simulator.members[member].cookie}
    jar = aiohttp.CookieJar(unsafe=True)
    return aiohttp.ClientSession(cookies=cookies, cookie_jar=jar)


async def _page(session: aiohttp.ClientSession, url: str, status: int = 200) -> FormReader:
    async with session.get(url) as answer:
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        return FormReader(await answer.text())


async def test_desktop(simulator: Simulator) -> None:
    hand = Hand(simulator.world)
    frob = hand.ok("auth.getFrob")["auth"]["frob"]
    url = _link(simulator, perm_doc="read", perm_network="write", frob=frob)
    async with _browser(simulator) as session:
        form = (await _page(session, url)).forms["fa"]
        assert hand.error("auth.getToken", frob=frob) == 2, "nothing is granted by looking"
        async with session.post(url, data=form) as answer:
            assert answer.status == 200
            assert "ok" in FormReader(await answer.text()).classes
    auth = hand.ok("auth.getToken", frob=frob)["auth"]
    assert auth["permissions"]["doc"] == "read"
    assert auth["permissions"]["network"] == "write"
    assert auth["user"]["user_id"] == str(simulator.members[0].user_id)


async def test_web_leads_back_to_the_callback_with_a_frob(simulator: Simulator) -> None:
    url = _link(simulator, perm_doc="delete")
    async with _browser(simulator, 2) as session:
        form = (await _page(session, url)).forms["fa"]
        async with session.post(url, data=form, allow_redirects=False) as answer:
            assert answer.status == 302
            location = urlsplit(answer.headers["Location"])
    assert location.netloc == "127.0.0.1:9"
    query = parse_qs(location.query)
    assert query["x"] == ["1"]
    auth = Hand(simulator.world).ok("auth.getToken", frob=query["frob"][0])["auth"]
    assert auth["user"]["username"] == simulator.members[2].username


async def test_without_a_cookie_it_asks_who_is_signed_in(simulator: Simulator) -> None:
    frob = Hand(simulator.world).ok("auth.getFrob")["auth"]["frob"]
    url = _link(simulator, perm_doc="read", frob=frob)
    async with _browser(simulator, None) as session:
        page = await _page(session, url)
        assert "fa" not in page.forms
        data = {**page.forms["signin"], "cookie": simulator.members[1].cookie}
        action = f"{simulator.base_url}{page.actions['signin']}"
        async with session.post(action, data=data) as answer:
            assert str(answer.url) == url
            form = FormReader(await answer.text()).forms["fa"]
        async with session.post(url, data=form) as answer:
            assert "ok" in FormReader(await answer.text()).classes
    user = Hand(simulator.world).ok("auth.getToken", frob=frob)["auth"]["user"]
    assert user["username"] == simulator.members[1].username


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/apps/authorize", "/apps/authorize.evil", ""]
)
async def test_signing_in_never_leads_to_another_site(simulator: Simulator, target: str) -> None:
    async with _browser(simulator, None) as session:
        data = {"next": target, "cookie": simulator.members[1].cookie}
        url = f"{simulator.base_url}/apps/signin"
        async with session.post(url, data=data, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/"
        async with session.post(url, data={**data, "cookie": "x"}) as answer:
            assert answer.status == 400
        assert "signin" in (await _page(session, f"{url}?{urlencode({'next': target})}")).forms


async def test_refusing(simulator: Simulator) -> None:
    hand = Hand(simulator.world)
    frob = hand.ok("auth.getFrob")["auth"]["frob"]
    url = _link(simulator, perm_doc="read", frob=frob)
    async with _browser(simulator) as session:
        form = (await _page(session, url)).forms["fa"]
        async with session.post(url, data={**form, "deny": "1"}) as answer:
            assert FormReader(await answer.text()).classes == ["refused"]
    assert hand.error("auth.getToken", frob=frob) == 2


async def test_the_form_must_be_the_members_own(simulator: Simulator) -> None:
    hand = Hand(simulator.world)
    frob = hand.ok("auth.getFrob")["auth"]["frob"]
    url = _link(simulator, perm_doc="read", frob=frob)
    more = _link(simulator, perm_doc="delete", frob=frob)
    async with _browser(simulator, 0) as session:
        form = (await _page(session, url)).forms["fa"]
        assert "app[crumb]" in form
        for data in ({}, {**form, "app[crumb]": "0" * 32}):
            async with session.post(url, data=data) as answer:
                assert answer.status == 403
        async with session.post(more, data=form) as answer:
            assert answer.status == 403, "the form was for fewer permissions"
    async with _browser(simulator, 1) as session, session.post(url, data=form) as answer:
        assert answer.status == 403, "the form was somebody else's"
    async with _browser(simulator, None) as session, session.post(url, data=form) as answer:
        assert answer.status == 403
    assert hand.error("auth.getToken", frob=frob) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"api_sig": "0" * 32}, "signature"),
        ({"api_key": "0" * 32}, "application"),
        ({"perm_doc": "delete"}, "signature"),
    ],
)
async def test_links_that_were_tampered_with(simulator: Simulator, change: Fields, words: str) -> None:
    frob = Hand(simulator.world).ok("auth.getFrob")["auth"]["frob"]
    url = urlsplit(_link(simulator, perm_doc="read", frob=frob))
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    async with _browser(simulator) as session:
        async with session.get(f"{simulator.authorize_url}?{urlencode({**query, **change})}") as answer:
            assert answer.status == 400
            text = await answer.text()
        assert words in text
        assert FormReader(text).classes == ["error"]


@pytest.mark.parametrize(
    "params",
    [
        {"perm_doc": "everything"},
        {"perm_doc": "none"},
        {"perm_house": "read"},
        {"perm_profile": "delete"},
        {},
        {"perm_doc": "read", "frob": "nonsense"},
    ],
)
async def test_links_that_ask_for_what_does_not_exist(simulator: Simulator, params: Fields) -> None:
    async with _browser(simulator) as session:
        page = await _page(session, _link(simulator, **params), 400)
        assert "fa" not in page.forms
        async with session.post(_link(simulator, **params), data={}) as answer:
            assert answer.status == 400


async def test_a_frob_that_was_approved_can_not_be_approved_again(simulator: Simulator) -> None:
    frob = Hand(simulator.world).ok("auth.getFrob")["auth"]["frob"]
    url = _link(simulator, perm_doc="read", frob=frob)
    async with _browser(simulator, 0) as session:
        form = (await _page(session, url)).forms["fa"]
        await session.post(url, data=form)
        await _page(session, url, 400)


async def test_closed_accounts_let_nobody_in(simulator: Simulator) -> None:
    frob = Hand(simulator.world).ok("auth.getFrob")["auth"]["frob"]
    url = _link(simulator, perm_doc="read", frob=frob)
    simulator.members[0].closed = True
    async with _browser(simulator) as session:
        await _page(session, url, 403)


async def test_a_desktop_application_has_no_web_flow() -> None:
    async with Simulator(members=1, documents=0) as simulator, _browser(simulator) as session:
        await _page(session, _link(simulator, perm_doc="read"), 400)


async def test_nothing_a_stranger_wrote_reaches_a_page_unescaped(simulator: Simulator) -> None:
    evil = "<script>alert(1)</script>\"'"
    simulator.members[0].realname = simulator.members[0].username = evil
    simulator.world.state.application.name = evil
    hand = Hand(simulator.world, simulator.world.state.grant(simulator.members[0], {"doc": "write"}).value)
    doc_id = hand.listed(share=4)[0]
    hand.ok("doc.set", doc_id=doc_id, title=evil, description=evil)
    frob = hand.ok("auth.getFrob")["auth"]["frob"]
    addresses = [
        _link(simulator, perm_doc="read", frob=frob, evil=evil),
        f"{simulator.authorize_url}?{urlencode({'api_key': evil})}",
        f"{simulator.base_url}/apps/signin?{urlencode({'next': evil})}",
        f"{simulator.base_url}/doc/{simulator.members[0].user_id}/{doc_id}",
        f"{simulator.base_url}/",
    ]
    for member in (0, None):
        async with _browser(simulator, member) as session:
            for address in addresses:
                async with session.get(address) as answer:
                    text = await answer.text()
                assert "<script" not in text, address
                assert "script" not in FormReader(text).tags


async def test_the_public_page_of_a_document(simulator: Simulator) -> None:
    owner = simulator.members[0]
    hand = Hand(simulator.world, simulator.world.state.grant(owner, {"doc": "write"}).value)
    public, private = hand.listed(share=4)[0], hand.listed(share=0)[0]
    assert hand.ok("doc.get", doc_id=public)["doc"]["link"] == f"{simulator.base_url}/doc/{owner.user_id}/{public}"
    async with _browser(simulator, None) as session:
        for path, status in (
            (f"{owner.user_id}/{public}", 200),
            (f"{owner.user_id}/{private}", 404),
            (f"{simulator.members[1].user_id}/{public}", 404),
            (f"{owner.user_id}/1", 404),
            ("x/y", 404),
        ):
            async with session.get(f"{simulator.base_url}/doc/{path}") as answer:
                assert answer.status == status
        hand.ok("doc.setPerms", doc_id=public, share=2)
        async with session.get(f"{simulator.base_url}/doc/{owner.user_id}/{public}") as answer:
            assert answer.status == 404
