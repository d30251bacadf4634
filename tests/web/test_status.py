"""The operator signs in, sees whether the promise is kept and how we know, and acts; nobody else does any of it."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest

import ipsync.web.status.live
from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState
from ipsync.policy.incidents import Condition, Incident
from ipsync.policy.instants import HOUR, MINUTE, SECOND
from ipsync.policy.requests import Ending, RequestScope, Subject, Words
from ipsync.policy.webhooks import Trouble, Webhook, WebhookState
from ipsync.ports.catalog import JobRun
from tests.web.wall import Browser, Seen, Wall

HOSTILE = "<script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}" + "\N{ZERO WIDTH SPACE}" * 3
PAGES = ("/status", "/status/accounts", "/status/removals", "/status/drill", "/status/live", "/status/removals/1")


async def signed_in(wall: Wall) -> Browser:
    browser = wall.browser()
    token = wall.works.settings.secrets.admin_token.reveal()
    answer = await browser.press("/status/sign-in", "/status/sign-in", token=token)
    assert (answer.status, answer.location) == (303, "/status")
    return browser


@pytest.fixture
async def operator(wall: Wall) -> Browser:
    return await signed_in(wall)


async def change(wall: Wall, account_id: int, **changes: Any) -> None:
    account = await wall.works.base.catalog.read(lambda view: view.account(account_id))
    assert account is not None
    await wall.works.base.catalog.write(lambda tx: tx.put_account(replace(account, **changes)))


async def renew_grants(wall: Wall) -> None:
    """Let members say yes anew: at the site that tests share, others may have taken the first grants back."""
    for member in (0, 1):
        await wall.signed_in(member)


# Signing in


async def test_who_is_not_signed_in_is_led_to_the_form_and_does_nothing(wall: Wall) -> None:
    browser = wall.browser()
    acts = [f"/status/accounts/{wall.id_of(0)}", f"/status/accounts/{wall.id_of(0)}/pause"]
    for path in (*PAGES, *acts):
        assert (await browser.get(path)).location == "/status/sign-in", path
    for path in (acts[1], "/status/removals", "/status/drill", "/status/sign-out"):
        assert (await browser.post(path)).status == 403, path
    account = await wall.account()
    assert account is not None
    assert account.state is AccountState.ACTIVE


async def test_F36_the_token_opens_a_session_and_goes_nowhere(wall: Wall) -> None:
    browser = await signed_in(wall)
    token = wall.works.settings.secrets.admin_token.reveal()
    page = await browser.get("/status")
    assert page.status == 200
    assert token not in page.text + str(page.headers) + str(browser.cookies())
    assert list(browser.cookies()) == ["ipsync-operator"]
    assert (await browser.get("/status/sign-in")).location == "/status"


async def test_the_cookie_is_unreadable_for_scripts_and_comes_from_no_other_site(wall: Wall) -> None:
    browser = wall.browser()
    token = wall.works.settings.secrets.admin_token.reveal()
    answer = await browser.press("/status/sign-in", "/status/sign-in", token=token)
    given = next(line for line in answer.headers.getall("Set-Cookie") if line.startswith("ipsync-operator"))
    assert "HttpOnly" in given
    assert "SameSite=Strict" in given


@pytest.mark.parametrize("token", ["", "wrong", "x" * 5000, HOSTILE])
async def test_a_wrong_token_opens_nothing(wall: Wall, token: str) -> None:
    browser = wall.browser()
    answer = await browser.press("/status/sign-in", "/status/sign-in", token=token)
    assert answer.status == 403
    assert "not the admin token" in answer.words
    assert (await browser.get("/status")).location == "/status/sign-in"


async def test_F36_guessing_is_slowed_down_and_the_right_token_with_it(wall: Wall) -> None:
    browser = wall.browser()
    crumb = (await browser.get("/status/sign-in")).crumb
    answers = [await browser.post("/status/sign-in", {"crumb": crumb, "token": f"guess {n}"}) for n in range(12)]
    assert [answer.status for answer in answers] == [403] * 10 + [429] * 2
    token = wall.works.settings.secrets.admin_token.reveal()
    assert (await browser.post("/status/sign-in", {"crumb": crumb, "token": token})).status == 429


async def test_a_form_of_nobody_signs_nobody_in(wall: Wall) -> None:
    token = wall.works.settings.secrets.admin_token.reveal()
    browser = wall.browser()
    assert (await browser.post("/status/sign-in", {"token": token})).status == 403
    crumb = (await browser.get("/status/sign-in")).crumb
    forged = await browser.post("/status/sign-in", {"crumb": crumb, "token": token}, Origin="https://evil.test")
    assert forged.status == 403
    assert "ipsync-operator" not in browser.cookies()


async def test_who_signs_out_is_out_wherever_the_cookie_was_kept(wall: Wall, operator: Browser) -> None:
    kept = operator.cookies()["ipsync-operator"]
    assert (await operator.press("/status", "/status/sign-out")).location == "/status/sign-in"
    operator.jar.update_cookies({"ipsync-operator": kept})
    assert (await operator.get("/status")).location == "/status/sign-in"


async def test_all_operators_sessions_are_ended_by_one_of_them(wall: Wall, operator: Browser) -> None:
    elsewhere = await signed_in(wall)
    done = await operator.press("/status", "/status/sign-out", everywhere="yes")
    assert (done.location, done.headers["Clear-Site-Data"]) == ("/status/sign-in", '"cache"')
    for browser in (operator, elsewhere):
        assert (await browser.get("/status")).location == "/status/sign-in"


async def test_who_signs_in_is_logged_and_who_guesses_too(wall: Wall, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    browser = await signed_in(wall)
    for _ in range(10):
        await browser.press("/removals", "/status/sign-in", token="wrong")
    told = [record.getMessage() for record in caplog.records]
    assert "Somebody signed in with the admin token." in told
    assert told.count("Something that was asked for was refused.") == 1
    assert "Too many wrong tokens; more are not looked at for a while." in told


async def test_a_members_cookie_is_no_operators(wall: Wall) -> None:
    browser = await wall.signed_in()
    browser.jar.update_cookies({"ipsync-operator": browser.cookies()["ipsync-member"]})
    assert (await browser.get("/status")).location == "/status/sign-in"


# What is shown


async def test_the_question_is_answered_first_and_how_we_know(wall: Wall, operator: Browser) -> None:
    held = len(await wall.documents(0)) + len(await wall.documents(1))
    page = await operator.get("/status")
    words = page.words
    assert words.index("Are we within the 24 hours?") < words.index("Yes: nothing is held longer than it may be.")
    assert words.index("How we know:") < words.index("Leases by age")
    assert f"Shown {held} Hidden 0" in words
    assert "entries, signed; the newest is of" in words
    for number in (wall.id_of(0), wall.id_of(1)):
        assert f'href="/status/accounts/{number}"' in page.text
    assert page.text.count('<rect class="served"') == 1
    assert f"0 to 10 h {held} shown" in words
    assert len(page.body) < 50_000


async def test_the_page_loads_nothing_from_elsewhere_and_nothing_inline(operator: Browser) -> None:
    page = await operator.get("/status")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'; connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|\son\w+=|javascript:", page.text)
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        answer = await operator.get(path)
        assert answer.status == 200, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_should_be_gone_is_told_in_red(wall: Wall, operator: Browser) -> None:
    document = (await wall.documents())[0]
    await wall.change(document, verified_at=document.verified_at - 24 * HOUR)
    page = await operator.get("/status")
    assert "No: 1 document is held that should be gone." in page.words
    assert 'class="verdict wrong"' in page.text


async def test_what_needs_a_person_is_told_with_what_to_do(wall: Wall, operator: Browser) -> None:
    now, number = wall.works.base.clock.now(), wall.id_of(1)
    lost = Incident(Condition.GRANT_LOST, str(number), 3, now - HOUR)
    over = Incident(Condition.CLOCK, "", 7200, now - HOUR, resolved_at=now - MINUTE)
    await wall.works.base.catalog.write(lambda tx: [tx.put_incident(lost), tx.put_incident(over)])
    page = await operator.get("/status")
    assert f"Yes; one thing needs you: account {number} took its grant back." in page.words
    assert "It is mirrored again if the member authorizes anew." in page.words
    assert "The wall clock lies 2 h behind the time that has passed ended 60 s ago" in page.words


async def test_jobs_that_fail_come_first(wall: Wall, operator: Browser) -> None:
    now = wall.works.base.clock.now()
    run = JobRun("media", now - SECOND, now, "StoreFull", now - HOUR)
    await wall.works.base.catalog.write(lambda tx: tx.put_job_run(run))
    page = await operator.get("/status")
    assert re.search(r"Jobs media failed \S+ s ago \(StoreFull\); went well 60 min ago", page.words)


async def test_what_webhooks_are_owed_is_told_without_their_address(wall: Wall, operator: Browser) -> None:
    catalog, now = wall.works.base.catalog, wall.works.base.clock.now()
    webhook = Webhook(0, "https://hooks.example.org/canary", "whsec_canary", WebhookState.ACTIVE, now)
    failed = webhook.failed(Trouble.UNREACHABLE, now, 24 * HOUR)
    await catalog.write(lambda tx: [tx.add_webhook(failed), tx.add_webhook(replace(webhook, state=WebhookState.ENDED))])
    page = await operator.get("/status")
    owed = (
        r"1 owed [\d,]+ changes?, the oldest of .* ago; never took anything; it could not be reached, 1 time in a row"
    )
    assert re.search(f"Webhooks {owed} 2 ended: its receiver wants nothing more", page.words)
    assert "canary" not in page.text
    assert "hooks.example" not in page.text


async def test_F33_what_members_call_themselves_stays_text(wall: Wall, operator: Browser) -> None:
    number = wall.id_of(0)
    await change(wall, number, username=HOSTILE * 100, realname=HOSTILE, failure="could not be read")
    for path in ("/status", "/status/accounts", f"/status/accounts/{number}", f"/status/accounts/{number}/pause"):
        page = await operator.get(path)
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text
        assert 'class="stranger"' in page.text
        assert len(page.body) < 50_000


async def test_many_accounts_are_shown_in_pages_those_in_trouble_first(wall: Wall, operator: Browser) -> None:
    template = await wall.account()
    assert template is not None
    many = [replace(template, account_id=1000 + number) for number in range(60)]
    await wall.works.base.catalog.write(lambda tx: [tx.put_account(account) for account in many])
    await change(wall, 1059, state=AccountState.WAITING, failure="not admitted, because of the budget")
    page = await operator.get("/status")
    rows = re.findall(r'href="/status/accounts/(\d+)"', page.text)
    assert (rows[0], len(rows)) == ("1059", 20)
    assert "not admitted, because of the budget" in page.words
    assert "All 62 accounts" in page.words
    first = await operator.get("/status/accounts")
    found = re.findall(r'href="/status/accounts/(\d+)"', first.text)
    following = re.search(r'href="(/status/accounts\?after=\d+)"', first.text)
    assert following is not None
    found += re.findall(r'href="/status/accounts/(\d+)"', (await operator.get(following[1])).text)
    assert found == sorted(found, key=int)
    assert len(found) == 62
    assert (await operator.get("/status/accounts?after=x")).status == 404


# Live


async def read_event(answer: Any) -> str:
    async with asyncio.timeout(20):
        while True:
            line = (await answer.content.readline()).decode()
            assert line, "the stream ended"
            if line.startswith("data: "):
                return str(json.loads(line.removeprefix("data: ")))


async def test_the_page_follows_what_happens_until_one_signs_out(
    wall: Wall, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipsync.web.status.live, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr("ipsync.web.status.tower._FRESH", 0)
    async with operator.session.get(f"{wall.address}/status/live") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "Yes: nothing is held" in await read_event(answer)
        await change(wall, wall.id_of(0), state=AccountState.PAUSED)
        while "paused" not in await read_event(answer):
            pass
        await operator.press("/status", "/status/sign-out")
        async with asyncio.timeout(20):
            await answer.content.read()


async def test_not_everybody_can_watch_at_once(wall: Wall, operator: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipsync.web.status.live, "STREAMS_MOST", 1)
    async with operator.session.get(f"{wall.address}/status/live") as answer:
        await read_event(answer)
        assert (await operator.get("/status/live")).status == 503
        assert (await operator.get("/status")).status == 200


# Acting


async def test_an_account_is_paused_and_resumed_after_confirmation(wall: Wall, operator: Browser) -> None:
    page = f"/status/accounts/{wall.id_of(0)}"
    asked = await operator.get(f"{page}/pause")
    assert "begin to be hidden in 20 h and erased in 22 h" in asked.words
    account = await wall.account()
    assert account is not None
    assert account.state is AccountState.ACTIVE
    answer = await operator.post(f"{page}/pause", {"crumb": asked.crumb})
    assert (answer.status, answer.location) == (303, page)
    told = await operator.get(page)
    assert "Paused: it is not read any more" in told.words
    assert (await operator.get(f"{page}/pause")).status == 409
    assert (await operator.press(f"{page}/resume", f"{page}/resume")).location == page
    assert "Active:" in (await operator.get(page)).words
    assert "sync" in wall.nudged


async def test_an_account_is_checked_and_the_result_told(wall: Wall, operator: Browser) -> None:
    await renew_grants(wall)
    page = f"/status/accounts/{wall.id_of(0)}"
    long_ago = wall.works.base.clock.now() - 5 * HOUR
    await change(wall, wall.id_of(0), checked_at=long_ago)
    assert "Grant last confirmed by ipernity 5 h ago" in (await operator.get(page)).words
    assert (await operator.press(f"{page}/check", f"{page}/check")).location == page
    assert re.search(r"Grant last confirmed by ipernity [\d.]+ s ago", (await operator.get(page)).words)


async def test_nothing_is_done_from_another_site_or_without_the_form(wall: Wall, operator: Browser) -> None:
    page = f"/status/accounts/{wall.id_of(0)}/pause"
    crumb = (await operator.get(page)).crumb
    assert (await operator.post(page)).status == 403
    assert (await operator.post(page, {"crumb": "x" * 43})).status == 403
    assert (await operator.post(page, {"crumb": crumb}, Origin="https://evil.test")).status == 403
    assert (await operator.post(page, {"crumb": crumb}, Sec_Fetch_Site="cross-site")).status == 403
    assert (await operator.post(page, {"crumb": crumb, "more": "1"})).status == 400
    account = await wall.account()
    assert account is not None
    assert account.state is AccountState.ACTIVE


async def test_T11_a_request_is_shown_confirmed_and_hidden_at_once(wall: Wall, operator: Browser) -> None:
    document = (await wall.documents())[0]
    fields = {"document": f"{document.document_id}", "account": "", "contact": HOSTILE, "note": ""}
    asked = await operator.press("/status/removals", "/status/removals", **fields)
    assert f"Remove document {document.document_id}?" in asked.words
    assert "Documents held 1" in asked.words
    assert "<script>alert" not in asked.text
    assert (await wall.documents())[0].state is DocumentState.LIVE
    answer = await operator.post("/status/removals", {"crumb": asked.crumb, "confirmed": "yes", **fields})
    assert answer.location == "/status/removals/1"
    assert (await wall.documents())[0].state is DocumentState.DOOMED
    assert "purge" in wall.nudged
    receipt = await operator.get("/status/removals/1")
    assert "Hidden, and being erased now." in receipt.words
    await wall.works.purge.run()
    assert "Gone: everything of it was erased" in (await operator.get("/status/removals/1")).words
    again = await operator.press("/status/removals", "/status/removals", **fields)
    assert "request 1 stands" in again.words


@pytest.mark.parametrize(
    "fields",
    [
        {"document": "", "account": ""},
        {"document": "5", "account": "7"},
        {"document": "https://evil.test/doc/1/2", "account": ""},
        {"document": "", "account": "anna"},
        {"document": "5", "account": "", "note": "x" * 5000},
    ],
)
async def test_what_names_nothing_is_told_in_words(wall: Wall, operator: Browser, fields: dict[str, str]) -> None:
    answer = await operator.press("/status/removals", "/status/removals", **fields)
    assert answer.status == 400
    assert 'role="alert"' in answer.text
    assert await wall.works.base.catalog.read(lambda view: view.removal_requests()) == []


async def test_an_account_can_be_asked_away(wall: Wall, operator: Browser) -> None:
    number = wall.id_of(1)
    fields = {"account": str(number), "confirmed": "yes"}
    assert (await operator.press("/status/removals", "/status/removals", **fields)).location == "/status/removals/1"
    found = await wall.works.base.catalog.read(lambda view: view.removal_request(1))
    assert found is not None
    assert found.subject == Subject(RequestScope.ACCOUNT, number, number)
    assert found.ended_by is not Ending.WITHDRAWN


async def test_T11_petitions_are_shown_decided_after_confirmation_and_told(wall: Wall, operator: Browser) -> None:
    documents, petitions = await wall.documents(), wall.works.petitions
    numbers = [document.document_id for document in documents[:2]]
    tokens = [
        await petitions.take_in(Subject(RequestScope.DOCUMENT, number), Words("olga@example.org", HOSTILE))
        for number in numbers
    ]
    await wall.works.base.catalog.write(
        lambda tx: tx.put_incident(Incident(Condition.PETITION, "1", 0, wall.works.base.clock.now()))
    )
    page = await operator.get("/status")
    assert page.text.count('href="/status/petitions"') == 2
    assert "petition 1 waits for you" in page.words
    page = await operator.get("/status/petitions")
    for words in (f"document {numbers[0]}", "Held here yes", "Complied with if nobody decides", ", in 20 h", "olga@"):
        assert words in page.words, words
    assert "<script>alert" not in page.text
    # Looking at what would happen changes nothing.
    asked = await operator.get("/status/petitions/1/grant")
    assert "hidden now, erased" in asked.words
    assert (await operator.post("/status/petitions/1/grant", {"crumb": "forged"})).status == 403
    assert (await petitions.standing(tokens[0])).petition.waits
    done = await operator.press("/status/petitions/1/grant", "/status/petitions/1/grant")
    assert (done.status, wall.nudged[-1]) == (303, "purge")
    assert "Hidden, and being erased now" in (await operator.get(done.location)).words
    done = await operator.press("/status/petitions/2/decline", "/status/petitions/2/decline")
    assert "Nobody waits for a decision." in (await operator.get(done.location)).words
    held = {document.document_id: document.state for document in await wall.documents()}
    assert held[numbers[1]] is DocumentState.LIVE
    assert held.get(numbers[0]) in (None, DocumentState.DOOMED)
    for path, status in (("2/grant", 409), ("99/grant", 404), ("2/burn", 404)):
        assert (await operator.get(f"/status/petitions/{path}")).status == status
    assert (await wall.browser().get("/status/petitions")).location == "/status/sign-in"


async def test_a_drill_is_held_measured_and_told(wall: Wall, operator: Browser) -> None:
    await renew_grants(wall)
    asked = await operator.get("/status/drill")
    document = re.search(r'name="document" value="(\d+)"', asked.text)
    assert document is not None
    begun = await operator.post("/status/drill", {"crumb": asked.crumb, "document": document[1]})
    assert begun.location == "/status/drill"
    assert "It goes on" in (await operator.get("/status/drill")).words
    second = await operator.post("/status/drill", {"crumb": asked.crumb, "document": document[1]})
    assert second.status == 409
    told = await _until_over(wall, operator)
    assert "Hidden and erased in time, and mirrored again." in told.words
    assert "drill" in (await operator.get("/status")).words


async def _until_over(wall: Wall, operator: Browser) -> Seen:
    """Do what the daemon's jobs do when they are nudged, until the drill is over."""
    works = wall.works
    async with asyncio.timeout(60):
        while True:
            await works.sync.run()
            await works.confirm.run()
            await works.purge.run()
            await works.media.run()
            page = await operator.get("/status/drill")
            if "It goes on" not in page.words:
                return page
            await asyncio.sleep(0.05)
