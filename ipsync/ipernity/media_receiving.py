"""One answer on its way into a sink: capped while it comes (F31), judged before a byte of it is written (F33).

Knows nothing of sockets. What came stays in the sink only where the next attempt can go on from it.
"""

from ipsync.ipernity.media_resuming import Half
from ipsync.ipernity.media_types import HEAD_BYTES, content_type_of, refusal
from ipsync.policy.documents import Media
from ipsync.ports.source import Fetched, MediaRejected, MediaSink


class Reception:
    """The whole of a file coming in, or its rest.

    Attributes:
        cap_bytes: the most the file may have.
        half: what an earlier attempt left in the sink, as long as no answer disproved it.
        arrived_bytes: what came over the network in this attempt.
    """

    def __init__(self, rendition: str, kind: Media | None, sink: MediaSink, cap_bytes: int, half: Half | None) -> None:
        """Begin an attempt.

        Args:
            rendition: what is to come.
            kind: of the document it is a file of; None where nobody knows it.
            sink: where it goes.
            cap_bytes: the most it may have.
            half: what is known of the bytes already in the sink, or None if they are worth nothing.
        """
        self.cap_bytes = cap_bytes
        self.half = half
        self.arrived_bytes = 0
        self._rendition = rendition
        self._kind = kind
        self._sink = sink
        self._validator: str | None = None
        self._content_type = ""
        self._head = b""

    @property
    def received_bytes(self) -> int:
        """How much of the file is there."""
        return self._sink.received_bytes

    def begin(self, validator: str | None) -> None:
        """Expect the whole file; what was there before is thrown away.

        Args:
            validator: what can prove later that the file is still the same, or None.
        """
        self.forget()
        self._validator = validator

    def resume(self, half: Half) -> None:
        """Expect the rest of a file that was judged when its first half came."""
        self._content_type, self._validator = half.content_type, half.validator

    def take(self, chunk: bytes) -> None:
        """Take a piece.

        Raises:
            MediaRejected: too much, or no such file.
        """
        self.arrived_bytes += len(chunk)
        if self._sink.received_bytes + len(self._head) + len(chunk) > self.cap_bytes:
            raise MediaRejected("the file is larger than its cap")
        if self._content_type:
            self._sink.write(chunk)
            return
        self._head += chunk
        if len(self._head) >= HEAD_BYTES:
            self._judge()

    def finish(self) -> Fetched:
        """Say what came.

        Raises:
            MediaRejected: it is no such file.
        """
        if not self._content_type:
            self._judge()
        return Fetched(self._content_type, self._sink.received_bytes)

    def pause(self) -> Half | None:
        """Leave off. Returns what the next attempt needs to go on; without that, the sink is emptied."""
        if self._validator is not None and self._content_type:
            return Half(self._sink.received_bytes, self._validator, self._content_type)
        if self.half is None:
            self.forget()
        return self.half

    def forget(self) -> None:
        """Throw away what is there."""
        self.half = self._validator = None
        self._content_type, self._head = "", b""
        if self._sink.received_bytes:
            self._sink.restart()

    def _judge(self) -> None:
        head = self._head[:HEAD_BYTES]
        reason = refusal(self._rendition, head, self._kind)
        if reason is not None:
            raise MediaRejected(reason)
        self._content_type = content_type_of(head)
        self._sink.write(self._head)
        self._head = b""
