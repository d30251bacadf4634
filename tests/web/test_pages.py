"""What people and probes see: the privacy page, its facts, escaping, and the headers of every answer."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ipsync.policy.accounts import AccountState
from ipsync.policy.documents import DocumentState, Media, Safety, Visibility
from ipsync.policy.entries import EntryKind
from ipsync.policy.instants import DAY, HOUR, MINUTE, SECOND
from ipsync.policy.lease import Lease
from ipsync.policy.permission import KeyUse
from ipsync.policy.rules import TimeToLive
from ipsync.web import Operator, build_app
from ipsync.web.policy_text import Block, Span, read_policy, read_spans
from ipsync.web.privacy import contact_link, duration_words, size_words
from tests.web.conftest import JPEG, OPERATOR, RULES

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'--><svg/onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "</style><style>*{}</style>",
    "a\r\nSet-Cookie: x=1",
    "\x00\x1b[2J",
]


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.loads, self.events, self.words = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        if tag == "a":
            self.links.append(found.get("href"))
        self.loads += [value for name, value in attrs if name in ("src", "srcset", "data", "action", "formaction")]
        if tag == "link":
            self.loads.append(found["href"])
        self.events += [name for name, _ in attrs if name.startswith("on") or name == "style"]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


async def page(client, path="/privacy"):
    answer = await client.get(path, token=False, **HTML)
    return Page(answer.text)


async def test_T16_the_policy_and_the_live_facts_are_shown(shown, client):
    await shown.document(6, state=DocumentState.SUSPECT, hidden_at=1)
    found = await page(client)
    for words in (
        "Privacy policy We keep *little*. one two",
        "Evening Light Archive",
        "Keeps a reading copy of members' photos for an exhibition.",
        "archive@example.org",
        "non-commercial use",
        "Privacy levels public",
        "Kinds of work audio, other, photo, video",
        "Fit for for everyone, not for all, for adults",
        "Files of each work picture of 240 pixels, original file",
        "Description and tags not copied",
        "Smaller pictures 30 days",
        "Playable audio and video 20 days",
        "Original files 10 days",
        "By 10 hours it is looked for again",
        "From 20 hours it is not shown any more",
        "From 22 hours it is erased",
        "by 23 hours it is gone",
        "24 hours is the limit",
        "Members who authorized 1",
        "Works shown 1",
        "Works hidden, being checked or erased 1",
        f"Files 1 ({len(JPEG) / 1000:.3g} kB)",
    ):
        assert words in found.text, words
    assert "CC BY-NC-SA" in found.text


async def test_T16_the_facts_follow_the_configuration(shown, client):
    view = replace(
        RULES.view,
        use=KeyUse.COMMERCIAL,
        visibility=frozenset({Visibility.PUBLIC, Visibility.FRIENDS_AND_FAMILY}),
        media=frozenset({Media.AUDIO}),
        safety=frozenset({Safety.EVERYONE}),
        licenses=frozenset({1}),
        renditions=(),
    )
    lease = Lease(30 * SECOND)
    shown.rules = replace(RULES, view=view, lease=lease, details=True, ttl=TimeToLive(DAY, HOUR, MINUTE, 90 * MINUTE))
    found = await page(client)
    for words in (
        "commercial use",
        "public, friends and family",
        "Kinds of work audio",
        "Files of each work none, only what is said about it",
        "Description and tags copied too",
        "Licenses: CC BY .",
        "Title, dates, place, description 24 hours",
        "Smaller pictures 1 hour",
        "Playable audio and video 1 minute",
        "Original files 90 minutes",
        "By 12.5 seconds it is looked for",
        "30 seconds is the limit",
    ):
        assert words in found.text, words


async def test_T16_what_is_kept_beside_works_is_told_and_counted(shown, client):
    found = await page(client)
    assert "Beside works nothing" in found.text
    assert "Albums, folders, articles and profiles 0" in found.text
    await shown.entry(EntryKind.ALBUM, 70, title="Never told")
    await shown.entry(EntryKind.ARTICLE, 71, state=DocumentState.SUSPECT)
    shown.rules = replace(RULES, kinds=frozenset({EntryKind.ALBUM, EntryKind.ARTICLE}), on_demand=True)
    shown.clock.jump(2 * SECOND)
    found, told = await page(client), (await client.get("/privacy.json")).json()
    assert "Beside works albums, articles" in found.text
    assert "Albums, folders, articles and profiles 2" in found.text
    assert "original file; each is copied when it is first asked for" in found.text
    assert told["kept"]["beside_documents"] == ["albums", "articles"]
    assert told["kept"]["files_fetched"] == "on-demand"
    assert told["now"]["beside_documents"] == {"live": 1, "suspect": 1, "stale": 0, "sealed": 0, "doomed": 0}
    assert "Never told" not in found.text


async def test_T16_programs_get_the_same_as_json(shown, client):
    for answer in (
        await client.get("/privacy.json"),
        await client.get("/privacy", Accept="application/json"),
        await client.get("/privacy", Accept="application/json, text/html;q=0.1"),
    ):
        found = answer.json()
        assert found["application"] == {
            "name": "Evening Light Archive",
            "purpose": OPERATOR.purpose,
            "contact": "archive@example.org",
            "use": "non-commercial",
            "awaiting_validation": False,
        }
        assert found["kept_for_seconds"] == {
            "metadata": 30 * 86400,
            "thumbnail": 30 * 86400,
            "media": 20 * 86400,
            "original": 10 * 86400,
        }
        assert found["removal_seconds"]["law"] == 86400
        assert found["kept"]["visibility"] == ["public"]
        assert found["now"]["members"] == 1
        assert found["now"]["documents"] == {"live": 1, "suspect": 0, "stale": 0, "sealed": 0, "doomed": 0}
        assert found["policy"] == OPERATOR.privacy_policy


@pytest.mark.parametrize("accept", [None, "*/*", "text/html", HTML["Accept"], "text/html, application/json", ""])
async def test_people_get_a_page(shown, client, accept):
    answer = await client.get("/privacy", **({} if accept is None else {"Accept": accept}))
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Vary"] == "Accept"


async def test_T16_members_are_counted_and_never_named(shown, client):
    await shown.account(8, AccountState.LOST, name="canary-name")
    await shown.document(9, title="canary-title")
    for path in ("/privacy", "/privacy.json", "/metrics", "/readyz", "/healthz"):
        assert "canary" not in (await client.get(path)).text
    assert (await client.get("/privacy.json")).json()["now"]["members"] == 1


def test_T16_no_public_pages_without_a_policy(world):
    world.operator = replace(OPERATOR, privacy_policy=" \n")
    with pytest.raises(ValueError, match="privacy policy"):
        build_app(world.parts())


@pytest.mark.parametrize("path", ["/privacy", "/nowhere", "/v1x", "/metrics/x"])
async def test_T17_T18_every_page_has_its_own_name_on_top_and_a_way_back(shown, client, path):
    answer = await client.get(path, token=False, **HTML)
    found = Page(answer.text)
    assert found.links[0] == "https://www.ipernity.com"
    # The words of the page begin with the title, then the banner, then the application's own name.
    assert re.match(r".{0,40}← Back to ipernity .{0,80} Evening Light Archive ", found.text)
    assert "it is not part of ipernity" in found.text
    assert "/privacy" in found.links
    assert not re.search(r"ipernity\S*\.(png|svg|jpg|ico)", answer.text)


async def test_pages_load_nothing_from_elsewhere_and_run_nothing(shown, client):
    for path in ("/privacy", "/nowhere"):
        found = await page(client, path)
        assert len(found.loads) == 1
        assert re.fullmatch(r"/static/style\.css\?[0-9a-f]{12}", found.loads[0])
        assert found.events == []
        assert "script" not in found.tags
        assert "style" not in found.tags
        assert "form" not in found.tags
        answer = await client.get(path, **HTML)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "unsafe" not in policy
        assert "Set-Cookie" not in answer.headers


async def test_the_style_sheet_fits_phones_and_both_lights(shown, client):
    answer = await client.get("/static/style.css")
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "prefers-color-scheme: dark" in answer.text
    assert "max-width: 30rem" in answer.text
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    assert 'name="viewport"' in (await client.get("/privacy")).text


@pytest.mark.parametrize("attack", ATTACKS)
async def test_F33_no_text_becomes_html(shown, client, attack):
    plain = await page(client)
    shown.operator = Operator(
        application=f"App {attack}",
        purpose=f"For {attack}",
        contact=attack,
        privacy_policy=f"# Head {attack}\n\nText {attack} [link {attack}](https://example.org/)\n\n- item {attack}\n",
    )
    answer = await client.get("/privacy", token=False, **HTML)
    found = Page(answer.text)
    assert found.tags.count("li") == plain.tags.count("li") - 1  # one item instead of two
    assert not {"script", "img", "svg", "style", "iframe"} & set(found.tags)
    assert found.events == []
    assert [link.partition("?")[0] for link in found.loads] == ["/static/style.css"]
    assert all(re.match(r"https?://|mailto:|/|#main$", link) for link in found.links)
    assert "49" not in answer.text.partition("<article>")[0]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("attack", ATTACKS)
async def test_F33_no_words_of_a_member_reach_a_page(shown, client, attack):
    await shown.account(name=attack)
    await shown.document(6, title=attack)
    for path in ("/privacy", "/privacy.json", "/metrics", "/nowhere"):
        assert attack not in (await client.get(path, **HTML)).text
    answer = await client.get("/v1/documents/6")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json()["title"] == attack


@pytest.mark.parametrize(
    "path",
    ["/v1/documents", "/v1/documents/5", "/media/5/240", "/privacy", "/privacy.json", "/metrics", "/healthz", "/readyz",
     "/static/style.css", "/nowhere", "/v1/documents?limit=99"],
)  # fmt: skip
@pytest.mark.parametrize("token", [True, False])
async def test_F37_every_answer_is_protected(shown, client, path, token):
    headers = (await client.get(path, token=token)).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    for rule in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"):
        assert rule in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Server"] == "ipsync"
    assert headers["Cache-Control"].startswith("public" if path.startswith("/static") else "private")
    assert "Content-Type" in headers
    assert "Set-Cookie" not in headers
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/v1/documents", "/privacy", "/privacy.json", "/nowhere", "/media/5/240"])
async def test_F37_no_unkeyed_header_changes_an_answer(shown, client, path):
    plain = await client.get(path, **HTML)
    poisoned = await client.get(
        path,
        Host="evil.example",
        X_Forwarded_Host="evil.example",
        X_Forwarded_Proto="gopher",
        X_Original_URL="/metrics",
        X_Rewrite_URL="/metrics",
        X_HTTP_Method_Override="DELETE",
        Origin="https://evil.example",
        Referer="https://evil.example/",
        Cookie="admin=1",
        **HTML,
    )
    assert (poisoned.status, poisoned.body) == (plain.status, plain.body)
    assert {**poisoned.headers, "Date": ""} == {**plain.headers, "Date": ""}


@pytest.mark.parametrize(
    "path",
    ["/privacy/x.css", "/privacy.css", "/privacy/", "/static/", "/static/../app.py", "/static/x",
     "/static/%2e%2e/app.py", "/metrics/", "/healthz/x", "//privacy", "/privacy;x"],
)  # fmt: skip
async def test_F37_an_unknown_path_is_not_found(shown, client, path):
    assert (await client.get(path)).status == 404


async def test_nothing_there_is_said_as_people_or_programs_want_it(shown, client):
    assert "There is nothing here." in Page((await client.get("/nowhere", **HTML)).text).text
    assert (await client.get("/nowhere")).json() == {
        "error": {"code": "not-found", "message": "There is nothing here."}
    }
    assert (await client.get("/v1/nowhere", **HTML)).json()["error"]["code"] == "not-found"


# Probes


async def test_healthz_says_that_the_process_lives(shown, client):
    shown.unready.append("everything")
    answer = await client.get("/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


async def test_readyz_gives_the_reasons(shown, client):
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    shown.unready += ["the scheduler does not run", "the schema is old"]
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert answer.json() == {"status": "not ready", "reasons": ["the scheduler does not run", "the schema is old"]}
    shown.unready.clear()
    shown.clock.jump(MINUTE)
    await shown.catalog.close()
    assert (await client.get("/readyz")).json()["reasons"] == ["the catalog cannot be read"]


async def test_metrics_count_answers_by_our_own_route_names(shown, client):
    for path in ("/v1/documents", "/v1/documents/5", "/media/5/240", "/privacy", "/privacy.json", "/secret-path"):
        await client.get(path)
    await client.get("/media/5/240", token=False)
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    for line in (
        'ipsync_http_requests_total{route="documents",status="200"} 1.0',
        'ipsync_http_requests_total{route="document",status="200"} 1.0',
        'ipsync_http_requests_total{route="media",status="200"} 1.0',
        'ipsync_http_requests_total{route="media",status="401"} 1.0',
        'ipsync_http_requests_total{route="privacy",status="200"} 2.0',
        'ipsync_http_requests_total{route="other",status="404"} 1.0',
    ):
        assert line in answer.text
    assert "secret-path" not in answer.text


# The operator's text


def test_the_policy_is_read_as_a_small_subset():
    assert read_policy("# A\ntext\nmore\n\n- one\n  goes on\n* two\n\n1. x\n2) y\n### B ##\nend") == [
        Block("heading", [[Span("A")]], 1),
        Block("paragraph", [[Span("text more")]]),
        Block("bullets", [[Span("one goes on")], [Span("two")]]),
        Block("numbers", [[Span("x")], [Span("y")]]),
        Block("heading", [[Span("B")]], 3),
        Block("paragraph", [[Span("end")]]),
    ]
    assert read_policy("") == []


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("a **b** c", [Span("a "), Span("b", strong=True), Span(" c")]),
        ("[x](https://e.org/a?b=c#d)", [Span("x", "https://e.org/a?b=c#d")]),
        ("<mailto:a@e.org>", [Span("a@e.org", "mailto:a@e.org")]),
        ("see <https://e.org>!", [Span("see "), Span("https://e.org", "https://e.org"), Span("!")]),
        ("[x](javascript:alert(1))", [Span("[x](javascript:alert(1))")]),
        ("[x](data:text/html,1)", [Span("[x](data:text/html,1)")]),
        ("[x](//evil.example)", [Span("[x](//evil.example)")]),
        ("[x](https://e.org/\"onclick=1)", [Span("[x](https://e.org/\"onclick=1)")]),
        ("<script>", [Span("<script>")]),
        ("*just* _text_ `here`", [Span("*just* _text_ `here`")]),
    ],
)  # fmt: skip
def test_F33_only_links_to_pages_and_addresses_are_links(text, spans):
    assert read_spans(text) == spans


def test_a_long_policy_is_read_in_no_time():
    text = ("[" * 5000) + ("(" * 5000) + ("**" * 5000) + ("<" * 5000) + "# " * 5000
    assert read_policy(text)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (DAY, "24 hours"), (2 * DAY, "2 days"), (30 * DAY, "30 days"), (36 * HOUR, "36 hours"), (HOUR, "1 hour"),
        (90 * MINUTE, "90 minutes"), (SECOND, "1 second"), (12_500_000, "12.5 seconds"), (250_000, "0.25 seconds"),
        (10 * HOUR + 1, "10 hours"), (150 * SECOND + 1, "2.5 minutes"),
    ],
)  # fmt: skip
def test_durations_are_said_for_people(duration, words):
    assert duration_words(duration) == words


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1234, "1.23 kB"), (5e6, "5 MB"), (2.5e12, "2.5 TB")]
)
def test_sizes_are_said_for_people(size, words):
    assert size_words(int(size)) == words


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("a@example.org", "mailto:a@example.org"),
        ("https://example.org/contact", "https://example.org/contact"),
        ("javascript:alert('@')", "mailto:javascript:alert('@')"),
        ("call me", ""),
    ],
)
def test_contacts_lead_somewhere(contact, link):
    assert contact_link(contact) == link
