"""Tombstones outside the database: a small append-only file, so that a restored backup resurrects nothing (F28).

One line for each tombstone, with a checksum; a line that a crash tore is passed over. The file holds numbers, our
own words and instants, never anything of a document. It is not part of any backup that is ever restored:
whoever restores the database or the content leaves this file as it is (docs/how-to/respond-to-an-owner.md).
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from blake3 import blake3

from ipsync.policy.instants import Instant
from ipsync.policy.removals import Reason
from ipsync.policy.requests import Ending, Holding, OutsideTombstone, RequestScope, Subject, united
from ipsync.ports.requests import Reading, Span
from ipsync.ports.store import StoreBroken
from ipsync.store.disk import FILE_MODE, disk_errors

_TITLE = "ipsync tombstones 1"
_GENERATION_BYTES = 8
_CHECKSUM_DIGITS = 16
_LONGEST_HEADER = 64
_WORTH_COMPACTING = 1000
"""Lines that compacting must win before it is done."""


def tombstones_file(database: Path) -> Path:
    """Where the file lies: beside the database, under a name that copying `<database>*` does not catch."""
    return database.with_name(f"{database.stem}.tombstones")


class TombstoneFile:
    """`ports.requests.TombstoneRecord` on a file. Processes take turns by a lock on the file itself."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when the first tombstone is written."""
        self.path = path

    def append(self, tombstones: Sequence[OutsideTombstone]) -> Span:
        """Write tombstones down; on return they survive a power cut.

        Raises:
            StoreFailure: they could not be written.
        """
        with disk_errors("writing the tombstones"), self._held(create=True) as (descriptor, generation):
            begins = _whole_bytes(descriptor)
            size_bytes = os.fstat(descriptor).st_size
            # A torn line gets an end of its own, so that it spoils nothing that follows.
            start = b"" if begins == size_bytes else b"\n"
            _write(descriptor, start + b"".join(_line(entry) for entry in tombstones), size_bytes)
            os.fsync(descriptor)
            return Span(_mark(generation, begins), _mark(generation, os.fstat(descriptor).st_size))

    def read(self, mark: str | None = None) -> Reading:
        """Read what was written after `mark`, or everything where it is None or of another file.

        Raises:
            StoreFailure: the file cannot be read.
        """
        with disk_errors("reading the tombstones"):
            try:
                with self._held(create=False) as (descriptor, generation):
                    return _read(descriptor, generation, mark)
            except FileNotFoundError:
                return Reading((), "", is_whole=True)

    def compact(self, keep_since: Instant, *, always: bool = False) -> Span | None:
        """Write the file anew, one line for each subject, without old ones that do not stand.

        Raises:
            StoreFailure: it could not be written; the old file stays.
        """
        with disk_errors("writing the tombstones anew"):
            try:
                with self._held(create=False) as (descriptor, generation):
                    reading = _read(descriptor, generation, None)
                    kept = _compacted(reading.tombstones, keep_since)
                    if not always and len(reading.tombstones) - len(kept) < _WORTH_COMPACTING:
                        return None
                    # Others wait for the lock of the old file, and then see that it has no name any more.
                    return Span(reading.end, self._replace(kept))
            except FileNotFoundError:
                return None

    @contextmanager
    def _held(self, *, create: bool) -> Iterator[tuple[int, str]]:
        """Open the file that has the name now, alone, and read its generation.

        Raises:
            FileNotFoundError: there is none, and none shall be made.
            StoreBroken: it is no file of tombstones.
        """
        while True:
            descriptor = self._open(create=create)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not self._is_current(descriptor):
                    continue
                yield descriptor, _generation(descriptor)
                return
            finally:
                os.close(descriptor)

    def _open(self, *, create: bool) -> int:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self.path, flags)
        except FileNotFoundError:
            if not create:
                raise
        self._make()
        return os.open(self.path, flags)

    def _is_current(self, descriptor: int) -> bool:
        held = os.fstat(descriptor)
        with suppress(FileNotFoundError):
            named = self.path.lstat()
            return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
        return False

    def _make(self) -> None:
        """Make an empty file, unless another process just did."""
        temporary = self._write_new(())
        try:
            os.link(temporary, self.path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        self._sync_folder()

    def _replace(self, kept: Iterable[OutsideTombstone]) -> str:
        temporary = self._write_new(kept)
        descriptor = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            end = _mark(_generation(descriptor), os.fstat(descriptor).st_size)
            temporary.replace(self.path)
        finally:
            os.close(descriptor)
        self._sync_folder()
        return end

    def _write_new(self, kept: Iterable[OutsideTombstone]) -> Path:
        generation = os.urandom(_GENERATION_BYTES).hex()
        temporary = self.path.with_name(f"{self.path.name}-{generation}")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            header = f"{_TITLE} {generation}\n".encode()
            _write(descriptor, header + b"".join(_line(entry) for entry in kept), 0)
            os.fsync(descriptor)
        except BaseException:
            temporary.unlink()
            raise
        finally:
            os.close(descriptor)
        return temporary

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _compacted(tombstones: Iterable[OutsideTombstone], keep_since: Instant) -> list[OutsideTombstone]:
    """One entry for each subject, in the order of the first; those go that neither stand nor are recent."""
    latest: dict[Subject, OutsideTombstone] = {}
    for entry in tombstones:
        key = Subject(entry.subject.scope, entry.subject.subject_id)
        latest[key] = united(latest.get(key), entry)
    return [entry for entry in latest.values() if entry.stands or entry.since >= keep_since]


def _generation(descriptor: int) -> str:
    header = os.pread(descriptor, _LONGEST_HEADER, 0).partition(b"\n")[0].decode(errors="replace")
    title, _, generation = header.rpartition(" ")
    if title != _TITLE or len(generation) != 2 * _GENERATION_BYTES:
        raise StoreBroken(
            "the file of tombstones beside the database is none that this ipsync wrote: "
            "put back the newest copy of it, or move it away if there never was one"
        )
    return generation


def _whole_bytes(descriptor: int) -> int:
    """Up to where the file consists of whole lines."""
    size_bytes = os.fstat(descriptor).st_size
    reach = size_bytes
    while reach > 0:
        begin = max(0, reach - 4096)
        found = os.pread(descriptor, reach - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        reach = begin
    return size_bytes


def _read(descriptor: int, generation: str, mark: str | None) -> Reading:
    end = _whole_bytes(descriptor)
    header = len(os.pread(descriptor, _LONGEST_HEADER, 0).partition(b"\n")[0]) + 1
    begin = _offset(mark, generation, header, end)
    is_whole = begin is None
    found: list[OutsideTombstone] = []
    damaged = 0
    with os.fdopen(os.dup(descriptor), "rb") as lines:
        lines.seek(header if begin is None else begin)
        for line in lines:
            entry = _entry(line)
            if entry is not None:
                found.append(entry)
            elif line.strip():
                damaged += 1
    return Reading(tuple(found), _mark(generation, end), is_whole, damaged)


def _offset(mark: str | None, generation: str, header: int, end: int) -> int | None:
    written, _, offset = (mark or "").partition(":")
    if written != generation or not offset.isdecimal() or not header <= int(offset) <= end:
        return None
    return int(offset)


def _mark(generation: str, offset: int) -> str:
    return f"{generation}:{offset}"


def _write(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data`, or nothing: a part of it would look like a torn line to whoever comes next."""
    written = 0
    try:
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], offset + written)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, offset)
        raise


def _line(entry: OutsideTombstone) -> bytes:
    text = _plain_text(entry) if _is_plain(entry) else _text(entry)
    return text + b" " + _checksum(text) + b"\n"


def _is_plain(entry: OutsideTombstone) -> bool:
    return not entry.request_id and not entry.stands and entry.ended_by is None


def _plain_text(entry: OutsideTombstone) -> bytes:
    """What `_text` writes of an erased document that nobody asked away; of those an account has many."""
    subject = entry.subject
    return (
        f'{{"scope":"{subject.scope.value}","id":{subject.subject_id},"account":{subject.account_id},'
        f'"reason":"{entry.reason.value}","since":{entry.since}}}'
    ).encode()


def _text(entry: OutsideTombstone) -> bytes:
    told: dict[str, object] = {
        "scope": entry.subject.scope.value,
        "id": entry.subject.subject_id,
        "account": entry.subject.account_id,
        "reason": entry.reason.value,
        "since": entry.since,
    }
    if entry.request_id or entry.stands:
        told |= {
            "stands": entry.stands,
            "epoch": entry.consent_epoch,
            "request": entry.request_id,
            "received": entry.received_at,
            "held": [entry.held.documents, entry.held.files, entry.held.size_bytes],
        }
    if entry.ended_by is not None:
        told["ended"] = entry.ended_by.value
    return json.dumps(told, separators=(",", ":")).encode()


def _entry(line: bytes) -> OutsideTombstone | None:
    """The tombstone of a line, or None for one that is torn or altered."""
    text, _, checksum = line.rstrip(b"\n").rpartition(b" ")
    if not text or checksum != _checksum(text):
        return None
    try:
        told = json.loads(text)
        ended = told.get("ended")
        return OutsideTombstone(
            subject=Subject(RequestScope(told["scope"]), int(told["id"]), int(told["account"])),
            reason=Reason(told["reason"]),
            since=int(told["since"]),
            stands=bool(told.get("stands", False)),
            consent_epoch=int(told.get("epoch", 0)),
            request_id=int(told.get("request", 0)),
            received_at=int(told.get("received", 0)),
            held=Holding(*map(int, told.get("held", (0, 0, 0)))),
            ended_by=None if ended is None else Ending(ended),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _checksum(text: bytes) -> bytes:
    return blake3(text).hexdigest()[:_CHECKSUM_DIGITS].encode()
