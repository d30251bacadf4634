"""Members come in by ipernity's own page, and what was forged, replayed or refused gets a short clear answer."""

import asyncio
import io
import json
from dataclasses import replace

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.instants import MINUTE
from ipsync.telemetry import configure_logging
from ipsync.web.authorization import ENDED
from ipsync.web.sessions import LASTS


async def test_T12_T13_T16_the_page_says_what_connecting_means(new_wall):
    page = await new_wall.browser().get("/connect")
    for words in (
        "Let Site wall keep copies of your work",
        "Privacy levels public",
        "Files of each work",
        "Only under these licenses: CC BY, CC BY-NC",
        "not shown later than 20 hours after that",
        "gone by 23 hours",
        "Smaller pictures",
        "Only programs that hold an access token",
        "To let Site wall see your photos, videos and other documents",
        "Your password stays with ipernity",
        "Go on to ipernity",
    ):
        assert words in page.words, words
    assert "All rights reserved" not in page.words
    assert f"form-action 'self' {new_wall.site.simulator.base_url};" in page.headers["Content-Security-Policy"]


async def test_the_bare_address_leads_to_the_first_page(new_wall, shown, client):
    assert (await new_wall.browser().get("/")).location == "/connect"
    async with client.session.get(f"{client.address}/", allow_redirects=False) as answer:
        assert answer.headers["Location"] != "/connect"


async def test_T14_a_member_connects_by_ipernitys_own_page(new_wall):
    browser = new_wall.browser()
    begun = await browser.press("/connect", "/connect")
    assert begun.status == 303
    assert begun.location.startswith(new_wall.site.simulator.authorize_url)
    assert "perm_doc=read" in begun.location
    assert "frob" not in begun.location
    back = await new_wall.say_yes(browser, begun.location, 0)
    assert "/connect/callback?frob=" in back
    taken = await browser.get(back)
    # The address with the frob is left at once.
    assert (taken.status, taken.location, taken.text) == (303, "/connect/done", "")
    done = await browser.get("/connect/done")
    assert "You are connected." in done.words
    assert "To see your photos, videos and other documents" in done.words
    assert "no more" in done.words
    account = await new_wall.account()
    assert account.state is AccountState.ACTIVE
    assert {"sync", "admission"} <= set(new_wall.nudged)
    (consent,) = await new_wall.works.base.catalog.read(lambda view: view.consents(account.account_id))
    assert consent.permissions["doc"] == "read"
    assert "ipsync-flow" not in browser.cookies()
    assert f"You are connected as {account.username}" in (await browser.get("/connect")).words


async def test_a_frob_is_taken_once(new_wall):
    browser = new_wall.browser()
    begun = await browser.press("/connect", "/connect")
    flow = browser.cookies()["ipsync-flow"]
    back = await new_wall.say_yes(browser, begun.location, 0)
    assert (await browser.get(back)).location == "/connect/done"
    # Again, without the cookie and with the old one put back.
    assert (await browser.get(back)).location == f"{ENDED}?why=stale"
    browser.jar.update_cookies({"ipsync-flow": flow})
    assert (await browser.get(back)).location == f"{ENDED}?why=stale"
    # With a fresh cookie ipernity itself knows it no more.
    await browser.press("/connect", "/connect")
    assert (await browser.get(back)).location == f"{ENDED}?why=spent"
    assert "does not know this answer any more" in (await browser.get(f"{ENDED}?why=spent")).words


