"""Mail by SMTP, with Python's own client in a thread of its own: it blocks, and each step of it has a limit of time."""

import asyncio
import smtplib
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial

from ipsync.policy.notices import Notice
from ipsync.ports.notify import NotifyFailure

STEP_SECONDS = 20.0
"""How long one step of the conversation may take."""

WHOLE_SECONDS = 60.0
"""How long a mail is waited for in all; a thread that hangs longer is left to its own limits."""

_PLAIN_CODES = frozenset(
    {421, 450, 451, 452, 454, 500, 501, 502, 503, 504, 530, 534, 535, 538, 550, 551, 552, 553, 554}
)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in.

    Attributes:
        tls: `starttls`, `tls` from the first byte on, or `none`.
        user: to sign in with; "" for none.
        password: likewise.
    """

    host: str
    port: int
    tls: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)


class MailChannel:
    """Sends notices as plain-text mail."""

    name = "mail"

    def __init__(
        self, server: MailServer, sender: str, receivers: tuple[str, ...], context: Callable[[], ssl.SSLContext]
    ) -> None:
        """Prepare.

        Args:
            server: where mail is handed in.
            sender: the address it comes from.
            receivers: the addresses it goes to.
            context: makes what certificates are checked with, e.g. `ssl.create_default_context`.
        """
        self._server = server
        self._sender = sender
        self._receivers = receivers
        self._context = context

    async def send(self, notice: Notice) -> None:
        """Hand a mail in.

        Raises:
            NotifyFailure: it was not taken.
        """
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                await _apart(partial(self._send, self._letter(notice)))
        except TimeoutError:
            raise NotifyFailure("the mail server did not answer in time") from None
        except smtplib.SMTPResponseException as error:
            # What a server says may repeat what it was told: its number says enough.
            code = error.smtp_code if error.smtp_code in _PLAIN_CODES else "an error"
            raise NotifyFailure(f"the mail server answered {code}") from None
        except smtplib.SMTPRecipientsRefused:
            raise NotifyFailure("the mail server refused the receivers (notify.mail_to)") from None
        except smtplib.SMTPNotSupportedError:
            raise NotifyFailure("the mail server does not know what notify.smtp_tls or smtp_user ask for") from None
        except smtplib.SMTPException:
            raise NotifyFailure("the mail server broke off") from None
        except ssl.SSLError:
            raise NotifyFailure(
                "no secure connection to the mail server: its certificate or protocol is wrong"
            ) from None
        except OSError as error:
            raise NotifyFailure(f"the mail server cannot be reached: {error.strerror or 'no connection'}") from None

    def _letter(self, notice: Notice) -> EmailMessage:
        letter = EmailMessage()
        letter["From"], letter["To"] = self._sender, ", ".join(self._receivers)
        letter["Subject"] = " ".join(notice.subject.split())
        letter["Date"] = formatdate(usegmt=True)
        letter["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or "ipsync.invalid")
        # No holiday notice shall answer a machine (RFC 3834).
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(notice.text)
        return letter

    def _send(self, letter: EmailMessage) -> None:
        server = self._server
        if server.tls == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=STEP_SECONDS, context=self._context()
            )
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=STEP_SECONDS)
        with client:
            if server.tls == "starttls":
                client.starttls(context=self._context())
            if server.user:
                client.login(server.user, server.password)
            client.send_message(letter, self._sender, self._receivers)


async def _apart(work: Callable[[], None]) -> None:
    """Do something that blocks in a thread that no end of the process waits for: a mail server may hang."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(failure: Exception | None) -> None:
        if done.cancelled():
            return
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)

    def run() -> None:
        failure: Exception | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001  # reason: whatever it is belongs to whoever waits
            failure = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, failure)

    threading.Thread(target=run, name="mail", daemon=True).start()
    await done
