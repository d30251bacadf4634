"""Members see what is kept of theirs, have it removed, and let go; nobody touches another member's (T10, T11)."""

import asyncio
import re
from dataclasses import replace

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Visibility
from ipsync.policy.entries import Content, EntryKind, ListedEntry, verified
from ipsync.policy.instants import HOUR
from ipsync.policy.removals import Reason
from ipsync.web.sessions import LASTS
from ipsync.web.strangers import short_title
from tests.web.test_pages import Page


def shown_ids(page, documents):
    return {entry.document_id for entry in documents if f"/{entry.document_id}" in page.text}


async def held_of(wall, document_id):
    return (await wall.works.base.catalog.read(lambda view: view.documents([document_id]))).get(document_id)


async def requests_of(wall, member=0):
    number = wall.id_of(member)
    return await wall.works.base.catalog.read(lambda view: view.removal_requests_by(number))


# Signing in


async def test_who_is_nobody_yet_sees_how_to_sign_in(wall):
    page = await wall.browser().get("/me")
    assert page.status == 200
    assert "Sign in through ipernity" in page.words
    assert "no password is asked for" in page.words
    for path in ("/me/receipts", "/me/remove-all", "/me/disconnect", "/me/remove?document=1"):
        assert (await wall.browser().get(path)).location == "/me"
    assert (await wall.browser().get("/me/media/1/240")).status == 404


async def test_a_member_signs_in_through_ipernity_and_out(wall):
    browser = wall.browser()
    assert (await wall.sign_in(browser)).location == "/me"
    account = await wall.account()
    page = await browser.get("/me")
    assert f"Signed in as {account.username}, member {account.account_id}" in page.words
    kept = browser.cookies()["ipsync-member"]
    assert (await browser.press("/me", "/me/sign-out")).location == "/me"
    assert "Sign in through ipernity" in (await browser.get("/me")).words
    # The old cookie is worth nothing, wherever it was kept.
    browser.jar.update_cookies({"ipsync-member": kept})
    assert "Sign in through ipernity" in (await browser.get("/me")).words


async def test_T22_signing_in_is_logged_and_not_who(wall, caplog):
    caplog.set_level("INFO")
    await wall.signed_in()
    told = [record.getMessage() for record in caplog.records]
    assert "A member signed in through ipernity." in told
    assert str(wall.id_of(0)) not in "".join(told)


async def test_signing_in_again_ends_the_session_before(wall):
    browser = await wall.signed_in()
    kept = browser.cookies()["ipsync-member"]
    assert (await wall.connect(browser)).location == "/connect/done"
    assert "Signed in as" in (await browser.get("/me")).words
    thief = wall.browser()
    thief.jar.update_cookies({"ipsync-member": kept})
    assert "Sign in through ipernity" in (await thief.get("/me")).words


async def test_who_signs_out_everywhere_is_out_in_every_browser(wall):
    here, elsewhere, other = await wall.signed_in(), await wall.signed_in(), await wall.signed_in(1)
    done = await here.press("/me/receipts", "/me/sign-out", everywhere="yes")
    assert done.location == "/me"
    # Pictures that the browser keeps go with the session.
    assert done.headers["Clear-Site-Data"] == '"cache"'
    for browser in (here, elsewhere):
        assert "Sign in through ipernity" in (await browser.get("/me")).words
    assert "Signed in as" in (await other.get("/me")).words


async def test_signing_in_renews_the_grant_and_wakes_nobody_up(wall):
    await wall.works.accounts.pause(wall.id_of(0))
    before = await wall.account()
    old = await wall.works.base.catalog.read(lambda view: view.grant(before.account_id))
    await asyncio.to_thread(wall.site.change, lambda world: world.state.revoke(world.members[0]))
    await wall.signed_in()
    after = await wall.account()
    grant = await wall.works.base.catalog.read(lambda view: view.grant(before.account_id))
    assert after.state is AccountState.PAUSED
    assert after.consent_epoch == before.consent_epoch + 1
    assert grant.token != old.token
    consents = await wall.works.base.catalog.read(lambda view: view.consents(before.account_id))
    assert [entry.ended_reason for entry in consents] == ["replaced", ""]


