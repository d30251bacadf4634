"""No secret and no word of a member in a log, whichever way it gets there (T05, F35)."""

import logging
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipsync.telemetry import Event, get_log, redact, register_secret
from ipsync.telemetry.redaction import REDACTED, WITHHELD, Redactor

log = get_log("ipsync.tests")
KEY = "6fa87ba500002712bd4eed6020f3bd72"
SECRET = "e9a599f0cf6ce193"
ADMIN = "admin/to+ken=with odd&chars"
SECRETS = (KEY, SECRET, ADMIN)


def raise_with(secret: str) -> None:
    try:
        {}[secret]
    except KeyError as error:
        raise RuntimeError(f"request to https://api.example/{secret}?sig={secret} failed") from error


@pytest.mark.parametrize("layout", ["json", "console"])
@pytest.mark.parametrize("secret", SECRETS)
def test_T05_F35_known_secrets_are_taken_out_of_every_part_of_a_record(logging_to, layout, secret):
    written = logging_to(layout=layout, secrets=SECRETS)
    log.info(Event.REQUEST_SENT, f"sent {secret}", anything=secret, nested={"inner": [secret, {secret: 1}]})
    log.info(Event.REQUEST_SENT, "an object", thing=ValueError(secret))
    logging.getLogger("aiohttp.client").warning("url %s", f"http://x/{secret}")
    try:
        raise_with(secret)
    except RuntimeError as error:
        log.exception(Event.REQUEST_FAILED, "failed", reason=str(error))
        logging.getLogger("apscheduler.executors").exception("Job raised")
    assert secret not in written.text
    assert REDACTED in written.text


def test_T05_encoded_forms_of_a_secret_are_known_too(logging_to):
    written = logging_to(secrets=(ADMIN,))
    log.info(
        Event.REQUEST_SENT, "x", a="admin%2Fto%2Bken%3Dwith%20odd%26chars", b="admin%2Fto%2Bken%3Dwith+odd%26chars"
    )
    assert "odd" not in written.text


def test_T05_a_token_registered_later_is_known_at_once(logging_to):
    written = logging_to()
    register_secret("394926-token-of-a-member")
    log.info(Event.ACCOUNT_ADDED, "got 394926-token-of-a-member")
    assert "394926-token" not in written.text


def test_T05_a_secret_of_digits_does_not_hide_in_a_number(logging_to):
    written = logging_to(secrets=("7391462850",))
    log.info(Event.JOB_DONE, "x", number=7391462850, fraction=7391462850.5)
    assert "7391462850" not in written.text
    assert len(written.records) == 1


@pytest.mark.parametrize(
    "name",
    ["token", "auth_token", "tokens", "api_key", "apikey", "secret", "client_secret", "Authorization", "cookie",
     "password", "frob", "api_sig", "signature", "state_key", "credentials"],
)  # fmt: skip
def test_T05_fields_named_like_secrets_are_redacted_unseen(logging_to, name):
    written = logging_to()
    log.info(Event.JOB_DONE, "x", **{name: "unknown-value-1"}, nested={name: "unknown-value-2"})
    assert "unknown-value" not in written.text
    assert written.records[0][name] == REDACTED


@pytest.mark.parametrize("name", ["title", "description", "tags", "username", "realname", "document_title"])
def test_members_words_are_withheld_by_name(logging_to, name):
    written = logging_to()
    log.info(Event.JOB_DONE, "x", **{name: "words of a member"})
    assert "words" not in written.text
    assert written.records[0][name] == WITHHELD


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST auth_token=abc123&x=1", "POST auth_token=[redacted]&x=1"),
        ("{'api_sig': 'abcdef'}", "{'api_sig': '[redacted]'}"),
        ('{"token": "abcdef", "n": 1}', '{"token": "[redacted]", "n": 1}'),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer [redacted]"),
        ("get https://u1.ipernity.com/12/34/394926.e831d113.75x.jpg now", "get https://u1.ipernity.com/… now"),
        ("proxy http://user:pw@proxy.example:3128/", "proxy http://proxy.example:3128/…"),
        ("listening on http://127.0.0.1:8480", "listening on http://127.0.0.1:8480"),
        ("failed\n[parameters: ('A title',\n 'more')]", "failed\n[parameters: [withheld]]"),
        ("the token of account 7 was revoked", "the token of account 7 was revoked"),
    ],
)  # fmt: skip
def test_F35_texts_lose_what_looks_like_a_secret(text, shown):
    assert redact(text) == shown


def test_tracebacks_can_be_made_fit_for_a_terminal():
    register_secret("terminal-secret-1")
    try:
        raise_with("terminal-secret-1")
    except RuntimeError as error:
        shown = redact("".join(traceback.format_exception(error)))
    assert "terminal-secret-1" not in shown
    assert "RuntimeError" in shown


def test_words_too_short_to_be_secret_do_not_blind_the_log():
    redactor = Redactor()
    redactor.add("")
    redactor.add("a")
    assert redactor.text("a banana") == "a banana"


@settings(max_examples=200, deadline=None)
@given(
    secrets=st.lists(st.text(min_size=4, max_size=30), min_size=1, max_size=4),
    around=st.text(max_size=20),
    data=st.data(),
)
def test_F35_no_text_lets_a_known_secret_through(secrets, around, data):
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    chosen = data.draw(st.sampled_from(secrets))
    if chosen in REDACTED or any(mark in chosen for mark in "[]"):
        return
    value = redactor.fields({"field": f"{around}{chosen}{around}", "list": [chosen, {"x": chosen}]})
    assert chosen not in str(value["field"])
    assert chosen not in str(value["list"]).replace(REDACTED, "")
