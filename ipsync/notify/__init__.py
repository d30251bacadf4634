"""Ways to tell others: mail over SMTP and a command for people, HTTP for webhooks; ignorant of what they carry.

They may not decide, remember or retry: what is owed to whom is in the catalog, and `jobs.notices` and `jobs.webhooks`
see to it.
"""

from ipsync.notify.channels import channels_of
from ipsync.notify.command import CommandChannel
from ipsync.notify.messenger import HttpMessenger
from ipsync.notify.smtp import MailChannel, MailServer
from ipsync.notify.webhook import WebhookChannel

__all__ = ["CommandChannel", "HttpMessenger", "MailChannel", "MailServer", "WebhookChannel", "channels_of"]