async def test_T12_a_stranger_who_signs_in_is_not_taken_in(wall):
    browser = wall.browser()
    assert (await wall.sign_in(browser, 2)).location == "/me"
    page = await browser.get("/me")
    assert "You are not connected, and nothing of yours is kept." in page.words
    number = wall.id_of(2)
    assert await wall.account(2) is None
    assert await wall.works.base.catalog.read(lambda view: (view.grant(number), view.consents(number))) == (None, [])
    assert "You have not asked for anything." in (await browser.get("/me/receipts")).words
    assert (await browser.get("/me/disconnect")).location == "/me"
    receipts = await browser.get("/me/receipts")
    assert (await browser.post("/me/disconnect", {"crumb": receipts.crumb})).location == "/me"


async def test_a_session_ends_by_itself(wall, monkeypatch):
    monkeypatch.setitem(LASTS, "member", 0)
    browser = wall.browser()
    await wall.sign_in(browser)
    assert "Sign in through ipernity" in (await browser.get("/me")).words


# What is kept


async def test_T08_everything_of_mine_is_listed_and_nothing_of_others(wall):
    mine, others = await wall.documents(0), await wall.documents(1)
    assert mine
    assert others
    browser = await wall.signed_in()
    page = await browser.get("/me")
    assert shown_ids(page, mine) == {entry.document_id for entry in mine}
    assert shown_ids(page, others) == set()
    assert page.text.count('class="card"') == len(mine)
    assert "Last confirmed by ipernity" in page.words
    assert re.search(r"Gone by 20\S+ \d\d:\d\d UTC, unless it is confirmed again", page.words)
    assert "CC BY" in page.words
    assert f"{wall.site.simulator.base_url}/doc/{wall.id_of(0)}/{mine[0].document_id}" in page.text
    other = (await wall.account(1)).username
    assert other not in page.text


async def test_T08_albums_and_articles_of_mine_are_listed_too(wall):
    browser = await wall.signed_in()
    number, now = wall.id_of(0), wall.works.base.clock.now()
    listed = ListedEntry(70, "Evening <b>light</b>", frozenset({Visibility.PUBLIC}))
    for owner, kind in ((number, EntryKind.ALBUM), (wall.id_of(1), EntryKind.ARTICLE)):
        entry = verified(None, kind, owner, listed, Content(), now, now)
        await wall.works.base.catalog.write(lambda tx, entry=entry: tx.put_entries([entry]))
    page = await browser.get("/me")
    assert "album Evening <b>light</b>" in page.words
    assert f"/album/{number}/70" in page.text
    assert "article Evening" not in page.words
    assert "Remove all copies" in page.words


async def test_T11_T19_one_album_of_mine_goes_and_no_others(wall):
    browser = await wall.signed_in()
    number, now = wall.id_of(0), wall.works.base.clock.now()
    listed = ListedEntry(70, "Evening", frozenset({Visibility.PUBLIC}))
    for owner, kind in ((number, EntryKind.ALBUM), (wall.id_of(1), EntryKind.ARTICLE)):
        entry = verified(None, kind, owner, listed, Content(), now, now)
        await wall.works.base.catalog.write(lambda tx, entry=entry: tx.put_entries([entry]))
    assert 'href="/me/remove?document=album/70"' in (await browser.get("/me")).text
    asked = await browser.get("/me/remove?document=album/70")
    assert "Only the copy here goes. Your album at ipernity stays as it is." in asked.words
    for other in ("article/70", "folder/70", "album/71"):
        assert (await browser.get(f"/me/remove?document={other}")).status == 404
    done = await browser.press("/me/remove?document=album/70", "/me/remove", document="album/70")
    receipts = await browser.get(done.location)
    assert "album 70" in receipts.words
    assert f"/album/{number}/70" in receipts.text
    left = await wall.works.base.catalog.read(lambda view: view.entries_of(EntryKind.ALBUM, 9, account_id=number))
    assert {entry.state for entry in left} <= {DocumentState.DOOMED}


