"""Mail by SMTP, spoken with a small server on loopback."""

import ssl
from collections.abc import AsyncIterator

import pytest

import ipsync.notify.smtp
from ipsync.notify import MailChannel, MailServer
from ipsync.policy.notices import Notice
from ipsync.ports.notify import NotifyFailure
from tests.fakes.mail import FakeMailServer

NOTICE = Notice(
    "[Our wall] Account 7 took its grant back \N{EM DASH} so", "Account 7 took its grant back.\n\nhttp://x/\n"
)
PASSWORD = "canary-mail-password-42"


@pytest.fixture
async def server() -> AsyncIterator[FakeMailServer]:
    found = await FakeMailServer().start()
    yield found
    await found.stop()


def channel(server: FakeMailServer, *, tls: str = "none", user: str = "", port: int | None = None) -> MailChannel:
    where = MailServer("127.0.0.1", port or server.port, tls, user, PASSWORD if user else "")
    return MailChannel(where, "ipsync@wall.test", ("a@wall.test", "b@wall.test"), ssl.create_default_context)


async def test_a_notice_arrives_as_plain_mail(server: FakeMailServer) -> None:
    await channel(server).send(NOTICE)

    (letter,) = server.letters
    assert (letter["From"], letter["To"]) == ("ipsync@wall.test", "a@wall.test, b@wall.test")
    assert letter["Subject"] == NOTICE.subject
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"].endswith("@wall.test>")
    assert letter.get_content_type() == "text/plain"
    assert letter.get_content().replace("\r\n", "\n") == NOTICE.text
    receivers = [line.lower() for line in server.said if line.lower().startswith("rcpt")]
    assert receivers == ["rcpt to:<a@wall.test>", "rcpt to:<b@wall.test>"]


async def test_F33_no_line_of_a_subject_becomes_a_header(server: FakeMailServer) -> None:
    await channel(server).send(Notice("Fine\r\nBcc: everybody@wall.test", "text"))
    (letter,) = server.letters
    assert letter["Bcc"] is None
    assert letter["Subject"] == "Fine Bcc: everybody@wall.test"


async def test_F35_signing_in_shows_the_password_to_nobody_else(server: FakeMailServer) -> None:
    mail = channel(server, user="ipsync")
    await mail.send(NOTICE)
    assert any(line.startswith("AUTH PLAIN") for line in server.said)

    server.answers["AUTH"] = f"535 {PASSWORD} is wrong"
    with pytest.raises(NotifyFailure) as failure:
        await mail.send(NOTICE)
    assert str(failure.value) == "the mail server answered 535"
    assert PASSWORD not in repr(failure.value.__context__ and failure.value) + repr(mail._server)


@pytest.mark.parametrize(
    ("word", "answer", "told"),
    [
        ("MAIL", "451 later, <b>hostile</b>", "the mail server answered 451"),
        ("RCPT", "550 hostile", "the mail server refused the receivers (notify.mail_to)"),
        ("DATA", "999 hostile", "the mail server answered an error"),
        ("EHLO", "nonsense", "the mail server broke off"),
    ],
)
async def test_what_a_server_says_is_not_repeated(server: FakeMailServer, word: str, answer: str, told: str) -> None:
    server.answers |= {word: answer, "HELO": answer} if word == "EHLO" else {word: answer}
    with pytest.raises(NotifyFailure) as failure:
        await channel(server).send(NOTICE)
    assert "hostile" not in str(failure.value)
    assert str(failure.value) == told or word == "EHLO"


async def test_nobody_there(server: FakeMailServer) -> None:
    await server.stop()
    with pytest.raises(NotifyFailure, match="cannot be reached: Connection refused"):
        await channel(server).send(NOTICE)


async def test_F21_starttls_is_no_wish(server: FakeMailServer) -> None:
    with pytest.raises(NotifyFailure, match=r"does not know what notify\.smtp_tls"):
        await channel(server, tls="starttls", user="ipsync").send(NOTICE)
    with pytest.raises(NotifyFailure, match="no secure connection"):
        await channel(server, tls="tls", user="ipsync").send(NOTICE)
    assert not [line for line in server.said if line.startswith("AUTH")]
    assert server.letters == []


async def test_F22_a_server_that_says_nothing_is_not_waited_for(
    server: FakeMailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipsync.notify.smtp, "WHOLE_SECONDS", 0.05)
    server.is_mute = True
    with pytest.raises(NotifyFailure, match="did not answer in time"):
        await channel(server).send(NOTICE)
