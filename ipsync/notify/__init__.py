"""Channels to a person: mail over SMTP, a command. They carry notices and know nothing of what they are about.

They may not decide, remember or retry: what is owed to whom is in the catalog, and `jobs.notices` sees to it.
"""

from ipsync.notify.channels import channels_of
from ipsync.notify.command import CommandChannel
from ipsync.notify.smtp import MailChannel, MailServer

__all__ = ["CommandChannel", "MailChannel", "MailServer", "channels_of"]