async def test_thumbnails_are_for_their_owner_alone(wall):
    mine, theirs = await wall.documents(0), await wall.documents(1)
    browser = await wall.signed_in()
    path = f"/me/media/{mine[0].document_id}/240"
    assert path in (await browser.get("/me")).text
    picture = await browser.get(path)
    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/jpeg")
    assert picture.body.startswith(b"\xff\xd8")
    assert (picture.headers["Cache-Control"], picture.headers["Vary"]) == ("private, no-cache", "Cookie")
    for asker, document in ((browser, theirs[0]), (wall.browser(), mine[0]), (await wall.signed_in(1), mine[0])):
        assert (await asker.get(f"/me/media/{document.document_id}/240")).status == 404
    for odd in (
        "/me/media/0/240",
        f"/me/media/{mine[0].document_id}/..%2f240",
        f"{path}.css",
        f"{path}/",
        f"{path}?x=1",
    ):
        assert (await browser.get(odd)).status == 404
    # A session opens nothing else.
    assert (await browser.get(f"/media/{mine[0].document_id}/240")).status == 401
    assert (await browser.get("/v1/documents")).status == 401


async def test_what_is_hidden_is_told_without_its_picture(wall):
    document = (await wall.documents())[0]
    browser = await wall.signed_in()
    now = wall.works.base.clock.now()
    for changes, words in (
        ({"state": DocumentState.SUSPECT, "hidden_at": now}, "hidden, being asked after at ipernity"),
        ({"state": DocumentState.STALE, "hidden_at": now}, "hidden, not confirmed for too long"),
        ({"state": DocumentState.DOOMED, "hidden_at": now}, "hidden, being erased"),
        ({"verified_at": now - 21 * HOUR}, "hidden"),
    ):
        await wall.change(document, **changes)
        page = await browser.get("/me")
        assert words in page.words
        path = f"/me/media/{document.document_id}/240"
        assert path not in page.text
        assert (await browser.get(path)).status == 404


async def test_T20_more_than_a_page_goes_on_by_number(wall):
    first = (await wall.documents())[0]
    base = 900_000_000
    more = [replace(first, document_id=base + number) for number in range(60)]
    await wall.works.base.catalog.write(lambda tx: tx.add_documents(more))
    browser = await wall.signed_in()
    found, path, pages = set(), "/me", 0
    while path:
        page = await browser.get(path)
        cards = page.text.count('class="card"')
        assert 0 < cards <= 50
        assert len(page.body) < 50_000
        found |= shown_ids(page, await wall.documents())
        going_on = [link for link in Page(page.text).links if link and link.startswith("/me?after=")]
        path, pages = (going_on[0] if going_on else ""), pages + 1
    assert found == {entry.document_id for entry in await wall.documents()}
    assert pages == 3
    for odd in ("-1", "x", "9" * 30, "1%00"):
        assert (await browser.get(f"/me?after={odd}")).status == 400


