"""A way to tell a person something: mail, a web address, a command.

A channel may be slow or dead for days. It is never waited for by anything but the job that tells.
"""

from typing import Protocol

from ipsync.policy.notices import Notice


class NotifyFailure(Exception):
    """It was not sent, as far as is known; the message says why, without secrets and the words of the other side."""


class Channel(Protocol):
    """One way to tell."""

    @property
    def name(self) -> str:
        """Its name in the catalog and for people; one word of ours."""
        ...

    async def send(self, notice: Notice) -> None:
        """Hand a notice over. It may arrive twice, if it is not known that it arrived once.

        Raises:
            NotifyFailure: it was not taken.
        """
        ...
