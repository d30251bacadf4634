"""Read tokens at the door: what each opens, until when, and that a revoked one opens nothing any more."""

import pytest

from ipsync.jobs.read_tokens import ReadTokens, TokenRefusedError
from ipsync.policy.instants import DAY, HOUR
from ipsync.policy.read_tokens import PREFIX, Standing, TokenScope, day_of
from ipsync.ports.catalog import CatalogFull
from ipsync.web.parts import no_stamp
from tests.web.conftest import START, serving

EVERYTHING = frozenset(TokenScope)


@pytest.fixture
def tokens(shown):
    return ReadTokens(shown.catalog, shown.clock)


async def ask(client, path, text, method="GET"):
    return await client.get(path, method=method, token=False, Authorization=f"Bearer {text}")


async def test_a_token_opens_its_scopes_and_nothing_else(shown, client, tokens):
    _, reader = await tokens.create("reader", {TokenScope.DOCUMENTS}, None, None)
    _, viewer = await tokens.create("viewer", {TokenScope.MEDIA}, None, None)
    assert reader.startswith(PREFIX)
    assert reader != viewer
    for path in ("/v1/documents", "/v1/documents/5", "/v1/accounts", "/v1/accounts/7"):
        assert (await ask(client, path, reader)).status == 200
        refused = await ask(client, path, viewer)
        assert (refused.status, refused.json()["error"]["code"]) == (403, "scope-missing")
        assert refused.headers["WWW-Authenticate"].endswith('error="insufficient_scope", scope="documents"')
    assert (await ask(client, "/media/5/240", viewer)).status == 200
    assert (await ask(client, "/media/5/240", reader)).status == 403
    assert (await ask(client, "/v1/documents/999", viewer)).status == 403  # what there is, is not told either


async def test_what_a_token_may_not_open_is_told_to_the_log_once_a_minute(shown, client, tokens, caplog):
    _, viewer = await tokens.create("viewer", {TokenScope.MEDIA}, None, None)
    for _ in range(3):
        assert (await ask(client, "/v1/documents/5", viewer)).status == 403
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["Something that was asked for was refused."]


async def test_a_revoked_token_opens_nothing_from_that_moment_on(shown, client, tokens):
    made, text = await tokens.create("reader", EVERYTHING, None, None)
    for _ in range(3):
        assert (await ask(client, "/v1/documents", text)).status == 200
    await tokens.revoke("reader")
    assert (await ask(client, "/v1/documents", text)).status == 401
    assert (await ask(client, "/media/5/240", text)).status == 401
    again, was_valid = await tokens.revoke(str(made.token_id))
    assert (again.standing(START), was_valid) == (Standing.REVOKED, False)


async def test_a_token_ends_to_the_microsecond(shown, client, tokens):
    _, text = await tokens.create("reader", EVERYTHING, None, START + HOUR)
    shown.clock.jump(HOUR - 1)
    assert (await ask(client, "/v1/documents", text)).status == 200
    shown.clock.jump(1)
    assert (await ask(client, "/v1/documents", text)).status == 401


async def test_a_token_of_one_member_sees_nobody_else(shown, client, tokens):
    await shown.account(8, name="bert")
    await shown.document(6, account_id=8)
    await shown.file(6, account_id=8)
    _, text = await tokens.create("anna's page", EVERYTHING, 7, None)
    listed = (await ask(client, "/v1/documents", text)).json()
    assert [entry["document_id"] for entry in listed["documents"]] == ["5"]
    assert (await ask(client, "/v1/documents?account=8", text)).json() == {"documents": [], "next_cursor": None}
    assert [entry["account_id"] for entry in (await ask(client, "/v1/accounts", text)).json()["accounts"]] == ["7"]
    never = (await ask(client, "/v1/documents/999", text)).body
    for path in ("/v1/documents/6", "/v1/accounts/8", "/media/6/240"):
        answer = await ask(client, path, text)
        assert (answer.status, answer.body) == (404, never)
    assert (await ask(client, "/media/5/240", text)).status == 200


async def test_the_day_of_use_is_noted_once(shown, client, tokens):
    _, text = await tokens.create("reader", EVERYTHING, None, None)
    assert (await tokens.all())[0].used_on is None
    for _ in range(2):
        await ask(client, "/v1/documents", text)
    assert (await tokens.all())[0].used_on == day_of(START)
    stamp = shown.stamp()
    await ask(client, "/v1/documents", text)
    assert shown.stamp() == stamp
    shown.clock.jump(DAY)
    await ask(client, "/v1/documents", text)
    assert (await tokens.all())[0].used_on == day_of(START) + DAY


async def test_F3_a_full_disk_keeps_no_application_out(shown, tokens, monkeypatch):
    _, text = await tokens.create("reader", EVERYTHING, None, None)

    async def full(_work):
        raise CatalogFull("no room")

    async with serving(shown) as client:
        monkeypatch.setattr(shown.catalog, "write", full)
        assert (await ask(client, "/v1/documents", text)).status == 200


async def test_without_a_stamp_the_catalog_is_asked_each_time(shown, tokens):
    _, text = await tokens.create("reader", EVERYTHING, None, None)
    async with serving(shown, stamp=no_stamp) as client:
        assert (await ask(client, "/v1/documents", text)).status == 200
        await tokens.revoke("reader")
        assert (await ask(client, "/v1/documents", text)).status == 401


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + "A", lambda text: text.swapcase(),
                                    lambda text: text[len(PREFIX):], lambda _text: PREFIX])  # fmt: skip
async def test_F36_almost_a_token_is_none(shown, client, tokens, change):
    _, text = await tokens.create("reader", EVERYTHING, None, None)
    assert (await ask(client, "/v1/documents", change(text))).status == 401


async def test_T05_no_token_reaches_a_log_or_an_answer(shown, client, tokens, caplog):
    caplog.set_level("DEBUG")
    _, text = await tokens.create("reader", {TokenScope.DOCUMENTS}, None, None)
    answers = [await ask(client, path, text) for path in ("/v1/documents", "/media/5/240", "/v1/openapi.json")]
    assert text not in caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)


@pytest.mark.parametrize(
    ("name", "scopes", "account_id", "expires_at"),
    [
        ("", EVERYTHING, None, None),
        (" x", EVERYTHING, None, None),
        ("a\nb", EVERYTHING, None, None),
        ("x" * 65, EVERYTHING, None, None),
        ("x", (), None, None),
        ("x", EVERYTHING, 999, None),
        ("x", EVERYTHING, None, START),
    ],
)
async def test_what_cannot_be_a_token_is_refused(tokens, name, scopes, account_id, expires_at):
    with pytest.raises(TokenRefusedError):
        await tokens.create(name, scopes, account_id, expires_at)
    assert await tokens.all() == []


async def test_a_name_is_free_again_when_its_token_was_revoked(tokens):
    first, _ = await tokens.create("reader", EVERYTHING, None, None)
    with pytest.raises(TokenRefusedError, match="already"):
        await tokens.create("reader", EVERYTHING, None, None)
    await tokens.revoke("reader")
    second, _ = await tokens.create("reader", EVERYTHING, None, None)
    assert second.token_id != first.token_id
    assert (await tokens.revoke("reader"))[0].token_id == second.token_id
    with pytest.raises(TokenRefusedError, match="no token"):
        await tokens.revoke("writer")