async def test_T20_more_albums_than_a_page_holds_go_on_by_name(wall):
    browser = await wall.signed_in()
    number, now = wall.id_of(0), wall.works.base.clock.now()
    listed = [ListedEntry(70 + place, "日" * 140, frozenset({Visibility.PUBLIC})) for place in range(60)]
    mine = [verified(None, EntryKind.ALBUM, number, one, Content(), now, now) for one in listed]
    mine += [verified(None, EntryKind.ARTICLE, number, one, Content(), now, now) for one in listed[:3]]
    theirs = verified(None, EntryKind.FOLDER, wall.id_of(1), listed[0], Content(), now, now)
    await wall.works.base.catalog.write(lambda tx: tx.put_entries([*mine, theirs]))
    path, found, pages = "/me", [], 0
    while path:
        page = await browser.get(path)
        named = re.findall(r'href="/me/remove\?document=([a-z]+/\d+)"', page.text)
        assert 0 < len(named) + page.text.count('class="card"') <= 50
        assert page.words.count("last confirmed by ipernity") == len(named)
        assert len(page.body) < 50_000
        found += named
        going_on = [link for link in Page(page.text).links if link and link.startswith("/me?beside=")]
        path, pages = (going_on[0] if going_on else ""), pages + 1
    assert found == [f"{one.kind.value}/{one.entry_id}" for one in mine]
    assert pages > 2
    assert 'href="/me"' in page.text
    for odd in ("album", "album/0", "album/x", "album/" + "9" * 30, "note/7", "70"):
        assert (await browser.get(f"/me?beside={odd}")).status == 400


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202egpj.exe\u202c",
    "\u200b\u200c\u200d\ufeff",
    "\x00\x1b[2J\r\nSet-Cookie: x=1",
    "{{ 7*7 }}",
    "A" * 1_000_000,
    "\U000e0041\U000e0042",
]


@pytest.mark.parametrize("title", HOSTILE)
async def test_F33_hostile_titles_stay_text(wall, title):
    document = (await wall.documents())[0]
    plain = Page((await (await wall.signed_in()).get("/me")).text)
    await wall.change(document, facts=replace(document.facts, title=title))
    browser = await wall.signed_in()
    for path in ("/me", f"/me/remove?document={document.document_id}"):
        answer = await browser.get(path)
        found = Page(answer.text)
        assert answer.status == 200
        assert len(answer.body) < 50_000
        assert found.events == []
        assert not {"script", "svg", "style", "iframe"} & set(found.tags)
        for letter in "\u202e\u200b\ufeff\x00\x1b\U000e0041":
            assert letter not in answer.text
        assert "Set-Cookie: x" not in str(answer.headers)
        assert "<bdi" in answer.text
        if path == "/me":
            assert found.tags.count("img") == plain.tags.count("img")
            assert found.tags == plain.tags


async def test_F33_a_hostile_name_stays_one_short_line(wall):
    browser = await wall.signed_in()
    account = await wall.account()
    for name in ("\u202e<script>alert(1)</script>\u200b", "A" * 1_000_000):
        hostile = replace(account, username="", realname=name)
        await wall.works.base.catalog.write(lambda tx, hostile=hostile: tx.put_account(hostile))
        for path in ("/me", "/connect", "/connect/done"):
            answer = await browser.get(path)
            assert (answer.status, len(answer.body) < 50_000) == (200, True)
            assert "script" not in Page(answer.text).tags
            assert not {"\u202e", "\u200b"} & set(answer.text)


def test_titles_are_made_short_and_plain():
    assert short_title("  Evening \n light ") == "Evening light"
    assert short_title("x" * 200) == "x" * 139 + "…"
    assert short_title("\u202e\u200b") == ""
    assert short_title("Žluťoučký kůň · 夕日 · مساء") == "Žluťoučký kůň · 夕日 · مساء"


# Removing