async def test_who_is_sent_back_by_somebody_else_is_not_looked_at(new_wall):
    stranger, victim = new_wall.browser(), new_wall.browser()
    begun = await stranger.press("/connect", "/connect")
    back = await new_wall.say_yes(stranger, begun.location, 0)
    asked = await asyncio.to_thread(new_wall.site.count, "auth.getToken")
    assert (await victim.get(back)).location == f"{ENDED}?why=stale"
    forged = "eyJ9.AAAA"
    victim.jar.update_cookies({"ipsync-flow": forged})
    assert (await victim.get(back)).location == f"{ENDED}?why=stale"
    # A visitor's cookie under the name of the other kind is forged too.
    await victim.get("/connect")
    victim.jar.update_cookies({"ipsync-flow": victim.cookies()["ipsync-visitor"]})
    assert (await victim.get(back)).location == f"{ENDED}?why=stale"
    assert await asyncio.to_thread(new_wall.site.count, "auth.getToken") == asked
    assert await new_wall.account() is None
    # Whose it is can still use it.
    assert (await stranger.get(back)).location == "/connect/done"


async def test_who_takes_too_long_begins_anew(new_wall, monkeypatch):
    monkeypatch.setitem(LASTS, "flow", 0)
    browser = new_wall.browser()
    begun = await browser.press("/connect", "/connect")
    back = await new_wall.say_yes(browser, begun.location, 0)
    assert (await browser.get(back)).location == f"{ENDED}?why=stale"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "declined"),
        ("?frob=", "spent"),
        ("?frob=nobody-knows-this", "spent"),
        ("?frob=a&frob=b", "spent"),
        ("?frob=%00%0d%0aX:1", "spent"),
        (f"?frob={'x' * 3000}", "spent"),
        ("?denied=1", "declined"),
    ],
)
async def test_what_no_member_approved_is_refused_in_words(new_wall, query, why):
    browser = new_wall.browser()
    await browser.press("/connect", "/connect")
    ended = await browser.get(f"/connect/callback{query}")
    assert (ended.status, ended.location) == (303, f"{ENDED}?why={why}")
    page = await browser.get(ended.location)
    assert page.status == 200
    assert "Begin again" in page.words


@pytest.mark.parametrize("why", ["", "<script>", "stale", "nothing-like-it"])
async def test_no_word_of_an_address_reaches_the_page(new_wall, why):
    page = await new_wall.browser().get(f"{ENDED}?why={why}")
    assert page.status == 200
    assert "<script" not in page.text
    assert "nothing-like-it" not in page.text


async def test_T13_more_than_needed_is_pointed_out(new_wall, monkeypatch):
    browser = new_wall.browser()
    asked = replace(new_wall.works.rules, permissions={"doc": "write", "network": "read"})
    with monkeypatch.context() as patched:
        patched.setattr(new_wall.works.accounts, "_rules", asked)
        await new_wall.connect(browser)
    done = await browser.get("/connect/done")
    assert "That is more than is used here: see and change your photos" in done.words
    assert "see your contacts" in done.words


async def test_who_grants_too_little_is_not_taken_in(new_wall, monkeypatch):
    browser = new_wall.browser()
    link = replace(new_wall.works.rules, permissions={"blog": "read"})
    with monkeypatch.context() as patched:
        patched.setattr(new_wall.works.accounts, "_rules", link)
        begun = await browser.press("/connect", "/connect")
    back = await new_wall.say_yes(browser, begun.location, 0)
    assert (await browser.get(back)).location == f"{ENDED}?why=lacking"
    assert await new_wall.account() is None
    assert "ipsync-member" not in browser.cookies()


async def test_T04_a_key_under_test_takes_in_only_so_many(new_wall, monkeypatch):
    monkeypatch.setattr(new_wall.works.accounts, "_rules", replace(new_wall.works.rules, accounts_most=1))
    assert (await new_wall.connect(new_wall.browser(), 0)).location == "/connect/done"
    late = new_wall.browser()
    assert "Nobody new can be taken in now" in (await late.get("/connect")).words
    assert (await new_wall.connect(late, 1)).location == f"{ENDED}?why=full"
    assert await new_wall.account(1) is None


