"""A command of the operator's own: started without a shell, with the notice on its standard input.

It gets no secret: the environment of the daemon is not handed on, but for what a program needs to run.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ipsync.policy.notices import Notice
from ipsync.ports.notify import NotifyFailure

WHOLE_SECONDS = 30.0
_HANDED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


class CommandChannel:
    """Starts a program for each notice."""

    name = "command"

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], whole_seconds: float = WHOLE_SECONDS) -> None:
        """Prepare.

        Args:
            words: the program and its arguments.
            environ: of this process, of which a few plain values are handed on.
            whole_seconds: how long it may take; then it is killed.
        """
        self._words = tuple(words)
        self._environ = {name: environ[name] for name in _HANDED_ON if name in environ} or {"PATH": os.defpath}
        self._whole_seconds = whole_seconds

    async def send(self, notice: Notice) -> None:
        """Start the program, write subject and text to it, wait for its end.

        What it says is read by nobody. The facts are in its environment, as `IPSYNC_INCIDENT`, `IPSYNC_CONDITION`,
        `IPSYNC_LINK` and so on.

        Raises:
            NotifyFailure: it could not be started, ended with another code than 0, or took too long.
        """
        facts = {f"IPSYNC_{name.upper()}": "" if value is None else str(value) for name, value in notice.facts.items()}
        nothing = asyncio.subprocess.DEVNULL
        try:
            program = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=nothing,
                stderr=nothing,
                env={**self._environ, **facts},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a command"
            raise NotifyFailure(f"the command could not be started: {reason}") from None
        try:
            async with asyncio.timeout(self._whole_seconds):
                with suppress(BrokenPipeError, ConnectionResetError):
                    await program.communicate(f"{notice.subject}\n\n{notice.text}".encode())
                code = await program.wait()
        except TimeoutError:
            raise NotifyFailure(f"the command took longer than {self._whole_seconds:g} s") from None
        finally:
            await _end(program)
        if code:
            raise NotifyFailure(f"the command ended with code {code}")


async def _end(program: asyncio.subprocess.Process) -> None:
    """Kill what still runs, with whatever it started."""
    if program.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, signal.SIGKILL)
        await program.wait()