async def test_T11_T19_one_copy_is_hidden_at_once_and_its_receipt_goes_on(wall):
    document, *others = await wall.documents()
    browser = await wall.signed_in()
    path = f"/me/remove?document={document.document_id}"
    page = await browser.get(path)
    assert "Only the copy here goes. Your work at ipernity stays as it is." in page.words
    done = await browser.press(path, "/me/remove", document=str(document.document_id))
    assert done.location == "/me/receipts?done=one"
    assert (await held_of(wall, document.document_id)).state is DocumentState.DOOMED
    assert (await browser.get(f"/me/media/{document.document_id}/240")).status == 404
    assert "purge" in wall.nudged
    receipts = await browser.get(done.location)
    for words in ("It is hidden, and being erased.", f"work {document.document_id}", "Being erased at the latest by",
                  "What was kept of it 1 work", "no, the request stands"):  # fmt: skip
        assert words in receipts.words, words
    assert "hidden, being erased" in (await browser.get("/me")).words
    await wall.works.purge.run()
    receipts = await browser.get("/me/receipts")
    assert "Gone 20" in receipts.words
    assert "Being erased" not in receipts.words
    (request,) = await requests_of(wall)
    assert request.gone_at is not None
    # It is not copied again, and the others stay.
    await wall.works.sync.run(force=True)
    assert {entry.document_id for entry in await wall.documents()} == {entry.document_id for entry in others}


async def test_T11_all_copies_go_and_the_member_stays(wall):
    before = await wall.documents()
    browser = await wall.signed_in()
    page = await browser.get("/me/remove-all")
    assert f"{len(before)} works with" in page.words
    assert "Only the copies here go." in page.words
    assert (await browser.press("/me/remove-all", "/me/remove-all")).location == "/me/receipts?done=all"
    assert {entry.state for entry in await wall.documents()} == {DocumentState.DOOMED}
    assert (await browser.get("/me/receipts?done=all")).text.count('id="receipt-') == len(before)
    assert len(await requests_of(wall)) == len(before)
    # Asking twice asks for nothing new.
    assert await wall.works.requests.file_all(wall.id_of(0)) == 0
    await wall.works.purge.run()
    await wall.works.sync.run(force=True)
    await wall.works.media.run()
    assert await wall.documents() == []
    assert all(request.gone_at for request in await requests_of(wall))
    assert (await wall.account()).state is AccountState.ACTIVE
    assert await wall.documents(1) != []
    removals = await wall.works.base.catalog.read(lambda view: view.removals(stages=None))
    assert {entry.reason for entry in removals} == {Reason.OWNER_REQUEST}


async def test_who_is_connected_may_ask_though_no_work_is_kept(wall):
    browser = await wall.signed_in()
    await wall.works.requests.file_all(wall.id_of(0))
    await wall.works.purge.run()
    assert await wall.documents() == []
    assert "albums, folders, articles and profile" in (await browser.get("/me/remove-all")).words
    assert (await browser.press("/me/remove-all", "/me/remove-all")).location == "/me/receipts?done=all"


async def test_T15_disconnecting_lets_everything_go(wall):
    browser = await wall.signed_in()
    number, name = wall.id_of(0), (await wall.account()).username
    assert "unless you connect again" in (await browser.get("/me/disconnect")).words
    assert (await browser.press("/me/disconnect", "/me/disconnect")).location == "/me/receipts?done=disconnected"
    assert (await wall.account()).state is AccountState.REMOVED
    assert await wall.works.base.catalog.read(lambda view: view.grant(number)) is None
    page = await browser.get("/me")
    assert "You are not connected. What is still kept is hidden, and being erased." in page.words
    assert name not in page.text
    await wall.works.purge.run()
    await wall.works.requests.complete()
    assert await wall.documents() == []
    assert "nothing of yours is kept" in (await browser.get("/me")).words
    receipts = await browser.get("/me/receipts")
    for words in ("everything", "Gone 20", "Ended", "disconnected"):
        assert words in receipts.words, words
    # Coming back is a new consent, and the receipt says so.
    assert (await wall.connect(browser)).location == "/connect/done"
    assert "the request was lifted when you connected again" in (await browser.get("/me/receipts")).words