async def test_F20_who_does_not_fit_the_budget_is_told_why(new_wall):
    new_wall.works.believed_requests_per_hour = 0.01
    browser = new_wall.browser()
    assert (await new_wall.connect(browser)).location == "/connect/done"
    assert (await new_wall.account()).state is AccountState.WAITING
    assert "Your account is not admitted, because its 1 page" in (await browser.get("/connect/done")).words
    assert "not admitted, because" in (await browser.get("/me")).words


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("http_status", {"value": 503}, "busy"),
        ("html", {}, "busy"),
        ("api_error", {"value": 112}, "busy"),
        ("api_error", {"value": 101}, "refused"),
        ("api_error", {"value": 108}, "closed"),
    ],
)
async def test_a_failure_of_ipernity_is_said_in_words(new_wall, kind, options, why):
    browser = new_wall.browser()
    begun = await browser.press("/connect", "/connect")
    back = await new_wall.say_yes(browser, begun.location, 0)
    await asyncio.to_thread(new_wall.site.fault, kind, ["auth.getToken"], count=9, **options)
    try:
        assert (await browser.get(back)).location == f"{ENDED}?why={why}"
    finally:
        await asyncio.to_thread(new_wall.site.heal)
    assert await new_wall.account() is None


async def test_F35_no_log_and_no_page_holds_a_frob_or_a_token(new_wall):
    log = io.StringIO()
    undo = configure_logging("debug", "json", (), log)
    browser = new_wall.browser()
    try:
        begun = await browser.press("/connect", "/connect")
        back = await new_wall.say_yes(browser, begun.location, 0)
        await browser.get(back)
        await browser.get(back)
        await browser.press("/connect", "/connect")
        await browser.get(back)
        for _ in range(3):
            await browser.post("/connect", {"crumb": "forged-crumb"})
    finally:
        undo()
    records = [json.loads(line) for line in log.getvalue().splitlines()]
    events = [record["event"] for record in records]
    assert events.count("account.added") == 1
    assert [record["reason"] for record in records if record["event"] == "web.authorization-ended"] == ["spent"]
    # A flood of one kind is one line.
    assert [record["kind"] for record in records if record["event"] == "web.refused"] == [
        "stale-authorization",
        "stale-form",
    ]
    frob = back.partition("frob=")[2]
    number = new_wall.id_of(0)
    grant = await new_wall.works.base.catalog.read(lambda view: view.grant(number))
    shown = [await browser.get(path) for path in ("/connect/done", "/me", "/me/receipts")]
    for secret in (frob, grant.token, "forged-crumb", *browser.cookies().values()):
        assert secret not in log.getvalue()
        assert all(secret not in page.text for page in shown)


async def test_too_many_tries_from_one_address_wait(new_wall):
    browser = new_wall.browser()
    found = [(await browser.get("/connect/callback?frob=x")).status for _ in range(32)]
    assert found[:30] == [303] * 30
    assert found[30:] == [429, 429]


async def test_a_head_takes_no_frob(new_wall):
    browser = new_wall.browser()
    await browser.press("/connect", "/connect")
    async with browser.session.head(f"{new_wall.address}/connect/callback?frob=x") as answer:
        assert answer.status == 405
    assert "ipsync-flow" in browser.cookies()


def test_sessions_of_the_flow_are_short():
    assert LASTS["flow"] <= 30 * MINUTE


async def test_who_signs_in_to_ask_for_a_removal_comes_back_to_it(wall):
    browser = wall.browser()
    begun = await browser.press("/removals", "/me/sign-in", back="removals")
    back = await browser.get(await wall.say_yes(browser, begun.location, 0))
    assert back.location == "/removals"
    assert "You are signed in." in (await browser.get("/removals")).words
    document = (await wall.documents())[0]
    asked = await browser.press("/removals", "/removals", document=str(document.document_id))
    assert "Nobody is shown the copy any more." in (await browser.get(asked.location)).words
    # Anywhere else is nowhere to come back to.
    other = wall.browser()
    begun = await other.press("/me", "/me/sign-in", back="https://evil.example/")
    assert (await other.get(await wall.say_yes(other, begun.location, 0))).location == "/me"
