"""Which channels there are, by the configuration."""

import ssl
from collections.abc import Mapping

from ipsync.notify.command import CommandChannel
from ipsync.notify.smtp import MailChannel, MailServer
from ipsync.ports.notify import Channel
from ipsync.settings import Settings


def channels_of(settings: Settings, environ: Mapping[str, str]) -> list[Channel]:
    """The ways by which people are told.

    Args:
        settings: its `[notify]`, and the password that goes with it.
        environ: of this process; see `CommandChannel`.
    """
    notify, password = settings.notify, settings.secrets.smtp_password
    channels: list[Channel] = []
    if notify.has_mail:
        given = password.reveal() if notify.smtp_user and password else ""
        server = MailServer(notify.smtp_host, notify.smtp_port, notify.smtp_tls, notify.smtp_user, given)
        channels.append(MailChannel(server, notify.mail_from, notify.mail_to, ssl.create_default_context))
    if notify.command:
        channels.append(CommandChannel(notify.command, environ))
    return channels
