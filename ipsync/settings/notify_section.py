"""The section `[notify]`: whom to tell when something needs a person. Nothing is told unless a way is given."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from ipsync.policy.addresses import read_hook_address
from ipsync.settings import addresses, units
from ipsync.settings.problems import Unfit, shown
from ipsync.settings.section import Section

STARTTLS = "starttls"
TLS = "tls"
NO_TLS = "none"

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,39}")
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_MOST_WORDS = 50


def _read_host(value: object) -> str:
    text = "" if value == "" else units.read_line(value)
    if text and not _HOST.fullmatch(text):
        raise Unfit(f"is {shown(text)}, which is not the name of a host", 'write e.g. "mail.example.org"')
    return text


def _read_mail(value: object) -> str:
    text = "" if value == "" else units.read_line(value)
    if text and not _MAIL.fullmatch(text):
        raise Unfit(f"is {shown(text)}, which is not a mail address", 'write e.g. "ipsync@example.org"')
    return text


def _read_mails(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Unfit(f"is {shown(value)}, which is not a list", 'write e.g. ["operator@example.org"]')
    return tuple(dict.fromkeys(mail for entry in value if (mail := _read_mail(entry))))


def _read_user(value: object) -> str:
    return "" if value == "" else units.read_line(value)


def _read_hook(value: object) -> str:
    if value == "":
        return ""
    try:
        return read_hook_address(units.read_line(value))
    except ValueError as wrong:
        raise Unfit("is no address that notices may be sent to", str(wrong)) from None


def _read_command(value: object) -> tuple[str, ...]:
    remedy = 'write a list: the program, then its arguments, e.g. ["/usr/local/bin/tell-me", "--urgent"]'
    if isinstance(value, str):
        raise Unfit("is one text, and no shell takes it apart", remedy)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value) or len(value) > _MOST_WORDS:
        raise Unfit(f"is {shown(value)}, which is not a list of texts", remedy)
    if value and (not value[0] or any("\0" in word for word in value)):
        raise Unfit("names no program", remedy)
    return tuple(value)


class Notify(Section):
    """Whom to tell, once of each incident and once of its end. Try it: ipsync notify test."""

    smtp_host: Annotated[str, BeforeValidator(_read_host), units.Unit("host")] = Field(
        default="", description="the mail server; without one no mail is sent"
    )
    smtp_port: Annotated[int, BeforeValidator(units.whole(1, 65535)), units.NUMBER] = Field(
        default=587, description="its port: 587 with starttls, 465 with tls, 25 for a server on this machine"
    )
    smtp_tls: Annotated[
        str, BeforeValidator(units.word({word: word for word in (STARTTLS, TLS, NO_TLS)})), units.WORD
    ] = Field(
        default=STARTTLS,
        description=f'"{STARTTLS}", "{TLS}" from the first byte on, or "{NO_TLS}" for a server on this machine only',
    )
    smtp_user: Annotated[str, BeforeValidator(_read_user), units.TEXT] = Field(
        default="", description="the name to sign in with; the password is the secret smtp_password"
    )
    mail_from: Annotated[str, BeforeValidator(_read_mail), units.Unit("mail address")] = Field(
        default="", description="the address that mails come from"
    )
    mail_to: Annotated[tuple[str, ...], BeforeValidator(_read_mails), units.Unit("list of mail addresses", list)] = (
        Field(default=(), description="the addresses that mails go to")
    )
    webhook_url: Annotated[str, BeforeValidator(_read_hook), units.URL] = Field(
        default="",
        description="a web address that is told in JSON, signed with the secret webhook_secret; https, or this machine",
    )
    command: Annotated[tuple[str, ...], BeforeValidator(_read_command), units.Unit("list of texts", list)] = Field(
        default=(),
        description="a program and its arguments, started without a shell for each notice, with the text on its "
        "standard input and the facts in its environment; empty for none",
    )

    @property
    def has_mail(self) -> bool:
        """Whether mail is to be sent."""
        return bool(self.smtp_host)

    @property
    def is_local_mail(self) -> bool:
        """Whether the mail server is on this machine."""
        return addresses.is_loopback(self.smtp_host)

    @property
    def secrets_needed(self) -> tuple[str, ...]:
        """Secrets without which nobody can be told."""
        wanted = {"smtp_password": self.smtp_user, "webhook_secret": self.webhook_url}
        return tuple(name for name, setting in wanted.items() if setting)