async def test_nothing_of_another_member_is_removed(wall):
    theirs = (await wall.documents(1))[0]
    browser = await wall.signed_in()
    crumb = (await browser.get("/me")).crumb
    assert (await browser.get(f"/me/remove?document={theirs.document_id}")).status == 404
    fields = {"crumb": crumb, "document": str(theirs.document_id)}
    unknown = await browser.post("/me/remove", fields | {"document": "999999999"})
    theirs_answer = await browser.post("/me/remove", fields)
    assert (theirs_answer.status, theirs_answer.text) == (404, unknown.text)
    assert (await held_of(wall, theirs.document_id)).state is DocumentState.LIVE
    for extra in ({"account_id": str(theirs.account_id)}, {"owner": "1"}):
        assert (await browser.post("/me/remove", fields | extra)).status == 400
    for odd in ("", "x", "-1", "9" * 30, "1 OR 1=1"):
        assert (await browser.post("/me/remove", {"crumb": crumb, "document": odd})).status == 400
    assert await requests_of(wall, 1) == []


ACTS = ["/me/remove", "/me/remove-all", "/me/disconnect", "/me/sign-out"]


@pytest.mark.parametrize("path", ACTS)
async def test_no_act_without_the_form_of_this_session(wall, path):
    document = (await wall.documents())[0]
    fields = {"document": str(document.document_id)} if path == "/me/remove" else {}
    mine, other = await wall.signed_in(), await wall.signed_in(1)
    crumb, theirs = (await mine.get("/me")).crumb, (await other.get("/me")).crumb
    anonymous = (await wall.browser().get("/connect")).crumb
    for forged in ("", "x", theirs, anonymous, crumb[:-1]):
        assert (await mine.post(path, fields | {"crumb": forged})).status == 403
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        assert (await mine.post(path, fields | {"crumb": crumb}, **headers)).status == 403
    assert (await mine.post(path, fields | {"crumb": crumb}, Host="evil.example")).status == 421
    assert (await wall.browser().post(path, fields | {"crumb": crumb})).status == 403
    # An address alone does nothing.
    assert (await mine.get(f"{path}?crumb={crumb}&document={document.document_id}")).status in (200, 405)
    assert {entry.state for entry in await wall.documents()} == {DocumentState.LIVE}
    assert (await wall.account()).state is AccountState.ACTIVE
    assert "Signed in" in (await mine.get("/me")).words


async def test_receipts_are_mine_alone_and_go_on(wall):
    number = wall.id_of(0)
    await wall.works.requests.file_all(number)
    browser, other = await wall.signed_in(), await wall.signed_in(1)
    mine = await requests_of(wall)
    assert f"work {mine[0].subject.subject_id}" in (await browser.get("/me/receipts")).words
    assert "You have not asked for anything." in (await other.get("/me/receipts")).words
    older = await browser.get(f"/me/receipts?before={mine[0].request_id}")
    assert f"work {mine[0].subject.subject_id}" not in older.words
    assert f"work {mine[-1].subject.subject_id}" in older.words
    assert (await browser.get("/me/receipts?before=x")).status == 400
    assert number == mine[0].subject.account_id


# The frame


@pytest.mark.parametrize(
    "path",
    ["/me", "/me/receipts", "/me/remove-all", "/me/disconnect", "/connect", "/connect/done", "/connect/ended?why=spent",
     "/me/nothing", "/privacy"],
)  # fmt: skip
async def test_T16_T17_T18_every_member_page_leads_back_and_runs_nothing(wall, path):
    browser = await wall.signed_in()
    answer = await browser.get(path)
    found = Page(answer.text)
    assert found.links[0] == wall.site.simulator.base_url
    assert "← Back to ipernity" in answer.words
    assert "/privacy" in found.links
    assert "it is not part of ipernity" in answer.words
    assert '<html lang="en">' in answer.text
    assert found.tags.count("h1") == 1
    assert {"header", "main", "footer", "nav"} <= set(found.tags)
    assert found.events == []
    assert not {"script", "style", "iframe", "object"} & set(found.tags)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert all(load.startswith("/") for load in found.loads)
    assert len(answer.body) < 50_000
