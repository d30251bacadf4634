"""A mail server on loopback that keeps what it is handed, as small as a client needs it."""

import asyncio
import ssl
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast


class FakeMailServer:
    """Speaks enough SMTP for one client after the other.

    Attributes:
        letters: what was handed in.
        said: every line a client said, but the letters.
        answers: what to answer to a word instead of what is usual, e.g. `{"RCPT": "550 no such user hostile"}`.
        is_mute: takes connections and says nothing.
    """

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.said: list[str] = []
        self.answers: dict[str, str] = {}
        self.is_mute = False
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, context: ssl.SSLContext | None = None) -> "FakeMailServer":
        """Listen on any free port; with `context`, encrypted from the first byte on."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await asyncio.sleep(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.is_mute:
                await reader.read()
            else:
                await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 fake ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            self.said.append(line)
            word = line.partition(" ")[0].upper()
            usual = {
                "EHLO": "250-fake\r\n250 AUTH PLAIN",
                "AUTH": "235 welcome",
                "DATA": "354 go on",
                "QUIT": "221 bye",
            }
            answer = self.answers.get(word, usual.get(word, "250 fine"))
            writer.write(f"{answer}\r\n".encode())
            if word == "DATA" and answer.startswith("354"):
                content = await reader.readuntil(b"\r\n.\r\n")
                self.letters.append(cast("EmailMessage", message_from_bytes(content[:-3], policy=policy.default)))
                writer.write(b"250 taken\r\n")
            if word == "QUIT":
                break
        await writer.drain()
