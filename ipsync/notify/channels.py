"""Which channels there are, by the configuration."""

import ssl
from collections.abc import Callable, Mapping

from ipsync.notify.command import CommandChannel
from ipsync.notify.messenger import HttpMessenger
from ipsync.notify.smtp import MailChannel, MailServer
from ipsync.notify.webhook import WebhookChannel
from ipsync.policy.instants import Instant
from ipsync.ports.notify import Channel
from ipsync.settings import Settings


def channels_of(
    settings: Settings, environ: Mapping[str, str], now: Callable[[], Instant], user_agent: str
) -> list[Channel]:
    """The ways by which people are told.

    Args:
        settings: its `[notify]`, and the password that goes with it.
        environ: of this process; see `CommandChannel`.
        now: the lease clock.
        user_agent: who sends; printable ASCII.
    """
    notify, password = settings.notify, settings.secrets.smtp_password
    channels: list[Channel] = []
    if notify.has_mail:
        given = password.reveal() if notify.smtp_user and password else ""
        server = MailServer(notify.smtp_host, notify.smtp_port, notify.smtp_tls, notify.smtp_user, given)
        channels.append(MailChannel(server, notify.mail_from, notify.mail_to, ssl.create_default_context))
    secret = settings.secrets.webhook_secret
    if notify.webhook_url and secret:
        channels.append(WebhookChannel(HttpMessenger(user_agent), notify.webhook_url, secret.reveal(), now))
    if notify.command:
        channels.append(CommandChannel(notify.command, environ))
    return channels
